//! A connection that is made again. Time stands still unless nothing else can happen.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::net::UnixListener;
use tokio::time::{Instant, sleep};
use vpp_api::client::{Client, Link, LinkClosed, LinkDown, LinkOptions, LinkState, LinkStates};
use vpp_api::error::{CallError, ConnectError, Disconnect};
use vpp_api::messages::vpe::ShowVersion;

use crate::peer::{Peer, Socket, assert_still_good, pong};

fn bind(socket: &Socket) -> UnixListener {
    let _ = std::fs::remove_file(socket.path());
    UnixListener::bind(socket.path()).expect("a free path")
}

fn link(socket: &Socket) -> (Link, LinkStates) {
    let link = Link::new(socket.path(), LinkOptions::default());
    let states = link.states();
    (link, states)
}

/// The next state, which has to be a connection.
async fn up(states: &mut LinkStates) -> (Client, u64) {
    match states.next().await.expect("the link lives") {
        LinkState::Up { client, generation } => (client, generation),
        other => panic!("a connection, not {other:?}"),
    }
}

/// The next state, which has to be none.
async fn down(states: &mut LinkStates) -> (LinkDown, u32, Duration) {
    match states.next().await.expect("the link lives") {
        LinkState::Down { reason, failures, wait } => (reason, failures, wait),
        other => panic!("no connection, not {other:?}"),
    }
}

