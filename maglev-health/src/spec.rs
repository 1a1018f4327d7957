use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::{CheckSpec, Weight};

/// A backend as configured.
///
/// ```
/// use maglev_health::{BackendSpec, Check, CheckSpec};
///
/// // Only whether two identities are equal counts: another one means another check, which begins anew.
/// let check = CheckSpec { timing: Check::default(), identity: "http 80 GET /health".into() };
/// let web0 = BackendSpec { name: "web0".into(), address: "10.0.0.1".parse()?, check: Some(check), enabled: true };
/// // Without a check it counts as up.
/// let fixed = BackendSpec { name: "fixed".into(), check: None, ..web0.clone() };
/// assert!(web0 != fixed);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BackendSpec {
    /// Unique name.
    pub name: Arc<str>,
    /// Where it is probed, and its AS address in VPP.
    pub address: IpAddr,
    /// How it is probed; `None` makes it static: always up.
    pub check: Option<CheckSpec>,
    /// False keeps it disabled until an operator enables it.
    pub enabled: bool,
}

/// A frontend as configured: one VIP and its pools.
///
/// ```
/// use maglev_health::{FrontendSpec, MemberSpec, PoolSpec, Weight};
///
/// let pool = |name: &str, backend: &str| PoolSpec {
///     name: name.into(),
///     members: vec![MemberSpec { backend: backend.into(), weight: Weight::MAX }],
/// };
/// let web = FrontendSpec {
///     name: "web".into(),
///     vip: "192.0.2.1 tcp/80".into(),
///     flush_on_down: true,
///     // The second one serves while nobody in the first is up.
///     pools: vec![pool("primary", "web0"), pool("sorry", "page")],
/// };
/// assert_eq!(web.weight("sorry", "page"), Some(Weight::MAX));
/// assert_eq!(web.weight("primary", "page"), None);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FrontendSpec {
    /// Unique name.
    pub name: Arc<str>,
    /// The VIP (prefix, protocol, port) in any canonical spelling: what holds and flush debts belong to across a reload
    /// that renames the frontend. Compared, never read.
    pub vip: Arc<str>,
    /// Whether sessions of a backend that goes down are flushed.
    pub flush_on_down: bool,
    /// By priority, at least one.
    pub pools: Vec<PoolSpec>,
}

impl FrontendSpec {
    /// The configured weight of a backend in a pool, by names.
    #[must_use]
    pub fn weight(&self, pool: &str, backend: &str) -> Option<Weight> {
        let (pool, member) = self.find(pool, backend)?;
        Some(self.pools[pool].members[member].weight)
    }

    /// The positions of a pool and of a backend in it, by names.
    pub(crate) fn find(&self, pool: &str, backend: &str) -> Option<(usize, usize)> {
        let index = self.pools.iter().position(|known| &*known.name == pool)?;
        let mut members = self.pools[index].members.iter();
        let member = members.position(|member| &*member.backend == backend)?;
        Some((index, member))
    }
}

/// A pool as configured.
///
/// ```
/// use maglev_health::{MemberSpec, PoolSpec, Weight};
///
/// // Twice as much for the larger of two.
/// let weights = [("large", Weight::MAX), ("small", Weight::new(50).unwrap_or_default())];
/// let members = weights.map(|(name, weight)| MemberSpec { backend: name.into(), weight });
/// let pool = PoolSpec { name: "primary".into(), members: members.into() };
/// assert_eq!(pool.members[1].weight.get(), 50);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PoolSpec {
    /// Unique within the frontend.
    pub name: Arc<str>,
    /// At least one; a backend is there once.
    pub members: Vec<MemberSpec>,
}

/// A backend's place in a pool.
///
/// ```
/// use maglev_health::{MemberSpec, Weight};
///
/// // In the pool, and without new flows.
/// let spare = MemberSpec { backend: "web9".into(), weight: Weight::ZERO };
/// assert!(!spare.weight.is_positive());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemberSpec {
    /// Name of a backend.
    pub backend: Arc<str>,
    /// Its weight while this pool is active.
    pub weight: Weight,
}

