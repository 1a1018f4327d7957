//! What may be asked of VPP, and what it answers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use thiserror::Error;

use crate::model::{ActualEncap, Encap, FlowTimeout, LbConf, StickyBuckets, TableLength, VipKey, Weight};

/// One call to VPP: the closed set of everything this crate ever asks for.
///
/// What must never be sent cannot be said: a table length, number of sticky buckets, prefix length or weight out of range has
/// no value, and there is no way to flush a whole VIP. The rule that no server may be a VIP is checked when a call leaves.
///
/// ```
/// use maglev_sync::{Call, Protocol, VipKey, Weight};
///
/// let key = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// let call = Call::AsSetWeight { key, address: "10.0.0.1".parse()?, weight: Weight::ZERO, flush: true };
/// assert!(call.is_write() && call.is_flush() && call.vip() == Some(&key));
/// assert_eq!(call.to_string(), "192.0.2.1 tcp/80: server 10.0.0.1 weight 0, flush its flows");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "closed on purpose: whoever executes calls must know them all")]
pub enum Call {
    /// `lb_conf_get`; answered by [`Reply::Conf`].
    ConfGet,
    /// `lb_conf`.
    Conf(ConfUpdate),
    /// `lb_vip_dump`; answered by [`Reply::Vips`].
    VipDump,
    /// `lb_as_v2_dump`, of one VIP or of all; answered by [`Reply::Ases`].
    ///
    /// VPP finds an IPv4 VIP only if the filter has its address in bytes 12..16 of the prefix, behind zeros.
    AsDump(Option<VipKey>),
    /// `lb_add_del_vip_v2` with `is_del` 0.
    VipAdd {
        /// The VIP.
        key: VipKey,
        /// How packets travel to its servers.
        encap: Encap,
        /// Length of its new-flow table.
        table_length: TableLength,
        /// Whether flows are hashed without ports.
        src_ip_sticky: bool,
    },
    /// `lb_add_del_vip_v2` with `is_del` 1.
    VipDel(VipKey),
    /// `lb_add_del_as_v2` with `is_del` 0, without flush.
    AsAdd {
        /// The VIP.
        key: VipKey,
        /// The server.
        address: IpAddr,
        /// Its weight.
        weight: Weight,
    },
    /// `lb_add_del_as_v2` with `is_del` 1.
    AsDel {
        /// The VIP.
        key: VipKey,
        /// The server.
        address: IpAddr,
        /// Whether its flows are evicted.
        flush: bool,
    },
    /// `lb_as_set_weight`.
    AsSetWeight {
        /// The VIP.
        key: VipKey,
        /// The server.
        address: IpAddr,
        /// Its new weight.
        weight: Weight,
        /// Whether its flows are evicted.
        flush: bool,
    },
    /// `show lb vips verbose` through `cli_inband`; answered by [`Reply::Text`].
    Verbose,
    /// `ip_route_lookup` in table 0, exact; answered by [`Reply::Route`].
    Route(IpNet),
}

impl Call {
    /// Whether it can change what VPP does.
    pub fn is_write(&self) -> bool {
        match self {
            Self::Conf(_)
            | Self::VipAdd { .. }
            | Self::VipDel(_)
            | Self::AsAdd { .. }
            | Self::AsDel { .. }
            | Self::AsSetWeight { .. } => true,
            Self::ConfGet | Self::VipDump | Self::AsDump(_) | Self::Verbose | Self::Route(_) => false,
        }
    }

    /// Whether VPP scans the sticky tables for it, with its workers stopped.
    pub fn is_flush(&self) -> bool {
        matches!(self, Self::AsDel { flush: true, .. } | Self::AsSetWeight { flush: true, .. })
    }

    /// The VIP that it changes or reads.
    pub fn vip(&self) -> Option<&VipKey> {
        match self {
            Self::AsDump(key) => key.as_ref(),
            Self::VipAdd { key, .. }
            | Self::VipDel(key)
            | Self::AsAdd { key, .. }
            | Self::AsDel { key, .. }
            | Self::AsSetWeight { key, .. } => Some(key),
            Self::ConfGet | Self::Conf(_) | Self::VipDump | Self::Verbose | Self::Route(_) => None,
        }
    }
}

/// For people: `192.0.2.1 tcp/80: server 10.0.0.1 weight 100`.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flushing = |flush: bool| if flush { ", flush its flows" } else { "" };
        match self {
            Self::ConfGet => f.write_str("read settings"),
            Self::Conf(update) => write!(f, "settings: {update}"),
            Self::VipDump => f.write_str("list VIPs"),
            Self::AsDump(None) => f.write_str("list servers"),
            Self::AsDump(Some(key)) => write!(f, "{key}: list servers"),
            Self::VipAdd { key, encap, table_length, src_ip_sticky } => {
                let sticky = if *src_ip_sticky { ", src-ip-sticky" } else { "" };
                write!(f, "{key}: create, {encap}, {table_length} buckets{sticky}")
            }
            Self::VipDel(key) => write!(f, "{key}: delete"),
            Self::AsAdd { key, address, weight } => write!(f, "{key}: add server {address} weight {weight}"),
            Self::AsDel { key, address, flush } => {
                write!(f, "{key}: delete server {address}{}", flushing(*flush))
            }
            Self::AsSetWeight { key, address, weight, flush } => {
                write!(f, "{key}: server {address} weight {weight}{}", flushing(*flush))
            }
            Self::Verbose => f.write_str("show lb vips verbose"),
            Self::Route(prefix) => write!(f, "look up route {prefix}"),
        }
    }
}

