//! The loop of the probe thread.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use rustls::RootCertStore;

use super::reactor::Reactor;
use super::results::Results;
use super::site::Site;
use super::tasks::{Tasks, Woken};
use super::{Inbox, Message, Start, Ticket};
use crate::probe::end::Deadline;
use crate::probe::prober::Ended;
use crate::probe::report::{Cause, Report};
use crate::probe::target::Target;
use crate::probe::tls::Connector;

/// Everything of the probe thread.
pub(super) struct Worker<F> {
    /// What sends a probe.
    send: Send<F>,
    inbox: Arc<Inbox>,
    woken: Arc<Woken>,
    reactor: Rc<Reactor>,
    site: Rc<Site>,
    tls: Rc<Connector>,
    tasks: Tasks<Order, F>,
    /// Empty but for its memory.
    taken: Vec<usize>,
    /// Orders that were taken back in this turn.
    cancelled: HashSet<Ticket>,
    /// When each task must be over, soonest first.
    timers: BTreeSet<(Instant, usize)>,
    /// Orders that wait for a descriptor, first come first.
    waiting: VecDeque<Order>,
    /// Probes that may run at a time.
    most: usize,
    /// Until then no other probe is tried: the kernel had no descriptor.
    dry_until: Option<Instant>,
    results: Results,
    /// When the site is looked after next.
    tended: Instant,
    is_over: bool,
}

/// A future that sends a probe and gives its report. It is over when it is polled at the end of its time-out.
type Send<F> = fn(Rc<Site>, Rc<Connector>, Arc<Target>, Instant) -> F;

/// A probe that was ordered and has not ended.
struct Order {
    what: Start,
    ordered: Instant,
    /// When it started, if it did.
    started: Option<Instant>,
    deadline: Instant,
}

impl Order {
    fn answer(self, report: Report, results: &mut Results) {
        let Start { ticket, due, answer, .. } = self.what;
        match (ticket, answer) {
            // Whoever asked may have gone.
            (_, Some(answer)) => drop(answer.send(report)),
            (Ticket::Core(probe), None) => {
                let delay = self.started.map(|started| started.saturating_duration_since(due));
                results.add(Ended { probe, delay, report });
            }
            (Ticket::Single(_), None) => {}
        }
    }
}

/// How long the thread waits after the kernel had no descriptor.
const DRY: Duration = Duration::from_millis(10);

/// Between two looks at what is kept.
const TEND: Duration = Duration::from_secs(1);

/// So long an order waits for a descriptor before it ends without verdict.
const PATIENCE: Duration = Duration::from_secs(1);

/// Descriptors that probes leave to the rest of the process, unless that were more than a quarter of all.
const RESERVE: u64 = 1_500;

/// Sockets that are kept for later probes, unless that were more than an eighth of all descriptors.
const MOST_KEPT: u64 = 512;

/// How many probes may run at a time and how many sockets may be kept, by the limit of descriptors as it is now.
fn shares() -> (usize, usize) {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let kept = MOST_KEPT.min(limit / 8);
    let running = limit - RESERVE.min(limit / 4) - kept;
    (usize::try_from(running).unwrap_or(usize::MAX).max(1), usize::try_from(kept).unwrap_or(usize::MAX))
}

impl<F: Future<Output = Report>> Worker<F> {
    pub(super) fn new(inbox: Arc<Inbox>, roots: Option<RootCertStore>, send: Send<F>) -> io::Result<Self> {
        let reactor = Rc::new(Reactor::new(&inbox.bell)?);
        let woken = Arc::new(Woken::new(Arc::clone(&inbox.bell)));
        let (most, kept) = shares();
        let site = Rc::new(Site::new(Rc::clone(&reactor)));
        site.keep_at_most(kept);
        Ok(Self {
            send,
            inbox,
            tasks: Tasks::new(Arc::clone(&woken)),
            taken: Vec::new(),
            woken,
            site,
            reactor,
            tls: Rc::new(Connector::new(roots)),
            cancelled: HashSet::new(),
            timers: BTreeSet::new(),
            waiting: VecDeque::new(),
            most,
            dry_until: None,
            results: Results::default(),
            tended: Instant::now() + TEND,
            is_over: false,
        })
    }

    /// Works until nobody can order any more.
    pub(super) fn run(mut self) {
        let (mut messages, mut events) = (Vec::new(), Vec::new());
        loop {
            self.inbox.take(&mut messages);
            messages.drain(..).for_each(|message| self.obey(message));
            self.cancel();
            if self.is_over {
                return;
            }
            self.admit();
            self.turn();
            let now = Instant::now();
            self.results.flush(now, self.tasks.len(), self.waiting.len());
            self.tend(now);
            let limit = self.next_due().map(|due| due.saturating_duration_since(now));
            self.inbox.bell.lie_down();
            let is_busy = !self.woken.is_empty() || !self.inbox.is_empty() || self.may_admit();
            let limit = if is_busy { Some(Duration::ZERO) } else { limit };
            if let Err(error) = self.reactor.turn(&mut events, limit) {
                // Nothing that a correct call can meet. Probes then only end by their timers.
                tracing::error!(target: "maglev", %error, "epoll fails");
                std::thread::sleep(DRY);
            }
            self.inbox.bell.get_up();
            self.ring_timers();
        }
    }

