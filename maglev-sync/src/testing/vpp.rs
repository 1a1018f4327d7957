//! A VPP small enough to be read: its lb plugin as the reference describes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::call::{AsRow, Call, CallFailure, Reply, VipRow};
use crate::model::*;
use crate::table::{TableSize, bucket_counts};

/// VPP's lb plugin: conflicts, lingering removed servers, revival, pool indices, text; as a [`crate::Dataplane`] shows it where VPP has
/// no weights.
#[derive(Clone, Debug)]
pub(crate) struct FakeVpp {
    pub(crate) abilities: Abilities,
    pub(crate) conf: LbConf,
    /// Whether some thread has a sticky table. Without one a VPP before 26.10 does not tell numbers.
    pub(crate) has_sticky_table: bool,
    vips: Vec<FakeVip>,
    next_index: u32,
    routes: BTreeMap<IpNet, u32>,
    /// Every call, in order, refused ones included.
    pub(crate) log: Vec<Call>,
    /// Servers whose flows were evicted, in order.
    pub(crate) flushes: Vec<(VipKey, IpAddr)>,
}

#[derive(Clone, Debug)]
struct FakeVip {
    key: VipKey,
    encap: ActualEncap,
    length: u32,
    sticky: bool,
    used: bool,
    index: u32,
    ases: Vec<FakeAs>,
}

#[derive(Clone, Debug)]
struct FakeAs {
    address: IpAddr,
    weight: u8,
    used: bool,
}

impl FakeVpp {
    pub(crate) fn new() -> Self {
        Self {
            abilities: Abilities::default(),
            conf: LbConf::default(),
            has_sticky_table: true,
            vips: Vec::new(),
            next_index: 1,
            routes: BTreeMap::new(),
            log: Vec::new(),
            flushes: Vec::new(),
        }
    }

    /// An empty one that can do this much.
    pub(crate) fn able(abilities: Abilities) -> Self {
        Self { abilities, ..Self::new() }
    }

    /// One that holds just what is desired, settings included.
    pub(crate) fn as_desired(desired: &Desired) -> Self {
        Self::new().with(desired)
    }

    /// The same without weights, if so.
    pub(crate) fn holding(desired: &Desired, weights: bool) -> Self {
        Self::able(super::abilities(weights)).with(desired)
    }

    /// The same with just what is desired.
    fn with(self, desired: &Desired) -> Self {
        let mut vpp = self;
        vpp.conf = LbConf {
            ip4_src: desired.conf.ip4_src,
            ip6_src: desired.conf.ip6_src,
            sticky_buckets_per_core: Some(desired.conf.sticky_buckets.get()),
            flow_timeout: Some(desired.conf.flow_timeout.as_secs()),
        };
        for (key, vip) in &desired.vips {
            vpp.put(*key, vip);
        }
        vpp
    }

    /// Somebody else adds a VIP with its servers.
    pub(crate) fn put(&mut self, key: VipKey, vip: &DesiredVip) {
        let DesiredVip { encap, table_length, src_ip_sticky, .. } = *vip;
        self.quietly(Call::VipAdd { key, encap, table_length, src_ip_sticky });
        for (&address, target) in &vip.targets {
            self.quietly(Call::AsAdd { key, address, weight: self.abilities.weight(target.weight) });
        }
    }

    /// Somebody else makes a call.
    pub(crate) fn quietly(&mut self, call: Call) {
        let (log, flushes) = (self.log.len(), self.flushes.len());
        self.execute(&call).unwrap_or_else(|failure| panic!("{call}: {failure}"));
        self.log.truncate(log);
        self.flushes.truncate(flushes);
    }

    /// VPP's process is started again.
    pub(crate) fn restart(&mut self) {
        let (log, flushes) = (std::mem::take(&mut self.log), std::mem::take(&mut self.flushes));
        *self = Self { log, flushes, ..Self::able(self.abilities) };
    }

    /// Writes among the calls.
    pub(crate) fn writes(&self) -> Vec<Call> {
        self.log.iter().filter(|call| call.is_write()).cloned().collect()
    }

    /// What VPP holds, whole.
    pub(crate) fn actual(&self) -> Actual {
        let vip = |vip: &FakeVip| ActualVip {
            encap: vip.encap,
            src_ip_sticky: Some(vip.sticky),
            table_length: ActualLength::Whole(vip.length),
            pool_index: Some(vip.index),
            ases: vip
                .ases
                .iter()
                .filter(|server| server.used)
                .map(|server| (server.address, ActualAs { weight: server.weight, never_raised: false }))
                .collect(),
            lingering: vip.ases.iter().filter(|server| !server.used).map(|server| server.address).collect(),
        };
        let used = self.vips.iter().filter(|vip| vip.used);
        let vips = used.map(|fake| (fake.key, vip(fake))).collect();
        Actual { abilities: self.abilities, conf: self.told_conf(), vips }
    }

    /// What VPP holds, as it is read for the sake of this desired state.
    pub(crate) fn read_for(&self, desired: &Desired) -> Actual {
        let mut actual = self.actual();
        actual.complete(desired);
        actual
    }

