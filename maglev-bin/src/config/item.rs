//! Typed reading of the tree: each method gives the value, or reports what is wrong with it and gives nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::duration;
use super::report::{At, Report, Spot};
use super::schema;
use super::source::Span;
use super::yaml::{Entry, Node, Scalar, ScalarKind, Value};
use crate::nearest::nearest;

/// A node and its place among the keys.
#[derive(Clone, Debug)]
pub(super) struct Item<'t> {
    node: &'t Node,
    spot: Spot,
}

/// The entries of a mapping whose keys are known beforehand.
pub(super) struct Fields<'t> {
    entries: HashMap<&'t str, Item<'t>>,
    /// Keys that one which stands here was probably meant to be.
    misspelt: Vec<&'static str>,
    spot: Spot,
}

/// An entry of a mapping whose keys are names that the operator chose.
pub(super) struct Named<'t> {
    /// The name; its place is the key.
    pub(super) name: At<String>,
    /// What it stands for.
    pub(super) item: Item<'t>,
}

impl<'t> Item<'t> {
    /// The whole document.
    pub(super) fn root(node: &'t Node) -> Self {
        Self { node, spot: Spot { key: String::new(), span: node.span } }
    }

    /// Where to point when the value is wrong.
    pub(super) fn spot(&self) -> &Spot {
        &self.spot
    }

    pub(super) fn is_integer(&self) -> bool {
        self.scalar().is_some_and(|scalar| matches!(scalar.kind, ScalarKind::Integer(_)))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    /// Nothing, or a list or mapping without anything in it.
    pub(super) fn is_empty(&self) -> bool {
        match &self.node.value {
            Value::Null => true,
            Value::Scalar(_) => false,
            Value::List(nodes) => nodes.is_empty(),
            Value::Mapping(entries) => entries.is_empty(),
        }
    }

    fn at<T>(&self, value: T) -> At<T> {
        At { value, spot: self.spot.clone() }
    }

    /// A mapping with no other keys than `keys`; nothing at all counts as an empty one.
    ///
    /// `hint` may know more about a key that does not belong here than that it does not.
    pub(super) fn fields(
        &self,
        report: &mut Report,
        keys: &[&'static str],
        hint: impl Fn(&str) -> Option<String>,
    ) -> Option<Fields<'t>> {
        let mut entries = HashMap::new();
        let mut misspelt = Vec::new();
        for entry in self.entries(report, "write `key: value` lines, indented below it")? {
            let item = self.below(entry);
            if keys.contains(&entry.key.as_str()) {
                entries.insert(entry.key.as_str(), item);
                continue;
            }
            let near = nearest(&entry.key, keys.iter().copied());
            misspelt.extend(near);
            let help = match (hint(&entry.key), near) {
                (Some(hint), _) => hint,
                (None, Some(near)) => format!("did you mean `{near}`?"),
                (None, None) if keys.is_empty() => "remove it: nothing is set here".to_owned(),
                (None, None) => format!("known here: {}", list(keys, "and")),
            };
            let spot = Spot { span: entry.span, ..item.spot };
            report.parse(&spot, format!("unknown key `{}`", entry.key), help);
        }
        Some(Fields { entries, misspelt, spot: self.spot.clone() })
    }

    /// A mapping from names to things; nothing at all counts as an empty one. `how` tells how one is written.
    pub(super) fn named(&self, report: &mut Report, how: &str) -> Option<Vec<Named<'t>>> {
        let entries = self.entries(report, how)?;
        let named = entries.into_iter().map(|entry| {
            let item = self.below(entry);
            let spot = Spot { key: item.spot.key.clone(), span: entry.span };
            Named { name: At { value: entry.key.clone(), spot }, item }
        });
        Some(named.collect())
    }

