use std::time::Duration;

use maglev_bin::event::What;
use maglev_bin::proto::{self, event::Kind};
use tonic::{Code, Streaming};

use crate::lab::Api;
use crate::support::PATIENCE;

async fn next(stream: &mut Streaming<proto::Event>, what: &str) -> proto::Event {
    match tokio::time::timeout(PATIENCE, stream.message()).await {
        Ok(Ok(Some(event))) => event,
        Ok(other) => panic!("the stream ended while it was to tell {what}: {other:?}"),
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}

async fn snapshot(stream: &mut Streaming<proto::Event>) -> Vec<proto::Event> {
    let mut events = Vec::new();
    loop {
        let event = next(stream, "the rest of a snapshot").await;
        assert!(event.snapshot, "{event:?} in the middle of a snapshot");
        if matches!(event.kind, Some(Kind::SnapshotEnd(_))) {
            return events;
        }
        events.push(event);
    }
}

fn only(kind: &str) -> proto::WatchEventsRequest {
    proto::WatchEventsRequest {
        log: kind == "log",
        backend: kind == "backend",
        frontend: kind == "frontend",
        log_level: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_comes_first_and_then_what_happens() {
    let mut api = Api::two_up().await;
    let mut stream = api.client.watch_events(proto::WatchEventsRequest::default()).await.unwrap().into_inner();
    let parts = snapshot(&mut stream).await;
    let names: Vec<_> = parts
        .iter()
        .map(|part| match part.kind.as_ref().unwrap() {
            Kind::Backend(event) => (&*event.name, &*event.from, &*event.to),
            Kind::Frontend(event) => (&*event.name, &*event.from, &*event.to),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, [("web0", "", "up"), ("web1", "", "up"), ("web-v4", "", "up")]);

    let request = proto::BackendRequest { name: "web0".into(), reason: String::new() };
    api.another().await.pause_backend(request).await.unwrap();
    let mut logs = Vec::new();
    let transition = loop {
        match next(&mut stream, "the transition").await.kind.unwrap() {
            Kind::Backend(event) => break event,
            Kind::Log(record) => logs.push(record.event),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((&*transition.name, &*transition.from, &*transition.to), ("web0", "up", "paused"));
    assert!(!logs.contains(&"backend-transition".to_owned()), "it is not told twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_let_through_what_was_asked_for() {
    let mut api = Api::two_up().await;
    let mut backends = api.client.watch_events(only("backend")).await.unwrap().into_inner();
    let mut frontends = api.client.watch_events(only("frontend")).await.unwrap().into_inner();
    let mut log = api.client.watch_events(only("log")).await.unwrap().into_inner();
    assert_eq!(snapshot(&mut backends).await.len(), 2);
    assert_eq!(snapshot(&mut frontends).await.len(), 1);
    assert_eq!(snapshot(&mut log).await.len(), 0);
    let mut operator = api.another().await;
    for name in ["web0", "web1"] {
        let request = proto::BackendRequest { name: name.into(), reason: String::new() };
        operator.disable_backend(request).await.unwrap();
    }
    for name in ["web0", "web1"] {
        let Some(Kind::Backend(event)) = next(&mut backends, "a transition").await.kind else { panic!("no backend") };
        assert_eq!((&*event.name, &*event.to), (name, "disabled"));
    }
    let Some(Kind::Frontend(event)) = next(&mut frontends, "a transition").await.kind else { panic!("no frontend") };
    assert_eq!((&*event.name, &*event.from, &*event.to), ("web-v4", "up", "down"));
    let mut record = async || match next(&mut log, "a record").await.kind {
        Some(Kind::Log(record)) => record,
        other => panic!("{other:?}"),
    };
    let action = record().await;
    assert_eq!((&*action.event, &*action.fields[1].value), ("operator-action", "disable"));
    // Told as a transition to whoever wants those; to this reader as a record.
    let transition = record().await;
    assert_eq!((&*transition.event, &*transition.level), ("backend-transition", "info"));
    assert_eq!(transition.fields[0], proto::LogField { name: "backend".into(), value: "web0".into() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_is_for_records_of_the_log_alone() {
    let mut api = Api::two_up().await;
    let request = proto::WatchEventsRequest { log: true, log_level: "error".into(), backend: true, frontend: false };
    let mut stream = api.client.watch_events(request).await.unwrap().into_inner();
    snapshot(&mut stream).await;
    let request = proto::BackendRequest { name: "web0".into(), reason: String::new() };
    api.another().await.pause_backend(request).await.unwrap();
    let Some(Kind::Backend(event)) = next(&mut stream, "the transition").await.kind else { panic!("no backend") };
    assert_eq!((&*event.name, &*event.to), ("web0", "paused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_debug_hears_every_probe_whatever_the_log_is_set_to() {
    let mut api = Api::two_up().await;
    let request = proto::WatchEventsRequest { log_level: "debug".into(), ..only("log") };
    let mut stream = api.client.watch_events(request).await.unwrap().into_inner();
    loop {
        let event = next(&mut stream, "a probe").await;
        if matches!(&event.kind, Some(Kind::Log(record)) if record.event == "probe-done") {
            break;
        }
    }
    let request = proto::WatchEventsRequest { log_level: "loud".into(), ..only("log") };
    let status = api.client.watch_events(request).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "`loud` is no level: it is debug, info, warn or error")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_too_slow_is_told_how_much_it_lost_and_begins_anew() {
    const TOLD: u64 = 50_000;
    let mut api = Api::two_up().await;
    let mut stream = api.client.watch_events(only("log")).await.unwrap().into_inner();
    snapshot(&mut stream).await;
    // Far more than the connection and the daemon hold for a reader that does not read.
    for number in 0..TOLD {
        let message = format!("{number} {}", "x".repeat(200)).into();
        api.daemon.bus().emit(What::Warning { cause: "test".into(), message });
        if number % 1_000 == 0 {
            // The server's thread shares two cores with this one; let it notice that nobody reads.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let (mut heard, mut lost) = (0, 0);
    while heard + lost < TOLD {
        match next(&mut stream, "the rest of what was told, or its loss").await.kind.unwrap() {
            Kind::Log(record) if record.event == "warning" => heard += 1,
            Kind::Log(_) => {}
            Kind::Lost(events) => {
                lost += events.count;
                assert_eq!(snapshot(&mut stream).await.len(), 0);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(lost > 0, "it read nothing, and heard all {heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_the_server() {
    let mut api = Api::two_up().await;
    let mut stream = api.client.watch_events(only("backend")).await.unwrap().into_inner();
    snapshot(&mut stream).await;
    let without_listeners = empty(&api.daemon);
    drop(std::mem::replace(&mut api.server, without_listeners));
    let end = tokio::time::timeout(PATIENCE, stream.message()).await.expect("the stream of a server that stopped ends");
    assert!(matches!(end, Ok(None)), "it ends in order: {end:?}");
}

/// A server without listeners.
fn empty(daemon: &maglev_bin::daemon::Daemon) -> maglev_bin::grpc::Server {
    let mut options = maglev_bin::grpc::GrpcOptions::default();
    options.addresses.clear();
    let listeners = maglev_bin::grpc::Listeners::bind(&options).unwrap();
    maglev_bin::grpc::Server::start(listeners, daemon.handle().clone(), false).unwrap()
}
