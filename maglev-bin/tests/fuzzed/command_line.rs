//! Any line for `maglevc`: read, completed and helped with as it grows.
//!
//! Input: the line.

use super::grammar::{Ask, Line, Names, complete, help, in_reason, parse};

/// Checks what holds of a line and of its beginnings. Returns 1 if it is a command.
pub(crate) fn check(data: &[u8]) -> usize {
    let text = String::from_utf8_lossy(data);
    let read = read(&Line::typed(&text));
    let words = text.split_whitespace().map(str::to_owned);
    self::read(&Line::given(words));
    // A shell asks wherever the cursor stands; the last places are those that a long line adds to a shorter one.
    let places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let skipped = text.chars().count().saturating_sub(MOST_PLACES);
    for at in places.skip(skipped) {
        completed(&text[..at]);
        helped(&text[..at]);
    }
    usize::from(read)
}

/// A line is a command that can be typed again, or refused in a way that points at what was not read. Tells which.
fn read(line: &Line) -> bool {
    match parse(line) {
        Ok(None) => assert!(line.text().trim().is_empty(), "no command in {:?}", line.text()),
        Ok(Some(command)) => {
            let again = parse(&Line::typed(&command.to_string()));
            assert_eq!(again, Ok(Some(command.clone())), "{command}");
            return true;
        }
        Err(complaint) => {
            assert!(line.text().trim_end().ends_with(complaint.unread_tail()), "{complaint}");
            let told = complaint.to_string();
            let carets = told.split_once('\n').map(|(_, below)| below.trim_start());
            assert!(carets.is_some_and(|carets| carets.starts_with('^')), "no caret in {told:?}");
            assert!(!complaint.message().is_empty() && !complaint.message().contains('\n'), "{told:?}");
        }
    }
    false
}

/// A line in which a completion was taken is not refused for it.
fn completed(text: &str) {
    let (start, candidates) = complete(text, &Lab);
    assert!(candidates.is_empty() || !in_reason(&Line::typed(text)), "offers in the reason of {text:?}");
    for candidate in candidates {
        let taken = format!("{}{}", &text[..start], candidate.replacement);
        let line = Line::typed(&taken);
        assert_eq!(line.open(), None, "{taken:?} is left open");
        let after = help(&taken);
        assert!(after.is_ok_and(|words| !words.is_empty()), "nothing may follow {taken:?}");
    }
}

/// What help lists may be typed, and it says that the line may end exactly where it may.
fn helped(text: &str) {
    let Ok(words) = help(text) else { return };
    let line = Line::typed(text);
    if !text.ends_with(|c: char| c.is_whitespace()) || line.open().is_some() || in_reason(&line) {
        return;
    }
    let ends = words.iter().any(|(word, _)| *word == "<cr>");
    assert_eq!(ends, parse(&line).is_ok_and(|command| command.is_some()), "{text:?}");
    for (word, _) in words.iter().filter(|(word, _)| word.chars().all(char::is_lowercase)) {
        let longer = help(&format!("{text}{word} "));
        assert!(longer.is_ok(), "{word} is listed behind {text:?} and refused");
    }
}

/// A server with names that have to be quoted, and a folder.
struct Lab;

impl Names for Lab {
    fn names(&self, ask: &Ask) -> Vec<String> {
        let names: &[&str] = match ask {
            Ask::Frontends => &["web-v4", "größe", "all"],
            Ask::Backends => &["web0", "old box", "it's", "a\"b\\", "?", "reason"],
            Ask::HealthChecks => &["http", "#1"],
            Ask::Pools { frontend } if frontend == "web-v4" => &["primary", "fall back"],
            Ask::Members { frontend, pool } if frontend == "web-v4" && pool == "primary" => &["web0", "old box"],
            Ask::Pools { .. } | Ask::Members { .. } => &[],
            Ask::Files { .. } => &["etc/", "my files/", "maglev.yaml", "-"],
        };
        names.iter().map(|name| (*name).to_owned()).collect()
    }
}

/// Each costs a walk through the tree for each word.
const MOST_PLACES: usize = 16;
