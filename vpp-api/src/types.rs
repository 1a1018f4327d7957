//! The field types of VPP's API. Each keeps exactly what was on the wire, so that decoding and encoding again gives
//! the same bytes; conversions to richer types check.

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
