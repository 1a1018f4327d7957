//! Segments damaged at random. Whatever is in them, every read returns: with a value or an error, without a panic, a
//! wild pointer or memory that has no end.

mod support;

use std::fs;
use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use support::{golden, read_everything, recording};
use vpp_stats::Segment;

proptest! {
    #[test]
    fn a_small_segment_with_flipped_bits_is_read_to_the_end(
        which in any::<bool>(),
        flips in vec((any::<Index>(), 0..8_u8), 1..40),
    ) {
        let mut bytes = small(which).clone();
        flip(&mut bytes, &flips);
        read(&bytes);
    }

    #[test]
    fn a_small_segment_cut_anywhere_is_read_to_the_end(which in any::<bool>(), end in any::<Index>()) {
        let bytes = small(which);
        read(&bytes[..end.index(bytes.len() + 1)]);
    }

    /// Pointers and lengths that are wrong in a way that a flipped bit hardly ever makes.
    #[test]
    fn words_replaced_by_extreme_ones_are_read_to_the_end(
        which in any::<bool>(),
        words in vec((any::<Index>(), extreme()), 1..20),
    ) {
        let mut bytes = small(which).clone();
        let used = used_words(&bytes);
        for (at, word) in words {
            let at = *at.get(&used);
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        read(&bytes);
    }
}

proptest! {
    // Each case copies 4 MiB and reads 3,129 entries.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_recorded_segment_with_flipped_bits_is_read_to_the_end(
        flips in vec((any::<Index>(), 0..8_u8), 1..200),
        end in prop_oneof![3 => Just(None), 1 => any::<Index>().prop_map(Some)],
    ) {
        let Some(recorded) = recorded() else { return Ok(()) };
        let mut bytes = recorded.clone();
        // The first 600 KiB hold everything; most of the rest is zero.
        flip(&mut bytes[..600 << 10], &flips);
        read(&bytes[..end.map_or(bytes.len(), |end| end.index(bytes.len()))]);
    }
}

#[test]
fn the_undamaged_segments_are_read_without_an_error() {
    for bytes in [small(false), small(true)].into_iter().chain(recorded()) {
        let segment = Segment::from_snapshot(bytes).expect("it is sound");
        assert_eq!(read_everything(&segment), 0);
    }
}

fn read(bytes: &[u8]) {
    if let Ok(segment) = Segment::from_snapshot(bytes) {
        read_everything(&segment);
    }
}

fn flip(bytes: &mut [u8], flips: &[(Index, u8)]) {
    // Half of a small segment is zero and never looked at, so flip where there is something, or beside it.
    let used = used_words(bytes);
    for (at, bit) in flips {
        let at = *at.get(&used) + usize::from(*bit);
        bytes[at] ^= 1 << bit;
    }
}

/// Offsets of the words that are not zero.
fn used_words(bytes: &[u8]) -> Vec<usize> {
    let used = bytes.chunks_exact(8).enumerate().filter(|(_, word)| word.iter().any(|byte| *byte != 0));
    used.map(|(index, _)| index * 8).collect()
}

fn extreme() -> impl Strategy<Value = u64> {
    let bases = [0x7000_0000_0000, 0x7f4a_4000_0000];
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        Just(u64::from(u32::MAX)),
        any::<u32>().prop_map(u64::from),
        (prop::sample::select(bases.to_vec()), 0_u64..40_000).prop_map(|(base, offset)| base + offset),
        (prop::sample::select(bases.to_vec()), 0_u64..5_000).prop_map(|(base, offset)| base + offset * 8),
        any::<u64>(),
    ]
}

fn small(which: bool) -> &'static Vec<u8> {
    static FILES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        ["quirks.bin", "writer.bin"].map(|name| fs::read(golden(name)).expect("it is part of the package"))
    });
    &files[usize::from(which)]
}

fn recorded() -> Option<&'static Vec<u8>> {
    static RECORDED: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    RECORDED.get_or_init(|| recording("stats-segment.bin.gz")).as_ref()
}
