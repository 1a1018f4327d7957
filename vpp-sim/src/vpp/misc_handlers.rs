//! Handlers of everything but lb: who VPP is, its interfaces, its routes, its CLI.

use vpp_api::messages::interface::{SwInterfaceDetails, SwInterfaceDump, WantInterfaceEvents};
use vpp_api::messages::ip::{
    FibPath, FibPathNh, IpRoute, IpRouteLookup, IpRouteLookupReply, IpRouteLookupV2, IpRouteLookupV2Reply, IpRouteV2,
};
use vpp_api::messages::memclnt::ControlPingReply;
use vpp_api::messages::vlib::{CliInband, CliInbandReply};
use vpp_api::messages::vpe::{ShowVersionReply, ShowVpeSystemTimeReply};
use vpp_api::types::{
    AddressFamily, AddressUnion, Counted, FibPathFlags, FibPathType, FixedString, IfStatusFlags, IfType,
    InterfaceIndex, LinkDuplex, MacAddress, NextHopProto, Prefix, Retval, Text, Timestamp,
};

use super::{Interface, Now, Vpp};
use crate::addr::{Ip46, Prefix46};
use crate::fib::{Family, Forwarding, Route};
use crate::lb::Fatal;

impl Vpp {
    pub(crate) fn control_ping(&self, client_index: u32) -> ControlPingReply {
        ControlPingReply {
            retval: Retval::OK,
            client_index: match self.identity.release.fills_in_the_client_of_a_ping() {
                true => client_index,
                // Left-over memory: mostly zero, parts of an address behind a dump. Never what a client may rely on.
                false => !client_index,
            },
            vpe_pid: self.identity.pid,
        }
    }

    pub(crate) fn show_version(&self) -> ShowVersionReply {
        let build = self.identity.release.build();
        ShowVersionReply {
            retval: Retval::OK,
            program: FixedString::clipped("vpe"),
            version: FixedString::clipped(build.version),
            build_date: FixedString::clipped(build.date),
            build_directory: FixedString::clipped(build.directory),
        }
    }

    pub(crate) fn show_vpe_system_time(&self, now: Now) -> ShowVpeSystemTimeReply {
        ShowVpeSystemTimeReply { retval: Retval::OK, vpe_system_time: Timestamp::from_secs(now.unix) }
    }

    pub(crate) fn cli_inband(&mut self, now: Now, request: &CliInband) -> Result<CliInbandReply, Fatal> {
        let (code, text) = self.run_cli(now, &request.cmd.to_str_lossy())?;
        if text.len() > API_SEGMENT {
            return Err(Fatal::ReplyTooLarge(text.len()));
        }
        Ok(CliInbandReply { retval: Retval(code), reply: Text::from(text) })
    }

    pub(crate) fn sw_interface_dump(&self, request: &SwInterfaceDump) -> Vec<SwInterfaceDetails> {
        let name_part = request.name_filter.to_str_lossy().to_lowercase();
        let all = matches!(request.sw_if_index, InterfaceIndex::NONE | InterfaceIndex(0));
        let wanted = |&(index, interface): &(usize, &Interface)| {
            if request.name_filter_valid {
                interface.name.to_lowercase().contains(&name_part)
            } else {
                all || request.sw_if_index.0 as usize == index
            }
        };
        self.interfaces
            .iter()
            .enumerate()
            .filter(wanted)
            .map(|(index, interface)| interface.details(index as u32))
            .collect()
    }

    /// -31 if the client already has, or has not, asked for events.
    pub(crate) fn want_interface_events(&mut self, client_index: u32, request: &WantInterfaceEvents) -> Retval {
        let had = self.event_registrations.contains_key(&client_index);
        let wants = request.enable_disable != 0;
        if had == wants {
            return INVALID_REGISTRATION;
        }
        if wants {
            self.event_registrations.insert(client_index, request.pid);
        } else {
            self.event_registrations.remove(&client_index);
        }
        Retval::OK
    }

    pub(crate) fn ip_route_lookup(&self, request: &IpRouteLookup) -> IpRouteLookupReply {
        match self.look_up(request.table_id, request.exact, &request.prefix) {
            Ok(route) => IpRouteLookupReply {
                retval: Retval::OK,
                route: IpRoute {
                    table_id: request.table_id,
                    stats_index: route.stats_index,
                    prefix: api_prefix(family(&request.prefix), route.prefix),
                    paths: self.paths(family(&request.prefix), route),
                },
            },
            Err(retval) => IpRouteLookupReply { retval, route: IpRoute::default() },
        }
    }

