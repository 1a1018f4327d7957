//! What VPP holds.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Abilities, Desired, DesiredVip, Encap, TableLength, VipKey};

/// What VPP holds, as far as we know: VIPs and servers that VPP lists as removed are absent.
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
/// // A VIP with two servers was programmed.
/// assert_eq!(standing.weight(&web, first), Some(100));
/// assert_eq!(standing.weight(&web, "10.0.0.3".parse()?), None);
/// assert_eq!(standing.conf.ip4_src.to_string(), "10.0.0.254");
/// let servers: usize = standing.vips.values().map(|vip| vip.ases.len()).sum();
/// assert_eq!(servers, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actual {
    /// What this VPP can do.
    pub abilities: Abilities,
    /// The plugin's settings.
    pub conf: LbConf,
    /// The VIPs in use.
    pub vips: BTreeMap<VipKey, ActualVip>,
}

impl Actual {
    /// The weight of a server as health takes it, 0..=255; nothing if VPP has no such server. On a VPP without weights a server in use
    /// has 100: whoever keeps what VPP has must not take the 1 that it counts there for a small claim.
    pub fn weight(&self, key: &VipKey, address: IpAddr) -> Option<u8> {
        Some(self.abilities.meaning(self.server(key, address)?.weight))
    }

    pub(crate) fn server(&self, key: &VipKey, address: IpAddr) -> Option<ActualAs> {
        self.vips.get(key)?.ases.get(&address).copied()
    }

    /// Adds, on a VPP without weights, the servers of `desired` that it does not have in use, at weight 0: no dump tells a server at
    /// weight 0 there from one that it never had. Does nothing where VPP has weights.
    ///
    /// [`crate::Plan`], [`crate::Outlook`] and [`crate::Reconciler`] do so by themselves with what was read.
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
    /// // A VPP 25.10 has the first of two servers in use. The other one is wanted at weight 0 there.
    /// let mut old = empty;
    /// old.abilities.weights = false;
    /// let drained = DesiredAs { weight: Weight::ZERO, ..serving };
    /// let mut actual = Outlook::new(desired(&[(first, serving)]), old).forecast(false).after().clone();
    /// assert_eq!((actual.weight(&web, first), actual.weight(&web, second)), (Some(100), None));
    /// actual.complete(&desired(&[(first, serving), (second, drained)]));
    /// assert_eq!(actual.weight(&web, second), Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn complete(&mut self, desired: &Desired) {
        for (key, wanted) in &desired.vips {
            if let Some(vip) = self.vips.get_mut(key) {
                vip.complete(wanted, self.abilities);
            }
        }
    }

    /// The same, completed; a copy only where VPP has no weights.
    pub(crate) fn completed(&self, desired: &Desired) -> Cow<'_, Self> {
        if self.abilities.weights {
            return Cow::Borrowed(self);
        }
        let mut actual = self.clone();
        actual.complete(desired);
        Cow::Owned(actual)
    }
}

/// The lb plugin's settings as VPP reports them; any number may stand here.
///
/// ```
/// use maglev_sync::LbConf;
///
/// assert_eq!(LbConf::default().sticky_buckets_per_core, Some(1024));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LbConf {
    /// Source address of GRE over IPv4; all ones until configured.
    pub ip4_src: Ipv4Addr,
    /// Source address of GRE over IPv6; all ones until configured.
    pub ip6_src: Ipv6Addr,
    /// Buckets of each thread's sticky table, 4 flows each; 1,024 until configured. Nothing if VPP does not tell: up to 26.06 it tells
    /// once it has such a table, and before that it has no sessions either.
    pub sticky_buckets_per_core: Option<u32>,
    /// Seconds after its last packet at which VPP may forget a flow; 40 until configured. Nothing if VPP does not tell.
    pub flow_timeout: Option<u32>,
}

/// What a VPP just started has.
impl Default for LbConf {
    fn default() -> Self {
        Self {
            ip4_src: Ipv4Addr::BROADCAST,
            ip6_src: Ipv6Addr::from(u128::MAX),
            sticky_buckets_per_core: Some(1024),
            flow_timeout: Some(40),
        }
    }
}

/// A VIP in use in VPP.
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
/// let drained = DesiredAs { weight: Weight::ZERO, ..serving };
/// // A VIP whose second server is drained; then the first one is deleted.
/// let wanted = desired(&[(first, serving), (second, drained)]);
/// let before = Outlook::new(wanted, empty).forecast(false).after().clone();
/// let after = Outlook::new(desired(&[(second, drained)]), before.clone()).forecast(false).after().clone();
/// let (before, after) = (&before.vips[&web], &after.vips[&web]);
/// assert!(before.is_serving() && !after.is_serving());
/// // Flows that the first server has go on to it.
/// assert!(after.lingering.contains(&first));
/// // Only VPP's verbose text tells where its counters are.
/// assert_eq!(after.pool_index, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActualVip {
    /// How packets travel to its servers.
    pub encap: ActualEncap,
    /// Whether flows are hashed without ports; unknown until the verbose text was read, and then taken for right.
    pub src_ip_sticky: Option<bool>,
    /// Length of its new-flow table, as far as known.
    pub table_length: ActualLength,
    /// Its slot in VPP's pool of VIPs, the column of its counters; unknown until the verbose text was read.
    pub pool_index: Option<u32>,
    /// Its servers in use.
    pub ases: BTreeMap<IpAddr, ActualAs>,
    /// Servers that VPP lists as removed. They take no new flows, but keep the old ones that were not flushed, and an addition
    /// revives them with those.
    pub lingering: BTreeSet<IpAddr>,
}

impl ActualVip {
    /// Whether new flows find a server.
    pub fn is_serving(&self) -> bool {
        self.ases.values().any(|server| server.weight > 0)
    }

