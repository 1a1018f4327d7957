use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::forecast::Outlook;
use crate::model::{Abilities, Desired, DesiredVip, Encap, ForeignVips};
use crate::plan::Scope;
use crate::testing::{FakeVpp, desired, down, key, server, up, vip};

/// What becomes of a call, by its number.
type Fate = dyn Fn(usize, &Call) -> Option<CallFailure> + Send + Sync;

/// The small VPP behind futures that take their time.
struct Slow {
    vpp: Mutex<FakeVpp>,
    latency: Duration,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    fate: Box<Fate>,
}

impl Slow {
    fn new(vpp: FakeVpp) -> Self {
        Self {
            vpp: Mutex::new(vpp),
            latency: Duration::from_millis(1),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            fate: Box::new(|_, _| None),
        }
    }

    fn vpp(self) -> FakeVpp {
        self.vpp.into_inner().expect("no test panicked")
    }
}

impl Dataplane for Slow {
    async fn call(&self, call: Call) -> Result<Reply, CallFailure> {
        let reply = {
            let mut vpp = self.vpp.lock().expect("no test panicked");
            match (self.fate)(vpp.log.len(), &call) {
                Some(failure) => {
                    vpp.log.push(call);
                    Err(failure)
                }
                None => vpp.execute(&call),
            }
        };
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Ordering::Relaxed);
        tokio::time::sleep_until(tokio::time::Instant::now() + self.latency).await;
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        reply
    }

    fn abilities(&self) -> Abilities {
        self.vpp.lock().expect("no test panicked").abilities
    }
}

fn refused(text: &str) -> CallFailure {
    CallFailure::Refused { retval: -1, text: text.to_owned() }
}