/// A whole configuration whose names are known to fit together.
///
/// ```
/// use maglev_health::{BackendSpec, FrontendSpec, MemberSpec, PoolSpec, Spec, SpecError, Weight};
///
/// let backend = BackendSpec { name: "a".into(), address: "10.0.0.1".parse()?, check: None, enabled: true };
/// let frontend = |name: &str| FrontendSpec {
///     name: "web".into(),
///     vip: "192.0.2.1 tcp/80".into(),
///     flush_on_down: true,
///     pools: vec![PoolSpec {
///         name: "primary".into(),
///         members: vec![MemberSpec { backend: name.into(), weight: Weight::MAX }],
///     }],
/// };
/// let spec = Spec::new(vec![backend.clone()], vec![frontend("a")])?;
/// assert_eq!(spec.frontends()[0].weight("primary", "a"), Some(Weight::MAX));
///
/// let error = Spec::new(vec![backend], vec![frontend("b")]).unwrap_err();
/// assert!(matches!(error, SpecError::NoSuchBackend { .. }));
/// assert_eq!(error.to_string(), "frontend web names the backend b, which is not there");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Spec {
    backends: Vec<BackendSpec>,
    frontends: Vec<FrontendSpec>,
}

impl Spec {
    /// Checks that names are unique, references lead somewhere, no pool is empty and no VIP has one address twice.
    ///
    /// A backend that no frontend uses is fine: it is probed like the others.
    ///
    /// # Errors
    /// The first thing that is wrong. The caller's own validation has better words for the user; this one keeps every
    /// later step free of "cannot happen".
    pub fn new(backends: Vec<BackendSpec>, frontends: Vec<FrontendSpec>) -> Result<Self, SpecError> {
        let mut addresses = BTreeMap::new();
        for backend in &backends {
            if addresses.insert(&*backend.name, backend.address).is_some() {
                return Err(SpecError::DuplicateBackend(backend.name.clone()));
            }
        }
        let (mut names, mut vips) = (BTreeSet::new(), BTreeSet::new());
        for frontend in &frontends {
            if !names.insert(&*frontend.name) {
                return Err(SpecError::DuplicateFrontend(frontend.name.clone()));
            }
            if !vips.insert(&*frontend.vip) {
                return Err(SpecError::DuplicateVip(frontend.vip.clone()));
            }
            check_pools(frontend, &addresses)?;
        }
        Ok(Self { backends, frontends })
    }

    /// The backends, in the order given.
    #[must_use]
    pub fn backends(&self) -> &[BackendSpec] {
        &self.backends
    }

    /// The frontends, in the order given.
    #[must_use]
    pub fn frontends(&self) -> &[FrontendSpec] {
        &self.frontends
    }
}

fn check_pools(frontend: &FrontendSpec, addresses: &BTreeMap<&str, IpAddr>) -> Result<(), SpecError> {
    let empty = || SpecError::EmptyPool { frontend: frontend.name.clone() };
    if frontend.pools.is_empty() {
        return Err(empty());
    }
    let mut pools = BTreeSet::new();
    let mut owners: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for pool in &frontend.pools {
        if pool.members.is_empty() {
            return Err(empty());
        }
        if !pools.insert(&*pool.name) {
            return Err(SpecError::DuplicatePool { frontend: frontend.name.clone(), pool: pool.name.clone() });
        }
        let mut members = BTreeSet::new();
        for member in &pool.members {
            let Some(&address) = addresses.get(&*member.backend) else {
                return Err(SpecError::NoSuchBackend {
                    frontend: frontend.name.clone(),
                    backend: member.backend.clone(),
                });
            };
            let owner = *owners.entry(address).or_insert(&member.backend);
            if owner != &*member.backend || !members.insert(&*member.backend) {
                return Err(SpecError::DuplicateAddress { frontend: frontend.name.clone(), address });
            }
        }
    }
    Ok(())
}

