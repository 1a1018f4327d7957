//! What a config means once every rule holds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU8, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use maglev_health::Damping;

use super::kind::CheckKind;
use crate::probe::ProxyVersion;

/// A whole config, checked: every name resolves and every number is in its range.
///
/// Lists keep the order of the file. Equality is by meaning: comments, spelling and [`Config::sha256`] do not count.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// `maglev.healthchecker`: what all probes share.
    pub healthchecker: HealthChecker,
    /// `maglev.vpp.lb`: how VPP's lb plugin is set up and kept in step.
    pub lb: Lb,
    /// `maglev.healthchecks`, shared with the backends that use them.
    pub healthchecks: Vec<Arc<HealthCheck>>,
    /// `maglev.backends`.
    pub backends: Vec<Backend>,
    /// `maglev.frontends`.
    pub frontends: Vec<Frontend>,
    /// SHA-256 of the text this was read from, in lower-case hex.
    pub sha256: String,
}

impl Config {
    /// The check of this name. Linear in the number of checks.
    pub fn healthcheck(&self, name: &str) -> Option<&Arc<HealthCheck>> {
        self.healthchecks.iter().find(|check| check.name == name)
    }

    /// The backend of this name. Linear in the number of backends.
    pub fn backend(&self, name: &str) -> Option<&Backend> {
        self.backends.iter().find(|backend| backend.name == name)
    }

    /// The frontend of this name. Linear in the number of frontends.
    pub fn frontend(&self, name: &str) -> Option<&Frontend> {
        self.frontends.iter().find(|frontend| frontend.name == name)
    }
}

impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        self.healthchecker == other.healthchecker
            && self.lb == other.lb
            && self.healthchecks == other.healthchecks
            && self.backends == other.backends
            && self.frontends == other.frontends
    }
}

impl Eq for Config {}

/// What all probes share.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct HealthChecker {
    /// Transitions kept per backend.
    pub transition_history: NonZeroUsize,
    /// Linux network namespace in which probes are sent; `None` is the daemon's own.
    pub netns: Option<String>,
}

impl Default for HealthChecker {
    /// Five transitions tell a flapping backend from one that failed once.
    fn default() -> Self {
        const FIVE: NonZeroUsize = NonZeroUsize::new(5).expect("5 is not 0");
        Self { transition_history: FIVE, netns: None }
    }
}

/// How VPP's lb plugin is set up and kept in step.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Lb {
    /// Each VIP is compared with VPP once in this time.
    pub sync_interval: Duration,
    /// Outer source address of GRE over IPv4. Always there when the daemon has a dataplane.
    pub ipv4_src_address: Option<Ipv4Addr>,
    /// Outer source address of GRE over IPv6. Always there when the daemon has a dataplane.
    pub ipv6_src_address: Option<Ipv6Addr>,
    /// Buckets of the sticky table of each VPP thread: a power of two, 1,024..=4,194,304.
    pub sticky_buckets_per_core: u32,
    /// How long VPP remembers an idle flow: whole seconds, 1..=120.
    pub flow_timeout: Duration,
    /// Nothing is written to VPP before this time after start.
    pub startup_min_delay: Duration,
    /// Everything is written to VPP at this time after start; not below `startup_min_delay`.
    pub startup_max_delay: Duration,
    /// What happens to VIPs in VPP that no config of ours has known.
    pub foreign_vips: ForeignVips,
}

impl Default for Lb {
    /// What holds for keys that are left out. The table and its time-out are VPP's own but for the buckets, of which
    /// VPP has 1,024, too few for a router; the delays give each check of a usual interval time for a verdict.
    fn default() -> Self {
        Self {
            sync_interval: Duration::from_secs(30),
            ipv4_src_address: None,
            ipv6_src_address: None,
            sticky_buckets_per_core: 65_536,
            flow_timeout: Duration::from_secs(40),
            startup_min_delay: Duration::from_secs(5),
            startup_max_delay: Duration::from_secs(30),
            foreign_vips: ForeignVips::Remove,
        }
    }
}

/// What happens to VIPs in VPP that no config of ours has known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ForeignVips {
    /// They are deleted: VPP's lb plugin is ours alone.
    #[default]
    Remove,
    /// They are left as they are.
    Keep,
}

