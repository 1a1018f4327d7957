//! Random operations and packets against what must always hold.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Op {
    AddVip { vip: usize, encap: u32, table_length: u32 },
    DeleteVip { vip: usize },
    Add { vip: usize, server: u8, weight: u8, flush: bool },
    Remove { vip: usize, server: u8, flush: bool },
    SetWeight { vip: usize, server: u8, weight: u8, flush: bool },
    FlushVip { vip: usize },
    Resize { sticky_buckets: u32 },
    Packet { vip: usize, hash: u32 },
    Wait { seconds: u32 },
    Collect,
}

/// Prefixes that overlap, share an address, or stand alone.
const VIPS: [&str; 6] = [
    "192.0.2.1/32 6 80",
    "192.0.2.1/32 6 443",
    "192.0.2.1/32",
    "192.0.2.0/30",
    "2001:db8::1/128 17 53",
    "2001:db8::/64",
];

fn op() -> impl Strategy<Value = Op> {
    let vip = 0..VIPS.len();
    prop_oneof![
        2 => (vip.clone(), 0..3_u32, 0..8_u32).prop_map(|(vip, encap, log2)| Op::AddVip { vip, encap, table_length: 1 << log2 }),
        1 => vip.clone().prop_map(|vip| Op::DeleteVip { vip }),
        6 => (vip.clone(), 1..6_u8, any::<u8>(), any::<bool>())
            .prop_map(|(vip, server, weight, flush)| Op::Add { vip, server, weight, flush }),
        3 => (vip.clone(), 1..6_u8, any::<bool>()).prop_map(|(vip, server, flush)| Op::Remove { vip, server, flush }),
        3 => (vip.clone(), 1..6_u8, any::<u8>(), any::<bool>())
            .prop_map(|(vip, server, weight, flush)| Op::SetWeight { vip, server, weight, flush }),
        1 => vip.clone().prop_map(|vip| Op::FlushVip { vip }),
        1 => (0..6_u32).prop_map(|log2| Op::Resize { sticky_buckets: 1 << log2 }),
        12 => (vip, 0..64_u32).prop_map(|(vip, hash)| Op::Packet { vip, hash }),
        2 => (1..80_u32).prop_map(|seconds| Op::Wait { seconds }),
        1 => Just(Op::Collect),
    ]
}

impl Bench {
    fn apply(&mut self, op: Op) -> Result<(), Fatal> {
        match op {
            Op::AddVip { vip, encap, table_length } => drop(self.add_vip(VIPS[vip], encap, table_length)?),
            Op::DeleteVip { vip } => drop(self.delete_vip(VIPS[vip])),
            Op::Add { vip, server, weight, flush } => {
                let server = self.server(vip, server);
                self.lb.add_servers(&mut self.fib, self.now, key(VIPS[vip]), &[server], weight, flush);
            }
            Op::Remove { vip, server, flush } => {
                let server = self.server(vip, server);
                self.lb.remove_servers(&mut self.fib, self.now, key(VIPS[vip]), &[server], flush);
            }
            Op::SetWeight { vip, server, weight, flush } => {
                let server = self.server(vip, server);
                self.lb.set_weight(key(VIPS[vip]), server, weight, flush);
            }
            Op::FlushVip { vip } => {
                if let Some(index) = self.lb.find_vip(key(VIPS[vip])) {
                    self.lb.flush_vip(index);
                }
            }
            Op::Resize { sticky_buckets } => drop(self.lb.set_conf(Conf { sticky_buckets, ..self.lb.conf() })),
            Op::Packet { vip, hash } => drop(self.send(VIPS[vip], hash)?),
            Op::Wait { seconds } => self.now += seconds,
            Op::Collect => self.collect_garbage(),
        }
        Ok(())
    }

    /// A server of the family that the VIP wants.
    fn server(&self, vip: usize, number: u8) -> Ip46 {
        let index = self.lb.find_vip(key(VIPS[vip]));
        let family = index.and_then(|index| self.lb.vips.get(index)).map(|vip| vip.vip_type.server_family());
        match family {
            Some(Family::Ip6) => address(&format!("2001:db8:1::{number}")),
            _ => address(&format!("10.0.0.{number}")),
        }
    }

    fn check(&self) {
        for (index, vip) in self.lb.vips() {
            let servers = self.lb.servers_with_buckets(index);
            let total: u32 = servers.iter().map(|(_, _, buckets)| buckets).sum();
            let carries = vip.in_use && servers.iter().any(|(_, server, _)| server.in_use && server.weight > 0);
            assert_eq!(total, if carries { vip.table_length.get() } else { 0 }, "buckets of {:?}", vip.key);
            for (_, server, buckets) in &servers {
                assert!(*buckets == 0 || (server.in_use && server.weight > 0));
                let route = self.fib.exact(vip.vip_type.server_family(), Prefix46::host(server.address));
                assert_eq!(route.map(|route| route.stats_index), Some(server.stats_index));
            }
            if vip.in_use {
                let route = self.fib.exact(vip.vip_type.vip_family(), vip.key.prefix).expect("a VIP's route");
                assert!(route.forwarding.delivery().is_some());
                assert_eq!(self.lb.find_vip(vip.key), Some(index));
            }
        }
        // The count of references is what the sticky tables say.
        for (slot, _) in self.lb.ases.iter().skip(1) {
            let tables = self.lb.sticky.iter().flatten();
            let named = tables.flat_map(|table| table.servers()).filter(|&named| named == slot).count();
            assert_eq!(self.lb.references(slot), named as i64, "references to AS {slot}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_asked_the_books_balance(ops in prop::collection::vec(op(), 1..120)) {
        let mut bench = Bench::new();
        bench.lb.set_conf(Conf { sticky_buckets: 4, ..bench.lb.conf() });
        for op in ops {
            // No server here is a VIP, and no length is fatal.
            prop_assert_eq!(bench.apply(op), Ok(()));
            bench.check();
        }
    }

    #[test]
    fn a_formula_and_a_filled_table_agree(weights in prop::collection::vec(any::<u8>(), 0..12), log2 in 0..12_u32) {
        let vip = "192.0.2.1/32";
        let mut bench = Bench::new();
        prop_assert_eq!(bench.add_vip(vip, GRE4, 1 << log2), Ok(Retval::OK));
        for (number, weight) in weights.iter().enumerate() {
            bench.add(vip, &format!("10.0.1.{number}"), *weight);
        }
        bench.lb.set_conf(Conf { sticky_buckets: 4096, ..bench.lb.conf() });
        let mut counted = std::collections::HashMap::<_, u32>::new();
        for hash in 0..1 << log2 {
            *counted.entry(bench.sent(vip, hash).1).or_default() += 1;
        }
        for (server, _, buckets, _) in bench.servers(vip) {
            prop_assert_eq!(counted.get(&Some(server)).copied().unwrap_or(0), buckets);
        }
    }
}
