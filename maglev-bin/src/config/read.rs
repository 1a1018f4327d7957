//! From the tree to a draft of the config: shapes, types and the rules that concern one value or one section.
//!
//! Reading never stops at an error. What is wrong is reported and a default takes its place, so that the rest is
//! looked at too; nobody gets to see the draft of a config in which something was wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::Context;
use super::item::{Fields, Item};
use super::model::{Family, ForeignVips, HealthCheck, HealthChecker, Lb, Protocol, TableLength};
use super::report::{At, Report};
use super::schema;
use super::yaml::Node;
use super::{address, duration};

mod damping;
mod healthcheck;
mod params;
mod service;

/// A config whose sections have been looked at one by one. Absent where something was wrong.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) healthchecker: HealthChecker,
    pub(super) lb: Lb,
    pub(super) healthchecks: Option<Vec<At<Arc<HealthCheck>>>>,
    pub(super) backends: Option<Vec<BackendDraft>>,
    pub(super) frontends: Vec<FrontendDraft>,
}

#[derive(Debug)]
pub(super) struct BackendDraft {
    pub(super) name: At<String>,
    pub(super) address: Option<At<IpAddr>>,
    pub(super) healthcheck: Option<At<String>>,
    pub(super) enabled: bool,
}

#[derive(Debug)]
pub(super) struct FrontendDraft {
    pub(super) name: At<String>,
    pub(super) description: String,
    pub(super) address: Option<At<IpAddr>>,
    pub(super) service: Option<Service>,
    pub(super) src_ip_sticky: bool,
    pub(super) flush_on_down: bool,
    pub(super) table_length: At<TableLength>,
    pub(super) pools: Vec<PoolDraft>,
}

/// What of an address a frontend serves.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Service {
    Everything,
    One(Protocol, u16),
}

#[derive(Debug)]
pub(super) struct PoolDraft {
    pub(super) name: Option<At<String>>,
    pub(super) members: Vec<MemberDraft>,
}

#[derive(Debug)]
pub(super) struct MemberDraft {
    pub(super) name: At<String>,
    pub(super) weight: u8,
}

/// Reads a whole document.
pub(super) fn read(root: &Node, report: &mut Report, context: Context) -> Draft {
    let root = Item::root(root);
    if root.is_empty() {
        report.parse(root.spot(), "the file is empty", "a config starts with `maglev:`".to_owned());
    }
    // A document with other keys than `maglev` has been complained of here.
    let top = root.fields(report, schema::ROOT, schema::home).filter(|top| top.get("maglev").is_some());
    let maglev = top.and_then(|top| top.section(report, "maglev", schema::MAGLEV));
    let vpp = maglev.as_ref().and_then(|maglev| maglev.section(report, "vpp", schema::VPP));
    let lb_fields = vpp.and_then(|vpp| vpp.section(report, "lb", schema::LB));
    let healthchecker_fields =
        maglev.as_ref().and_then(|maglev| maglev.section(report, "healthchecker", schema::HEALTHCHECKER));
    if let Some(maglev) = maglev.as_ref().filter(|maglev| maglev.get("frontends").is_none_or(Item::is_empty)) {
        let help = "with `foreign-vips: remove` every VIP in VPP is deleted".to_owned();
        report.warning(&maglev.absent("frontends"), "there is no frontend, so nothing is served", help);
    }
    let named = |key: &str, how: &str, report: &mut Report| maglev.as_ref()?.named(report, key, how);
    let healthchecks = named("healthchecks", "write `NAME:` and the keys of the check indented below it", report);
    let backends = named("backends", "write `NAME: { address: ADDRESS }` lines", report);
    let frontends = named("frontends", "write `NAME:` and the keys of the frontend indented below it", report);
    Draft {
        healthchecker: healthchecker(healthchecker_fields.as_ref(), report),
        lb: lb(lb_fields.as_ref(), report, context),
        healthchecks: healthchecks.map(|named| healthcheck::read(&named, report)),
        backends: backends.map(|named| service::backends(&named, report)),
        frontends: service::frontends(&frontends.unwrap_or_default(), report),
    }
}

