#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../maglev-health/tests/fuzzed/health_ops.rs"]
mod health_ops;

fuzz_target!(|data: &[u8]| {
    health_ops::check(data);
});
