//! The CRC of a definition, by which VPP tells layouts apart.

use super::{Array, Field, Shape, Type, Value, prefix};
use crate::message::Message;

/// The CRC that VPP gives to a definition like `M`'s: over names and types of its fields, and of theirs.
///
/// It equals [`Message::CRC`] when the declaration says the same as VPP's definition file: each name, each type, the
/// order, and every value of every enumeration. A test of one's own declarations is
///
/// ```
/// use vpp_api::message::Message;
/// use vpp_api::messages::Visitor;
///
/// struct Check;
///
/// impl Visitor for Check {
///     fn visit<M: Message>(&mut self) {
///         assert_eq!(vpp_api::schema::crc::<M>(), M::CRC, "{} is not declared as VPP defines it", M::NAME);
///     }
/// }
///
/// vpp_api::messages::lb::visit(&mut Check);
/// ```
///
/// The exception are definitions that reach an enumeration with values marked `backwards_compatible`, which VPP leaves
/// out and its `.api.json` files do not mark.
#[must_use]
pub fn crc<M: Message>() -> u32 {
    let mut crc = Crc::default();
    crc.fields(prefix(M::KIND).iter().chain(M::FIELDS));
    prefix(M::KIND).iter().chain(M::FIELDS).for_each(|field| crc.add_type(field.shape));
    crc.sum()
}

/// CRC-32 as in zlib. Chaining one call of zlib's after another gives what one call over both texts does.
#[derive(Clone, Copy)]
pub(super) struct Crc(u32);

impl Default for Crc {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc {
    pub(super) fn text(&mut self, text: &str) {
        for byte in text.bytes() {
            self.0 ^= u32::from(byte);
            for _ in 0..8 {
                self.0 = (self.0 >> 1) ^ (0xedb8_8320 & (self.0 & 1).wrapping_neg());
            }
        }
    }

    pub(super) fn sum(self) -> u32 {
        !self.0
    }

    /// The notation of Python's lists, which is what vppapigen sums.
    fn fields<'a>(&mut self, fields: impl Iterator<Item = &'a Field>) {
        self.list(fields, |crc, field| {
            let (before, after) = if field.shape.ty.is_named() { ("vl_api_", "_t") } else { ("", "") };
            crc.text(&format!("['{before}{}{after}', '{}'", field.shape.ty.name(), field.name));
            crc.text(&match field.shape.array {
                Array::No => "]".to_owned(),
                Array::Fixed(count) => format!(", {count}, None]"),
                Array::Counted(count) => format!(", 0, '{count}']"),
                Array::Open => ", 0, None]".to_owned(),
            });
        });
    }

    fn values(&mut self, values: &[Value]) {
        self.list(values.iter(), |crc, Value { name, value }| crc.text(&format!("['{name}', {value}]")));
    }

    fn list<T>(&mut self, items: impl Iterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.text("[");
        for (at, item) in items.enumerate() {
            if at > 0 {
                self.text(", ");
            }
            each(self, item);
        }
        self.text("]");
    }

    fn add_type(&mut self, shape: Shape) {
        match shape.ty {
            Type::Number(_) | Type::String => {}
            Type::Struct { fields, .. } | Type::Union { arms: fields, .. } => {
                self.fields(fields.iter());
                fields.iter().for_each(|field| self.add_type(field.shape));
            }
            Type::Enum { values, .. } => self.values(values),
            // What an alias stands for does not count (vppapigen.py, `Using`).
            Type::Alias { .. } => self.text("[]"),
        }
    }
}
