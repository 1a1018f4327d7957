//! What every listener of this process needs.

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

/// Listens on `address`, non-blocking. `[::]` is both families; on a host without IPv6 it falls back to `0.0.0.0`.
pub(crate) fn listen_tcp(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let listen = |address: SocketAddr| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(backlog)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    match listen(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && no_ipv6(&error) => {
            listen(SocketAddr::from(([0, 0, 0, 0], address.port())))
        }
        other => other,
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// Raises this process's limit of open descriptors as far as it may. Returns the limit now; `None` is no limit.
///
/// The usual soft limit of 1,024 is for programs that use `select`; systemd leaves the hard limit far above it for all others.
pub(crate) fn raise_descriptor_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok() { maximum } else { current }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_descriptors_is_raised_as_far_as_it_may_be() {
        let before = getrlimit(Resource::Nofile);
        assert_eq!(raise_descriptor_limit(), before.maximum);
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: before.maximum, ..before });
    }

    #[test]
    fn the_unspecified_address_of_ipv6_is_both_families_or_the_one_there_is() {
        let listener = listen_tcp("[::]:0".parse().unwrap(), 1).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::net::TcpStream::connect(("127.0.0.1", port)).expect("an IPv4 client");
    }
}
