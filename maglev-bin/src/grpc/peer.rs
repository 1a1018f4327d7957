//! Who a client is, and what it may do.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use tonic::Status;

use crate::cli::Role;
use crate::x509::Names;

/// The other end of a connection; a handler finds it in the extensions of its request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Who it is, as the log names it.
    pub who: Who,
    /// What it may do.
    pub role: Role,
    /// Why it may do that.
    pub grounds: Grounds,
}

/// Who a client is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "each way to connect proves one of these")]
pub enum Who {
    /// `cert:NAME`: the holder of a verified certificate.
    Certificate(String),
    /// `uid:N`: the user at the other end of a Unix socket.
    Uid(u32),
    /// `addr:HOST:PORT`: whoever can send from this address.
    Address(SocketAddr),
}

/// What a role rests on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Grounds {
    /// `--grpc-operator` names it.
    Named,
    /// There is a `--grpc-operator`, and none names it.
    NotNamed,
    /// A verified certificate.
    Certificate,
    /// Root, or the user whose daemon this is.
    OwnUser,
    /// Some other user of this host.
    OtherUser,
    /// Loopback TCP without TLS.
    Loopback,
    /// TCP without TLS from elsewhere, under `--grpc-insecure`.
    Plain,
    /// TLS, but the daemon asks for no certificate.
    NoClientCa,
}

impl Peer {
    /// Whether it may change anything.
    pub fn may_write(&self) -> bool {
        self.role == Role::Operator
    }

    /// Passes an operator. `what` is a verb with its object, such as `disable a backend`.
    ///
    /// # Errors
    /// `PermissionDenied`, with who may not do what, why, and the flag of maglevd that would allow it.
    pub fn require_operator(&self, what: &str) -> Result<(), Status> {
        if self.may_write() {
            return Ok(());
        }
        let Self { who, .. } = self;
        let why = self.refusal();
        Err(Status::permission_denied(format!("{who} is a viewer and may not {what}: {why}")))
    }

    fn refusal(&self) -> String {
        match self.grounds {
            Grounds::NotNamed => match &self.who {
                Who::Address(_) => "maglevd knows nothing of it that --grpc-operator could name".to_owned(),
                Who::Certificate(_) | Who::Uid(_) => {
                    format!("no --grpc-operator of maglevd names it; add --grpc-operator {}", self.who)
                }
            },
            Grounds::OtherUser => format!(
                "only root and maglevd's own user are operators; --grpc-operator {} of maglevd would make it one, and \
                 none but those named",
                self.who
            ),
            Grounds::Loopback => "maglevd runs with --grpc-loopback-role viewer; use its Unix socket, a client \
                                  certificate, or --grpc-loopback-role operator"
                .to_owned(),
            Grounds::Plain => "without TLS anybody could be behind an address; run maglevd with --grpc-tls-cert, \
                               --grpc-tls-key and --grpc-client-ca, and connect with a certificate"
                .to_owned(),
            Grounds::NoClientCa => {
                "maglevd asks for no certificate; run it with --grpc-client-ca, and connect with one".to_owned()
            }
            Grounds::Named | Grounds::Certificate | Grounds::OwnUser => "its role is viewer".to_owned(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.who.fmt(f)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An authority may have signed anything; a log and a screen take one line.
            Self::Certificate(name) => write!(f, "cert:{}", name.replace(char::is_control, "\u{fffd}")),
            Self::Uid(uid) => write!(f, "uid:{uid}"),
            Self::Address(address) => write!(f, "addr:{address}"),
        }
    }
}

/// Whom a `--grpc-operator` names.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "what a connection can prove")]
pub enum OperatorName {
    /// Holders of a certificate with this common name or DNS name. Written as it is, or as `cert:NAME`.
    Certificate(String),
    /// A user, `uid:N`.
    Uid(u32),
    /// Users of a group, `gid:N`.
    Gid(u32),
}

impl FromStr for OperatorName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            digits.parse().map_err(|_| format!("`{text}` names nobody: after `{}:` comes a number", &text[..3]))
        };
        match text.split_once(':') {
            Some(("uid", digits)) => number(digits).map(Self::Uid),
            Some(("gid", digits)) => number(digits).map(Self::Gid),
            _ => match text.strip_prefix("cert:").unwrap_or(text) {
                "" => Err("an empty name names nobody: write a certificate's name, uid:N or gid:N".to_owned()),
                name => Ok(Self::Certificate(name.to_owned())),
            },
        }
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(name) => write!(f, "cert:{name}"),
            Self::Uid(uid) => write!(f, "uid:{uid}"),
            Self::Gid(gid) => write!(f, "gid:{gid}"),
        }
    }
}

/// What a connection proves about the other end.
#[derive(Clone, Debug)]
pub(super) enum Evidence {
    /// What the kernel says of the other end of a Unix socket.
    Unix {
        uid: u32,
        /// Primary and supplementary.
        gids: HashSet<u32>,
    },
    /// TLS from this address, with the certificate that the handshake verified.
    Tls { address: SocketAddr, certificate: Option<Verified> },
    /// TCP without TLS from this address. `loopback`: neither end has another address than one of this host's loopback.
    Plain { address: SocketAddr, loopback: bool },
}

