use std::io;

use maglev_bin::probe::{Grpc, Kind, Prober, Report, Target, Tls};
use maglev_health::{Code, Outcome};
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, ServerTlsConfig};
use tonic_health::ServingStatus;

use crate::server::{LOCALHOST, SHORT, Server, assert_report, target};

async fn probed(port: u16, service: &str) -> Report {
    let grpc = Grpc { port, service: service.to_owned(), ..Grpc::default() };
    Prober::new(None).unwrap().run(&target(LOCALHOST, Kind::Grpc(grpc))).await
}

/// A server of gRPC's own library, whose services are in these states.
async fn real() -> u16 {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("web", ServingStatus::Serving).await;
    reporter.set_service_status("mail", ServingStatus::NotServing).await;
    let listener = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(async move {
        // Holds the states as long as the server lives.
        let _reporter = reporter;
        serving.serve_with_incoming(TcpListenerStream::new(listener)).await
    });
    port
}

#[rstest]
#[case::server("", Outcome::Pass, Code::L7Ok, "SERVING")]
#[case::service("web", Outcome::Pass, Code::L7Ok, "SERVING")]
#[case::another("mail", Outcome::Fail, Code::L7Sts, "NOT_SERVING")]
#[tokio::test]
async fn the_health_service_is_believed(
    #[case] service: &str,
    #[case] outcome: Outcome,
    #[case] code: Code,
    #[case] detail: &str,
) {
    assert_report(&probed(real().await, service).await, outcome, code, detail);
}

#[tokio::test]
async fn a_service_that_is_not_known_fails_with_the_reason() {
    let report = probed(real().await, "nobody").await;
    assert_eq!((report.outcome, report.code), (Outcome::Fail, Code::L7Sts), "{report:?}");
    assert!(report.detail.starts_with("NOT_FOUND"), "{report:?}");
}

#[tokio::test]
async fn a_server_without_the_service_fails() {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .unwrap();
    let listener = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tonic::transport::Server::builder().add_service(reflection);
    tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
    assert_report(&probed(port, "").await, Outcome::Fail, Code::L7Sts, "UNIMPLEMENTED");
}

async fn http1(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await?;
    // To the end: with bytes unread the kernel would send a reset in place of the answer.
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop)
}

#[tokio::test]
async fn a_server_of_another_protocol_fails() {
    let server = Server::new(LOCALHOST, |stream, _| http1(stream)).await;
    let report = probed(server.at.port(), "").await;
    assert_eq!((report.outcome, report.code), (Outcome::Fail, Code::L7Rsp), "{report:?}");
    assert!(report.detail.contains("HTTP/2"), "{report:?}");
}

#[tokio::test]
async fn a_server_that_hangs_up_fails() {
    let server = Server::new(LOCALHOST, |mut stream, _| async move {
        stream.read_u8().await?;
        stream.set_zero_linger()
    })
    .await;
    let report = probed(server.at.port(), "").await;
    assert_report(&report, Outcome::Fail, Code::L7Rsp, "no answer, connection reset");
}

#[tokio::test]
async fn silence_times_out() {
    let server = Server::new(LOCALHOST, |mut stream, _| async move {
        loop {
            stream.read_u8().await?;
        }
    })
    .await;
    let grpc = Grpc { port: server.at.port(), ..Grpc::default() };
    let target = Target { timeout: SHORT, ..target(LOCALHOST, Kind::Grpc(grpc)) };
    let report = Prober::new(None).unwrap().run(&target).await;
    assert_report(&report, Outcome::Fail, Code::L7Tout, "no answer in time");
}

#[tokio::test]
async fn over_tls_it_is_the_same() {
    let shown = rcgen::generate_simple_self_signed(["a.example.com".to_owned()]).unwrap();
    let identity = Identity::from_pem(shown.cert.pem(), shown.signing_key.serialize_pem());
    let (_reporter, service) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tonic::transport::Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))
        .unwrap()
        .add_service(service);
    tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
    let tls = Tls { insecure_skip_verify: true, server_name: Some("a.example.com".parse().unwrap()), ..Tls::default() };
    let grpc = Grpc { port, tls: Some(tls), ..Grpc::default() };
    let report = Prober::new(None).unwrap().run(&target(LOCALHOST, Kind::Grpc(grpc))).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, "SERVING");
    assert!(report.certificate_expires.is_some());
}
