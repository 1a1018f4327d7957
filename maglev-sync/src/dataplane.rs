//! The way to VPP.

use std::future::Future;

use crate::call::{Call, CallFailure, Reply};
use crate::model::Abilities;

/// Something that carries calls to a VPP.
///
/// # Assumptions
/// Calls reach VPP in the order in which their futures are first polled, as they do over VPP's socket; replies may come in any
/// order. A call that ends with [`CallFailure::Lost`] may or may not have been carried out.
///
/// ```
/// use maglev_sync::{Call, CallFailure, Dataplane, LbConf, Reply};
///
/// /// A load balancer that has nothing and takes everything.
/// struct Nothing;
///
/// impl Dataplane for Nothing {
///     async fn call(&self, call: Call) -> Result<Reply, CallFailure> {
///         Ok(match call {
///             Call::ConfGet => Reply::Conf(LbConf::default()),
///             Call::VipDump => Reply::Vips(Vec::new()),
///             Call::AsDump(_) => Reply::Ases(Vec::new()),
///             Call::Verbose => Reply::Text(String::new()),
///             Call::Route(_) => Reply::Route(None),
///             write => {
///                 println!("{write}");
///                 Reply::Done
///             }
///         })
///     }
/// }
/// # drop(Nothing);
/// ```
pub trait Dataplane {
    /// Carries out one call.
    ///
    /// # Errors
    /// [`CallFailure::Refused`] if VPP said no, [`CallFailure::Lost`] if the link broke first.
    fn call(&self, call: Call) -> impl Future<Output = Result<Reply, CallFailure>> + Send;

    /// What this VPP can do. By default everything.
    ///
    /// One that has no weights is still sent calls with weights, of 0 and 1 only: 1 is "in use", 0 is "not in use, but its flows go on".
    ///
    /// ```
    /// # use maglev_sync::*;
    /// # let conf = DesiredConf {
    /// #     ip4_src: "10.0.0.254".parse()?,
    /// #     ip6_src: "2001:db8::254".parse()?,
    /// #     sticky_buckets: StickyBuckets::MIN,
    /// #     flow_timeout: FlowTimeout::from_secs(40)?,
    /// # };
    /// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
    /// # let serving = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
    /// # let [first, second]: [std::net::IpAddr; 2] = ["10.0.0.1".parse()?, "10.0.0.2".parse()?];
    /// # let vip = |targets: &[(std::net::IpAddr, DesiredAs)]| DesiredVip {
    /// #     encap: Encap::Gre4,
    /// #     src_ip_sticky: false,
    /// #     table_length: TableLength::MIN,
    /// #     targets: targets.iter().copied().collect(),
    /// #     decided: true,
    /// # };
    /// # let foreign = ForeignVips::Keep;
    /// # let desired = |targets: &[_]| Desired { conf, foreign, vips: [(web, vip(targets))].into() };
    /// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
    /// /// A VPP 25.10.
    /// struct Old;
    ///
    /// impl Dataplane for Old {
    ///     # async fn call(&self, _: Call) -> Result<Reply, CallFailure> {
    ///     #     Ok(Reply::Done)
    ///     # }
    ///     fn abilities(&self) -> Abilities {
    ///         let mut abilities = Abilities::default();
    ///         abilities.weights = false;
    ///         abilities
    ///     }
    /// }
    /// // Whoever reads such a VPP puts that into what was read, and a plan heeds it.
    /// let actual = Actual { abilities: Old.abilities(), ..empty };
    /// let plan = Plan::new(&desired(&[(first, serving)]), &actual, &Scope::default());
    /// let last = plan.steps().last().ok_or("there is something to do")?;
    /// assert_eq!(last.to_string(), "192.0.2.1 tcp/80: add server 10.0.0.1 weight 1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }
}
