//! Where a server is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::grpc::{AddressError, unix_path};

/// Address of a maglevd: `HOST:PORT`, with a name or a number, or `unix:/path`. Without a port it is 9090, without a host
/// 127.0.0.1.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "gRPC runs over these two")]
pub enum Address {
    /// TCP.
    Tcp {
        /// Name or number, IPv6 without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// The Unix socket at this path.
    Unix(PathBuf),
}

/// Why a text is no address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseAddressError {
    /// Neither form.
    #[error("`{0}` is no address: write HOST:PORT or unix:/path")]
    Form(String),
    /// A path that cannot be.
    #[error(transparent)]
    Path(#[from] AddressError),
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        if let Some(path) = unix_path(text) {
            return Ok(Self::Unix(path?));
        }
        let form = || ParseAddressError::Form(text.to_owned());
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| form())?),
            _ => (text, PORT),
        };
        let host = match host.strip_prefix('[') {
            Some(host) => host.strip_suffix(']').filter(|host| is_ipv6(host)),
            None if host.is_empty() && !text.is_empty() => Some("127.0.0.1"),
            None => Some(host).filter(|host| is_name(host)),
        };
        Ok(Self::Tcp { host: host.ok_or_else(form)?.to_owned(), port })
    }
}

/// Where maglevd listens unless it is told otherwise.
const PORT: u16 = 9090;

/// A name or an IPv4 address: what a resolver and an HTTP authority both take.
fn is_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn is_ipv6(host: &str) -> bool {
    host.parse::<std::net::Ipv6Addr>().is_ok()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::uri::Authority;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1:9090")]
    #[case("[2001:db8::1]:9090")]
    #[case("lb1.example.com:9090")]
    #[case("localhost:1")]
    #[case("unix:/run/vpp-maglev/grpc.sock")]
    fn an_address_is_shown_as_it_was_written(#[case] text: &str) {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case("")]
    #[case("::1:9090")]
    #[case("lb1:")]
    #[case(":")]
    #[case("http://lb1")]
    #[case("[lb1]:9090")]
    #[case("lb1:65536")]
    #[case("http://lb1:9090")]
    #[case("lb 1:9090")]
    fn a_text_that_is_no_address_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<Address>(), Err(ParseAddressError::Form(text.to_owned())));
    }

    #[rstest]
    #[case("lb1.example.com", "lb1.example.com:9090")]
    #[case("[::1]", "[::1]:9090")]
    #[case(":9091", "127.0.0.1:9091")]
    fn what_is_left_out_is_this_host_and_the_default_port(#[case] text: &str, #[case] whole: &str) {
        assert_eq!(text.parse::<Address>(), whole.parse());
    }

    #[test]
    fn a_path_has_to_be_absolute() {
        assert!("unix:grpc.sock".parse::<Address>().unwrap_err().to_string().contains("no absolute path"));
    }

    proptest! {
        #[test]
        fn what_is_an_address_is_an_authority_too(text in "(\\[[0-9a-f:]{0,8}\\]|[ -~]{0,12}):[0-9]{1,5}") {
            if let Ok(address @ Address::Tcp { .. }) = text.parse::<Address>() {
                prop_assert!(address.to_string().parse::<Authority>().is_ok(), "{}", address);
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
