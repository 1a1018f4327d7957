//! What the lb plugin's `show` commands print, character for character (VPP `src/plugins/lb/lb.c`).

use std::fmt::Write;

use crate::lb::{AppServer, Lb, Vip, VipCounter, VipType};

/// `show lb`.
pub(crate) fn main(lb: &Lb, now: u32) -> String {
    let conf = lb.conf();
    let mut text = format!(
        "lb_main ip4-src-address: {} \n ip6-src-address: {} \n #vips: {}\n #ass: {}\n",
        conf.ip4_source,
        crate::addr::ip6_text(conf.ip6_source),
        lb.vip_count(),
        lb.server_count(),
    );
    for (thread, timeout, live, size) in lb.sticky_usage(now) {
        push(&mut text, format_args!("core {thread}\n  timeout: {timeout}s\n  usage: {live} / {size}\n"));
    }
    text
}

/// `show lb vips`, one line per VIP.
pub(crate) fn vips(lb: &Lb) -> String {
    let mut text = String::new();
    for (_, vip) in lb.vips() {
        push(
            &mut text,
            format_args!(
                "{} {} new_size:{} #as:{}{}",
                vip.vip_type.name(),
                vip.key.prefix,
                vip.table_length.get(),
                vip.ases.count(),
                if vip.in_use { "" } else { " removed" },
            ),
        );
        if vip.key.port != 0 {
            push(&mut text, format_args!("  protocol:{} port:{} ", vip.key.protocol, vip.key.port));
        }
        if vip.vip_type == VipType::Ip4L3dsr {
            push(&mut text, format_args!("  dscp:{}", vip.dscp_or_srv_type));
        } else if vip.vip_type.is_nat() {
            push(&mut text, format_args!(" {}", nat(vip)));
        }
        text.push('\n');
    }
    text
}

/// `show lb vips verbose`, a block per VIP and an empty line behind each.
pub(crate) fn vips_verbose(lb: &Lb) -> String {
    let mut text = String::new();
    for (index, vip) in lb.vips() {
        push(
            &mut text,
            format_args!(
                " {} [{index}] {}{}{}\n  new_size:{}\n",
                vip.vip_type.name(),
                vip.key.prefix,
                if vip.src_ip_sticky { " src_ip_sticky" } else { "" },
                if vip.in_use { "" } else { " removed" },
                vip.table_length.get(),
            ),
        );
        if vip.key.port != 0 {
            push(&mut text, format_args!("  protocol:{} port:{}\n", vip.key.protocol, vip.key.port));
        }
        if vip.vip_type == VipType::Ip4L3dsr {
            push(&mut text, format_args!("  dscp:{}\n", vip.dscp_or_srv_type));
        } else if vip.vip_type.is_nat() {
            // VPP forgets the end of this line.
            push(&mut text, format_args!("  {}", nat(vip)));
        }
        text.push_str("  counters:\n");
        for (counter, value) in VipCounter::ALL.iter().zip(lb.counters(index)) {
            push(&mut text, format_args!("    {}: {value}\n", counter.name()));
        }
        push(&mut text, format_args!("  #as:{}\n", vip.ases.count()));
        for (slot, server, buckets) in lb.servers_with_buckets(index) {
            server_line(&mut text, lb, slot, &server, buckets);
        }
        text.push('\n');
    }
    text
}

fn server_line(text: &mut String, lb: &Lb, slot: u32, server: &AppServer, buckets: u32) {
    let flows = lb.references(slot) as u64;
    let (address, dpo) = (server.address, server.stats_index);
    let used = if server.in_use { "used" } else { " removed" };
    if lb.release().has_weights() {
        let weight = server.weight;
        push(text, format_args!("    {address} weight:{weight} buckets:{buckets} flows:{flows} dpo:{dpo} {used}\n"));
    } else {
        push(text, format_args!("    {address} {buckets} buckets   {flows} flows  dpo:{dpo} {used}\n"));
    }
}

/// The port is swapped once too often: 80 prints as 20480.
fn nat(vip: &Vip) -> String {
    format!(
        "type:{} port:{} target_port:{}",
        if vip.is_node_port() { "nodeport" } else { "clusterip" },
        vip.key.port.swap_bytes(),
        vip.target_port,
    )
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a String takes everything");
}
