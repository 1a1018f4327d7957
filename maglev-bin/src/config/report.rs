//! Collects what is wrong with a text, so that one run tells everything.

use std::io;
use std::string::FromUtf8Error;

use super::diagnostic::{ConfigError, Diagnostic, ErrorKind};
use super::source::{Source, Span};
use super::yaml::Complaint;

/// A place in the config: what the keys above it are called and where it stands in the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Spot {
    pub(super) key: String,
    pub(super) span: Span,
}

/// A value of the config and its place.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) spot: Spot,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Class {
    Parse,
    Semantic,
    Warning,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
}

#[derive(Debug)]
struct Finding {
    class: Class,
    spot: Spot,
    message: String,
    help: Option<String>,
}

impl Report {
    /// How much was found so far.
    pub(super) fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether anything but warnings was found.
    pub(super) fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.class != Class::Warning)
    }

    /// The text cannot be read at this place.
    pub(super) fn parse(&mut self, spot: &Spot, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.add(Class::Parse, spot, message.into(), help.into());
    }

    /// What stands at this place is impossible.
    pub(super) fn semantic(&mut self, spot: &Spot, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.add(Class::Semantic, spot, message.into(), help.into());
    }

    /// What stands at this place is probably not what is wanted.
    pub(super) fn warning(&mut self, spot: &Spot, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.add(Class::Warning, spot, message.into(), help.into());
    }

    fn add(&mut self, class: Class, spot: &Spot, message: String, help: Option<String>) {
        let spot = Spot { key: visible(&spot.key), span: spot.span };
        self.findings.push(Finding { class, spot, message: visible(&message), help: help.as_deref().map(visible) });
    }

    /// The warnings, or everything that is an error; in the order of the file.
    pub(super) fn finish(mut self, file: &str, source: &Source<'_>) -> Result<Vec<Diagnostic>, ConfigError> {
        self.findings.sort_by_key(|finding| (finding.spot.span, finding.class));
        // What stands behind an anchor is read once per alias, and complained of as often.
        self.findings.dedup_by(|a, b| (a.class, a.spot.span, &a.message) == (b.class, b.spot.span, &b.message));
        let kind = match self.findings.iter().map(|finding| finding.class).min() {
            Some(Class::Parse) => Some(ErrorKind::Parse),
            Some(Class::Semantic) => Some(ErrorKind::Semantic),
            Some(Class::Warning) | None => None,
        };
        let wanted = |finding: &&Finding| kind.is_none() || finding.class != Class::Warning;
        let diagnostics = self.findings.iter().filter(wanted).map(|finding| Diagnostic {
            file: file.to_owned(),
            line: finding.spot.span.line,
            column: finding.spot.span.column,
            key: finding.spot.key.clone(),
            message: finding.message.clone(),
            help: finding.help.clone(),
            snippet: source.snippet(finding.spot.span),
        });
        let diagnostics = diagnostics.collect();
        match kind {
            Some(kind) => Err(ConfigError { kind, diagnostics }),
            None => Ok(diagnostics),
        }
    }
}

/// What the file brings into a message stays in its line: line ends and the like are written as escapes.
fn visible(text: &str) -> String {
    let escape = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let mut told = String::with_capacity(text.len());
    for c in text.chars() {
        match escape(c) {
            true => told.extend(c.escape_default()),
            false => told.push(c),
        }
    }
    told
}

/// The text is no YAML, so there is nothing else to find.
pub(super) fn no_yaml(complaint: Complaint, file: &str, source: &Source<'_>) -> ConfigError {
    let diagnostic = Diagnostic {
        file: file.to_owned(),
        line: complaint.span.map_or(0, |span| span.line),
        column: complaint.span.map_or(0, |span| span.column),
        key: String::new(),
        message: complaint.message,
        help: complaint.help,
        snippet: complaint.span.map(|span| source.snippet(span)).unwrap_or_default(),
    };
    ConfigError { kind: ErrorKind::Parse, diagnostics: vec![diagnostic] }
}

/// The bytes are no text.
pub(super) fn not_utf8(error: &FromUtf8Error, file: &str) -> ConfigError {
    let (bytes, end) = (error.as_bytes(), error.utf8_error().valid_up_to());
    let read = String::from_utf8_lossy(&bytes[..end]);
    let before = Source::new(&read);
    let line = before.lines().count();
    let column = before.line(line).chars().count() + 1;
    let complaint = Complaint {
        span: Some(Span { line, column, width: 1 }),
        message: format!("not UTF-8: the byte {:02x} cannot stand here", bytes.get(end).copied().unwrap_or_default()),
        help: Some("save the file as UTF-8".to_owned()),
    };
    let text = String::from_utf8_lossy(bytes);
    no_yaml(complaint, file, &Source::new(&text))
}

/// There are no bytes.
pub(super) fn unreadable(error: &io::Error, file: &str) -> ConfigError {
    const WHICH: &str = "`--config` or MAGLEV_CONFIG names the file";
    let (message, help) = match error.kind() {
        io::ErrorKind::NotFound => ("there is no such file".to_owned(), WHICH),
        io::ErrorKind::PermissionDenied => {
            ("this file may not be read".to_owned(), "make it readable for the user that maglevd runs as")
        }
        io::ErrorKind::IsADirectory => ("this is a directory".to_owned(), WHICH),
        _ => (error.to_string(), WHICH),
    };
    without_place(ErrorKind::Read, file, message, help)
}

/// There are more bytes than any config needs.
pub(super) fn too_large(file: &str) -> ConfigError {
    let message = format!("this is larger than {} MiB", super::LARGEST >> 20);
    without_place(ErrorKind::Read, file, message, "is it a config?")
}

fn without_place(kind: ErrorKind, file: &str, message: String, help: &str) -> ConfigError {
    let diagnostic = Diagnostic {
        file: file.to_owned(),
        line: 0,
        column: 0,
        key: String::new(),
        message,
        help: Some(help.to_owned()),
        snippet: String::new(),
    };
    ConfigError { kind, diagnostics: vec![diagnostic] }
}
