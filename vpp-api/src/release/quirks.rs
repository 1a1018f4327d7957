//! One meaning, two encodings: the lb plugin's handlers before and after they were corrected.

use std::net::Ipv4Addr;

use ipnet::IpNet;

use crate::messages::lb::{LbAsDump, LbVip};
use crate::types::{AddressFamily, Encap, IpProto, Prefix, PrefixError};

/// How a VPP's lb plugin reads requests and writes details: each method gives what the fields have to hold there, or
/// what they mean.
///
/// Get it from [`Capabilities::quirks`](super::Capabilities::quirks). What is not named here is the same everywhere. A
/// request of one generation is a valid request of the other with another meaning: 192.0.2.10/32 sent to 25.10 with
/// its plain length becomes the VIP `::/32`, accepted with result code 0.
///
/// Source: VPP `src/plugins/lb/api.c` of 22.10 to 26.06, and of 26.10-rc0; checked against a live 25.10.
///
/// ```
/// use vpp_api::messages::lb::LbAddDelVipV2;
/// use vpp_api::release::Quirks;
/// use vpp_api::types::{Encap, IpProto, SrvType};
///
/// let vip = |quirks: Quirks| LbAddDelVipV2 {
///     pfx: quirks.prefix("192.0.2.10/32".parse().expect("a prefix")),
///     protocol: IpProto::TCP,
///     port: 443,
///     encap: quirks.encap(Encap::Gre6),
///     dscp: 0,
///     r#type: SrvType::ClusterIp,
///     target_port: 0,
///     node_port: 0,
///     new_flows_table_length: 1024,
///     src_ip_sticky: false,
///     is_del: false,
/// };
/// assert_eq!(vip(Quirks::NONE).encap, Encap::Gre6);
/// assert_eq!(vip(Quirks::BEFORE_26_10).encap, Encap::Unknown(0x0100_0000));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Quirks {
    /// The handlers swap bytes and count IPv4 lengths as the definitions say.
    corrected: bool,
}

impl Quirks {
    /// Those of 26.10-rc0: messages mean what the definitions say.
    pub const NONE: Self = Self { corrected: true };

    /// Those of 22.10 to 26.06.
    pub const BEFORE_26_10: Self = Self { corrected: false };

    /// The `pfx` of a VIP in `lb_add_del_vip`, `lb_add_del_as`, their second versions, and `lb_as_set_weight`.
    ///
    /// An IPv4 length is counted from the 96th bit before 26.10. Host bits are kept; VPP clears them.
    ///
    /// IPv6 prefixes of at least 96 bits whose first 96 are zero cannot be had: VPP takes them for IPv4.
    #[must_use]
    pub fn prefix(self, net: IpNet) -> Prefix {
        let prefix = Prefix::from(net);
        match net {
            IpNet::V4(net) if !self.corrected => Prefix { len: IP4_OFFSET + net.prefix_len(), ..prefix },
            _ => prefix,
        }
    }

    /// The `encap` of `lb_add_del_vip` and its second version.
    ///
    /// Before 26.10 VPP compares it without swapping: little-endian is right there. Big-endian, only GRE4 works, which
    /// is 0, and all else silently becomes GRE6 or is refused with -97.
    #[must_use]
    pub fn encap(self, encap: Encap) -> Encap {
        if self.corrected { encap } else { u32::from(encap).swap_bytes().into() }
    }