    pub(crate) fn ip_route_lookup_v2(&self, request: &IpRouteLookupV2) -> IpRouteLookupV2Reply {
        match self.look_up(request.table_id, request.exact, &request.prefix) {
            Ok(route) => IpRouteLookupV2Reply {
                retval: Retval::OK,
                route: IpRouteV2 {
                    table_id: request.table_id,
                    stats_index: route.stats_index,
                    prefix: api_prefix(family(&request.prefix), route.prefix),
                    src: fib_source(route.forwarding),
                    paths: self.paths(family(&request.prefix), route),
                },
            },
            Err(retval) => IpRouteLookupV2Reply { retval, route: IpRouteV2::default() },
        }
    }

    fn look_up(&self, table_id: u32, exact: u8, prefix: &Prefix) -> Result<Route, Retval> {
        if table_id != 0 {
            return Err(Retval::NO_SUCH_FIB);
        }
        let family = family(prefix);
        let prefix = Prefix46 {
            address: Ip46::from(prefix.address.ip()),
            // Too long a length is undefined in VPP; here it finds what a host address would.
            stored_len: match family {
                Family::Ip4 => 96 + prefix.len.min(32),
                Family::Ip6 => prefix.len.min(128),
            },
        };
        let found = match exact {
            0 => self.fib.longest(family, prefix),
            _ => self.fib.exact(family, prefix),
        };
        found.ok_or(Retval::NO_SUCH_ENTRY)
    }

    fn paths(&self, family: Family, route: Route) -> Counted<FibPath, u8> {
        let (sw_if_index, next_hop) = match route.forwarding {
            Forwarding::Server => (InterfaceIndex(self.uplink()), api_prefix(family, route.prefix).address.bytes),
            Forwarding::Lb(_) | Forwarding::Drop => (InterfaceIndex::NONE, [0; 16]),
        };
        let path = FibPath {
            sw_if_index,
            table_id: 0,
            rpf_id: 0,
            weight: 1,
            preference: 0,
            r#type: match route.forwarding {
                Forwarding::Drop => FibPathType::Drop,
                Forwarding::Server | Forwarding::Lb(_) => FibPathType::Normal,
            },
            flags: FibPathFlags::default(),
            proto: match family {
                Family::Ip4 => NextHopProto::Ip4,
                Family::Ip6 => NextHopProto::Ip6,
            },
            nh: FibPathNh { address: AddressUnion(next_hop), ..FibPathNh::default() },
            n_labels: 0,
            label_stack: Default::default(),
        };
        Counted::try_from(vec![path]).expect("one path can be counted")
    }
}

impl Interface {
    fn details(&self, index: u32) -> SwInterfaceDetails {
        let flags = if self.is_up {
            IfStatusFlags(IfStatusFlags::ADMIN_UP.0 | IfStatusFlags::LINK_UP.0)
        } else {
            IfStatusFlags::default()
        };
        SwInterfaceDetails {
            sw_if_index: InterfaceIndex(index),
            sup_sw_if_index: index,
            l2_address: self.mac,
            flags,
            r#type: IfType::Hardware,
            link_duplex: LinkDuplex::NotKnown,
            link_speed: 0,
            link_mtu: self.mtu,
            mtu: [self.mtu.into(), 0, 0, 0],
            sub_id: 0,
            sub_number_of_tags: 0,
            sub_outer_vlan_id: 0,
            sub_inner_vlan_id: 0,
            sub_if_flags: 0,
            vtr_op: 0,
            vtr_push_dot1q: 0,
            vtr_tag1: 0,
            vtr_tag2: 0,
            outer_tag: 0,
            b_dmac: MacAddress::default(),
            b_smac: MacAddress::default(),
            b_vlanid: 0,
            i_sid: 0,
            interface_name: FixedString::clipped(&self.name),
            interface_dev_type: FixedString::clipped(self.driver),
            tag: FixedString::default(),
        }
    }
}

fn family(prefix: &Prefix) -> Family {
    match prefix.address.af {
        AddressFamily::Ip4 => Family::Ip4,
        _ => Family::Ip6,
    }
}

fn api_prefix(family: Family, prefix: Prefix46) -> Prefix {
    let bytes = prefix.address.bytes();
    let [.., a, b, c, d] = bytes;
    match family {
        Family::Ip4 => {
            Prefix { address: std::net::IpAddr::from([a, b, c, d]).into(), len: prefix.stored_len.saturating_sub(96) }
        }
        Family::Ip6 => Prefix { address: std::net::IpAddr::from(bytes).into(), len: prefix.stored_len },
    }
}

/// Numbers that depend on the process; these are of no particular one.
fn fib_source(forwarding: Forwarding) -> u8 {
    match forwarding {
        Forwarding::Lb(_) => 29,
        Forwarding::Server => 22,
        Forwarding::Drop => 23,
    }
}

const INVALID_REGISTRATION: Retval = Retval(-31);

/// The API segment's usual size; a live VPP aborted over a text that did not fit.
const API_SEGMENT: usize = 16 << 20;
