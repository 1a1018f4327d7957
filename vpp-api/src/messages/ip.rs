//! Route look-ups, VPP `src/vnet/ip/ip.api` and `src/vnet/fib/fib_types.api`.

use crate::codec::{As, HostOrder};
use crate::types::{AddressUnion, Counted, FibPathFlags, FibPathType, InterfaceIndex, NextHopProto, Prefix};
use crate::{messages, wire_struct};

messages! {
    //!
    //! ```
    //! use vpp_api::message::Message;
    //! use vpp_api::messages::{Visitor, ip};
    //! use vpp_api::table::MessageTable;
    //!
    //! /// The messages that a VPP does not have.
    //! struct Lacking<'a>(&'a MessageTable, Vec<&'static str>);
    //!
    //! impl Visitor for Lacking<'_> {
    //!     fn visit<M: Message>(&mut self) {
    //!         self.1.extend(self.0.id_of::<M>().err().map(|_| M::NAME));
    //!     }
    //! }
    //!
    //! let table = [(43, "ip_route_lookup_710d6471"), (44, "ip_route_lookup_reply_5d8febcb")].into_iter().collect();
    //! let mut lacking = Lacking(&table, Vec::new());
    //! ip::visit(&mut lacking);
    //! assert_eq!(lacking.1, ["ip_route_lookup_v2", "ip_route_lookup_v2_reply"]);
    //! ```

    /// Looks a prefix up in a FIB table. 33 bytes. VPP stops its workers for it.
    ///
    /// ```
    /// use vpp_api::messages::ip::IpRouteLookup;
    ///
    /// let prefix = "198.51.100.7/32".parse::<ipnet::IpNet>()?.into();
    /// let longest_match = IpRouteLookup { prefix, ..IpRouteLookup::default() };
    /// assert_eq!((longest_match.table_id, longest_match.exact), (0, 0));
    /// # Ok::<_, ipnet::AddrParseError>(())
    /// ```
    request ip_route_lookup "710d6471" as IpRouteLookup => IpRouteLookupReply {
        /// FIB table, 0 for the default one.
        table_id: u32,
        /// 0 for the longest match, which always finds something, if only the default route; else exact.
        exact: u8,
        /// What to look up. VPP does not check the length.
        prefix: Prefix,
    }

    /// Answer to [`IpRouteLookup`]: -6 no such entry (exact only), -3 no such table. At least 37 bytes.
    ///
    /// ```
    /// use vpp_api::messages::ip::IpRouteLookupReply;
    /// use vpp_api::types::FibPathType;
    ///
    /// /// Whether packets go on to a neighbour.
    /// fn is_forwarded(reply: &IpRouteLookupReply) -> bool {
    ///     reply.route.paths.iter().any(|path| path.r#type == FibPathType::Normal)
    /// }
    /// ```
    reply ip_route_lookup_reply "5d8febcb" as IpRouteLookupReply {
        /// The route found, zeros on failure.
        route: IpRoute,
    }

    /// As [`IpRouteLookup`], telling who put the route in. 33 bytes.
    ///
    /// ```
    /// use vpp_api::messages::ip::IpRouteLookupV2;
    ///
    /// let prefix = "2001:db8::/32".parse::<ipnet::IpNet>()?.into();
    /// let exact = IpRouteLookupV2 { table_id: 0, exact: 1, prefix };
    /// # Ok::<_, ipnet::AddrParseError>(())
    /// ```
    request ip_route_lookup_v2 "710d6471" as IpRouteLookupV2 => IpRouteLookupV2Reply {
        /// FIB table, 0 for the default one.
        table_id: u32,
        /// 0 for the longest match, else exact.
        exact: u8,
        /// What to look up. VPP does not check the length.
        prefix: Prefix,
    }

    /// Answer to [`IpRouteLookupV2`]. At least 38 bytes.
    ///
    /// ```
    /// /// The prefix that matched, if one did.
    /// fn found(reply: &vpp_api::messages::ip::IpRouteLookupV2Reply) -> Option<String> {
    ///     reply.retval.is_ok().then(|| reply.route.prefix.to_string())
    /// }
    /// ```
    reply ip_route_lookup_v2_reply "84cc9e03" as IpRouteLookupV2Reply {
        /// The route found, zeros on failure.
        route: IpRouteV2,
    }
}

