//! How connections begin and end. Time stands still unless nothing else can happen.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::peer::{Log, Peer, Socket, pong, version};
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::time::Instant;
use vpp_api::client::{CallResult, Client, Options};
use vpp_api::error::{CallError, ConnectError, Disconnect, FrameError, ProtocolError};
use vpp_api::messages::memclnt::ControlPing;
use vpp_api::messages::vpe::ShowVersion;
use vpp_api::server::ServedTable;

#[tokio::test]
async fn a_client_connects_by_path() {
    let socket = Socket::new("path");
    let listener = UnixListener::bind(socket.path()).expect("a socket");
    let serve = async {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut peer = Peer::on(stream, ServedTable::of_this_crate(1));
        let hello = peer.next().await;
        peer.flush().await;
        (peer, hello)
    };
    let options = Options { name: "a-name".to_owned(), ..Options::default() };
    let (client, (_peer, hello)) = tokio::join!(Client::connect(socket.path(), options), serve);
    let client = client.expect("the handshake succeeds");
    assert_eq!(format!("{:?}", hello.request), r#"SockclntCreate(SockclntCreate { name: "a-name" })"#);
    assert_eq!(client.client_index(), crate::peer::CLIENT_INDEX);
    assert_eq!(client.table().id("control_ping_51077d14"), Some(23));
}

#[tokio::test]
async fn a_missing_socket_is_named() {
    let socket = Socket::new("missing");
    let error = Client::connect(socket.path(), Options::default()).await.expect_err("nobody is there");
    assert_eq!(error.to_string(), format!("cannot connect to {}", socket.path().display()));
    let source = error.source().and_then(|source| source.downcast_ref::<Arc<io::Error>>());
    assert_eq!(source.expect("what the system said").kind(), io::ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_full_backlog_is_waited_for() {
    let socket = Socket::new("backlog");
    let listener = UnixSocket::new_stream().expect("a socket");
    listener.bind(socket.path()).expect("a free path");
    let listener = listener.listen(1).expect("a listener");
    let mut waiting = Vec::new();
    loop {
        match UnixStream::connect(socket.path()).await {
            Ok(stream) => waiting.push(stream),
            Err(error) => break assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    let serve = async {
        // The client must have met the full backlog before there is room.
        tokio::time::sleep(Duration::from_secs(1)).await;
        for _ in 0..waiting.len() {
            listener.accept().await.expect("a waiting stream");
        }
        let (stream, _) = listener.accept().await.expect("the client");
        let mut peer = Peer::on(stream, ServedTable::of_this_crate(1));
        peer.next().await;
        peer.flush().await;
        peer
    };
    let (client, _peer) = tokio::join!(Client::connect(socket.path(), Options::default()), serve);
    client.expect("the handshake succeeds");
}

#[tokio::test]
async fn the_handshake_may_come_byte_by_byte() {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let mut peer = Peer::on(theirs, ServedTable::of_this_crate(1));
    let greet = async {
        peer.next().await;
        for byte in peer.session.take_output() {
            peer.send(&[byte]).await;
            tokio::task::yield_now().await;
        }
    };
    let (client, ()) = tokio::join!(Client::from_stream(ours, Options::default()), greet);
    let client = client.expect("the handshake succeeds");
    assert!(client.supports::<ShowVersion>());
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_ends_the_handshake() {
    let (ours, _theirs) = UnixStream::pair().expect("a socket pair");
    let start = Instant::now();
    let log = Arc::new(Log::default());
    let outcome = Client::from_stream(ours, Options { observer: Some(log.clone()), ..Options::default() }).await;
    let Err(ConnectError::TimedOut { after }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(start.elapsed().as_secs(), after.as_secs());
    assert_eq!(log.seen(), [("sockclnt_create", None), ("sockclnt_create", Some(CallResult::TimedOut))]);
}

#[tokio::test]
async fn a_peer_that_hangs_up_ends_the_handshake() {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let (outcome, ()) = tokio::join!(Client::from_stream(ours, Options::default()), async {
        let mut peer = Peer::on(theirs, ServedTable::of_this_crate(1));
        peer.next().await;
        let half = peer.session.take_output();
        peer.send(&half[..half.len() / 2]).await;
    });
    assert!(matches!(outcome, Err(ConnectError::Eof)), "{outcome:?}");
}

#[tokio::test]
async fn a_peer_that_is_not_vpp_is_told_apart() {
    let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    theirs.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("the client takes bytes");
    let outcome = Client::from_stream(ours, Options::default()).await;
    let Err(ConnectError::Protocol(ProtocolError::Frame(FrameError::Oversized { .. }))) = outcome else {
        panic!("{outcome:?}")
    };
}

#[tokio::test(start_paused = true)]
async fn one_lost_reply_ends_the_connection_after_the_call_time_out() {
    let options = Options { call_timeout: Duration::from_secs(20), ..Options::default() };
    let (client, mut peer) = Peer::connected(options).await;
    let start = Instant::now();
    let lost = client.call(&ShowVersion {});
    let alive = async {
        // Others are answered all the while, so that it is not silent.
        loop {
            match client.call(&ControlPing {}).await {
                Ok(_) => tokio::time::sleep(Duration::from_secs(1)).await,
                Err(error) => break error,
            }
        }
    };
    let serve = async {
        while let Some(incoming) = peer.try_next().await {
            if incoming.request.name() == "control_ping" && start.elapsed() < Duration::from_millis(19_500) {
                peer.reply(incoming.context, &pong()).await;
            }
        }
    };
    let (lost, alive, ()) = tokio::join!(lost, alive, serve);
    let limit = Duration::from_secs(20);
    assert!(matches!(lost, Err(CallError::TimedOut { message: "show_version", after }) if after == limit), "{lost:?}");
    assert!(
        matches!(alive, CallError::Disconnected(Disconnect::TimedOut { message: "show_version", .. })),
        "{alive:?}"
    );
    assert!(matches!(client.closed().await, Disconnect::TimedOut { message: "show_version", .. }));
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn silence_with_calls_outstanding_ends_the_connection() {
    let (client, peer) = Peer::connected(Options::default()).await;
    let start = Instant::now();
    let (one, two) = tokio::join!(client.call(&ShowVersion {}), client.call(&ControlPing {}));
    for outcome in [one.map(drop), two.map(drop)] {
        let Err(CallError::Disconnected(Disconnect::Silent(after))) = outcome else { panic!("{outcome:?}") };
        assert_eq!(after, Duration::from_secs(5));
    }
    assert_eq!(start.elapsed().as_secs(), 5);
    drop(peer);
}

/// As after SIGSTOP, or a pause of the machine: the reply came in time, and the client finds it together with the alarm.
#[tokio::test(start_paused = true)]
async fn a_reply_that_is_in_the_socket_counts_however_late_it_is_read() {
    // Which of the two the driver saw first used to be a matter of chance.
    for _ in 0..32 {
        let (client, mut peer) = Peer::connected(Options::default()).await;
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.call(&ShowVersion {}).await }
        });
        let incoming = peer.next().await;
        peer.session.reply(incoming.context, &version("late")).expect("it is served");
        let reply = peer.session.take_output();
        assert_eq!(peer.stream.try_write(&reply).expect("there is room"), reply.len());
        // Nothing else has run since.
        tokio::time::advance(Duration::from_secs(60)).await;
        call.await.expect("no panic").expect("the reply came in time");
        assert!(!client.is_closed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_lives_on() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let (reply, ()) = tokio::join!(client.call(&ShowVersion {}), async {
            let incoming = peer.next().await;
            // Slow, but within the limit of silence.
            tokio::time::sleep(Duration::from_secs(4)).await;
            peer.reply(incoming.context, &version("idle")).await;
        });
        reply.expect("the connection is good");
    }
    assert!(!client.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_that_is_never_answered_still_ends_the_connection() {
    // What VPP did with it is as unknown as if somebody still waited.
    let (client, _peer) = Peer::connected(Options::default()).await;
    {
        let dropped = client.call(&ShowVersion {});
        let mut dropped = std::pin::pin!(dropped);
        assert!(futures_util::poll!(&mut dropped).is_pending());
    }
    assert!(matches!(client.closed().await, Disconnect::Silent(_)));
}

#[tokio::test]
async fn every_call_in_flight_learns_why_the_connection_ended() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (one, two, ()) = tokio::join!(client.call(&ShowVersion {}), client.call(&ControlPing {}), async move {
        peer.next().await;
        peer.next().await;
        drop(peer);
    });
    for outcome in [one.map(drop), two.map(drop)] {
        assert!(matches!(outcome, Err(CallError::Disconnected(Disconnect::Eof))), "{outcome:?}");
    }
    let error = client.call(&ShowVersion {}).await.expect_err("it has ended");
    assert_eq!(error.to_string(), "lost the API connection");
    assert_eq!(error.source().expect("a reason").to_string(), "VPP closed the API connection");
    assert!(client.is_closed());
}

#[tokio::test]
async fn a_corrupt_header_ends_the_connection() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (outcome, ()) = tokio::join!(client.call(&ShowVersion {}), async {
        peer.next().await;
        peer.send(&[0xff; 16]).await;
    });
    let Err(CallError::Disconnected(Disconnect::Protocol(ProtocolError::Frame(_)))) = outcome else {
        panic!("{outcome:?}")
    };
}

#[tokio::test]
async fn answers_before_a_corrupt_header_still_count() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (good, bad, ()) = tokio::join!(client.call(&ShowVersion {}), client.call(&ControlPing {}), async {
        let incoming = peer.next().await;
        peer.session.reply(incoming.context, &version("good")).expect("served");
        let output = [&peer.session.take_output()[..], &[0xff; 16]].concat();
        peer.next().await;
        peer.send(&output).await;
    });
    good.expect("its reply came");
    bad.expect_err("its reply did not");
}

#[tokio::test]
async fn the_last_client_takes_the_socket_with_it() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let clone = client.clone();
    drop(client);
    assert!(!clone.is_closed());
    drop(clone);
    assert_eq!(peer.try_next().await, None);
}

#[tokio::test]
async fn closing_ends_it_for_all_clones() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let clone = client.clone();
    let (outcome, ()) = tokio::join!(clone.call(&ShowVersion {}), async {
        peer.next().await;
        client.close();
    });
    assert!(matches!(outcome, Err(CallError::Disconnected(Disconnect::Closed))), "{outcome:?}");
    assert!(matches!(clone.closed().await, Disconnect::Closed));
    assert_eq!(peer.try_next().await, None);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_peer_that_does_not_read() {
    let (client, _peer) = Peer::connected(Options::default()).await;
    let cmd = vpp_api::types::Text::from(vec![b'x'; 8 << 20]);
    let request = vpp_api::messages::vlib::CliInband { cmd };
    let (outcome, ()) = tokio::join!(client.call(&request), async {
        tokio::task::yield_now().await;
        client.close();
    });
    assert!(matches!(outcome, Err(CallError::Disconnected(Disconnect::Closed))), "{outcome:?}");
}

#[test]
fn a_runtime_that_goes_takes_the_connection_with_it_and_says_so() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (home, other) = (runtime(), runtime());
    let (client, _peer) = home.block_on(Peer::connected(Options::default()));
    let outcome = other.block_on(async {
        let call = client.call(&ShowVersion {});
        let mut call = std::pin::pin!(call);
        assert!(futures_util::poll!(&mut call).is_pending());
        home.shutdown_background();
        call.await
    });
    assert!(matches!(outcome, Err(CallError::Disconnected(Disconnect::Closed))), "{outcome:?}");
    assert!(client.is_closed());
}
