//! The macros that declare field types.

/// Declares structures that appear inside messages, VPP's `typedef name { .. }`: fields in wire order, nothing between
/// them.
///
/// ```text
/// struct NAME as Type { FIELD, .. }        NAME: VPP's, without vl_api_ and _t
///
/// FIELD = field: Type                      encoded as the type is
///       | field: Type as Adapter           encoded as an Adapter says: HostOrder, As<W>, one of your own
///       | field: Type = 255                with VPP's [default=255]: a decimal literal or a bool; also after `as`
///       | field: u8 = len(array)           the count of a later array: on the wire, and no field of the Rust type
///       | array: Counted<T, u8> [field]    the array that `field` counts
/// ```
///
/// VPP's types in Rust: numbers and `bool` as they are, [`F64`](crate::types::F64) for `f64`; `T name[4]` is `[T; 4]`,
/// or [`Octets<N>`](crate::types::Octets) for `u8` arrays of more than 32; `string name[64]` is
/// [`FixedString<64>`](crate::types::FixedString), `string name[]` is [`Text`](crate::types::Text), `T name[0]` up to
/// the end of the message is [`Rest<T>`](crate::types::Rest).
///
/// Each type gets public fields, [`Wire`](crate::codec::Wire), `Clone`, `Debug`, `Default` (VPP's defaults, else
/// zeros), `Eq`, `Hash` and, with feature `serde` of this crate, `serde::Serialize`. `#[derive(Copy)]` and others are
/// added by writing them.
///
/// ```
/// use vpp_api::codec::{As, HostOrder};
/// use vpp_api::types::{Counted, FixedString, IpProto};
///
/// vpp_api::wire_struct! {
///     /// One rule.
///     #[derive(Copy)]
///     struct acme_rule as AcmeRule {
///         /// VPP's definition says `u8`.
///         protocol: IpProto as As<u8> = 255,
///         /// VPP forgets to swap it.
///         port: u16 as HostOrder,
///         /// Of each family.
///         hits: [u64; 2],
///     }
///
///     /// Rules; the count does not stand right in front of them.
///     struct acme_table as AcmeTable {
///         n_rules: u8 = len(rules),
///         /// What it is called.
///         name: FixedString<16>,
///         /// The rules.
///         rules: Counted<AcmeRule, u8> [n_rules],
///     }
/// }
///
/// let table = AcmeTable { rules: vec![AcmeRule::default()].try_into()?, ..AcmeTable::default() };
/// assert_eq!(table.rules[0].protocol, IpProto::ANY);
/// # Ok::<(), vpp_api::types::TooMany>(())
/// ```
#[macro_export]
macro_rules! wire_struct {
    ($(
        $(#[$meta:meta])*
        struct $name:ident as $ty:ident { $($fields:tt)* }
    )*) => {$(
        $crate::__vpp_fields! { __vpp_struct ($(#[$meta])* $name $ty) [] [] { $($fields)* } }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __vpp_struct {
    (@fields ($(#[$meta:meta])* $name:ident $ty:ident)
        [$({ $(#[$field_meta:meta])* $field:ident ($field_ty:ty) ($default:expr) })*]
        [$($item:tt)*]
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        pub struct $ty {
            $( $(#[$field_meta])* pub $field: $field_ty, )*
        }

        impl ::core::default::Default for $ty {
            /// VPP's defaults, zeros where it has none.
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::codec::Wire for $ty {
            const MIN: usize = 0 $( + $crate::__vpp_item!(@min $item) )*;
            const SHAPE: $crate::schema::Shape = $crate::__vpp_shape!($crate::schema::Type::Struct {
                name: stringify!($name),
                fields: &[$( $crate::__vpp_item!(@field $item) ),*],
            });

            fn zero() -> Self {
                <Self as ::core::default::Default>::default()
            }

            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
                _wanted: &'static str,
            ) -> ::core::result::Result<Self, $crate::error::DecodeError> {
                $( $crate::__vpp_item! { @decode reader $item } )*
                ::core::result::Result::Ok(Self { $($field),* })
            }

            fn encode(&self, writer: &mut $crate::codec::Writer<'_>) {
                $( $crate::__vpp_item! { @encode self writer $item } )*
            }
        }

        $crate::__vpp_serialize! { struct $ty [$($field)*] [] }
    };
}

/// Declares unions, VPP's `union name { .. }`: as long as the longest arm, shorter ones filled with zeros.
///
/// ```text
/// union NAME as Type of Arm { arm as Variant: Type, .. }
/// ```
///
/// `Type` keeps the bytes: which arm is meant, another field tells. It has a method per arm that reads it, and comes
/// from `Arm`, an enumeration with a variant per arm. Arms have a fixed length.
///
/// ```
/// use std::net::Ipv4Addr;
/// use vpp_api::types::MacAddress;
///
/// vpp_api::wire_union! {
///     /// Who it is.
///     union acme_who as AcmeWho of AcmeWhoArm {
///         /// An address.
///         ip as Ip: Ipv4Addr,
///         /// A card.
///         mac as Mac: MacAddress,
///     }
/// }
///
/// let who = AcmeWho::from(AcmeWhoArm::Ip(Ipv4Addr::LOCALHOST));
/// assert_eq!(who.0, [127, 0, 0, 1, 0, 0]);
/// assert_eq!(who.ip(), Ok(Ipv4Addr::LOCALHOST));
/// ```
#[macro_export]
macro_rules! wire_union {
    ($(
        $(#[$meta:meta])*
        union $name:ident as $ty:ident of $arms:ident {
            $( $(#[$arm_meta:meta])* $arm:ident as $variant:ident : $arm_ty:ty ),* $(,)?
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub struct $ty(
            /// The bytes as they are on the wire.
            pub [u8; $crate::codec::longest(&[$( <$arm_ty as $crate::codec::Wire>::MIN ),*])],
        );

        #[doc = concat!("What a [`", stringify!($ty), "`] can hold.")]
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        #[allow(clippy::exhaustive_enums, clippy::large_enum_variant, reason = "as VPP defines it")]
        pub enum $arms {
            $( $(#[$arm_meta])* $variant($arm_ty), )*
        }

        impl $ty {
            $(
                $(#[$arm_meta])*
                ///
                /// # Errors
                /// If the bytes are none, which the types of this crate never say.
                pub fn $arm(&self) -> ::core::result::Result<$arm_ty, $crate::error::DecodeError> {
                    <$arm_ty as $crate::codec::Wire>::decode(
                        &mut $crate::codec::Reader::new(&self.0),
                        const { $crate::codec::field_name(stringify!($arm)) },
                    )
                }
            )*
        }

        impl ::core::convert::From<$arms> for $ty {
            fn from(arm: $arms) -> Self {
                Self($crate::codec::filled(|writer| match &arm {
                    $( $arms::$variant(value) => $crate::codec::Wire::encode(value, writer), )*
                }))
            }
        }

        impl ::core::default::Default for $ty {
            /// All zeros.
            fn default() -> Self {
                <Self as $crate::codec::Wire>::zero()
            }
        }

        impl $crate::codec::Wire for $ty {
            const MIN: usize = $crate::codec::longest(&[$( <$arm_ty as $crate::codec::Wire>::MIN ),*]);
            const SHAPE: $crate::schema::Shape = $crate::__vpp_shape!($crate::schema::Type::Union {
                name: stringify!($name),
                arms: &[$( $crate::schema::Field::new(
                    $crate::codec::field_name(stringify!($arm)),
                    <$arm_ty as $crate::codec::Wire>::SHAPE,
                ) ),*],
            });

            fn zero() -> Self {
                Self([0; <Self as $crate::codec::Wire>::MIN])
            }

            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
                wanted: &'static str,
            ) -> ::core::result::Result<Self, $crate::error::DecodeError> {
                reader.array(wanted).map(Self)
            }

            fn encode(&self, writer: &mut $crate::codec::Writer<'_>) {
                writer.put(&self.0);
            }
        }

        $crate::__vpp_serialize! { as $ty |value| value.0[..] }
    )*};
}

/// Declares enumerations that keep values they do not know, for VPP's `enum name : u32 { .. }`.
///
/// ```text
/// enum NAME: base as Type { VPP_NAME = 0 as Variant, .. }
/// enum NAME: base as Type { VPP_NAME = 0 as Variant, .. ; VPP_NAME = 1, .. }    values without a variant come last
/// ```
///
/// `base` is `u8`, `u16` or `u32`, which is what VPP's `enum` has when it names none. Each type gets a variant per
/// value and `Unknown` for all others, conversions from and to `base`, [`Wire`](crate::codec::Wire), `Default` (what 0
/// stands for) and, with feature `serde` of this crate, `serde::Serialize` as a number.
///
/// ```
/// vpp_api::wire_enum! {
///     /// What is done with a packet.
///     enum acme_action: u8 as AcmeAction {
///         /// It goes.
///         ACME_API_DENY = 0 as Deny,
///         /// It stays.
///         ACME_API_PERMIT = 1 as Permit,
///         ; ACME_API_N_ACTIONS = 2,
///     }
/// }
///
/// assert_eq!(AcmeAction::from(1), AcmeAction::Permit);
/// assert_eq!(u8::from(AcmeAction::Unknown(9)), 9);
/// ```
#[macro_export]
macro_rules! wire_enum {
    ($(
        $(#[$meta:meta])*
        enum $name:ident : $base:ty as $ty:ident {
            $( $(#[$variant_meta:meta])* $vpp:ident = $value:literal as $variant:ident ),* $(,)?
            $(; $( $other:ident = $other_value:literal ),* $(,)? )?
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum $ty {
            $( $(#[$variant_meta])* $variant, )*
            /// A value that VPP's definition does not name, as it came.
            Unknown($base),
        }

        impl ::core::convert::From<$base> for $ty {
            fn from(value: $base) -> Self {
                match value {
                    $( $value => Self::$variant, )*
                    other => Self::Unknown(other),
                }
            }
        }

        impl ::core::convert::From<$ty> for $base {
            fn from(value: $ty) -> Self {
                match value {
                    $( $ty::$variant => $value, )*
                    $ty::Unknown(other) => other,
                }
            }
        }

        impl ::core::default::Default for $ty {
            /// What 0 stands for.
            fn default() -> Self {
                <$base as ::core::default::Default>::default().into()
            }
        }

        impl $crate::codec::Wire for $ty {
            const MIN: usize = <$base as $crate::codec::Wire>::MIN;
            const SHAPE: $crate::schema::Shape = $crate::__vpp_shape!($crate::__vpp_enum!(
                $name $base, false, [$( $vpp = $value, )* $($( $other = $other_value, )*)?]
            ));

            fn zero() -> Self {
                <Self as ::core::default::Default>::default()
            }

            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
                wanted: &'static str,
            ) -> ::core::result::Result<Self, $crate::error::DecodeError> {
                <$base as $crate::codec::Wire>::decode(reader, wanted).map(Self::from)
            }

            fn encode(&self, writer: &mut $crate::codec::Writer<'_>) {
                $crate::codec::Wire::encode(&<$base>::from(*self), writer);
            }
        }

        $crate::__vpp_serialize! { as $ty |value| <$base>::from(*value) }
    )*};
}

/// Declares newtypes over numbers: for indices, for enumerations of which any number is a good value, and for flags.
///
/// ```text
/// alias NAME: base as Type { CONST = 1, .. }                typedef u32 NAME; the constants are yours
/// enum NAME: base as Type { VPP_NAME = 0 as CONST, .. }     enum NAME
/// enumflag NAME: base as Type { VPP_NAME = 1 as CONST, .. } enumflag NAME
/// ```
///
/// After a `;` come values of an `enum` or `enumflag` that get no constant, as in [`wire_enum!`](crate::wire_enum).
/// Each type has its number as `.0`, [`Wire`](crate::codec::Wire), conversions from and to the number, `Display`,
/// order, and `serde::Serialize` with feature `serde` of this crate. An `enumflag` also has `|`, `|=` and `contains`.
///
/// ```
/// vpp_api::wire_number! {
///     /// Where a table stands.
///     alias acme_index: u32 as AcmeIndex {
///         /// No table.
///         NONE = u32::MAX,
///     }
///
///     /// What is on.
///     enumflag acme_flags: u8 as AcmeFlags {
///         /// Logged.
///         ACME_API_LOG = 1 as LOG,
///         /// Counted.
///         ACME_API_COUNT = 2 as COUNT,
///     }
/// }
///
/// let both = AcmeFlags::LOG | AcmeFlags::COUNT;
/// assert!(both.contains(AcmeFlags::LOG) && both.0 == 3);
/// ```
#[macro_export]
macro_rules! wire_number {
    ($(
        $(#[$meta:meta])*
        $kind:ident $name:ident : $base:ty as $ty:ident { $($body:tt)* }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $ty(
            /// The number.
            pub $base,
        );

        impl ::core::convert::From<$base> for $ty {
            fn from(value: $base) -> Self {
                Self(value)
            }
        }

        impl ::core::convert::From<$ty> for $base {
            fn from(value: $ty) -> Self {
                value.0
            }
        }

        impl ::core::fmt::Display for $ty {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(&self.0, f)
            }
        }

        impl $crate::codec::Wire for $ty {
            const MIN: usize = <$base as $crate::codec::Wire>::MIN;
            const SHAPE: $crate::schema::Shape =
                $crate::__vpp_shape!($crate::__vpp_number!(@$kind $name $base { $($body)* }));

            fn zero() -> Self {
                Self(<$base as $crate::codec::Wire>::zero())
            }

            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
                wanted: &'static str,
            ) -> ::core::result::Result<Self, $crate::error::DecodeError> {
                <$base as $crate::codec::Wire>::decode(reader, wanted).map(Self)
            }

            fn encode(&self, writer: &mut $crate::codec::Writer<'_>) {
                $crate::codec::Wire::encode(&self.0, writer);
            }
        }

        $crate::__vpp_number! { @consts $kind $ty { $($body)* } }
        $crate::__vpp_serialize! { as $ty |value| value.0 }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __vpp_number {
    (@alias $name:ident $base:ty { $($body:tt)* }) => {
        $crate::schema::Type::Alias { name: stringify!($name), of: <$base as $crate::codec::Wire>::SHAPE }
    };
    (@enum $name:ident $base:ty { $($body:tt)* }) => {
        $crate::__vpp_number!(@values false $name $base { $($body)* })
    };
    (@enumflag $name:ident $base:ty { $($body:tt)* }) => {
        $crate::__vpp_number!(@values true $name $base { $($body)* })
    };
    (@values $is_flags:literal $name:ident $base:ty {
        $( $(#[$meta:meta])* $vpp:ident = $value:literal as $const:ident ),* $(,)?
        $(; $( $other:ident = $other_value:literal ),* $(,)? )?
    }) => {
        $crate::__vpp_enum!($name $base, $is_flags, [$( $vpp = $value, )* $($( $other = $other_value, )*)?])
    };

    (@consts alias $ty:ident { $( $(#[$meta:meta])* $const:ident = $value:expr ),* $(,)? }) => {
        impl $ty {
            $( $(#[$meta])* pub const $const: Self = Self($value); )*
        }
    };
    (@consts enum $ty:ident {
        $( $(#[$meta:meta])* $vpp:ident = $value:literal as $const:ident ),* $(,)? $(; $($other:tt)*)?
    }) => {
        impl $ty {
            $( $(#[$meta])* pub const $const: Self = Self($value); )*
        }
    };
    (@consts enumflag $ty:ident $body:tt) => {
        $crate::__vpp_number! { @consts enum $ty $body }

        impl $ty {
            /// Whether all of `flags` are set.
            #[must_use]
            pub const fn contains(self, flags: Self) -> bool {
                self.0 & flags.0 == flags.0
            }
        }

        impl ::core::ops::BitOr for $ty {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl ::core::ops::BitOrAssign for $ty {
            fn bitor_assign(&mut self, other: Self) {
                self.0 |= other.0;
            }
        }
    };
}

/// The definition of an enumeration.
#[doc(hidden)]
#[macro_export]
macro_rules! __vpp_enum {
    ($name:ident $base:ty, $is_flags:literal, [$( $vpp:ident = $value:literal, )*]) => {
        $crate::schema::Type::Enum {
            name: stringify!($name),
            base: match <$base as $crate::codec::Wire>::SHAPE.number() {
                ::core::option::Option::Some(base) => base,
                ::core::option::Option::None => panic!("an enumeration is encoded as a number"),
            },
            values: &[$( $crate::schema::Value { name: stringify!($vpp), value: $value } ),*],
            is_flags: $is_flags,
        }
    };
}

/// Declares newtypes over any other type, VPP's `typedef other name`: arrays of a fixed length, and typedefs of
/// typedefs. For numbers [`wire_number!`](crate::wire_number) gives more.
///
/// ```text
/// alias NAME as Type: Inner;
/// ```
///
/// Each type has the inner value as `.0`, conversions from and to it, [`Wire`](crate::codec::Wire), and with feature
/// `serde` of this crate `serde::Serialize` as the inner one has it.
///
/// ```
/// vpp_api::wire_alias! {
///     /// `typedef u8 acme_key[16]`.
///     #[derive(Copy)]
///     alias acme_key as AcmeKey: [u8; 16];
/// }
///
/// assert_eq!(AcmeKey::from([1; 16]).0[0], 1);
/// ```
#[macro_export]
macro_rules! wire_alias {
    ($(
        $(#[$meta:meta])*
        alias $name:ident as $ty:ident : $inner:ty;
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        pub struct $ty(
            /// What it stands for.
            pub $inner,
        );

        impl ::core::convert::From<$inner> for $ty {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }

        impl ::core::convert::From<$ty> for $inner {
            fn from(value: $ty) -> Self {
                value.0
            }
        }

        impl ::core::default::Default for $ty {
            /// All zeros, or empty.
            fn default() -> Self {
                <Self as $crate::codec::Wire>::zero()
            }
        }

        impl $crate::codec::Wire for $ty {
            const MIN: usize = <$inner as $crate::codec::Wire>::MIN;
            const SHAPE: $crate::schema::Shape = $crate::__vpp_shape!($crate::schema::Type::Alias {
                name: stringify!($name),
                of: <$inner as $crate::codec::Wire>::SHAPE,
            });
            const ORDER: $crate::schema::Order = <$inner as $crate::codec::Wire>::ORDER;

            fn zero() -> Self {
                Self(<$inner as $crate::codec::Wire>::zero())
            }

            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
                wanted: &'static str,
            ) -> ::core::result::Result<Self, $crate::error::DecodeError> {
                <$inner as $crate::codec::Wire>::decode(reader, wanted).map(Self)
            }

            fn encode(&self, writer: &mut $crate::codec::Writer<'_>) {
                $crate::codec::Wire::encode(&self.0, writer);
            }
        }

        $crate::__vpp_serialize! { as $ty |value| value.0 }
    )*};
}

/// The shape of a type that is built here: a constant of its own keeps it.
#[doc(hidden)]
#[macro_export]
macro_rules! __vpp_shape {
    ($ty:expr) => {{
        const TYPE: &$crate::schema::Type = &$ty;
        $crate::schema::Shape::of(TYPE)
    }};
}
