//! One command, one process.

use std::io::Read;
use std::process::Stdio;

use maglev_bin::proto::{Diagnostic, VipPlan, VpplbPlan};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::fake::Fake;
use crate::terminal::Terminal;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[test]
fn every_command_that_shows_something_does_so_as_text_json_and_yaml() {
    let fake = Fake::start();
    for command in [
        "show version",
        "show frontends",
        "show frontend web-v4",
        "show backends",
        "show backend web0",
        "show healthchecks",
        "show healthcheck web",
        "show overrides",
        "show vpp info",
        "show vpp lb state",
        "show vpp lb state flows",
        "show vpp lb plan",
        "config check",
        "config plan",
        "config reload",
        "sync vpp lb state",
        "set backend web0 disable",
        "set frontend web-v4 pool primary backend web0 weight 0",
        "probe backend web0 now",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let (status, text, error) = fake.run(&words);
        assert_eq!(status, Some(0), "{command}: {error}");
        assert!(!text.is_empty() && !text.contains('\u{1b}'), "{command}: {text:?}");
        let (status, text, error) = fake.run(&[&["-o", "json"], &words[..]].concat());
        assert_eq!((status, &*error), (Some(0), ""), "{command}");
        assert!(json(&text).is_object(), "{command}: {text}");
        let (status, yaml, error) = fake.run(&[&["-o", "yaml"], &words[..]].concat());
        assert_eq!((status, &*error), (Some(0), ""), "{command}");
        let yaml: Value = serde_yaml::from_str(&yaml).unwrap_or_else(|error| panic!("{command}: {error} in {yaml}"));
        // Both say the same; only a clock could make them differ.
        assert_eq!(yaml, json(&text), "{command}");
    }
}

#[test]
fn json_has_every_field_under_the_name_it_has_in_the_proto() {
    let fake = Fake::start();
    let (_, text, _) = fake.run(&["-o", "json", "show", "frontends"]);
    let list = json(&text);
    let backend = &list["frontends"][0]["pools"][0]["backends"][0];
    assert_eq!((&backend["name"], &backend["weight"]), (&"web0".into(), &100.into()));
    assert_eq!(backend["effective_weight"], 0, "zeros are printed: {backend}");
    assert!(backend.get("vpp_weight").is_some_and(Value::is_null), "what is absent is printed: {backend}");
    assert_eq!(list["frontends"][0]["src_ip_sticky"], false);
}