/// How backends are probed, and how many verdicts it takes.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct HealthCheck {
    /// Name, as backends refer to it.
    pub name: String,
    /// What is sent and what counts as a success.
    pub kind: CheckKind,
    /// Destination port; `None` for ICMP, and for a program that needs none.
    pub port: Option<u16>,
    /// The header of the PROXY protocol that is sent first, if any. Of types over TCP alone.
    pub proxy_protocol: Option<ProxyVersion>,
    /// The interface that probes leave through; `None` leaves the choice to the kernel. Up to 15 bytes.
    pub device: Option<String>,
    /// The mark of the packets, for rules of routing and firewalls; never 0.
    pub mark: Option<u32>,
    /// Source address towards IPv4 backends; `None` leaves the choice to the kernel.
    pub probe_ipv4_src: Option<Ipv4Addr>,
    /// Source address towards IPv6 backends; `None` leaves the choice to the kernel.
    pub probe_ipv6_src: Option<Ipv6Addr>,
    /// From one probe to the next of a backend that is up for good; at least 10 ms.
    pub interval: Duration,
    /// The same while the verdict is open; at least 10 ms.
    pub fast_interval: Duration,
    /// The same while the backend is down for good; at least 10 ms.
    pub down_interval: Duration,
    /// For the whole probe, at least 10 ms; may be longer than an interval.
    pub timeout: Duration,
    /// Passes in a row from down to up.
    pub rise: NonZeroU8,
    /// Failures in a row from up to down.
    pub fall: NonZeroU8,
    /// What keeps a backend down that goes up and down too often; `None` is off.
    pub damping: Option<Damping>,
}

impl HealthCheck {
    /// Canonical text of what is probed and judged: everything but the name, the four times and damping.
    ///
    /// Two checks with the same identity ask the same question, so that a verdict under the one stands under the
    /// other. `rise` and `fall` belong to it, because the counter of a backend counts in them.
    pub fn identity(&self) -> String {
        let Self { kind, port, proxy_protocol, device, mark, probe_ipv4_src, probe_ipv6_src, rise, fall, .. } = self;
        format!(
            "{kind:?} port={port:?} proxy={proxy_protocol:?} device={device:?} mark={mark:?} src4={probe_ipv4_src:?} \
             src6={probe_ipv6_src:?} rise={rise} fall={fall}"
        )
    }

    /// Whether the two differ in nothing but the name.
    pub fn same_but_for_name(&self, other: &Self) -> bool {
        self.identity() == other.identity()
            && self.interval == other.interval
            && self.fast_interval == other.fast_interval
            && self.down_interval == other.down_interval
            && self.timeout == other.timeout
            && self.damping == other.damping
    }
}

/// An application server.
///
/// Equality does not see how the check is called: a check that was merely renamed leaves its backends unchanged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Backend {
    /// Name, as pools refer to it.
    pub name: String,
    /// Unicast, not the address of any frontend, and not one that VPP would misread.
    pub address: IpAddr,
    /// `None`: static, always up.
    pub healthcheck: Option<Arc<HealthCheck>>,
    /// `false`: takes no traffic, is not probed.
    pub enabled: bool,
}

impl PartialEq for Backend {
    fn eq(&self, other: &Self) -> bool {
        let same_check = match (&self.healthcheck, &other.healthcheck) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => ours.same_but_for_name(theirs),
            _ => false,
        };
        same_check && self.name == other.name && self.address == other.address && self.enabled == other.enabled
    }
}

impl Eq for Backend {}

/// A virtual IP and the pools that serve it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Frontend {
    /// Name.
    pub name: String,
    /// For people; may be empty.
    pub description: String,
    /// Host address; the VIP is its /32 or /128.
    pub address: IpAddr,
    /// Set if and only if `port` is; `None` takes every protocol and port.
    pub protocol: Option<Protocol>,
    /// Set if and only if `protocol` is; never 0.
    pub port: Option<u16>,
    /// Hash by source address alone, so that all flows of a client meet in one backend.
    pub src_ip_sticky: bool,
    /// Evict the flows of a backend that goes down.
    pub flush_on_down: bool,
    /// What the config asks for.
    pub table_length: TableLength,
    /// What it comes to: buckets in VPP's new-flow table, a power of two in 1,024..=1,048,576.
    pub table_length_chosen: u32,
    /// Family of all backends, which decides the encapsulation. The VIP's own may be the other one.
    pub backend_family: Family,
    /// By priority; never empty.
    pub pools: Vec<Pool>,
}

/// Transport protocol of a VIP.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Protocol {
    /// IP protocol 6.
    Tcp,
    /// IP protocol 17.
    Udp,
}

impl Protocol {
    /// IP protocol number.
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// Address family.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "VPP's lb plugin knows these two")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// What a config says of the length of the new-flow table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TableLength {
    /// The smallest that shares the load within 10 %.
    #[default]
    Auto,
    /// This one: a power of two in 1,024..=1,048,576.
    Fixed(u32),
}

/// Backends that serve together.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Pool {
    /// Name, unique in its frontend.
    pub name: String,
    /// Never empty; each backend at most once.
    pub members: Vec<PoolMember>,
}

/// A backend's part in a pool.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PoolMember {
    /// Name of a backend of the same config.
    pub backend: String,
    /// 0..=100; 0 takes no new flows.
    pub weight: u8,
}
