//! Arrays whose length travels in front of them.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use thiserror::Error;

use crate::codec::{Reader, Wire, Writer};
use crate::error::DecodeError;

/// `T name[count]` behind its `count`, which has type `C`: never longer than `C` can count.
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
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.items
    }

    pub(crate) fn count(&self) -> C {
        C::of(self.items.len()).expect("the length was checked when the array was made")
    }

    pub(crate) fn read(count: C, reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError>
    where
        T: Wire,
    {
        let count = count.get();
        // A count from the peer buys memory only for items whose bytes are there.
        let need = count.saturating_mul(T::MIN);
        if need > reader.left() {
            return Err(DecodeError::Short { wanted, need, left: reader.left() });
        }
        let items = (0..count).map(|_| T::decode(reader, wanted)).collect::<Result<_, _>>()?;
        Ok(Self { items, count: PhantomData })
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

impl<T: Wire, C: Count> Wire for Counted<T, C> {
    const MIN: usize = C::MIN;

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        let count = C::decode(reader, wanted)?;
        Self::read(count, reader, wanted)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.count().encode(writer);
        self.iter().for_each(|item| item.encode(writer));
    }

    #[cfg(test)]
    fn arbitrary(source: &mut crate::codec::tests::Source) -> Self {
        let items = (0..source.below(4)).map(|_| T::arbitrary(source)).collect();
        Self { items, count: PhantomData }
    }
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize, C> serde::Serialize for Counted<T, C> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.items.serialize(serializer)
    }
}

/// More items than the count field can say.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{len} items, the message can count {max}")]
pub struct TooMany {
    /// How many there were.
    pub len: usize,
    /// How many there may be.
    pub max: usize,
}

/// A number type that counts array items on the wire.
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
