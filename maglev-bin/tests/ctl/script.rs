//! Commands from standard input.

use maglev_bin::proto::VpplbPlan;

use crate::fake::Fake;

fn run(fake: &Fake, text: &str) -> (Option<i32>, String, String) {
    crate::said(&fake.bounded().write_stdin(text).output().expect("the program runs"))
}

#[test]
fn commands_run_in_order_without_a_prompt() {
    let fake = Fake::start();
    let text = "# maintenance\n\nset backend web0 disable reason disk swap\n  set backend web1 disable";
    let (status, out, error) = run(&fake, text);
    assert_eq!((status, &*out, &*error), (Some(0), "web0: disabled\nweb1: already disabled\n", ""));
    assert_eq!(fake.lab.asked(), [r#"disable web0 "disk swap""#, r#"disable web1 """#]);
}

#[test]
fn the_first_failure_ends_a_script_with_its_status() {
    let fake = Fake::start();
    for (text, status, word) in [
        ("show backend wbe0\nset backend web0 disable\n", 1, "there is no backend `wbe0`"),
        ("shwo backends\nset backend web0 disable\n", 2, "did you mean `show`?"),
        ("config check /nowhere\nset backend web0 disable\n", 1, "there is no such file"),
    ] {
        let (is, _, error) = run(&fake, text);
        assert_eq!(is, Some(status), "{text}");
        assert!(error.contains(word) && error.contains("line 1:"), "{error}");
    }
    let asked = fake.lab.asked();
    assert!(!asked.iter().any(|what| what.starts_with("disable")), "{asked:?}");
}

#[test]
fn a_plan_with_changes_is_told_at_the_end_and_quit_is_the_end() {
    let fake = Fake::start();
    fake.lab.plan(VpplbPlan { has_changes: true, ..Default::default() });
    let (status, out, _) = run(&fake, "show vpp lb plan\nset backend web0 disable\nquit\nset backend web1 enable\n");
    assert_eq!(status, Some(4));
    assert!(out.ends_with("web0: disabled\n"), "{out}");
}

#[test]
fn a_failure_tells_its_line_and_yaml_answers_are_documents() {
    let fake = Fake::start();
    let (status, _, error) = run(&fake, "# check\n\nshow version\nshow backend wbe0\n");
    assert_eq!((status, &*error), (Some(1), "maglevc: line 4: there is no backend `wbe0`; did you mean `web0`?\n"));
    let mut yaml = fake.bounded();
    yaml.args(["-o", "yaml"]).write_stdin("show version\nshow overrides\nshow overrides\n");
    let (_, out, _) = crate::said(&yaml.output().expect("the program runs"));
    let marks: Vec<usize> = out.lines().enumerate().filter(|(_, line)| *line == "---").map(|(at, _)| at).collect();
    assert_eq!(marks.len(), 2, "{out}");
    assert_ne!(marks[0], 0, "{out}");
}

#[test]
fn a_config_can_follow_the_command_that_reads_it() {
    let fake = Fake::start();
    let (status, out, error) = run(&fake, "config check -\nmaglev: {}\n");
    assert_eq!((status, &*error), (Some(0), ""), "{out}");
    assert_eq!(fake.lab.asked(), [r#"check "<stdin>" Some("maglev: {}\n")"#]);
}
