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
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }
}
