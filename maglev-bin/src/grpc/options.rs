//! On which terms the API is served.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::address::GrpcAddr;
use super::peer::{OperatorName, Policy};
use super::tls::TlsFiles;
use crate::cli::{DaemonArgs, Role};

/// Where the API listens, and who may do what there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GrpcOptions {
    /// Addresses to listen on; none switches the API off.
    pub addresses: Vec<GrpcAddr>,
    /// Non-loopback TCP without TLS is allowed.
    pub insecure: bool,
    /// Certificate and key to show on TCP; `None`: no TLS.
    pub tls: Option<TlsFiles>,
    /// File of the authorities whose certificates clients must show; `None`: they are not asked for one.
    pub client_ca: Option<PathBuf>,
    /// Who may write. Empty: every verified certificate, root and the daemon's own user.
    pub operators: Vec<OperatorName>,
    /// Role of clients on loopback TCP without TLS.
    pub loopback_role: Role,
}

/// Why options cannot be meant so. Nothing listens then; change the flags.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Half of what TLS needs.
    #[error("{given} needs {missing} too: pass both, or none for no TLS")]
    Half {
        /// The flag that was given.
        given: &'static str,
        /// The flag that was not.
        missing: &'static str,
    },
    /// Certificates are shown in TLS only.
    #[error("--grpc-client-ca needs --grpc-tls-cert and --grpc-tls-key: clients show certificates over TLS only")]
    ClientCaWithoutTls,
    /// Anybody in the network could read along.
    #[error(
        "--grpc-addr {0} would be open to the network without TLS: pass --grpc-tls-cert and --grpc-tls-key, listen on \
         127.0.0.1 or a Unix socket, or allow it with --grpc-insecure"
    )]
    Insecure(SocketAddr),
    /// A rule that no client could ever meet hides a mistake.
    #[error("--grpc-operator {name} can never apply: {why}")]
    Operator {
        /// The rule.
        name: OperatorName,
        /// What it would need.
        why: &'static str,
    },
}

impl GrpcOptions {
    /// What the command line asks for.
    ///
    /// # Errors
    /// A certificate without its key, or the reverse. Everything else is checked by [`Listeners::bind`](super::Listeners::bind).
    pub fn from_args(args: &DaemonArgs) -> Result<Self, OptionsError> {
        let (cert, key) = ("--grpc-tls-cert", "--grpc-tls-key");
        let tls = match (&args.grpc_tls_cert, &args.grpc_tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.clone(), key: key.clone() }),
            (None, None) => None,
            (Some(_), None) => return Err(OptionsError::Half { given: cert, missing: key }),
            (None, Some(_)) => return Err(OptionsError::Half { given: key, missing: cert }),
        };
        Ok(Self {
            addresses: args.grpc_addr.iter().flat_map(|addresses| addresses.0.iter().cloned()).collect(),
            insecure: args.grpc_insecure,
            tls,
            client_ca: args.grpc_client_ca.clone(),
            operators: args.grpc_operator.clone(),
            loopback_role: args.grpc_loopback_role,
        })
    }

    /// Whether everything asked for can be meant so. With the API off, there is nothing to check.
    pub(super) fn check(&self) -> Result<(), OptionsError> {
        if self.addresses.is_empty() {
            return Ok(());
        }
        if self.client_ca.is_some() && self.tls.is_none() {
            return Err(OptionsError::ClientCaWithoutTls);
        }
        if self.tls.is_none() && !self.insecure {
            let open = self.tcp().find(|address| !address.ip().to_canonical().is_loopback());
            open.map_or(Ok(()), |address| Err(OptionsError::Insecure(address)))?;
        }
        for name in &self.operators {
            let why = match name {
                OperatorName::Certificate(_) if self.client_ca.is_none() => {
                    "no certificate is asked for; pass --grpc-client-ca"
                }
                OperatorName::Certificate(_) if self.tcp().next().is_none() => {
                    "certificates are shown on TCP, and --grpc-addr has no HOST:PORT"
                }
                OperatorName::Uid(_) | OperatorName::Gid(_) if self.tcp().count() == self.addresses.len() => {
                    "users are known on a Unix socket, and --grpc-addr has no unix:/path"
                }
                _ => continue,
            };
            return Err(OptionsError::Operator { name: name.clone(), why });
        }
        Ok(())
    }

    pub(super) fn policy(&self) -> Policy {
        let own_uid = rustix::process::geteuid().as_raw();
        Policy { operators: self.operators.clone(), loopback_role: self.loopback_role, own_uid }
    }

    fn tcp(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses.iter().filter_map(|address| match address {
            GrpcAddr::Tcp(address) => Some(*address),
            GrpcAddr::Unix(_) => None,
        })
    }
}

