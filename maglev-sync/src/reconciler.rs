//! Keeps VPP as desired: the sans-IO engine of a daemon.

mod backoff;
mod compare;
mod desired;
mod drift;
mod flush;
mod full_read;
mod indices;
mod licence;
mod link;
mod lookups;
mod outlook;
mod reads;
mod release;
mod report;
mod runs;
mod settings;
mod state;
mod warmup;
mod writes;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use self::backoff::Backoff;
use self::drift::DriftClock;
pub(crate) use self::flush::Debts;
use self::full_read::FullRead;
use self::indices::{IndexBook, VerboseText};
use self::reads::Read;
use self::runs::Runs;
pub use self::settings::{BootId, RequestScope, Settings, SyncRequest};
use self::state::{Doubt, VipState};
use self::warmup::WarmUp;
use crate::call::{Call, CallFailure, ConfUpdate, Reply};
use crate::event::{Cause, Event, SyncFailure, SyncScope, Warning};
use crate::exec::{AddressBook, CallId, Executor, Priority};
use crate::model::{Abilities, Actual, Desired, VipKey};
use crate::plan::{Plan, Scope};
use crate::status::{Flows, Indices};

/// Keeps one VPP as desired.
///
/// It owns no clock, socket or task: time comes in as `now`, calls go out through [`Reconciler::poll_call`], answers come back through
/// [`Reconciler::handle_reply`]. After each `handle_*`, [`Reconciler::set_desired`] or other input, and when [`Reconciler::poll_timeout`]
/// is due, its owner does this until both yield nothing:
///
/// 1. poll all events, and act on them: [`Event::Read`] is the moment to derive weights from what VPP holds;
/// 2. poll all calls and send them, in this order.
///
/// Polling a call may make events even where it yields none: a pass over what is right already ends so. The last poll is
/// one for events.
///
/// ```text
///            set_desired, update_vip            handle_reply
///                     │                              │
///                     v                              v
///                  desired ──┐                ┌── model <── dumps: at link-up, one VIP at a time, on request
///                            v                v
///   dirty VIPs ──────────> unit of a plan ──> stage ──> gate ──> poll_call
///  (health first)                 ^                       │
///                                 └──── next stage <──────┘ replies; a refused one: back off, read again
/// ```
///
/// # Guarantees
/// * Nothing is written before VPP was read whole, that reading was seen by the owner, and a desired state is there; nor while the warm-up
///   forbids it.
/// * Over a VPP that is as desired no write is sent.
/// * The order of calls is that of [`Plan`]; at most [`Settings::in_flight`] calls are in flight.
/// * A VIP whose call was refused is read again before it is written again.
///
/// # Assumptions
/// `now` never goes backwards. Calls reach VPP in the order in which they were polled. [`CallFailure::Lost`] is followed by
/// [`Reconciler::handle_link_down`]. Extra calls of any method are harmless.
///
/// ```
#[doc = include_str!("doc/vpp.md")]
/// let mut reconciler = Reconciler::new(Settings::default(), now);
/// reconciler.set_desired(now, desired);
/// reconciler.handle_link_up(now, BootId(4711, 1_800_000_000), Abilities::default());
///
/// // Whenever something came from outside, and whenever `poll_timeout` is due:
/// let mut added = Vec::new();
/// loop {
///     let call = reconciler.poll_call(now);
///     let events: Vec<Event> = std::iter::from_fn(|| reconciler.poll_event()).collect();
///     if call.is_none() && events.is_empty() {
///         break;
///     }
///     for event in events {
///         if let Event::VipAdded(key) = event {
///             added.push(key);
///         }
///     }
///     // An answer that takes a while is handed in when it comes, and until then other calls are sent.
///     if let Some((id, call)) = call {
///         reconciler.handle_reply(now, id, vpp.call(&call));
///     }
/// }
/// assert_eq!(added, [web]);
///
/// // From now on VPP is compared, bit by bit. Nothing else is to be done before that is due.
/// let due = reconciler.poll_timeout().ok_or("it compares for ever")?;
/// reconciler.handle_timeout(due);
/// assert!(reconciler.poll_call(due).is_some_and(|(_, call)| call == Call::VipDump));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In the examples of its methods that loop is `settle`; `examples/own_dataplane.rs` shows the whole life of a reconciler.
#[derive(Debug)]
pub struct Reconciler {
    settings: Settings,
    warm_up: WarmUp,
    connected: bool,
    boot: Option<BootId>,
    /// What the VPP at the other end can do.
    abilities: Abilities,
    /// Whether VPP was read whole once in the life of the process.
    read_before: bool,
    desired: Option<Desired>,
    /// VIPs that this process or an earlier one programmed, or was told to.
    ours: BTreeSet<VipKey>,
    /// What VPP holds; nothing while there is no link, or it was not read yet.
    model: Option<Actual>,
    /// What VPP held when the link was lost, until the next reading.
    last_known: Option<Actual>,
    vips: BTreeMap<VipKey, VipState>,
    /// VIPs that can be planned now.
    ready: BTreeSet<(Priority, VipKey)>,
    /// VIPs that must be read again, and may be.
    doubtful: BTreeSet<VipKey>,
    timers: BTreeSet<(Instant, VipKey)>,
    exec: Executor,
    reads: HashMap<CallId, Read>,
    full_read: Option<FullRead>,
    conf: ConfState,
    drift: DriftClock,
    index_book: IndexBook,
    verbose: VerboseText,
    runs: Runs,
    /// Warnings that stand, by cause.
    warned: HashMap<Cause, Warning>,
    events: VecDeque<Event>,
    /// Readings that the owner has not seen yet.
    unseen_reads: usize,
}

