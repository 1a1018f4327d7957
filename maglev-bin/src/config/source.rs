//! The text of a config and the places in it.

/// A place in a text: a piece of one line.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Span {
    /// Counted from 1.
    pub(super) line: usize,
    /// In characters, counted from 1.
    pub(super) column: usize,
    /// In characters.
    pub(super) width: usize,
}

impl Span {
    pub(super) const START: Span = Span { line: 1, column: 1, width: 1 };
}

/// A text, cut into lines where a YAML parser does.
pub(super) struct Source<'t> {
    lines: Vec<&'t str>,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let mut end = at + c.len_utf8();
            match c {
                '\r' if matches!(chars.peek(), Some((_, '\n'))) => {
                    chars.next();
                    end += 1;
                }
                '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => {}
                _ => continue,
            }
            lines.push(&text[start..at]);
            start = end;
        }
        lines.push(&text[start..]);
        Self { lines }
    }

    /// A line without its end, counted from 1; empty behind the last one.
    pub(super) fn line(&self, line: usize) -> &'t str {
        line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or_default()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &'t str> {
        self.lines.iter().copied()
    }

    /// What stands from a place to the end of its line.
    pub(super) fn rest_of_line(&self, line: usize, column: usize) -> &'t str {
        let text = self.line(line);
        let start = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
        &text[start..]
    }

    /// The line of `span`, and below it a line with carets. Long lines are cut around the place.
    pub(super) fn snippet(&self, span: Span) -> String {
        const BEFORE: usize = 60;
        const SHOWN: usize = 100;
        let chars: Vec<char> = self.line(span.line).chars().collect();
        let at = (span.column.saturating_sub(1)).min(chars.len());
        let first = if chars.len() > SHOWN { at.saturating_sub(BEFORE) } else { 0 };
        let last = chars.len().min(first + SHOWN);
        let mut source = String::new();
        let mut carets = String::new();
        if first > 0 {
            source.push_str("...");
            carets.push_str("   ");
        }
        for (index, &c) in chars.iter().enumerate().take(last).skip(first) {
            // A tab below a tab keeps the carets in their place whatever the terminal's tab stops are.
            source.push(if c.is_control() && c != '\t' { '\u{fffd}' } else { c });
            if index < at {
                carets.push(if c == '\t' { '\t' } else { ' ' });
            }
        }
        if last < chars.len() {
            source.push_str("...");
        }
        let width = span.width.clamp(1, (last - at).max(1));
        carets.extend(std::iter::repeat_n('^', width));
        format!("{source}\n{carets}")
    }
}
