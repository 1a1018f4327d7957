//! Types that `vpp-api` has: generated code uses those, so that modules can exchange addresses and indices.

use std::net::{Ipv4Addr, Ipv6Addr};

use vpp_api::codec::Wire;
use vpp_api::schema;
use vpp_api::types::{
    Address, AddressFamily, AddressUnion, AddressWithPrefix, Dscp, Encap, FibPathFlags, FibPathType, IfStatusFlags,
    IfType, InterfaceIndex, IpProto, LinkDuplex, MacAddress, NextHopProto, Prefix, PrefixMatcher, SrvType, SubIfFlags,
    Timedelta, Timestamp,
};

use crate::model::{Array, Body, Field, Module, TypeName};

macro_rules! known {
    ($($ty:ident $path:literal),* $(,)?) => {
        const KNOWN: &[(&schema::Type, &str)] = &[$( (<$ty as Wire>::SHAPE.ty, $path) ),*];
    };
}

known! {
    Address "types::Address",
    AddressFamily "types::AddressFamily",
    AddressUnion "types::AddressUnion",
    AddressWithPrefix "types::AddressWithPrefix",
    Dscp "types::Dscp",
    Encap "types::Encap",
    FibPathFlags "types::FibPathFlags",
    FibPathType "types::FibPathType",
    IfStatusFlags "types::IfStatusFlags",
    IfType "types::IfType",
    InterfaceIndex "types::InterfaceIndex",
    IpProto "types::IpProto",
    Ipv4Addr "std::net::Ipv4Addr",
    Ipv6Addr "std::net::Ipv6Addr",
    LinkDuplex "types::LinkDuplex",
    MacAddress "types::MacAddress",
    NextHopProto "types::NextHopProto",
    Prefix "types::Prefix",
    PrefixMatcher "types::PrefixMatcher",
    SrvType "types::SrvType",
    SubIfFlags "types::SubIfFlags",
    Timedelta "types::Timedelta",
    Timestamp "types::Timestamp",
}

/// The Rust type for `name`, if the library has it with the definition that it has in `module`.
pub(crate) fn path(module: &Module, name: &str) -> Option<&'static str> {
    let (ty, path) = KNOWN.iter().find(|(ty, _)| ty.name() == name)?;
    is_same(module, ty).then_some(path)
}

fn is_same(module: &Module, ty: &schema::Type) -> bool {
    if !ty.is_named() {
        return true;
    }
    let Some(theirs) = module.types.get(ty.name()) else { return false };
    let all = |ours: &[schema::Field], theirs: &[Field]| {
        ours.len() == theirs.len()
            && ours.iter().zip(theirs).all(|(ours, theirs)| {
                ours.name == theirs.name && has_shape(theirs, ours.shape) && is_same(module, ours.shape.ty)
            })
    };
    match (ty, &theirs.body) {
        (schema::Type::Struct { fields, .. }, Body::Struct(theirs)) => all(fields, theirs),
        (schema::Type::Union { arms, .. }, Body::Union(theirs)) => all(arms, theirs),
        (schema::Type::Alias { of, .. }, Body::Alias(theirs)) => has_shape(theirs, *of) && is_same(module, of.ty),
        // A release may know fewer or more values: the number on the wire is the same.
        (schema::Type::Enum { base, .. }, Body::Enum { base: theirs, .. }) => base.name() == theirs,
        _ => false,
    }
}

fn has_shape(field: &Field, shape: schema::Shape) -> bool {
    let array = match shape.array {
        schema::Array::No => Array::No,
        schema::Array::Fixed(length) => Array::Fixed(length),
        schema::Array::Counted(count) => Array::Counted(count.to_owned()),
        schema::Array::Open => Array::Open,
    };
    let name = match &field.ty {
        TypeName::Basic(name) => name,
        TypeName::String => "string",
        TypeName::Named(name) => name.as_str(),
    };
    field.array == array && name == shape.ty.name() && matches!(field.ty, TypeName::Named(_)) == shape.ty.is_named()
}
