//! What is wrong with a line.

use std::fmt;
use std::ops::Range;

use super::read::Reading;
use super::tree::{Node, Token};
use super::words::{Line, Word};
use crate::nearest::nearest;

/// What is wrong with a line, and where.
///
/// `Display` shows the line, carets below what is wrong and waves below what is unread after it, and says what it is; no newline at
/// the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Complaint {
    line: String,
    at: Range<usize>,
    message: String,
}

impl Complaint {
    pub(super) fn new(line: &Line, at: Range<usize>, message: impl Into<String>) -> Self {
        Self { line: line.text().trim_end().to_owned(), at, message: message.into() }
    }

    /// Nothing can be made of `word`.
    pub(super) fn unread(line: &Line, word: &Word, readings: &[Reading], objections: Vec<String>) -> Self {
        let next = expected(readings);
        let keywords = next.iter().filter_map(|node| match node.token {
            Token::Word(keyword) => Some(keyword),
            Token::Arg(_) => None,
        });
        let message = if let Some(near) = nearest(&word.text, keywords) {
            format!("unknown word; did you mean `{near}`?")
        } else if let Some(objection) = objections.into_iter().next() {
            objection
        } else if word.text.starts_with('-') {
            "options stand before the command".to_owned()
        } else if next.is_empty() {
            "nothing may follow here".to_owned()
        } else {
            format!("unknown word; expected {}", list(&next))
        };
        Self::new(line, word.at.clone(), message)
    }

    /// The line ends too early.
    pub(super) fn unfinished(line: &Line, readings: &[Reading]) -> Self {
        let end = line.text().trim_end().len();
        let (at, message) = match split(line, readings) {
            // Each of the meant words would have to go on, so that nothing tells which it is.
            Some((at, words)) if at.end == end => (at, ambiguity(&words)),
            _ => {
                let next = expected(readings);
                let message = match &next[..] {
                    [Node { token: Token::Arg(kind), help, .. }] => {
                        format!("{} must follow: {help}", kind.placeholder())
                    }
                    nodes => format!("{} must follow", list(nodes)),
                };
                (end + 1..end + 1, message)
            }
        };
        Self::new(line, at, message)
    }

    /// Several commands are meant.
    pub(super) fn ambiguous(line: &Line, readings: &[Reading]) -> Self {
        let whole = 0..line.text().trim_end().len();
        match split(line, readings) {
            Some((at, words)) => Self::new(line, at, ambiguity(&words)),
            None => Self::new(line, whole, "this can be read in several ways"),
        }
    }

    /// What is wrong, in lower case and without a full stop.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What was not read: the offending word and all that follows.
    pub(crate) fn unread_tail(&self) -> &str {
        self.line.get(self.at.start..).unwrap_or_default()
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A tab or an escape would move the carets.
        let shown: String = self.line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let count = |from: usize, to: usize| self.line.get(from..to).map_or(0, |text| text.chars().count());
        let (start, end) = (self.at.start.min(self.line.len()), self.at.end.min(self.line.len()));
        let blanks = count(0, start) + self.at.start - start;
        let carets = count(start, end).max(1);
        let waves = count(end, self.line.len());
        write!(f, "{shown}\n{:blanks$}{:^<carets$}{:~<waves$} {}", "", "", "", self.message)
    }
}

/// What may come next in any of the readings, each once.
fn expected(readings: &[Reading]) -> Vec<&'static Node> {
    let mut nodes: Vec<&'static Node> = Vec::new();
    for node in readings.iter().flat_map(|reading| reading.next().nodes().collect::<Vec<_>>()) {
        if !nodes.iter().any(|known| known.token.shown() == node.token.shown()) {
            nodes.push(node);
        }
    }
    nodes
}

/// The first word that the readings take for different keywords, and those.
fn split(line: &Line, readings: &[Reading]) -> Option<(Range<usize>, Vec<&'static Node>)> {
    for (index, word) in line.words().iter().enumerate() {
        let mut meant: Vec<&'static Node> = Vec::new();
        for (node, _) in readings.iter().filter_map(|reading| reading.said().get(index)) {
            if !meant.iter().any(|known| known.token.shown() == node.token.shown()) {
                meant.push(node);
            }
        }
        if meant.len() > 1 {
            return Some((word.at.clone(), meant));
        }
    }
    None
}

fn ambiguity(words: &[&'static Node]) -> String {
    format!("this can be {}", list(words))
}

/// "`a`, `b` or NAME".
fn list(nodes: &[&'static Node]) -> String {
    let mut text = String::new();
    for (index, node) in nodes.iter().enumerate() {
        let separator = match nodes.len() - index {
            _ if index == 0 => String::new(),
            1 => " or ".to_owned(),
            _ => ", ".to_owned(),
        };
        text.push_str(&separator);
        match node.token {
            Token::Word(word) => text.push_str(&format!("`{word}`")),
            Token::Arg(kind) => text.push_str(kind.placeholder()),
        }
    }
    text
}
