//! Every input of the fuzz corpus once, so that what was found stays found where nobody fuzzes.

#[path = "fuzzed/stats_directory.rs"]
mod stats_directory;

use std::fs;
use std::path::Path;

#[test]
fn segments_of_any_contents_read_alike_in_every_way() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/stats_directory");
    let Ok(inputs) = fs::read_dir(&corpus) else {
        eprintln!("SKIPPED: no corpus {}", corpus.display());
        return;
    };
    let mut values = 0;
    for input in inputs {
        let path = input.expect("the corpus can be listed").path();
        // Shown when the check below fails.
        println!("{}", path.display());
        values += stats_directory::check(&fs::read(&path).expect("the input can be read"));
    }
    assert!(values > 0, "nothing in {} holds a value", corpus.display());
}
