//! What concerns a whole process is tested in one of its own: this very binary, started again for one test.

use std::process::Command;

/// `true` in a process of its own. Else runs the calling test there, with these variables, and passes on how it ends.
pub(crate) fn alone(test: &str, variables: &[(&str, &str)]) -> bool {
    const ALONE: &str = "MAGLEV_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprintln!("{err}");
    assert!(output.status.success() && out.contains("1 passed"), "{out}");
    false
}