    /// Adds the servers that are at weight 0 because VPP, which has no weights, does not have them in use.
    pub(crate) fn complete(&mut self, wanted: &DesiredVip, abilities: Abilities) {
        if abilities.weights {
            return;
        }
        for address in wanted.targets.keys() {
            if !self.ases.contains_key(address) {
                let has_flows = self.lingering.remove(address);
                self.ases.insert(*address, ActualAs { weight: 0, never_raised: !has_flows });
            }
        }
    }
}

/// A server in use under one VIP.
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
/// let spare = DesiredAs { weight: Weight::ZERO, ..serving };
/// let actual = Outlook::new(desired(&[(first, serving), (second, spare)]), empty).forecast(false).after().clone();
/// let ases = &actual.vips[&web].ases;
/// assert_eq!(ases[&first], ActualAs { weight: 100, never_raised: false });
/// // Nothing to flush here: it was added at weight 0.
/// assert_eq!(ases[&second], ActualAs { weight: 0, never_raised: true });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ActualAs {
    /// Its weight; VPP takes up to 255. Without [`Abilities::weights`] it is 1 for a server in use, 0 for another one.
    pub weight: u8,
    /// Whether this process added it at weight 0, with no flows from an earlier life, and never raised it: no flow can be its
    /// own, so it needs no flush. On a VPP without weights also a server at weight 0 that VPP does not know at all.
    pub never_raised: bool,
}

/// Length of the new-flow table of a VIP in VPP.
///
/// `lb_vip_details` carries only the low 16 bits (VPP `src/plugins/lb/lb.api`): 65,536 and above read as 0.
///
/// ```
/// use maglev_sync::{ActualLength, TableLength};
///
/// // A dump shows 0 for 65,536: it may be right, and it is not known.
/// let listed = ActualLength::Low16(0);
/// assert!(listed.agrees_with(TableLength::new(65_536)?));
/// assert_eq!(listed.known(), None);
/// assert_eq!(ActualLength::Low16(4096).known(), Some(4096));
/// # Ok::<(), maglev_sync::OutOfRange>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ActualLength {
    /// From the dump: the length modulo 65,536.
    Low16(u16),
    /// From the verbose text, or from our own addition.
    Whole(u32),
}

impl ActualLength {
    /// Whether it can be the given length.
    pub fn agrees_with(self, wanted: TableLength) -> bool {
        match self {
            Self::Low16(low) => low == wanted.get() as u16,
            Self::Whole(length) => length == wanted.get(),
        }
    }

    /// The length, if it is known: a nonzero low half is the whole of a power of two.
    pub fn known(self) -> Option<u32> {
        match self {
            Self::Low16(0) => None,
            Self::Low16(low) => Some(low.into()),
            Self::Whole(length) => Some(length),
        }
    }

    /// Whether a dump that shows `low` is compatible with what is known.
    pub(crate) fn shows_as(self, low: u16) -> bool {
        match self {
            Self::Low16(known) => known == low,
            Self::Whole(length) => length as u16 == low,
        }
    }
}

/// The number, or `65536 or more`.
impl fmt::Display for ActualLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some(length) => length.fmt(f),
            None => f.write_str("65536 or more"),
        }
    }
}

/// How packets travel from a VIP in VPP to its servers.
///
/// ```
/// use maglev_sync::{ActualEncap, Encap};
///
/// assert_eq!(ActualEncap::from_number(0), Encap::Gre4.into());
/// let other = ActualEncap::from_number(2);
/// assert_eq!((other.to_string(), other.number()), ("l3dsr".to_owned(), 2));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ActualEncap {
    /// One that we program, too.
    Gre(Encap),
    /// Another: 2 is l3dsr, 3 nat4, 4 nat6.
    Other(u32),
}

impl ActualEncap {
    /// Decodes VPP's `lb_encap_type`.
    pub fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Gre(Encap::Gre4),
            1 => Self::Gre(Encap::Gre6),
            other => Self::Other(other),
        }
    }

    /// VPP's `lb_encap_type`.
    pub fn number(self) -> u32 {
        match self {
            Self::Gre(encap) => encap.number(),
            Self::Other(number) => number,
        }
    }
}

impl From<Encap> for ActualEncap {
    fn from(encap: Encap) -> Self {
        Self::Gre(encap)
    }
}

/// VPP's name for it.
impl fmt::Display for ActualEncap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gre(encap) => encap.fmt(f),
            Self::Other(2) => f.write_str("l3dsr"),
            Self::Other(3) => f.write_str("nat4"),
            Self::Other(4) => f.write_str("nat6"),
            Self::Other(number) => write!(f, "encapsulation {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_compared_by_what_the_dump_can_show() {
        let of = |length| TableLength::new(length).expect("a length");
        assert!(ActualLength::Low16(1024).agrees_with(of(1024)));
        assert!(!ActualLength::Low16(1024).agrees_with(of(2048)));
        // 65,536 reads back as 0, and so does 131,072.
        assert!(ActualLength::Low16(0).agrees_with(of(65_536)));
        assert!(ActualLength::Low16(0).agrees_with(of(131_072)));
        assert!(!ActualLength::Whole(131_072).agrees_with(of(65_536)));
        assert!(ActualLength::Whole(131_072).shows_as(0));
        assert_eq!(ActualLength::Low16(0).to_string(), "65536 or more");
    }

    #[test]
    fn encapsulations_keep_their_number() {
        for number in [0, 1, 2, 3, 4, 77] {
            assert_eq!(ActualEncap::from_number(number).number(), number);
        }
        assert_eq!(ActualEncap::from_number(1), Encap::Gre6.into());
    }
}
