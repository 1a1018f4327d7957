//! A YAML document as a tree in which each node knows its place.
//!
//! One parser, `serde_yaml`, does the reading. It tells places only in its errors, so each key and scalar here is
//! visited by a visitor that keeps what it sees and then fails: the error, which the parser has marked with line and
//! column, is caught one step further out. Lists and mappings are pointed at by their key.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::source::{Source, Span};

mod complaint;
mod precheck;

pub(super) use complaint::Complaint;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A word of the file, with the type that YAML sees in it.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    /// As written, without quotes: `0x10` stays `0x10` and `1.10` is not `1.1`.
    pub(super) text: String,
    pub(super) kind: ScalarKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ScalarKind {
    Bool(bool),
    /// Saturated.
    Integer(i128),
    Float,
    /// Text without quotes.
    Plain,
    /// Text in quotes or in a block.
    Quoted,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) span: Span,
    pub(super) value: Node,
}

/// Reads `text`, which must hold one document.
///
/// Merge keys (`<<`) are resolved and aliases expanded; a key may still stand twice in a mapping.
///
/// # Errors
/// Why this is not YAML, or not YAML that a config may use.
pub(super) fn parse(text: &str, source: &Source<'_>) -> Result<Node, Complaint> {
    precheck::characters(source)?;
    precheck::nesting(source)?;
    let reader = Reader { source, seen: RefCell::new(None), nodes_left: Cell::new(most_nodes(text)) };
    let mut root = Tree(&reader)
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(|error| complaint::from_parser(&error, source))?;
    root.point_at(Span::START);
    Ok(root)
}

/// How many nodes a text may expand to. Without aliases each node needs a byte of its own, or the one in front of an
/// empty value. With them a frontend may share pools of hundreds of backends with a thousand others, and a few lines
/// could fill any memory.
fn most_nodes(text: &str) -> usize {
    250_000 + 4 * text.len()
}

impl Node {
    /// Points what has no place of its own at `span`: lists, mappings and empty values.
    fn point_at(&mut self, span: Span) {
        match &mut self.value {
            Value::Scalar(_) => return,
            Value::Null | Value::Mapping(_) => {}
            Value::List(nodes) => {
                for node in nodes {
                    // An item that is a mapping is pointed at by its first key.
                    let own = match &node.value {
                        Value::Mapping(entries) => entries.first().map(|entry| entry.span),
                        _ => None,
                    };
                    node.point_at(own.unwrap_or(span));
                }
            }
        }
        self.span = span;
    }
}

/// What the visitors of one document share.
struct Reader<'s> {
    source: &'s Source<'s>,
    /// The scalar whose visitor has just failed on purpose.
    seen: RefCell<Option<Seen>>,
    nodes_left: Cell<usize>,
}

enum Seen {
    Null,
    Text(String),
    /// Anything YAML gives a type. The text is what is left of it.
    Typed(ScalarKind, String),
}

impl Reader<'_> {
    fn keep<T, E: Error>(&self, seen: Seen) -> Result<T, E> {
        *self.seen.borrow_mut() = Some(seen);
        Err(E::custom("kept"))
    }

    fn count<E: Error>(&self) -> Result<(), E> {
        let left = self.nodes_left.get().checked_sub(1).ok_or_else(|| E::custom(complaint::TOO_MANY_NODES))?;
        self.nodes_left.set(left);
        Ok(())
    }

    fn scalar(&self, seen: Seen, (line, column): (usize, usize)) -> Node {
        let (line, column) = self.source.within(line, column);
        let rest = self.source.rest_of_line(line, column);
        let (skipped, token) = skip_properties(rest);
        let quoted = token.starts_with(['"', '\'', '|', '>']);
        let written = match &seen {
            _ if quoted => quoted_token(token),
            // The text itself ends it best: a comma ends a value in braces alone.
            Seen::Text(text) if token.starts_with(text) => &token[..text.len()],
            _ => plain_token(token),
        };
        let span = Span { line, column: column + skipped, width: written.chars().count().max(1) };
        let value = match seen {
            Seen::Null => Value::Null,
            Seen::Text(text) => {
                let kind = if quoted { ScalarKind::Quoted } else { ScalarKind::Plain };
                Value::Scalar(Scalar { text, kind })
            }
            // The parser hands out numbers without the text they were read from. It stands on this line.
            Seen::Typed(kind, text) => {
                let text = if written.is_empty() || quoted { text } else { written.to_owned() };
                Value::Scalar(Scalar { text, kind })
            }
        };
        // Text over several lines is underlined up to the end of the first.
        Node { span, value }
    }
}

