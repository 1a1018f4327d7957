//! What the YAML parser complains of, in words that tell what to do.

use crate::config::source::{Source, Span};

/// Why a text is not YAML, or not YAML that a config may use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::config) struct Complaint {
    /// `None`: the text as a whole.
    pub(in crate::config) span: Option<Span>,
    pub(in crate::config) message: String,
    pub(in crate::config) help: Option<String>,
}

// What our own visitors fail with. The parser hands it on inside its error.
pub(super) const TOO_MANY_NODES: &str = "aliases expand to more than the file could hold";
pub(super) const TAG: &str = "a config has no tags";
pub(super) const MERGE: &str = "only mappings can be merged";
pub(super) const KEY: &str = "a key";

/// Puts an error of the parser into words. What is not known here keeps the parser's.
pub(super) fn from_parser(error: &serde_yaml::Error, source: &Source<'_>) -> Complaint {
    let text = error.to_string();
    if text.contains("more than one document") {
        return Complaint {
            span: second_document(source),
            message: "a second document starts here".to_owned(),
            help: Some("a config is one document: remove this line and what follows, or join the two".to_owned()),
        };
    }
    // The end of the file is most often the empty line behind the last one, where there is nothing to be seen.
    let place = error.location().map(|place| Place::from(source.within(place.line(), place.column())));
    let known = KNOWN.iter().find(|known| text.contains(known.part));
    let (message, help) = match known {
        Some(known) => (known.message.to_owned(), Some(known.help.to_owned())),
        None => (text.clone(), None),
    };
    // What is not closed is pointed at where it was opened: the parser notices at the end of the file.
    let opened = known.filter(|known| known.opened).and_then(|_| context_of(&text, source));
    let (message, help) = match (place, opened) {
        (Some(end), Some(start)) if end.line > start.line => {
            (message, help.map(|help| format!("{help}; reading went on to line {}", end.line)))
        }
        (Some(at), None) => special(&text, at, source).unwrap_or((message, help)),
        _ => (message, help),
    };
    let span = opened.or(place).map(|place| place.word(source));
    Complaint { span, message: format!("not YAML: {message}"), help }
}

/// What the parser says and what a person is told.
struct Known {
    /// Part of the parser's text; the first match counts.
    part: &'static str,
    message: &'static str,
    help: &'static str,
    /// Whether to point at the start of what was being read, and not at where the parser gave up.
    opened: bool,
}

const fn at_problem(part: &'static str, message: &'static str, help: &'static str) -> Known {
    Known { part, message, help, opened: false }
}

const fn at_start(part: &'static str, message: &'static str, help: &'static str) -> Known {
    Known { part, message, help, opened: true }
}

const KNOWN: &[Known] = &[
    at_problem(TOO_MANY_NODES, TOO_MANY_NODES, "write the values out instead of nesting aliases"),
    at_problem("repetition limit", TOO_MANY_NODES, "write the values out instead of nesting aliases"),
    at_problem(TAG, TAG, "remove the `!tag`"),
    at_problem(MERGE, MERGE, "`<<` takes the alias of a mapping, as in `<<: *defaults`, or a list of such aliases"),
    at_problem(
        "expected a key",
        "this cannot be a key",
        "a key is a single word followed by `: `; quote it if it starts with `{`, `[` or `*`",
    ),
    at_problem(
        "recursion limit",
        "this nests far deeper than any config",
        "look for an alias inside its own anchor, or for brackets that are not closed",
    ),
    at_problem(
        "unknown anchor",
        "this alias has no anchor",
        "put `&name` further up, or quote a value that starts with `*`",
    ),
    at_problem("found a tab character", "a tab stands where YAML wants spaces", "replace it"),
    at_problem(
        "did not find expected '-' indicator",
        "this line is not an item of the list above it",
        "check its indentation, or start it with `- `",
    ),
    at_problem(
        "did not find expected key",
        "this does not fit the lines above it",
        "check the indentation, and whether a quote above it is closed",
    ),
    at_start("could not find expected ':'", "this line has no `:`", "write `: ` behind the key"),
    at_start("expected ',' or '}'", "this `{` is not closed", "close it, or put a comma between its entries"),
    at_start("expected ',' or ']'", "this `[` is not closed", "close it, or put a comma between its items"),
    at_start("while scanning a quoted scalar", "this quote is not closed", "put the same quote behind the value"),
    at_problem(
        "unknown escape character",
        "this is no escape",
        "in double quotes write `\\\\` for a backslash, or use single quotes",
    ),
    at_problem("did not find expected hexdecimal number", "this escape lacks hex digits", "or use single quotes"),
    at_problem(
        "block sequence entries are not allowed",
        "no list can start here",
        "put it on the next line, indented, or quote a value that starts with `-`",
    ),
    at_problem("did not find expected node content", "a value is missing here", "write one, or quote what is there"),
    at_problem(
        "did not find expected <document start>",
        "the config has ended above this line",
        "check the indentation: everything stands below `maglev:`",
    ),
];

