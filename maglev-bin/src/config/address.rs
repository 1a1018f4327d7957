//! Which addresses VPP and the kernel can work with.

use std::net::{IpAddr, Ipv4Addr};

use super::report::{At, Report};

/// Reports an address that no single host can have. Loopback is let through: whole set-ups run on it.
pub(super) fn check_unicast(address: &At<IpAddr>, report: &mut Report) -> bool {
    let why = match address.value {
        _ if address.value.is_unspecified() => "the unspecified address",
        _ if address.value.is_multicast() => "a multicast address",
        IpAddr::V4(Ipv4Addr::BROADCAST) => "the broadcast address",
        IpAddr::V4(v4) if v4.octets()[0] == 0 => "in 0.0.0.0/8, which no host can have",
        _ => return true,
    };
    let message = format!("{} is {why}", address.value);
    report.semantic(&address.spot, message, "write the unicast address of a host".to_owned());
    false
}

/// Reports an address that VPP's lb plugin would take for another one, or that no single host can have.
pub(super) fn check_for_vpp(address: &At<IpAddr>, report: &mut Report) -> bool {
    let IpAddr::V6(v6) = address.value else {
        return check_unicast(address, report);
    };
    let bits = v6.to_bits();
    if !v6.is_unspecified() && bits >> 32 == 0 {
        let message = format!("{v6} is in ::/96, which VPP takes for IPv4 addresses");
        report.semantic(&address.spot, message, "use another IPv6 address".to_owned());
        return false;
    }
    let problem = if let Some(v4) = v6.to_ipv4_mapped() {
        // VPP would send to it over IPv6, while the kernel, and so every probe, goes over IPv4.
        Some((format!("{v6} is an IPv4-mapped address"), format!("write {v4}")))
    } else if v6.is_unicast_link_local() {
        Some((format!("{v6} is link-local, and says nothing of the link"), "use a routed address".to_owned()))
    } else {
        None
    };
    if let Some((message, help)) = problem {
        report.semantic(&address.spot, message, help);
        return false;
    }
    check_unicast(address, report)
}