#[test]
fn what_a_server_says_never_reaches_a_terminal_as_it_came() {
    let fake = Fake::start();
    let show = ["show", "backend", "web0"];
    let (_, text, _) = fake.run(&show);
    assert!(text.contains("last result  fail L7STS/503, status 503\n"), "{text}");
    assert!(text.contains("answer       \"\\u{1b}[2J\\xff\\u{9b}\\\"down\\\"\\n\"\n"), "{text}");
    assert!(text.contains("certificate  www\\u{9b}2J.example.com\n"), "{text}");
    for format in ["text", "json", "yaml"] {
        let (_, text, _) = fake.run(&[&["-o", format], &show[..]].concat());
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
    let (_, text, _) = fake.run(&[&["-o", "json"], &show[..]].concat());
    assert_eq!(json(&text)["last_result"]["answer"], "\u{1b}[2J\\xff\\u{9b}\"down\"\n");
}

#[test]
fn the_exit_status_tells_whose_fault_a_failure_is() {
    let fake = Fake::start();
    for (words, status, error) in [
        ("show backend wbe0", 1, "maglevc: there is no backend `wbe0`; did you mean `web0`?\n"),
        ("set backend web1 pause", 1, "maglevc: web1 is disabled\n"),
        ("probe backend wbe0 now", 1, "maglevc: there is no backend `wbe0`; did you mean `web0`?\n"),
        ("probe backend web0", 2, "probe backend web0\n                   ^ `now` must follow\n"),
        (
            "show vpp lb counters",
            1,
            "maglevc: VPP is out of reach; `show vpp info` tells how maglevd stands with VPP\n",
        ),
        ("config check /nowhere/a.yaml", 1, "maglevc: /nowhere/a.yaml: there is no such file\n"),
        ("config plan /nowhere/a.yaml", 1, "maglevc: /nowhere/a.yaml: there is no such file\n"),
        ("show frontnds", 2, "show frontnds\n     ^^^^^^^^ unknown word; did you mean `frontends`?\n"),
        (
            "show frontends -o json",
            2,
            "show frontends -o json\n               ^^~~~~~ options stand before the command\n",
        ),
        (
            "show",
            2,
            "show\n     ^ `version`, `frontends`, `frontend`, `backends`, `backend`, `healthchecks`, `healthcheck`, `overrides` or `vpp` must follow\n",
        ),
        ("--output xml show version", 2, ""),
        ("quit", 0, ""),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let (is, _, said) = fake.run(&words);
        assert_eq!(is, Some(status), "{words:?}: {said}");
        assert!(said == error || (error.is_empty() && status == 2), "{words:?}: {said}");
    }
    fake.lab.viewer();
    let (status, _, error) = fake.run(&["set", "backend", "web0", "disable"]);
    assert_eq!(status, Some(1));
    assert_eq!(error, "maglevc: a viewer may not write; `--grpc-operator` of maglevd says who may\n");
}

#[test]
fn a_server_that_is_not_there_gives_status_3_and_says_which() {
    let fake = Fake::start();
    let nowhere = format!("unix:{}", fake.folder.join("nowhere.sock").display());
    let (status, out, error) = fake.run(&["--server", &nowhere, "show", "backends"]);
    assert_eq!((status, &*out), (Some(3), ""));
    assert!(error.starts_with(&format!("maglevc: cannot talk to maglevd at {nowhere}: ")), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    let (status, _, error) = fake.run(&["--server", &nowhere, "-o", "json", "show", "backends"]);
    assert_eq!((status, &json(&error)["error"]["code"]), (Some(3), &"unreachable".into()));
    let (status, _, error) = fake.run(&["--server", "non sense", "show", "backends"]);
    assert_eq!(status, Some(2), "{error}");
}

#[test]
fn a_certificate_that_is_not_there_is_named() {
    let fake = Fake::start();
    let words = ["--server", "127.0.0.1:1", "--tls-ca", "/nowhere/ca.pem", "show", "backends"];
    let (status, _, error) = fake.run(&words);
    assert_eq!(status, Some(1), "{error}");
    assert!(error.contains("/nowhere/ca.pem"), "{error}");
}

#[test]
fn watching_a_server_that_dies_gives_status_3() {
    let mut fake = Fake::start();
    let mut child = fake
        .maglevc()
        .args(["watch", "events"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdout.as_mut().expect("it is piped").read_exact(&mut [0]).expect("an event");
    fake.die();
    let (status, _, error) = crate::said(&child.wait_with_output().expect("it is our child"));
    assert_eq!(status, Some(3), "{error}");
    assert!(error.starts_with("maglevc: lost maglevd at unix:"), "{error}");
}

#[test]
fn failures_are_json_too_where_json_is_wanted() {
    let fake = Fake::start();
    let (status, out, error) = fake.run(&["-o", "json", "show", "backend", "wbe0"]);
    assert_eq!((status, &*out), (Some(1), ""));
    let error = json(&error);
    assert_eq!(error["error"]["code"], "not_found");
    assert_eq!(error["error"]["message"], "there is no backend `wbe0`; did you mean `web0`?");
    let (status, _, error) = fake.run(&["-o", "json", "show", "bakend", "web0"]);
    let error = json(&error);
    assert_eq!((status, &error["error"]["code"]), (Some(2), &"usage".into()));
    assert_eq!(error["error"]["unread"], "bakend web0");
}

#[test]
fn a_write_says_what_it_did_and_warns_aloud_when_it_is_not_saved() {
    let fake = Fake::start();
    let disable = ["set", "backend", "web0", "disable", "reason", "disk  swap"];
    assert_eq!(fake.run(&disable), (Some(0), "web0: disabled\n".into(), String::new()));
    let again = ["set", "backend", "web1", "disable"];
    assert_eq!(fake.run(&again), (Some(0), "web1: already disabled\n".into(), String::new()));
    fake.lab.not_saved("no space left on device");
    let (status, out, error) = fake.run(&disable);
    assert_eq!((status, &*out), (Some(0), "web0: disabled\n"));
    assert_eq!(error, "WARNING: NOT SAVED, a restart of maglevd forgets it: no space left on device\n");
    let (_, out, error) = fake.run(&["-o", "json", "set", "backend", "web0", "disable"]);
    assert_eq!(error, "", "the answer has it");
    assert_eq!(json(&out)["not_saved"], "no space left on device");
    let weight = "set frontend web-v4 pool primary backend web0 weight";
    let words = |last: &'static str| weight.split(' ').chain([last]).collect::<Vec<_>>();
    let (_, out, _) = fake.run(&words("50"));
    assert_eq!(out, "web-v4 primary web0: weight 50 by hand (100 by the config), 0 now\n");
    fake.run(&words("config"));
    let asked = fake.lab.asked();
    assert_eq!(asked[0], r#"disable web0 "disk  swap""#);
    assert_eq!(
        asked[asked.len() - 2..],
        [r#"weight web-v4 primary web0 Some(50) """#, r#"weight web-v4 primary web0 None """#]
    );
}

#[test]
fn a_plan_with_changes_gives_status_4_and_one_without_0() {
    let fake = Fake::start();
    let vip = VipPlan { prefix: "192.0.2.1".into(), protocol: "tcp".into(), port: 80, ..Default::default() };
    std::fs::write(fake.folder.join("a.yaml"), "maglev: {}\n").unwrap();
    for (has_changes, status) in [(false, Some(0)), (true, Some(4))] {
        fake.lab.plan(VpplbPlan { has_changes, vips: vec![vip.clone()], unchanged: 3, ..Default::default() });
        for words in ["show vpp lb plan", "show vpp lb plan recreate", "config plan", "config plan a.yaml"] {
            let words: Vec<&str> = words.split(' ').collect();
            assert_eq!(fake.run(&words).0, status, "{words:?}");
            assert_eq!(fake.run(&[&["-o", "json"], &words[..]].concat()).0, status, "{words:?}");
        }
    }
    let asked = fake.lab.asked();
    assert_eq!(asked[0], r#"plan "" None daemon=false recreate=false"#);
    assert_eq!(asked[2], r#"plan "" None daemon=false recreate=true"#);
    assert_eq!(asked[4], r#"plan "" None daemon=true recreate=false"#);
    assert_eq!(asked[6], r#"plan "a.yaml" Some("maglev: {}\n") daemon=false recreate=false"#);
}

#[test]
fn a_config_is_read_here_and_checked_there() {
    let fake = Fake::start();
    std::fs::write(fake.folder.join("a.yaml"), "maglev: {}\n").unwrap();
    let good = fake.run(&["config", "check", "a.yaml"]);
    assert_eq!(good, (Some(0), "a.yaml is good: 1 frontend, 2 backends, 0 health checks\n".into(), String::new()));
    assert_eq!(fake.lab.asked(), [r#"check "a.yaml" Some("maglev: {}\n")"#]);
    fake.lab.error(Diagnostic {
        file: "a.yaml".into(),
        line: 7,
        column: 3,
        key: "maglev.backends".into(),
        message: "there is no such key".into(),
        help: "did you mean `backend`?".into(),
        snippet: "  bakends:\n  ^^^^^^^".into(),
    });
    let told = "error: there is no such key\n --> a.yaml:7:3: maglev.backends\n  |\n7 |   bakends:\n  |   ^^^^^^^\n  \
                = help: did you mean `backend`?\n\na.yaml is refused: 1 error\n";
    for command in ["check", "plan"] {
        let (status, out, error) = fake.run(&["config", command, "a.yaml"]);
        assert_eq!((status, &*out, &*error), (Some(1), "", told), "{command}");
    }
    let (status, out, error) = fake.run(&["-o", "json", "config", "check", "a.yaml"]);
    assert_eq!((status, &json(&out)["errors"][0]["line"], &*error), (Some(1), &7.into(), ""));
    std::fs::write(fake.folder.join("b.yaml"), b"maglev: \xff\n").unwrap();
    let (status, _, error) = fake.run(&["config", "check", "b.yaml"]);
    assert_eq!((status, &*error), (Some(1), "maglevc: b.yaml: this is not UTF-8\n"));
}

#[test]
fn watching_ends_after_so_many_live_events() {
    let fake = Fake::start();
    let (status, out, error) = fake.run(&["watch", "events", "num", "2", "backend"]);
    assert_eq!((status, &*error), (Some(0), ""));
    let wanted = "1970-01-01 01:01:01.004Z STATE backend-state backend=web0 to=up code=L7STS detail=\"status 503\"
1970-01-01 01:01:01.004Z STATE snapshot-end
01:01:01.004 INFO  backend-transition backend=web0 from=up to=down code=L7STS detail=\"status 503\"
01:01:01.004 WARN  event-drop count=3 message=\"a new snapshot follows\"
01:01:01.004 INFO  backend-transition backend=web0 from=up to=unknown code=L7STS detail=\"status 503\"
";
    assert_eq!(out, wanted);
    let (status, out, _) = fake.run(&["-o", "json", "watch", "events", "num", "1", "log", "level", "debug"]);
    assert_eq!(status, Some(0));
    let events: Vec<Value> = out.lines().map(json).collect();
    assert_eq!(events.len(), 3, "{out}");
    assert_eq!((&events[0]["snapshot"], &events[2]["backend"]["to"]), (&true.into(), &"down".into()));
    let asked = fake.lab.asked();
    assert!(asked[0].contains("log: false") && asked[0].contains("backend: true"), "{asked:?}");
    assert!(asked[1].contains(r#"log_level: "debug""#), "{asked:?}");
}

#[test]
fn ctrl_c_ends_watching_with_status_0() {
    let fake = Fake::start();
    let mut child = fake.maglevc().args(["watch", "events"]).stdout(Stdio::piped()).spawn().expect("the program runs");
    let mut out = child.stdout.take().expect("it is piped");
    // The program hears the signal from the moment on at which it has something to say.
    out.read_exact(&mut [0]).expect("an event");
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("text");
    assert_eq!(child.wait().expect("it is our child").code(), Some(0), "{rest}");
}

#[test]
fn a_reader_who_leaves_is_no_failure() {
    let fake = Fake::start();
    for words in [&["help"][..], &["watch", "events"], &["-o", "json", "watch", "events"]] {
        let mut child =
            fake.maglevc().args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        drop(child.stdout.take());
        let (status, _, error) = crate::said(&child.wait_with_output().expect("it is our child"));
        assert_eq!((status, &*error), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn colours_are_there_only_if_wanted() {
    let fake = Fake::start();
    let colored = |words: &[&str]| fake.run(words).1.contains('\u{1b}');
    assert!(!colored(&["show", "backends"]), "a pipe is no terminal");
    assert!(colored(&["--color", "always", "show", "backends"]));
    assert!(!colored(&["--color", "always", "-o", "json", "show", "backends"]));
    assert!(!colored(&["--color", "never", "show", "backends"]));
}

#[test]
fn a_terminal_has_colours_unless_no_color_is_set() {
    let fake = Fake::start();
    for (no_color, styled) in [(None, true), (Some("1"), false)] {
        let mut command = fake.maglevc();
        command.args(["show", "backends"]);
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        let mut terminal = Terminal::start(&command);
        terminal.shows("disabled");
        assert_eq!(terminal.is_styled(), styled, "with NO_COLOR {no_color:?}");
    }
}

#[test]
fn help_lists_the_commands() {
    let fake = Fake::start();
    for words in [&["help"][..], &["--help"]] {
        let (status, out, _) = fake.run(words);
        assert_eq!(status, Some(0));
        for line in ["show frontend NAME", "sync vpp lb state [frontend NAME] [recreate]", "config plan [FILE]"] {
            assert!(out.contains(line), "{line} is missing in {out}");
        }
    }
}

#[test]
fn options_and_questions_in_odd_places_are_answered() {
    let fake = Fake::start();
    let (status, _, error) = fake.run(&["--colour=always", "show", "version"]);
    assert_eq!(status, Some(2));
    assert!(error.contains("there is no option `--colour`; did you mean `--color`?"), "{error}");
    for last in ["?", "--help", "-h"] {
        let (status, out, _) = fake.run(&["show", "vpp", last]);
        assert_eq!(status, Some(0), "{last}");
        assert!(out.contains("info") && out.contains("VPP's load balancer"), "{out}");
    }
    fake.run(&["set", "backend", "web0", "disable", "reason", "why", "?"]);
    assert_eq!(fake.lab.asked().last().map(String::as_str), Some(r#"disable web0 "why ?""#));
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let fake = Fake::start();
    let mut command = fake.bounded();
    for name in ["MAGLEV_TLS_CA", "MAGLEV_TLS_CERT", "MAGLEV_TLS_KEY", "MAGLEV_TLS_NAME"] {
        command.env(name, "");
    }
    assert_eq!(crate::said(&command.args(["show", "version"]).output().expect("the program runs")).0, Some(0));
    let mut command = fake.bounded();
    let (status, _, error) =
        crate::said(&command.env("MAGLEV_SERVER", "").args(["show", "bla"]).output().expect("the program runs"));
    assert_eq!(status, Some(2));
    assert!(error.starts_with("show bla\n"), "{error}");
}
