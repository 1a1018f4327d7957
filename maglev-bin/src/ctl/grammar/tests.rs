use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::ctl::grammar;

#[path = "../../../tests/fuzzed/command_line.rs"]
mod fuzzed;

/// Two frontends, three backends, a name that has to be quoted.
struct Lab;

impl Names for Lab {
    fn names(&self, ask: &Ask) -> Vec<String> {
        let names: &[&str] = match ask {
            Ask::Frontends => &["web-v4", "web-v6", "dns"],
            Ask::Backends => &["web0", "web1", "old box"],
            Ask::HealthChecks => &["http", "icmp"],
            Ask::Pools { frontend } if frontend == "web-v4" => &["primary", "fallback"],
            Ask::Members { frontend, pool } if frontend == "web-v4" && pool == "primary" => &["web0", "web1"],
            Ask::Pools { .. } | Ask::Members { .. } => &[],
            Ask::Files { .. } => &["etc/", "maglev.yaml"],
        };
        names.iter().map(|name| (*name).to_owned()).collect()
    }
}

fn read(text: &str) -> Result<Option<Command>, Complaint> {
    parse(&Line::typed(text))
}

fn asked(text: &str) -> Command {
    read(text).unwrap_or_else(|complaint| panic!("{complaint}")).expect("it has words")
}

fn offered(text: &str) -> Vec<String> {
    complete(text, &Lab).1.into_iter().map(|candidate| candidate.replacement).collect()
}

fn name(text: &str) -> String {
    text.to_owned()
}

#[test]
fn every_command_of_the_specification_is_understood() {
    let watch = Watch::default();
    for (text, command) in [
        ("show version", Command::ShowVersion),
        ("show frontends", Command::ShowFrontends),
        ("show frontend web-v4", Command::ShowFrontend { name: name("web-v4") }),
        ("show backends", Command::ShowBackends),
        ("show backend web0", Command::ShowBackend { name: name("web0") }),
        ("show healthchecks", Command::ShowHealthChecks),
        ("show healthcheck http", Command::ShowHealthCheck { name: name("http") }),
        ("show vpp info", Command::ShowVppInfo),
        ("show vpp lb state", Command::ShowState { flows: false }),
        ("show vpp lb state flows", Command::ShowState { flows: true }),
        ("show vpp lb counters", Command::ShowCounters),
        ("show vpp lb plan", Command::ShowPlan { recreate: false }),
        ("show vpp lb plan recreate", Command::ShowPlan { recreate: true }),
        ("show overrides", Command::ShowOverrides),
        ("sync vpp lb state", Command::Sync { frontend: None, recreate: false }),
        ("sync vpp lb state recreate", Command::Sync { frontend: None, recreate: true }),
        ("sync vpp lb state recreate frontend a", Command::Sync { frontend: Some(name("a")), recreate: true }),
        (
            "set backend web0 disable reason disk swap",
            Command::SetBackend { name: name("web0"), action: Action::Disable, reason: name("disk swap") },
        ),
        ("probe backend web0 now", Command::ProbeBackend { name: name("web0") }),
        ("pr b web0 n", Command::ProbeBackend { name: name("web0") }),
        (
            "set frontend f pool p backend b weight 50 reason 'a  test'",
            Command::SetWeight {
                frontend: name("f"),
                pool: name("p"),
                backend: name("b"),
                weight: Some(50),
                reason: name("a  test"),
            },
        ),
        (
            "set frontend f pool p backend b weight config",
            Command::SetWeight {
                frontend: name("f"),
                pool: name("p"),
                backend: name("b"),
                weight: None,
                reason: name(""),
            },
        ),
        ("config check", Command::ConfigCheck { file: None }),
        ("config check -", Command::ConfigCheck { file: Some(name("-")) }),
        ("config plan a.yaml", Command::ConfigPlan { file: Some(name("a.yaml")) }),
        ("config reload", Command::ConfigReload),
        ("watch events", Command::Watch(watch.clone())),
        (
            "watch events frontend num 3 log level warn backend",
            Command::Watch(Watch { num: Some(3), log: true, level: Some(Level::Warn), backend: true, frontend: true }),
        ),
        ("watch events log num 1", Command::Watch(Watch { num: Some(1), log: true, ..watch })),
        ("help", Command::Help),
        ("quit", Command::Quit),
        ("exit", Command::Quit),
    ] {
        assert_eq!(asked(text), command, "{text}");
    }
    assert_eq!(read("  "), Ok(None));
}