/// Passes over the anchor and the tag in front of a scalar. Also tells how many characters that were.
fn skip_properties(rest: &str) -> (usize, &str) {
    let mut token = rest;
    while token.starts_with(['&', '!']) {
        token = token.find(' ').map_or("", |end| token[end..].trim_start_matches(' '));
    }
    (rest[..rest.len() - token.len()].chars().count(), token)
}

/// An unquoted scalar up to the end of the line, a comment or, as in `{a: 1, b: 2}`, the next part of a flow.
fn plain_token(rest: &str) -> &str {
    let end = rest
        .char_indices()
        .find(|&(at, c)| match c {
            ',' | ']' | '}' | '{' | '[' => true,
            ':' => rest[at + 1..].chars().next().is_none_or(|next| next == ' '),
            '#' => rest[..at].ends_with([' ', '\t']),
            _ => false,
        })
        .map_or(rest.len(), |(at, _)| at);
    rest[..end].trim_end()
}

/// A quoted scalar with its quotes, or the part of it that stands on this line.
fn quoted_token(rest: &str) -> &str {
    let mut chars = rest.char_indices();
    let quote = chars.next().map_or('"', |(_, c)| c);
    let mut escaped = false;
    for (at, c) in chars {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            return &rest[..=at];
        }
    }
    rest.trim_end()
}

/// Line and column that the parser has put into the error of a visitor that failed on purpose. Its text is all there
/// is of an error whose type is not known; without a place in it, the place is the very start.
fn place_of(error: &impl fmt::Display) -> (usize, usize) {
    let text = error.to_string();
    let place = text.rsplit_once(" at line ").and_then(|(_, place)| {
        let (line, column) = place.split_once(" column ")?;
        Some((line.parse().ok()?, column.parse().ok()?))
    });
    place.unwrap_or((1, 1))
}

/// Reads a node.
#[derive(Clone, Copy)]
struct Tree<'r>(&'r Reader<'r>);

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        self.0.count()?;
        match deserializer.deserialize_any(self) {
            Ok(value) => Ok(Node { span: Span::START, value }),
            Err(error) => match self.0.seen.take() {
                Some(seen) => Ok(self.0.scalar(seen, place_of(&error))),
                None => Err(error),
            },
        }
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.0.keep(Seen::Typed(ScalarKind::Bool(value), value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.visit_i128(value.into())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        self.0.keep(Seen::Typed(ScalarKind::Integer(value), value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.visit_i128(value.into())
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        self.visit_i128(value.try_into().unwrap_or(i128::MAX))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.0.keep(Seen::Typed(ScalarKind::Float, value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.0.keep(Seen::Text(value.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.0.keep(Seen::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element_seed(self)? {
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        let mut merged = Vec::new();
        while let Some((key, span)) = map.next_key_seed(Key(self.0))? {
            let mut value = map.next_value_seed(self)?;
            value.point_at(span);
            if key == "<<" {
                merge(value, &mut merged)?;
            } else {
                entries.push(Entry { key, span, value });
            }
        }
        if !merged.is_empty() {
            let mut known: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
            merged.retain(|entry: &Entry| known.insert(entry.key.clone()));
            entries.append(&mut merged);
        }
        Ok(Value::Mapping(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _tagged: A) -> Result<Value, A::Error> {
        Err(A::Error::custom(complaint::TAG))
    }
}

/// Takes over what a merge key names: a mapping, or several of which the first has precedence.
fn merge<E: Error>(value: Node, merged: &mut Vec<Entry>) -> Result<(), E> {
    match value.value {
        Value::Mapping(entries) => merged.extend(entries),
        Value::List(nodes) => {
            for node in nodes {
                match node.value {
                    Value::Mapping(entries) => merged.extend(entries),
                    _ => return Err(E::custom(complaint::MERGE)),
                }
            }
        }
        Value::Null | Value::Scalar(_) => return Err(E::custom(complaint::MERGE)),
    }
    Ok(())
}

/// Reads a key.
#[derive(Clone, Copy)]
struct Key<'r>(&'r Reader<'r>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = (String, Span);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(String, Span), D::Error> {
        match deserializer.deserialize_str(self) {
            Ok(never) => match never {},
            Err(error) => match self.0.seen.take() {
                Some(Seen::Text(key)) => {
                    let node = self.0.scalar(Seen::Text(key.clone()), place_of(&error));
                    Ok((key, node.span))
                }
                _ => Err(error),
            },
        }
    }
}

/// A visitor that only ever fails.
enum Never {}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Never;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(complaint::KEY)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Never, E> {
        self.0.keep(Seen::Text(value.to_owned()))
    }
}