    fn obey(&mut self, message: Message) {
        match message {
            Message::Start(what) => {
                let now = Instant::now();
                self.waiting.push_back(Order { what, ordered: now, started: None, deadline: now });
            }
            Message::Cancel(ticket) => drop(self.cancelled.insert(ticket)),
            Message::Deliver(to) => self.results.deliver_to(to),
            // Whoever asked may have gone, here and below.
            Message::Move(netns, answer) => drop(answer.send(self.site.move_to(netns.as_deref()))),
            Message::CheckIcmp(answer) => drop(answer.send(self.site.check_icmp())),
            Message::ReloadRoots => {
                let (most, kept) = shares();
                self.most = most;
                self.site.keep_at_most(kept);
                self.tls.reload_roots();
            }
            Message::End => self.is_over = true,
        }
    }

    /// Drops what was taken back. One pass over all probes, however many those are: they come in hosts, with a reload, or not at all.
    fn cancel(&mut self) {
        if self.cancelled.is_empty() {
            return;
        }
        let (tasks, cancelled) = (&mut self.tasks, &self.cancelled);
        self.timers.retain(|&(_, place)| {
            let is_over = tasks.about(place).is_some_and(|order| cancelled.contains(&order.what.ticket));
            if is_over {
                tasks.remove(place);
            }
            !is_over
        });
        self.waiting.retain(|order| !cancelled.contains(&order.what.ticket));
        self.cancelled.clear();
    }

    /// Starts what waits, as far as there are descriptors.
    fn admit(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let now = Instant::now();
        if self.dry_until.is_some_and(|until| until > now) {
            return;
        }
        self.dry_until = None;
        // Once for all that start now: none is to use a socket from before.
        self.site.look();
        while self.tasks.len() < self.most
            && self.dry_until.is_none()
            && let Some(order) = self.waiting.pop_front()
        {
            self.start(order);
        }
        // Those that waited for too long are answered: there is no verdict, and whoever counts learns why.
        while let Some(order) = self.waiting.pop_front_if(|order| now - order.ordered > PATIENCE) {
            order.answer(Report::without_descriptors(), &mut self.results);
        }
    }

    fn start(&mut self, mut order: Order) {
        let start = Instant::now();
        let target = Arc::clone(&order.what.target);
        order.started = Some(start);
        order.deadline = Deadline::after(start.into(), target.timeout).instant().into_std();
        let deadline = order.deadline;
        let future = (self.send)(Rc::clone(&self.site), Rc::clone(&self.tls), target, start);
        let place = self.tasks.add(order, future);
        self.timers.insert((deadline, place));
        self.poll(place);
    }

    /// Polls what was woken.
    fn turn(&mut self) {
        let mut woken = std::mem::take(&mut self.taken);
        self.tasks.take_woken(&mut woken);
        woken.drain(..).for_each(|place| self.poll(place));
        self.taken = woken;
    }

    fn poll(&mut self, place: usize) {
        self.reactor.refill();
        let Some((mut order, report)) = self.tasks.poll(place) else { return };
        let now = Instant::now();
        self.timers.remove(&(order.deadline, place));
        let report = report.unwrap_or_else(Report::of_bug);
        if report.cause == Some(Cause::Descriptors) && now - order.ordered <= PATIENCE {
            // Sockets that are kept may be of no use for it. Its turn comes again before that of those who came later.
            self.site.forget_sockets();
            self.dry_until = Some(now + DRY);
            order.started = None;
            self.waiting.push_front(order);
        } else {
            order.answer(report, &mut self.results);
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(due, _)| *due);
        let patience = self.waiting.front().map(|order| order.ordered + PATIENCE);
        let refill = self.dry_until.filter(|_| patience.is_some());
        [timer, patience, refill, self.results.due(), Some(self.tended)].into_iter().flatten().min()
    }

    /// Whether somebody waits who need not.
    fn may_admit(&self) -> bool {
        !self.waiting.is_empty() && self.dry_until.is_none() && self.tasks.len() < self.most
    }

    /// Polls tasks that must be over.
    fn ring_timers(&mut self) {
        let now = Instant::now();
        while let Some((due, place)) = self.timers.pop_first() {
            if due > now {
                self.timers.insert((due, place));
                break;
            }
            self.poll(place);
            // One that goes on would never be polled at its end again: it is a bug of ours, and no verdict.
            if self.tasks.about(place).is_some_and(|order| order.deadline == due)
                && let Some(order) = self.tasks.remove(place)
            {
                order.answer(Report::of_bug(), &mut self.results);
            }
        }
    }

