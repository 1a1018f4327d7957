//! A reconciler in the hands of fate: calls refused, replies late, links lost, VPP restarted or written by somebody else.
//!
//! Input: a byte of warm-up, what VPP holds at first, what it should hold, then operations of a selector and what it
//! needs; bytes that are missing are 0. A bit of what VPP holds and of each restart says whether that VPP has weights.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use maglev_sync::{
    Call, CallFailure, Cut, Desired, DesiredAs, DesiredVip, Event, Plan, RequestScope, Scope, Settings, SyncRequest,
    VipKey, WarmUpPhase,
};

use super::rig::Rig;
use super::states::{abilities, byte, desired, key, vip, vpp};
use super::vpp::IN_USE;

/// Checks each call when it is sent, and in the end that VPP is as desired and stays so. Returns the number of writes
/// that VPP carried out.
pub(crate) fn check(mut data: &[u8]) -> usize {
    let data = &mut data;
    let warm_up = byte(data);
    let seconds = |bits: u8| Duration::from_secs(u64::from(bits & 3) * 5);
    let mut world = World {
        rig: Rig::new(vpp(data), seconds(warm_up), seconds(warm_up) + seconds(warm_up >> 2)),
        desired: None,
        read: false,
        meddled: false,
        refusals: 0,
        incidents: 0,
        programmed: BTreeSet::new(),
        flushed: BTreeMap::new(),
        settled: BTreeSet::new(),
        writes: 0,
    };
    world.want(desired(data));
    while !data.is_empty() {
        world.apply(data);
    }
    world.come_to_rest();
    world.writes
}

struct World {
    rig: Rig,
    desired: Option<Desired>,
    /// VPP has been read since the link came up, and the owner has seen it.
    read: bool,
    /// VPP holds what the reconciler cannot know yet.
    meddled: bool,
    /// Calls to come that VPP refuses, a bit each.
    refusals: u8,
    incidents: u64,
    /// VIPs that stand because we added them.
    programmed: BTreeSet<VipKey>,
    /// The incident of the newest flush that VPP carried out.
    flushed: BTreeMap<(VipKey, IpAddr), u64>,
    /// Incidents whose flush was acknowledged.
    settled: BTreeSet<(VipKey, IpAddr, u64)>,
    writes: usize,
}

impl World {
    fn apply(&mut self, data: &mut &[u8]) {
        let selector = byte(data);
        match selector % 16 {
            0 => self.advance(Duration::from_millis(u64::from(byte(data)) * 50)),
            1 => self.advance_to_next(),
            2 => self.send(1),
            3 => self.send(usize::MAX),
            4 => self.deliver(byte(data).into()),
            5 => self.exchange(),
            6 => self.refusals = byte(data),
            7 => {
                let desired = desired(data);
                self.want(desired);
            }
            8 => {
                let (key, vip) = (key(byte(data)), vip(data));
                self.update(key, vip);
            }
            9 => self.connect(),
            10 => self.rig.down(),
            11 => {
                let weights = self.rig.vpp.abilities.weights ^ (selector & 0x10 != 0);
                self.rig.restart_vpp(abilities(weights));
                self.settled.clear();
                self.programmed.clear();
                self.meddled = false;
            }
            12 => self.meddle(byte(data), byte(data)),
            13 => {
                let what = byte(data);
                let scope = if what & 1 == 0 { RequestScope::All } else { RequestScope::Vip(key(what >> 2)) };
                let request = SyncRequest { scope, recreate: what & 2 != 0 };
                self.rig.sync.request_sync(self.rig.now, request);
            }
            14 => {
                // The link breaks; what was sent was carried out, and nobody knows.
                self.rig.waiting.iter_mut().for_each(|waiting| waiting.reply = Err(CallFailure::Lost));
                self.rig.deliver(0);
            }
            _ => self.rig.sync.request_flows(self.rig.now),
        }
        self.see();
    }

    fn connect(&mut self) {
        self.read = false;
        self.meddled = false;
        self.rig.up();
    }

    fn want(&mut self, mut desired: Desired) {
        for (key, vip) in &mut desired.vips {
            let before = self.desired.as_ref().and_then(|desired| desired.vips.get(key)).cloned();
            self.number_incidents(before.as_ref(), vip);
        }
        self.rig.sync.set_desired(self.rig.now, desired.clone());
        self.desired = Some(desired);
    }

    fn update(&mut self, key: VipKey, mut vip: DesiredVip) {
        let Some(before) = self.desired.as_ref().and_then(|desired| desired.vips.get(&key)).cloned() else {
            return;
        };
        // Health changes servers' weights, nothing else.
        vip = DesiredVip { targets: vip.targets, ..before.clone() };
        vip.targets.retain(|address, _| before.encap.reaches(*address));
        self.number_incidents(Some(&before), &mut vip);
        self.rig.sync.update_vip(self.rig.now, key, vip.clone());
        self.desired.iter_mut().for_each(|desired| drop(desired.vips.insert(key, vip.clone())));
    }