/// The settings of the plugin, as a key of their own.
#[derive(Debug, Default)]
struct ConfState {
    in_flight: Option<(CallId, ConfUpdate)>,
    backoff: Backoff,
    /// Read again before the next try.
    doubt: bool,
    /// An operator allowed another number of sticky buckets.
    resize: bool,
}

impl Reconciler {
    /// A reconciler without link and without desired state; the warm-up begins `now`.
    pub fn new(settings: Settings, now: Instant) -> Self {
        let mut this = Self {
            warm_up: WarmUp::new(now, settings.startup_min_delay, settings.startup_max_delay),
            drift: DriftClock::new(settings.sync_interval),
            settings,
            connected: false,
            boot: None,
            abilities: Abilities::default(),
            read_before: false,
            desired: None,
            ours: BTreeSet::new(),
            model: None,
            last_known: None,
            vips: BTreeMap::new(),
            ready: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            timers: BTreeSet::new(),
            exec: Executor::new(AddressBook::default()),
            reads: HashMap::new(),
            full_read: None,
            conf: ConfState::default(),
            index_book: IndexBook::default(),
            verbose: VerboseText::default(),
            runs: Runs::default(),
            warned: HashMap::new(),
            events: VecDeque::new(),
            unseen_reads: 0,
        };
        this.push(Event::WarmUp(this.warm_up.phase()));
        this
    }

