#![no_main]

use libfuzzer_sys::fuzz_target;

use self::maglev_bin::{config, nearest, probe, tls};

#[path = "../../maglev-bin/tests/fuzzed/config.rs"]
mod fuzzed;

/// The sources themselves: all of maglev-bin, with its servers and screens, would take half an hour to build with a sanitizer.
#[path = "../../maglev-bin/src"]
#[allow(dead_code, unused_imports, reason = "the daemon uses more of it")]
mod maglev_bin {
    pub(crate) mod config;
    pub(crate) mod nearest;
    pub(crate) mod probe {
        mod dns;
        mod expect;
        mod method;
        mod proxy;
        pub(crate) use self::dns::{DnsName, Query, Rcode, RecordType};
        pub(crate) use self::expect::{Expect, unescape};
        pub(crate) use self::method::Method;
        pub(crate) use self::proxy::ProxyVersion;
    }
    pub(crate) mod tls;
}

fuzz_target!(|data: &[u8]| {
    fuzzed::check(data);
});