    /// A list.
    pub(super) fn list(&self, report: &mut Report) -> Option<Vec<Item<'t>>> {
        match &self.node.value {
            Value::List(nodes) => {
                let items = nodes.iter().enumerate().map(|(index, node)| Item {
                    node,
                    spot: Spot { key: format!("{}[{index}]", self.spot.key), span: node.span },
                });
                Some(items.collect())
            }
            Value::Null => Some(Vec::new()),
            _ => {
                let help = "a list has a `- ` in front of each item".to_owned();
                self.wrong_type(report, "a list", help)
            }
        }
    }

    /// The entries of a mapping, each key once.
    fn entries(&self, report: &mut Report, how: &str) -> Option<Vec<&'t Entry>> {
        let entries = match &self.node.value {
            Value::Mapping(entries) => entries,
            Value::Null => return Some(Vec::new()),
            _ => return self.wrong_type(report, "a mapping", how.to_owned()),
        };
        let mut first: HashMap<&str, Span> = HashMap::new();
        let mut unique = Vec::with_capacity(entries.len());
        for entry in entries {
            match first.get(entry.key.as_str()) {
                None => {
                    first.insert(&entry.key, entry.span);
                    unique.push(entry);
                }
                Some(earlier) => {
                    let spot = Spot { key: self.below(entry).spot.key, span: entry.span };
                    let message = format!("`{}` stands here a second time", entry.key);
                    report.parse(
                        &spot,
                        message,
                        format!("the first one is in line {}: keep one of them", earlier.line),
                    );
                }
            }
        }
        Some(unique)
    }

    fn below(&self, entry: &'t Entry) -> Item<'t> {
        Item { node: &entry.value, spot: Spot { key: join(&self.spot.key, &entry.key), span: entry.value.span } }
    }

    fn scalar(&self) -> Option<&'t Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Any single word or text; numbers and truth values are taken as they are written.
    pub(super) fn text(&self, report: &mut Report, what: &str) -> Option<At<String>> {
        match self.scalar() {
            Some(scalar) => Some(self.at(scalar.text.clone())),
            None => self.wrong_type(report, what, None),
        }
    }

    /// One of a few words. `advice` is for another one that is not near any of them.
    pub(super) fn word<T: Copy>(
        &self,
        report: &mut Report,
        words: &[(&'static str, T)],
        advice: Option<&str>,
    ) -> Option<At<T>> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let expected = list(&names, "or");
        let scalar = match self.scalar() {
            Some(scalar) => scalar,
            None => return self.wrong_type(report, &expected, None),
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == scalar.text) {
            return Some(self.at(*value));
        }
        let near = nearest(&scalar.text, names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        self.wrong_type(report, &expected, near.or(advice.map(str::to_owned)))
    }

    /// `true` or `false`, or one of the words that older YAML took for them.
    pub(super) fn boolean(&self, report: &mut Report) -> Option<At<bool>> {
        let scalar = match self.scalar() {
            Some(scalar) => scalar,
            None => return self.wrong_type(report, "true or false", None),
        };
        let word = scalar.text.to_ascii_lowercase();
        let value = match word.as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        };
        match (scalar.kind, value) {
            (ScalarKind::Bool(value), _) | (ScalarKind::Plain, Some(value)) => Some(self.at(value)),
            (ScalarKind::Quoted, Some(value)) => {
                self.wrong_type(report, "true or false", format!("write {value} without quotes"))
            }
            _ => self.wrong_type(report, "true or false", None),
        }
    }

    /// A whole number; whether it is in its range is for the caller.
    pub(super) fn integer(&self, report: &mut Report) -> Option<At<i128>> {
        const EXPECTED: &str = "a whole number";
        let scalar = match self.scalar() {
            Some(Scalar { kind: ScalarKind::Integer(value), .. }) => return Some(self.at(*value)),
            Some(scalar) => scalar,
            None => return self.wrong_type(report, EXPECTED, None),
        };
        if scalar.kind == ScalarKind::Float && scalar.text.bytes().all(|b| b.is_ascii_digit()) {
            // Too many digits for any integer, so too many for any range.
            return Some(self.at(i128::MAX));
        }
        let digits: String = scalar.text.chars().filter(|c| !matches!(c, '_' | ',')).collect();
        let help = match (scalar.kind, digits.parse::<i128>()) {
            (ScalarKind::Quoted, Ok(number)) => Some(format!("write {number} without quotes")),
            (ScalarKind::Plain, Ok(number)) => Some(format!("write {number}")),
            _ => None,
        };
        self.wrong_type(report, EXPECTED, help)
    }

    /// A whole number in `range`. Anything else than a number is a parse error, another number a semantic one.
    pub(super) fn integer_in(&self, report: &mut Report, range: std::ops::RangeInclusive<u32>) -> Option<At<u32>> {
        let number = self.integer(report)?;
        let value = u32::try_from(number.value).ok().filter(|value| range.contains(value));
        if value.is_none() {
            let message = format!("{} is out of range: {} to {}", number.value, range.start(), range.end());
            report.semantic(&self.spot, message, None);
        }
        value.map(|value| self.at(value))
    }

    /// A TCP or UDP port.
    pub(super) fn port(&self, report: &mut Report) -> Option<At<u16>> {
        let port = self.integer_in(report, 1..=65_535)?;
        u16::try_from(port.value).ok().map(|value| self.at(value))
    }

    /// A duration with its unit.
    pub(super) fn duration(&self, report: &mut Report) -> Option<At<Duration>> {
        const EXPECTED: &str = "a duration such as `2s`, `500ms` or `1m30s`";
        let scalar = match self.scalar() {
            Some(scalar) => scalar,
            None => return self.wrong_type(report, EXPECTED, None),
        };
        let error = match duration::parse(&scalar.text) {
            Ok(value) => return Some(self.at(value)),
            Err(error) => error,
        };
        let help = advise(&scalar.text).unwrap_or_else(|| error.to_string());
        self.wrong_type(report, EXPECTED, help)
    }

    /// A single address, without a prefix length.
    pub(super) fn address(&self, report: &mut Report) -> Option<At<IpAddr>> {
        const EXPECTED: &str = "an IP address";
        let scalar = match self.scalar() {
            Some(scalar) => scalar,
            None => return self.wrong_type(report, EXPECTED, None),
        };
        let text = scalar.text.trim();
        if let Ok(address) = text.parse() {
            return Some(self.at(address));
        }
        let host = text.split_once('/').map_or(text, |(host, _)| host);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let help = match bare.parse::<IpAddr>() {
            Ok(address) if text.contains('/') => {
                Some(format!("write {address} without a prefix length: it is always a single host"))
            }
            Ok(address) => Some(format!("write {address}")),
            Err(_) => match text.parse::<std::net::SocketAddr>() {
                Ok(socket) => Some(format!("write {}: the port has a key of its own", socket.ip())),
                Err(_) => None,
            },
        };
        self.wrong_type(report, EXPECTED, help)
    }

    /// Reports that something else stands here than `expected`.
    pub(super) fn wrong_type<T>(
        &self,
        report: &mut Report,
        expected: &str,
        help: impl Into<Option<String>>,
    ) -> Option<T> {
        let found = match &self.node.value {
            Value::Null => "nothing".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
            Value::Scalar(Scalar { text, kind }) => match kind {
                ScalarKind::Bool(_) => format!("`{}`", shorten(text)),
                ScalarKind::Integer(_) | ScalarKind::Float => format!("the number {}", shorten(text)),
                ScalarKind::Plain => format!("the text `{}`", shorten(text)),
                ScalarKind::Quoted => format!("the text \"{}\"", shorten(text)),
            },
        };
        let help = help.into();
        let help = help.or_else(|| self.is_null().then(|| "write a value, or remove the key".to_owned()));
        report.parse(&self.spot, format!("expected {expected}, found {found}"), help);
        None
    }
}

impl<'t> Fields<'t> {
    /// The mapping itself.
    pub(super) fn spot(&self) -> &Spot {
        &self.spot
    }

    pub(super) fn get(&self, key: &str) -> Option<&Item<'t>> {
        self.entries.get(key)
    }

    /// The mapping at `key`, an empty one where there is none. Nothing if something else than a mapping stands there,
    /// or if the key is misspelt: then it would be idle to say what is not in it.
    pub(super) fn section(&self, report: &mut Report, key: &str, keys: &[&'static str]) -> Option<Fields<'t>> {
        match self.get(key) {
            Some(item) => item.fields(report, keys, schema::home),
            None if self.misspelt.contains(&key) => None,
            None => Some(Fields { entries: HashMap::new(), misspelt: Vec::new(), spot: self.absent(key) }),
        }
    }

    /// The things below `key`, none where it is absent; nothing as with [`Fields::section`].
    pub(super) fn named(&self, report: &mut Report, key: &str, how: &str) -> Option<Vec<Named<'t>>> {
        match self.get(key) {
            Some(item) => item.named(report, how),
            None if self.misspelt.contains(&key) => None,
            None => Some(Vec::new()),
        }
    }

    /// The place to complain of a key that is not there: the mapping, with the key's name.
    pub(super) fn absent(&self, key: &str) -> Spot {
        Spot { key: join(&self.spot.key, key), span: self.spot.span }
    }

    /// What stands at `key`, or a report that nothing does. None either if the key is there but misspelt, which is
    /// reported already.
    pub(super) fn required(&self, report: &mut Report, key: &str, help: &str) -> Option<&Item<'t>> {
        let item = self.get(key);
        if item.is_none() && !self.misspelt.contains(&key) {
            report.semantic(&self.absent(key), format!("`{key}` is missing"), help.to_owned());
        }
        item
    }
}

/// What `2`, `2 s`, `2sec` and `2 seconds` mean to a person.
fn advise(text: &str) -> Option<String> {
    let words = text.replace(' ', "").to_ascii_lowercase();
    let (number, unit) = words.split_at(words.find(|c: char| c.is_alphabetic()).unwrap_or(words.len()));
    let unit = match unit {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "ms" | "msec" | "msecs" | "millis" | "milliseconds" => "ms",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        _ => return None,
    };
    duration::parse(&format!("{number}{unit}")).ok()?;
    // Hundreds without a unit are rather milliseconds, as in other load balancers.
    Some(match words == number && number.len() > 2 {
        true => format!("write {number}ms or {number}s"),
        false => format!("write {number}{unit}"),
    })
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// `a`, `b` and `c`.
pub(super) fn list(words: &[&str], and: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} {and} {last}", rest.join(", ")),
    }
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 40;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start}...")
}
