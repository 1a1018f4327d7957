use crate::cell::Cell;
use crate::directory::EntryKind;
use crate::value::CombinedCounter;

/// Names an entry for [`remove`](super::SegmentWriter::remove). Sealed.
pub trait EntryId: sealed::Keyed {}

/// Names a table of counters; sealed: [`SimpleId`] and [`CombinedId`].
pub trait CounterId: EntryId {
    /// What one column of one thread holds.
    type Cell: Cell;
}

/// Names a number; sealed: [`ScalarId`] and [`GaugeId`].
pub trait NumberId: EntryId {}

#[allow(unnameable_types)] // of no use outside
/// Place of an entry, and which of the entries that were there it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Key {
    pub(super) index: u32,
    pub(super) generation: u64,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// Once the entry is removed every use of it is [`WriteError::Stale`](super::WriteError::Stale).
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub struct $name(pub(super) Key);

        impl EntryId for $name {}

        impl sealed::Keyed for $name {
            const KIND: EntryKind = EntryKind::$kind;

            fn key(&self) -> Key {
                self.0
            }
        }
    )*};
}

ids! {
    /// Names a scalar.
    ScalarId: Scalar;
    /// Names a gauge.
    GaugeId: Gauge;
    /// Names a simple counter.
    SimpleId: Simple;
    /// Names a combined counter.
    CombinedId: Combined;
    /// Names a name vector.
    NamesId: Names;
    /// Names a symlink.
    SymlinkId: Symlink;
    /// Names a histogram.
    HistogramId: Histogram;
    /// Names a ring buffer.
    RingId: RingBuffer;
}

impl CounterId for SimpleId {
    type Cell = u64;
}

impl CounterId for CombinedId {
    type Cell = CombinedCounter;
}

impl NumberId for ScalarId {}

impl NumberId for GaugeId {}

pub(super) mod sealed {
    use super::{EntryKind, Key};

    #[allow(unnameable_types)] // so that nobody else makes up ids
    pub trait Keyed: Copy {
        const KIND: EntryKind;
        #[allow(unnameable_types)]
        fn key(&self) -> Key;
    }
}
