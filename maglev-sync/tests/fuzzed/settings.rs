//! Any text for `show lb`.
//!
//! Input: the text.

use maglev_sync::LbConf;
use maglev_sync::text::settings;

/// Checks that a text is read as what VPP prints for the same settings, or told its first strange line. Returns 1 for a text
/// that was read.
pub(crate) fn check(data: &[u8]) -> usize {
    let text = String::from_utf8_lossy(data);
    match settings(&text) {
        Ok(conf) => {
            assert_eq!(settings(&shown(conf)), Ok(conf), "{}", shown(conf));
            1
        }
        Err(error) => {
            let lines = text.split_inclusive('\n').count();
            assert!((1..=lines + 1).contains(&error.line) && error.text.chars().count() <= 80, "{error}");
            // What stands before that line is no reason to stop earlier.
            let before: String = text.split_inclusive('\n').take(error.line - 1).collect();
            let stop = settings(&before).err().map(|error| error.line);
            assert!(stop.is_none_or(|line| line == error.line), "{error}, but without that line: {stop:?}");
            0
        }
    }
}

/// The text of a VPP with these settings (`format_lb_main` of `src/plugins/lb/lb.c`).
fn shown(conf: LbConf) -> String {
    let LbConf { ip4_src, ip6_src, sticky_buckets_per_core, flow_timeout } = conf;
    let mut text = format!("lb_main ip4-src-address: {ip4_src} \n ip6-src-address: {ip6_src} \n #vips: 0\n #ass: 0\n");
    if let Some((buckets, timeout)) = sticky_buckets_per_core.zip(flow_timeout) {
        // VPP counts the mask of the buckets plus the entries of one.
        text += &format!("core 0\n  timeout: {timeout}s\n  usage: 0 / {}\n", u64::from(buckets) + 3);
    }
    text
}
