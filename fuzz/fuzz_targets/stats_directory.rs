#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../vpp-stats/tests/fuzzed/stats_directory.rs"]
mod stats_directory;

fuzz_target!(|data: &[u8]| {
    stats_directory::check(data);
});
