use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::thread;
use std::time::Duration;

use maglev_bin::probe::{Cause, Prober, ProberError, Report, Target};
use maglev_health::{Code, Outcome};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use tokio::net::TcpStream;

use crate::namespace::{Namespace, Net};
use crate::server::{PATIENCE, SHORT, Server, assert_report, closed_port, soon, tcp};

const ROUTER_V4: &str = "10.99.0.2:80";
const ROUTER_V6: &str = "[2001:db8:99::2]:80";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn accept(_: TcpStream, _: SocketAddr) -> io::Result<()> {
    Ok(())
}

#[tokio::test]
async fn probes_go_out_inside_the_namespace() {
    let Some(net) = Net::new() else { return };
    let servers = [ROUTER_V4, ROUTER_V6].map(|at| Server::on(net.router.listen(at), accept));
    for netns in [net.client.name.clone(), net.client.path().display().to_string()] {
        let prober = Prober::new(Some(&netns)).unwrap();
        for server in &servers {
            let report = prober.run(&tcp(server.at)).await;
            assert_report(&report, Outcome::Pass, Code::L4Ok, "connected");
        }
    }
    // From another one there is no way to them.
    let Some(elsewhere) = Namespace::new() else { return };
    let report = Prober::new(Some(&elsewhere.name)).unwrap().run(&tcp(servers[0].at)).await;
    assert_report(&report, Outcome::Fail, Code::L4Con, "connect network unreachable");
}

#[tokio::test]
async fn a_namespace_may_come_go_and_come_again() {
    if Namespace::new().is_none() {
        return;
    }
    let namespace = Namespace::unborn();
    let prober = Prober::new(Some(&namespace.name)).unwrap();
    let missing = |report: &Report| {
        let detail = format!("network namespace {namespace} does not exist");
        assert_report(report, Outcome::NoVerdict, Code::SockErr, &detail);
        assert_eq!(report.cause, Some(Cause::NamespaceMissing(namespace.name.as_str().into())));
    };
    let target = tcp(at("127.0.0.1:80"));
    missing(&prober.run(&target).await);
    for _ in 0..2 {
        namespace.add();
        // Nobody listens in a new namespace: an answer, and a verdict.
        let report = prober.run(&target).await;
        assert_report(&report, Outcome::Fail, Code::L4Con, "connect refused");
        let server = Server::on(namespace.listen("127.0.0.1:80"), accept);
        let report = prober.run(&tcp(server.at)).await;
        assert_report(&report, Outcome::Pass, Code::L4Ok, "connected");
        drop(server);
        namespace.delete();
        missing(&prober.run(&target).await);
    }
}

#[tokio::test]
async fn a_name_without_a_namespace_behind_it_is_missing_too() {
    let Some(_root) = Namespace::new() else { return };
    // As `ip netns add` leaves it for a moment.
    let namespace = Namespace::unborn();
    std::fs::write(namespace.path(), "").unwrap();
    let report = Prober::new(Some(&namespace.name)).unwrap().run(&tcp(at("127.0.0.1:80"))).await;
    std::fs::remove_file(namespace.path()).unwrap();
    assert_eq!(report.cause, Some(Cause::NamespaceMissing(namespace.name.as_str().into())), "{report:?}");
}

