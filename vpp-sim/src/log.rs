//! The API log: every message in either direction, as VPP's definitions name its fields.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::options::ApiLog;

/// One message that went over the API socket.
///
/// As a line of the log file it is a JSON object with these keys.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
/// # fn main() { sim::with_options(async |options| {
/// use vpp_sim::{ApiLog, Options, Simulator};
///
/// let simulator = Simulator::start(Options { api_log: ApiLog::Memory, ..options })?;
/// sim::add_web(&simulator).await?;
/// let log = simulator.api_log();
/// let of_commands = |name: &str| log.iter().filter(|entry| entry.name == name).collect::<Vec<_>>();
/// let (asked, answered) = (of_commands("cli_inband"), of_commands("cli_inband_reply"));
/// assert_eq!(asked[0].fields["cmd"], "lb vip 192.0.2.1/32 protocol tcp port 80 encap gre4");
/// assert_eq!((asked[0].retval, answered[0].retval), (None, Some(0)));
/// // The context tells which answer belongs to which message.
/// assert_eq!(asked[0].fields["context"], answered[0].fields["context"]);
/// # Ok(()) }) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LogEntry {
    /// Unix time in seconds, with a fraction.
    pub time: f64,
    /// Name that the client gave itself; empty before it did.
    pub client: String,
    /// Name of the message without its CRC; empty for an id that no message has.
    pub name: String,
    /// Its fields and its context, named as in VPP's definitions: numbers as numbers, bools as bools, addresses and prefixes as
    /// text.
    pub fields: Map<String, Value>,
    /// The result code, of a reply that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retval: Option<i32>,
}

/// Writes the API log.
#[derive(Debug)]
pub(crate) enum Logger {
    Nowhere,
    File(File),
    Memory(Arc<Mutex<Vec<LogEntry>>>),
}

impl Logger {
    /// # Errors
    /// If the file cannot be opened.
    pub(crate) fn open(to: &ApiLog) -> io::Result<Self> {
        Ok(match to {
            ApiLog::None => Self::Nowhere,
            ApiLog::File(path) => Self::File(OpenOptions::new().create(true).append(true).open(path)?),
            ApiLog::Memory => Self::Memory(Arc::default()),
        })
    }

    /// The entries so far, if they are kept.
    pub(crate) fn memory(&self) -> Option<Arc<Mutex<Vec<LogEntry>>>> {
        match self {
            Self::Memory(entries) => Some(entries.clone()),
            Self::Nowhere | Self::File(_) => None,
        }
    }

    /// Writes one message down, at once. `message` gives its fields as an object; nothing is made of it without a log.
    ///
    /// A log that cannot be written is no reason to stop: it is told once a message.
    pub(crate) fn message(
        &mut self,
        time: f64,
        client: &str,
        name: &str,
        context: Option<u32>,
        retval: Option<i32>,
        message: &impl Serialize,
    ) {
        if matches!(self, Self::Nowhere) {
            return;
        }
        let mut fields = Map::new();
        if let Some(context) = context {
            fields.insert("context".to_owned(), context.into());
        }
        match serde_json::to_value(message) {
            Ok(Value::Object(object)) => fields.extend(object),
            // A message without fields serialises as an empty object, and nothing serialises as anything else.
            Ok(_) => (),
            Err(error) => tracing::error!(name, %error, "cannot log a message"),
        }
        let entry = LogEntry { time, client: client.to_owned(), name: name.to_owned(), fields, retval };
        match self {
            Self::Nowhere => (),
            Self::Memory(entries) => entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry),
            Self::File(file) => {
                if let Err(error) = write_line(file, &entry) {
                    tracing::error!(%error, "cannot write the API log");
                }
            }
        }
    }
}

/// One write per line, so that a reader never sees half of one.
fn write_line(file: &mut File, entry: &LogEntry) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    file.write_all(&line)
}
