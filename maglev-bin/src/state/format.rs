//! How a [`State`] reads in its file: JSON for people and tools, with a version, in a stable order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipnet::IpNet;
use jiff::Timestamp;
use maglev_health::{BackendOverride, MemberKey, Weight};
use maglev_sync::{Protocol, VipKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Note, Noted, State};
use crate::event::Text;

/// What this release writes and reads.
const VERSION: u64 = 1;

/// Most bytes a file may have: tens of thousands of overrides, and no danger to memory.
pub(super) const CAP: usize = 16 << 20;

/// Why a text is no state. It names the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Larger than any state could be.
    #[error("it is larger than {} MiB", CAP >> 20)]
    TooLong,
    /// Not JSON from start to end, or nothing that says its version.
    #[error("it is no state file: {0}")]
    Json(serde_json::Error),
    /// Written by another release.
    #[error("its version is {0}, and this release reads version {VERSION}")]
    Version(u64),
    /// A field is missing, unknown or out of range.
    #[error("{0}")]
    Field(serde_path_to_error::Error<serde_json::Error>),
    /// An entry of a list is wrong as a whole.
    #[error("{list}[{index}]: {why}")]
    Entry {
        /// `backends`, `weights` or `vips`.
        list: &'static str,
        /// From 0.
        index: usize,
        /// What is wrong.
        why: String,
    },
}

impl State {
    /// The text of the file.
    pub fn to_json(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(&Document::from(self)).expect("words, numbers and lists are JSON");
        text.push(b'\n');
        text
    }

    /// What the text of a file says.
    ///
    /// # Errors
    /// [`FormatError`]: a file is taken whole or not at all.
    pub fn from_json(text: &[u8]) -> Result<Self, FormatError> {
        if text.len() > CAP {
            return Err(FormatError::TooLong);
        }
        // By itself first: what another version has beside it is not to be called unknown.
        let Version { version } = serde_json::from_slice(text).map_err(FormatError::Json)?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        let document = &mut serde_json::Deserializer::from_slice(text);
        let document: Document = serde_path_to_error::deserialize(document).map_err(FormatError::Field)?;
        document.state()
    }
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u64,
    backends: Vec<BackendEntry>,
    weights: Vec<WeightEntry>,
    vips: Vec<VipEntry>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct BackendEntry {
    backend: Text,
    #[serde(with = "Action")]
    action: BackendOverride,
    time: Timestamp,
    who: Text,
    reason: Text,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WeightEntry {
    frontend: Text,
    pool: Text,
    backend: Text,
    #[serde(serialize_with = "write_weight", deserialize_with = "read_weight")]
    weight: Weight,
    time: Timestamp,
    who: Text,
    reason: Text,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct VipEntry {
    prefix: IpNet,
    protocol: String,
    port: u16,
}

/// The words of [`BackendOverride::as_str`].
#[derive(Deserialize, Serialize)]
#[serde(remote = "BackendOverride")]
enum Action {
    #[serde(rename = "pause")]
    Paused,
    #[serde(rename = "disable")]
    Disabled,
    #[serde(rename = "enable")]
    Enabled,
}

fn write_weight<S: Serializer>(weight: &Weight, serializer: S) -> Result<S::Ok, S::Error> {
    weight.get().serialize(serializer)
}

fn read_weight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Weight, D::Error> {
    let number = u64::deserialize(deserializer)?;
    let weight = u8::try_from(number).ok().and_then(Weight::new);
    weight.ok_or_else(|| D::Error::custom(format!("weight {number} is not between 0 and 100")))
}

impl From<&State> for Document {
    fn from(state: &State) -> Self {
        let backend = |(backend, noted): (&Text, &Noted<_>)| {
            let Noted { value: action, note: Note { time, who, reason } } = noted.clone();
            BackendEntry { backend: backend.clone(), action, time, who, reason }
        };
        let weight = |(member, noted): (&MemberKey, &Noted<_>)| {
            let MemberKey { frontend, pool, backend } = member.clone();
            let Noted { value: weight, note: Note { time, who, reason } } = noted.clone();
            WeightEntry { frontend, pool, backend, weight, time, who, reason }
        };
        let vip =
            |vip: &VipKey| VipEntry { prefix: vip.prefix(), protocol: vip.protocol().to_string(), port: vip.port() };
        Self {
            version: VERSION,
            backends: state.backends.iter().map(backend).collect(),
            weights: state.weights.iter().map(weight).collect(),
            vips: state.vips.iter().map(vip).collect(),
        }
    }
}

impl Document {
    fn state(self) -> Result<State, FormatError> {
        let mut state = State { backends: BTreeMap::new(), weights: BTreeMap::new(), vips: BTreeSet::new() };
        for (index, BackendEntry { backend, action, time, who, reason }) in self.backends.into_iter().enumerate() {
            let noted = Noted { value: action, note: Note { time, who, reason } };
            if state.backends.insert(backend.clone(), noted).is_some() {
                return Err(twice("backends", index, &format_args!("backend {backend}")));
            }
        }
        for (index, entry) in self.weights.into_iter().enumerate() {
            let WeightEntry { frontend, pool, backend, weight, time, who, reason } = entry;
            let member = MemberKey { frontend, pool, backend };
            let noted = Noted { value: weight, note: Note { time, who, reason } };
            if state.weights.insert(member.clone(), noted).is_some() {
                let MemberKey { frontend, pool, backend } = member;
                let place = format_args!("frontend {frontend} pool {pool} backend {backend}").to_string();
                return Err(twice("weights", index, &place));
            }
        }
        for (index, entry) in self.vips.iter().enumerate() {
            let vip = entry.key().map_err(|why| FormatError::Entry { list: "vips", index, why })?;
            if !state.vips.insert(vip) {
                return Err(twice("vips", index, &format_args!("VIP {vip}")));
            }
        }
        Ok(state)
    }
}

fn twice(list: &'static str, index: usize, what: &dyn fmt::Display) -> FormatError {
    FormatError::Entry { list, index, why: format!("{what} stands there a second time") }
}

impl VipEntry {
    /// The key, which has one spelling.
    fn key(&self) -> Result<VipKey, String> {
        let Self { prefix, protocol: word, port } = self;
        let protocol = match word.as_str() {
            "tcp" => Protocol::TCP,
            "udp" => Protocol::UDP,
            "any" => Protocol::ANY,
            number => Protocol::new(number.parse().map_err(|_| format!("there is no protocol {word:?}"))?),
        };
        let key = VipKey::new(*prefix, protocol, *port);
        if key.prefix() != *prefix {
            return Err(format!("prefix {prefix} has host bits: {} is meant?", key.prefix()));
        }
        if key.protocol().to_string() != *word {
            return Err(format!("protocol {word:?} with port {port} is to be spelt {:?}", key.protocol().to_string()));
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests;
