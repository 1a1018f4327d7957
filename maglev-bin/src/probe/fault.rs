//! Whose fault an error is.

use std::io;

use maglev_health::Code;
use rustix::io::Errno;

use super::end::End;
use super::report::Cause;

/// The cause behind an error of a system call that was made here and answered at once, if it is one of our own.
///
/// `None` is for what such a call says about the way to the backend: refused, no route, unreachable.
pub(super) fn own_fault(error: &io::Error) -> Option<Cause> {
    Some(match Errno::from_io_error(error)? {
        Errno::MFILE | Errno::NFILE => Cause::Descriptors,
        Errno::NOBUFS | Errno::NOMEM => Cause::Memory,
        // From `connect`: no port of the range is free for this address. EAGAIN is what an ICMP socket says then.
        Errno::ADDRNOTAVAIL | Errno::ADDRINUSE | Errno::AGAIN => Cause::Ports,
        Errno::PERM | Errno::ACCESS => Cause::Permission,
        _ => return None,
    })
}

/// What an error of `connect` or `send` means that was known at once, before anything came back: `code`, unless it is our own fault.
pub(super) fn sending(code: Code, what: &str, error: &io::Error) -> End {
    let detail = format!("{what} {}", words(error));
    match own_fault(error) {
        Some(cause) => End::own(cause, detail),
        None => End::fail(code, detail),
    }
}

/// An error of a step that involves no peer at all, such as making a socket: always our own.
pub(super) fn local(what: &str, error: &io::Error) -> End {
    let cause = own_fault(error).unwrap_or_else(|| Cause::System(error.raw_os_error().unwrap_or(0)));
    End::own(cause, format!("{what}: {}", words(error)))
}

/// The error in words, without the number that `io::Error` adds.
pub(super) fn words(error: &io::Error) -> String {
    let known = match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => "refused",
        Some(Errno::CONNRESET) => "reset",
        Some(Errno::HOSTUNREACH) => "host unreachable",
        Some(Errno::NETUNREACH) => "network unreachable",
        Some(Errno::TIMEDOUT) => "timed out",
        Some(Errno::ACCESS) => "prohibited",
        // What `connect` and `send` say to a route of type blackhole, or to a link-local address without its link.
        Some(Errno::INVAL) => "impossible, no usable route",
        Some(Errno::MFILE) => "too many open files",
        Some(Errno::NFILE) => "too many open files in the system",
        _ => {
            let text = error.to_string();
            let end = text.find(" (os error").unwrap_or(text.len());
            return text[..end].to_lowercase();
        }
    };
    known.to_owned()
}