    fn told_conf(&self) -> LbConf {
        if self.abilities.weights || self.has_sticky_table {
            return self.conf;
        }
        LbConf { sticky_buckets_per_core: None, flow_timeout: None, ..self.conf }
    }

    /// The weight of a server in use.
    pub(crate) fn weight(&self, key: &VipKey, address: IpAddr) -> Option<u8> {
        let vip = self.vips.iter().find(|vip| vip.used && vip.key == *key)?;
        vip.ases.iter().find(|server| server.used && server.address == address).map(|server| server.weight)
    }

    pub(crate) fn has(&self, key: &VipKey) -> bool {
        self.vips.iter().any(|vip| vip.used && vip.key == *key)
    }

    /// Whether new flows to the VIP find a server.
    pub(crate) fn serves(&self, key: &VipKey) -> bool {
        let vip = self.vips.iter().find(|vip| vip.used && vip.key == *key);
        vip.is_some_and(|vip| vip.ases.iter().any(|server| server.used && server.weight > 0))
    }

    pub(crate) fn pool_index(&self, key: &VipKey) -> Option<u32> {
        self.vips.iter().find(|vip| vip.used && vip.key == *key).map(|vip| vip.index)
    }

    pub(crate) fn route(&self, prefix: IpNet) -> Option<u32> {
        self.routes.get(&prefix).copied()
    }

    /// Carries a call out as VPP does.
    pub(crate) fn execute(&mut self, call: &Call) -> Result<Reply, CallFailure> {
        self.log.push(call.clone());
        match *call {
            Call::ConfGet => Ok(Reply::Conf(self.told_conf())),
            Call::Conf(update) => {
                (self.conf.ip4_src, self.conf.ip6_src) = (update.ip4_src, update.ip6_src);
                if let Some(buckets) = update.sticky_buckets {
                    self.conf.sticky_buckets_per_core = Some(buckets.get());
                }
                if let Some(timeout) = update.flow_timeout {
                    self.conf.flow_timeout = Some(timeout.as_secs());
                }
                Ok(Reply::Done)
            }
            Call::VipDump => {
                let row = |vip: &FakeVip| VipRow { key: vip.key, encap: vip.encap, table_length: vip.length as u16 };
                Ok(Reply::Vips(self.vips.iter().filter(|vip| vip.used).map(row).collect()))
            }
            Call::AsDump(filter) => Ok(Reply::Ases(self.as_rows(filter))),
            Call::Verbose => Ok(Reply::Text(self.verbose())),
            Call::Route(prefix) => Ok(Reply::Route(self.route(prefix))),
            _ => {
                let reply = if self.abilities.weights { self.write(call) } else { self.write_without_weights(call) };
                self.check(call);
                reply
            }
        }
    }

    fn write(&mut self, call: &Call) -> Result<Reply, CallFailure> {
        match *call {
            Call::VipAdd { key, encap, table_length, src_ip_sticky } => {
                let encap = ActualEncap::Gre(encap);
                for other in self.vips.iter().filter(|vip| vip.used && vip.key.prefix() == key.prefix()) {
                    if other.key == key || other.key.is_all_port() != key.is_all_port() {
                        return refused(-81);
                    }
                    if other.encap != encap {
                        return refused(-73);
                    }
                }
                let index = self.next_index;
                self.next_index += 1;
                self.routes.entry(key.prefix()).or_insert(1000 + index);
                let length = table_length.get();
                self.vips.push(FakeVip { key, encap, length, sticky: src_ip_sticky, used: true, index, ases: vec![] });
            }
            Call::VipDel(key) => {
                let vip = self.vip(&key)?;
                vip.used = false;
                vip.ases.iter_mut().for_each(|server| server.used = false);
                if !self.vips.iter().any(|vip| vip.used && vip.key.prefix() == key.prefix()) {
                    self.routes.remove(&key.prefix());
                }
            }
            Call::AsAdd { key, address, weight } => {
                let vip = self.vip(&key)?;
                if !matches!(vip.encap, ActualEncap::Gre(encap) if encap.reaches(address)) {
                    return refused(-97);
                }
                match vip.ases.iter_mut().find(|server| server.address == address) {
                    Some(server) if server.used => return refused(-81),
                    Some(server) => (server.used, server.weight) = (true, weight.get()),
                    None => vip.ases.push(FakeAs { address, weight: weight.get(), used: true }),
                }
                let next = 2000 + self.routes.len() as u32;
                self.routes.entry(IpNet::from(address)).or_insert(next);
            }
            Call::AsDel { key, address, flush } => {
                let Some(server) = self.vip(&key)?.ases.iter_mut().find(|server| server.address == address) else {
                    return refused(-6);
                };
                server.used = false;
                if flush {
                    self.flushes.push((key, address));
                }
            }
            Call::AsSetWeight { key, address, weight, flush } => {
                let server = self.vip(&key)?.ases.iter_mut().find(|server| server.used && server.address == address);
                let Some(server) = server else { return refused(-6) };
                server.weight = weight.get();
                if flush {
                    self.flushes.push((key, address));
                }
            }
            _ => unreachable!("{call} is no write"),
        }
        Ok(Reply::Done)
    }

