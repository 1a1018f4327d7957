//! What `maglevd` says at its start if it lacks a capability that its config needs.

use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::geteuid;

/// Nobody in particular.
const USER: u32 = 4201;

#[test]
fn without_the_capability_for_a_namespace_the_start_fails_and_says_why() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can be another user");
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("privileges");
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let file = folder.join("netns.yaml");
    let config = "maglev:
  healthchecker: { netns: maglev-test-elsewhere }
  vpp: { lb: { ipv4-src-address: 10.0.0.1, ipv6-src-address: '2001:db8::1' } }
  healthchecks: { web: { type: tcp, port: 80 } }
  backends: { a: { address: 10.2.1.1, healthcheck: web } }
  frontends: { f: { address: 192.0.2.1, protocol: tcp, port: 80, pools: [{ name: p, backends: { a: {} } }] } }
";
    std::fs::write(&file, config).expect("a temporary file");
    let output = Command::new(env!("CARGO_BIN_EXE_maglevd"))
        .arg("--config")
        .arg(&file)
        .args(["--metrics-addr", "127.0.0.1:0", "--state-file", "", "--grpc-addr", ""])
        .stdin(Stdio::null())
        .uid(USER)
        .gid(USER)
        .output();
    let output = match output {
        // Another user may not look into this checkout.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            eprintln!("skipped: user {USER} may not run {}", env!("CARGO_BIN_EXE_maglevd"));
            return;
        }
        output => output.expect("the program runs"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap_or_default();
    for word in ["CAP_SYS_ADMIN", "maglev-test-elsewhere"] {
        assert!(last.contains(word), "the last line does not say {word:?}:\n{said}");
    }
}
