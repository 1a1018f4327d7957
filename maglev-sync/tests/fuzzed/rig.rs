//! A reconciler and a VPP, with replies that come when they are told to.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use maglev_sync::{
    Abilities, AsRow, BootId, Call, CallFailure, CallId, Event, Reconciler, Reply, Settings, VipKey, VipRow,
};

use super::vpp::{Vip, Vpp};

pub(super) struct Rig {
    pub(super) sync: Reconciler,
    pub(super) vpp: Vpp,
    pub(super) now: Instant,
    /// Replies that have not been delivered, in the order of the calls.
    pub(super) waiting: VecDeque<Waiting>,
    /// What VPP prints for `show lb vips verbose`; nothing refuses it.
    pub(super) text: Option<String>,
    pub(super) is_up: bool,
    boot: u64,
}

pub(super) struct Waiting {
    id: CallId,
    /// The VIP that the call wrote.
    vip: Option<VipKey>,
    pub(super) reply: Result<Reply, CallFailure>,
}

impl Rig {
    pub(super) fn new(vpp: Vpp, startup_min: Duration, startup_max: Duration) -> Self {
        let now = origin();
        let mut settings = Settings::default();
        settings.startup_min_delay = startup_min;
        settings.startup_max_delay = startup_max;
        let sync = Reconciler::new(settings, now);
        Self { sync, vpp, now, waiting: VecDeque::new(), text: None, is_up: false, boot: 1 }
    }

    pub(super) fn up(&mut self) {
        self.waiting.clear();
        self.is_up = true;
        self.sync.handle_link_up(self.now, BootId(self.boot, 0), self.vpp.abilities);
    }

    pub(super) fn down(&mut self) {
        self.waiting.clear();
        self.is_up = false;
        self.sync.handle_link_down(self.now);
    }

    /// Another VPP, which holds nothing, is there from now on; of another release if it is able to do something else.
    pub(super) fn restart_vpp(&mut self, abilities: Abilities) {
        self.down();
        self.vpp = Vpp::able(abilities);
        self.boot += 1;
    }

    /// Sends the next call. VPP carries it out at once, unless it is to refuse it; the reply waits.
    pub(super) fn send(&mut self, refuse: bool) -> Option<(Call, bool)> {
        let (id, call) = self.sync.poll_call(self.now)?;
        assert!(self.is_up, "{call} without a link");
        let reply = if refuse { Err(refusal(-1)) } else { self.reply(&call) };
        let done = reply.is_ok();
        self.waiting.push_back(Waiting { id, vip: call.vip().copied().filter(|_| call.is_write()), reply });
        Some((call, done))
    }

    /// Delivers one of the replies that wait; of those to writes of one VIP the oldest, as VPP does.
    pub(super) fn deliver(&mut self, which: usize) {
        self.now += Duration::from_micros(100);
        let which = which % self.waiting.len().max(1);
        let vip = self.waiting.get(which).and_then(|waiting| waiting.vip);
        let oldest = self.waiting.iter().position(|waiting| vip.is_some() && waiting.vip == vip);
        if let Some(Waiting { id, reply, .. }) = self.waiting.remove(oldest.unwrap_or(which)) {
            let lost = reply == Err(CallFailure::Lost);
            self.sync.handle_reply(self.now, id, reply);
            if lost {
                self.down();
            }
        }
    }

    pub(super) fn advance(&mut self, time: Duration) {
        self.now += time;
        self.sync.handle_timeout(self.now);
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.sync.poll_event()).collect()
    }

    fn reply(&mut self, call: &Call) -> Result<Reply, CallFailure> {
        match call {
            Call::ConfGet => Ok(Reply::Conf(self.vpp.conf)),
            Call::VipDump => {
                let row = |(&key, vip): (_, &Vip)| VipRow { key, encap: vip.encap, table_length: vip.length as u16 };
                Ok(Reply::Vips(self.vpp.vips.iter().map(row).collect()))
            }
            Call::AsDump(filter) => {
                let mut rows = Vec::new();
                for (&key, vip) in self.vpp.vips.iter().filter(|(key, _)| filter.is_none_or(|filter| filter == **key)) {
                    let removed = vip.removed.iter().map(|&address| (address, false, 7));
                    let ases = vip.ases.iter().map(|(&address, &weight)| (address, true, weight));
                    let row = |(address, in_use, weight)| AsRow { key, address, in_use, weight };
                    rows.extend(removed.chain(ases).map(row));
                }
                Ok(Reply::Ases(rows))
            }
            Call::Verbose => self.text.clone().map(Reply::Text).ok_or_else(|| refusal(-1)),
            Call::Route(prefix) => Ok(Reply::Route((prefix.prefix_len() > 30).then_some(11))),
            write => self.vpp.write(write).map(|()| Reply::Done).map_err(refusal),
        }
    }
}

fn refusal(retval: i32) -> CallFailure {
    CallFailure::Refused { retval, text: String::new() }
}

/// The one instant that does not come in as an argument.
#[allow(clippy::disallowed_methods, reason = "an `Instant` has no other origin; the fuzz crate has no such rule")]
fn origin() -> Instant {
    Instant::now()
}
