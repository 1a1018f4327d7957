//! What is wrong with a config, said so that a person can act on it.

use std::fmt;

/// One thing that is wrong, or odd, in a config, and where.
///
/// `Display` is a single line, for logs and for programs: `FILE:LINE:COLUMN: KEY: message (help)`.
/// [`Diagnostic::render`] is what a person at a terminal wants to see.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Path of the file, as it was given.
    pub file: String,
    /// Counted from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// In characters, counted from 1; 0 when the file as a whole is meant.
    pub column: usize,
    /// Path of the key, such as `maglev.backends.web1.address`; empty where there is none.
    pub key: String,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The line of the file and a line with carets below it; empty when there is none to show.
    pub snippet: String,
}

impl Diagnostic {
    /// The diagnostic over several lines: message, place, source with carets, help. Ends in a newline.
    ///
    /// `label` says what kind it is, such as `error` or `warning`.
    pub fn render(&self, label: &str) -> String {
        let Self { file, line, column, key, message, help, snippet } = self;
        let mut text = format!("{label}: {message}\n");
        let margin = line.to_string().len();
        text.push_str(&format!("{:margin$}--> {file}", ""));
        if *line > 0 {
            text.push_str(&format!(":{line}:{column}"));
        }
        if !key.is_empty() {
            text.push_str(&format!(": {key}"));
        }
        text.push('\n');
        if let Some((source, carets)) = snippet.split_once('\n') {
            text.push_str(&format!("{:margin$} |\n{line} | {source}\n{:margin$} | {carets}\n", "", ""));
        }
        if let Some(help) = help {
            text.push_str(&format!("{:margin$} = help: {help}\n", ""));
        }
        text
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, key, message, help, snippet: _ } = self;
        write!(f, "{file}:")?;
        if *line > 0 {
            write!(f, "{line}:{column}:")?;
        }
        if !key.is_empty() {
            write!(f, " {key}:")?;
        }
        write!(f, " {message}")?;
        if let Some(help) = help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

/// Why there is no config: everything that is wrong with the file, in its order.
///
/// `Display` is for people, over many lines with snippets; a log takes the [`diagnostics`](Self::diagnostics) one by
/// one.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The worst that was found.
    pub kind: ErrorKind,
    /// Never empty.
    pub diagnostics: Vec<Diagnostic>,
}

/// What kept a config from being used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file could not be read.
    Read,
    /// The text is not YAML, or not of the shape of a config: unknown keys, wrong types, duplicates. What is wrong
    /// with the meaning of the parts that could be parsed is listed too.
    Parse,
    /// The text says something impossible.
    Semantic,
}

impl ConfigError {
    /// Exit status of `maglevd --check`: 1 when the file cannot be read or parsed, 2 when it means something
    /// impossible.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Read | ErrorKind::Parse => 1,
            ErrorKind::Semantic => 2,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.diagnostics {
            writeln!(f, "{}", diagnostic.render("error"))?;
        }
        let what = match self.kind {
            ErrorKind::Read => "the config cannot be read",
            ErrorKind::Parse => "the config cannot be parsed",
            ErrorKind::Semantic => "the config asks for something impossible",
        };
        match self.diagnostics.len() {
            1 => write!(f, "{what}"),
            count => write!(f, "{what}: {count} errors"),
        }
    }
}

impl std::error::Error for ConfigError {}
