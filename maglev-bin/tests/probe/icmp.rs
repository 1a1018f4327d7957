use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use maglev_bin::probe::{Cause, Prober, ProberError, Target};
use maglev_health::{Code, Outcome};
use rstest::rstest;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::task::JoinSet;

use crate::echo::{Sockets, icmp, seal};
use crate::namespace::{Namespace, Net};
use crate::server::{PATIENCE, SHORT, assert_report};

#[rstest]
#[tokio::test]
async fn an_echo_comes_back(
    #[values(Sockets::Datagram, Sockets::Raw)] sockets: Sockets,
    #[values("127.0.0.1", "::1")] address: &str,
    #[values(false, true)] from_source: bool,
) {
    let Some(namespace) = Namespace::new() else { return };
    sockets.use_in(&namespace);
    let prober = Prober::new(Some(&namespace.name)).unwrap();
    let source = from_source.then(|| address.parse().unwrap());
    let report = prober.run(&Target { source, ..icmp(address) }).await;
    assert_report(&report, Outcome::Pass, Code::L3Ok, "echo reply");
}

#[rstest]
#[case("127.0.0.1")]
#[case("::1")]
#[tokio::test]
async fn an_echo_comes_back_without_a_namespace(#[case] address: &str) {
    let prober = Prober::new(None).unwrap();
    if let Err(error) = prober.check_icmp().await {
        eprintln!("skipped: {error}");
        return;
    }
    let report = prober.run(&icmp(address)).await;
    assert_report(&report, Outcome::Pass, Code::L3Ok, "echo reply");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_probes_at_once_each_find_their_reply(
    #[values(Sockets::Datagram, Sockets::Raw)] sockets: Sockets,
    #[values("127.0.0.1", "::1")] address: &str,
) {
    let Some(namespace) = Namespace::new() else { return };
    sockets.use_in(&namespace);
    let prober = Arc::new(Prober::new(Some(&namespace.name)).unwrap());
    let mut probes = JoinSet::new();
    for _ in 0..1000 {
        let prober = Arc::clone(&prober);
        let target = Target { timeout: Duration::from_secs(5), ..icmp(address) };
        probes.spawn(async move { prober.run(&target).await });
    }
    // A kernel that is busy may drop an echo or two, which nobody sends again. Of sockets that hear of everybody's echoes before they
    // are connected, a third and more had no room left for their own reply.
    let reports = probes.join_all().await;
    let failed: Vec<_> = reports.iter().filter(|report| report.code != Code::L3Ok).collect();
    assert!(failed.len() <= 10, "{} failed: {:?}", failed.len(), failed[0]);
    assert!(failed.iter().all(|report| report.code == Code::L3Tout), "{failed:?}");
}

#[rstest]
#[tokio::test]
async fn silence_times_out_and_a_word_from_a_router_does_not(
    #[values(Sockets::Datagram, Sockets::Raw)] sockets: Sockets,
) {
    let Some(net) = Net::new() else { return };
    sockets.use_in(&net.client);
    let prober = Prober::new(Some(&net.client.name)).unwrap();
    for (n, kind) in ["unreachable", "prohibit", "blackhole"].into_iter().enumerate() {
        net.router.ip(&format!("route add {kind} 198.51.100.{n}/32"));
        net.router.ip(&format!("route add {kind} 2001:db8:100::{n}/128"));
    }
    for (address, code, detail) in [
        ("198.51.100.0", Code::L3Err, "host unreachable"),
        ("198.51.100.1", Code::L3Err, "host unreachable"),
        ("198.51.100.2", Code::L3Tout, "no echo reply in time"),
        ("2001:db8:100::0", Code::L3Err, "network unreachable"),
        // EACCES, which is our own fault when it comes from here and not from the router.
        ("2001:db8:100::1", Code::L3Err, "prohibited"),
        ("2001:db8:100::2", Code::L3Tout, "no echo reply in time"),
    ] {
        let timeout = if code == Code::L3Tout { SHORT } else { PATIENCE };
        let report = prober.run(&Target { timeout, ..icmp(address) }).await;
        eprintln!("{address}");
        assert_report(&report, Outcome::Fail, code, detail);
        assert!(report.elapsed >= SHORT || code == Code::L3Err, "{report:?}");
    }
}

#[tokio::test]
async fn an_error_about_somebody_elses_echo_is_not_ours() {
    let Some(net) = Net::new() else { return };
    Sockets::Raw.use_in(&net.client);
    let prober = Prober::new(Some(&net.client.name)).unwrap();
    // The router passes packets on to nowhere, unless they have come far enough.
    net.router.ip("link add void type veth peer name drain");
    net.router.ip("link set void up");
    net.router.ip("link set drain up");
    net.router.ip("route add 198.51.100.0/24 dev void");
    net.router.ip("neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev void");
    let address = Ipv4Addr::new(198, 51, 100, 9);
    let target = Target { timeout: Duration::from_secs(1), ..icmp("198.51.100.9") };
    let mut probe = Box::pin(prober.run(&target));
    let ended = tokio::time::timeout(SHORT, &mut probe).await;
    assert!(ended.is_err(), "nobody can have answered: {ended:?}");

    // As traceroute does: its answer, "time exceeded", reaches every raw socket that is connected to the same address.
    let traceroute = net.client.within(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))).unwrap();
    traceroute.set_ttl_v4(1).unwrap();
    let mut echo = [8, 0, 0, 0, 0x77, 0x77, 0, 1];
    seal(&mut echo);
    traceroute.send_to(&echo, &SocketAddr::from((address, 0)).into()).unwrap();
    traceroute.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 100];
    while answer[20] != 11 {
        let length = (&traceroute).read(&mut answer).unwrap();
        assert_ne!(length, 0, "the router answers");
    }
    let report = probe.await;
    assert_report(&report, Outcome::Fail, Code::L3Tout, "no echo reply in time");
}

