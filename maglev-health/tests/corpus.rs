//! Every input of the fuzz corpus once, so that what was found stays found where nobody fuzzes.

#[path = "fuzzed/health_ops.rs"]
mod health_ops;

use std::fs;
use std::path::Path;

#[test]
fn the_rules_hold_whatever_happens() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/health_ops");
    let Ok(inputs) = fs::read_dir(&corpus) else {
        eprintln!("SKIPPED: no corpus {}", corpus.display());
        return;
    };
    let mut verdicts = 0;
    for input in inputs {
        let path = input.expect("the corpus can be listed").path();
        // Shown when the check below fails.
        println!("{}", path.display());
        verdicts += health_ops::check(&fs::read(&path).expect("the input can be read"));
    }
    assert!(verdicts > 0, "nothing in {} counts", corpus.display());
}
