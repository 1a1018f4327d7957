//! The result code of a reply.

use std::fmt;

use crate::codec::{Reader, Wire, Writer};
use crate::error::DecodeError;
use crate::schema::Shape;

/// `retval`: 0 good, negative one of `VNET_API_ERROR_*` in VPP `src/vnet/error.h`.
///
/// Displayed as `-81 VALUE_EXIST (Value already exists)`.
///
/// ```
/// use vpp_api::types::Retval;
///
/// assert!(Retval(0).is_ok());
/// assert_eq!(Retval(-81), Retval::VALUE_EXIST);
/// assert_eq!(Retval(-81).name(), Some("VALUE_EXIST"));
/// assert_eq!(Retval(-81).text(), Some("Value already exists"));
/// assert_eq!(Retval(-9999).to_string(), "-9999");
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Retval(pub i32);

impl Retval {
    /// Success.
    pub const OK: Self = Self(0);
    /// A failure without a reason.
    pub const UNSPECIFIED: Self = Self(-1);
    /// No such FIB table.
    pub const NO_SUCH_FIB: Self = Self(-3);
    /// What was named is not there.
    pub const NO_SUCH_ENTRY: Self = Self(-6);
    /// A value is out of its range.
    pub const INVALID_VALUE: Self = Self(-7);
    /// A table length is not a power of two.
    pub const INVALID_MEMORY_SIZE: Self = Self(-70);
    /// An argument contradicts what is there.
    pub const INVALID_ARGUMENT: Self = Self(-73);
    /// What was to be added is there.
    pub const VALUE_EXIST: Self = Self(-81);
    /// The family does not fit.
    pub const INVALID_ADDRESS_FAMILY: Self = Self(-97);

    /// Whether VPP did what was asked: anything but a negative number.
    ///
    /// ```
    /// use vpp_api::types::Retval;
    ///
    /// assert!(Retval::OK.is_ok() && Retval(1).is_ok());
    /// assert!(!Retval::UNSPECIFIED.is_ok());
    /// ```
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 >= 0
    }

    /// The name without `VNET_API_ERROR_`, if the code has one.
    ///
    /// ```
    /// use vpp_api::types::Retval;
    ///
    /// assert_eq!(Retval(-6).name(), Some("NO_SUCH_ENTRY"));
    /// assert_eq!(Retval(-9999).name(), None);
    /// ```
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        lookup(self.0).map(|(name, _)| name)
    }

    /// What VPP says of the code, if it is known.
    ///
    /// ```
    /// assert_eq!(vpp_api::types::Retval(-6).text(), Some("No such entry"));
    /// ```
    #[must_use]
    pub fn text(self) -> Option<&'static str> {
        lookup(self.0).map(|(_, text)| text)
    }
}

impl fmt::Display for Retval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match lookup(self.0) {
            Some((name, text)) => write!(f, "{} {name} ({text})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Wire for Retval {
    const MIN: usize = 4;
    const SHAPE: Shape = i32::SHAPE;

    fn zero() -> Self {
        Self::OK
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        i32::decode(reader, wanted).map(Self)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.0.encode(writer);
    }
}

fn lookup(code: i32) -> Option<(&'static str, &'static str)> {
    let found = CODES.iter().find(|(known, ..)| *known == code)?;
    Some((found.1, found.2))
}

/// From VPP `src/vnet/error.h`. Gaps in the numbering are VPP's.
const CODES: &[(i32, &str, &str)] = &[
    (0, "OK", "Success"),
    (-1, "UNSPECIFIED", "Unspecified Error"),
    (-2, "INVALID_SW_IF_INDEX", "Invalid sw_if_index"),
    (-3, "NO_SUCH_FIB", "No such FIB / VRF"),
    (-6, "NO_SUCH_ENTRY", "No such entry"),
    (-7, "INVALID_VALUE", "Invalid value"),
    (-8, "INVALID_VALUE_2", "Invalid value #2"),
    (-9, "UNIMPLEMENTED", "Unimplemented"),
    (-11, "SYSCALL_ERROR_1", "System call error #1"),
    (-12, "SYSCALL_ERROR_2", "System call error #2"),
    (-13, "SYSCALL_ERROR_3", "System call error #3"),
    (-14, "SYSCALL_ERROR_4", "System call error #4"),
    (-15, "SYSCALL_ERROR_5", "System call error #5"),
    (-16, "SYSCALL_ERROR_6", "System call error #6"),
    (-17, "SYSCALL_ERROR_7", "System call error #7"),
    (-18, "SYSCALL_ERROR_8", "System call error #8"),
    (-19, "SYSCALL_ERROR_9", "System call error #9"),
    (-20, "SYSCALL_ERROR_10", "System call error #10"),
    (-30, "FEATURE_DISABLED", "Feature disabled by configuration"),
    (-31, "INVALID_REGISTRATION", "Invalid registration"),
    (-51, "UNKNOWN_DESTINATION", "Unknown destination"),
    (-54, "NO_MATCHING_INTERFACE", "No matching interface for probe"),
    (-57, "INVALID_SRC_ADDRESS", "Invalid src address"),
    (-58, "INVALID_DST_ADDRESS", "Invalid dst address"),
    (-63, "NO_SUCH_NODE", "No such graph node"),
    (-65, "NO_SUCH_TABLE", "No such table"),
    (-70, "INVALID_MEMORY_SIZE", "Invalid memory size requested"),
    (-71, "INVALID_INTERFACE", "Invalid interface"),
    (-73, "INVALID_ARGUMENT", "Invalid argument"),
    (-77, "RESPONSE_NOT_READY", "Response not ready"),
    (-78, "NOT_CONNECTED", "Not connected to the data plane"),
    (-81, "VALUE_EXIST", "Value already exists"),
    // The missing bracket is VPP's.
    (-88, "IP_PREFIX_INVALID", "IP prefix invalid (masked bits set in address"),
    (-97, "INVALID_ADDRESS_FAMILY", "Invalid address family"),
    (-99, "TABLE_TOO_BIG", "Table too big"),
    (-105, "ADDRESS_IN_USE", "Address in use"),
    (-107, "QUEUE_FULL", "Queue full"),
    (-116, "ENTRY_ALREADY_EXISTS", "Entry already exists"),
    (-126, "UNSUPPORTED", "Unsupported"),
    (-144, "INIT_FAILED", "Initialization Failed"),
    (-147, "INSTANCE_IN_USE", "Instance in use"),
    (-150, "INVALID_VALUE_3", "Invalid value #3"),
    (-153, "INVALID_PROTOCOL", "Invalid Protocol"),
    (-155, "RSRC_IN_USE", "Resource In Use"),
    (-159, "API_ENDIAN_FAILED", "Endian mismatch detected"),
    (-160, "NO_CHANGE", "No change in table"),
    (-162, "LIMIT_EXCEEDED", "limit exceeded"),
    (-164, "UDP_PORT_TAKEN", "UDP port already taken"),
    (-165, "EAGAIN", "Retry stream call with cursor"),
    (-166, "INVALID_VALUE_4", "Invalid value #4"),
    (-167, "BUSY", "Busy"),
    (-168, "BUG", "Bug"),
    (-169, "FEATURE_ALREADY_DISABLED", "Feature already disabled"),
    (-170, "FEATURE_ALREADY_ENABLED", "Feature already enabled"),
    (-171, "INVALID_PREFIX_LENGTH", "Invalid prefix length"),
];