async fn starts(states: &mut LinkStates) {
    assert!(matches!(down(states).await, (LinkDown::Starting, 0, Duration::ZERO)));
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_missing_is_tried_again_until_it_appears() {
    let socket = Socket::new("appears");
    let (link, mut states) = link(&socket);
    starts(&mut states).await;
    assert!(link.try_client().is_none());
    let start = Instant::now();
    let mut expected = Duration::ZERO;
    for (failures, millis) in (1..).zip([100, 200, 400, 800, 1600, 3200, 5000, 5000]) {
        let (reason, counted, wait) = down(&mut states).await;
        let LinkDown::Connect(ConnectError::Connect { source, .. }) = reason else { panic!("{reason:?}") };
        assert_eq!(source.kind(), io::ErrorKind::NotFound);
        assert_eq!((counted, wait), (failures, Duration::from_millis(millis)));
        // To the millisecond, which is how tokio's timers count.
        assert_eq!(start.elapsed().as_millis(), expected.as_millis());
        expected += wait;
    }

    let listener = bind(&socket);
    let (client, mut peer) = tokio::join!(link.client(), Peer::accept(&listener));
    let client = client.expect("the link lives");
    assert_still_good(&client, &mut peer).await;
    assert_eq!(up(&mut states).await.1, 1);
    assert!(link.try_client().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_is_followed_by_another_at_once() {
    let socket = Socket::new("again");
    let listener = bind(&socket);
    let (link, mut states) = link(&socket);
    starts(&mut states).await;
    let mut peer = Peer::accept(&listener).await;
    let (first, generation) = up(&mut states).await;
    assert_eq!(generation, 1);
    assert_still_good(&first, &mut peer).await;

    sleep(Duration::from_secs(5)).await;
    let start = Instant::now();
    drop(peer);
    let (reason, failures, wait) = down(&mut states).await;
    assert!(matches!(reason, LinkDown::Lost(Disconnect::Eof)), "{reason:?}");
    assert_eq!((failures, wait), (0, Duration::ZERO));
    let mut peer = Peer::accept(&listener).await;
    let (second, generation) = up(&mut states).await;
    assert_eq!(generation, 2);
    assert!(start.elapsed() < Duration::from_millis(10), "it took {:?}", start.elapsed());
    assert!(matches!(first.call(&ShowVersion {}).await, Err(CallError::Disconnected(Disconnect::Eof))));
    assert_still_good(&second, &mut peer).await;
    assert_still_good(&link.client().await.expect("the link lives"), &mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_is_never_made_again() {
    let socket = Socket::new("no-retry");
    let listener = bind(&socket);
    let (link, _) = link(&socket);
    let mut peer = Peer::accept(&listener).await;
    let client = link.client().await.expect("the link lives");
    let (outcome, ()) = tokio::join!(client.call(&ShowVersion {}), async {
        peer.next().await;
        drop(peer);
    });
    assert!(matches!(outcome, Err(CallError::Disconnected(Disconnect::Eof))), "{outcome:?}");
    let mut peer = Peer::accept(&listener).await;
    // The first request after the handshake is the one made now.
    assert_still_good(&link.client().await.expect("the link lives"), &mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_vpp_that_hangs_up_on_everybody_is_asked_ever_less_often() {
    let socket = Socket::new("hangs-up");
    let listener = bind(&socket);
    let (_link, mut states) = link(&socket);
    starts(&mut states).await;
    let serve = async {
        loop {
            drop(Peer::accept(&listener).await);
        }
    };
    let watch = async {
        let mut waits = Vec::new();
        for generation in 1..=7 {
            assert_eq!(up(&mut states).await.1, generation);
            let (reason, _, wait) = down(&mut states).await;
            assert!(matches!(reason, LinkDown::Lost(Disconnect::Eof)), "{reason:?}");
            waits.push(wait.as_millis());
        }
        waits
    };
    tokio::select! {
        () = serve => {}
        waits = watch => assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000]),
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_a_failed_attempt() {
    let socket = Socket::new("refused");
    drop(bind(&socket));
    let (link, mut states) = link(&socket);
    starts(&mut states).await;
    for counted in 1..=2 {
        let (reason, failures, _) = down(&mut states).await;
        let LinkDown::Connect(ConnectError::Connect { source, .. }) = reason else { panic!("{reason:?}") };
        assert_eq!((source.kind(), failures), (io::ErrorKind::ConnectionRefused, counted));
    }
    let listener = bind(&socket);
    let (client, _peer) = tokio::join!(link.client(), Peer::accept(&listener));
    client.expect("the link lives");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_hangs_is_a_failed_attempt() {
    let socket = Socket::new("hangs");
    let listener = bind(&socket);
    let (link, mut states) = link(&socket);
    starts(&mut states).await;
    let start = Instant::now();
    let (hung, _) = listener.accept().await.expect("a client");
    let (reason, failures, wait) = down(&mut states).await;
    let LinkDown::Connect(ConnectError::TimedOut { after }) = reason else { panic!("{reason:?}") };
    assert_eq!((failures, wait), (1, Duration::from_millis(100)));
    assert_eq!(start.elapsed().as_secs(), after.as_secs());
    let _peer = Peer::accept(&listener).await;
    link.client().await.expect("the link lives");
    drop(hung);
}

#[tokio::test(start_paused = true)]
async fn a_vpp_that_hangs_is_noticed_on_a_quiet_connection() {
    let socket = Socket::new("quiet");
    let listener = bind(&socket);
    let (_link, mut states) = link(&socket);
    starts(&mut states).await;
    let mut peer = Peer::accept(&listener).await;
    up(&mut states).await;
    let start = Instant::now();
    let ping = peer.next().await;
    assert_eq!((ping.request.name(), start.elapsed().as_secs()), ("control_ping", 10));
    peer.reply(ping.context, &pong()).await;
    assert_eq!((peer.next().await.request.name(), start.elapsed().as_secs()), ("control_ping", 20));
    let (reason, ..) = down(&mut states).await;
    assert!(matches!(reason, LinkDown::Lost(Disconnect::Silent(_))), "{reason:?}");
    assert_eq!(start.elapsed().as_secs(), 25);
}

#[tokio::test(start_paused = true)]
async fn without_a_ping_a_quiet_connection_is_left_alone() {
    for ping in [None, Some(Duration::MAX)] {
        let socket = Socket::new("no-ping");
        let listener = bind(&socket);
        let link = Link::new(socket.path(), LinkOptions { ping, ..LinkOptions::default() });
        let mut peer = Peer::accept(&listener).await;
        let client = link.client().await.expect("the link lives");
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(client.counters().frames_sent, 0);
        assert_still_good(&client, &mut peer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_setup_runs_on_each_connection_before_anybody_gets_it() {
    let socket = Socket::new("setup");
    let listener = bind(&socket);
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let link = Link::with_setup(socket.path(), LinkOptions::default(), move |client| {
        count.fetch_add(1, Ordering::Relaxed);
        async move { Ok(client.call(&ShowVersion {}).await.map(drop)?) }
    });
    let mut states = link.states();
    starts(&mut states).await;
    for generation in 1..=2 {
        let mut peer = Peer::accept(&listener).await;
        let request = peer.next().await;
        assert!(link.try_client().is_none(), "the setup is not done yet");
        peer.reply(request.context, &crate::peer::version("26.10")).await;
        let (client, found) = up(&mut states).await;
        assert_eq!((found, runs.load(Ordering::Relaxed) as u64), (generation, generation));
        assert_still_good(&client, &mut peer).await;
        drop(peer);
        assert!(matches!(down(&mut states).await.0, LinkDown::Lost(Disconnect::Eof)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_setup_that_fails_closes_the_connection_and_is_tried_again() {
    let socket = Socket::new("setup-fails");
    let listener = bind(&socket);
    let mut attempts = 0;
    let link = Link::with_setup(socket.path(), LinkOptions::default(), move |_| {
        attempts += 1;
        let attempt = attempts;
        async move { if attempt < 3 { Err("not ready".into()) } else { Ok(()) } }
    });
    let mut states = link.states();
    starts(&mut states).await;
    for counted in 1..=2 {
        let mut peer = Peer::accept(&listener).await;
        assert_eq!(peer.try_next().await, None, "the connection is closed");
        let (reason, failures, _) = down(&mut states).await;
        let LinkDown::Setup(error) = &reason else { panic!("{reason:?}") };
        assert_eq!((error.to_string().as_str(), failures), ("not ready", counted));
    }
    let _peer = Peer::accept(&listener).await;
    assert_eq!(up(&mut states).await.1, 1, "those that failed were never up");
}

#[tokio::test(start_paused = true)]
async fn a_setup_that_hangs_is_cut_off_and_one_whose_connection_ends_is_dropped() {
    let socket = Socket::new("setup-hangs");
    let listener = bind(&socket);
    let link = Link::with_setup(socket.path(), LinkOptions::default(), |_| std::future::pending());
    let mut states = link.states();
    starts(&mut states).await;
    let start = Instant::now();
    let _hung = Peer::accept(&listener).await;
    let (reason, failures, _) = down(&mut states).await;
    assert!(matches!(reason, LinkDown::SetupTimedOut { .. }), "{reason:?}");
    assert_eq!((failures, start.elapsed().as_secs()), (1, 30));
    drop(Peer::accept(&listener).await);
    let (reason, failures, _) = down(&mut states).await;
    assert!(matches!(reason, LinkDown::Lost(Disconnect::Eof)), "{reason:?}");
    assert_eq!(failures, 2);
}

#[tokio::test(start_paused = true)]
async fn a_setup_that_panics_ends_the_link_and_says_so() {
    let socket = Socket::new("setup-panics");
    let listener = bind(&socket);
    let link = Link::with_setup(socket.path(), LinkOptions::default(), |_| async { panic!("a bug in a setup") });
    let (client, _peer) = tokio::join!(link.client(), Peer::accept(&listener));
    assert_eq!(client.expect_err("there will be none"), LinkClosed);
    assert!(matches!(link.state(), LinkState::Down { reason: LinkDown::Closed, .. }));
    let late: Vec<_> = link.states().collect().await;
    assert!(matches!(late[..], [LinkState::Down { reason: LinkDown::Closed, .. }]));
}

#[test]
fn a_runtime_that_goes_before_the_link_began_ends_it_and_says_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let link = runtime.block_on(async { Link::new(Socket::new("never").path(), LinkOptions::default()) });
    drop(runtime);
    assert!(matches!(link.state(), LinkState::Down { reason: LinkDown::Closed, .. }), "{:?}", link.state());
}

#[tokio::test(start_paused = true)]
async fn who_knows_that_vpp_is_back_need_not_wait() {
    let socket = Socket::new("retry");
    let (link, mut states) = link(&socket);
    starts(&mut states).await;
    while down(&mut states).await.2 < Duration::from_secs(5) {}
    let listener = bind(&socket);
    let start = Instant::now();
    link.retry_now();
    let _peer = Peer::accept(&listener).await;
    assert_eq!(up(&mut states).await.1, 1);
    assert!(start.elapsed() < Duration::from_millis(10), "it took {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_last_link_ends_the_task_and_the_client_lives_on() {
    let socket = Socket::new("last");
    let listener = bind(&socket);
    let (link, mut states) = link(&socket);
    starts(&mut states).await;
    let mut peer = Peer::accept(&listener).await;
    let (client, _) = up(&mut states).await;
    let clone = link.clone();
    drop(link);
    assert!(clone.try_client().is_some());
    drop(clone);
    assert!(matches!(down(&mut states).await.0, LinkDown::Closed));
    assert!(states.next().await.is_none());
    assert_still_good(&client, &mut peer).await;
    drop(client);
    assert_eq!(peer.try_next().await, None);
}

#[tokio::test(start_paused = true)]
async fn the_last_link_ends_an_attempt_under_way() {
    let socket = Socket::new("last-hangs");
    let listener = bind(&socket);
    let (link, mut states) = link(&socket);
    let (stream, _) = listener.accept().await.expect("a client");
    let mut peer = Peer::on(stream, vpp_api::server::ServedTable::of_this_crate(1));
    peer.next().await;
    drop(link);
    assert_eq!(peer.try_next().await, None);
    starts(&mut states).await;
    assert!(matches!(down(&mut states).await.0, LinkDown::Closed));
    assert!(states.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn closing_the_client_makes_the_link_connect_again() {
    let socket = Socket::new("close");
    let listener = bind(&socket);
    let (link, mut states) = link(&socket);
    starts(&mut states).await;
    let _peer = Peer::accept(&listener).await;
    up(&mut states).await.0.close();
    assert!(matches!(down(&mut states).await.0, LinkDown::Lost(Disconnect::Closed)));
    let mut peer = Peer::accept(&listener).await;
    assert_still_good(&link.client().await.expect("the link lives"), &mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_states_that_does_not_read_has_the_newest() {
    let socket = Socket::new("lags");
    let (_link, mut states) = link(&socket);
    // Some thirty failures.
    sleep(Duration::from_secs(120)).await;
    let mut seen = Vec::new();
    while let Some(LinkState::Down { failures, .. }) = futures_util::FutureExt::now_or_never(states.next()).flatten() {
        seen.push(failures);
    }
    assert_eq!(seen.len(), 16);
    assert!(seen.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seen:?}");
    assert!(*seen.last().expect("16 of them") > 20, "{seen:?}");
}
