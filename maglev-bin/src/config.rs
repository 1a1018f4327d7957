//! The config file: read, checked as a whole, and explained where it is wrong.
//!
//! A text becomes a tree that knows the place of each node (`yaml`), the tree a draft (`read`: shapes, types, what one
//! section can tell by itself), the draft a [`Config`] (`rules`: what sections ask of each other). None of the three stops
//! at the first error, so one run tells all of them. `docs/configuration.md` describes every key.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

mod address;
mod diagnostic;
mod duration;
mod item;
mod kind;
mod model;
mod read;
mod report;
mod rules;
mod schema;
mod source;
mod yaml;

pub use diagnostic::{ConfigError, Diagnostic, ErrorKind};
pub use duration::{DurationError, parse as parse_duration};
pub use kind::{
    CheckKind, DnsParams, ExecParams, FromFile, GrpcParams, HeaderRule, HttpParams, Regexp, TcpParams, TlsParams,
    UdpParams,
};
pub use model::{
    Backend, Config, Family, ForeignVips, Frontend, HealthCheck, HealthChecker, Lb, Pool, PoolMember, Protocol,
    TableLength,
};

use report::Report;
use source::Source;

/// What the daemon that is going to use a config has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "callers write it out; what is added has to be decided by each of them")]
pub struct Context {
    /// There is a VPP to program: the source addresses of the lb plugin are required.
    pub dataplane: bool,
}

/// A config that holds, and what is odd about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// In the order of the file.
    pub warnings: Vec<Diagnostic>,
}

/// Five thousand frontends of eight backends each. What is larger was given by mistake, and would cost the daemon a hundred
/// times its size in memory just to refuse it.
pub(crate) const LARGEST: usize = 4 << 20;

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, or why it cannot be read.
    pub fn load(path: impl AsRef<Path>, context: Context) -> Result<Loaded, ConfigError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let bytes = read_file(path).map_err(|error| report::unreadable(&error, &name))?;
        if bytes.len() > LARGEST {
            return Err(report::too_large(&name));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&text, &name, context),
            Err(error) => Err(report::not_utf8(&error, &name)),
        }
    }

    /// Checks a text. `file` is what diagnostics call it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str, file: &str, context: Context) -> Result<Loaded, ConfigError> {
        if text.len() > LARGEST {
            return Err(report::too_large(file));
        }
        let sha256 = sha256(text);
        // Counted in columns it would shift every place in the first line.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let source = Source::new(text);
        let mut report = Report::default();
        let root = match yaml::parse(text, &source) {
            Ok(root) => root,
            Err(complaint) => return Err(report::no_yaml(complaint, file, &source)),
        };
        let draft = read::read(&root, &mut report, context);
        let config = rules::apply(draft, &mut report, sha256);
        let warnings = report.finish(file, &source)?;
        Ok(Loaded { config, warnings })
    }
}

/// The whole of a file, or its start if it is too large for a config.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
