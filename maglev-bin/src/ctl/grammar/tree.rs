//! The tree of all commands: what may stand where, what it is for, and which command it comes to.

use Then::{May, Must};

use super::command::{Action, Command, Level, Watch};

/// A word that may stand at some place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) token: Token,
    /// What it is for, in a line.
    pub(super) help: &'static str,
    pub(super) then: Then,
}

/// A keyword, or something that takes its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token {
    Word(&'static str),
    Arg(Kind),
}

/// What may follow.
#[derive(Debug)]
pub(super) enum Then {
    /// One of these must.
    Must(&'static [Node]),
    /// Each of these may, in any order.
    May(&'static [Node], End),
}

/// What a line comes to that ends here.
#[derive(Debug)]
pub(super) enum End {
    Command(Build),
    /// An option is complete; the line goes on where the option began.
    Option,
}

/// Makes the command of what was said.
pub(super) type Build = fn(&Said<'_>) -> Command;

/// What an argument is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Frontend,
    Backend,
    HealthCheck,
    /// A pool of the frontend before it.
    Pool,
    /// A backend of the pool before it.
    Member,
    File,
    Weight,
    Count,
    /// The rest of the line.
    Reason,
}

impl Kind {
    /// How help and messages call it.
    pub(super) fn placeholder(self) -> &'static str {
        match self {
            Self::Frontend | Self::Backend | Self::HealthCheck | Self::Member => "NAME",
            Self::Pool => "POOL",
            Self::File => "FILE",
            Self::Weight => "0-100",
            Self::Count => "N",
            Self::Reason => "TEXT",
        }
    }

    /// Says why `word` cannot be one; `None` if it can.
    pub(super) fn objection(self, word: &str) -> Option<String> {
        let within = |least: u64, most: u64| {
            // A leading sign would pass `parse`.
            let digits = word.bytes().all(|byte| byte.is_ascii_digit());
            digits && word.parse().is_ok_and(|number: u64| (least..=most).contains(&number))
        };
        match self {
            Self::Weight if !within(0, 100) => Some("a weight is a number from 0 to 100, or `config`".to_owned()),
            Self::Count if !within(1, MOST_EVENTS) => Some(format!("a number of events is 1 to {MOST_EVENTS}")),
            Self::Reason if word.len() > LONGEST_REASON => Some(format!("a reason has at most {LONGEST_REASON} bytes")),
            Self::Reason if word.chars().any(char::is_control) => Some("a reason is one line of plain text".to_owned()),
            _ if word.is_empty() => Some(format!("{} cannot be empty", self.placeholder())),
            _ => None,
        }
    }
}

/// As the API has it.
const LONGEST_REASON: usize = 256;

const MOST_EVENTS: u64 = 1_000_000_000;

impl Token {
    /// How help and messages call it.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Self::Word(word) => word,
            Self::Arg(kind) => kind.placeholder(),
        }
    }
}

