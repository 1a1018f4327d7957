use std::time::Duration;

use super::*;
use crate::call::Call;
use crate::model::Weight;
use crate::testing::{key, origin, server};

fn set(key: VipKey, n: u8, stage: Stage) -> Step {
    let flush = stage == Stage::Flush;
    let call = Call::AsSetWeight { key, address: server(n), weight: Weight::ZERO, flush };
    Step { key, call, stage, before: Some(1) }
}

/// Everything that can leave now, without answers.
fn leave(exec: &mut Executor, now: Instant) -> Vec<(CallId, String)> {
    let mut left = Vec::new();
    while let Some(next) = exec.poll(now) {
        match next {
            Next::Call(id, step) => left.push((id, step.call.to_string())),
            Next::Forbidden { step, .. } => panic!("{step} breaks no rule"),
        }
    }
    left
}

#[test]
fn the_most_urgent_job_goes_first_and_each_job_in_its_order() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut exec = Executor::new(AddressBook::default());
    exec.submit(one, Priority::Pass, vec![set(one, 2, Stage::Shrink), set(one, 1, Stage::Shrink)]);
    exec.submit(other, Priority::Urgent, vec![set(other, 1, Stage::UrgentCut)]);
    let left: Vec<String> = leave(&mut exec, origin()).into_iter().map(|(_, call)| call).collect();
    assert_eq!(
        left,
        [
            "192.0.2.2 tcp/80: server 10.0.0.1 weight 0",
            "192.0.2.1 tcp/80: server 10.0.0.2 weight 0",
            "192.0.2.1 tcp/80: server 10.0.0.1 weight 0",
        ]
    );
}

#[test]
fn a_flush_that_waits_holds_up_nobody_else() {
    let keys = [1, 2, 3].map(|n| key(&format!("192.0.2.{n}"), 80));
    let mut exec = Executor::new(AddressBook::default());
    for key in &keys[..2] {
        exec.submit(*key, Priority::Debt, vec![set(*key, 1, Stage::Flush)]);
    }
    exec.submit(keys[2], Priority::Pass, vec![set(keys[2], 1, Stage::Shrink)]);
    let start = origin();
    let left = leave(&mut exec, start);
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(exec.poll_timeout(), None);

    // It took 5 ms, so the next one may go 15 ms later.
    let answered = start + Duration::from_millis(5);
    exec.finish(answered, left[0].0, true).expect("it was in flight");
    assert_eq!(exec.poll_timeout(), Some(answered + Duration::from_millis(15)));
    exec.handle_timeout(answered + Duration::from_millis(14));
    assert_eq!(leave(&mut exec, answered), []);
    exec.handle_timeout(answered + Duration::from_millis(15));
    assert_eq!(leave(&mut exec, answered).len(), 1);
}

#[test]
fn a_failure_drops_what_was_not_sent_and_the_job_ends_with_its_last_answer() {
    let one = key("192.0.2.1", 80);
    let now = origin();
    let mut exec = Executor::new(AddressBook::default());
    exec.submit(one, Priority::Health, [1, 2, 3].map(|n| set(one, n, Stage::Shrink)).into());
    let mut sent = Vec::new();
    for _ in 0..2 {
        let Some(Next::Call(id, _)) = exec.poll(now) else { panic!("there are three steps") };
        sent.push(id);
    }
    let (_, ended) = exec.finish(now, sent[0], false).expect("it was in flight");
    assert!(ended.is_none());
    assert!(exec.poll(now).is_none());
    let (_, ended) = exec.finish(now, sent[1], true).expect("it was in flight");
    assert!(ended.is_some_and(|ended| ended.failed && ended.lead == one));
    assert!(exec.finish(now, sent[1], true).is_none());
}

#[test]
fn dropping_what_was_not_sent_ends_a_job_that_has_nothing_in_flight() {
    let one = key("192.0.2.1", 80);
    let now = origin();
    let mut exec = Executor::new(AddressBook::default());
    exec.submit(one, Priority::Health, [1, 2].map(|n| set(one, n, Stage::Shrink)).into());
    assert!(exec.drop_unsent(&one));
    assert!(exec.poll(now).is_none());

    exec.submit(one, Priority::Health, [1, 2].map(|n| set(one, n, Stage::Shrink)).into());
    let Some(Next::Call(id, _)) = exec.poll(now) else { panic!("there are two steps") };
    assert!(!exec.drop_unsent(&one));
    assert!(exec.poll(now).is_none());
    let (_, ended) = exec.finish(now, id, true).expect("it was in flight");
    assert!(ended.is_some_and(|ended| !ended.failed));
}
