//! What can be asked for.

use std::fmt;

use super::words::quote;

/// Something to do. `Display` writes it the way it can be typed again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    ShowVersion,
    ShowFrontends,
    ShowFrontend {
        name: String,
    },
    ShowBackends,
    ShowBackend {
        name: String,
    },
    ShowHealthChecks,
    ShowHealthCheck {
        name: String,
    },
    ShowVppInfo,
    ShowState {
        flows: bool,
    },
    ShowCounters,
    ShowPlan {
        recreate: bool,
    },
    ShowOverrides,
    Sync {
        frontend: Option<String>,
        recreate: bool,
    },
    SetBackend {
        name: String,
        action: Action,
        reason: String,
    },
    ProbeBackend {
        name: String,
    },
    /// Without a weight it is the config's again.
    SetWeight {
        frontend: String,
        pool: String,
        backend: String,
        weight: Option<u32>,
        reason: String,
    },
    /// Without a file it is the daemon's own.
    ConfigCheck {
        file: Option<String>,
    },
    ConfigPlan {
        file: Option<String>,
    },
    ConfigReload,
    Watch(Watch),
    Help,
    Quit,
}

/// What an operator does to a backend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    Pause,
    Resume,
    Enable,
    Disable,
    Clear,
}

impl Action {
    /// As it is typed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Clear => "clear",
        }
    }
}

/// Which events to watch, and how many. With none of log, backend and frontend it is all of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Watch {
    pub(crate) num: Option<u64>,
    pub(crate) log: bool,
    pub(crate) level: Option<Level>,
    pub(crate) backend: bool,
    pub(crate) frontend: bool,
}

/// How much a log record matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    pub(crate) const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// As it is typed, and as the API has it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl Command {
    /// It may change something.
    pub(crate) fn writes(&self) -> bool {
        matches!(
            self,
            Self::Sync { .. }
                | Self::SetBackend { .. }
                | Self::ProbeBackend { .. }
                | Self::SetWeight { .. }
                | Self::ConfigReload
        )
    }

    /// The file that it reads here.
    pub(crate) fn file_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::ConfigCheck { file } | Self::ConfigPlan { file } => file.as_mut(),
            _ => None,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShowVersion => f.write_str("show version"),
            Self::ShowFrontends => f.write_str("show frontends"),
            Self::ShowFrontend { name } => write!(f, "show frontend {}", quote(name)),
            Self::ShowBackends => f.write_str("show backends"),
            Self::ShowBackend { name } => write!(f, "show backend {}", quote(name)),
            Self::ShowHealthChecks => f.write_str("show healthchecks"),
            Self::ShowHealthCheck { name } => write!(f, "show healthcheck {}", quote(name)),
            Self::ShowVppInfo => f.write_str("show vpp info"),
            Self::ShowState { flows } => write!(f, "show vpp lb state{}", flag(*flows, " flows")),
            Self::ShowCounters => f.write_str("show vpp lb counters"),
            Self::ShowPlan { recreate } => write!(f, "show vpp lb plan{}", flag(*recreate, " recreate")),
            Self::ShowOverrides => f.write_str("show overrides"),
            Self::Sync { frontend, recreate } => {
                f.write_str("sync vpp lb state")?;
                with(f, " frontend ", frontend.as_deref())?;
                f.write_str(flag(*recreate, " recreate"))
            }
            Self::SetBackend { name, action, reason } => {
                write!(f, "set backend {} {}", quote(name), action.word())?;
                with(f, " reason ", Some(reason.as_str()).filter(|reason| !reason.is_empty()))
            }
            Self::ProbeBackend { name } => write!(f, "probe backend {} now", quote(name)),
            Self::SetWeight { frontend, pool, backend, weight, reason } => {
                let (frontend, pool, backend) = (quote(frontend), quote(pool), quote(backend));
                write!(f, "set frontend {frontend} pool {pool} backend {backend} weight ")?;
                match weight {
                    Some(weight) => write!(f, "{weight}")?,
                    None => f.write_str("config")?,
                }
                with(f, " reason ", Some(reason.as_str()).filter(|reason| !reason.is_empty()))
            }
            Self::ConfigCheck { file } => {
                f.write_str("config check")?;
                with(f, " ", file.as_deref())
            }
            Self::ConfigPlan { file } => {
                f.write_str("config plan")?;
                with(f, " ", file.as_deref())
            }
            Self::ConfigReload => f.write_str("config reload"),
            Self::Watch(watch) => watch.fmt(f),
            Self::Help => f.write_str("help"),
            Self::Quit => f.write_str("quit"),
        }
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { num, log, level, backend, frontend } = self;
        f.write_str("watch events")?;
        if let Some(num) = num {
            write!(f, " num {num}")?;
        }
        f.write_str(flag(*log, " log"))?;
        with(f, " level ", level.map(Level::word))?;
        f.write_str(flag(*backend, " backend"))?;
        f.write_str(flag(*frontend, " frontend"))
    }
}

fn flag(set: bool, word: &'static str) -> &'static str {
    if set { word } else { "" }
}

/// Writes `words` and the value, if there is one.
fn with(f: &mut fmt::Formatter<'_>, words: &str, value: Option<&str>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, "{words}{}", quote(value)))
}