/// New settings of the plugin: all that `lb_conf` carries, and so complete like the [`Call`] that it is part of.
///
/// ```
/// use maglev_sync::{ConfUpdate, StickyBuckets};
///
/// let update = ConfUpdate {
///     ip4_src: "10.0.0.250".parse()?,
///     ip6_src: "2001:db8::250".parse()?,
///     sticky_buckets: Some(StickyBuckets::MIN),
///     flow_timeout: None,
/// };
/// // The time-out stays as it is.
/// assert_eq!(update.to_string(), "sources 10.0.0.250 and 2001:db8::250, 1024 sticky buckets");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ConfUpdate {
    /// Source address of GRE over IPv4; VPP has no "keep".
    pub ip4_src: Ipv4Addr,
    /// Source address of GRE over IPv6; VPP has no "keep".
    pub ip6_src: Ipv6Addr,
    /// Nothing keeps the number (`ffffffff` on the wire); another number forgets all sessions.
    pub sticky_buckets: Option<StickyBuckets>,
    /// Nothing keeps the time-out (`ffffffff` on the wire).
    pub flow_timeout: Option<FlowTimeout>,
}

impl fmt::Display for ConfUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sources {} and {}", self.ip4_src, self.ip6_src)?;
        if let Some(buckets) = self.sticky_buckets {
            write!(f, ", {buckets} sticky buckets")?;
        }
        match self.flow_timeout {
            Some(timeout) => write!(f, ", flow time-out {timeout}"),
            None => Ok(()),
        }
    }
}

/// What VPP answers.
///
/// ```
/// use maglev_sync::{Call, CallFailure, LbConf, Reply};
///
/// /// A dataplane with nothing in it.
/// fn answer(call: &Call) -> Result<Reply, CallFailure> {
///     match call {
///         Call::ConfGet => Ok(Reply::Conf(LbConf::default())),
///         Call::VipDump => Ok(Reply::Vips(Vec::new())),
///         Call::AsDump(_) => Ok(Reply::Ases(Vec::new())),
///         Call::Route(_) => Ok(Reply::Route(None)),
///         _ => Err(CallFailure::Refused { retval: -1, text: "not supported".to_owned() }),
///     }
/// }
/// assert_eq!(answer(&Call::VipDump), Ok(Reply::Vips(Vec::new())));
/// assert!(answer(&Call::Verbose).is_err());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "as closed as `Call`")]
pub enum Reply {
    /// A write was carried out.
    Done,
    /// To [`Call::ConfGet`].
    Conf(LbConf),
    /// To [`Call::VipDump`], in VPP's order.
    Vips(Vec<VipRow>),
    /// To [`Call::AsDump`], in VPP's order, removed servers included.
    Ases(Vec<AsRow>),
    /// To [`Call::Verbose`].
    Text(String),
    /// To [`Call::Route`]: the route's index in `/net/route/to` and `/net/route/via`, or nothing if there is no such route.
    Route(Option<u32>),
}

/// One VIP of a dump.
///
/// ```
/// use maglev_sync::{Encap, Protocol, TableLength, VipKey, VipRow};
///
/// let key = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// let length = TableLength::new(65_536)?;
/// // As VPP lists it: the length has 16 bits there.
/// let row = VipRow { key, encap: Encap::Gre4.into(), table_length: length.get() as u16 };
/// assert_eq!(row.table_length, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct VipRow {
    /// The VIP.
    pub key: VipKey,
    /// How packets travel to its servers.
    pub encap: ActualEncap,
    /// Low 16 bits of the length of its new-flow table.
    pub table_length: u16,
}

/// One server of a dump.
///
/// ```
/// use maglev_sync::{AsRow, Protocol, VipKey};
///
/// let key = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// let row = |host: u8, in_use| AsRow { key, address: [10, 0, 0, host].into(), in_use, weight: 100 };
/// // A removed server is listed until VPP has collected it.
/// let rows = [row(1, true), row(2, false)];
/// assert_eq!(rows.iter().filter(|row| row.in_use).count(), 1);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AsRow {
    /// The VIP; the same for a VIP that was removed and added again.
    pub key: VipKey,
    /// The server.
    pub address: IpAddr,
    /// Bit 0 of the flags: false for a removed server that lingers.
    pub in_use: bool,
    /// Its weight; without meaning on a VPP without weights.
    pub weight: u8,
}

/// Why a call was not carried out.
///
/// ```
/// use maglev_sync::CallFailure;
///
/// let refused = CallFailure::Refused { retval: -81, text: "Value already exists".to_owned() };
/// assert_eq!(refused.to_string(), "Value already exists (-81)");
/// assert_eq!(CallFailure::Lost.to_string(), "lost the link to VPP");
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a call is refused or lost; there is no third outcome to handle")]
pub enum CallFailure {
    /// VPP understood it and said no; the link is good. Also for a reply that made no sense.
    #[error("{text} ({retval})")]
    Refused {
        /// VPP's error number, below 0.
        retval: i32,
        /// VPP's words for it.
        text: String,
    },
    /// The link is gone, and whether VPP carried the call out is unknown.
    #[error("lost the link to VPP")]
    Lost,
}

impl CallFailure {
    /// The answer does not belong to the call. Nothing is known, as after a refusal.
    pub(crate) fn senseless() -> Self {
        Self::Refused { retval: 0, text: "the answer does not belong to the call".to_owned() }
    }
}

impl Reply {
    /// What came of a write.
    pub(crate) fn of_write(reply: Result<Self, CallFailure>) -> Result<(), CallFailure> {
        match reply? {
            Self::Done => Ok(()),
            _ => Err(CallFailure::senseless()),
        }
    }
}
