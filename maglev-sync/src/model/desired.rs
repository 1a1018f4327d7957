//! What VPP should hold.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{FlowTimeout, LbConf, StickyBuckets, TableLength, VipKey, Weight};

/// What VPP should hold.
///
/// # Assumptions
/// The caller has checked that the VIPs may stand together: one encapsulation an address, no all-port VIP beside one with a
/// port, no server that is a VIP. Where that is not so, the VIP in question fails with an error; nothing unsafe is sent.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use maglev_sync::*;
///
/// let server = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
/// let web = DesiredVip {
///     encap: Encap::Gre4,
///     src_ip_sticky: false,
///     table_length: TableLength::new(4096)?,
///     targets: [("10.0.0.1".parse()?, server), ("10.0.0.2".parse()?, server)].into(),
///     decided: true,
/// };
/// let desired = Desired {
///     conf: DesiredConf {
///         ip4_src: "10.0.0.254".parse()?,
///         ip6_src: "2001:db8::254".parse()?,
///         sticky_buckets: StickyBuckets::new(65_536)?,
///         flow_timeout: FlowTimeout::from_secs(40)?,
///     },
///     foreign: ForeignVips::Keep,
///     vips: BTreeMap::from([(VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80), web)]),
/// };
/// # drop(desired);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Desired {
    /// The plugin's settings.
    pub conf: DesiredConf,
    /// What becomes of VIPs that stand in VPP and are neither here nor ours.
    pub foreign: ForeignVips,
    /// The VIPs.
    pub vips: BTreeMap<VipKey, DesiredVip>,
}

/// The lb plugin's settings as they should be.
///
/// ```
/// use maglev_sync::{DesiredConf, FlowTimeout, LbConf, StickyBuckets};
///
/// let conf = DesiredConf {
///     ip4_src: "10.0.0.254".parse()?,
///     ip6_src: "2001:db8::254".parse()?,
///     sticky_buckets: StickyBuckets::MIN,
///     flow_timeout: FlowTimeout::from_secs(40)?,
/// };
/// // A VPP just started has the numbers, and no addresses yet.
/// let fresh = LbConf::default();
/// assert!(conf.has_sticky_buckets_of(&fresh) && !conf.has_addresses_and_timeout_of(&fresh));
/// // One before 26.10 does not tell its numbers at first. What is not known is not as it should be.
/// let silent = LbConf { sticky_buckets_per_core: None, ..fresh };
/// assert!(!conf.has_sticky_buckets_of(&silent));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct DesiredConf {
    /// Source address of GRE over IPv4.
    pub ip4_src: Ipv4Addr,
    /// Source address of GRE over IPv6.
    pub ip6_src: Ipv6Addr,
    /// Buckets of each thread's sticky table; set only while VPP holds no VIP, since it forgets all sessions.
    pub sticky_buckets: StickyBuckets,
    /// When VPP may forget a flow.
    pub flow_timeout: FlowTimeout,
}

impl DesiredConf {
    /// Whether the sticky tables have the wanted size, as far as is known.
    pub fn has_sticky_buckets_of(&self, actual: &LbConf) -> bool {
        actual.sticky_buckets_per_core == Some(self.sticky_buckets.get())
    }

    /// Whether addresses and time-out are as wanted, as far as is known.
    pub fn has_addresses_and_timeout_of(&self, actual: &LbConf) -> bool {
        (actual.ip4_src, actual.ip6_src, actual.flow_timeout)
            == (self.ip4_src, self.ip6_src, Some(self.flow_timeout.as_secs()))
    }
}

/// What becomes of VIPs in VPP that are neither in the desired state nor ours.
///
/// ```
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let serving = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
/// # let [first, second]: [std::net::IpAddr; 2] = ["10.0.0.1".parse()?, "10.0.0.2".parse()?];
/// # let vip = |targets: &[(std::net::IpAddr, DesiredAs)]| DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: targets.iter().copied().collect(),
/// #     decided: true,
/// # };
/// # let foreign = ForeignVips::Keep;
/// # let desired = |targets: &[_]| Desired { conf, foreign, vips: [(web, vip(targets))].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
/// # let both = desired(&[(first, serving), (second, serving)]);
/// # let standing = Outlook::new(both, empty).forecast(false).after().clone();
/// // VPP holds a VIP that is not wanted, and that nobody knows to be ours.
/// let steps = |foreign| -> Vec<String> {
///     let desired = Desired { conf, foreign, vips: Default::default() };
///     let scope = Scope { prune: true, ..Scope::default() };
///     Plan::new(&desired, &standing, &scope).steps().map(ToString::to_string).collect()
/// };
/// assert!(steps(ForeignVips::Keep).is_empty());
/// assert_eq!(steps(ForeignVips::Remove), [
///     "192.0.2.1 tcp/80: delete server 10.0.0.1, flush its flows (was 100)",
///     "192.0.2.1 tcp/80: delete server 10.0.0.2, flush its flows (was 100)",
///     "192.0.2.1 tcp/80: delete",
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum ForeignVips {
    /// They stay, untouched.
    Keep,
    /// They go, at the next full pass or dump of VIPs after the warm-up.
    #[default]
    Remove,
}