/// No listener, and the roles that the flags have by default.
impl Default for GrpcOptions {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            insecure: false,
            tls: None,
            client_ca: None,
            operators: Vec::new(),
            loopback_role: Role::Operator,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;

    use super::*;
    use crate::cli::Cli;

    fn options(flags: &str) -> Result<GrpcOptions, OptionsError> {
        let words = std::iter::once("maglevd").chain(flags.split_whitespace());
        GrpcOptions::from_args(&Cli::parse_from(words).daemon)
    }

    const TLS: &str = "--grpc-tls-cert c --grpc-tls-key k";

    #[rstest]
    #[case("")]
    #[case("--grpc-addr [::1]:1 --grpc-addr localhost:2,unix:/s")]
    #[case("--grpc-addr [::ffff:127.0.0.2]:1")]
    #[case("--grpc-addr :1 --grpc-insecure")]
    #[case(&format!("--grpc-addr :1 {TLS}"))]
    #[case(&format!("--grpc-addr :1 {TLS} --grpc-client-ca a --grpc-operator ops"))]
    #[case("--grpc-addr unix:/s --grpc-operator uid:1 --grpc-operator gid:2")]
    fn what_can_be_meant_passes(#[case] flags: &str) {
        assert_eq!(options(flags).unwrap().check(), Ok(()));
    }

    #[rstest]
    #[case("--grpc-tls-cert c", "--grpc-tls-cert needs --grpc-tls-key too")]
    #[case("--grpc-tls-key k", "--grpc-tls-key needs --grpc-tls-cert too")]
    #[case("--grpc-client-ca a", "needs --grpc-tls-cert and --grpc-tls-key")]
    #[case("--grpc-addr :1", "--grpc-addr [::]:1 would be open to the network")]
    #[case("--grpc-addr 127.0.0.1:1,192.0.2.1:2", "allow it with --grpc-insecure")]
    #[case("--grpc-operator ops", "pass --grpc-client-ca")]
    #[case(&format!("--grpc-addr unix:/s {TLS} --grpc-client-ca a --grpc-operator ops"), "has no HOST:PORT")]
    #[case("--grpc-operator uid:1", "--grpc-operator uid:1 can never apply")]
    #[case("--grpc-operator gid:1", "has no unix:/path")]
    fn what_cannot_be_meant_is_refused_with_what_to_do(#[case] flags: &str, #[case] why: &str) {
        let error = options(flags).and_then(|options| options.check()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn an_empty_address_switches_the_api_off_whatever_else_is_asked_for() {
        let mut args = Cli::parse_from(["maglevd", "--grpc-client-ca", "a", "--grpc-operator", "uid:1"]).daemon;
        args.grpc_addr = vec!["".parse().unwrap()];
        let options = GrpcOptions::from_args(&args).unwrap();
        assert!(options.addresses.is_empty());
        assert_eq!(options.check(), Ok(()));
        let off = Cli::parse_from(["maglevd", "--grpc-addr", ""]);
        assert_eq!(off.daemon.grpc_addr, args.grpc_addr);
    }
}