/// Why a configuration makes no sense. All of them are the caller's to fix.
///
/// ```
/// use maglev_health::{BackendSpec, Spec, SpecError};
///
/// let web0 = BackendSpec { name: "web0".into(), address: "10.0.0.1".parse()?, check: None, enabled: true };
/// let error = Spec::new(vec![web0.clone(), web0], vec![]).unwrap_err();
/// assert_eq!(error, SpecError::DuplicateBackend("web0".into()));
/// assert_eq!(error.to_string(), "backend web0 is there twice");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// Two backends of one name.
    #[error("backend {0} is there twice")]
    DuplicateBackend(Arc<str>),
    /// Two frontends of one name.
    #[error("frontend {0} is there twice")]
    DuplicateFrontend(Arc<str>),
    /// Two frontends for one VIP.
    #[error("two frontends have the VIP {0}")]
    DuplicateVip(Arc<str>),
    /// Two pools of one name.
    #[error("frontend {frontend} has the pool {pool} twice")]
    DuplicatePool {
        /// The frontend.
        frontend: Arc<str>,
        /// The pool's name.
        pool: Arc<str>,
    },
    /// No pool, or a pool without members.
    #[error("frontend {frontend} has no pool, or one without backends")]
    EmptyPool {
        /// The frontend.
        frontend: Arc<str>,
    },
    /// A member that is no backend.
    #[error("frontend {frontend} names the backend {backend}, which is not there")]
    NoSuchBackend {
        /// The frontend.
        frontend: Arc<str>,
        /// The name that leads nowhere.
        backend: Arc<str>,
    },
    /// One address twice in a pool, or under two names in a frontend: VPP knows an AS by its address alone.
    #[error("frontend {frontend} has the address {address} twice")]
    DuplicateAddress {
        /// The frontend.
        frontend: Arc<str>,
        /// The address.
        address: IpAddr,
    },
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&["a 1", "a 2"], &[], SpecError::DuplicateBackend("a".into()))]
    #[case(&["a 1"], &["f v p:a", "f w p:a"], SpecError::DuplicateFrontend("f".into()))]
    #[case(&["a 1"], &["f v p:a", "g v p:a"], SpecError::DuplicateVip("v".into()))]
    #[case(&["a 1"], &["f v"], SpecError::EmptyPool { frontend: "f".into() })]
    #[case(&["a 1"], &["f v p:"], SpecError::EmptyPool { frontend: "f".into() })]
    #[case(&["a 1"], &["f v p:a p:a"], SpecError::DuplicatePool { frontend: "f".into(), pool: "p".into() })]
    #[case(&["a 1"], &["f v p:b"], SpecError::NoSuchBackend { frontend: "f".into(), backend: "b".into() })]
    #[case(&["a 1"], &["f v p:a,a"], duplicate_address())]
    #[case(&["a 1", "b 1"], &["f v p:a q:b"], duplicate_address())]
    fn what_does_not_fit_together_is_refused(
        #[case] backends: &[&str],
        #[case] frontends: &[&str],
        #[case] error: SpecError,
    ) {
        assert_eq!(spec(backends, frontends), Err(error));
    }

    #[test]
    fn one_address_in_two_frontends_and_one_backend_in_two_pools_are_fine() {
        let spec = spec(&["a 1", "b 1", "idle 2"], &["f v p:a q:a", "g w p:b"]).unwrap();
        assert_eq!(spec.backends().len(), 3);
        assert_eq!(spec.frontends()[0].weight("q", "a"), Some(Weight::MAX));
        assert_eq!(spec.frontends()[0].weight("q", "b"), None);
        assert_eq!(spec.frontends()[0].weight("r", "a"), None);
    }

    fn duplicate_address() -> SpecError {
        SpecError::DuplicateAddress { frontend: "f".into(), address: IpAddr::from([10, 0, 0, 1]) }
    }

    /// Backends as `NAME LAST-OCTET`, frontends as `NAME VIP POOL:BACKEND,BACKEND …`.
    fn spec(backends: &[&str], frontends: &[&str]) -> Result<Spec, SpecError> {
        let backend = |text: &&str| {
            let (name, octet) = text.split_once(' ').unwrap();
            BackendSpec {
                name: name.into(),
                address: IpAddr::from([10, 0, 0, octet.parse().unwrap()]),
                check: None,
                enabled: true,
            }
        };
        let member = |name: &str| MemberSpec { backend: name.into(), weight: Weight::MAX };
        let pool = |text: &str| {
            let (name, members) = text.split_once(':').unwrap();
            PoolSpec {
                name: name.into(),
                members: members.split(',').filter(|name| !name.is_empty()).map(member).collect(),
            }
        };
        let frontend = |text: &&str| {
            let mut words = text.split(' ');
            FrontendSpec {
                name: words.next().unwrap().into(),
                vip: words.next().unwrap().into(),
                flush_on_down: true,
                pools: words.map(pool).collect(),
            }
        };
        Spec::new(backends.iter().map(backend).collect(), frontends.iter().map(frontend).collect())
    }
}