#[tokio::test]
async fn a_deleted_namespace_is_not_kept_alive() {
    let Some(net) = Net::new() else { return };
    let prober = Prober::new(Some(&net.client.name)).unwrap();
    let server = Server::on(net.router.listen(ROUTER_V4), accept);
    let report = prober.run(&tcp(server.at)).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");

    let interfaces = || net.router.within(|| std::fs::read_to_string("/proc/thread-self/net/dev")).unwrap();
    assert!(interfaces().contains("eth0"));
    net.client.delete();
    // Its end of the cable goes with it, and then the other end.
    soon("the end of the namespace", async {
        while interfaces().contains("eth0") {
            // The kernel takes namespaces apart in its own time and tells nobody.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_namespace_can_be_changed_under_way() {
    let Some(namespace) = Namespace::new() else { return };
    // Nobody listens there in the namespace of this process.
    let place = closed_port();
    let server = Server::on(namespace.listen(&place.to_string()), accept);
    let prober = Prober::new(None).unwrap();
    for (netns, outcome) in [
        (Some(namespace.name.as_str()), Outcome::Pass),
        (Some("maglev-test-nowhere"), Outcome::NoVerdict),
        (None, Outcome::Fail),
        (Some(""), Outcome::Fail),
        (Some(namespace.name.as_str()), Outcome::Pass),
    ] {
        prober.set_netns(netns).unwrap();
        let report = prober.run(&tcp(server.at)).await;
        assert_eq!(report.outcome, outcome, "{netns:?}: {report:?}");
    }
}

#[tokio::test]
async fn a_source_address_that_goes_missing_is_no_verdict() {
    let Some(net) = Net::new() else { return };
    let prober = Prober::new(Some(&net.client.name)).unwrap();
    for (place, source, mask) in [(ROUTER_V4, "10.99.0.7", 32), (ROUTER_V6, "2001:db8:99::7", 128)] {
        let server = Server::on(net.router.listen(place), accept);
        let source = ip(source);
        let target = Target { source: Some(source), ..tcp(server.at) };
        for _ in 0..2 {
            let report = prober.run(&target).await;
            assert_report(
                &report,
                Outcome::NoVerdict,
                Code::SockErr,
                &format!("source address {source} is not available"),
            );
            assert_eq!(report.cause, Some(Cause::Source(source)));
            net.client.ip(&format!("addr add {source}/{mask} dev eth0 nodad"));
            let report = prober.run(&target).await;
            assert_report(&report, Outcome::Pass, Code::L4Ok, "connected");
            net.client.ip(&format!("addr del {source}/{mask} dev eth0"));
        }
    }
}

#[tokio::test]
async fn a_source_that_the_system_lets_anybody_use_must_still_be_there() {
    let Some(net) = Net::new() else { return };
    // As on routers that share an address with VRRP.
    net.client.sysctl("net.ipv4.ip_nonlocal_bind", "1");
    let prober = Prober::new(Some(&net.client.name)).unwrap();
    let server = Server::on(net.router.listen(ROUTER_V4), accept);
    let source = ip("10.99.0.7");
    let target = Target { source: Some(source), ..tcp(server.at) };
    let report = prober.run(&target).await;
    assert_eq!(report.cause, Some(Cause::Source(source)), "{report:?}");
    net.client.ip("addr add 10.99.0.7/32 dev eth0");
    let report = prober.run(&target).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
}

#[tokio::test]
async fn ground_lost_under_way_is_no_verdict() {
    let Some(net) = Net::new() else { return };
    let prober = Prober::new(Some(&net.client.name)).unwrap();
    net.router.ip("route add blackhole 198.51.100.0/24");
    net.client.ip("addr add 10.99.0.7/32 dev eth0");
    let source = ip("10.99.0.7");
    let with_source = Target { source: Some(source), timeout: SHORT, ..tcp(at("198.51.100.1:80")) };
    let without = Target { source: None, ..with_source.clone() };
    let report = prober.run(&with_source).await;
    assert_report(&report, Outcome::Fail, Code::L4Tout, "no answer to connect in time");

    let probe = under_way(&prober, with_source).await;
    net.client.ip("addr del 10.99.0.7/32 dev eth0");
    assert_eq!(probe.await.cause, Some(Cause::Source(source)));

    let probe = under_way(&prober, without).await;
    net.client.delete();
    assert_eq!(probe.await.cause, Some(Cause::NamespaceMissing(net.client.name.as_str().into())));
}

/// A probe that has certainly sent its SYN, which nobody answers.
async fn under_way(prober: &Prober, target: Target) -> Pin<Box<impl Future<Output = Report>>> {
    let target = Target { timeout: Duration::from_secs(1), ..target };
    let mut probe = Box::pin(async move { prober.run(&target).await });
    let ended = tokio::time::timeout(SHORT, &mut probe).await;
    assert!(ended.is_err(), "nobody can have answered: {ended:?}");
    probe
}

#[tokio::test]
async fn what_the_network_says_is_a_verdict() {
    let Some(net) = Net::new() else { return };
    let prober = Prober::new(Some(&net.client.name)).unwrap();
    for (n, kind) in ["unreachable", "prohibit", "blackhole"].into_iter().enumerate() {
        net.router.ip(&format!("route add {kind} 198.51.100.{n}/32"));
        net.router.ip(&format!("route add {kind} 2001:db8:100::{n}/128"));
    }
    for (address, code, detail) in [
        ("198.51.100.0:80", Code::L4Con, "connect host unreachable"),
        ("198.51.100.1:80", Code::L4Con, "connect host unreachable"),
        ("198.51.100.2:80", Code::L4Tout, "no answer to connect in time"),
        ("[2001:db8:100::0]:80", Code::L4Con, "connect network unreachable"),
        // EACCES, which is our own fault when it comes from here and not from the router.
        ("[2001:db8:100::1]:80", Code::L4Con, "connect prohibited"),
        ("[2001:db8:100::2]:80", Code::L4Tout, "no answer to connect in time"),
    ] {
        // Over IPv6 Linux may hear the answer to the second SYN only, after a second.
        let timeout = if code == Code::L4Tout { SHORT } else { PATIENCE };
        let report = prober.run(&Target { timeout, ..tcp(at(address)) }).await;
        assert_report(&report, Outcome::Fail, code, detail);
    }
}

#[tokio::test]
async fn our_own_routes_are_verdicts_but_for_a_prohibition() {
    let Some(net) = Net::new() else { return };
    let prober = Prober::new(Some(&net.client.name)).unwrap();
    for (n, kind) in ["unreachable", "prohibit", "blackhole"].into_iter().enumerate() {
        net.client.ip(&format!("route add {kind} 198.51.100.{n}/32"));
    }
    net.client.ip("route del default");
    for (address, outcome, code, detail) in [
        ("198.51.100.0:80", Outcome::Fail, Code::L4Con, "connect host unreachable"),
        ("198.51.100.1:80", Outcome::NoVerdict, Code::SockErr, "connect prohibited"),
        ("198.51.100.2:80", Outcome::Fail, Code::L4Con, "connect impossible, no usable route"),
        ("198.51.100.3:80", Outcome::Fail, Code::L4Con, "connect network unreachable"),
    ] {
        // Also with a source, which some of these errors could be mistaken for missing.
        for source in [None, Some(ip("10.99.0.1"))] {
            let report = prober.run(&Target { source, ..tcp(at(address)) }).await;
            assert_report(&report, outcome, code, detail);
        }
    }
}

#[tokio::test]
async fn a_source_without_a_free_port_is_no_verdict() {
    let Some(net) = Net::new() else { return };
    net.client.sysctl("net.ipv4.ip_local_port_range", "40000 40001");
    let prober = Prober::new(Some(&net.client.name)).unwrap();
    let server = Server::on(net.router.listen(ROUTER_V4), |stream, _| async move {
        // Held until the other side ends.
        let mut stream = stream;
        crate::server::read_head(&mut stream).await.map(drop)
    });
    let target = Target { source: Some(ip("10.99.0.1")), ..tcp(server.at) };
    let taken: Vec<_> =
        (0..2).map(|_| net.client.within(|| std::net::TcpStream::connect(server.at)).unwrap()).collect();
    let report = prober.run(&target).await;
    assert_eq!((report.outcome, report.cause), (Outcome::NoVerdict, Some(Cause::Ports)));

    // A port is taken for one destination, not for all of them.
    let other = Server::on(net.router.listen("10.99.0.2:81"), accept);
    let report = prober.run(&Target { source: Some(ip("10.99.0.1")), ..tcp(other.at) }).await;
    assert_report(&report, Outcome::Pass, Code::L4Ok, "connected");
    drop(taken);
}

#[test]
fn a_missing_capability_ends_the_start() {
    let Some(namespace) = Namespace::new() else { return };
    // Capabilities belong to a thread, and go to those that it starts.
    let refused = thread::spawn(move || {
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::SYS_ADMIN);
        set_capabilities(None, sets).unwrap();
        assert!(Prober::new(None).is_ok());
        [namespace.name.as_str(), "maglev-test-nowhere"].map(|name| Prober::new(Some(name)).unwrap_err())
    });
    for error in refused.join().unwrap() {
        assert!(matches!(error, ProberError::Capability { capability: "CAP_SYS_ADMIN", .. }), "{error:?}");
        assert!(error.to_string().starts_with("probing in network namespace "), "{error}");
    }
}
