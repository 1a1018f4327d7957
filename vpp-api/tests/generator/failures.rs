//! What the program says when it cannot.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn help_tells_usage() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("Usage: vpp-api-gen FILE.api.json... [-o DIR]"));
}

#[test]
fn wrong_usage_ends_with_2_and_tells_usage() {
    for (arguments, said) in [
        (&[][..], "no FILE.api.json was given"),
        (&["--fast"], "there is no option --fast"),
        (&["a.api.json", "-o"], "-o needs a folder"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2));
        let said = format!("vpp-api-gen: {said}\n\nWrites");
        assert!(text(&output.stderr).starts_with(&said), "{}", text(&output.stderr));
    }
}

#[test]
fn errors_name_file_and_construct() {
    let message = |fields: &str| {
        format!(
            r#"{{"module": "acme", "messages": [["acme_add", ["u16", "_vl_msg_id"], {fields} {{"crc": "0x00000001"}}]]}}"#
        )
    };
    for (name, definition, said) in [
        ("nothing", "{}".to_owned(), "has no `module`: is it an .api.json?"),
        ("type", message(r#"["u24", "x"],"#), "message acme_add, field x: `u24` is no type of VPP's"),
        ("missing", message(r#"["vl_api_x_t", "x"],"#), "acme_add, field x: there is no type `x` in this file"),
        ("count", message(r#"["u8", "x", 0, "n"],"#), "acme_add, field x: its count `n` is no earlier field"),
        ("name", message(r#"["u8", "self"],"#), "message acme_add: field `self` cannot have that name in Rust"),
        (
            "default",
            message(r#"["u8", "x", {"default": "y"}],"#),
            "message acme_add: field x: default `y` does not fit it",
        ),
        (
            "long",
            message(r#"["u32", "x", 99],"#),
            "message acme_add: field x: an array of 99; of other things than u8 at most 32",
        ),
        (
            "code",
            r#"{"module": "acme", "services": {"acme_add": {"reply": "acme_add_reply"}}, "messages": [
                ["acme_add", ["u16", "_vl_msg_id"], ["u32", "client_index"], ["u32", "context"], {"crc": "0x00000001"}],
                ["acme_add_reply", ["u16", "_vl_msg_id"], ["u32", "context"], ["u8", "retval"], {"crc": "0x00000001"}]]}"#
                .to_owned(),
            "message acme_add_reply: field retval: is no number of 32 bits, as a result code has to be",
        ),
        ("crc", message("").replace("0x", ""), "message acme_add: its crc is `00000001`, not 0x and 8 digits"),
        (
            "service",
            r#"{"module": "acme", "services": {"a": {"reply": "b"}}}"#.to_owned(),
            "service a: there is no message `b`",
        ),
        (
            "base",
            r#"{"module": "acme", "enums": [["e", ["A", -1], {"enumtype": "i8"}]]}"#.to_owned(),
            "enum e: is encoded as `i8`, not as u8 to u64",
        ),
    ] {
        let path = file(name, &definition);
        let output = run(&[path.to_str().expect("text")]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert_eq!(text(&output.stderr), format!("vpp-api-gen: {}: {said}\n", path.display()));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn text_that_is_no_json_is_told_with_its_place() {
    let path = file("text", "{\n  \"module\": acme");
    let output = run(&[path.to_str().expect("text")]);
    let said = format!("vpp-api-gen: {}: expected value at line 2 column 13\n", path.display());
    assert_eq!(text(&output.stderr), said);
}

#[test]
fn two_files_of_one_module_are_refused() {
    let (one, two) = (file("one", r#"{"module": "acme"}"#), file("two", r#"{"module": "acme"}"#));
    let output = run(&[one.to_str().expect("text"), two.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).ends_with("module acme: another file is this module too\n"));
}

#[test]
fn without_a_folder_all_modules_come_in_one_text() {
    let types = r#"{"module": "t", "types": [["point", ["u8", "x"]]]}"#;
    let user = r#"{"module": "u", "imports": ["some/t.api"], "types": [["point", ["u8", "x"]], ["line", ["vl_api_point_t", "T1", 2]]]}"#;
    // The one that imports first: the order of the files does not matter.
    let (user, types) = (file("user", user), file("types", types));
    let output = run(&[user.to_str().expect("text"), types.to_str().expect("text")]);
    let said = text(&output.stdout);
    assert!(said.find("pub mod t {") < said.find("pub mod u {"), "{said}");
    assert_eq!(said.matches("struct point as Point").count(), 1, "{said}");
    assert_eq!(said.matches("#![allow(non_snake_case").count(), 1, "{said}");
    assert!(said.contains("T1: [super::t::Point; 2],"), "{said}");
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vpp-api-gen")).args(arguments).output().expect("the program runs")
}

fn file(name: &str, definition: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.api.json"));
    fs::write(&path, definition).expect("the target folder can be written");
    path
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
