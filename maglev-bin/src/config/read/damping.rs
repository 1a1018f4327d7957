//! `damping` of a health check.

use std::time::Duration;

use maglev_health::{Damping, DampingError};

use super::{LONGEST, duration_in};
use crate::config::duration;
use crate::config::item::{Fields, Item};
use crate::config::report::Report;
use crate::config::schema;

/// Those of the usual BGP routers, with times for servers instead of routes.
const PENALTY: u32 = 1_000;
const SUPPRESS: u32 = 2_000;
const REUSE: u32 = 750;
const HALF_LIFE: Duration = Duration::from_secs(60);
const MAX_SUPPRESS: Duration = Duration::from_secs(300);

/// More flaps than this stands for happen to nobody.
const MOST: u32 = 1_000_000;

/// Reads the numbers and holds them against each other.
pub(super) fn read(item: &Item<'_>, report: &mut Report) -> Option<Damping> {
    let fields = item.fields(report, schema::DAMPING, schema::home)?;
    let number = |key: &str, default, report: &mut Report| match fields.get(key) {
        Some(item) => item.integer_in(report, 1..=MOST).map(|number| number.value),
        None => Some(default),
    };
    let time = |key: &str, default, report: &mut Report| match fields.get(key) {
        Some(item) => duration_in(item, report, Duration::from_secs(1)..=LONGEST),
        None => Some(default),
    };
    let penalty = number("penalty", PENALTY, report);
    let suppress = number("suppress", SUPPRESS, report);
    let reuse = number("reuse", REUSE, report);
    let half_life = time("half-life", HALF_LIFE, report);
    let max_suppress = time("max-suppress", MAX_SUPPRESS, report);
    let (suppress, reuse, half_life, max_suppress) = (suppress?, reuse?, half_life?, max_suppress?);
    match Damping::new(penalty?, suppress, reuse, half_life, max_suppress) {
        Ok(damping) => Some(damping),
        Err(error) => {
            let said = |key: &str, value: String| {
                let told = if fields.get(key).is_some() { "" } else { " (the default)" };
                format!("{key}, {value}{told}")
            };
            let (above, below) = (said("suppress", suppress.to_string()), said("reuse", reuse.to_string()));
            let (keys, message, help) = match error {
                DampingError::ReuseAboveSuppress => (
                    ["reuse", "suppress"],
                    format!("{below}, is not below {above}"),
                    "what is suppressed would be used again at once: set both, `reuse` to the smaller one".to_owned(),
                ),
                DampingError::NeverSuppressed { ceiling } => (
                    ["suppress", "max-suppress"],
                    format!("{above}, is never reached: the penalty never goes above {ceiling}"),
                    format!(
                        "that is what decays to reuse, {reuse}, in max-suppress, {}, with a half-life of {}: make max-suppress longer, \
                         half-life shorter, or suppress at most {ceiling}",
                        duration::format(max_suppress),
                        duration::format(half_life)
                    ),
                ),
                // The ranges above leave nothing else.
                other => (["penalty", "half-life"], other.to_string(), String::new()),
            };
            report.semantic(spot(&fields, keys), message, Some(help).filter(|help| !help.is_empty()));
            None
        }
    }
}

/// Of the first key that is there, else of the whole.
fn spot<'f>(fields: &'f Fields<'_>, keys: [&str; 2]) -> &'f crate::config::report::Spot {
    keys.iter().find_map(|key| fields.get(key)).map_or(fields.spot(), Item::spot)
}
