//! A reconciler, a VPP and a clock of their own.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{FakeVpp, origin};
use crate::call::{Call, CallFailure, Reply};
use crate::event::Event;
use crate::exec::CallId;
use crate::model::{Desired, DesiredVip, VipKey};
use crate::reconciler::{BootId, Reconciler, Settings, SyncRequest};

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

type Watch = dyn FnMut(&Call, &FakeVpp);
type OnRead = dyn FnMut(&mut Reconciler, Instant);

/// Runs a [`Reconciler`] against a [`FakeVpp`] in virtual time.
pub(crate) struct Rig {
    pub(crate) now: Instant,
    pub(crate) sync: Reconciler,
    pub(crate) vpp: FakeVpp,
    /// Events since they were last taken.
    pub(crate) events: Vec<Event>,
    /// How long VPP takes for one call.
    pub(crate) latency: Duration,
    /// Says which calls are refused without being carried out.
    pub(crate) refuse: Box<dyn FnMut(&Call) -> bool>,
    /// Chooses which of the waiting replies comes first.
    pub(crate) pick: Box<dyn FnMut(usize) -> usize>,
    /// Looks at VPP after each call that was carried out.
    pub(crate) watch: Box<Watch>,
    /// What the owner does on a reading.
    pub(crate) on_read: Box<OnRead>,
    waiting: VecDeque<(CallId, Result<Reply, CallFailure>)>,
    pub(crate) most_in_flight: usize,
    boot: u64,
}

impl Rig {
    /// Without warm-up.
    pub(crate) fn warm(vpp: FakeVpp) -> Self {
        Self::new(vpp, secs(0), secs(0))
    }

    pub(crate) fn new(vpp: FakeVpp, min: Duration, max: Duration) -> Self {
        let start = origin();
        let settings = Settings { startup_min_delay: min, startup_max_delay: max, ..Settings::default() };
        Self {
            now: start,
            sync: Reconciler::new(settings, start),
            vpp,
            events: Vec::new(),
            latency: Duration::from_micros(500),
            refuse: Box::new(|_| false),
            pick: Box::new(|_| 0),
            watch: Box::new(|_, _| {}),
            on_read: Box::new(|_, _| {}),
            waiting: VecDeque::new(),
            most_in_flight: 0,
            boot: 1,
        }
    }

    /// Without warm-up, in the steady state over a VPP that is as desired.
    pub(crate) fn settled(desired: Desired) -> Self {
        Self::settled_over(true, desired)
    }

    /// The same over a VPP with or without weights.
    pub(crate) fn settled_over(weights: bool, desired: Desired) -> Self {
        let mut rig = Self::warm(FakeVpp::holding(&desired, weights));
        rig.sync.set_desired(rig.now, desired);
        rig.up();
        rig.advance(secs(1));
        assert_eq!(rig.vpp.writes(), [], "VPP was as desired");
        rig.vpp.log.clear();
        rig.events.clear();
        rig
    }

    pub(crate) fn up(&mut self) {
        self.sync.handle_link_up(self.now, BootId(self.boot, 0), self.vpp.abilities);
        self.pump();
    }

    pub(crate) fn down(&mut self) {
        self.sync.handle_link_down(self.now);
        self.waiting.clear();
        self.pump();
    }

    /// The process of VPP dies and comes back.
    pub(crate) fn restart_vpp(&mut self) {
        self.down();
        self.boot += 1;
        self.vpp.restart();
    }

    pub(crate) fn want(&mut self, desired: Desired) {
        self.sync.set_desired(self.now, desired);
        self.pump();
    }

    pub(crate) fn update(&mut self, key: VipKey, vip: DesiredVip) {
        self.sync.update_vip(self.now, key, vip);
        self.pump();
    }

    pub(crate) fn request(&mut self, request: SyncRequest) {
        self.sync.request_sync(self.now, request);
        self.pump();
    }

    /// Lets the time pass, and everything happen that is due.
    pub(crate) fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        let mut steps = 0;
        self.pump();
        while let Some(at) = self.sync.poll_timeout().filter(|at| *at <= until) {
            assert!(at >= self.now || steps < 100_000, "a timeout that never passes");
            self.now = self.now.max(at);
            self.sync.handle_timeout(self.now);
            self.pump();
            steps += 1;
            assert!(steps < 1_000_000, "time does not pass");
        }
        self.now = self.now.max(until);
        self.sync.handle_timeout(self.now);
        self.pump();
    }

    /// Exchanges calls and replies until nothing is left to do at this moment.
    pub(crate) fn pump(&mut self) {
        for _ in 0..100_000 {
            self.send();
            if !self.deliver() {
                return;
            }
        }
        let last = self.events.len().saturating_sub(20);
        panic!("it never comes to rest: {:#?}", &self.events[last..]);
    }

    /// Drains events, then sends all calls.
    pub(crate) fn send(&mut self) {
        self.drain();
        while let Some((id, call)) = self.sync.poll_call(self.now) {
            let reply = if (self.refuse)(&call) {
                self.vpp.log.push(call.clone());
                Err(CallFailure::Refused { retval: -1, text: "told to".to_owned() })
            } else {
                let reply = self.vpp.execute(&call);
                (self.watch)(&call, &self.vpp);
                reply
            };
            self.waiting.push_back((id, reply));
            self.most_in_flight = self.most_in_flight.max(self.waiting.len());
        }
        self.drain();
    }

    /// Delivers one reply; false if none was waiting.
    pub(crate) fn deliver(&mut self) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let at = (self.pick)(self.waiting.len());
        self.now += self.latency;
        if let Some((id, reply)) = self.waiting.remove(at) {
            self.sync.handle_reply(self.now, id, reply);
        }
        true
    }

    fn drain(&mut self) {
        while let Some(event) = self.sync.poll_event() {
            let is_read = matches!(event, Event::Read { .. });
            self.events.push(event);
            if is_read {
                (self.on_read)(&mut self.sync, self.now);
            }
        }
    }

    /// Takes the events, those on indices and releases aside.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.events);
        events.retain(|event| !matches!(event, Event::IndicesChanged { .. } | Event::Released(_)));
        events
    }

    /// Takes the writes since the last time.
    pub(crate) fn take_writes(&mut self) -> Vec<String> {
        let writes = self.vpp.writes();
        self.vpp.log.clear();
        writes.iter().map(Call::to_string).collect()
    }
}
