//! Our definitions against those that a VPP was built with.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use vpp_api::schema::export;

use crate::session::vectors;

#[test]
fn every_definition_says_what_vpps_file_says() {
    let Some(directory) = vectors().map(|vectors| vectors.join("vpp-26.10/api-json")) else { return };
    let mut compared = 0;
    for module in export() {
        let path = directory.join(format!("{}.api.json", module.name()));
        let theirs: Value = serde_json::from_slice(&fs::read(&path).expect("a definition of VPP's")).expect("JSON");
        let ours: Value = serde_json::from_str(&module.to_json()).expect("JSON");
        assert_eq!(ours["module"], theirs["module"]);
        assert_eq!(ours["options"], theirs["options"], "{}", module.name());
        for section in ["types", "messages", "unions", "enums", "enumflags"] {
            let known = by_name(&theirs[section]);
            for (name, definition) in by_name(&ours[section]) {
                assert_eq!(Some(&definition), known.get(&name), "{section} {name}");
                compared += 1;
            }
        }
        for section in ["aliases", "services"] {
            for (name, definition) in ours[section].as_object().expect("a map") {
                assert_eq!(definition, &theirs[section][name], "{section} {name}");
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "only {compared} definitions");
}

#[test]
fn the_text_is_laid_out_as_vpps() {
    let Some(directory) = vectors().map(|vectors| vectors.join("vpp-26.10/api-json")) else { return };
    let theirs = fs::read_to_string(directory.join("lb.api.json")).expect("a definition of VPP's");
    let ours = export().iter().find(|module| module.name() == "lb").expect("it is one of ours").to_json();
    let message = |text: &str| {
        let begin = text.find("[\n            \"lb_as_v2_dump\",").expect("the message");
        text[begin..begin + text[begin..].find("\"crc\"").expect("its end")].to_owned()
    };
    assert_eq!(message(&ours), message(&theirs));
}

/// Definitions by name, without what is for readers and tools alone: comments, options, which arm goes with what.
fn by_name(section: &Value) -> BTreeMap<String, Vec<Value>> {
    let plain = |mut item: Value| {
        if let Value::Array(parts) = &mut item {
            parts.retain(|part| part.get("discriminator").is_none() && part.get("case").is_none());
        }
        if let Value::Object(about) = &mut item {
            about.remove("comment");
            about.remove("options");
        }
        item
    };
    let definitions = section.as_array().expect("a list").iter();
    definitions
        .map(|definition| {
            let items = definition.as_array().expect("a definition").clone();
            let name = items[0].as_str().expect("a name").to_owned();
            (name, items.into_iter().map(plain).filter(|item| *item != serde_json::json!({})).collect())
        })
        .collect()
}
