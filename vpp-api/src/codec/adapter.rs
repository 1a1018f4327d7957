//! Fields that are encoded in another way than their type.

use std::marker::PhantomData;

use super::{Reader, Wire, Writer};
use crate::error::DecodeError;
use crate::schema::{Number, Order, Shape};

/// How a field of type `T` is encoded, where that is not `T`'s own encoding: named behind `as` in a declaration.
///
/// ```
/// use vpp_api::codec::{Adapter, Reader, Wire, Writer};
/// use vpp_api::error::DecodeError;
/// use vpp_api::schema::Shape;
///
/// /// A list of up to 32 bits that people would rather see as a bool each.
/// struct Bits;
///
/// impl Adapter<[bool; 32]> for Bits {
///     const MIN: usize = <u32 as Wire>::MIN;
///     const SHAPE: Shape = <u32 as Wire>::SHAPE;
///
///     fn zero() -> [bool; 32] {
///         [false; 32]
///     }
///
///     fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<[bool; 32], DecodeError> {
///         let bits = u32::decode(reader, wanted)?;
///         Ok(std::array::from_fn(|at| bits >> at & 1 == 1))
///     }
///
///     fn encode(value: &[bool; 32], writer: &mut Writer<'_>) {
///         (0..32).fold(0, |bits, at| bits | u32::from(value[at]) << at).encode(writer);
///     }
/// }
///
/// vpp_api::wire_struct! {
///     /// Ports that are up.
///     struct switch_ports as SwitchPorts {
///         /// One for each.
///         up: [bool; 32] as Bits,
///     }
/// }
/// ```
pub trait Adapter<T> {
    /// Fewest bytes a value takes.
    const MIN: usize;

    /// What VPP's definitions call it.
    const SHAPE: Shape;

    /// Whether VPP swaps it as defined.
    const ORDER: Order = Order::AsDefined;

    /// The value whose bytes are all zero.
    fn zero() -> T;

    /// Reads one value; `wanted` names it in errors.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes do not hold one.
    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<T, DecodeError>;

    /// Appends a value.
    fn encode(value: &T, writer: &mut Writer<'_>);
}

/// `T`'s own encoding: the adapter of a field that names none.
///
/// ```
/// use vpp_api::codec::{Adapter, Plain, Reader};
///
/// let port: u16 = Plain::decode(&mut Reader::new(&[0, 80]), "port")?;
/// assert_eq!(port, 80);
/// # Ok::<_, vpp_api::error::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl<T: Wire> Adapter<T> for Plain {
    const MIN: usize = T::MIN;
    const SHAPE: Shape = T::SHAPE;
    const ORDER: Order = T::ORDER;

    fn zero() -> T {
        T::zero()
    }

    #[inline]
    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<T, DecodeError> {
        T::decode(reader, wanted)
    }

    #[inline]
    fn encode(value: &T, writer: &mut Writer<'_>) {
        value.encode(writer);
    }
}

/// A field that VPP forgets to swap, or swaps twice: it arrives in the order of VPP's host, little-endian on every
/// machine this was checked on.
///
/// ```
/// use vpp_api::codec::{Adapter, HostOrder, Reader};
///
/// let port: u16 = HostOrder::decode(&mut Reader::new(&[80, 0]), "target_port")?;
/// assert_eq!(port, 80);
/// # Ok::<_, vpp_api::error::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HostOrder;

macro_rules! host_order {
    ($($ty:ty),*) => {$(
        impl Adapter<$ty> for HostOrder {
            const MIN: usize = size_of::<$ty>();
            const SHAPE: Shape = <$ty as Wire>::SHAPE;
            const ORDER: Order = Order::Host;

            #[inline]
            fn zero() -> $ty {
                0
            }

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

host_order!(u16, u32, u64, i16, i32, i64);

/// A field that VPP's definition gives the type `W`, and that has a better one in Rust.
///
/// The lb plugin takes an IP protocol as a `u8`: `protocol: IpProto as As<u8>`.
///
/// ```
/// use vpp_api::codec::{Adapter, As, Reader};
/// use vpp_api::types::IpProto;
///
/// let protocol: IpProto = As::<u8>::decode(&mut Reader::new(&[6]), "protocol")?;
/// assert_eq!(protocol, IpProto::TCP);
/// # Ok::<_, vpp_api::error::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct As<W>(PhantomData<W>);

impl<W: Wire + From<T>, T: From<W> + Clone> Adapter<T> for As<W> {
    const MIN: usize = W::MIN;
    const SHAPE: Shape = W::SHAPE;
    const ORDER: Order = W::ORDER;

    fn zero() -> T {
        W::zero().into()
    }

    #[inline]
    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<T, DecodeError> {
        W::decode(reader, wanted).map(T::from)
    }

    #[inline]
    fn encode(value: &T, writer: &mut Writer<'_>) {
        W::from(value.clone()).encode(writer);
    }
}

/// The value of a field whose declaration says `= text`, which [`Field::with_default`](crate::schema::Field) checked.
#[doc(hidden)]
#[must_use]
pub fn default_of<T, A: Adapter<T>>(text: &'static str) -> T {
    let mut bytes = match A::SHAPE.number() {
        None => return A::zero(),
        Some(Number::F64) => text.parse::<f64>().unwrap_or_default().to_le_bytes().to_vec(),
        Some(Number::Bool) => vec![u8::from(text == "true")],
        Some(number) => {
            let all = text.parse::<i128>().unwrap_or_default().to_be_bytes();
            all[all.len() - number.width()..].to_vec()
        }
    };
    if A::ORDER == Order::Host {
        bytes.reverse();
    }
    A::decode(&mut Reader::new(&bytes), text).unwrap_or_else(|_| A::zero())
}
