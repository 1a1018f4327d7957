#![no_main]

use libfuzzer_sys::fuzz_target;

use self::maglev_bin::nearest;

/// The sources themselves: the grammar is of no use to anybody but `maglevc`, and so no part of what maglev-bin shows.
#[path = "../../maglev-bin/src"]
#[allow(dead_code, unused_imports, reason = "the shell uses more of it")]
mod maglev_bin {
    pub(crate) mod ctl {
        mod grammar;

        #[path = "../../tests/fuzzed/command_line.rs"]
        pub(crate) mod fuzzed;
    }
    pub(crate) mod nearest;
}

fuzz_target!(|data: &[u8]| {
    maglev_bin::ctl::fuzzed::check(data);
});
