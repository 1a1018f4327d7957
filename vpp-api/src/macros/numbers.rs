//! The macros that declare types which are one number on the wire.

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