fn healthchecker(fields: Option<&Fields<'_>>, report: &mut Report) -> HealthChecker {
    let get = |key: &str| fields.and_then(|fields| fields.get(key));
    let history = get("transition-history").and_then(|item| item.integer_in(report, 1..=1_000_000));
    HealthChecker {
        transition_history: history
            .and_then(|history| usize::try_from(history.value).ok())
            .and_then(NonZeroUsize::new)
            .unwrap_or(HealthChecker::default().transition_history),
        netns: get("netns").and_then(|item| netns(item, report)),
    }
}

/// The name of a network namespace, as in `ip netns list`; empty is none.
fn netns(item: &Item<'_>, report: &mut Report) -> Option<String> {
    if item.is_null() {
        return None;
    }
    let name = item.text(report, "the name of a network namespace")?.value;
    if name.is_empty() {
        return None;
    }
    let odd = name.len() > 255 || name == "." || name == ".." || name.chars().any(|c| c == '/' || c.is_control());
    if odd {
        let help = match name.rsplit_once('/') {
            Some((_, last)) if !last.is_empty() && last != "." && last != ".." => {
                format!("write the name that `ip netns list` shows, such as `{last}`, and no path")
            }
            _ => "write a name that `ip netns list` shows".to_owned(),
        };
        report.semantic(item.spot(), format!("`{}` cannot be the name of a network namespace", name), help);
        return None;
    }
    Some(name)
}

fn lb(fields: Option<&Fields<'_>>, report: &mut Report, context: Context) -> Lb {
    let mut lb = Lb::default();
    let Some(fields) = fields else { return lb };
    let get = |key: &str| fields.get(key);
    if let Some(item) = get("sync-interval") {
        lb.sync_interval = interval(item, report).unwrap_or(lb.sync_interval);
    }
    lb.ipv4_src_address = get("ipv4-src-address").and_then(|item| ipv4(item, report));
    lb.ipv6_src_address = get("ipv6-src-address").and_then(|item| ipv6(item, report));
    if context.dataplane {
        let help = "VPP puts it on the packets that it sends to backends; write one of this router's own addresses";
        fields.required(report, "ipv4-src-address", help);
        fields.required(report, "ipv6-src-address", help);
    }
    if let Some(item) = get("sticky-buckets-per-core") {
        let why = "VPP dies at the next packet when it is 0 or far larger";
        let buckets = power_of_two(item, report, 1_024..=4_194_304, Some(why));
        lb.sticky_buckets_per_core = buckets.unwrap_or(lb.sticky_buckets_per_core);
    }
    if let Some(item) = get("flow-timeout") {
        lb.flow_timeout = flow_timeout(item, report).unwrap_or(lb.flow_timeout);
    }
    let delay = |item: &Item<'_>, report: &mut Report| duration_in(item, report, Duration::ZERO..=LONGEST);
    if let Some(value) = get("startup-min-delay").and_then(|item| delay(item, report)) {
        lb.startup_min_delay = value;
    }
    if let Some(value) = get("startup-max-delay").and_then(|item| delay(item, report)) {
        lb.startup_max_delay = value;
    }
    if lb.startup_min_delay > lb.startup_max_delay {
        delays_crossed(fields, &lb, report);
    }
    let words = [("remove", ForeignVips::Remove), ("keep", ForeignVips::Keep)];
    if let Some(word) = get("foreign-vips").and_then(|item| item.word(report, &words, None)) {
        lb.foreign_vips = word.value;
    }
    lb
}

fn delays_crossed(fields: &Fields<'_>, lb: &Lb, report: &mut Report) {
    let told = |key: &str| if fields.get(key).is_some() { "" } else { " (the default)" };
    let item = fields.get("startup-min-delay").or_else(|| fields.get("startup-max-delay"));
    let spot = item.map_or(fields.spot(), Item::spot);
    let message = format!(
        "startup-min-delay, {}{}, is longer than startup-max-delay, {}{}",
        duration::format(lb.startup_min_delay),
        told("startup-min-delay"),
        duration::format(lb.startup_max_delay),
        told("startup-max-delay"),
    );
    report.semantic(spot, message, "set both, the smaller one first; 0s for both switches the warm-up off".to_owned());
}

