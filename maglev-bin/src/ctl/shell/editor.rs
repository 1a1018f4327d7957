//! What the line editor asks of us: completions, and what `?` does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Cmd, ConditionalEventHandler, Context, Event, EventContext, RepeatCount};

use super::names::Live;
use crate::ctl::grammar::{Line, complete, in_reason};

/// Completes words and live names.
pub(super) struct Helper {
    live: Live,
}

impl Helper {
    pub(super) fn new(live: Live) -> Self {
        Self { live }
    }
}

impl Completer for Helper {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, candidates) = complete(line.get(..at).unwrap_or(line), &self.live);
        let pair = |candidate: crate::ctl::grammar::Candidate| Pair {
            display: candidate.word,
            replacement: candidate.replacement,
        };
        Ok((start, candidates.into_iter().map(pair).collect()))
    }
}

impl Hinter for Helper {
    type Hint = String;
}

impl Highlighter for Helper {}
impl Validator for Helper {}
impl rustyline::Helper for Helper {}

/// Notes where `?` was typed, and ends the editing of the line so that the shell can answer. Clones share their note.
#[derive(Clone)]
pub(super) struct Question {
    /// Place in the line, in bytes; `NOT_ASKED` if there is no question.
    at: Arc<AtomicUsize>,
}

const NOT_ASKED: usize = usize::MAX;

impl Default for Question {
    fn default() -> Self {
        Self { at: Arc::new(AtomicUsize::new(NOT_ASKED)) }
    }
}

impl Question {
    /// Where it was asked since the last call.
    pub(super) fn take(&self) -> Option<usize> {
        Some(self.at.swap(NOT_ASKED, Ordering::Relaxed)).filter(|at| *at != NOT_ASKED)
    }
}

impl ConditionalEventHandler for Question {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let before = context.line().get(..context.pos())?;
        // Within quotes and reasons it is a letter like any other.
        let line = Line::typed(before);
        if line.open().is_some() || in_reason(&line) {
            return None;
        }
        self.at.store(context.pos(), Ordering::Relaxed);
        Some(Cmd::AcceptLine)
    }
}
