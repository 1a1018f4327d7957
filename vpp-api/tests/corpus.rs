//! Every input of the fuzz corpora once, so that what was found stays found where nobody fuzzes.

#[path = "fuzzed/frame.rs"]
mod frame;
#[path = "fuzzed/message.rs"]
mod message;
#[cfg(feature = "server")]
#[path = "fuzzed/session.rs"]
mod session;

use std::fs;
use std::path::Path;

#[test]
fn streams_from_a_peer_are_cut_alike_in_any_pieces() {
    replay("frame", frame::check);
}

#[test]
fn bodies_that_decode_encode_to_themselves() {
    replay("message", message::check);
}

#[cfg(feature = "server")]
#[test]
fn requests_come_out_of_a_session_as_they_went_in() {
    replay("session", session::check);
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
