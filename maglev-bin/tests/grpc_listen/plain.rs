//! Clients that speak something else than their listener.

use std::net::SocketAddr;

use maglev_bin::cli::Role;
use maglev_bin::client::Trouble;
use maglev_bin::daemon::chain;
use maglev_bin::grpc::{GrpcAddr, GrpcOptions};
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::authority::Authority;
use crate::rig::{Folder, Served, soon, trouble};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SPEAKS_TLS: &str = "this port speaks TLS: connect with a CA certificate (maglevc --tls-ca FILE)";

fn plain() -> GrpcOptions {
    GrpcOptions { addresses: vec!["127.0.0.1:0".parse().unwrap()], ..GrpcOptions::default() }
}

fn tcp(served: &Served) -> SocketAddr {
    match &served.addresses[0] {
        GrpcAddr::Tcp(address) => *address,
        GrpcAddr::Unix(path) => panic!("{} is no TCP address", path.display()),
    }
}

/// Everything that a server says to these bytes until it closes.
async fn answer(served: &Served, said: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(tcp(served)).await.unwrap();
    stream.write_all(said).await.unwrap();
    let mut heard = Vec::new();
    soon("the end of the connection", stream.read_to_end(&mut heard)).await.expect("an end and no reset");
    heard
}

#[rstest]
#[case(Role::Operator)]
#[case(Role::Viewer)]
#[tokio::test]
async fn loopback_without_tls_has_the_role_of_its_flag(#[case] loopback_role: Role) {
    let mut served = Served::new(&GrpcOptions { loopback_role, ..plain() });
    let peer = served.seen_as(None).await;
    assert!(peer.to_string().starts_with("addr:127.0.0.1:"), "{peer}");
    assert_eq!(peer.role, loopback_role);
}

#[tokio::test]
async fn loopback_is_loopback_on_a_listener_for_every_address() {
    let addresses = vec![":0".parse().unwrap()];
    let mut served = Served::new(&GrpcOptions { addresses, insecure: true, ..GrpcOptions::default() });
    let address = format!("127.0.0.1:{}", tcp(&served).port()).parse().unwrap();
    maglev_bin::client::connect(&address, None, crate::rig::PATIENCE).await.unwrap();
    let peer = served.peer().await;
    assert!(peer.to_string().starts_with("addr:127.0.0.1:"), "{peer}");
    assert_eq!(peer.role, Role::Operator);
}

#[tokio::test]
async fn http2_without_tls_is_told_to_use_tls() {
    let folder = Folder::new();
    let mut served = Served::new(&Authority::new(&folder).options());
    // SETTINGS with one setting, then the HEADERS of a request.
    let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0];
    let heard = answer(&served, &[PREFACE, &settings, &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x82]].concat()).await;
    let length = u8::try_from(8 + SPEAKS_TLS.len()).unwrap();
    let frames = [
        &[0, 0, 0, 4, 0, 0, 0, 0, 0][..],
        &[0, 0, length, 7, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 0xc],
        SPEAKS_TLS.as_bytes(),
    ];
    assert_eq!(heard, frames.concat());
    let told = served.warning("grpc-tls").await;
    assert!(told.contains("does not speak TLS"), "{told}");
}

#[tokio::test]
async fn http2_without_tls_that_asks_for_nothing_is_told_in_the_end() {
    let folder = Folder::new();
    let served = Served::new(&Authority::new(&folder).options());
    let heard = answer(&served, PREFACE).await;
    assert!(heard.ends_with(SPEAKS_TLS.as_bytes()), "{heard:?}");
}

#[tokio::test]
async fn a_foreign_client_without_tls_shows_its_user_what_to_do() {
    let folder = Folder::new();
    let served = Served::new(&Authority::new(&folder).options());
    let channel = Endpoint::from_shared(format!("http://{}", tcp(&served))).unwrap().connect().await.unwrap();
    let status = HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap_err();
    let text = chain(&status);
    assert!(text.contains(SPEAKS_TLS), "{text}");
}

#[tokio::test]
async fn our_client_without_tls_says_what_to_do() {
    let folder = Folder::new();
    let served = Served::new(&Authority::new(&folder).options());
    let (trouble, text) = trouble(served.connect(None).await);
    assert_eq!(trouble, Trouble::NeedsTls, "{text}");
    assert!(text.contains("--tls-ca"), "{text}");
}

#[tokio::test]
async fn http1_is_answered_in_its_own_words() {
    let folder = Folder::new();
    let tls = Served::new(&Authority::new(&folder).options());
    for (served, word) in [(tls, SPEAKS_TLS), (Served::new(&plain()), "this port speaks gRPC over HTTP/2")] {
        let heard = answer(&served, b"GET / HTTP/1.1\r\nHost: lb\r\n\r\n").await;
        let heard = String::from_utf8(heard).unwrap();
        assert!(heard.starts_with("HTTP/1.1 400 Bad Request\r\n") && heard.contains(word), "{heard}");
        let (head, body) = heard.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{heard}");
    }
}

#[tokio::test]
async fn anything_else_is_closed() {
    let folder = Folder::new();
    for served in [Served::new(&Authority::new(&folder).options()), Served::new(&plain())] {
        let mut stream = TcpStream::connect(tcp(&served)).await.unwrap();
        stream.write_all(b"SSH-2.0-x\r\n").await.unwrap();
        // What was sent is not read to its end, so a reset is as good.
        let heard = soon("the end of the connection", stream.read(&mut [0; 1])).await;
        assert!(matches!(heard, Ok(0) | Err(_)), "{heard:?}");
    }
}

#[tokio::test]
async fn tls_to_a_port_without_it_is_told_so_on_both_sides() {
    let folder = Folder::new();
    let mut served = Served::new(&plain());
    let (trouble, text) = trouble(served.connect(Some(&Authority::new(&folder).trusting())).await);
    assert_eq!(trouble, Trouble::NoTls, "{text}");
    let told = served.warning("grpc-tls").await;
    assert!(told.contains("speaks TLS, and this listener does not"), "{told}");
}