async fn run(wanted: &Desired, slow: &Slow) -> Status {
    let actual = slow.vpp.lock().expect("no test panicked").actual();
    let plan = Plan::new(wanted, &actual, &Scope { prune: true, ..Scope::default() });
    apply(&plan, slow, ApplyOptions::default()).await
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_carried_out_with_calls_in_flight_and_the_next_one_is_empty() {
    let wanted = desired((1..=100).map(|n| (key(&format!("192.0.2.{n}"), 80), vip([up(1, 100), up(2, 50)]))));
    let slow = Slow::new(FakeVpp::new());
    let status = run(&wanted, &slow).await;
    assert!(status.is_ok());
    assert_eq!(status.conf, Outcome::Changed);
    assert!(status.vips.len() == 100 && status.vips.values().all(|outcome| *outcome == Outcome::Changed));
    assert_eq!(slow.most_in_flight.load(Ordering::Relaxed), 64);

    let again = run(&wanted, &slow).await;
    assert!(again.conf == Outcome::Unchanged && again.vips.values().all(|outcome| *outcome == Outcome::Unchanged));
    assert_eq!(slow.vpp().log.len(), 1 + 300);
}

#[tokio::test(start_paused = true)]
async fn without_weights_what_was_read_comes_to_an_empty_plan() {
    let web = key("192.0.2.1", 80);
    let wanted = desired([(web, vip([up(1, 100), up(2, 50), down(3)]))]);
    let slow = Slow::new(FakeVpp::able(crate::testing::abilities(false)));
    let tells_numbers = |tells| slow.vpp.lock().expect("no test panicked").has_sticky_table = tells;
    tells_numbers(false);
    for steps in [4, 0, 0] {
        let actual = read(&slow).await.expect("a VPP that answers");
        let plan = Plan::new(&wanted, &actual, &Scope::default());
        assert_eq!(plan.steps().count(), steps, "{plan}");
        // A forecast begins where the plan does.
        assert_eq!(Outlook::new(wanted.clone(), actual).forecast(false).vips().len(), usize::from(steps > 0));
        assert!(apply(&plan, &slow, ApplyOptions::default()).await.is_ok());
    }
    // Settings are told there with the first session, and sent until then.
    tells_numbers(true);
    assert!(Plan::new(&wanted, &read(&slow).await.expect("a VPP that answers"), &Scope::default()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn cuts_come_before_everything_else_and_stages_wait_for_answers() {
    let keys = [1, 2].map(|n| key(&format!("192.0.2.{n}"), 80));
    let standing = desired(keys.map(|key| (key, vip([up(1, 100), up(2, 100)]))));
    let wanted = desired(keys.map(|key| (key, vip([down(1), up(3, 100)]))));
    let slow = Slow::new(FakeVpp::as_desired(&standing));
    assert!(run(&wanted, &slow).await.is_ok());
    let log: Vec<String> = slow.vpp().log.iter().map(Call::to_string).collect();
    assert_eq!(
        log,
        [
            "192.0.2.1 tcp/80: server 10.0.0.1 weight 0",
            "192.0.2.2 tcp/80: server 10.0.0.1 weight 0",
            "192.0.2.1 tcp/80: add server 10.0.0.3 weight 100",
            "192.0.2.2 tcp/80: add server 10.0.0.3 weight 100",
            "192.0.2.1 tcp/80: delete server 10.0.0.2",
            "192.0.2.2 tcp/80: delete server 10.0.0.2",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_fails_its_vip_alone_and_stops_what_depends_on_it() {
    let keys = [1, 2].map(|n| key(&format!("192.0.2.{n}"), 80));
    let standing = desired(keys.map(|key| (key, vip([up(1, 100)]))));
    let wanted = desired(keys.map(|key| (key, vip([up(2, 100)]))));
    let bad = keys[0];
    let mut slow = Slow::new(FakeVpp::as_desired(&standing));
    slow.fate = Box::new(move |_, call| (call.vip() == Some(&bad)).then(|| refused("no")));
    let status = run(&wanted, &slow).await;
    let failure = status.failures().map(|(key, failure)| (*key, failure.to_string())).collect::<Vec<_>>();
    assert_eq!(failure, [(bad, "refused: 192.0.2.1 tcp/80: add server 10.0.0.2 weight 100".to_owned())]);
    assert_eq!(status.vips[&keys[1]], Outcome::Changed);
    let vpp = slow.vpp();
    assert_eq!((vpp.weight(&bad, server(1)), vpp.weight(&keys[1], server(1))), (Some(100), None));
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_fails_the_rest() {
    let keys: Vec<VipKey> = (1..=200).map(|n| key(&format!("192.0.2.{n}"), 80)).collect();
    let wanted = desired(keys.iter().map(|key| (*key, vip([up(1, 100)]))));
    let mut slow = Slow::new(FakeVpp::as_desired(&desired([])));
    slow.fate = Box::new(|number, _| (number >= 20).then_some(CallFailure::Lost));
    let status = run(&wanted, &slow).await;
    assert_eq!(status.vips.len(), 200);
    let lost = status.failures().filter(|(_, failure)| **failure == Failure::LinkLost).count();
    assert_eq!(lost, 190);
    // What was in flight came back lost, too, and nothing else was sent.
    assert_eq!(slow.vpp().log.len(), 64 + 20);
}

#[tokio::test(start_paused = true)]
async fn a_link_lost_over_the_settings_fails_everything() {
    let wanted = desired([(key("192.0.2.1", 80), vip([up(1, 100)]))]);
    let mut slow = Slow::new(FakeVpp::new());
    slow.fate = Box::new(|_, _| Some(CallFailure::Lost));
    let status = run(&wanted, &slow).await;
    assert_eq!(status.conf, Outcome::Failed(Failure::LinkLost));
    assert_eq!(status.failures().count(), 1);
    assert_eq!(slow.vpp().log.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn vips_that_change_places_share_their_fate() {
    let (http, https) = (key("192.0.2.1", 80), key("192.0.2.1", 443));
    let gre6 = DesiredVip { encap: Encap::Gre6, ..vip([]) };
    let mut slow = Slow::new(FakeVpp::as_desired(&desired([(http, vip([])), (https, vip([]))])));
    slow.fate = Box::new(move |_, call| (*call == Call::VipDel(https)).then(|| refused("no")));
    let status = run(&desired([(http, gre6.clone()), (https, gre6)]), &slow).await;
    assert_eq!(status.failures().count(), 2);
    assert!(!status.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_vip_with_another_one_in_its_way_fails_without_a_call() {
    let (http, https) = (key("192.0.2.1", 80), key("192.0.2.1", 443));
    let mut wanted = desired([(http, DesiredVip { encap: Encap::Gre6, ..vip([]) })]);
    wanted.foreign = ForeignVips::Keep;
    let slow = Slow::new(FakeVpp::as_desired(&desired([(https, vip([]))])));
    let status = run(&wanted, &slow).await;
    assert_eq!(status.vips[&http], Outcome::Failed(Failure::InTheWay { by: https }));
    assert!(slow.vpp().log.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_a_vip_never_leaves() {
    let one = key("192.0.2.1", 80);
    let slow = Slow::new(FakeVpp::as_desired(&desired([(key("10.0.0.7", 80), vip([]))])));
    let mut wanted = desired([(one, vip([up(7, 100), up(8, 100)]))]);
    wanted.foreign = ForeignVips::Keep;
    let status = run(&wanted, &slow).await;
    assert!(matches!(status.vips[&one], Outcome::Failed(Failure::Forbidden { .. })), "{status:?}");
    assert!(slow.vpp().writes().iter().all(|call| !call.to_string().contains("10.0.0.7 ")));
}

#[tokio::test(start_paused = true)]
async fn flushes_of_vips_that_go_take_a_quarter_of_the_time() {
    let standing = desired([(key("192.0.2.1", 80), vip([up(1, 1), up(2, 1), up(3, 1), up(4, 1), up(5, 1)]))]);
    let mut slow = Slow::new(FakeVpp::as_desired(&standing));
    slow.latency = Duration::from_millis(10);
    let start = tokio::time::Instant::now();
    assert!(run(&desired([]), &slow).await.is_ok());
    // Five flushes with four rests between them, then the VIP itself.
    assert_eq!(start.elapsed().as_millis() / 10, 5 + 4 * 3 + 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_what_vpp_holds() {
    let wanted = desired([(key("192.0.2.1", 80), vip([up(1, 100), up(2, 0)])), (key("192.0.2.2", 0), vip([]))]);
    let slow = Slow::new(FakeVpp::as_desired(&wanted));
    let read = read(&slow).await.expect("the small VPP answers");
    let mut expected = slow.vpp().actual();
    for vip in expected.vips.values_mut() {
        // Only the verbose text tells these.
        (vip.src_ip_sticky, vip.pool_index) = (None, None);
        vip.table_length = crate::ActualLength::Low16(1024);
    }
    assert_eq!(read, expected);
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_fails_says_why() {
    let mut slow = Slow::new(FakeVpp::new());
    slow.fate = Box::new(|_, call| (*call == Call::VipDump).then(|| refused("no")));
    assert_eq!(read(&slow).await, Err(refused("no")));
}
