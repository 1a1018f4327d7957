#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../vpp-api/tests/fuzzed/frame.rs"]
mod frame;

fuzz_target!(|data: &[u8]| {
    frame::check(data);
});
