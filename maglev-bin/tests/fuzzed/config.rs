//! Any text for the config file.
//!
//! Input: the text.

use super::config::{CheckKind, Config, ConfigError, Context, Diagnostic, Family, Loaded};

/// Checks that the text is read or explained, and the same again under a comment. Returns 1 if it is a good config.
pub(crate) fn check(data: &[u8]) -> usize {
    let text = String::from_utf8_lossy(data);
    let [with, without] = [true, false].map(|dataplane| {
        let context = Context { dataplane };
        let outcome = explained(&text, context);
        assert_same(&outcome, &explained(&text, context), 0);
        commented(&text, context, &outcome);
        outcome
    });
    // What has all that a dataplane needs lacks nothing where there is none.
    if let Ok(with) = &with {
        let without = without.as_ref().unwrap_or_else(|error| panic!("{error}"));
        assert!(with.config == without.config);
    }
    usize::from(with.is_ok())
}

/// Reads `text` and checks what holds of every outcome.
pub(crate) fn explained(text: &str, context: Context) -> Result<Loaded, ConfigError> {
    let outcome = Config::parse(text, FILE, context);
    let diagnostics = match &outcome {
        Ok(loaded) => {
            hold(&loaded.config);
            &loaded.warnings
        }
        Err(error) => {
            assert!(!error.diagnostics.is_empty(), "refused without a reason");
            assert!(matches!(error.exit_code(), 1 | 2));
            assert!(!error.to_string().is_empty());
            &error.diagnostics
        }
    };
    let lines = lines(text);
    for diagnostic in diagnostics {
        told(diagnostic, &lines);
    }
    assert!(diagnostics.is_sorted_by_key(|one| (one.line, one.column)), "out of order: {diagnostics:#?}");
    outcome
}

/// A diagnostic stands at a place that is there, in one line of words.
fn told(diagnostic: &Diagnostic, lines: &[&str]) {
    let Diagnostic { line, column, message, snippet, .. } = diagnostic;
    let text = line.checked_sub(1).and_then(|line| lines.get(line));
    let text = text.unwrap_or_else(|| panic!("{diagnostic} in {} lines", lines.len()));
    // Just behind the line is where what is missing would stand.
    let columns = text.chars().count() + 1;
    assert!((1..=columns).contains(column), "{diagnostic} in {columns} columns");
    assert!(!message.is_empty() && !diagnostic.to_string().contains('\n'), "{diagnostic:?}");
    assert!(matches!(snippet.lines().count(), 0 | 2), "{snippet:?}");
}

/// The lines of a text, as YAML cuts them.
fn lines(text: &str) -> Vec<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        lines.push(&rest[..end]);
        let after = &rest[end..];
        let width = if after.starts_with("\r\n") { 2 } else { after.chars().next().map_or(0, char::len_utf8) };
        rest = &after[width..];
    }
    lines.push(rest);
    lines
}

/// A comment above a text changes no meaning, and moves each place down by its line.
fn commented(text: &str, context: Context, outcome: &Result<Loaded, ConfigError>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // In an empty text the comment would be the last line with something in it, which is where an end is shown.
    if text.trim().is_empty() || text.starts_with('\u{feff}') {
        return;
    }
    assert_same(outcome, &explained(&format!("# a comment\n{text}"), context), 1);
}

/// The same outcome, `lines` further down.
fn assert_same(one: &Result<Loaded, ConfigError>, other: &Result<Loaded, ConfigError>, lines: usize) {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            assert!(one.config == other.config);
            assert_told_alike(&one.warnings, &other.warnings, lines);
        }
        (Err(one), Err(other)) => {
            assert_eq!(one.kind, other.kind);
            assert_told_alike(&one.diagnostics, &other.diagnostics, lines);
        }
        (one, other) => panic!("accepted once and refused once: {one:?}, {other:?}"),
    }
}

/// The same diagnostics, `lines` further down; but what concerns a text as a whole is told at its very start, whatever stands there.
fn assert_told_alike(one: &[Diagnostic], other: &[Diagnostic], lines: usize) {
    // By place only at last: what is told at the start comes before what stands in the first line in one text, and beside it in the other.
    let sorted = |diagnostics: &[Diagnostic]| -> Vec<Diagnostic> {
        let mut sorted = diagnostics.to_vec();
        for diagnostic in &mut sorted {
            diagnostic.message = without_places(&diagnostic.message);
            diagnostic.help = diagnostic.help.as_deref().map(without_places);
        }
        sorted.sort_by(|a, b| {
            (&a.key, &a.message, &a.help, a.line, a.column).cmp(&(&b.key, &b.message, &b.help, b.line, b.column))
        });
        sorted
    };
    let (one, other) = (sorted(one), sorted(other));
    assert_eq!(one.len(), other.len(), "{one:#?}, {other:#?}");
    for (mut one, other) in one.into_iter().zip(other) {
        let is_start = |diagnostic: &Diagnostic| (diagnostic.line, diagnostic.column) == (1, 1);
        if is_start(&one) && is_start(&other) {
            one.snippet.clone_from(&other.snippet);
        } else {
            one.line += lines;
        }
        assert_eq!(one, other);
    }
}

/// The words of a text without the places that it names. YAML's parser names none where it means the very start.
fn without_places(text: &str) -> String {
    let mut told = String::new();
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        match word {
            "at" | "in" if words.peek() == Some(&"line") => {}
            "line" => {
                words.next();
                if words.next_if_eq(&"column").is_some() {
                    words.next();
                }
            }
            word => {
                told.push_str(word.trim_end_matches([',', ':']));
                told.push(' ');
            }
        }
    }
    told
}

/// What the rest of the daemon relies on.
fn hold(config: &Config) {
    let lb = &config.lb;
    assert!(lb.sticky_buckets_per_core.is_power_of_two());
    assert!((1_024..=4_194_304).contains(&lb.sticky_buckets_per_core));
    assert!((1..=120).contains(&lb.flow_timeout.as_secs()) && lb.flow_timeout.subsec_nanos() == 0);
    assert!(lb.startup_min_delay <= lb.startup_max_delay);
    for check in &config.healthchecks {
        for time in [check.interval, check.fast_interval, check.down_interval, check.timeout] {
            assert!(time.as_millis() >= 10);
        }
        match check.kind {
            CheckKind::Icmp => assert_eq!(check.port, None),
            CheckKind::Exec(_) => {}
            _ => assert!(check.port.is_some()),
        }
    }
    for frontend in &config.frontends {
        assert_eq!(frontend.protocol.is_some(), frontend.port.is_some());
        assert!(frontend.port != Some(0) && !frontend.pools.is_empty());
        assert!(frontend.table_length_chosen.is_power_of_two());
        assert!((1_024..=1_048_576).contains(&frontend.table_length_chosen));
        for member in frontend.pools.iter().flat_map(|pool| &pool.members) {
            let family = config.backend(&member.backend).map(|backend| Family::of(backend.address));
            assert_eq!(family, Some(frontend.backend_family));
            assert!(member.weight <= 100);
        }
        assert!(config.backends.iter().all(|backend| backend.address != frontend.address));
    }
}

const FILE: &str = "fuzz.yaml";
