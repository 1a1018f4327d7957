//! Stamps the commit and the date into the binary, for `--version`, the `starting` event and `maglev_build_info`.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo:rerun-if-changed=../.git/HEAD");
    println!("cargo:rerun-if-changed=../.git/refs/heads");
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=MAGLEV_COMMIT={commit}");
    // The commit's own date, so that two builds of one commit are equal byte for byte.
    let date = std::env::var("SOURCE_DATE_EPOCH").ok();
    let date = date.or_else(|| git(&["show", "-s", "--format=%ct", "HEAD"]));
    println!("cargo:rustc-env=MAGLEV_BUILD_EPOCH={}", date.unwrap_or_else(|| "0".to_owned()));
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
