use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use maglev_bin::cli::Role;
use maglev_bin::daemon::chain;
use maglev_bin::grpc::{BindError, GrpcAddr, GrpcOptions, Listeners, Peer, Who};
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::rig::{Folder, Served};

fn options(path: &Path) -> GrpcOptions {
    GrpcOptions { addresses: vec![GrpcAddr::Unix(path.to_owned())], ..GrpcOptions::default() }
}

fn refusal(options: &GrpcOptions) -> (BindError, String) {
    let error = Listeners::bind(options).expect_err("a refusal");
    let text = chain(&error);
    (error, text)
}

#[tokio::test]
async fn the_kernel_vouches_for_the_user_of_a_unix_socket() {
    let folder = Folder::new();
    let path = folder.join("grpc.sock");
    let mut served = Served::new(&options(&path));
    let peer = served.seen_as(None).await;
    assert_eq!((peer.who, peer.role), (Who::Uid(geteuid().as_raw()), Role::Operator));
    let found = std::fs::metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o660);
    served.stop().await;
    assert!(!path.exists(), "a clean end leaves no file");
}

#[tokio::test]
async fn another_user_is_a_viewer_unless_named_by_uid_or_gid() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can be another user");
        return;
    }
    let folder = Folder::new();
    for (number, (operators, role)) in [
        (&[][..], Role::Viewer),
        (&["uid:4201"], Role::Operator),
        (&["gid:4202"], Role::Operator),
        (&["uid:4202"], Role::Viewer),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.join(format!("{number}.sock"));
        let operators = operators.iter().map(|name| name.parse().unwrap()).collect();
        let mut served = Served::new(&GrpcOptions { operators, ..options(&path) });
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        let peer = seen_as_other_user(&mut served, path, 4201, 4202).await;
        assert_eq!((peer.to_string().as_str(), peer.role), ("uid:4201", role), "{:?}", peer.grounds);
    }
}

/// Connects on a thread that has become another user. No other thread does.
async fn seen_as_other_user(served: &mut Served, path: PathBuf, uid: u32, gid: u32) -> Peer {
    let connect = move || {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        set_thread_groups(&[]).unwrap();
        set_thread_res_gid(gid, gid, gid).unwrap();
        set_thread_res_uid(uid, uid, uid).unwrap();
        let stream = UnixStream::connect(path).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let stream = std::thread::spawn(connect).join().expect("a connection");
    let mut stream = Some(tokio::net::UnixStream::from_std(stream).unwrap());
    let connector = tower::service_fn(move |_| {
        let stream = stream.take().ok_or(ErrorKind::NotConnected);
        async move { stream.map(TokioIo::new).map_err(std::io::Error::from) }
    });
    let channel = Endpoint::from_static("http://maglevd").connect_with_connector(connector).await.unwrap();
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
    served.peer().await
}

#[tokio::test]
async fn the_file_of_a_killed_daemon_is_replaced() {
    let folder = Folder::new();
    let path = folder.join("grpc.sock");
    // The standard library's listener leaves its file, as a killed process does.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let mut served = Served::new(&options(&path));
    served.seen_as(None).await;
}

#[tokio::test]
async fn a_socket_where_somebody_answers_is_left_alone() {
    let folder = Folder::new();
    let path = folder.join("grpc.sock");
    let mut served = Served::new(&options(&path));
    let (error, text) = refusal(&options(&path));
    assert!(matches!(error, BindError::Live(_)), "{text}");
    assert!(text.contains("stop that process"), "{text}");
    served.seen_as(None).await;
}

#[test]
fn a_socket_whose_process_is_too_busy_to_accept_is_left_alone() {
    let folder = Folder::new();
    let path = folder.join("grpc.sock");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let _fills_the_backlog = UnixStream::connect(&path).unwrap();
    let (error, text) = refusal(&options(&path));
    assert!(matches!(error, BindError::Live(_)), "{text}");
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = Folder::new();
    let path = folder.join("maglev.yaml");
    std::fs::write(&path, "precious").unwrap();
    let (error, text) = refusal(&options(&path));
    assert!(matches!(error, BindError::NoSocket(_)), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_file_that_another_daemon_has_put_there_is_not_removed() {
    let folder = Folder::new();
    let path = folder.join("grpc.sock");
    let first = Listeners::bind(&options(&path)).unwrap();
    std::fs::remove_file(&path).unwrap();
    let _second = Listeners::bind(&options(&path)).unwrap();
    let inode = std::fs::metadata(&path).unwrap().ino();
    drop(first);
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode);
}

#[test]
fn of_many_daemons_that_start_at_once_over_a_dead_socket_one_listens() {
    let folder = Folder::new();
    for round in 0..20 {
        let path = folder.join(format!("{round}.sock"));
        drop(UnixListener::bind(&path).unwrap());
        let options = options(&path);
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| Listeners::bind(&options))).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "{won:?}");
        for error in lost {
            let error = error.unwrap_err();
            assert!(matches!(error, BindError::Live(_)), "{error}");
        }
        UnixStream::connect(&path).expect("the winner's file is the one that is left");
    }
}

#[test]
fn an_address_that_cannot_be_had_says_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = |address: &str| GrpcOptions {
        addresses: vec![address.parse().unwrap()],
        insecure: true,
        ..GrpcOptions::default()
    };
    let taken = taken.local_addr().unwrap().to_string();
    for (options, named, advice) in [
        (tcp(&taken), taken.as_str(), "another process listens there"),
        (tcp("192.0.2.1:1"), "192.0.2.1:1", "this host has no such address"),
        (options(Path::new("/nowhere/grpc.sock")), "unix:/nowhere/grpc.sock", "its folder is missing"),
    ] {
        let (error, text) = refusal(&options);
        assert!(matches!(error, BindError::Listen { .. }), "{text}");
        assert!(text.contains(named) && text.contains(advice) && text.contains("os error"), "{text}");
    }
}

#[test]
fn of_several_addresses_all_listen_or_none() {
    let folder = Folder::new();
    let path = folder.join("grpc.sock");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut both = options(&path);
    both.addresses.push(GrpcAddr::Tcp(taken.local_addr().unwrap()));
    refusal(&both);
    assert!(!path.exists());
    both.addresses[1] = "127.0.0.1:0".parse().unwrap();
    let listeners = Listeners::bind(&both).unwrap();
    match &listeners.addresses()[..] {
        [GrpcAddr::Unix(unix), GrpcAddr::Tcp(tcp)] => assert!(*unix == path && tcp.port() != 0, "{tcp}"),
        other => panic!("{other:?}"),
    }
}