    fn tend(&mut self, now: Instant) {
        if self.tended <= now {
            self.tended = now + TEND;
            self.site.tend();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::Ipv4Addr;
    use std::sync::Mutex;
    use std::thread::{self, JoinHandle};

    use tokio::sync::oneshot;

    use super::*;
    use crate::probe::engine::Bell;
    use crate::probe::target::Kind;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn hang(_: Rc<Site>, _: Rc<Connector>, _: Arc<Target>, _: Instant) -> Report {
        pending().await
    }

    async fn panic(_: Rc<Site>, _: Rc<Connector>, _: Arc<Target>, _: Instant) -> Report {
        panic!("as a test wants it")
    }

    async fn turn_twice(_: Rc<Site>, _: Rc<Connector>, _: Arc<Target>, _: Instant) -> Report {
        tokio::task::yield_now().await;
        Report::of_bug()
    }

    /// A thread that probes so, at most so many at a time, until its inbox says that it is over.
    fn start<F: Future<Output = Report> + 'static>(most: usize, send: Send<F>) -> (Arc<Inbox>, JoinHandle<()>) {
        let inbox = Arc::new(Inbox { messages: Mutex::default(), bell: Arc::new(Bell::new().expect("an eventfd")) });
        let ours = Arc::clone(&inbox);
        let work = move || {
            let mut worker = Worker::new(ours, None, send).expect("epoll");
            worker.most = most;
            worker.run();
        };
        (inbox, thread::spawn(work))
    }

    fn order(inbox: &Inbox, number: u64, timeout: Duration) -> oneshot::Receiver<Report> {
        let (backend, address) = ("web".into(), Ipv4Addr::LOCALHOST.into());
        let target =
            Arc::new(Target { backend, address, source: None, device: None, mark: None, timeout, kind: Kind::Icmp });
        let (answer, report) = oneshot::channel();
        let ticket = Ticket::Single(number);
        inbox.put([Message::Start(Start { ticket, target, due: Instant::now(), answer: Some(answer) })]);
        report
    }

    async fn answered(report: oneshot::Receiver<Report>) -> Option<Report> {
        tokio::time::timeout(PATIENCE, report).await.expect("the thread answers within moments").ok()
    }

    #[tokio::test]
    async fn a_probe_that_goes_on_beyond_its_time_out_is_ended() {
        let (inbox, thread) = start(100, hang);
        let report = answered(order(&inbox, 1, Duration::from_millis(20))).await.expect("a report");
        assert_eq!((report.outcome, report.cause), (maglev_health::Outcome::NoVerdict, Some(Cause::Bug)));
        inbox.put([Message::End]);
        thread.join().expect("no panic");
    }

    #[tokio::test]
    async fn a_probe_that_panics_is_answered_for_and_harms_no_other() {
        let (inbox, thread) = start(100, panic);
        for number in 0..2 {
            let report = answered(order(&inbox, number, PATIENCE)).await.expect("a report");
            assert_eq!(report.cause, Some(Cause::Bug));
        }
        inbox.put([Message::End]);
        thread.join().expect("no panic");
    }

    #[tokio::test]
    async fn whoever_waits_starts_when_another_ends() {
        let (inbox, thread) = start(1, turn_twice);
        let reports: Vec<_> = (0..50).map(|number| order(&inbox, number, PATIENCE)).collect();
        for report in reports {
            let report = answered(report).await.expect("a report");
            assert_eq!(report.cause, Some(Cause::Bug), "it did not wait for a second");
        }
        inbox.put([Message::End]);
        thread.join().expect("no panic");
    }

    #[tokio::test]
    async fn whoever_waits_for_a_second_is_answered_then() {
        let (inbox, thread) = start(1, hang);
        let _running = order(&inbox, 1, PATIENCE * 10);
        let waits = order(&inbox, 2, PATIENCE * 10);
        assert_eq!(answered(waits).await.expect("a report").cause, Some(Cause::Descriptors));
        inbox.put([Message::End]);
        thread.join().expect("no panic");
    }

    #[tokio::test]
    async fn of_many_probes_those_that_are_cancelled_go_at_once() {
        let (inbox, thread) = start(100, hang);
        let mut reports: Vec<_> = (0..10).map(|number| order(&inbox, number, PATIENCE * 10)).collect();
        inbox.put((0..9).map(|number| Message::Cancel(Ticket::Single(number))));
        let last = reports.pop().expect("ten");
        for report in reports {
            assert!(answered(report).await.is_none(), "nobody waits for it");
        }
        inbox.put([Message::Cancel(Ticket::Single(77)), Message::End]);
        thread.join().expect("no panic");
        assert!(answered(last).await.is_none(), "it was under way until the thread ended");
    }
}
