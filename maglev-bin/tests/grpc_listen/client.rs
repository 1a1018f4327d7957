//! What the client says when it cannot connect.

use std::time::Duration;

use maglev_bin::client::{ClientTls, ConnectError, Trouble, connect};
use maglev_bin::daemon::chain;
use maglev_bin::grpc::GrpcOptions;
use maglev_bin::proto::ListFrontendsRequest;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tonic::Code;

use crate::authority::{Authority, Day, FAR_OFF, LONG_AGO};
use crate::rig::{Folder, PATIENCE, Served, soon, trouble};

fn plain() -> GrpcOptions {
    GrpcOptions { addresses: vec!["127.0.0.1:0".parse().unwrap()], ..GrpcOptions::default() }
}

#[tokio::test]
async fn a_port_where_nobody_listens() {
    // Bound and not listening: refused, and nobody else can get the port meanwhile.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap().to_string();
    let (trouble, text) = trouble(connect(&address.parse().unwrap(), None, PATIENCE).await);
    assert_eq!(trouble, Trouble::Refused);
    assert!(text.starts_with(&format!("cannot talk to maglevd at {address}: nobody listens there")), "{text}");
    assert!(text.contains("os error"), "the chain is whole: {text}");
}

#[tokio::test]
async fn a_socket_that_is_not_there_or_that_nobody_serves() {
    let folder = Folder::new();
    let path = folder.join("grpc.sock");
    let address = format!("unix:{}", path.display()).parse().unwrap();
    assert_eq!(trouble(connect(&address, None, PATIENCE).await).0, Trouble::NoSocket);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert_eq!(trouble(connect(&address, None, PATIENCE).await).0, Trouble::Refused);
}

#[tokio::test]
async fn a_name_without_an_address() {
    // Reserved for that (RFC 6761).
    let address = "maglevd.invalid:9090".parse().unwrap();
    assert_eq!(trouble(connect(&address, None, PATIENCE).await).0, Trouble::UnknownHost);
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    assert_eq!(trouble(connect(&address, None, Duration::from_millis(100)).await).0, Trouble::TimedOut);
}

#[tokio::test]
async fn a_server_of_another_kind() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await
    });
    let (trouble, text) = trouble(connect(&address, None, PATIENCE).await);
    assert_eq!(trouble, Trouble::Strange, "{text}");
    server.abort();
}

#[rstest]
#[case::expired(LONG_AGO, (2020, 1, 2), "127.0.0.1", "certificate expired 2020-01-02")]
#[case::not_yet_valid((2099, 1, 1), FAR_OFF, "127.0.0.1", "certificate not valid before 2099-01-01")]
#[case::other_name(LONG_AGO, FAR_OFF, "lb.example", "certificate is for lb.example, not 127.0.0.1")]
#[tokio::test]
async fn a_server_certificate_that_is_no_good(
    #[case] from: Day,
    #[case] until: Day,
    #[case] name: &str,
    #[case] why: &str,
) {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    let tls = Some(authority.issue_for(from, until, "server", &[name]));
    let served = Served::new(&GrpcOptions { tls, ..plain() });
    let (trouble, text) = trouble(served.connect(Some(&authority.trusting())).await);
    let (Trouble::ServerCertificate(said) | Trouble::ServerName(said)) = trouble else { panic!("{text}") };
    assert_eq!(said, why);
    assert_eq!((text.contains("--tls-ca"), text.contains("--tls-name")), (false, name != "127.0.0.1"), "{text}");
}

#[tokio::test]
async fn a_server_certificate_of_somebody_else() {
    let folder = Folder::new();
    let served = Served::new(&Authority::new(&folder).options_without_client_ca());
    let (trouble, text) = trouble(served.connect(Some(&Authority::new(&folder).trusting())).await);
    assert!(matches!(trouble, Trouble::ServerCertificate(_)), "{text}");
    assert!(text.contains("--tls-ca"), "{text}");
}

#[tokio::test]
async fn a_server_may_be_known_by_another_name() {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    let mut served = Served::new(&authority.options_without_client_ca());
    let server_name = Some("maglevd.example".to_owned());
    served.seen_as(Some(&ClientTls { server_name, ..authority.trusting() })).await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_an_error_before_anything_is_sent() {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    let cert = Some(authority.ca());
    let bad_name = Some("no name".to_owned());
    for (tls, why) in [
        (ClientTls { ca: Some("/nowhere/ca.pem".into()), ..ClientTls::default() }, "cannot read /nowhere/ca.pem"),
        (ClientTls { cert, ..authority.trusting() }, "pass both"),
        (ClientTls { server_name: bad_name, ..authority.trusting() }, "`no name` is no name"),
    ] {
        let error = connect(&"127.0.0.1:1".parse().unwrap(), Some(&tls), PATIENCE).await.unwrap_err();
        assert!(matches!(error, ConnectError::Tls(_)), "{error}");
        let text = chain(&error);
        assert!(text.contains(why), "{text}");
    }
}

#[tokio::test]
async fn a_lost_connection_is_made_anew() {
    let folder = Folder::new();
    let path = folder.join("grpc.sock");
    let options =
        GrpcOptions { addresses: vec![format!("unix:{}", path.display()).parse().unwrap()], ..GrpcOptions::default() };
    let served = Served::new(&options);
    let mut client = served.connect(None).await.unwrap();
    served.stop().await;
    let _second = Served::new(&options);
    let answered = async {
        // The rig has no such service: whoever says so has answered.
        while client.list_frontends(ListFrontendsRequest::default()).await.unwrap_err().code() != Code::Unimplemented {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("an answer of the second server", answered).await;
}
