//! Where the API can be reached.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::cli::ListenAddr;

/// An address to listen on: `HOST:PORT` with a numeric host or `localhost`, `:PORT` for every address of both families, or `unix:/path`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "gRPC runs over these two")]
pub enum GrpcAddr {
    /// TCP. Port 0 lets the kernel choose.
    Tcp(SocketAddr),
    /// A Unix socket at this absolute path.
    Unix(PathBuf),
}

/// What one `--grpc-addr` holds: addresses with commas between, or nothing, which switches the API off.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GrpcAddrs(pub Vec<GrpcAddr>);

/// Why a text is no address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Neither form.
    #[error("`{0}` is no address: write HOST:PORT with a numeric host, :PORT, or unix:/path")]
    Form(String),
    /// The daemon's working directory is nobody's business.
    #[error("`{0}` is no absolute path: write unix:/path")]
    Relative(String),
    /// The kernel has 108 bytes for it, with a zero at the end.
    #[error("the path of a Unix socket has at most 107 bytes, `{0}` has {len}", len = .0.len())]
    Long(String),
}

impl FromStr for GrpcAddr {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match unix_path(text) {
            Some(path) => path.map(Self::Unix),
            None => match text.parse() {
                Ok(ListenAddr(Some(address))) => Ok(Self::Tcp(address)),
                _ => Err(AddressError::Form(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for GrpcAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for GrpcAddrs {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        text.split(',').map(|address| address.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for GrpcAddrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{address}")?;
        }
        Ok(())
    }
}

/// The path of `unix:/path`; `None` for another kind of address. `unix:///path`, as gRPC names it, is the same.
pub(crate) fn unix_path(text: &str) -> Option<Result<PathBuf, AddressError>> {
    let path = text.strip_prefix("unix:")?;
    let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
    Some(match path {
        _ if !Path::new(path).is_absolute() => Err(AddressError::Relative(path.to_owned())),
        _ if path.len() > 107 => Err(AddressError::Long(path.to_owned())),
        _ => Ok(path.into()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1:9090", "127.0.0.1:9090")]
    #[case("[2001:db8::1]:9090", "[2001:db8::1]:9090")]
    #[case("localhost:9090", "127.0.0.1:9090")]
    #[case(":9090", "[::]:9090")]
    #[case("unix:/run/vpp-maglev/grpc.sock", "unix:/run/vpp-maglev/grpc.sock")]
    #[case("unix:///run/vpp-maglev/grpc.sock", "unix:/run/vpp-maglev/grpc.sock")]
    fn an_address_is_shown_as_it_is_understood(#[case] text: &str, #[case] shown: &str) {
        let address: GrpcAddr = text.parse().unwrap();
        assert_eq!(address.to_string(), shown);
        assert_eq!(shown.parse(), Ok(address));
    }

    #[rstest]
    #[case("", "no address")]
    #[case("9090", "no address")]
    #[case("www.example.com:9090", "numeric host")]
    #[case("127.0.0.1", "HOST:PORT")]
    #[case("127.0.0.1:65536", "no address")]
    #[case("unix:", "no absolute path")]
    #[case("unix:grpc.sock", "no absolute path")]
    #[case(&format!("unix:/{}", "x".repeat(107)), "at most 107 bytes")]
    fn an_address_that_is_none_is_refused_with_what_to_write(#[case] text: &str, #[case] why: &str) {
        let error = text.parse::<GrpcAddr>().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn commas_separate_addresses_and_nothing_is_off() {
        let both: GrpcAddrs = "127.0.0.1:1, unix:/a".parse().unwrap();
        assert_eq!(both.0, ["127.0.0.1:1".parse().unwrap(), "unix:/a".parse().unwrap()]);
        assert_eq!(both.to_string(), "127.0.0.1:1,unix:/a");
        assert_eq!("".parse(), Ok(GrpcAddrs::default()));
        assert!("127.0.0.1:1,".parse::<GrpcAddrs>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_understood_or_refused(text: String) {
            if let Ok(addresses) = text.parse::<GrpcAddrs>() {
                prop_assert_eq!(addresses.to_string().parse(), Ok(addresses));
            }
        }
    }
}
