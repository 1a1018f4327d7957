//! What the YAML parser complains of, in words that tell what to do.

use crate::config::source::{Source, Span};

/// Why a text is not YAML that a config may use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::config) struct Complaint {
    /// `None`: the text as a whole.
    pub(in crate::config) span: Option<Span>,
    pub(in crate::config) message: String,
    pub(in crate::config) help: Option<String>,
}

// What our own visitors fail with. The parser hands it on inside its error.
pub(super) const TOO_MANY_NODES: &str = "aliases expand to more than the file could hold";
pub(super) const TAG: &str = "a tag stands in front of this value";
pub(super) const MERGE: &str = "only mappings can be merged";
pub(super) const KEY: &str = "a key";

/// What to do about an error, by a part of the parser's text. The first match counts.
const HELP: &[(&str, &str)] = &[
    (TOO_MANY_NODES, "write the values out instead of nesting aliases"),
    (TAG, "remove the `!tag`: a config has none"),
    (MERGE, "`<<` takes the alias of a mapping, as in `<<: *defaults`, or a list of such aliases"),
    (
        "expected a key",
        "a key is a single word followed by `: `; if this starts with `{`, `[` or `*`, put it in quotes",
    ),
    ("recursion limit", "a config nests nine levels deep at most; an alias may stand inside its own anchor"),
    ("repetition limit", "write the values out instead of nesting aliases"),
    ("unknown anchor", "define it further up with `&name`; a value that starts with `*` needs quotes"),
    (
        "mapping values are not allowed",
        "a `: ` stands where no key can be: is the line above complete, the indentation even, or does the value need quotes?",
    ),
    ("did not find expected '-' indicator", "this line does not belong to the list above it: check its indentation"),
    (
        "did not find expected key",
        "this line does not continue the mapping above it: check its indentation and the quotes",
    ),
    ("could not find expected ':'", "a key needs `: ` behind it on the same line"),
    ("did not find expected ',' or '}'", "close the `{`, or put a comma between its entries"),
    ("did not find expected ',' or ']'", "close the `[`, or put a comma between its items"),
    ("while scanning a quoted scalar", "the closing quote is missing"),
    ("unknown escape character", "in double quotes write `\\\\` for a backslash, or use single quotes"),
    ("block sequence entries are not allowed", "a `- ` cannot stand here: put the list on the next line, indented"),
    ("did not find expected node content", "a value is missing here"),
    (
        "did not find expected <document start>",
        "there is more text behind the end of the config: check its indentation",
    ),
    ("found a tab character", "YAML wants spaces"),
];

/// Refuses what the parser would refuse without saying where: characters that no YAML may contain.
pub(super) fn check_characters(source: &Source<'_>) -> Result<(), Complaint> {
    for (index, line) in source.lines().enumerate() {
        let odd = line.chars().enumerate().find(|&(at, c)| match c {
            '\t' => false,
            // A byte order mark, which may stand at the very start alone.
            '\u{feff}' => index > 0 || at > 0,
            '\u{fffe}' | '\u{ffff}' => true,
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

pub(super) fn from_parser(error: &serde_yaml::Error, source: &Source<'_>) -> Complaint {
    let text = error.to_string();
    if text.contains("more than one document") {
        return Complaint {
            span: second_document(source),
            message: "a second document starts here".to_owned(),
            help: Some("a config is one document: remove this line and what follows, or join the two".to_owned()),
        };
    }
    let span = error.location().map(|place| {
        let rest = source.rest_of_line(place.line(), place.column());
        let width = rest.split([' ', '\t', ',']).next().map_or(1, |word| word.chars().count().max(1));
        Span { line: place.line(), column: place.column(), width }
    });
    let at = span.map_or("", |span| source.rest_of_line(span.line, span.column));
    let help = match at.chars().next() {
        Some('\t') => Some("this is a tab: YAML wants spaces for indentation".to_owned()),
        Some(c @ ('@' | '`' | '%')) if text.contains("cannot start any token") => {
            Some(format!("put the value in quotes: `{c}` cannot start an unquoted one"))
        }
        _ => HELP.iter().find(|(part, _)| text.contains(part)).map(|&(_, help)| help.to_owned()),
    };
    Complaint { span, message: format!("not YAML: {}", without_place(&text)), help }
}

/// The parser's text without the place of the problem itself, which is told apart from it. The second place, of what
/// was being read, stays: `did not find expected ',' or '}', while parsing a flow mapping at line 5 column 7`.
fn without_place(text: &str) -> String {
    let ours = [TOO_MANY_NODES, TAG, MERGE].into_iter().find(|ours| text.contains(ours));
    if let Some(ours) = ours {
        return ours.to_owned();
    }
    if text.contains("expected a key") {
        return "this cannot be a key".to_owned();
    }
    let Some((problem, rest)) = text.split_once(" at line ") else {
        return text.to_owned();
    };
    match rest.split_once(", ") {
        Some((_, context)) => format!("{problem}, {context}"),
        None => problem.to_owned(),
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
