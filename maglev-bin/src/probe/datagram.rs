//! Checks over UDP: one datagram out, and what comes back.

use std::io;
use std::net::SocketAddr;

use maglev_health::Code;
use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::Socket;

use super::dns::Answer;
use super::end::{Deadline, End, Step};
use super::engine::{Ready, Registered, Site};
use super::expect::quote;
use super::fault::{local, sending, words};
use super::target::{Dns, Udp};
use super::timed::Phases;

/// A socket that is connected to its peer: the kernel passes on nothing that anybody else sends.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    socket: Registered<Socket>,
    phases: &'a Phases,
}

impl<'a> Conversation<'a> {
    /// Connects a socket that `Wanted::open` made. Sends nothing.
    pub(super) fn with(site: &Site, socket: Socket, to: SocketAddr, phases: &'a Phases) -> Step<Self> {
        // Without it "host unreachable" from a router is not reported, and the probe could only time out.
        let told = match to {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true),
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true),
        };
        told.map_err(|errno| local("no socket", &errno.into()))?;
        socket.connect(&to.into()).map_err(|error| sending(Code::L4Con, "datagram", &error))?;
        let socket = site.register(socket).map_err(|error| local("no socket", &error))?;
        Ok(Self { socket, phases })
    }

    fn send(&self, bytes: &[u8]) -> Step<()> {
        let sent = send(self.socket.get(), bytes, SendFlags::empty());
        sent.map(drop).map_err(|errno| sending(Code::L4Con, "datagram", &errno.into()))
    }

    /// Waits for the next datagram, or for the network's word that there will be none. Gives its first bytes, no more than `most`.
    async fn recv(&self, most: usize) -> io::Result<Vec<u8>> {
        let read = |socket: &Socket| {
            // Made when there is something to read: thousands may wait.
            let mut datagram = vec![0; most];
            let (length, _) = recv(socket, &mut datagram[..], RecvFlags::empty())?;
            datagram.truncate(length);
            Ok(datagram)
        };
        let datagram = self.socket.io(Ready::READ, read).await?;
        self.phases.done(&self.phases.first_byte);
        Ok(datagram)
    }
}

/// Sends a datagram and judges the first that comes back.
pub(super) async fn exchange(peer: &Conversation<'_>, udp: &Udp, deadline: Deadline) -> Step<End> {
    peer.send(&udp.send)?;
    let answer = answer(peer, LARGEST, "no answer in time", deadline).await?;
    let seen = quote(&answer);
    Ok(match &udp.expect {
        None => End::pass(Code::L7Ok, seen),
        Some(expect) if expect.is_in(&answer) => End::pass(Code::L7Ok, format!("found in {seen}")),
        Some(_) => End::fail(Code::L7Rsp, format!("not found in {seen}")),
    })
}

/// Sends a query and waits for its answer.
pub(super) async fn ask(peer: &Conversation<'_>, dns: &Dns, deadline: Deadline) -> Step<End> {
    let id = fastrand::u16(..);
    peer.send(&dns.query.encode(id))?;
    let mut late = "no answer in time";
    loop {
        let answer = answer(peer, ENOUGH, late, deadline).await?;
        return Ok(match dns.query.judge(id, &answer) {
            // To a probe of before, which had the same port.
            Answer::Foreign => {
                late = "no answer in time but one with another id";
                continue;
            }
            Answer::Broken(why) => End::fail(Code::L7Rsp, format!("no DNS answer: {why}")),
            Answer::Given { rcode, answers, truncated } => {
                let records = if answers == 1 { "1 record".to_owned() } else { format!("{answers} records") };
                let cut = if truncated { ", truncated" } else { "" };
                match rcode == dns.rcode {
                    true => End::pass(Code::L7Ok, format!("{rcode}, {records}{cut}")),
                    false => End::fail(Code::L7Sts, rcode.to_string()),
                }
            }
        });
    }
}

async fn answer(peer: &Conversation<'_>, most: usize, late: &'static str, deadline: Deadline) -> Step<Vec<u8>> {
    let received = async {
        let refused = |error: io::Error| End::fail(Code::L4Con, format!("datagram {}", words(&error)));
        peer.recv(most).await.map_err(refused)
    };
    deadline.or_fail(Code::L7Tout, late, received).await
}

/// The largest datagram there is.
const LARGEST: usize = 65_535;

/// What is looked at of a DNS message is at its start.
const ENOUGH: usize = 1_024;
