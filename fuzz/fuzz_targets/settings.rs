#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../maglev-sync/tests/fuzzed/mod.rs"]
#[allow(dead_code, reason = "each target takes its part of what they share")]
mod fuzzed;

fuzz_target!(|data: &[u8]| {
    fuzzed::settings::check(data);
});
