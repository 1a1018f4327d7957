//! What this binary was built from.

use std::sync::LazyLock;

/// Version of the package, e.g. `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Commit the binary was built from, 12 hex digits, or `unknown` outside a checkout.
pub const COMMIT: &str = env!("MAGLEV_COMMIT");

/// Date of that commit (or `SOURCE_DATE_EPOCH`), as `2026-11-21`; `unknown` when there was neither.
pub fn date() -> &'static str {
    static DATE: LazyLock<String> = LazyLock::new(|| {
        let seconds = env!("MAGLEV_BUILD_EPOCH").parse().unwrap_or(0);
        match jiff::Timestamp::from_second(seconds) {
            Ok(time) if seconds > 0 => time.strftime("%Y-%m-%d").to_string(),
            _ => "unknown".to_owned(),
        }
    });
    &DATE
}

/// The line `--version` prints after the name.
pub fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{VERSION} (commit {COMMIT}, built {})", date()));
    &TEXT
}
