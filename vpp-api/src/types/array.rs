//! Arrays: counted ones, those up to the end of a message, and long ones of bytes.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::Deref;

use thiserror::Error;

use crate::codec::{CountedArray, Reader, Wire, Writer};
use crate::error::DecodeError;
use crate::schema::{Array, Number, Shape, Type};

/// `T name[count]`, whose `count` stands in an earlier field and has type `C`: never longer than `C` can count.
///
/// ```
/// use vpp_api::types::Counted;
///
/// let ports: Counted<u16, u8> = vec![80, 443].try_into()?;
/// assert_eq!(ports.iter().max(), Some(&443));
/// assert!(Counted::<u16, u8>::try_from(vec![0; 256]).is_err());
/// # Ok::<(), vpp_api::types::TooMany>(())
/// ```
pub struct Counted<T, C> {
    items: Vec<T>,
    count: PhantomData<C>,
}

impl<T, C: Count> Counted<T, C> {
    /// Without items.
    #[must_use]
    pub fn new() -> Self {
        Self { items: Vec::new(), count: PhantomData }
    }

    /// The items.
    ///
    /// ```
    /// use vpp_api::types::Counted;
    ///
    /// let ports: Counted<u16, u8> = vec![80, 443].try_into()?;
    /// assert_eq!(ports.into_vec(), [80, 443]);
    /// # Ok::<_, vpp_api::types::TooMany>(())
    /// ```
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.items
    }
}

impl<T, C: Count> TryFrom<Vec<T>> for Counted<T, C> {
    type Error = TooMany;

    fn try_from(items: Vec<T>) -> Result<Self, TooMany> {
        match C::of(items.len()) {
            Some(_) => Ok(Self { items, count: PhantomData }),
            None => Err(TooMany { len: items.len(), max: C::LIMIT }),
        }
    }
}

impl<T, C> Deref for Counted<T, C> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T, C: Count> Default for Counted<T, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone, C> Clone for Counted<T, C> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone(), count: PhantomData }
    }
}

impl<T: fmt::Debug, C> fmt::Debug for Counted<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items.fmt(f)
    }
}

impl<T: PartialEq, C> PartialEq for Counted<T, C> {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

impl<T: Eq, C> Eq for Counted<T, C> {}

impl<T: Hash, C> Hash for Counted<T, C> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.items.hash(state);
    }
}

impl<T: Wire, C: Count> CountedArray for Counted<T, C> {
    type Count = C;

    const ITEM: Shape = T::SHAPE;

    fn empty() -> Self {
        Self::new()
    }

    fn count(&self) -> C {
        C::of(self.items.len()).expect("the length was checked when the array was made")
    }

    fn decode(count: C, reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        let count = count.get();
        // A count from the peer buys memory only for items whose bytes are there.
        let need = count.saturating_mul(T::MIN.max(1));
        if need > reader.left() {
            return Err(DecodeError::Short { wanted, need, left: reader.left() });
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(T::decode(reader, wanted)?);
        }
        Ok(Self { items, count: PhantomData })
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.iter().for_each(|item| item.encode(writer));
    }
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize, C> serde::Serialize for Counted<T, C> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.items.serialize(serializer)
    }
}

/// More items than the count field can say.
///
/// ```
/// use vpp_api::types::Counted;
///
/// let error = Counted::<u16, u8>::try_from(vec![0; 256]).unwrap_err();
/// assert_eq!(error.to_string(), "256 items, the message can count 255");
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{len} items, the message can count {max}")]
pub struct TooMany {
    /// How many there were.
    pub len: usize,
    /// How many there may be.
    pub max: usize,
}

/// A number type that counts array items on the wire.
///
/// ```
/// use vpp_api::types::Count;
///
/// assert_eq!(<u8 as Count>::of(255), Some(255));
/// assert_eq!(<u8 as Count>::of(256), None);
/// ```
pub trait Count: Wire + Copy {
    /// The largest count.
    const LIMIT: usize;

    /// `len` as a count, if it can be one.
    fn of(len: usize) -> Option<Self>;

    /// The count as a length.
    fn get(self) -> usize;
}

macro_rules! count {
    ($($ty:ty),*) => {$(
        impl Count for $ty {
            const LIMIT: usize = <$ty>::MAX as usize;

            fn of(len: usize) -> Option<Self> {
                Self::try_from(len).ok()
            }

            fn get(self) -> usize {
                self as usize
            }
        }
    )*};
}

count!(u8, u16, u32);

/// `T name[0]`: elements up to the end of the message. Always the last field.
///
/// ```
/// use vpp_api::codec::{Reader, Wire};
/// use vpp_api::types::Rest;
///
/// let rest = Rest::<u16>::decode(&mut Reader::new(&[0, 1, 0, 2]), "numbers")?;
/// assert_eq!(rest.0, [1, 2]);
/// # Ok::<(), vpp_api::error::DecodeError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Rest<T>(
    /// The elements.
    pub Vec<T>,
);

impl<T: Wire> Wire for Rest<T> {
    const MIN: usize = 0;
    const SHAPE: Shape = T::SHAPE.arrayed(Array::Open);

    fn zero() -> Self {
        Self(Vec::new())
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        // A type without bytes would never come to the end.
        let mut items = Vec::with_capacity(reader.left() / T::MIN.max(1));
        while T::MIN > 0 && reader.left() > 0 {
            items.push(T::decode(reader, wanted)?);
        }
        Ok(Self(items))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.0.iter().for_each(|item| item.encode(writer));
    }
}

/// `u8 name[N]`, for arrays too long for what Rust does with arrays: beyond 32 elements they have neither `Default`
/// nor `serde::Serialize`.
///
/// ```
/// use vpp_api::types::Octets;
///
/// let key = Octets::<64>::default();
/// assert_eq!(key.0, [0; 64]);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Octets<const N: usize>(
    /// The bytes.
    pub [u8; N],
);

impl<const N: usize> Default for Octets<N> {
    /// All zeros.
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Wire for Octets<N> {
    const MIN: usize = N;
    const SHAPE: Shape = Shape::of(&Type::Number(Number::U8)).arrayed(Array::Fixed(N));

    fn zero() -> Self {
        Self::default()
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        reader.array(wanted).map(Self)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.0);
    }
}

#[cfg(feature = "serde")]
impl<const N: usize> serde::Serialize for Octets<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0)
    }
}