/// A certificate that a handshake verified.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    pub(super) names: Names,
    /// What to call it that has no name.
    pub(super) fingerprint: String,
}

/// Who is an operator.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) operators: Vec<OperatorName>,
    pub(super) loopback_role: Role,
    pub(super) own_uid: u32,
}

impl Policy {
    /// The role of a client.
    ///
    /// | connection | no `--grpc-operator` | with `--grpc-operator` |
    /// | --- | --- | --- |
    /// | verified certificate | operator | operator if the common name or a DNS name is named |
    /// | Unix socket: root, own uid | operator | operator if the uid or a gid is named |
    /// | Unix socket: other uids | viewer | operator if the uid or a gid is named |
    /// | loopback TCP without TLS | `--grpc-loopback-role` | `--grpc-loopback-role` |
    /// | other TCP without TLS | viewer | viewer |
    /// | TLS, no client CA | viewer | viewer |
    pub(super) fn judge(&self, evidence: Evidence) -> Peer {
        let named = |by: &dyn Fn(&OperatorName) -> bool, otherwise| {
            if self.operators.iter().any(by) {
                (Role::Operator, Grounds::Named)
            } else if self.operators.is_empty() {
                otherwise
            } else {
                (Role::Viewer, Grounds::NotNamed)
            }
        };
        let (who, (role, grounds)) = match evidence {
            Evidence::Tls { certificate: Some(Verified { names, fingerprint }), .. } => {
                let by = |name: &OperatorName| matches!(name, OperatorName::Certificate(name) if names.include(name));
                let verdict = named(&by, (Role::Operator, Grounds::Certificate));
                (Who::Certificate(names.first().map_or(fingerprint, str::to_owned)), verdict)
            }
            Evidence::Unix { uid, gids } => {
                let by = |name: &OperatorName| match name {
                    OperatorName::Uid(named) => *named == uid,
                    OperatorName::Gid(named) => gids.contains(named),
                    OperatorName::Certificate(_) => false,
                };
                let own = uid == 0 || uid == self.own_uid;
                let otherwise =
                    if own { (Role::Operator, Grounds::OwnUser) } else { (Role::Viewer, Grounds::OtherUser) };
                (Who::Uid(uid), named(&by, otherwise))
            }
            Evidence::Plain { address, loopback: true } => {
                (Who::Address(address), (self.loopback_role, Grounds::Loopback))
            }
            Evidence::Plain { address, loopback: false } => (Who::Address(address), (Role::Viewer, Grounds::Plain)),
            Evidence::Tls { address, certificate: None } => {
                (Who::Address(address), (Role::Viewer, Grounds::NoClientCa))
            }
        };
        Peer { who, role, grounds }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tonic::Code;

    use super::*;

    const OWN: u32 = 990;

    fn policy(operators: &[&str]) -> Policy {
        let operators = operators.iter().map(|name| name.parse().unwrap()).collect();
        Policy { operators, loopback_role: Role::Operator, own_uid: OWN }
    }

    fn unix(uid: u32, gids: &[u32]) -> Evidence {
        Evidence::Unix { uid, gids: gids.iter().copied().collect() }
    }

    fn certificate(common_name: Option<&str>, dns: &[&str]) -> Evidence {
        let dns = dns.iter().map(|name| (*name).to_owned()).collect();
        let names = Names { common_name: common_name.map(str::to_owned), dns };
        let address = "192.0.2.1:1".parse().unwrap();
        Evidence::Tls { address, certificate: Some(Verified { names, fingerprint: "sha256:00".to_owned() }) }
    }

    fn plain(loopback: bool) -> Evidence {
        Evidence::Plain { address: "[::1]:7".parse().unwrap(), loopback }
    }

    fn tls() -> Evidence {
        Evidence::Tls { address: "[2001:db8::1]:7".parse().unwrap(), certificate: None }
    }

    const OPERATOR: Role = Role::Operator;
    const VIEWER: Role = Role::Viewer;

    #[rstest]
    #[case::certificate(&[], certificate(Some("ops"), &["lb.example"]), "cert:ops", OPERATOR)]
    #[case::certificate_by_dns_name(&[], certificate(None, &["lb.example", "b.example"]), "cert:lb.example", OPERATOR)]
    #[case::certificate_without_a_name(&[], certificate(None, &[]), "cert:sha256:00", OPERATOR)]
    #[case::root(&[], unix(0, &[0]), "uid:0", OPERATOR)]
    #[case::own_uid(&[], unix(OWN, &[5]), "uid:990", OPERATOR)]
    #[case::other_uid(&[], unix(1000, &[0, 990]), "uid:1000", VIEWER)]
    #[case::loopback(&[], plain(true), "addr:[::1]:7", OPERATOR)]
    #[case::insecure(&[], plain(false), "addr:[::1]:7", VIEWER)]
    #[case::tls_without_client_ca(&[], tls(), "addr:[2001:db8::1]:7", VIEWER)]
    #[case::common_name_named(&["ops"], certificate(Some("ops"), &[]), "cert:ops", OPERATOR)]
    #[case::dns_name_named(&["LB.example"], certificate(Some("x"), &["a", "lb.example"]), "cert:x", OPERATOR)]
    #[case::certificate_not_named(&["ops"], certificate(Some("Ops"), &["ops.example"]), "cert:Ops", VIEWER)]
    #[case::fingerprints_are_not_named(&["sha256:00"], certificate(None, &[]), "cert:sha256:00", VIEWER)]
    #[case::certificate_called_like_a_uid(&["uid:0"], certificate(Some("uid:0"), &[]), "cert:uid:0", VIEWER)]
    #[case::uid_named(&["x", "uid:1000"], unix(1000, &[]), "uid:1000", OPERATOR)]
    #[case::gid_named(&["gid:27"], unix(1000, &[1000, 27]), "uid:1000", OPERATOR)]
    #[case::a_gid_is_no_uid(&["gid:1000"], unix(1000, &[27]), "uid:1000", VIEWER)]
    #[case::a_uid_is_no_gid(&["uid:27"], unix(1000, &[27]), "uid:1000", VIEWER)]
    #[case::root_not_named(&["uid:1000"], unix(0, &[0]), "uid:0", VIEWER)]
    #[case::own_uid_not_named(&["gid:27"], unix(OWN, &[OWN]), "uid:990", VIEWER)]
    #[case::loopback_beside_names(&["ops"], plain(true), "addr:[::1]:7", OPERATOR)]
    #[case::insecure_beside_names(&["ops"], plain(false), "addr:[::1]:7", VIEWER)]
    #[case::tls_beside_names(&["ops"], tls(), "addr:[2001:db8::1]:7", VIEWER)]
    fn a_role_follows_from_the_table(
        #[case] operators: &[&str],
        #[case] evidence: Evidence,
        #[case] who: &str,
        #[case] role: Role,
    ) {
        let peer = policy(operators).judge(evidence);
        assert_eq!((peer.to_string().as_str(), peer.role), (who, role), "{peer:?}");
        assert_eq!(peer.may_write(), role == OPERATOR);
        assert_eq!(peer.require_operator("disable a backend").is_ok(), role == OPERATOR);
    }

    #[rstest]
    #[case(&[])]
    #[case(&["ops", "uid:1", "gid:2"])]
    fn loopback_is_what_its_flag_says(#[case] operators: &[&str]) {
        let policy = Policy { loopback_role: VIEWER, ..policy(operators) };
        assert_eq!(policy.judge(plain(true)).role, VIEWER);
    }

    #[rstest]
    #[case(&["uid:5"], unix(1000, &[]), "uid:1000 is a viewer and may not pause a backend", "add --grpc-operator uid:1000")]
    #[case(&["x"], certificate(Some("ops"), &[]), "cert:ops is a viewer", "add --grpc-operator cert:ops")]
    #[case(&[], unix(1000, &[]), "uid:1000 is a viewer", "--grpc-operator uid:1000")]
    #[case(&[], plain(true), "addr:[::1]:7 is a viewer", "--grpc-loopback-role operator")]
    #[case(&[], plain(false), "addr:[::1]:7 is a viewer", "--grpc-client-ca")]
    #[case(&[], tls(), "addr:[2001:db8::1]:7 is a viewer", "--grpc-client-ca")]
    fn a_refusal_says_who_and_what_would_help(
        #[case] operators: &[&str],
        #[case] evidence: Evidence,
        #[case] who: &str,
        #[case] flag: &str,
    ) {
        let policy = Policy { loopback_role: VIEWER, ..policy(operators) };
        let status = policy.judge(evidence).require_operator("pause a backend").unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
        assert!(status.message().starts_with(who) && status.message().contains(flag), "{status}");
    }

    #[test]
    fn a_name_with_line_breaks_stays_on_one_line() {
        assert_eq!(Who::Certificate("ops\r\nuid:0".to_owned()).to_string(), "cert:ops\u{fffd}\u{fffd}uid:0");
    }

    #[rstest]
    #[case("ops.example.com", OperatorName::Certificate("ops.example.com".into()))]
    #[case("cert:uid:0", OperatorName::Certificate("uid:0".into()))]
    #[case("uid:0", OperatorName::Uid(0))]
    #[case("gid:4294967295", OperatorName::Gid(u32::MAX))]
    fn operators_are_named_by_what_they_prove(#[case] text: &str, #[case] name: OperatorName) {
        assert_eq!(text.parse(), Ok(name.clone()));
        assert_eq!(name.to_string().parse(), Ok(name));
    }

    #[rstest]
    #[case("", "empty name")]
    #[case("cert:", "empty name")]
    #[case("uid:root", "after `uid:` comes a number")]
    #[case("gid:-1", "after `gid:` comes a number")]
    fn an_operator_that_is_nobody_is_refused(#[case] text: &str, #[case] why: &str) {
        assert!(text.parse::<OperatorName>().unwrap_err().contains(why));
    }
}