    /// Weight 1 is an addition, weight 0 a deletion without flush; what is so already is done.
    fn write_without_weights(&mut self, call: &Call) -> Result<Reply, CallFailure> {
        let (key, address, weight, flush) = match *call {
            // VPP is not even asked.
            Call::AsAdd { weight, .. } if weight.is_zero() => return Ok(Reply::Done),
            Call::AsAdd { key, address, weight } => (key, address, weight, false),
            Call::AsSetWeight { key, address, weight, flush } => (key, address, weight, flush),
            Call::AsDel { key, address, flush } => (key, address, Weight::ZERO, flush),
            _ => return self.write(call),
        };
        assert!(weight.get() <= 1, "{call}: VPP has no weights");
        let (done, call) = if weight.is_zero() {
            (-6, Call::AsDel { key, address, flush })
        } else {
            (-81, Call::AsAdd { key, address, weight })
        };
        match self.write(&call) {
            Err(CallFailure::Refused { retval, .. }) if retval == done => {
                if flush {
                    self.flushes.push((key, address));
                }
                Ok(Reply::Done)
            }
            reply => reply,
        }
    }

    /// The garbage collection takes what nobody remembers.
    pub(crate) fn collect(&mut self) {
        self.vips.iter_mut().for_each(|vip| vip.ases.retain(|server| server.used));
        self.vips.retain(|vip| vip.used);
    }

    fn vip(&mut self, key: &VipKey) -> Result<&mut FakeVip, CallFailure> {
        let found = self.vips.iter_mut().find(|vip| vip.used && vip.key == *key);
        found.ok_or_else(|| refusal(-6))
    }

    /// A real VPP would have crashed.
    fn check(&self, call: &Call) {
        let used = |vip: &&FakeVip| vip.used;
        match call {
            Call::VipAdd { key, .. } => {
                for server in self.vips.iter().flat_map(|vip| &vip.ases).filter(|server| server.used) {
                    assert!(!key.prefix().contains(&server.address), "server {} is the VIP {key}", server.address);
                }
            }
            Call::AsAdd { address, .. } => {
                let vip = self.vips.iter().filter(used).find(|vip| vip.key.prefix().contains(address));
                assert!(
                    vip.is_none(),
                    "server {address} is the VIP {}",
                    vip.map_or(String::new(), |vip| vip.key.to_string())
                );
            }
            _ => {}
        }
    }

    fn as_rows(&self, filter: Option<VipKey>) -> Vec<AsRow> {
        let matches = |vip: &&FakeVip| {
            // VPP compares neither family nor length, only the bytes of the address.
            filter.is_none_or(|filter| {
                let same = (filter.protocol(), filter.port()) == (vip.key.protocol(), vip.key.port());
                same && filter.prefix().addr() == vip.key.prefix().addr()
            })
        };
        let rows = self.vips.iter().filter(matches).flat_map(|vip| {
            vip.ases.iter().map(|server| AsRow {
                key: vip.key,
                address: server.address,
                in_use: server.used,
                weight: server.weight,
            })
        });
        rows.collect()
    }

    fn verbose(&self) -> String {
        let mut text = String::new();
        for vip in &self.vips {
            let family = if vip.key.prefix().addr().is_ipv4() { "ip4" } else { "ip6" };
            let sticky = if vip.sticky { " src_ip_sticky" } else { "" };
            let removed = if vip.used { "" } else { " removed" };
            let _ = writeln!(
                text,
                " {family}-{} [{}] {}{sticky}{removed}\n  new_size:{}",
                vip.encap,
                vip.index,
                vip.key.prefix(),
                vip.length
            );
            if !vip.key.is_all_port() {
                let _ = writeln!(text, "  protocol:{} port:{}", vip.key.protocol().number(), vip.key.port());
            }
            text.push_str("  counters:\n    packet from existing sessions: 0\n    first session packet: 0\n");
            text.push_str("    untracked packet: 0\n    no server configured: 0\n");
            let _ = writeln!(text, "  #as:{}", vip.ases.len());
            let used: Vec<(IpAddr, u8)> =
                vip.ases.iter().map(|server| (server.address, if server.used { server.weight } else { 0 })).collect();
            let size = TableSize::new(vip.length).expect("a power of two");
            for (server, buckets) in vip.ases.iter().zip(bucket_counts(size, &used)) {
                let route = self.routes.get(&IpNet::from(server.address)).copied().unwrap_or(7);
                let state = if server.used { "used" } else { " removed" };
                let (address, weight) = (server.address, server.weight);
                let _ = if self.abilities.weights {
                    writeln!(text, "    {address} weight:{weight} buckets:{buckets} flows:{weight} dpo:{route} {state}")
                } else {
                    writeln!(text, "    {address} {buckets} buckets   {weight} flows  dpo:{route} {state}")
                };
            }
            text.push('\n');
        }
        text
    }
}

fn refused(retval: i32) -> Result<Reply, CallFailure> {
    Err(refusal(retval))
}

fn refusal(retval: i32) -> CallFailure {
    CallFailure::Refused { retval, text: "refused".to_owned() }
}
