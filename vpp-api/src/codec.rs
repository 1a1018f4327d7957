//! Reading and writing fields: big-endian unless a type says otherwise, packed, without alignment.
//!
//! Source: VPP `src/vlibapi` and the generated `*.api_types.h`.

use bytes::{BufMut, BytesMut};

use crate::error::DecodeError;

/// A cursor over one message body. Each read names what it wanted, so that an error can say it.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `body`.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `count` bytes, borrowed.
    ///
    /// # Errors
    /// [`DecodeError::Short`] if fewer are left; nothing is consumed then.
    #[inline]
    pub fn take(&mut self, wanted: &'static str, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::Short {
            wanted,
            need: count,
            left: self.rest.len(),
        })?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Short`] if fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self, wanted: &'static str) -> Result<[u8; N], DecodeError> {
        let (taken, rest) =
            self.rest.split_first_chunk::<N>().ok_or(DecodeError::Short { wanted, need: N, left: self.rest.len() })?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`DecodeError::Leftover`] if anything is left.
    #[inline]
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DecodeError::Leftover { count }),
        }
    }
}

/// Appends fields to a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut BytesMut,
}

impl<'a> Writer<'a> {
    /// Appends to `out`.
    #[must_use]
    pub fn new(out: &'a mut BytesMut) -> Self {
        Self { out }
    }

    /// Appends `bytes` as they are.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }
}

/// A type with one fixed encoding in VPP's binary API.
pub trait Wire: Sized {
    /// Fewest bytes a value takes; lets a counted array be refused before anything is allocated for it.
    const MIN: usize;

    /// Reads one value; `wanted` names it in errors.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes do not hold one.
    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError>;

    /// Appends the value.
    fn encode(&self, writer: &mut Writer<'_>);

    /// Any value; as it stands for types of fixed length.
    #[cfg(test)]
    fn arbitrary(source: &mut tests::Source) -> Self {
        let bytes = source.bytes(Self::MIN);
        Self::decode(&mut Reader::new(&bytes), "arbitrary").expect("a type of fixed length takes any bytes")
    }
}

macro_rules! big_endian {
    ($($ty:ty),*) => {$(
        impl Wire for $ty {
            const MIN: usize = size_of::<$ty>();

            #[inline]
            fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
                reader.array(wanted).map(<$ty>::from_be_bytes)
            }

            #[inline]
            fn encode(&self, writer: &mut Writer<'_>) {
                writer.put(&self.to_be_bytes());
            }
        }
    )*};
}

big_endian!(u8, u16, u32, u64, i32);

impl Wire for bool {
    const MIN: usize = 1;

    // VPP takes any byte but 0 for true.
    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        Ok(u8::decode(reader, wanted)? != 0)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&[u8::from(*self)]);
    }
}

impl<T: Wire + Copy + Default, const N: usize> Wire for [T; N] {
    const MIN: usize = N * T::MIN;

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        let mut all = [T::default(); N];
        for one in &mut all {
            *one = T::decode(reader, wanted)?;
        }
        Ok(all)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.iter().for_each(|one| one.encode(writer));
    }
}

/// How a field of type `T` is encoded, where that is not `T`'s own encoding.
pub(crate) trait Adapter<T> {
    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<T, DecodeError>;
    fn encode(value: &T, writer: &mut Writer<'_>);
}

/// `T`'s own encoding.
pub(crate) struct Plain;

impl<T: Wire> Adapter<T> for Plain {
    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<T, DecodeError> {
        T::decode(reader, wanted)
    }

    fn encode(value: &T, writer: &mut Writer<'_>) {
        value.encode(writer);
    }
}

/// A field that VPP forgets to swap, or swaps twice: it arrives in the order of VPP's host, little-endian on every
/// machine this was checked on.
pub(crate) struct HostOrder;

macro_rules! host_order {
    ($($ty:ty),*) => {$(
        impl Adapter<$ty> for HostOrder {
            #[inline]
            fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<$ty, DecodeError> {
                reader.array(wanted).map(<$ty>::from_le_bytes)
            }

            #[inline]
            fn encode(value: &$ty, writer: &mut Writer<'_>) {
                writer.put(&value.to_le_bytes());
            }
        }
    )*};
}

host_order!(u16, u32);

/// The name of a field as VPP has it, out of the Rust identifier (`r#type` is `type`).
pub(crate) const fn field_name(ident: &'static str) -> &'static str {
    match ident.as_bytes() {
        [b'r', b'#', ..] => ident.split_at(2).1,
        _ => ident,
    }
}

/// The adapter of a field: the named one, else [`Plain`].
macro_rules! adapter {
    () => {
        $crate::codec::Plain
    };
    ($adapter:ty) => {
        $adapter
    };
}
pub(crate) use adapter;

/// Declares a structure that appears inside messages: its fields in wire order, nothing between them.
macro_rules! wire_struct {
    ($(
        $(#[$meta:meta])*
        $ty:ident {
            $( $(#[$field_meta:meta])* $field:ident : $field_ty:ty $(as $adapter:ty)? ),* $(,)?
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        pub struct $ty {
            $( $(#[$field_meta])* pub $field: $field_ty, )*
        }

        impl $crate::codec::Wire for $ty {
            const MIN: usize = 0 $( + <$field_ty as $crate::codec::Wire>::MIN )*;

            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
                _wanted: &'static str,
            ) -> Result<Self, $crate::error::DecodeError> {
                Ok(Self {
                    $( $field: <$crate::codec::adapter!($($adapter)?) as $crate::codec::Adapter<$field_ty>>::decode(
                        reader,
                        const { $crate::codec::field_name(stringify!($field)) },
                    )?, )*
                })
            }

            fn encode(&self, writer: &mut $crate::codec::Writer<'_>) {
                $( <$crate::codec::adapter!($($adapter)?) as $crate::codec::Adapter<$field_ty>>::encode(
                    &self.$field,
                    writer,
                ); )*
            }
        }
    )*};
}
pub(crate) use wire_struct;

#[cfg(test)]
pub(crate) mod tests;