#[rstest]
#[tokio::test]
async fn only_the_very_reply_counts(#[values(Sockets::Datagram, Sockets::Raw)] sockets: Sockets) {
    let Some(net) = Net::new() else { return };
    sockets.use_in(&net.client);
    net.router.sysctl("net.ipv4.icmp_echo_ignore_all", "1");
    let prober = Prober::new(Some(&net.client.name)).unwrap();
    let responder = net.router.within(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))).unwrap();
    responder.set_read_timeout(Some(PATIENCE)).unwrap();

    // What the responder makes of a request, byte for byte, and whether that is a reply to it.
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, bool); 7] = [
        (|reply| reply[4] ^= 1, false),
        (|reply| reply[7] ^= 1, false),
        (|reply| *reply.last_mut().unwrap() ^= 1, false),
        (|reply| reply.truncate(8), false),
        (|reply| reply.extend([0; 64]), false),
        (|reply| reply[0] = 13, false),
        (|_| (), true),
    ];
    for (change, answers) in changes {
        let responder = responder.try_clone().unwrap();
        let answering = thread::spawn(move || {
            let mut packet = [0; 1500];
            loop {
                let length = (&responder).read(&mut packet).unwrap();
                if packet[20] != 8 {
                    continue;
                }
                let mut reply = packet[20..length].to_vec();
                reply[0] = 0;
                change(&mut reply);
                seal(&mut reply);
                let client = SocketAddr::from(([10, 99, 0, 1], 0));
                responder.send_to(&reply, &client.into()).unwrap();
                return;
            }
        });
        let timeout = if answers { PATIENCE } else { SHORT };
        let report = prober.run(&Target { timeout, ..icmp("10.99.0.2") }).await;
        answering.join().unwrap();
        if answers {
            assert_report(&report, Outcome::Pass, Code::L3Ok, "echo reply");
        } else {
            assert_report(&report, Outcome::Fail, Code::L3Tout, "no echo reply in time");
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_redirect_on_the_way_changes_nothing(#[values(Sockets::Datagram, Sockets::Raw)] sockets: Sockets) {
    let Some(net) = Net::new() else { return };
    sockets.use_in(&net.client);
    net.router.sysctl("net.ipv4.icmp_echo_ignore_all", "1");
    let prober = Prober::new(Some(&net.client.name)).unwrap();
    let responder = net.router.within(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))).unwrap();
    responder.set_read_timeout(Some(PATIENCE)).unwrap();
    let answering = thread::spawn(move || {
        let client = SocketAddr::from(([10, 99, 0, 1], 0)).into();
        let mut packet = [0; 1500];
        let mut length = 0;
        while packet[20] != 8 {
            length = (&responder).read(&mut packet).unwrap();
        }
        // Redirect for this host, to a neighbour; then source quench. Both quote the request.
        for head in [[5, 1, 0, 0, 10, 99, 0, 3], [4, 0, 0, 0, 0, 0, 0, 0]] {
            let mut message = [&head[..], &packet[..length]].concat();
            seal(&mut message);
            responder.send_to(&message, &client).unwrap();
        }
        let mut reply = packet[20..length].to_vec();
        reply[0] = 0;
        seal(&mut reply);
        responder.send_to(&reply, &client).unwrap();
    });
    let report = prober.run(&icmp("10.99.0.2")).await;
    answering.join().unwrap();
    assert_report(&report, Outcome::Pass, Code::L3Ok, "echo reply");
}

#[tokio::test]
async fn a_source_that_is_missing_is_no_verdict() {
    let Some(net) = Net::new() else { return };
    for sockets in [Sockets::Datagram, Sockets::Raw] {
        sockets.use_in(&net.client);
        let prober = Prober::new(Some(&net.client.name)).unwrap();
        for (address, source) in [("10.99.0.2", "10.99.0.7"), ("2001:db8:99::2", "2001:db8:99::7")] {
            let source: IpAddr = source.parse().unwrap();
            let report = prober.run(&Target { source: Some(source), ..icmp(address) }).await;
            assert_eq!(report.cause, Some(Cause::Source(source)), "{sockets:?}: {report:?}");
        }
    }
}

#[test]
fn without_either_kind_of_socket_the_start_fails() {
    let Some(namespace) = Namespace::new() else { return };
    // Capabilities belong to a thread, and go to those that it starts.
    let unprivileged = thread::spawn(move || {
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::NET_RAW);
        set_capabilities(None, sets).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let prober = Prober::new(Some(&namespace.name)).unwrap();
            Sockets::Raw.use_in(&namespace);
            let error = prober.check_icmp().await.unwrap_err();
            assert!(matches!(error, ProberError::Capability { capability: "CAP_NET_RAW", .. }), "{error:?}");
            let report = prober.run(&icmp("127.0.0.1")).await;
            assert_eq!((report.outcome, report.cause), (Outcome::NoVerdict, Some(Cause::Permission)));

            Sockets::Datagram.use_in(&namespace);
            prober.check_icmp().await.unwrap();
            let report = prober.run(&icmp("127.0.0.1")).await;
            assert_report(&report, Outcome::Pass, Code::L3Ok, "echo reply");
        });
    });
    unprivileged.join().unwrap();
}
