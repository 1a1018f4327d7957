//! Animals that misbehave before the first byte.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use maglev_bin::probe::{Prober, Tls};
use maglev_health::Code;
use rstest::rstest;
use socket2::{Domain, Socket, Type};

use crate::animal::{BOTH, CLOSED, Do, RESET, Script, Verdict, http_meets, late, serve, soon};
use crate::authority::{Authority, https, tcp_ssl};
use crate::server::{Server, http, tcp};

/// Each kind of probe that connects.
async fn all_meet(at: SocketAddr, verdict: Verdict) {
    let prober = Authority::new().prober();
    for target in [tcp(at), http(at), https(at, Tls::default()), tcp_ssl(at, Tls::default())] {
        verdict.check(&prober, &target).await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nobody_listens(#[values(BOTH[0], BOTH[1])] address: IpAddr) {
    // Bound and not listening: no other test can get the port.
    let socket = Socket::new(Domain::for_address((address, 0).into()), Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(address, 0).into()).unwrap();
    let at = socket.local_addr().unwrap().as_socket().unwrap();
    all_meet(at, soon(&[Code::L4Con], &[&["refused"]])).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_backlog_is_full(#[values(BOTH[0], BOTH[1])] address: IpAddr) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    // Linux takes one connection more than this, and then no longer answers.
    rustix::net::listen(&listener, 0).unwrap();
    let _taken = TcpStream::connect(at).unwrap();
    all_meet(at, late(&[Code::L4Tout], &[&["connect"]])).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nobody_accepts_what_the_kernel_has_connected(#[values(BOTH[0], BOTH[1])] address: IpAddr) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let prober = Authority::new().prober();
    soon(&[Code::L4Ok], &[]).check(&prober, &tcp(at)).await;
    late(&[Code::L7Tout], &[&["response"]]).check(&prober, &http(at)).await;
    for target in [https(at, Tls::default()), tcp_ssl(at, Tls::default())] {
        late(&[Code::L6Tout], &[&["handshake"]]).check(&prober, &target).await;
    }
}

#[rstest]
#[case::says_nothing(&[Do::Wait])]
#[case::closes(&[])]
#[case::talks_first(&[Do::Say(b"220 mail.example.com ESMTP\r\n")])]
#[case::floods(&[Do::Flood(b"\x00")])]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_comes_after_the_connection_is_nothing_to_a_tcp_probe(#[case] script: Script) {
    for address in BOTH {
        let server = serve(address, script).await;
        soon(&[Code::L4Ok], &[]).check(&Prober::new(None).unwrap(), &tcp(server.at)).await;
    }
}

/// The probe may hear of a reset before it knows that it was connected.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reset_as_soon_as_connected() {
    let prober = Authority::new().prober();
    for address in BOTH {
        let server = serve(address, &[Do::Reset]).await;
        let at = server.at;
        soon(&[Code::L4Con, Code::L4Ok], RESET).check(&prober, &tcp(at)).await;
        soon(&[Code::L4Con, Code::L7Rsp], RESET).check(&prober, &http(at)).await;
        for target in [https(at, Tls::default()), tcp_ssl(at, Tls::default())] {
            soon(&[Code::L4Con, Code::L6Rsp], RESET).check(&prober, &target).await;
        }
    }
}

#[rstest]
#[case::says_nothing(&[Do::Wait], late(&[Code::L7Tout], &[&["response"]]))]
#[case::closes(&[], soon(&[Code::L7Rsp], CLOSED))]
#[case::closes_its_side_and_listens(&[Do::Fin, Do::Hear, Do::Wait], soon(&[Code::L7Rsp], CLOSED))]
#[case::hears_and_says_nothing(&[Do::Hear, Do::Wait], late(&[Code::L7Tout], &[&["response"]]))]
#[case::hears_and_closes(&[Do::Hear], soon(&[Code::L7Rsp], CLOSED))]
#[case::hears_and_resets(&[Do::Hear, Do::Reset], soon(&[Code::L7Rsp], RESET))]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_answer_to_a_request(#[case] script: Script, #[case] verdict: Verdict) {
    http_meets(script, verdict).await;
}

/// It takes no more than one connection, and none while the first is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_at_a_time() {
    let listener = tokio::net::TcpListener::bind((BOTH[0], 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let serial = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = [Do::Hear, Do::Say(crate::server::OK), Do::Wait];
            let _ = crate::animal::act(stream, &answer).await;
        }
    });
    let prober = Prober::new(None).unwrap();
    // Each probe must leave before the next one is served.
    for _ in 0..20 {
        soon(&[Code::L7Ok], &[]).check(&prober, &http(at)).await;
    }
    serial.abort();
}

/// Silent at first, well later: nothing of one probe is left to disturb the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn moody() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static VISITS: AtomicUsize = AtomicUsize::new(0);
    let server = Server::new(BOTH[0], |stream, _| async move {
        let answer: Script = match VISITS.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => &[Do::Hear, Do::Say(b"HTTP/1.1 503 Busy\r\n\r\n")],
            1 => &[Do::Hear, Do::Reset],
            _ => &[Do::Hear, Do::Say(crate::server::OK)],
        };
        crate::animal::act(stream, answer).await
    })
    .await;
    let prober = Prober::new(None).unwrap();
    for _ in 0..3 {
        soon(&[Code::L7Sts], &[&["status 503"]]).check(&prober, &http(server.at)).await;
        soon(&[Code::L7Rsp], RESET).check(&prober, &http(server.at)).await;
        soon(&[Code::L7Ok], &[]).check(&prober, &http(server.at)).await;
    }
}
