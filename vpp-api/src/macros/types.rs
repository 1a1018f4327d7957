//! The macros that declare structs, unions and aliases.

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
/// zeros), `Eq`, `Hash` and, with feature `serde` of this crate, `serde::Serialize`, in which a field whose type has none
/// is its `Debug` text. `#[derive(Copy)]` and others are added by writing them.
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

/// Declares newtypes over any other type, VPP's `typedef other name`: arrays of a fixed length, and typedefs of
/// typedefs. For numbers [`wire_number!`](crate::wire_number) gives more.
///
/// ```text
/// alias NAME as Type: Inner;
/// ```
///
/// Each type has the inner value as `.0`, conversions from and to it, [`Wire`](crate::codec::Wire), and with feature
/// `serde` of this crate `serde::Serialize` as the inner one has it, else as its
/// `Debug` text.
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