/// Errors whose cause the text around them tells better than the parser can.
fn special(error: &str, at: Place, source: &Source<'_>) -> Option<(String, Option<String>)> {
    let here = source.rest_of_line(at.line, at.column);
    if error.contains("cannot start any token") {
        return Some(match here.chars().next() {
            Some('\t') => ("a tab stands where YAML wants spaces".to_owned(), Some("replace it".to_owned())),
            Some(c) => (format!("an unquoted value cannot start with `{c}`"), Some("put it in quotes".to_owned())),
            None => return None,
        });
    }
    if error.contains("mapping values are not allowed") {
        return Some(misplaced_colon(at, source));
    }
    None
}

/// A `: ` where no key can be: in a value, or because the line above is not what it seems.
fn misplaced_colon(at: Place, source: &Source<'_>) -> (String, Option<String>) {
    let line = source.line(at.line);
    let before: String = line.chars().take(at.column - 1).collect();
    if before.contains(": ") {
        return ("an unquoted value cannot contain `: `".to_owned(), Some("put the value in quotes".to_owned()));
    }
    let above = (1..at.line).rev().find(|&above| {
        let text = source.line(above).trim_start();
        !text.is_empty() && !text.starts_with('#')
    });
    let message = "this line cannot follow the one above it".to_owned();
    let Some(above) = above else { return (message, None) };
    let help = if source.line(above).contains(':') {
        format!("it is indented below line {above}, which has a value already: check the indentation of both")
    } else {
        format!("line {above} has no `:` at its end")
    };
    (message, Some(help))
}

/// Where the parser says that something began: `…, while parsing a flow mapping at line 5 column 7`. It says nothing
/// where that is the very start of the text.
fn context_of(text: &str, source: &Source<'_>) -> Option<Place> {
    let (_, context) = text.rsplit_once(", while ")?;
    let Some((_, place)) = context.rsplit_once(" at line ") else {
        return source.line(1).starts_with(['{', '[', '"', '\'']).then_some(Place { line: 1, column: 1 });
    };
    let (line, column) = place.split_once(" column ")?;
    Some(Place { line: line.parse().ok()?, column: column.parse().ok()? })
}

/// Line and column, counted from 1.
#[derive(Clone, Copy)]
struct Place {
    line: usize,
    column: usize,
}

impl From<(usize, usize)> for Place {
    fn from((line, column): (usize, usize)) -> Self {
        Self { line, column }
    }
}

impl Place {
    /// The word that starts here.
    fn word(self, source: &Source<'_>) -> Span {
        let rest = source.rest_of_line(self.line, self.column);
        let word = rest.split([' ', '\t', ',']).next().unwrap_or_default();
        Span { line: self.line, column: self.column, width: word.chars().count().max(1) }
    }
}

/// The line that starts the second document.
fn second_document(source: &Source<'_>) -> Option<Span> {
    let mut started = false;
    let mut last = None;
    for (index, line) in source.lines().enumerate() {
        let number = index + 1;
        let marker = line == "---" || line.starts_with("--- ");
        let content = !line.trim().is_empty() && !line.starts_with(['#', '%']) && line != "...";
        if marker && started {
            return Some(Span { line: number, column: 1, width: 3 });
        }
        if content {
            last = Some(Span { line: number, column: 1, width: line.chars().count() });
        }
        started |= marker || content;
    }
    last
}
