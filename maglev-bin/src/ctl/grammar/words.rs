//! Lines and their words.

use std::borrow::Cow;
use std::ops::Range;

/// A line and the words it consists of.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    text: String,
    words: Vec<Word>,
    open: Option<usize>,
}

/// A word of a line.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// Without quotes and backslashes.
    pub(super) text: String,
    /// Where it stands in the line with its quotes, in bytes.
    pub(super) at: Range<usize>,
}

impl Line {
    /// What stands there and beyond is one word as it is, but for blanks at the end.
    pub(super) fn take_literally(&mut self, start: usize) {
        let end = self.text.trim_end().len();
        self.words.retain(|word| word.at.start < start);
        self.words.push(Word { text: self.text[start..end].to_owned(), at: start..end });
        self.open = None;
    }

    /// Takes a typed line apart as a shell does: blanks separate, quotes of both kinds and backslashes keep together.
    pub(super) fn split(text: &str) -> Self {
        let mut words: Vec<Word> = Vec::new();
        let mut state = State::Between;
        for (at, c) in text.char_indices() {
            let end = at + c.len_utf8();
            state = match (state, c) {
                (State::Between, c) if c.is_whitespace() => State::Between,
                (State::Plain, c) if c.is_whitespace() => State::Between,
                (State::Between, c) => {
                    words.push(Word { text: String::new(), at: at..end });
                    State::Plain.take(at, c, &mut words)
                }
                (state, c) => state.take(at, c, &mut words),
            };
            if let (Some(word), false) = (words.last_mut(), state == State::Between) {
                word.at.end = end;
            }
        }
        let open = match state {
            State::Between | State::Plain => None,
            State::Single(at) | State::Double(at) | State::Escape(at) | State::DoubleEscape { quote: at } => Some(at),
        };
        Self { text: text.to_owned(), words, open }
    }

    /// Takes words as they are. The text is what one would have to type.
    pub(crate) fn given(words: impl IntoIterator<Item = String>) -> Self {
        let mut line = Self { text: String::new(), words: Vec::new(), open: None };
        for text in words {
            if !line.text.is_empty() {
                line.text.push(' ');
            }
            let start = line.text.len();
            line.text.push_str(&quote(&text));
            line.words.push(Word { text, at: start..line.text.len() });
        }
        line
    }

    /// As it was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where the quote or backslash stands that the end of the line leaves open, in bytes.
    pub(crate) fn open(&self) -> Option<usize> {
        self.open
    }

    pub(super) fn words(&self) -> &[Word] {
        &self.words
    }

    /// The words before the one that is being written at the end of the line, that one, and where it begins. A blank ends a word.
    pub(super) fn unfinished(&self) -> (&[Word], &str, usize) {
        match self.words.split_last() {
            Some((last, done)) if last.at.end == self.text.len() => (done, &last.text, last.at.start),
            _ => (&self.words, "", self.text.len()),
        }
    }
}

/// What the next character means.
#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Between,
    Plain,
    /// After a backslash, which stands there.
    Escape(usize),
    /// Within quotes, which begin there.
    Single(usize),
    Double(usize),
    /// After a backslash within double quotes.
    DoubleEscape {
        quote: usize,
    },
}

impl State {
    /// Takes a character that belongs to the last word.
    fn take(self, at: usize, c: char, words: &mut [Word]) -> Self {
        let mut keep = |c| {
            if let Some(word) = words.last_mut() {
                word.text.push(c);
            }
        };
        match (self, c) {
            (Self::Plain | Self::Between, '\\') => Self::Escape(at),
            (Self::Plain | Self::Between, '\'') => Self::Single(at),
            (Self::Plain | Self::Between, '"') => Self::Double(at),
            (Self::Single(_), '\'') | (Self::Double(_), '"') => Self::Plain,
            (Self::Double(quote), '\\') => Self::DoubleEscape { quote },
            (Self::DoubleEscape { quote }, c) => {
                // As in a shell: other characters keep their backslash.
                if !matches!(c, '"' | '\\') {
                    keep('\\');
                }
                keep(c);
                Self::Double(quote)
            }
            (state @ (Self::Single(_) | Self::Double(_)), c) => {
                keep(c);
                state
            }
            (Self::Plain | Self::Between | Self::Escape(_), c) => {
                keep(c);
                Self::Plain
            }
        }
    }
}

/// `word` as it has to be typed to be one word.
pub(super) fn quote(word: &str) -> Cow<'_, str> {
    // A `?` would ask for help. What lies beyond ASCII may be a blank or a quote that only looks harmless.
    let plain = |c: char| c.is_alphanumeric() || (c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '?' | '#'));
    if !word.is_empty() && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    let mut quoted = String::from('"');
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    Cow::Owned(quoted)
}
