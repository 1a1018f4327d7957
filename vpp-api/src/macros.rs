//! What the declaring macros have in common. None of this is meant to be used by itself.
//!
//! A declaration's fields are read one after the other by `__vpp_fields!`, which sorts them into *members* (what the
//! Rust struct has) and *items* (what is on the wire: members, and counts of arrays), and hands both to the macro that
//! asked. `__vpp_item!` then says what an item is in a definition, in a decoder, in an encoder. All paths begin with
//! `$crate`, and no `cfg` stands inside a macro: it would ask for the features of the crate that uses it.

mod messages;
mod numbers;
#[cfg(feature = "serde")]
mod serialize;
mod types;

/// Paths for the macros.
#[doc(hidden)]
pub mod private {
    #[cfg(feature = "serde")]
    pub use crate::macros::serialize::{AsText, Field, Text};
    #[cfg(feature = "serde")]
    pub use serde;
}

/// Reads fields into members and items.
#[doc(hidden)]
#[macro_export]
macro_rules! __vpp_fields {
    ($then:ident $head:tt [$($members:tt)*] [$($items:tt)*] {}) => {
        $crate::$then! { @fields $head [$($members)*] [$($items)*] }
    };
    // The count of an array that follows.
    ($then:ident $head:tt [$($members:tt)*] [$($items:tt)*] {
        $(#[$meta:meta])* $field:ident : $ty:ty = len($array:ident) $(, $($rest:tt)*)?
    }) => {
        $crate::__vpp_fields! {
            $then $head [$($members)*] [$($items)* (count $field ($ty) $array)] { $($($rest)*)? }
        }
    };
    // An array whose count stands before it.
    ($then:ident $head:tt [$($members:tt)*] [$($items:tt)*] {
        $(#[$meta:meta])* $field:ident : $ty:ty [$count:ident] $(, $($rest:tt)*)?
    }) => {
        $crate::__vpp_fields! {
            $then $head
            [$($members)* { $(#[$meta])* $field ($ty) ($crate::codec::CountedArray::empty()) }]
            [$($items)* (array $field ($ty) $count)]
            { $($($rest)*)? }
        }
    };
    ($then:ident $head:tt [$($members:tt)*] [$($items:tt)*] {
        $(#[$meta:meta])* $field:ident : $ty:ty $(as $adapter:ty)? = $default:literal $(, $($rest:tt)*)?
    }) => {
        $crate::__vpp_fields! {
            $then $head
            [$($members)* {
                $(#[$meta])* $field ($ty)
                ($crate::codec::default_of::<$ty, $crate::__vpp_adapter!($($adapter)?)>(stringify!($default)))
            }]
            [$($items)* (plain $field ($ty) ($crate::__vpp_adapter!($($adapter)?)) $default)]
            { $($($rest)*)? }
        }
    };
    ($then:ident $head:tt [$($members:tt)*] [$($items:tt)*] {
        $(#[$meta:meta])* $field:ident : $ty:ty $(as $adapter:ty)? $(, $($rest:tt)*)?
    }) => {
        $crate::__vpp_fields! {
            $then $head
            [$($members)* {
                $(#[$meta])* $field ($ty)
                (<$crate::__vpp_adapter!($($adapter)?) as $crate::codec::Adapter<$ty>>::zero())
            }]
            [$($items)* (plain $field ($ty) ($crate::__vpp_adapter!($($adapter)?)))]
            { $($($rest)*)? }
        }
    };
}

/// One item on the wire.
#[doc(hidden)]
#[macro_export]
macro_rules! __vpp_item {
    (@field (count $field:ident ($ty:ty) $array:ident)) => {
        $crate::schema::Field::new(
            $crate::codec::field_name(stringify!($field)),
            <$ty as $crate::codec::Wire>::SHAPE,
        )
    };
    (@field (array $field:ident ($ty:ty) $count:ident)) => {
        $crate::schema::Field::new(
            $crate::codec::field_name(stringify!($field)),
            <$ty as $crate::codec::CountedArray>::ITEM.arrayed($crate::schema::Array::Counted(
                $crate::codec::field_name(stringify!($count)),
            )),
        )
    };
    (@field (plain $field:ident ($ty:ty) ($adapter:ty) $($default:literal)?)) => {
        $crate::schema::Field::new(
            $crate::codec::field_name(stringify!($field)),
            <$adapter as $crate::codec::Adapter<$ty>>::SHAPE,
        )
        .ordered(<$adapter as $crate::codec::Adapter<$ty>>::ORDER)
        $( .with_default(stringify!($default)) )?
    };

    (@min (count $field:ident ($ty:ty) $array:ident)) => { <$ty as $crate::codec::Wire>::MIN };
    (@min (array $field:ident ($ty:ty) $count:ident)) => { 0 };
    (@min (plain $field:ident ($ty:ty) ($adapter:ty) $($default:literal)?)) => {
        <$adapter as $crate::codec::Adapter<$ty>>::MIN
    };

    (@decode $reader:ident (count $field:ident ($ty:ty) $array:ident)) => {
        let $field = <$ty as $crate::codec::Wire>::decode(
            $reader,
            const { $crate::codec::field_name(stringify!($field)) },
        )?;
    };
    (@decode $reader:ident (array $field:ident ($ty:ty) $count:ident)) => {
        let $field = <$ty as $crate::codec::CountedArray>::decode(
            $count,
            $reader,
            const { $crate::codec::field_name(stringify!($field)) },
        )?;
    };
    (@decode $reader:ident (plain $field:ident ($ty:ty) ($adapter:ty) $($default:literal)?)) => {
        let $field = <$adapter as $crate::codec::Adapter<$ty>>::decode(
            $reader,
            const { $crate::codec::field_name(stringify!($field)) },
        )?;
    };

    (@encode $self:ident $writer:ident (count $field:ident ($ty:ty) $array:ident)) => {
        let $field: $ty = $crate::codec::CountedArray::count(&$self.$array);
        $crate::codec::Wire::encode(&$field, $writer);
    };
    (@encode $self:ident $writer:ident (array $field:ident ($ty:ty) $count:ident)) => {
        $crate::codec::CountedArray::encode(&$self.$field, $writer);
    };
    (@encode $self:ident $writer:ident (plain $field:ident ($ty:ty) ($adapter:ty) $($default:literal)?)) => {
        <$adapter as $crate::codec::Adapter<$ty>>::encode(&$self.$field, $writer);
    };
}

/// The adapter of a field: the named one, else [`Plain`](crate::codec::Plain).
#[doc(hidden)]
#[macro_export]
macro_rules! __vpp_adapter {
    () => {
        $crate::codec::Plain
    };
    ($adapter:ty) => {
        $adapter
    };
}

/// `serde::Serialize` for a struct: its fields, named as in VPP, but for those of the second list. A field whose type
/// has none is its `Debug` text.
#[cfg(feature = "serde")]
#[doc(hidden)]
#[macro_export]
macro_rules! __vpp_serialize {
    (struct $ty:ident [$($field:ident)*] [$($hidden:literal)?]) => {
        impl $crate::__private::serde::Serialize for $ty {
            fn serialize<S: $crate::__private::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                #[allow(unused_imports, reason = "for types without `Serialize`")]
                use $crate::__private::AsText as _;
                const HIDDEN: &[&str] = &[$($hidden)?];
                const NAMES: &[&str] = &[$( $crate::codec::field_name(stringify!($field)) ),*];
                let hidden = NAMES.iter().filter(|name| HIDDEN.contains(name)).count();
                #[allow(unused_mut, reason = "a message may have no fields")]
                let mut fields = $crate::__private::serde::Serializer::serialize_struct(
                    serializer,
                    stringify!($ty),
                    NAMES.len() - hidden,
                )?;
                $( {
                    const NAME: &str = $crate::codec::field_name(stringify!($field));
                    if !HIDDEN.contains(&NAME) {
                        $crate::__private::serde::ser::SerializeStruct::serialize_field(
                            &mut fields,
                            NAME,
                            &$crate::__private::Field(&self.$field).view(),
                        )?;
                    }
                } )*
                $crate::__private::serde::ser::SerializeStruct::end(fields)
            }
        }
    };
    (as $ty:ident |$value:ident| $inner:expr) => {
        impl $crate::__private::serde::Serialize for $ty {
            fn serialize<S: $crate::__private::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                #[allow(unused_imports, reason = "for types without `Serialize`")]
                use $crate::__private::AsText as _;
                let $value = self;
                $crate::__private::serde::Serialize::serialize(
                    &$crate::__private::Field(&$inner).view(),
                    serializer,
                )
            }
        }
    };
}

/// Without the feature there is nothing to implement.
#[cfg(not(feature = "serde"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __vpp_serialize {
    ($($anything:tt)*) => {};
}