    /// Reads and syncs on behalf of an operator.
    ///
    /// The warm-up stays in force: what is not released is read, but not written.
    ///
    /// ```
    #[doc = include_str!("doc/vpp.md")]
    /// # let mut reconciler = Reconciler::new(warm(), now);
    /// # reconciler.set_desired(now, desired.clone());
    /// # reconciler.handle_link_up(now, boot, Abilities::default());
    /// # settle(&mut reconciler, now, &mut vpp);
    /// reconciler.request_sync(now, SyncRequest { scope: RequestScope::Vip(web), recreate: false });
    /// let events = settle(&mut reconciler, now, &mut vpp);
    /// assert_eq!(events[0], Event::SyncStart { scope: SyncScope::Vip(web) });
    /// // It was right. Who asks is told so, where a pass of its own that changes nothing is silent.
    /// assert!(matches!(events[1], Event::SyncDone { counts, .. } if counts == SyncCounts::default()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request_sync(&mut self, now: Instant, request: SyncRequest) {
        if !self.connected {
            let scope = match request.scope {
                RequestScope::All => SyncScope::All,
                RequestScope::Vip(key) => SyncScope::Vip(key),
            };
            self.refuse_sync(scope, SyncFailure::NotConnected);
            return;
        }
        match request.scope {
            RequestScope::All => {
                let full_read = self.full_read.get_or_insert_with(FullRead::on_request);
                full_read.requested = true;
                full_read.resize |= request.recreate;
                full_read.retry_now();
            }
            RequestScope::Vip(key) => self.request_vip(now, key, request.recreate),
        }
    }

    /// Asks for the flows of all servers; they come with the next verbose text, which is read for at most 0.1 % of the time.
    ///
    /// ```
    #[doc = include_str!("doc/vpp.md")]
    /// # let mut reconciler = Reconciler::new(warm(), now);
    /// # reconciler.set_desired(now, desired.clone());
    /// # reconciler.handle_link_up(now, boot, Abilities::default());
    /// # settle(&mut reconciler, now, &mut vpp);
    /// // Read a first time when the VIP was created.
    /// assert_eq!(reconciler.flows().map(|flows| (flows.at, flows.flows[&(web, first)])), Some((now, 7)));
    /// reconciler.request_flows(now);
    /// // After an answer within a moment the rest is a tenth of a second.
    /// let due = reconciler.poll_timeout().ok_or("somebody waits for it")?;
    /// assert_eq!(due - now, Duration::from_millis(100));
    /// settle(&mut reconciler, due, &mut vpp);
    /// assert_eq!(reconciler.flows().map(|flows| flows.at), Some(due));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request_flows(&mut self, _now: Instant) {
        if self.connected {
            self.verbose.want();
        }
    }

    /// Takes over other settings. The warm-up goes on by its own clock.
    ///
    /// ```
    #[doc = include_str!("doc/vpp.md")]
    /// # let mut reconciler = Reconciler::new(warm(), now);
    /// # reconciler.set_desired(now, desired.clone());
    /// # reconciler.handle_link_up(now, boot, Abilities::default());
    /// # settle(&mut reconciler, now, &mut vpp);
    /// let mut settings = Settings::default();
    /// settings.sync_interval = Duration::from_secs(120);
    /// reconciler.set_settings(now, settings);
    /// // With one VIP two things are compared in that time: which VIPs there are, and the VIP's servers. Each comes in
    /// // the middle of its half.
    /// assert_eq!(reconciler.poll_timeout(), Some(now + Duration::from_secs(30)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_settings(&mut self, now: Instant, settings: Settings) {
        self.warm_up.set_delays(settings.startup_min_delay, settings.startup_max_delay);
        let desired = &self.desired;
        self.drift.set_interval(now, settings.sync_interval, desired.iter().flat_map(|desired| desired.vips.keys()));
        self.settings = settings;
    }

    /// Takes the answer to a call. Answers to calls of an earlier link are ignored.
    pub fn handle_reply(&mut self, now: Instant, id: CallId, reply: Result<Reply, CallFailure>) {
        let known = self.reads.contains_key(&id) || self.exec.contains(id) || self.conf.is_in_flight(id);
        if !known {
            return;
        }
        if reply == Err(CallFailure::Lost) {
            self.handle_link_down(now);
        } else if let Some(read) = self.reads.remove(&id) {
            self.handle_read(now, id, read, reply);
        } else if self.conf.is_in_flight(id) {
            self.handle_conf_reply(now, reply);
        } else {
            self.handle_write_reply(now, id, reply);
        }
        self.tell_indices();
    }

    /// Expires what is due. Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(phase) = self.warm_up.handle_timeout(now) {
            self.enter_phase(now, phase);
        }
        while let Some(&(at, key)) = self.timers.first().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, key));
            self.vip_timeout(now, &key);
        }
        self.exec.handle_timeout(now);
        self.conf.backoff.handle_timeout(now);
        self.verbose.handle_timeout(now);
        if let Some(full_read) = &mut self.full_read {
            full_read.handle_timeout(now);
        }
        let desired = &self.desired;
        self.drift.handle_timeout(now, || desired.iter().flat_map(|desired| desired.vips.keys()));
    }

    /// When [`Reconciler::handle_timeout`] is next due; may change after any input or polled call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let full_read = self.full_read.as_ref().and_then(FullRead::poll_timeout);
        let verbose = if self.connected { self.verbose.poll_timeout() } else { None };
        [
            self.warm_up.poll_timeout(),
            self.timers.first().map(|(at, _)| *at),
            self.exec.poll_timeout(),
            self.conf.backoff.until(),
            self.drift.poll_timeout(),
            verbose,
            full_read,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next call to send, in order; none while an [`Event::Read`] was not polled.
    #[must_use]
    pub fn poll_call(&mut self, now: Instant) -> Option<(CallId, Call)> {
        self.handle_timeout(now);
        if !self.connected || self.unseen_reads > 0 || self.calls_in_flight() >= self.settings.in_flight.max(1) {
            return None;
        }
        let call = self
            .poll_full_read()
            .or_else(|| self.poll_conf())
            .or_else(|| self.poll_writes(now, Priority::Debt))
            .or_else(|| self.poll_doubts())
            .or_else(|| self.poll_writes(now, Priority::Pass))
            .or_else(|| self.poll_drift())
            .or_else(|| self.poll_verbose(now))
            .or_else(|| self.poll_route());
        self.tell_indices();
        call
    }

    /// What happened; call until none after every input and after polling calls.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if matches!(event, Event::Read { .. }) {
            self.unseen_reads -= 1;
        }
        Some(event)
    }

    /// What VPP holds, as far as known; nothing while it was not read since the link came up.
    pub fn actual(&self) -> Option<&Actual> {
        self.model.as_ref()
    }

    /// What a sync of everything would do, warm-up aside; nothing unless both states are known.
    ///
    /// ```
    #[doc = include_str!("doc/vpp.md")]
    /// # vpp.vips.insert(web, (1024, [(first, 44)].into()));
    /// # let mut reconciler = Reconciler::new(Settings::default(), now);
    /// reconciler.set_desired(now, desired);
    /// assert!(reconciler.plan().is_none());
    /// reconciler.handle_link_up(now, boot, Abilities::default());
    /// settle(&mut reconciler, now, &mut vpp);
    /// // The process has just started and writes nothing yet.
    /// let plan = reconciler.plan().ok_or("both states are known")?;
    /// assert_eq!(plan.to_string(), "\
    /// settings: sources 10.0.0.254 and 2001:db8::254, flow time-out 40s
    /// 192.0.2.1 tcp/80: server 10.0.0.1 weight 100 (was 44)
    /// 192.0.2.1 tcp/80: add server 10.0.0.2 weight 100
    /// ");
    /// assert!(vpp.log.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn plan(&self) -> Option<Plan> {
        let scope = Scope { ours: self.ours.clone(), prune: true, recreate: false };
        Some(Plan::new(self.desired.as_ref()?, self.model.as_ref()?, &scope))
    }

    /// Where VPP keeps the counters of what stands there.
    ///
    /// ```
    #[doc = include_str!("doc/vpp.md")]
    /// # let mut reconciler = Reconciler::new(warm(), now);
    /// # reconciler.set_desired(now, desired.clone());
    /// # reconciler.handle_link_up(now, boot, Abilities::default());
    /// # settle(&mut reconciler, now, &mut vpp);
    /// let indices = reconciler.indices();
    /// // Column 1 of the plugin's counters, and the servers' rows in `/net/route/via`.
    /// assert_eq!(indices.vips[&web], 1);
    /// assert_eq!((indices.as_routes[&first], indices.as_routes[&second]), (36, 37));
    /// let generation = indices.generation;
    ///
    /// // Without a link nothing may be counted by them any more.
    /// reconciler.handle_link_down(now);
    /// assert!(reconciler.indices().vips.is_empty() && reconciler.indices().generation > generation);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn indices(&self) -> &Indices {
        self.index_book.indices()
    }

    /// The flows of each server, from the last verbose text of this link.
    pub fn flows(&self) -> Option<&Flows> {
        self.verbose.flows.as_ref()
    }

    fn calls_in_flight(&self) -> usize {
        self.exec.in_flight() + self.reads.len() + usize::from(self.conf.in_flight.is_some())
    }

    fn state(&mut self, key: &VipKey) -> &mut VipState {
        self.vips.entry(*key).or_insert_with(VipState::new)
    }

    fn push(&mut self, event: Event) {
        if matches!(event, Event::Read { .. }) {
            self.unseen_reads += 1;
        }
        self.events.push_back(event);
    }

    fn warn(&mut self, warning: Warning) {
        if self.warned.get(&warning.cause()) != Some(&warning) {
            self.warned.insert(warning.cause(), warning.clone());
            self.push(Event::Warning(warning));
        }
    }

    fn refuse_sync(&mut self, scope: SyncScope, reason: SyncFailure) {
        self.push(Event::SyncError { scope, reason, counts: Default::default(), elapsed: Duration::ZERO });
    }

    fn vip_timeout(&mut self, now: Instant, key: &VipKey) {
        let Some(state) = self.vips.get_mut(key) else { return };
        state.backoff.handle_timeout(now);
        if state.release_by.is_some_and(|at| at <= now) {
            state.release_by = None;
            self.release(now, key);
        }
        self.offer(now, key);
    }

    /// Tells of new indices once they have settled.
    fn tell_indices(&mut self) {
        if let Some(generation) = self.index_book.poll_changed() {
            self.push(Event::IndicesChanged { generation });
        }
    }
}

impl ConfState {
    fn is_in_flight(&self, id: CallId) -> bool {
        self.in_flight.is_some_and(|(in_flight, _)| in_flight == id)
    }
}

#[cfg(test)]
mod tests;