    /// Each time that a flush comes to be owed is an incident of its own.
    fn number_incidents(&mut self, before: Option<&DesiredVip>, vip: &mut DesiredVip) {
        for (address, target) in &mut vip.targets {
            let before = before.and_then(|before| before.targets.get(address)).and_then(|target| target.flush);
            if let Some(order) = &mut target.flush {
                match before {
                    Some(lasting) => *order = lasting,
                    None => {
                        self.incidents += 1;
                        order.incident = self.incidents;
                    }
                }
            }
        }
    }

    fn advance(&mut self, time: Duration) {
        // A flush is followed by a rest three times as long as its reply took, which nobody waits for in the end.
        let most = if self.rig.waiting.is_empty() { Duration::MAX } else { LONGEST_CALL };
        self.rig.advance(time.min(most));
        self.see();
    }

    fn advance_to_next(&mut self) {
        if let Some(at) = self.rig.sync.poll_timeout() {
            self.advance(at.saturating_duration_since(self.rig.now));
        }
    }

    fn see(&mut self) {
        self.read &= self.rig.is_up;
        for event in self.rig.events() {
            self.read |= matches!(event, Event::Read { .. });
            if let Event::AsWeightUpdated { key, address, flush: true, .. } = event {
                let incident = self.flushed.get(&(key, address)).expect("nobody acknowledges what was not carried out");
                self.settled.insert((key, address, *incident));
            }
        }
    }

    fn send(&mut self, most: usize) {
        for _ in 0..most {
            self.see();
            let before = self.rig.vpp.clone();
            let refuse = self.refusals & 1 == 1;
            let Some((call, done)) = self.rig.send(refuse) else {
                return;
            };
            assert!(self.rig.waiting.len() <= Settings::default().in_flight, "too many calls in flight");
            if !call.is_write() {
                continue;
            }
            self.refusals >>= 1;
            self.check_write(&call);
            if done {
                self.writes += 1;
                self.check_effect(&call, &before);
            } else {
                assert!(refuse || self.meddled || self.rig.waiting.len() > 1, "{call} is refused by itself");
            }
        }
    }

    /// What is sent is what is wanted now.
    fn check_write(&self, call: &Call) {
        assert!(self.read, "{call} before VPP was read");
        let status = self.rig.sync.status();
        assert_ne!(status.warm_up, WarmUpPhase::HandsOff, "{call}");
        let desired = self.desired.as_ref().expect("a write needs something that is wanted");
        let Some(key) = call.vip() else {
            return;
        };
        let wanted = desired.vips.get(key);
        assert!(wanted.is_none() || status.vips[key].released, "{call} before its release");
        let target = |address| wanted.and_then(|vip| vip.targets.get(address));
        let told = |weight| self.rig.vpp.abilities.weight(weight);
        match call {
            Call::VipAdd { encap, table_length, src_ip_sticky, .. } => {
                let told = Some((*encap, *table_length, *src_ip_sticky));
                assert_eq!(wanted.map(|vip| (vip.encap, vip.table_length, vip.src_ip_sticky)), told, "{call}");
            }
            Call::AsAdd { address, weight, .. } => {
                assert_eq!(target(address).map(|target| told(target.weight)), Some(*weight), "{call}");
            }
            Call::AsSetWeight { address, weight, flush, .. } => {
                let target = target(address).unwrap_or_else(|| panic!("{call} of a server nobody wants"));
                assert_eq!(told(target.weight), *weight, "{call}");
                if *flush {
                    self.check_flush(call, key, *address, target);
                }
            }
            Call::AsDel { address, flush: false, .. } => assert!(target(address).is_none(), "{call}"),
            _ => {}
        }
    }

    fn check_flush(&self, call: &Call, key: &VipKey, address: IpAddr, target: &DesiredAs) {
        let order = target.flush.unwrap_or_else(|| panic!("{call}, which is not owed"));
        assert!(target.weight.is_zero());
        assert!(!self.settled.contains(&(*key, address, order.incident)), "{call} again");
        assert!(!order.needs_server || self.meddled || self.rig.vpp.serves(key), "{call} with nowhere to go");
    }

