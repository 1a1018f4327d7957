//! The way to VPP.

use std::future::Future;

use crate::call::{Call, CallFailure, Reply};

/// Something that carries calls to a VPP.
///
/// # Assumptions
/// Calls reach VPP in the order in which their futures are first polled, as they do over VPP's socket; replies may come in any
/// order. A call that ends with [`CallFailure::Lost`] may or may not have been carried out.
pub trait Dataplane {
    /// Carries out one call.
    ///
    /// # Errors
    /// [`CallFailure::Refused`] if VPP said no, [`CallFailure::Lost`] if the link broke first.
    fn call(&self, call: Call) -> impl Future<Output = Result<Reply, CallFailure>> + Send;
}
