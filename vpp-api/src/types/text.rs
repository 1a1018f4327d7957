//! Strings of fixed and of variable length.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use crate::codec::{Reader, Wire, Writer};
use crate::error::DecodeError;
use crate::schema::{Array, Shape, Type};

/// `string name[N]`: text up to the first NUL, then padding.
///
/// VPP leaves bytes behind the NUL uninitialised in places (`show_version_reply`); they are kept, so that a frame
/// survives decoding and encoding, and count in comparisons. [`FixedString::as_bytes`] and the text forms stop at the
/// NUL.
///
/// ```
/// use vpp_api::types::FixedString;
///
/// let tag = FixedString::<8>::try_from("uplink")?;
/// assert_eq!(tag.raw(), b"uplink\0\0");
/// assert_eq!(tag.to_string(), "uplink");
/// assert_eq!(FixedString::<8>::clipped("too long for it").to_string(), "too lon");
/// # Ok::<_, vpp_api::types::TooLong>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct FixedString<const N: usize>([u8; N]);

impl<const N: usize> FixedString<N> {
    /// The field as it is on the wire.
    ///
    /// ```
    /// let text = vpp_api::types::FixedString::from_raw(*b"vpe\0rest");
    /// assert_eq!(text.as_bytes(), b"vpe");
    /// assert_eq!(text.raw(), b"vpe\0rest");
    /// ```
    #[must_use]
    pub fn from_raw(raw: [u8; N]) -> Self {
        Self(raw)
    }

    /// The field as it is on the wire, padding and all.
    #[must_use]
    pub fn raw(&self) -> &[u8; N] {
        &self.0
    }

    /// Up to the first NUL, or everything if there is none.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(N);
        &self.0[..end]
    }

    /// Up to the first NUL, with U+FFFD for what is not UTF-8.
    ///
    /// ```
    /// use vpp_api::types::FixedString;
    ///
    /// assert_eq!(FixedString::from_raw(*b"eth0\0\0\0\0").to_str_lossy(), "eth0");
    /// assert_eq!(FixedString::from_raw(*b"eth\xe9").to_str_lossy(), "eth\u{fffd}");
    /// ```
    #[must_use]
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// As much of `text` as fits before the last byte, cut at a character.
    ///
    /// A NUL always stays inside the field: VPP formats such fields as C strings and reads on past one without.
    ///
    /// ```
    /// use vpp_api::types::FixedString;
    ///
    /// assert_eq!(FixedString::<4>::clipped("abcdef").raw(), b"abc\0");
    /// assert_eq!(FixedString::<4>::clipped("ab\u{e9}").raw(), b"ab\0\0");
    /// ```
    #[must_use]
    pub fn clipped(text: &str) -> Self {
        let text = text.split('\0').next().unwrap_or_default();
        let end = text.floor_char_boundary(N.saturating_sub(1));
        let mut raw = [0; N];
        raw[..end].copy_from_slice(&text.as_bytes()[..end]);
        Self(raw)
    }
}

impl<const N: usize> TryFrom<&str> for FixedString<N> {
    type Error = TooLong;

    fn try_from(text: &str) -> Result<Self, TooLong> {
        // The NUL needs a byte of its own, and one inside the text would cut it.
        if text.len() >= N || text.contains('\0') {
            return Err(TooLong { text: text.to_owned(), max: N.saturating_sub(1) });
        }
        Ok(Self::clipped(text))
    }
}

impl<const N: usize> Default for FixedString<N> {
    /// The empty text.
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> fmt::Display for FixedString<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_str_lossy())
    }
}

impl<const N: usize> fmt::Debug for FixedString<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str_lossy(), f)
    }
}

impl<const N: usize> Wire for FixedString<N> {
    const MIN: usize = N;
    const SHAPE: Shape = Shape::of(&Type::String).arrayed(Array::Fixed(N));

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
impl<const N: usize> serde::Serialize for FixedString<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_str_lossy())
    }
}

/// A text that does not fit its field together with a NUL, or holds a NUL itself.
///
/// ```
/// use vpp_api::types::FixedString;
///
/// let error = FixedString::<4>::try_from("four").unwrap_err();
/// assert_eq!(error.to_string(), "`four` does not fit 3 bytes without a NUL");
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{}` does not fit {max} bytes without a NUL", text.escape_debug())]
pub struct TooLong {
    /// The text.
    pub text: String,
    /// Bytes the field has for it.
    pub max: usize,
}

/// `string name[]`: a length and that many bytes, not NUL-terminated. Always the last field.
///
/// ```
/// use vpp_api::types::Text;
///
/// let text = Text::from("show lb vips");
/// assert_eq!(text.as_bytes(), b"show lb vips");
/// assert_eq!(Text::from(vec![b'o', b'k', 0xff]).into_string(), "ok\u{fffd}");
/// ```
#[derive(Clone, Default, Eq, Hash, PartialEq)]
pub struct Text(Vec<u8>);

impl Text {
    /// The bytes as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// With U+FFFD for what is not UTF-8.
    ///
    /// ```
    /// use std::borrow::Cow;
    /// use vpp_api::types::Text;
    ///
    /// assert!(matches!(Text::from("lb vips").to_str_lossy(), Cow::Borrowed("lb vips")), "not copied");
    /// assert_eq!(Text::from(vec![b'o', b'k', 0xff]).to_str_lossy(), "ok\u{fffd}");
    /// ```
    #[must_use]
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// As a string; copies only what is not UTF-8.
    #[must_use]
    pub fn into_string(self) -> String {
        String::from_utf8(self.0).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_str_lossy())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str_lossy(), f)
    }
}

impl Wire for Text {
    const MIN: usize = 4;
    const SHAPE: Shape = Shape::of(&Type::String).arrayed(Array::Open);

    fn zero() -> Self {
        Self::default()
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        let len = u32::decode(reader, wanted)?;
        Ok(Self(reader.take(wanted, len as usize)?.to_vec()))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        // More than 4 GiB cannot be said; such a body is far beyond every frame limit and never leaves.
        u32::try_from(self.0.len()).unwrap_or(u32::MAX).encode(writer);
        writer.put(&self.0);
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_str_lossy())
    }
}