    /// Looks at VPP after a write that it carried out.
    fn check_effect(&mut self, call: &Call, before: &super::vpp::Vpp) {
        let Some(key) = call.vip().copied() else {
            return;
        };
        match call {
            Call::VipAdd { .. } => drop(self.programmed.insert(key)),
            Call::VipDel(_) => drop(self.programmed.remove(&key)),
            _ => {}
        }
        if let Call::AsSetWeight { address, flush: true, .. } = call
            && let Some(order) = self.target(&key, address).and_then(|target| target.flush)
        {
            self.flushed.insert((key, *address), order.incident);
        }
        let emptied = before.serves(&key) && !self.rig.vpp.serves(&key);
        if !emptied || self.meddled || matches!(call, Call::AsDel { flush: true, .. } | Call::VipDel(_)) {
            return;
        }
        let wanted = &self.desired.as_ref().expect("something is wanted").vips[&key];
        let should_serve = wanted.targets.values().any(|target| !target.weight.is_zero());
        let dead = |address: &IpAddr| {
            let target = wanted.targets.get(address);
            target.is_some_and(|target| target.cut == Cut::Urgent && target.weight.is_zero())
        };
        let served = before.vips[&key].ases.iter().filter(|(_, weight)| **weight > 0);
        assert!(!should_serve || served.map(|(address, _)| address).all(dead), "{call} leaves the VIP empty");
    }

    fn target(&self, key: &VipKey, address: &IpAddr) -> Option<&DesiredAs> {
        self.desired.as_ref()?.vips.get(key)?.targets.get(address)
    }

    fn deliver(&mut self, which: usize) {
        self.see();
        self.rig.deliver(which);
        self.see();
    }

    /// Sends and delivers until nothing is left to do at this moment.
    fn exchange(&mut self) {
        for _ in 0..MOST_ROUNDS {
            self.send(usize::MAX);
            if self.rig.waiting.is_empty() {
                return;
            }
            self.deliver(0);
        }
        panic!("calls without end");
    }

    /// Somebody else writes.
    fn meddle(&mut self, what: u8, how: u8) {
        let key = key(what);
        let Some(vip) = self.rig.vpp.vips.get_mut(&key) else {
            return;
        };
        self.meddled = true;
        let nth = vip.ases.keys().nth(usize::from(how >> 4) % vip.ases.len().max(1)).copied();
        match (how & 3, nth) {
            (0, Some(address)) if self.rig.vpp.abilities.weights => drop(vip.ases.insert(address, how)),
            (0, _) => vip.ases.extend(vip.removed.pop_first().map(|address| (address, IN_USE))),
            (1, Some(address)) => {
                vip.ases.remove(&address);
                vip.removed.insert(address);
            }
            (2, _) => vip.removed.clear(),
            _ => drop(self.rig.vpp.vips.remove(&key)),
        }
    }

    /// With a good link and nobody else about, VPP comes to be as desired, and then there is silence.
    fn come_to_rest(&mut self) {
        self.refusals = 0;
        if !self.rig.is_up {
            self.connect();
        }
        self.exchange();
        self.pass(REST);
        let desired = self.desired.clone().expect("something is wanted");
        let ours = self.rig.sync.ours() | &self.programmed;
        let scope = Scope { ours, prune: true, recreate: false };
        let plan = Plan::new(&desired, &self.rig.vpp.read_for(&desired, false), &scope);
        assert!(plan.is_empty(), "left to do:\n{plan}");
        let status = self.rig.sync.status();
        let waits = |(key, address): (&VipKey, &IpAddr)| {
            let order = self.target(key, address).and_then(|target| target.flush);
            order.is_some_and(|order| order.needs_server) && !self.rig.vpp.serves(key)
        };
        for (key, vip) in desired.vips.iter().filter(|(key, _)| self.rig.vpp.vips.contains_key(key)) {
            let waiting = vip.targets.keys().filter(|address| waits((key, address))).count();
            assert!(status.vips[key].flushes_owed <= waiting, "{key} owes {} flushes", status.vips[key].flushes_owed);
        }
        let writes = self.writes;
        self.meddled = false;
        self.pass(Settings::default().sync_interval);
        assert_eq!(self.writes, writes, "a write over a VPP that is as desired");
    }

    fn pass(&mut self, time: Duration) {
        let until = self.rig.now + time;
        for _ in 0..MOST_ROUNDS {
            match self.rig.sync.poll_timeout().filter(|at| *at <= until) {
                Some(at) => self.advance(at.saturating_duration_since(self.rig.now)),
                None => {
                    self.advance(until.saturating_duration_since(self.rig.now));
                    self.exchange();
                    return;
                }
            }
            self.exchange();
        }
        panic!("time does not pass");
    }
}

/// The longest warm-up, the longest back-off, and some intervals to compare everything.
const REST: Duration = Duration::from_secs(300);
const LONGEST_CALL: Duration = Duration::from_millis(200);
const MOST_ROUNDS: usize = 5_000;
