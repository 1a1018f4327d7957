//! The messages a load-balancer controller needs, one module per `.api` file of VPP.
//!
//! Layouts and CRCs are those of every release from 22.10 to 26.10-rc0 that has the message. Fields are named as in
//! VPP. They are big-endian unless a field says otherwise.
//!
//! ```
//! use vpp_api::message::Request;
//! use vpp_api::messages::lb::{LbAddDelAsV2, LbAddDelAsV2Reply};
//!
//! let request = LbAddDelAsV2 {
//!     port: 443,
//!     as_address: std::net::Ipv4Addr::new(10, 0, 0, 1).into(),
//!     weight: 50,
//!     ..LbAddDelAsV2::default()
//! };
//!
//! /// The answer's type comes with the request's.
//! fn answer<R: Request<Reply = LbAddDelAsV2Reply>>(_: &R) {}
//! answer(&request);
//! ```

pub mod interface;
pub mod ip;
pub mod lb;
pub mod memclnt;
pub mod vlib;
pub mod vpe;

use crate::message::Message;

/// Something to be done with the type of every message: see [`visit_all`].
///
/// ```
/// use vpp_api::message::Message;
/// use vpp_api::messages::{Visitor, lb};
///
/// #[derive(Default)]
/// struct Count(usize);
///
/// impl Visitor for Count {
///     fn visit<M: Message>(&mut self) {
///         self.0 += 1;
///     }
/// }
///
/// let mut count = Count::default();
/// lb::visit(&mut count);
/// assert_eq!(count.0, 26);
/// ```
pub trait Visitor {
    /// Called once per message.
    fn visit<M: Message>(&mut self);
}

/// Shows every message of this crate to `visitor`, file by file in the order of VPP's definitions.
///
/// ```
/// use vpp_api::message::Message;
/// use vpp_api::messages::{Visitor, visit_all};
///
/// struct Names(Vec<&'static str>);
///
/// impl Visitor for Names {
///     fn visit<M: Message>(&mut self) {
///         self.0.push(M::NAME_CRC);
///     }
/// }
///
/// let mut names = Names(Vec::new());
/// visit_all(&mut names);
/// assert!(names.0.contains(&"lb_conf_56cd3261"));
/// ```
pub fn visit_all(visitor: &mut impl Visitor) {
    memclnt::visit(visitor);
    vpe::visit(visitor);
    vlib::visit(visitor);
    ip::visit(visitor);
    lb::visit(visitor);
    interface::visit(visitor);
}

#[cfg(test)]
mod tests;
