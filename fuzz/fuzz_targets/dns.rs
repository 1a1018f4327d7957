#![no_main]

use libfuzzer_sys::fuzz_target;

/// The sources themselves, as for `config`.
#[path = "../../maglev-bin/src/probe"]
#[allow(dead_code, reason = "the prober uses more of it")]
mod probe {
    mod dns;

    #[path = "../../tests/fuzzed/dns.rs"]
    pub(crate) mod fuzzed;

    use self::dns::{Answer, DnsName, Query, Rcode, RecordType};
}

fuzz_target!(|data: &[u8]| {
    probe::fuzzed::check(data);
});