wire_struct! {
    /// `fib_path`, 167 bytes.
    ///
    /// ```
    /// use vpp_api::{messages::ip::FibPath, types::InterfaceIndex};
    ///
    /// /// Where packets leave, if that is known.
    /// fn interface(path: &FibPath) -> Option<InterfaceIndex> {
    ///     Some(path.sw_if_index).filter(|index| *index != InterfaceIndex::NONE)
    /// }
    /// ```
    #[derive(Copy)]
    struct fib_path as FibPath {
        /// Interface, all ones if none.
        sw_if_index: InterfaceIndex as As<u32>,
        /// Table in which a next hop without interface is looked up.
        table_id: u32,
        /// Reverse path forwarding id, in host order.
        rpf_id: u32 as HostOrder,
        /// Share of the traffic.
        weight: u8,
        /// The lowest wins.
        preference: u8,
        /// What happens to packets.
        r#type: FibPathType,
        /// Flags.
        flags: FibPathFlags,
        /// What `nh.address` is.
        proto: NextHopProto,
        /// Next hop.
        nh: FibPathNh,
        /// How many of `label_stack` count.
        n_labels: u8,
        /// MPLS labels.
        label_stack: [FibMplsLabel; 16],
    }

    /// `fib_path_nh`, 28 bytes.
    ///
    /// ```
    /// use std::net::IpAddr;
    /// use vpp_api::messages::ip::FibPath;
    /// use vpp_api::types::NextHopProto;
    ///
    /// /// Whom packets are sent to; zeros if the interface is all there is.
    /// fn next_hop(path: &FibPath) -> Option<IpAddr> {
    ///     match path.proto {
    ///         NextHopProto::Ip4 => Some(path.nh.address.ip4().into()),
    ///         NextHopProto::Ip6 => Some(path.nh.address.ip6().into()),
    ///         _ => None,
    ///     }
    /// }
    /// ```
    #[derive(Copy)]
    struct fib_path_nh as FibPathNh {
        /// Address of the next hop.
        address: AddressUnion,
        /// Label to resolve through.
        via_label: u32,
        /// Object to resolve through.
        obj_id: u32,
        /// Classifier table.
        classify_table_index: u32,
    }

    /// `fib_mpls_label`, 7 bytes.
    ///
    /// ```
    /// use vpp_api::messages::ip::{FibMplsLabel, FibPath};
    ///
    /// /// Those that count.
    /// fn labels(path: &FibPath) -> impl Iterator<Item = &FibMplsLabel> {
    ///     path.label_stack.iter().take(path.n_labels.into())
    /// }
    /// ```
    #[derive(Copy)]
    struct fib_mpls_label as FibMplsLabel {
        /// Uniform or pipe mode.
        is_uniform: u8,
        /// Label.
        label: u32,
        /// Time to live.
        ttl: u8,
        /// Traffic class.
        exp: u8,
    }
    /// `ip_route`: 27 bytes and 167 per path.
    ///
    /// ```
    /// use vpp_api::messages::ip::{FibPath, IpRoute};
    ///
    /// let route = IpRoute { paths: vec![FibPath::default(); 2].try_into()?, ..IpRoute::default() };
    /// assert_eq!(route.paths.len(), 2);
    /// # Ok::<_, vpp_api::types::TooMany>(())
    /// ```
    struct ip_route as IpRoute {
        /// As asked.
        table_id: u32,
        /// Row of the route in `/net/route/to` and `/net/route/via`.
        stats_index: u32,
        /// The prefix found.
        prefix: Prefix,
        n_paths: u8 = len(paths),
        /// Its paths.
        paths: Counted<FibPath, u8> [n_paths],
    }

    /// `ip_route_v2`: 28 bytes and 167 per path; `src` stands between the count and the paths.
    ///
    /// ```
    /// use vpp_api::messages::ip::IpRouteV2;
    ///
    /// /// Traffic is shared in proportion to the weights of the paths that are preferred.
    /// fn total_weight(route: &IpRouteV2) -> u32 {
    ///     let best = route.paths.iter().map(|path| path.preference).min();
    ///     route.paths.iter().filter(|path| Some(path.preference) == best).map(|path| u32::from(path.weight)).sum()
    /// }
    /// ```
    struct ip_route_v2 as IpRouteV2 {
        /// As asked.
        table_id: u32,
        /// Row of the route in `/net/route/to` and `/net/route/via`.
        stats_index: u32,
        /// The prefix found.
        prefix: Prefix,
        n_paths: u8 = len(paths),
        /// The best source of the route; the numbers depend on the process.
        src: u8,
        /// Its paths.
        paths: Counted<FibPath, u8> [n_paths],
    }
}