/// The words of a line with the nodes they were read as.
pub(super) struct Said<'r>(pub(super) &'r [(&'static Node, String)]);

impl Said<'_> {
    fn has(&self, word: &str) -> bool {
        self.0.iter().any(|(node, _)| matches!(node.token, Token::Word(this) if this == word))
    }

    pub(super) fn option(&self, kind: Kind) -> Option<String> {
        let is_it = |(node, _): &&(&Node, _)| matches!(node.token, Token::Arg(this) if this == kind);
        self.0.iter().find(is_it).map(|(_, text)| text.clone())
    }

    /// Empty if it was not said.
    fn text(&self, kind: Kind) -> String {
        self.option(kind).unwrap_or_default()
    }

    /// [`Kind::objection`] lets nothing pass that is no number.
    fn number<N: std::str::FromStr>(&self, kind: Kind) -> Option<N> {
        self.option(kind)?.parse().ok()
    }
}

const fn word(word: &'static str, help: &'static str, then: Then) -> Node {
    Node { token: Token::Word(word), help, then }
}

const fn arg(kind: Kind, help: &'static str, then: Then) -> Node {
    Node { token: Token::Arg(kind), help, then }
}

/// The line may end here.
const fn end(build: Build) -> Then {
    May(&[], End::Command(build))
}

/// An option ends here.
const OPTION: Then = May(&[], End::Option);

/// Where every line begins.
pub(super) static ROOT: Then = Must(&[
    word("show", "what is", SHOW),
    word("set", "steer by hand; it lasts until it is cleared", SET),
    word(
        "sync",
        "make VPP agree now",
        Must(&[word("vpp", "in VPP", Must(&[word("lb", "of its load balancer", SYNC)]))]),
    ),
    word("probe", "probe by hand", Must(&[word("backend", "a backend", PROBE)])),
    word("config", "the config file", CONFIG),
    word("watch", "what happens, as it happens", Must(&[word("events", "follow transitions and the log", WATCH)])),
    word("help", "all commands", end(|_| Command::Help)),
    word("quit", "leave", end(|_| Command::Quit)),
    word("exit", "leave", end(|_| Command::Quit)),
]);

const SHOW: Then = Must(&[
    word("version", "versions of maglevc, maglevd and VPP", end(|_| Command::ShowVersion)),
    word("frontends", "all frontends", end(|_| Command::ShowFrontends)),
    word(
        "frontend",
        "one frontend, its pools and their backends",
        Must(&[arg(
            Kind::Frontend,
            "name of the frontend",
            end(|said| Command::ShowFrontend { name: said.text(Kind::Frontend) }),
        )]),
    ),
    word("backends", "all backends", end(|_| Command::ShowBackends)),
    word(
        "backend",
        "one backend, where it serves and its history",
        Must(&[arg(
            Kind::Backend,
            "name of the backend",
            end(|said| Command::ShowBackend { name: said.text(Kind::Backend) }),
        )]),
    ),
    word("healthchecks", "all health checks", end(|_| Command::ShowHealthChecks)),
    word(
        "healthcheck",
        "one health check and the backends it probes",
        Must(&[arg(
            Kind::HealthCheck,
            "name of the health check",
            end(|said| Command::ShowHealthCheck { name: said.text(Kind::HealthCheck) }),
        )]),
    ),
    word("overrides", "what operators have set by hand", end(|_| Command::ShowOverrides)),
    word("vpp", "VPP", SHOW_VPP),
]);

const SHOW_VPP: Then = Must(&[
    word("info", "who is at the other end, and what it can do", end(|_| Command::ShowVppInfo)),
    word(
        "lb",
        "VPP's load balancer",
        Must(&[
            word(
                "state",
                "VIPs and application servers in VPP",
                May(
                    &[word("flows", "ask VPP for the flows of each server, too", OPTION)],
                    End::Command(|said| Command::ShowState { flows: said.has("flows") }),
                ),
            ),
            word("counters", "packets and bytes", end(|_| Command::ShowCounters)),
            word(
                "plan",
                "what a sync would change, and what that would move",
                May(
                    &[word("recreate", "what `sync … recreate` would do", OPTION)],
                    End::Command(|said| Command::ShowPlan { recreate: said.has("recreate") }),
                ),
            ),
        ]),
    ),
]);

const SYNC: Then = Must(&[word(
    "state",
    "read VPP and make it agree, now",
    May(
        &[
            word("frontend", "only this one", Must(&[arg(Kind::Frontend, "name of the frontend", OPTION)])),
            word("recreate", "make VIPs anew whose table has another length; this cuts flows", OPTION),
        ],
        End::Command(|said| Command::Sync { frontend: said.option(Kind::Frontend), recreate: said.has("recreate") }),
    ),
)]);

const PROBE: Then = Must(&[arg(
    Kind::Backend,
    "name of the backend",
    Must(&[word(
        "now",
        "send its next probe now, and tell what it found; it counts like any other",
        end(|said| Command::ProbeBackend { name: said.text(Kind::Backend) }),
    )]),
)]);

const SET: Then = Must(&[
    word(
        "backend",
        "a backend's state",
        Must(&[arg(
            Kind::Backend,
            "name of the backend",
            Must(&[
                word(
                    "pause",
                    "stop probing, take no new flows; flows stay",
                    May(REASON, End::Command(|said| act(Action::Pause, said))),
                ),
                word("resume", "end a pause", May(REASON, End::Command(|said| act(Action::Resume, said)))),
                word("enable", "end a disable", May(REASON, End::Command(|said| act(Action::Enable, said)))),
                word(
                    "disable",
                    "stop probing, take no flows; flows are cut",
                    May(REASON, End::Command(|said| act(Action::Disable, said))),
                ),
                word(
                    "clear",
                    "back to what the config says",
                    May(REASON, End::Command(|said| act(Action::Clear, said))),
                ),
            ]),
        )]),
    ),
    word(
        "frontend",
        "weights of a frontend",
        Must(&[arg(
            Kind::Frontend,
            "name of the frontend",
            Must(&[word(
                "pool",
                "in one of its pools",
                Must(&[arg(
                    Kind::Pool,
                    "name of the pool",
                    Must(&[word(
                        "backend",
                        "of one of its backends",
                        Must(&[arg(
                            Kind::Member,
                            "name of the backend",
                            Must(&[word("weight", "its share of new flows", WEIGHT)]),
                        )]),
                    )]),
                )]),
            )]),
        )]),
    ),
]);

const WEIGHT: Then = Must(&[
    arg(Kind::Weight, "the new weight; 0 takes no new flows", May(REASON, End::Command(weigh))),
    word("config", "back to the weight of the config", May(REASON, End::Command(weigh))),
]);

const REASON: &[Node] =
    &[word("reason", "say why", Must(&[arg(Kind::Reason, "why, for the history: the rest of the line", OPTION)]))];

const CONFIG: Then = Must(&[
    word(
        "check",
        "say what is wrong with a file",
        May(FILE, End::Command(|said| Command::ConfigCheck { file: said.option(Kind::File) })),
    ),
    word(
        "plan",
        "what a reload would change in VPP, and what that would move",
        May(FILE, End::Command(|said| Command::ConfigPlan { file: said.option(Kind::File) })),
    ),
    word("reload", "have the daemon read its file again", end(|_| Command::ConfigReload)),
]);

const FILE: &[Node] = &[arg(Kind::File, "a file here, `-` for standard input; without one it is the daemon's", OPTION)];

const WATCH: Then = May(
    &[
        word(
            "num",
            "end after so many",
            Must(&[arg(Kind::Count, "how many events, without those of the snapshot", OPTION)]),
        ),
        word(
            "log",
            "records of the log",
            May(
                &[word(
                    "level",
                    "from which level on",
                    Must(&[
                        word("debug", "every probe and API message", OPTION),
                        word("info", "transitions, syncs, connections", OPTION),
                        word("warn", "what to look at", OPTION),
                        word("error", "what does not work", OPTION),
                    ]),
                )],
                End::Option,
            ),
        ),
        word("backend", "transitions of backends", OPTION),
        word("frontend", "transitions of frontends", OPTION),
    ],
    End::Command(|said| {
        Command::Watch(Watch {
            num: said.number(Kind::Count),
            log: said.has("log"),
            level: Level::ALL.into_iter().find(|level| said.has(level.word())),
            backend: said.has("backend"),
            frontend: said.has("frontend"),
        })
    }),
);

fn act(action: Action, said: &Said<'_>) -> Command {
    Command::SetBackend { name: said.text(Kind::Backend), action, reason: said.text(Kind::Reason) }
}

fn weigh(said: &Said<'_>) -> Command {
    Command::SetWeight {
        frontend: said.text(Kind::Frontend),
        pool: said.text(Kind::Pool),
        backend: said.text(Kind::Member),
        weight: said.number(Kind::Weight),
        reason: said.text(Kind::Reason),
    }
}
