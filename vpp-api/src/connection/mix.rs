//! A hash for keys that no peer chooses.

use std::hash::{BuildHasherDefault, Hasher};

/// Hashes the contexts that a connection counts up and the compiler's type ids, in a few instructions each. Whoever
/// can choose keys can make them collide.
pub(super) type BuildMix = BuildHasherDefault<Mix>;

/// A multiplication for each number.
#[derive(Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(32) ^ number).wrapping_mul(GOLDEN);
    }
}

/// 2^64 over the golden ratio, odd: numbers in a row differ in their low bits, each in another way, and lie far apart
/// in the high ones, and hash tables look at both.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn numbers_in_a_row_share_neither_low_nor_high_bits() {
        for start in [1_u32, 0x7fff_f000] {
            let hashes: Vec<_> = (start..start + 4096).map(|context| BuildMix::default().hash_one(context)).collect();
            let low: HashSet<_> = hashes.iter().map(|hash| hash % 4096).collect();
            assert_eq!(low.len(), 4096, "each has a place of its own");
            let mut high = [0_u32; 128];
            hashes.iter().for_each(|hash| high[(hash >> 57) as usize] += 1);
            assert!(high.iter().all(|count| (16..=64).contains(count)), "32 on average: {high:?}");
        }
    }

    #[test]
    fn what_is_hashed_as_bytes_differs_too() {
        let hashes: HashSet<_> = ["", "a", "b", "ab", "ba"].map(|text| BuildMix::default().hash_one(text)).into();
        assert_eq!(hashes.len(), 5);
    }
}
