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

/// The corpus has few rings: one with everything in it, and each of its words replaced by what a damaged one may say.
#[test]
fn rings_with_any_one_word_replaced_are_read_to_an_end() -> Result<(), vpp_stats::writer::WriteError> {
    let mut vpp = vpp_stats::writer::SegmentWriter::new(32 * 1024).expect("a memory file");
    let ring = vpp.add_ring_buffer("/events", 2, 5, 12, b"a schema")?;
    (0..20_u8).try_for_each(|number| vpp.push(ring, u32::from(number % 2), &[number; 12]))?;
    let mut bytes = vec![0; vpp.size() as usize];
    let memory = fs::File::from(vpp.fd().try_clone_to_owned().expect("a descriptor"));
    std::os::unix::fs::FileExt::read_exact_at(&memory, &mut bytes, 0).expect("it can be read");
    let entry = vpp.entry_offset("/events").expect("just added") as usize;
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    let ring = (word(entry + 8) - word(8)) as usize;
    let mut values = 0;
    // The header, the entries and the metadata of both threads.
    for at in (ring..ring + 28 + 2 * 5 * 12 + 2 * 64).step_by(4) {
        for half in [0, 1, 3, 4, 7, 1 << 16, 1 << 31, u32::MAX] {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].copy_from_slice(&half.to_le_bytes());
            bytes.drain(48..4096); // as inputs have it
            values += stats_directory::check(&bytes);
        }
    }
    assert!(values > 0);
    Ok(())
}
