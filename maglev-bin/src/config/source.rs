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
    lines: Vec<Line<'t>>,
    /// Number of the last line with something in it, 1 if there is none.
    last: usize,
}

struct Line<'t> {
    text: &'t str,
    /// Where each [`STEP`]th character starts, so that a place deep in a long line is found without counting from its
    /// start. Empty where characters are bytes.
    steps: Vec<usize>,
}

const STEP: usize = 64;

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
            lines.push(Line::new(&text[start..at]));
            start = end;
        }
        lines.push(Line::new(&text[start..]));
        let last = lines.iter().rposition(|line| !line.text.trim().is_empty()).unwrap_or_default() + 1;
        Self { lines, last }
    }

    /// A line without its end, counted from 1; empty behind the last one.
    pub(super) fn line(&self, line: usize) -> &'t str {
        self.rest_of_line(line, 1)
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &'t str> {
        self.lines.iter().map(|line| line.text)
    }

    /// What stands from a place to the end of its line.
    pub(super) fn rest_of_line(&self, line: usize, column: usize) -> &'t str {
        let line = line.checked_sub(1).and_then(|index| self.lines.get(index));
        line.map(|line| line.from(column.saturating_sub(1))).unwrap_or_default()
    }

    /// The place itself, or the end of the last line with something in it if the place lies behind that.
    pub(super) fn within(&self, line: usize, column: usize) -> (usize, usize) {
        if line <= self.last {
            return (line, column);
        }
        (self.last, self.line(self.last).trim_end().chars().count().max(1))
    }

    /// The line of `span`, and below it a line with carets; a long line is cut around the place. Empty for an empty line.
    pub(super) fn snippet(&self, span: Span) -> String {
        const BEFORE: usize = 60;
        const SHOWN: usize = 100;
        let at = span.column.saturating_sub(1);
        // Lines that fit are shown from their start.
        let first = if at < SHOWN { 0 } else { at - BEFORE };
        let rest = self.rest_of_line(span.line, first + 1);
        if rest.is_empty() && first == 0 {
            return String::new();
        }
        let (mut source, mut carets) = (String::new(), String::new());
        if first > 0 {
            source.push_str("...");
            carets.push_str("   ");
        }
        let mut chars = rest.chars();
        let mut shown = first;
        for c in chars.by_ref().take(SHOWN) {
            // A tab below a tab keeps the carets in their place whatever the terminal's tab stops are.
            source.push(if c.is_control() && c != '\t' { '\u{fffd}' } else { c });
            if shown < at {
                carets.push(if c == '\t' { '\t' } else { ' ' });
            }
            shown += 1;
        }
        if chars.next().is_some() {
            source.push_str("...");
        }
        carets.extend(std::iter::repeat_n('^', span.width.clamp(1, shown.saturating_sub(at).max(1))));
        format!("{source}\n{carets}")
    }
}

impl<'t> Line<'t> {
    fn new(text: &'t str) -> Self {
        let steps = match text.is_ascii() {
            true => Vec::new(),
            false => text.char_indices().step_by(STEP).map(|(at, _)| at).collect(),
        };
        Self { text, steps }
    }

    /// What follows the first `skipped` characters.
    fn from(&self, skipped: usize) -> &'t str {
        if self.steps.is_empty() {
            return self.text.get(skipped..).unwrap_or_default();
        }
        let Some(&step) = self.steps.get(skipped / STEP) else { return "" };
        let rest = &self.text[step..];
        rest.char_indices().nth(skipped % STEP).map_or("", |(at, _)| &rest[at..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_yaml_ends_them() {
        let source = Source::new("a\nb\r\nc\rd\u{85}e\u{2028}f\n");
        assert_eq!(source.lines().collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "f", ""]);
        assert_eq!((source.line(0), source.line(2), source.line(99)), ("", "b", ""));
    }

    #[test]
    fn places_count_characters_in_lines_of_any_kind() {
        for text in ["0123456789".repeat(40), "ä1ö3€5𝄞789".repeat(40)] {
            let source = Source::new(&text);
            for column in 1..=text.chars().count() + 2 {
                let wanted: String = text.chars().skip(column - 1).collect();
                assert_eq!(source.rest_of_line(1, column), wanted, "column {column}");
            }
        }
    }

    #[test]
    fn places_behind_the_end_are_moved_to_it() {
        let source = Source::new("a\nbc \n\n");
        for (place, wanted) in [((1, 1), (1, 1)), ((2, 9), (2, 9)), ((3, 1), (2, 2)), ((9, 9), (2, 2))] {
            assert_eq!(source.within(place.0, place.1), wanted, "{place:?}");
        }
        assert_eq!(Source::new("").within(2, 1), (1, 1));
    }

    #[test]
    fn carets_stand_below_the_place() {
        let snippet = |text: &str, column, width| Source::new(text).snippet(Span { line: 1, column, width });
        assert_eq!(snippet("key: value", 6, 5), "key: value\n     ^^^^^");
        assert_eq!(snippet("\tkey: ä", 7, 1), "\tkey: ä\n\t     ^");
        assert_eq!(snippet("key:", 5, 1), "key:\n    ^");
        assert_eq!(snippet("key: value", 6, 500), "key: value\n     ^^^^^");
        assert_eq!(snippet("", 1, 1), "");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{}here{}", "-".repeat(300), "+".repeat(300));
        let snippet = Source::new(&text).snippet(Span { line: 1, column: 301, width: 4 });
        let (source, carets) = snippet.split_once('\n').expect("two lines");
        assert_eq!(source, format!("...{}here{}...", "-".repeat(60), "+".repeat(36)));
        assert_eq!(carets, format!("{}^^^^", " ".repeat(63)));
    }
}