#[test]
fn the_beginning_of_a_keyword_is_enough_if_one_command_alone_begins_so() {
    for (short, long) in [
        ("sh ba", "show backends"),
        ("sh ba web0", "show backend web0"),
        ("sh backend web0", "show backend web0"),
        ("sh fr", "show frontends"),
        ("sh h", "show healthchecks"),
        ("sh v l st f", "show vpp lb state flows"),
        ("sy v l s", "sync vpp lb state"),
        ("se b x pa", "set backend x pause"),
        ("s o", "show overrides"),
        ("w e l l w", "watch events log level warn"),
        ("c r", "config reload"),
        ("q", "quit"),
    ] {
        assert_eq!(asked(short), asked(long), "{short}");
    }
}

#[test]
fn quotes_and_backslashes_keep_a_word_together() {
    for (text, wanted) in [
        (r#"show backend "old box""#, "old box"),
        ("show backend 'old box'", "old box"),
        (r"show backend old\ box", "old box"),
        (r#"show backend "a\"b\\c\d""#, r#"a"b\c\d"#),
        (r#"show backend o'ld 'b"ox""#, "old box"),
        ("show\tbackend  old", "old"),
    ] {
        assert_eq!(asked(text), Command::ShowBackend { name: name(wanted) }, "{text}");
    }
}

#[test]
fn words_from_a_command_line_are_taken_as_they_are() {
    let given = |words: &[&str]| parse(&Line::given(words.iter().map(|word| name(word))));
    assert_eq!(given(&["show", "backend", r"old 'box\"]), Ok(Some(Command::ShowBackend { name: name(r"old 'box\") })));
    let complaint = given(&["show", "backend", "old box", "now"]).unwrap_err().to_string();
    assert_eq!(complaint, "show backend \"old box\" now\n                       ^^^ nothing may follow here");
}

#[test]
fn a_complaint_points_at_the_word_and_says_what_would_fit() {
    let cases = [
        ("show frontnds", "     ^^^^^^^^ unknown word; did you mean `frontends`?"),
        ("show frontnds web now", "     ^^^^^^^^~~~~~~~~ unknown word; did you mean `frontends`?"),
        ("shwo backends", "^^^^~~~~~~~~~ unknown word; did you mean `show`?"),
        (
            "bla",
            "^^^ unknown word; expected `show`, `set`, `sync`, `probe`, `config`, `watch`, `help`, `quit` or `exit`",
        ),
        ("show vpp bla", "         ^^^ unknown word; expected `info` or `lb`"),
        ("show frontends web", "               ^^^ nothing may follow here"),
        ("show frontend", "              ^ NAME must follow: name of the frontend"),
        ("show frontend ", "              ^ NAME must follow: name of the frontend"),
        ("show vpp", "         ^ `info` or `lb` must follow"),
        ("s", "^ this can be `show`, `set` or `sync`"),
        ("s v l s", "^~~~~~~ this can be `show` or `sync`"),
        ("set backend web0", "                 ^ `pause`, `resume`, `enable`, `disable` or `clear` must follow"),
        (
            "set frontend f pool p backend b weight 101",
            "                                       ^^^ a weight is a number from 0 to 100, or `config`",
        ),
        (
            "set frontend f pool p backend b weight +5",
            "                                       ^^ a weight is a number from 0 to 100, or `config`",
        ),
        (
            "set frontend f pool p backend b weight",
            "                                       ^ 0-100 or `config` must follow",
        ),
        (
            "set backend web0 disable reason",
            "                                ^ TEXT must follow: why, for the history: the rest of the line",
        ),
        ("watch events num 0 log", "                 ^~~~~ a number of events is 1 to 1000000000"),
        (
            "watch events level warn",
            "             ^^^^^~~~~~ unknown word; expected `num`, `log`, `backend` or `frontend`",
        ),
        ("watch events log log", "                 ^^^ unknown word; expected `level`, `num`, `backend` or `frontend`"),
        ("show backend \"\"", "             ^^ NAME cannot be empty"),
        ("show backend \"we b", "             ^^^^^ this is not closed"),
        ("show backend we\\", "               ^ this is not closed"),
        ("show frontends -o json", "               ^^~~~~~ options stand before the command"),
        ("show vpp -o json", "         ^^~~~~~ options stand before the command"),
    ];
    for (text, wanted) in cases {
        let complaint = read(text).expect_err(text).to_string();
        assert_eq!(complaint, format!("{}\n{wanted}", text.trim_end()), "{text}");
    }
}

#[test]
fn a_complaint_keeps_its_place_behind_tabs_and_wide_letters() {
    let complaint = read("show\tbackends\u{1b}[2J größer").unwrap_err().to_string();
    assert_eq!(complaint, "show backends [2J größer\n     ^^^^^^^^^^^^~~~~~~~ unknown word; did you mean `backends`?");
    let complaint = read("show backend größer now").unwrap_err();
    assert_eq!(complaint.to_string(), "show backend größer now\n                    ^^^ nothing may follow here");
    assert_eq!(complaint.unread_tail(), "now");
}

#[test]
fn a_reason_without_quotes_is_the_rest_of_the_line() {
    for (text, wanted) in [
        ("don't touch", "don't touch"),
        ("what  now? ", "what  now?"),
        (r#"a\b "c"#, r#"a\b "c"#),
        ("'two  words' more", "two  words more"),
    ] {
        let Command::SetBackend { reason, .. } = asked(&format!("se b x dis re {text}")) else { panic!("{text}") };
        assert_eq!(reason, wanted, "{text}");
    }
}

#[test]
fn a_reason_is_one_line_of_256_bytes() {
    let long = "x".repeat(257);
    let complaint = read(&format!("set backend a pause reason {long}")).unwrap_err();
    assert_eq!(complaint.message(), "a reason has at most 256 bytes");
    let words = "x ".repeat(129);
    let complaint = read(&format!("set backend a pause reason {words}")).unwrap_err();
    assert_eq!(complaint.message(), "a reason has at most 256 bytes");
    let complaint = read("set backend a pause reason 'a\nb'").unwrap_err();
    assert_eq!(complaint.message(), "a reason is one line of plain text");
}

#[test]
fn completion_offers_keywords_and_the_names_that_fit() {
    let cases: [(&str, &[&str]); 14] = [
        ("sh", &["show "]),
        ("show fr", &["frontends ", "frontend "]),
        ("show frontend ", &["web-v4 ", "web-v6 ", "dns "]),
        ("sh fr we", &["web-v4 ", "web-v6 "]),
        ("show backend old", &["\"old box\" "]),
        ("show backend \"old b", &["\"old box\" "]),
        ("set frontend web-v4 pool ", &["primary ", "fallback "]),
        ("set frontend web-v4 pool primary backend web", &["web0 ", "web1 "]),
        ("set frontend dns pool ", &[]),
        ("set backend web0 p", &["pause "]),
        ("config check ", &["etc/", "maglev.yaml "]),
        ("watch events num 3 ", &["log ", "backend ", "frontend "]),
        ("watch events log level warn ", &["num ", "backend ", "frontend "]),
        ("bla ", &[]),
    ];
    for (text, wanted) in cases {
        assert_eq!(offered(text), wanted, "{text}");
    }
    assert_eq!(complete("show backend \"old b", &Lab).0, "show backend ".len());
    assert_eq!(offered("set backend a pause reason be"), Vec::<String>::new());
}

#[test]
fn help_lists_what_may_come_and_whether_the_line_is_complete() {
    let words = |text: &str| help(text).unwrap().into_iter().map(|(word, _)| word).collect::<Vec<_>>();
    assert_eq!(words(""), ["show", "set", "sync", "probe", "config", "watch", "help", "quit", "exit"]);
    assert_eq!(words("s"), ["show", "set", "sync"]);
    assert_eq!(words("show vpp lb "), ["state", "counters", "plan"]);
    assert_eq!(words("show frontends "), ["<cr>"]);
    assert_eq!(words("sh ba "), ["NAME", "<cr>"]);
    assert_eq!(words("show backend "), ["NAME"]);
    assert_eq!(words("set frontend a pool b backend c weight "), ["0-100", "config"]);
    assert_eq!(words("set backend a pause "), ["reason", "<cr>"]);
    assert_eq!(
        words("set backend a pause reason disk "),
        ["the reason goes on"].map(|_| "TEXT").into_iter().chain(["<cr>"]).collect::<Vec<_>>()
    );
    assert_eq!(words("sync vpp lb state recreate "), ["frontend", "<cr>"]);
    assert_eq!(help("show bla").unwrap_err().message().split(';').next(), Some("unknown word"));
    assert_eq!(help("bla ").unwrap_err().unread_tail(), "bla");
}

#[test]
fn the_synopsis_names_every_command_with_its_options() {
    let all = synopsis();
    for line in [
        "show frontend NAME",
        "sync vpp lb state [frontend NAME] [recreate]",
        "set backend NAME disable [reason TEXT]",
        "set frontend NAME pool POOL backend NAME weight 0-100 [reason TEXT]",
        "probe backend NAME now",
        "config plan [FILE]",
        "watch events [num N] [log [level debug|info|warn|error]] [backend] [frontend]",
    ] {
        assert!(all.iter().any(|(text, help)| text == line && !help.is_empty()), "{line} is missing in {all:#?}");
    }
}

fn any_name() -> impl Strategy<Value = String> + Clone {
    prop_oneof![4 => "[a-z][a-z0-9-]{0,8}", 1 => "[ -~äß\"'\\\\?#]{1,6}", 1 => "(show|backend|reason|config|7)"]
}

fn any_reason() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ -~]{1,40}"]
}

fn any_command() -> impl Strategy<Value = Command> {
    let action =
        prop::sample::select(vec![Action::Pause, Action::Resume, Action::Enable, Action::Disable, Action::Clear]);
    let level = prop::option::of(prop::sample::select(Level::ALL.to_vec()));
    let file = prop::option::of(any_name());
    let plain = prop::sample::select(vec![
        Command::ShowVersion,
        Command::ShowFrontends,
        Command::ShowBackends,
        Command::ShowHealthChecks,
        Command::ShowVppInfo,
        Command::ShowCounters,
        Command::ShowOverrides,
        Command::ConfigReload,
        Command::Help,
        Command::Quit,
    ]);
    prop_oneof![
        plain,
        any::<bool>().prop_map(|flows| Command::ShowState { flows }),
        any::<bool>().prop_map(|recreate| Command::ShowPlan { recreate }),
        any_name().prop_map(|name| Command::ShowFrontend { name }),
        any_name().prop_map(|name| Command::ShowBackend { name }),
        any_name().prop_map(|name| Command::ShowHealthCheck { name }),
        any_name().prop_map(|name| Command::ProbeBackend { name }),
        file.clone().prop_map(|file| Command::ConfigCheck { file }),
        file.clone().prop_map(|file| Command::ConfigPlan { file }),
        (file, any::<bool>()).prop_map(|(frontend, recreate)| Command::Sync { frontend, recreate }),
        (any_name(), action, any_reason()).prop_map(|(name, action, reason)| Command::SetBackend {
            name,
            action,
            reason
        }),
        (any_name(), any_name(), any_name(), prop::option::of(0..=100_u32), any_reason()).prop_map(
            |(frontend, pool, backend, weight, reason)| Command::SetWeight { frontend, pool, backend, weight, reason }
        ),
        (prop::option::of(1..=1_000_000_000_u64), any::<bool>(), level, any::<bool>(), any::<bool>()).prop_map(
            |(num, log, level, backend, frontend)| {
                Command::Watch(Watch { num, log, level: level.filter(|_| log), backend, frontend })
            }
        ),
    ]
}

/// Lines that are nearly right, so that random ones reach deep.
fn any_line() -> impl Strategy<Value = String> {
    let near = (any_command(), any::<prop::sample::Index>(), ".{0,3}").prop_map(|(command, index, spoiler)| {
        let mut text = command.to_string();
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        text.insert_str(places[index.index(places.len())], &spoiler);
        text
    });
    prop_oneof![near, ".{0,40}"]
}

proptest! {
    #[test]
    fn what_a_command_displays_as_is_read_as_the_same_command(command in any_command()) {
        prop_assert_eq!(read(&command.to_string()), Ok(Some(command.clone())), "{}", command);
    }

    #[test]
    fn no_text_is_a_reason_to_panic(text in any_line()) {
        let _ = read(&text).map_err(|complaint| complaint.to_string());
        let _ = complete(&text, &Lab);
        let _ = help(&text).map_err(|complaint| complaint.to_string());
    }

    #[test]
    fn a_line_with_an_accepted_completion_goes_on(command in any_command(), index in any::<prop::sample::Index>()) {
        let whole = command.to_string();
        let places: Vec<usize> = whole.char_indices().map(|(at, _)| at).chain([whole.len()]).collect();
        let text = &whole[..places[index.index(places.len())]];
        let (start, candidates) = complete(text, &Lab);
        for candidate in candidates {
            let accepted = format!("{}{}", &text[..start], candidate.replacement);
            let line = Line::typed(&accepted);
            prop_assert_eq!(line.open(), None, "{}", accepted);
            prop_assert!(follow(&line, line.words()).is_ok(), "{}", accepted);
        }
    }

    #[test]
    fn words_that_help_lists_are_words_that_may_come(command in any_command(), count in 0..8_usize) {
        let line = Line::typed(&command.to_string());
        let text: String = line.words().iter().take(count).map(|word| format!("{} ", words::quote(&word.text))).collect();
        for (word, _) in help(&text).unwrap().into_iter().filter(|(word, _)| word.chars().all(char::is_lowercase)) {
            let longer = Line::typed(&format!("{text}{word}"));
            prop_assert!(follow(&longer, longer.words()).is_ok(), "{}{}", text, word);
        }
    }
}

#[test]
fn every_line_of_the_fuzz_corpus_is_a_command_or_refused_with_a_reason() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/command_line");
    let Ok(inputs) = fs::read_dir(&corpus) else {
        eprintln!("SKIPPED: no corpus {}", corpus.display());
        return;
    };
    let mut commands = 0;
    for input in inputs {
        let path = input.expect("the corpus can be listed").path();
        // Shown when the check below fails.
        println!("{}", path.display());
        commands += fuzzed::check(&fs::read(&path).expect("the input can be read"));
    }
    assert!(commands > 0, "no command in {}", corpus.display());
}
