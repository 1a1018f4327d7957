//! Standard output and standard error.

use std::io::{self, IsTerminal, Write};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use jiff::Timestamp as Time;
use serde::Serialize;

use super::args::{Color, Format};
use super::run::Failure;
use super::show::Tone;

/// Where answers and complaints go, and how they look there.
pub(super) struct Output {
    format: Format,
    out: Sink<io::Stdout>,
    err: Sink<io::Stderr>,
    /// What failures begin with.
    pub(super) prefix: &'static str,
    /// The line of a script that runs.
    pub(super) line: Option<u64>,
    /// Something was answered before.
    answered: bool,
}

struct Sink<W> {
    stream: W,
    styled: bool,
    /// Nobody reads any more.
    closed: bool,
}

impl Output {
    pub(super) fn new(format: Format, color: Color) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let styled = |terminal, auto| match color {
            // Whatever asks for colours elsewhere does not mean those who parse our answers.
            Color::Auto => terminal && auto != ColorChoice::Never,
            Color::Always => true,
            Color::Never => false,
        };
        let (out_styled, err_styled) =
            (styled(out.is_terminal(), AutoStream::choice(&out)), styled(err.is_terminal(), AutoStream::choice(&err)));
        Self {
            format,
            out: Sink { stream: out, styled: out_styled, closed: false },
            err: Sink { stream: err, styled: err_styled, closed: false },
            prefix: "maglevc: ",
            line: None,
            answered: false,
        }
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Nobody reads what is written any more.
    pub(super) fn closed(&self) -> bool {
        self.out.closed
    }

    /// Writes an answer as it is wanted: `text` makes what people read of it, and of the time now.
    pub(super) fn show<T: Serialize>(&mut self, answer: &T, text: impl FnOnce(Time) -> String) -> io::Result<()> {
        match self.format {
            Format::Text => self.out.write(&text(Time::now())),
            Format::Json => {
                let json = serde_json::to_string_pretty(answer).map_err(io::Error::from)?;
                self.out.write_raw(&format!("{json}\n"))
            }
            Format::Yaml => {
                let yaml = serde_yaml::to_string(answer).map_err(io::Error::other)?;
                let mark = if std::mem::replace(&mut self.answered, true) { "---\n" } else { "" };
                self.out.write_raw(&format!("{mark}{yaml}"))
            }
        }
    }

    /// Writes one of many: JSON takes a line, YAML a document.
    pub(super) fn stream<T: Serialize>(&mut self, one: &T, text: impl FnOnce() -> String) -> io::Result<()> {
        match self.format {
            Format::Text => self.out.write(&text()),
            Format::Json => {
                let json = serde_json::to_string(one).map_err(io::Error::from)?;
                self.out.write_raw(&format!("{json}\n"))
            }
            Format::Yaml => {
                let yaml = serde_yaml::to_string(one).map_err(io::Error::other)?;
                self.answered = true;
                self.out.write_raw(&format!("---\n{yaml}"))
            }
        }
    }

    /// Writes text that belongs to no answer.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.out.write(text)
    }

    /// Writes text to standard error. If that fails there is no one left to tell.
    pub(super) fn warn(&mut self, text: &str) {
        let _ = self.err.write(text);
    }

    /// Says why a command failed.
    pub(super) fn fail(&mut self, failure: &Failure) {
        if failure.is_told() {
            return;
        }
        let report = failure.report(self.line);
        let text = match self.format {
            Format::Text => {
                let message = failure.text();
                match (self.line, failure.is_usage()) {
                    (None, true) => format!("{message}\n"),
                    (Some(line), true) => format!("line {line}:\n{message}\n"),
                    (None, false) => format!("{}{message}\n", Tone::Bad.paint(self.prefix)),
                    (Some(line), false) => format!("{}line {line}: {message}\n", Tone::Bad.paint(self.prefix)),
                }
            }
            Format::Json => serde_json::to_string(&report).map(|json| format!("{json}\n")).unwrap_or_default(),
            Format::Yaml => serde_yaml::to_string(&report).unwrap_or_default(),
        };
        self.warn(&text);
    }
}

impl<W: Write> Sink<W> {
    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.styled { self.write_raw(text) } else { self.write_raw(&strip_str(text).to_string()) }
    }

    /// At once, so that a reader gets no half line; quiet when there is none.
    fn write_raw(&mut self, text: &str) -> io::Result<()> {
        match self.stream.write_all(text.as_bytes()).and_then(|()| self.stream.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }
}
