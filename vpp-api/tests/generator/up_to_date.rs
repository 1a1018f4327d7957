//! The committed modules are what the program writes now.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::session::vectors;

#[test]
fn the_program_writes_what_is_committed() {
    let Some(definitions) = vectors().map(|vectors| vectors.join("vpp-26.10/api-json")) else { return };
    let files =
        fs::read_dir(definitions).expect("the definitions are there").map(|entry| entry.expect("a file").path());
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated");
    let status = Command::new(env!("CARGO_BIN_EXE_vpp-api-gen"))
        .args(files)
        .arg("-o")
        .arg(&out)
        .status()
        .expect("the program runs");
    assert!(status.success());
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generated");
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").file_name());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    };
    assert_eq!(names(&out), names(&committed));
    for name in names(&out) {
        let text = |folder: &Path| fs::read_to_string(folder.join(&name)).expect("a source");
        assert!(text(&out) == text(&committed), "{} is not up to date", name.display());
    }
}