/// A VIP as it should be.
///
/// ```
/// use std::net::IpAddr;
///
/// use maglev_sync::{Cut, DesiredAs, DesiredVip, Encap, TableLength, Weight, table};
///
/// let serving = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
/// let mut vip = DesiredVip {
///     encap: Encap::Gre4,
///     src_ip_sticky: false,
///     table_length: TableLength::MIN,
///     targets: [("10.0.0.1".parse()?, serving), ("10.0.0.2".parse()?, serving)].into(),
///     decided: true,
/// };
/// assert!(vip.targets.keys().all(|address| vip.encap.reaches(*address)));
/// // The second server is to take a third of the new flows, half of what the first one takes.
/// let half = DesiredAs { weight: Weight::new(50)?, ..serving };
/// vip.targets.insert("10.0.0.2".parse()?, half);
/// let weights = vip.targets.iter().map(|(address, server)| (*address, server.weight));
/// let weights: Vec<(IpAddr, Weight)> = weights.collect();
/// assert_eq!(table::bucket_counts(vip.table_length, &weights), [674, 350]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DesiredVip {
    /// How packets travel to its servers; fixed by their family.
    pub encap: Encap,
    /// Whether flows are hashed without ports.
    pub src_ip_sticky: bool,
    /// Length of its new-flow table. A VIP that stands with another length is left alone until its re-creation is asked for.
    pub table_length: TableLength,
    /// Its servers.
    pub targets: BTreeMap<IpAddr, DesiredAs>,
    /// Whether every server's state is known, or overridden: then the VIP may be programmed before the warm-up ends.
    pub decided: bool,
}

/// A server of a VIP as it should be.
///
/// ```
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let serving = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
/// # let [first, second]: [std::net::IpAddr; 2] = ["10.0.0.1".parse()?, "10.0.0.2".parse()?];
/// # let vip = |targets: &[(std::net::IpAddr, DesiredAs)]| DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: targets.iter().copied().collect(),
/// #     decided: true,
/// # };
/// # let foreign = ForeignVips::Keep;
/// # let desired = |targets: &[_]| Desired { conf, foreign, vips: [(web, vip(targets))].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
/// # let both = desired(&[(first, serving), (second, serving)]);
/// # let standing = Outlook::new(both, empty).forecast(false).after().clone();
/// # let steps = |wanted: &Desired| -> Vec<String> {
/// #     Plan::new(wanted, &standing, &Scope::default()).steps().map(ToString::to_string).collect()
/// # };
/// // Two servers stand at weight 100. The second one is drained: it stays, takes no new flows and keeps the old ones.
/// let drained = DesiredAs { weight: Weight::ZERO, cut: Cut::Serving, flush: None };
/// let wanted = desired(&[(first, serving), (second, drained)]);
/// assert_eq!(steps(&wanted), ["192.0.2.1 tcp/80: server 10.0.0.2 weight 0 (was 100)"]);
/// // Without an entry it is deleted.
/// let wanted = desired(&[(first, serving)]);
/// assert_eq!(steps(&wanted), ["192.0.2.1 tcp/80: delete server 10.0.0.2 (was 100)"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct DesiredAs {
    /// Its weight.
    pub weight: Weight,
    /// What a weight below the present one means.
    pub cut: Cut,
    /// Whether its flows are to be evicted. Only heeded at weight 0.
    pub flush: Option<FlushOrder>,
}