    /// The `pfx` of `lb_flush_vip`.
    ///
    /// Before 26.10 VPP takes the 16 address bytes as they are, so that IPv4 has to stand in the last four.
    /// [`Prefix`] then shows it as an IPv6 address; VPP ignores the family there.
    ///
    /// ```
    /// use vpp_api::release::Quirks;
    ///
    /// let net = "192.0.2.10/32".parse()?;
    /// assert_eq!(Quirks::NONE.flush_prefix(net).address.bytes[..4], [192, 0, 2, 10]);
    /// assert_eq!(Quirks::BEFORE_26_10.flush_prefix(net).address.bytes[12..], [192, 0, 2, 10]);
    /// # Ok::<_, ipnet::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn flush_prefix(self, net: IpNet) -> Prefix {
        match self.corrected {
            true => net.into(),
            // The form in which VPP stores it, as in the filter of a dump.
            false => LbAsDump::vip(net, IpProto::ANY, 0).pfx,
        }
    }

    /// The request for the servers of one VIP, also of a removed one with the same key.
    ///
    /// Every release wants IPv4 in the last four of the 16 address bytes; before 26.10 the port is compared without
    /// swapping. `protocol` and `port` must be those that VPP holds: 255 and 0 for an all-port VIP.
    ///
    /// 0.0.0.0/n and ::/n cannot be asked for: VPP takes them for "everything". Prefixes that differ only in length
    /// cannot be told apart, so that rows of other lengths have to be dropped.
    ///
    /// ```
    /// use vpp_api::release::Quirks;
    /// use vpp_api::types::IpProto;
    ///
    /// let of_one = |quirks: Quirks| quirks.as_dump("192.0.2.10/32".parse().expect("a prefix"), IpProto::TCP, 443);
    /// assert_eq!(of_one(Quirks::NONE).port, 443);
    /// assert_eq!(of_one(Quirks::BEFORE_26_10).port, 0xbb01, "443 is 0x01bb");
    /// assert_eq!(of_one(Quirks::NONE).pfx, of_one(Quirks::BEFORE_26_10).pfx);
    /// ```
    #[must_use]
    pub fn as_dump(self, net: IpNet, protocol: IpProto, port: u16) -> LbAsDump {
        LbAsDump::vip(net, protocol, if self.corrected { port } else { port.swap_bytes() })
    }

    /// The prefix that `vip.pfx` of `lb_vip_details` and `lb_as_details` stands for.
    ///
    /// Before 26.10 an IPv4 length is 96 too large. VPP marks as IPv4 what begins with 96 zero bits, so that a shorter
    /// length there is that of an IPv6 prefix: the VIP `::/32`, the usual trace of a client that does not know this
    /// quirk, arrives as `0.0.0.0/32` and is returned as `::/32`. In 26.10 those two look the same, and IPv4 is meant.
    ///
    /// ```
    /// use vpp_api::release::Quirks;
    /// use vpp_api::types::Prefix;
    ///
    /// let shown = Prefix { address: std::net::Ipv4Addr::new(192, 0, 2, 10).into(), len: 128 };
    /// assert_eq!(Quirks::BEFORE_26_10.net(&shown)?, "192.0.2.10/32".parse()?);
    /// assert!(Quirks::NONE.net(&shown).is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PrefixError`] if the length exceeds what the family has.
    pub fn net(self, pfx: &Prefix) -> Result<IpNet, PrefixError> {
        if self.corrected || pfx.address.af != AddressFamily::Ip4 {
            return pfx.net();
        }
        match pfx.len.checked_sub(IP4_OFFSET) {
            Some(len) => Prefix { len, ..*pfx }.net().map_err(|error| PrefixError { len: pfx.len, ..error }),
            None => {
                let [a, b, c, d, ..] = pfx.address.bytes;
                let ip = Ipv4Addr::new(a, b, c, d).to_ipv6_compatible();
                Prefix { address: ip.into(), len: pfx.len }.net()
            }
        }
    }

    /// The protocol that `vip` of `lb_vip_details` and `lb_as_details` tells, `None` when it does not.
    ///
    /// Before 26.10 the field is always 0. That of an all-port VIP is known all the same: VPP makes it 255.
    ///
    /// ```
    /// use vpp_api::messages::lb::LbVip;
    /// use vpp_api::release::Quirks;
    /// use vpp_api::types::IpProto;
    ///
    /// let shown = LbVip { protocol: IpProto(0), port: 443, ..LbVip::default() };
    /// assert_eq!(Quirks::BEFORE_26_10.protocol(&shown), None, "TCP or UDP");
    /// assert_eq!(Quirks::BEFORE_26_10.protocol(&LbVip { port: 0, ..shown }), Some(IpProto::ANY));
    /// ```
    #[must_use]
    pub fn protocol(self, vip: &LbVip) -> Option<IpProto> {
        match vip.port {
            _ if self.corrected => Some(vip.protocol),
            0 => Some(IpProto::ANY),
            _ => None,
        }
    }

    /// What `encap` of `lb_vip_details` stands for.
    ///
    /// Before 26.10 it is VPP's internal type of a VIP, which is family and encapsulation in one (`lb_vip_type_t`, VPP
    /// `src/plugins/lb/lb.h`). A number that names none stays what it was, as [`Encap::Unknown`].
    ///
    /// ```
    /// use vpp_api::release::Quirks;
    /// use vpp_api::types::Encap;
    ///
    /// let shown = Encap::from(1);
    /// assert_eq!(Quirks::NONE.details_encap(shown), Encap::Gre6);
    /// assert_eq!(Quirks::BEFORE_26_10.details_encap(shown), Encap::Gre4, "`ip6-gre4`");
    /// ```
    #[must_use]
    pub fn details_encap(self, encap: Encap) -> Encap {
        match u32::from(encap) {
            _ if self.corrected => encap,
            0 | 2 => Encap::Gre6,
            1 | 3 => Encap::Gre4,
            4 => Encap::L3dsr,
            5 => Encap::Nat4,
            6 => Encap::Nat6,
            other => Encap::Unknown(other),
        }
    }

    /// What `flow_table_length` of `lb_vip_details` shows for a VIP of `length` buckets.
    ///
    /// A u32 in a u16: 26.10 sends the low half, releases before it the high half. Compare this with what arrived
    /// rather than lengths, or half of them would differ for ever.
    ///
    /// ```
    /// use vpp_api::release::Quirks;
    ///
    /// let shown = |length| [Quirks::NONE, Quirks::BEFORE_26_10].map(|quirks| quirks.shown_table_length(length));
    /// assert_eq!(shown(1024), [1024, 0]);
    /// assert_eq!(shown(65_536), [0, 1]);
    /// ```
    #[must_use]
    pub fn shown_table_length(self, length: u32) -> u16 {
        let [a, b, c, d] = length.to_be_bytes();
        u16::from_be_bytes(if self.corrected { [c, d] } else { [a, b] })
    }

    /// The length behind `flow_table_length` of `lb_vip_details`, `None` when the half that shows is zero.
    ///
    /// Lengths are powers of two, so that one half tells all, if it is the right one: below 65,536 in 26.10, from
    /// there on before it.
    ///
    /// ```
    /// use vpp_api::release::Quirks;
    ///
    /// assert_eq!(Quirks::NONE.table_length(1024), Some(1024));
    /// assert_eq!(Quirks::BEFORE_26_10.table_length(1), Some(65_536));
    /// assert_eq!(Quirks::BEFORE_26_10.table_length(0), None, "anything below that");
    /// ```
    #[must_use]
    pub fn table_length(self, shown: u16) -> Option<u32> {
        let shown = u32::from(shown);
        (shown != 0).then_some(if self.corrected { shown } else { shown << 16 })
    }

    /// Whether `lb_vip_dump` leaves out removed VIPs that linger until their servers are forgotten.
    ///
    /// Before 26.10 it shows them, and nothing in the row tells; a VIP that was added again is then there twice. They
    /// never go by themselves there, only when one of the commands `lb vip`, `lb as` and `lb conf` collects garbage: who
    /// uses messages alone has each removed VIP in the dump for ever.
    /// `show lb vips brief` does tell there, a line for each VIP. A text that does not fit VPP's API segment aborts VPP:
    /// count the rows of a dump first.
    ///
    /// ```
    /// use vpp_api::messages::vlib::CliInband;
    /// use vpp_api::release::Quirks;
    ///
    /// /// What to ask besides the dump, to know which of its so many VIPs are in use.
    /// fn second_question(quirks: Quirks, vips: usize) -> Result<Option<CliInband>, &'static str> {
    ///     match quirks.hides_removed_vips() {
    ///         true => Ok(None),
    ///         false if vips <= 10_000 => Ok(Some(CliInband { cmd: "show lb vips brief".into() })),
    ///         false => Err("VPP might die of its answer"),
    ///     }
    /// }
    /// assert_eq!(second_question(Quirks::NONE, 1_000_000), Ok(None));
    /// assert!(second_question(Quirks::BEFORE_26_10, 1_000).is_ok_and(|question| question.is_some()));
    /// assert!(second_question(Quirks::BEFORE_26_10, 1_000_000).is_err());
    /// ```
    #[must_use]
    pub fn hides_removed_vips(self) -> bool {
        self.corrected
    }
}

/// Bits of VPP's `ip46_address_t` before an IPv4 address.
const IP4_OFFSET: u8 = 96;
