#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../vpp-api/tests/fuzzed/message.rs"]
mod message;

fuzz_target!(|data: &[u8]| {
    message::check(data);
});
