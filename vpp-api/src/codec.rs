//! Reading and writing fields: big-endian unless a type says otherwise, packed, without alignment.
//!
//! A field type is [`Wire`]; [`Adapter`]s are for fields that are encoded in another way than their type. Declare
//! types of your own with [`wire_struct!`](crate::wire_struct), [`wire_enum!`](crate::wire_enum),
//! [`wire_number!`](crate::wire_number), [`wire_union!`](crate::wire_union) and [`wire_alias!`](crate::wire_alias).
//!
//! Source: VPP `src/vlibapi` and the generated `*.api_types.h`.
//!
//! ```
//! use bytes::BytesMut;
//! use vpp_api::codec::{Reader, Wire, Writer};
//!
//! let mut fields = BytesMut::new();
//! let mut writer = Writer::new(&mut fields);
//! 443_u16.encode(&mut writer);
//! true.encode(&mut writer);
//! assert_eq!(&fields[..], [1, 187, 1]);
//!
//! let mut reader = Reader::new(&fields);
//! assert_eq!(u16::decode(&mut reader, "port")?, 443);
//! assert!(bool::decode(&mut reader, "is_add")?);
//! reader.finish()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapter;

use bytes::{BufMut, BytesMut};

use crate::error::DecodeError;
use crate::schema::{Array, Number, Order, Shape, Type};

pub use adapter::{Adapter, As, HostOrder, Plain, default_of};

/// A cursor over one message body. Each read names what it wanted, so that an error can say it.
///
/// ```
/// use vpp_api::codec::{Reader, Wire};
/// use vpp_api::error::DecodeError;
///
/// let mut reader = Reader::new(&[0, 80, 1]);
/// assert_eq!(u16::decode(&mut reader, "port"), Ok(80));
/// assert_eq!(reader.left(), 1);
/// assert_eq!(u32::decode(&mut reader, "weight"), Err(DecodeError::Short { wanted: "weight", need: 4, left: 1 }));
/// ```
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
    /// ```
    /// use vpp_api::codec::Reader;
    ///
    /// let mut reader = Reader::new(b"vpe\0");
    /// assert_eq!(reader.take("program", 3)?, b"vpe");
    /// assert!(reader.take("version", 2).is_err());
    /// assert_eq!(reader.left(), 1);
    /// # Ok::<_, vpp_api::error::DecodeError>(())
    /// ```
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
    /// ```
    /// let mut reader = vpp_api::codec::Reader::new(&[192, 0, 2, 1]);
    /// assert_eq!(reader.array::<4>("address")?, [192, 0, 2, 1]);
    /// # Ok::<_, vpp_api::error::DecodeError>(())
    /// ```
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
    /// ```
    /// use vpp_api::{codec::Reader, error::DecodeError};
    ///
    /// assert_eq!(Reader::new(&[]).finish(), Ok(()));
    /// assert_eq!(Reader::new(&[0; 3]).finish(), Err(DecodeError::Leftover { count: 3 }));
    /// ```
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
///
/// ```
/// use bytes::BytesMut;
/// use vpp_api::codec::{Wire, Writer};
///
/// let mut out = BytesMut::new();
/// let mut writer = Writer::new(&mut out);
/// 443_u16.encode(&mut writer);
/// writer.put(b"ok");
/// assert_eq!(&out[..], [1, 187, b'o', b'k']);
/// ```
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
///
/// The macros of this crate implement it. A type that has it by hand needs nothing else but what a declaration derives,
/// whatever features this crate has: one without `serde::Serialize` is serialized as its `Debug` text. By hand, for an
/// alias of VPP's that deserves a type of its own:
///
/// ```
/// use vpp_api::codec::{Reader, Wire, Writer};
/// use vpp_api::error::DecodeError;
/// use vpp_api::schema::{Shape, Type};
///
/// /// `typedef u32 acl_index`.
/// #[derive(Clone, Copy, Debug, Eq, PartialEq)]
/// struct AclIndex(u32);
///
/// impl Wire for AclIndex {
///     const MIN: usize = <u32 as Wire>::MIN;
///     const SHAPE: Shape = Shape::of(&Type::Alias { name: "acl_index", of: u32::SHAPE });
///
///     fn zero() -> Self {
///         Self(0)
///     }
///
///     fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
///         u32::decode(reader, wanted).map(Self)
///     }
///
///     fn encode(&self, writer: &mut Writer<'_>) {
///         self.0.encode(writer);
///     }
/// }
/// ```
pub trait Wire: Sized {
    /// Fewest bytes a value takes; lets a counted array be refused before anything is allocated for it. A type of
    /// fixed length takes exactly these.
    const MIN: usize;