fn flow_timeout(item: &Item<'_>, report: &mut Report) -> Option<Duration> {
    let value = duration_in(item, report, Duration::from_secs(1)..=Duration::from_secs(120))?;
    if value.subsec_nanos() > 0 {
        let message = format!("{} is not a whole number of seconds", duration::format(value));
        let seconds = value.as_secs();
        report.semantic(item.spot(), message, format!("VPP counts in seconds: write {seconds}s or {}s", seconds + 1));
        return None;
    }
    Some(value)
}

/// Longer than a day is more likely a slip than a wish, and stays far from where clocks overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long between two of something, or for one.
fn interval(item: &Item<'_>, report: &mut Report) -> Option<Duration> {
    duration_in(item, report, Duration::from_millis(10)..=LONGEST)
}

fn duration_in(item: &Item<'_>, report: &mut Report, range: RangeInclusive<Duration>) -> Option<Duration> {
    let value = item.duration(report)?.value;
    if range.contains(&value) {
        return Some(value);
    }
    let [value, least, most] = [value, *range.start(), *range.end()].map(duration::format);
    report.semantic(item.spot(), format!("{value} is out of range: {least} to {most}"), None);
    None
}

/// A power of two within `range`, whose ends are powers of two.
fn power_of_two(item: &Item<'_>, report: &mut Report, range: RangeInclusive<u32>, why: Option<&str>) -> Option<u32> {
    let number = item.integer(report)?.value;
    let (least, most) = (*range.start(), *range.end());
    let Some(value) = u32::try_from(number).ok().filter(|value| range.contains(value)) else {
        let message = format!("{number} is out of range: a power of two from {least} to {most}");
        report.semantic(item.spot(), message, why.map(str::to_owned));
        return None;
    };
    if !value.is_power_of_two() {
        let above = value.next_power_of_two();
        let help = format!("the nearest are {} and {above}", above / 2);
        report.semantic(item.spot(), format!("{value} is not a power of two"), help);
        return None;
    }
    Some(value)
}

/// A source address of the family that its key names.
fn ipv4(item: &Item<'_>, report: &mut Report) -> Option<Ipv4Addr> {
    match source(item, report)? {
        IpAddr::V4(address) => Some(address),
        address => wrong_family(item, report, address, Family::V4),
    }
}

fn ipv6(item: &Item<'_>, report: &mut Report) -> Option<Ipv6Addr> {
    match source(item, report)? {
        IpAddr::V6(address) => Some(address),
        address => wrong_family(item, report, address, Family::V6),
    }
}

fn source(item: &Item<'_>, report: &mut Report) -> Option<IpAddr> {
    let address = item.address(report)?;
    address::check_unicast(&address, report).then_some(address.value)
}

fn wrong_family<T>(item: &Item<'_>, report: &mut Report, address: IpAddr, wanted: Family) -> Option<T> {
    let message = format!("{address} is an {} address, and this key takes an {wanted} one", Family::of(address));
    report.semantic(item.spot(), message, None);
    None
}

/// Names are typed into a shell and stand in metrics: no blanks, nothing invisible, not empty.
fn check_name(name: &At<String>, what: &str, report: &mut Report) {
    let At { value, spot } = name;
    if value.is_empty() {
        report.semantic(spot, format!("the name of a {what} cannot be empty"), None);
    } else if value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let message = format!("the name of a {what} cannot contain blanks: `{}`", value);
        report.semantic(spot, message, "use `-` between words".to_owned());
    }
}

/// A truth value or its default.
fn boolean(item: Option<&Item<'_>>, report: &mut Report, default: bool) -> bool {
    item.and_then(|item| item.boolean(report)).map_or(default, |value| value.value)
}

/// Text that may be left empty.
fn text_or_empty(item: Option<&Item<'_>>, report: &mut Report, what: &str) -> String {
    let item = item.filter(|item| !item.is_null());
    item.and_then(|item| item.text(report, what)).map(|text| text.value).unwrap_or_default()
}
