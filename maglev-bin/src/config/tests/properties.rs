//! Whatever the bytes, there is a config or an explanation, and soon.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::config;

#[path = "../../../tests/fuzzed/config.rs"]
mod fuzzed;

/// A change to a text.
#[derive(Clone, Debug)]
enum Change {
    /// Put something in.
    Insert(usize, String),
    /// Take some characters out.
    Remove(usize, usize),
    /// Write a line twice, or move it.
    Line(usize, usize),
    /// Put another value behind a colon.
    Value(usize, String),
}

fn changes() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    let piece = prop::sample::select(vec![
        ":", ": ", "- ", "{", "}", "[", "]", ",", "'", "\"", "#", " #", "&a ", "*a", "<<: *a\n", "!t ", "\n", "\t",
        "\r", "  ", "|", ">", "---\n", "...\n", "%", "@", "?", "? ", "~", "\u{0}", "\u{85}", "\u{feff}", "ä", "𝄞",
        "\\", "0", "-1",
    ]);
    let value = prop::sample::select(vec![
        "0",
        "-1",
        "1.5",
        "1e99",
        "99999999999999999999999",
        "0x10",
        "true",
        "yes",
        "null",
        "''",
        "'1'",
        "1s",
        "0s",
        "-1s",
        "9h",
        "1ns",
        "auto",
        "tcp",
        "icmp",
        "keep",
        "10.0.0.1",
        "192.0.2.1",
        "::",
        "ff02::1",
        "192.0.2.1/32",
        "[]",
        "{}",
        "[1]",
        "{ a: b }",
        "web",
        "nginx0",
        "65536",
        "1024",
        "200-299",
        "'('",
        "/",
        "*x",
        "&x",
    ]);
    prop_oneof![
        (at.clone(), piece).prop_map(|(at, piece)| Change::Insert(at, piece.to_owned())),
        (at.clone(), 1..20usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (at.clone(), at.clone()).prop_map(|(from, to)| Change::Line(from, to)),
        (at, value).prop_map(|(at, value)| Change::Value(at, value.to_owned())),
    ]
}

impl Change {
    fn apply(&self, text: &str) -> String {
        match self {
            Change::Insert(at, piece) => {
                let chars: Vec<char> = text.chars().collect();
                let at = at % (chars.len() + 1);
                chars[..at].iter().copied().chain(piece.chars()).chain(chars[at..].iter().copied()).collect()
            }
            Change::Remove(at, count) => {
                let length = text.chars().count().max(1);
                let at = at % length;
                text.chars().take(at).chain(text.chars().skip(at + count)).collect()
            }
            Change::Line(from, to) => {
                let mut lines: Vec<&str> = text.lines().collect();
                let line = lines.get(from % lines.len().max(1)).copied().unwrap_or_default();
                lines.insert(to % (lines.len() + 1), line);
                lines.join("\n")
            }
            Change::Value(at, value) => {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                let count = lines.len().max(1);
                if let Some(line) = lines.get_mut(at % count)
                    && let Some((key, _)) = line.split_once(": ")
                {
                    *line = format!("{key}: {value}");
                }
                lines.join("\n")
            }
        }
    }
}

proptest! {
    #[test]
    fn a_good_config_changed_at_random_is_read_or_explained(
        small: bool,
        changes in prop::collection::vec(changes(), 1..8),
    ) {
        let text = read(if small { "good/small.yaml" } else { "good/full.yaml" });
        fuzzed::check(changes.iter().fold(text, |text, change| change.apply(&text)).as_bytes());
    }

    #[test]
    fn random_text_is_read_or_explained(text in "\\PC{0,200}") {
        fuzzed::check(text.as_bytes());
    }

    #[test]
    fn random_yaml_is_read_or_explained(text in "(maglev|[a-z]{1,3}|[-:,&*#?|>@%!'\"{}\\[\\] \n\t0-9~<.]){0,60}") {
        fuzzed::check(text.as_bytes());
    }

    #[test]
    fn random_bytes_are_read_or_explained(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzzed::check(&bytes);
        if let Err(error) = String::from_utf8(bytes) {
            let error = report::not_utf8(&error, "fuzz.yaml");
            prop_assert_eq!(error.exit_code(), 1);
            prop_assert!(error.diagnostics[0].line > 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

    /// What makes a parser take its time is the same thing over and over.
    #[test]
    fn repetition_ends_soon(
        before in "[a-z:&*\\[{ \n\"'-]{0,6}",
        piece in "[a-c:,&*!?#|>~\\[\\]{} \n\"'-]{1,6}",
    ) {
        let text = format!("{before}{}", piece.repeat(20_000 / piece.len()));
        let start = Instant::now();
        let _outcome = fuzzed::explained(&text, DATAPLANE);
        let took = start.elapsed();
        prop_assert!(took < Duration::from_secs(20), "{took:?} for 20 kB of {piece:?} behind {before:?}");
    }
}

/// Nine lines whose aliases stand for a thousand million words, and more of the kind.
#[test]
fn bombs_do_not_go_off() {
    let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, name) in ('a'..='i').zip('b'..='j') {
        laughs.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(", ")));
    }
    let wide = format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(20_000), "*a,".repeat(20_000));
    let inside_itself = "maglev: &a [*a]\n".to_owned();
    let brackets = "[".repeat(1 << 20);
    let braces = "{a: ".repeat(1 << 18);
    let blocks = "- ".repeat(1 << 18);
    for text in [laughs, wide, inside_itself, brackets, braces, blocks] {
        let start: String = text.chars().take(40).collect();
        let error = bad(&text);
        assert_eq!((error.kind, error.diagnostics.len()), (ErrorKind::Parse, 1), "{start}: {error}");
    }
}

#[test]
fn a_text_too_large_for_a_config_is_not_even_looked_at() {
    let error = bad(&"#".repeat(LARGEST + 1));
    assert_eq!(error.diagnostics[0].message, "this is larger than 4 MiB");
    assert_eq!(error.exit_code(), 1);
}
