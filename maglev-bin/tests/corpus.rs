//! Every input of the fuzz corpora once, so that what was found stays found where nobody fuzzes. Lines for `maglevc`, whose grammar this
//! crate does not show, are replayed beside it, in `src/ctl/grammar/tests.rs`.

#[path = "fuzzed/config.rs"]
mod fuzzed;

use std::fs;
use std::path::Path;

use maglev_bin::config;

#[test]
fn texts_are_good_configs_or_explained() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/config");
    let Ok(inputs) = fs::read_dir(&corpus) else {
        eprintln!("SKIPPED: no corpus {}", corpus.display());
        return;
    };
    let mut good = 0;
    for input in inputs {
        let path = input.expect("the corpus can be listed").path();
        // Shown when the check below fails.
        println!("{}", path.display());
        good += fuzzed::check(&fs::read(&path).expect("the input can be read"));
    }
    assert!(good > 0, "no good config in {}", corpus.display());
}
