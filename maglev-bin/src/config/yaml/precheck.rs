//! Two things to refuse before the parser sees the text.

use super::complaint::Complaint;
use crate::config::source::{Source, Span};

/// A config nests nine levels deep.
const DEEPEST: usize = 64;

/// Refuses characters that no YAML may contain. The parser would not say where they stand.
pub(super) fn characters(source: &Source<'_>) -> Result<(), Complaint> {
    for (index, line) in source.lines().enumerate() {
        let odd = line.chars().enumerate().find(|&(_, c)| match c {
            '\t' => false,
            // A byte order mark; the one that may stand at the very start is gone already.
            '\u{feff}' | '\u{fffe}' | '\u{ffff}' => true,
            c => c.is_control(),
        });
        if let Some((at, c)) = odd {
            return Err(Complaint {
                span: Some(Span { line: index + 1, column: at + 1, width: 1 }),
                message: format!("not YAML: U+{:04X} is not allowed", u32::from(c)),
                help: Some("remove this character, or write it as an escape in double quotes".to_owned()),
            });
        }
    }
    Ok(())
}

/// Refuses brackets nested beyond reason. The parser's time grows with the square of their depth, and it looks at the
/// depth last.
///
/// Only roughly YAML: what it takes for a bracket and is none (in a block of text, say) would have to come up [`DEEPEST`]
/// times without its counterpart to do harm.
pub(super) fn nesting(source: &Source<'_>) -> Result<(), Complaint> {
    let mut brackets = Brackets::default();
    for (index, line) in source.lines().enumerate() {
        brackets.start_line();
        for (at, c) in line.chars().enumerate() {
            if !brackets.step(c) {
                break;
            }
            if brackets.depth > DEEPEST {
                return Err(Complaint {
                    span: Some(Span { line: index + 1, column: at + 1, width: 1 }),
                    message: format!("this is the {}th bracket inside another", brackets.depth),
                    help: Some(
                        "no config nests that deep: close some of them, or quote the text they stand in".to_owned(),
                    ),
                });
            }
        }
    }
    Ok(())
}

/// Counts the open brackets outside of quotes and comments.
#[derive(Default)]
struct Brackets {
    depth: usize,
    /// The quote that has to be closed.
    quote: Option<char>,
    escaped: bool,
    /// Whether a value can start at the next character that is not blank.
    at_start: bool,
    /// Inside an anchor or a tag, behind which a value can start too.
    property: bool,
    before: char,
}

impl Brackets {
    fn start_line(&mut self) {
        self.at_start = true;
        self.property = false;
        self.escaped = false;
        self.before = ' ';
    }

    /// Takes the next character of a line; `false` for the start of a comment.
    fn step(&mut self, c: char) -> bool {
        let before = std::mem::replace(&mut self.before, c);
        if let Some(quote) = self.quote {
            if self.escaped {
                self.escaped = false;
            } else if c == '\\' && quote == '"' {
                self.escaped = true;
            } else if c == quote {
                self.quote = None;
                self.at_start = false;
            }
            return true;
        }
        let in_flow = self.depth > 0;
        match c {
            // Behind `key: `, `- ` and the like.
            ' ' | '\t' => self.at_start |= std::mem::take(&mut self.property) || matches!(before, ':' | '-' | '?'),
            '#' if matches!(before, ' ' | '\t') => return false,
            '\'' | '"' if self.at_start => self.quote = Some(c),
            '[' | '{' if in_flow || self.at_start => {
                self.depth += 1;
                self.at_start = true;
            }
            ']' | '}' if in_flow => {
                self.depth -= 1;
                self.at_start = false;
            }
            ',' | ':' if in_flow => self.at_start = true,
            _ => {
                self.property |= self.at_start && matches!(c, '&' | '!');
                self.at_start = false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(text: &str) -> usize {
        let mut brackets = Brackets::default();
        for line in Source::new(text).lines() {
            brackets.start_line();
            line.chars().all(|c| brackets.step(c));
        }
        brackets.depth
    }

    #[test]
    fn brackets_count_where_yaml_sees_them() {
        for (text, wanted) in [
            ("a: [b, {c: [d", 3),
            ("a: [b, c]", 0),
            ("- - ? [", 1),
            ("a: &x !y [", 1),
            (r#"{"a":"[","b":["#, 2),
            ("a: [x[", 2),
            ("a:\n  [\n  [", 2),
        ] {
            assert_eq!(depth(text), wanted, "{text}");
        }
    }

    #[test]
    fn brackets_in_text_do_not_count() {
        for text in ["a: '['", r#"a: "[\"[""#, "a: b[", "a: b # [", "# [", "a: it's [", "a: '''['", "a: &[ b"] {
            assert_eq!(depth(text), 0, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_where_it_gets_too_deep() {
        let complaint = nesting(&Source::new(&"[".repeat(1_000_000))).expect_err("too deep");
        assert_eq!(complaint.span, Some(Span { line: 1, column: DEEPEST + 1, width: 1 }));
        assert_eq!(nesting(&Source::new(&"[".repeat(DEEPEST))), Ok(()));
        assert_eq!(nesting(&Source::new(&"[]".repeat(1_000))), Ok(()));
    }
}