    /// What VPP's definitions call it.
    const SHAPE: Shape;

    /// Whether VPP swaps it as defined.
    const ORDER: Order = Order::AsDefined;

    /// The value whose bytes are all zero, without elements or text: what VPP finds in a field that nobody set.
    fn zero() -> Self;

    /// Reads one value; `wanted` names it in errors.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes do not hold one.
    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError>;

    /// Appends the value.
    fn encode(&self, writer: &mut Writer<'_>);
}

/// An array whose length stands in an earlier field: `type name[count]`.
///
/// [`Counted`](crate::types::Counted) is one.
///
/// ```
/// use vpp_api::codec::{CountedArray, Reader};
/// use vpp_api::types::Counted;
///
/// type Ports = Counted<u16, u8>;
/// let ports = Ports::decode(2, &mut Reader::new(&[0, 80, 1, 187]), "ports")?;
/// assert_eq!(ports[..], [80, 443]);
/// assert_eq!(CountedArray::count(&ports), 2);
/// assert!(Ports::decode(255, &mut Reader::new(&[0, 80]), "ports").is_err());
/// assert_eq!(Ports::empty().count(), 0);
/// # Ok::<_, vpp_api::error::DecodeError>(())
/// ```
pub trait CountedArray: Sized {
    /// The type of that field.
    type Count: Wire;

    /// The type of an element.
    const ITEM: Shape;

    /// Without elements.
    fn empty() -> Self;

    /// How many elements there are.
    fn count(&self) -> Self::Count;

    /// Reads `count` elements; `wanted` names them in errors.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes do not hold as many. Nothing is allocated before that is known.
    fn decode(count: Self::Count, reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError>;

    /// Appends the elements, without the count.
    fn encode(&self, writer: &mut Writer<'_>);
}

macro_rules! big_endian {
    ($($ty:ident $number:ident),*) => {$(
        impl Wire for $ty {
            const MIN: usize = size_of::<$ty>();
            const SHAPE: Shape = Shape::of(&Type::Number(Number::$number));

            #[inline]
            fn zero() -> Self {
                0
            }

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

big_endian!(u8 U8, u16 U16, u32 U32, u64 U64, i8 I8, i16 I16, i32 I32, i64 I64);

impl Wire for bool {
    const MIN: usize = 1;
    const SHAPE: Shape = Shape::of(&Type::Number(Number::Bool));

    fn zero() -> Self {
        false
    }

    // VPP takes any byte but 0 for true.
    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        Ok(u8::decode(reader, wanted)? != 0)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&[u8::from(*self)]);
    }
}

impl<T: Wire, const N: usize> Wire for [T; N] {
    const MIN: usize = N * T::MIN;
    const SHAPE: Shape = T::SHAPE.arrayed(Array::Fixed(N));
    const ORDER: Order = T::ORDER;

    fn zero() -> Self {
        std::array::from_fn(|_| T::zero())
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        let mut outcome = Ok(());
        let all = std::array::from_fn(|_| match outcome {
            Ok(()) => T::decode(reader, wanted).unwrap_or_else(|error| {
                outcome = Err(error);
                T::zero()
            }),
            Err(_) => T::zero(),
        });
        outcome.map(|()| all)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.iter().for_each(|one| one.encode(writer));
    }
}

/// The name of a field as VPP has it, out of the Rust identifier (`r#type` is `type`).
#[doc(hidden)]
#[must_use]
pub const fn field_name(ident: &'static str) -> &'static str {
    match ident.as_bytes() {
        [b'r', b'#', ..] => ident.split_at(2).1,
        _ => ident,
    }
}

/// The largest of some lengths: how long a union is.
#[doc(hidden)]
#[must_use]
pub const fn longest(lengths: &[usize]) -> usize {
    let (mut longest, mut at) = (0, 0);
    while at < lengths.len() {
        if lengths[at] > longest {
            longest = lengths[at];
        }
        at += 1;
    }
    longest
}

/// What `fill` writes, with zeros behind it.
#[doc(hidden)]
#[must_use]
pub fn filled<const N: usize>(fill: impl FnOnce(&mut Writer<'_>)) -> [u8; N] {
    let mut written = BytesMut::with_capacity(N);
    fill(&mut Writer::new(&mut written));
    written.resize(N, 0);
    let mut bytes = [0; N];
    bytes.copy_from_slice(&written);
    bytes
}

#[cfg(test)]
mod tests;
