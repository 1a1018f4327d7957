//! Every input of the fuzz corpora once, so that what was found stays found where nobody fuzzes.

mod fuzzed;

use std::fs;
use std::path::Path;

#[test]
fn a_plan_carried_out_leaves_nothing_to_do() {
    replay("plan_ops", fuzzed::plan_ops::check);
}

#[test]
fn a_reconciler_brings_vpp_to_rest_whatever_happens() {
    replay("reconciler_ops", fuzzed::reconciler_ops::check);
}

#[test]
fn texts_of_vpp_are_read_or_their_strange_line_told() {
    replay("verbose", fuzzed::verbose::check);
}

#[test]
fn settings_of_vpp_are_read_as_it_prints_them() {
    replay("settings", fuzzed::settings::check);
}

/// Calls `check` with each input of a corpus. A corpus in which `check` finds nothing at all does not test anything.
fn replay(target: &str, check: fn(&[u8]) -> usize) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let Ok(inputs) = fs::read_dir(&corpus) else {
        eprintln!("SKIPPED: no corpus {}", corpus.display());
        return;
    };
    let mut found = 0;
    for input in inputs {
        let path = input.expect("the corpus can be listed").path();
        // Shown when the check below fails.
        println!("{}", path.display());
        found += check(&fs::read(&path).expect("the input can be read"));
    }
    assert!(found > 0, "nothing in {} gets anywhere", corpus.display());
}