/// What a weight below the present one means.
///
/// ```
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let serving = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
/// # let [first, second]: [std::net::IpAddr; 2] = ["10.0.0.1".parse()?, "10.0.0.2".parse()?];
/// # let vip = |targets: &[(std::net::IpAddr, DesiredAs)]| DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: targets.iter().copied().collect(),
/// #     decided: true,
/// # };
/// # let foreign = ForeignVips::Keep;
/// # let desired = |targets: &[_]| Desired { conf, foreign, vips: [(web, vip(targets))].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
/// # let both = desired(&[(first, serving), (second, serving)]);
/// # let standing = Outlook::new(both, empty).forecast(false).after().clone();
/// # let steps = |wanted: &Desired| -> Vec<String> {
/// #     Plan::new(wanted, &standing, &Scope::default()).steps().map(ToString::to_string).collect()
/// # };
/// # let third = "10.0.0.3".parse()?;
/// // A third server comes, and the first of two goes to weight 0. If it serves, it waits until the third one is there:
/// let zero = |cut| DesiredAs { weight: Weight::ZERO, cut, flush: None };
/// let wanted = |cut| desired(&[(first, zero(cut)), (second, serving), (third, serving)]);
/// assert_eq!(steps(&wanted(Cut::Serving)), [
///     "192.0.2.1 tcp/80: add server 10.0.0.3 weight 100",
///     "192.0.2.1 tcp/80: server 10.0.0.1 weight 0 (was 100)",
/// ]);
/// // If it is dead, every flow that it still gets is lost.
/// assert_eq!(steps(&wanted(Cut::Urgent)), [
///     "192.0.2.1 tcp/80: server 10.0.0.1 weight 0 (was 100)",
///     "192.0.2.1 tcp/80: add server 10.0.0.3 weight 100",
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a server serves or it does not")]
pub enum Cut {
    /// The server does not serve (down, paused, disabled): taking it to 0 never waits. For any other weight the same as
    /// [`Cut::Serving`].
    Urgent,
    /// The server still serves: it is cut only after its VIP's additions and raises succeeded.
    Serving,
}

/// An order to evict the flows of a server that went down or was disabled.
///
/// A VIP and server owe one flush for each incident, from the moment on which the reconciler sees its number for the first time,
/// until VPP acknowledged it; unless VPP holds nothing to flush ([`FlushOrder::first_verdict`], or a server that this process added
/// at weight 0 and never raised). The debt is dropped when the order goes or VPP restarts.
///
/// ```
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let serving = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
/// # let [first, second]: [std::net::IpAddr; 2] = ["10.0.0.1".parse()?, "10.0.0.2".parse()?];
/// # let vip = |targets: &[(std::net::IpAddr, DesiredAs)]| DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: targets.iter().copied().collect(),
/// #     decided: true,
/// # };
/// # let foreign = ForeignVips::Keep;
/// # let desired = |targets: &[_]| Desired { conf, foreign, vips: [(web, vip(targets))].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
/// # let both = desired(&[(first, serving), (second, serving)]);
/// # let standing = Outlook::new(both, empty).forecast(false).after().clone();
/// // The first of two servers went down, and its flows are to go to the other one.
/// let order = FlushOrder { incident: 1, first_verdict: false, needs_server: true };
/// let down = DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush: Some(order) };
/// let outlook = Outlook::new(desired(&[(first, down), (second, serving)]), standing);
/// let forecast = outlook.forecast(false);
/// let steps: Vec<String> = forecast.vips()[&web].steps.iter().map(ToString::to_string).collect();
/// assert_eq!(steps, [
///     "192.0.2.1 tcp/80: server 10.0.0.1 weight 0 (was 100)",
///     "192.0.2.1 tcp/80: server 10.0.0.1 weight 0, flush its flows (was 0)",
/// ]);
/// // The same incident owes no second flush; another one would.
/// let mut then = forecast.then().clone();
/// assert!(then.forecast(false).is_empty());
/// let down = DesiredAs { flush: Some(FlushOrder { incident: 2, ..order }), ..down };
/// then = then.with_desired(desired(&[(first, down), (second, serving)]));
/// assert_eq!(then.forecast(false).vips()[&web].action, Action::Flush);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FlushOrder {
    /// Number of the incident; a new incident of the same server has another number.
    pub incident: u64,
    /// The first verdict, or a restored override, since the process started: nothing is owed if VPP has the server at weight 0
    /// already, or not at all.
    pub first_verdict: bool,
    /// The flush waits while no server of the VIP has a weight above 0: the flows would have nowhere to go.
    pub needs_server: bool,
}

/// How packets travel to the servers of a VIP that we program.
///
/// ```
/// use maglev_sync::Encap;
///
/// assert!(Encap::Gre6.reaches("2001:db8::1".parse()?) && !Encap::Gre6.reaches("10.0.0.1".parse()?));
/// assert_eq!((Encap::Gre4.number(), Encap::Gre4.to_string()), (0, "gre4".to_owned()));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "GRE has two families")]
pub enum Encap {
    /// GRE over IPv4.
    Gre4,
    /// GRE over IPv6.
    Gre6,
}

impl Encap {
    /// VPP's `lb_encap_type`.
    pub fn number(self) -> u32 {
        match self {
            Self::Gre4 => 0,
            Self::Gre6 => 1,
        }
    }

    /// Whether a server of this address can be reached by it.
    pub fn reaches(self, address: IpAddr) -> bool {
        match self {
            Self::Gre4 => address.is_ipv4(),
            Self::Gre6 => address.is_ipv6(),
        }
    }
}

/// VPP's name for it.
impl fmt::Display for Encap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gre4 => "gre4",
            Self::Gre6 => "gre6",
        })
    }
}
