//! The field types of VPP's API. Each keeps exactly what was on the wire, so that decoding and encoding again gives
//! the same bytes; conversions to richer types check.
//!
//! ```
//! use ipnet::IpNet;
//! use vpp_api::types::{FixedString, Prefix, Retval};
//!
//! let vip = Prefix::from("192.0.2.10/32".parse::<IpNet>()?);
//! assert_eq!(vip.net()?.to_string(), "192.0.2.10/32");
//! assert_eq!(FixedString::<64>::try_from("uplink")?.to_string(), "uplink");
//! assert!(FixedString::<4>::try_from("uplink").is_err());
//! assert_eq!(Retval(-6), Retval::NO_SUCH_ENTRY);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod array;
mod number;
mod retval;
mod text;

pub use address::{
    Address, AddressFamily, AddressUnion, AddressWithPrefix, MacAddress, Prefix, PrefixError, PrefixMatcher,
};
pub use array::{Count, Counted, Octets, Rest, TooMany};
pub use number::{
    Dscp, Encap, F64, FibPathFlags, FibPathType, IfStatusFlags, IfType, InterfaceIndex, IpProto, LinkDuplex,
    NextHopProto, SrvType, SubIfFlags, Timedelta, Timestamp,
};
pub use retval::Retval;
pub use text::{FixedString, Text, TooLong};

#[cfg(test)]
mod tests;
