//! Animals that misbehave when they are pinged. Each lives in a namespace where the kernel answers no echo.

use std::net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket};

use maglev_bin::probe::Prober;
use maglev_health::Code;
use rstest::rstest;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

use crate::animal::{Verdict, late, soon};
use crate::echo::{Sockets, icmp, seal};
use crate::namespace::{Namespace, Net};

/// Addresses of one version of IP.
#[derive(Clone, Copy, Debug)]
struct Ip {
    client: &'static str,
    router: &'static str,
    /// A second one of the router.
    stranger: &'static str,
    request: u8,
    reply: u8,
}

const V4: Ip = Ip { client: "10.99.0.1", router: "10.99.0.2", stranger: "10.99.0.3", request: 8, reply: 0 };
const V6: Ip =
    Ip { client: "2001:db8:99::1", router: "2001:db8:99::2", stranger: "2001:db8:99::3", request: 128, reply: 129 };

impl Ip {
    /// A raw socket at an address of the router.
    fn open(self, router: &Namespace, at: &str) -> UdpSocket {
        let at: IpAddr = at.parse().unwrap();
        let (domain, protocol) =
            if at.is_ipv4() { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
        let socket = router.within(|| Socket::new(domain, Type::RAW.nonblocking(), Some(protocol))).unwrap();
        socket.bind(&SocketAddr::new(at, 0).into()).unwrap();
        // Not UDP: the type of tokio that waits for datagrams on any socket.
        UdpSocket::from_std(StdUdpSocket::from(socket)).unwrap()
    }

    /// The ICMP message in what a raw socket hears: over IPv4 a header comes before it.
    fn message(self, packet: &[u8]) -> &[u8] {
        if self.request == V4.request { &packet[20..] } else { packet }
    }
}

/// What an animal makes of the reply to an echo.
type Answer = fn(Vec<u8>) -> Vec<Said>;

enum Said {
    /// With a checksum that is right.
    Sealed(Vec<u8>),
    /// As it is. Over IPv6 the kernel writes the checksum.
    Bare(Vec<u8>),
    /// From another address.
    ByStranger(Vec<u8>),
}

/// Answers echoes until it is dropped.
struct Animal(AbortHandle);

impl Animal {
    fn new(net: &Net, ip: Ip, answer: Answer) -> Self {
        let socket = ip.open(&net.router, ip.router);
        let stranger = ip.open(&net.router, ip.stranger);
        let task = tokio::spawn(async move {
            let to = SocketAddr::new(ip.client.parse().unwrap(), 0);
            let mut packet = [0; 1500];
            while let Ok((length, _)) = socket.recv_from(&mut packet).await {
                let message = ip.message(&packet[..length]);
                if message.first() != Some(&ip.request) {
                    continue;
                }
                let mut reply = message.to_vec();
                reply[0] = ip.reply;
                for said in answer(reply) {
                    let (from, bytes) = match said {
                        Said::Sealed(bytes) => (&socket, sealed(bytes)),
                        Said::Bare(bytes) => (&socket, bytes),
                        Said::ByStranger(bytes) => (&stranger, sealed(bytes)),
                    };
                    // The kernel refuses what is too short to hold a checksum.
                    let _ = from.send_to(&bytes, to).await;
                }
            }
        });
        Self(task.abort_handle())
    }
}

impl Drop for Animal {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn sealed(mut message: Vec<u8>) -> Vec<u8> {
    if message.len() >= 4 {
        seal(&mut message);
    }
    message
}

fn changed(mut reply: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<Said> {
    change(&mut reply);
    vec![Said::Sealed(reply)]
}

const SILENCE: Verdict = late(&[Code::L3Tout], &[&["reply"]]);
const PASS: Verdict = soon(&[Code::L3Ok], &[]);

#[rstest]
#[case::silent(|_| Vec::new(), SILENCE)]
#[case::well_behaved(|reply| vec![Said::Sealed(reply)], PASS)]
#[case::wrong_identifier(|reply| changed(reply, |r| r[5] ^= 1), SILENCE)]
#[case::wrong_sequence(|reply| changed(reply, |r| r[7] ^= 1), SILENCE)]
#[case::wrong_first_byte(|reply| changed(reply, |r| r[8] ^= 1), SILENCE)]
#[case::wrong_last_byte(|reply| changed(reply, |r| *r.last_mut().unwrap() ^= 1), SILENCE)]
#[case::wrong_code(|reply| changed(reply, |r| r[1] = 1), SILENCE)]
#[case::one_byte_short(|reply| changed(reply, |r| r.truncate(39)), SILENCE)]
#[case::head_alone(|reply| changed(reply, |r| r.truncate(8)), SILENCE)]
#[case::half_a_head(|reply| changed(reply, |r| r.truncate(4)), SILENCE)]
#[case::one_byte_long(|reply| changed(reply, |r| r.push(0)), SILENCE)]
#[case::a_kilobyte_long(|reply| changed(reply, |r| r.resize(1024, 0)), SILENCE)]
#[case::zeros(|reply| changed(reply, |r| r[4..].fill(0)), SILENCE)]
#[case::many_wrong_ones_before_the_right_one(
    |reply: Vec<u8>| {
        let wrong = (0..20).map(|n| {
            let mut wrong = reply.clone();
            wrong[8 + n] ^= 0xff;
            Said::Sealed(wrong)
        });
        wrong.chain([Said::Sealed(reply.clone())]).collect()
    },
    PASS
)]
#[case::ten_replies(|reply: Vec<u8>| (0..10).map(|_| Said::Sealed(reply.clone())).collect(), PASS)]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn is_pinged(
    #[case] answer: Answer,
    #[case] verdict: Verdict,
    #[values(V4, V6)] ip: Ip,
    #[values(Sockets::Datagram, Sockets::Raw)] sockets: Sockets,
) {
    let Some(net) = zoo() else { return };
    sockets.use_in(&net.client);
    let _animal = Animal::new(&net, ip, answer);
    verdict.check(&Prober::new(Some(&net.client.name)).unwrap(), &icmp(ip.router)).await;
}

/// With raw sockets, which hear their peer alone.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn lets_a_stranger_answer(#[values(V4, V6)] ip: Ip) {
    let Some(net) = zoo() else { return };
    Sockets::Raw.use_in(&net.client);
    let _animal = Animal::new(&net, ip, |reply| vec![Said::ByStranger(reply)]);
    SILENCE.check(&Prober::new(Some(&net.client.name)).unwrap(), &icmp(ip.router)).await;
}

/// IPv4 only: over IPv6 the kernel writes it.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn writes_a_wrong_checksum(#[values(Sockets::Datagram, Sockets::Raw)] sockets: Sockets) {
    let Some(net) = zoo() else { return };
    sockets.use_in(&net.client);
    let _animal = Animal::new(&net, V4, |mut reply| {
        seal(&mut reply);
        reply[2] ^= 1;
        vec![Said::Bare(reply)]
    });
    SILENCE.check(&Prober::new(Some(&net.client.name)).unwrap(), &icmp(V4.router)).await;
}

/// A client, and a router that leaves echoes to the animal.
fn zoo() -> Option<Net> {
    let net = Net::new()?;
    net.router.ip(&format!("addr add {}/24 dev eth0", V4.stranger));
    net.router.ip(&format!("addr add {}/64 dev eth0 nodad", V6.stranger));
    net.router.sysctl("net.ipv4.icmp_echo_ignore_all", "1");
    net.router.sysctl("net.ipv6.icmp.echo_ignore_all", "1");
    Some(net)
}
