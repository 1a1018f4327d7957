#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../vpp-api/tests/fuzzed/session.rs"]
mod session;

fuzz_target!(|data: &[u8]| {
    session::check(data);
});
