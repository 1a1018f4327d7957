use crate::cell::Cell;
use crate::directory::EntryKind;
use crate::value::CombinedCounter;

/// Names an entry for [`remove`](super::SegmentWriter::remove). Sealed.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
/// # let links = ["drops", "dropped"].map(|name| vpp.add_symlink(&format!("/interfaces/loop0/{name}"), drops, 2));
/// use vpp_stats::writer::{EntryId, WriteError};
///
/// /// Removes what belongs together, so that readers see all of it or nothing.
/// fn remove_all<I: EntryId>(vpp: &mut SegmentWriter, ids: impl IntoIterator<Item = I>) -> Result<(), WriteError> {
///     vpp.update(|vpp| ids.into_iter().try_for_each(|id| vpp.remove(id)))
/// }
///
/// let links = links.into_iter().collect::<Result<Vec<_>, _>>()?;
/// remove_all(&mut vpp, links)?;
/// assert_eq!(vpp.entry_offset("/interfaces/loop0/drops"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait EntryId: sealed::Keyed {}

/// Names a table of counters; sealed: [`SimpleId`] and [`CombinedId`].
///
/// ```
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// use vpp_stats::CombinedCounter;
/// use vpp_stats::writer::{CounterId, SegmentWriter, WriteError};
///
/// /// Counts in the row of the first worker, for an interface that may be new.
/// fn count<I: CounterId>(vpp: &mut SegmentWriter, id: I, interface: usize, delta: I::Cell) -> Result<(), WriteError> {
///     vpp.grow(id, interface + 1)?;
///     vpp.add(id, 1, interface, delta)
/// }
///
/// let (drops, received) = (vpp.add_simple("/if/drops", 2, 1)?, vpp.add_combined("/if/rx", 2, 1)?);
/// count(&mut vpp, drops, 2, 1)?;
/// count(&mut vpp, received, 2, CombinedCounter { packets: 1, bytes: 60 })?;
/// assert_eq!((vpp.columns(drops)?, vpp.get(received, 1, 2)?.bytes), (3, 60));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait CounterId: EntryId {
    /// What one column of one thread holds.
    type Cell: Cell;
}

/// Names a number; sealed: [`ScalarId`] and [`GaugeId`].
///
/// ```
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// use vpp_stats::writer::{NumberId, SegmentWriter, WriteError};
///
/// /// What a simulator stores with each of its ticks.
/// fn store<I: NumberId>(vpp: &mut SegmentWriter, numbers: &[(I, u64)]) -> Result<(), WriteError> {
///     numbers.iter().try_for_each(|(id, value)| vpp.set_number(*id, *value))
/// }
///
/// let (vectors, input) = (vpp.add_gauge("/sys/vector_rate", 0)?, vpp.add_gauge("/sys/input_rate", 0)?);
/// store(&mut vpp, &[(vectors, 12), (input, 3_000)])?;
/// assert_eq!(segment.gauge("/sys/input_rate").value()?, Some(3_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait NumberId: EntryId {}

#[allow(unnameable_types)] // of no use outside
/// Place of an entry, and which of the entries that were there it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Key {
    pub(super) index: u32,
    pub(super) generation: u64,
}

macro_rules! ids {
    ($(#[$first:meta] $(#[$rest:meta])* $name:ident: $kind:ident;)*) => {$(
        #[$first]
        ///
        /// Once the entry is removed every use of it is [`WriteError::Stale`](super::WriteError::Stale).
        $(#[$rest])*
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
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::writer::{ScalarId, WriteError};
    ///
    /// let updated: ScalarId = vpp.add_scalar("/sys/last_update", 0)?;
    /// vpp.set_scalar(updated, 30)?;
    /// assert_eq!(segment.scalar("/sys/last_update").value()?, Some(30));
    /// vpp.remove(updated)?;
    /// assert_eq!(vpp.set_scalar(updated, 40), Err(WriteError::Stale));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ScalarId: Scalar;
    /// Names a gauge.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::writer::GaugeId;
    ///
    /// let vectors: GaugeId = vpp.add_gauge("/sys/vector_rate", 12)?;
    /// vpp.set_gauge(vectors, 3)?; // it may fall
    /// assert_eq!(segment.gauge("/sys/vector_rate").value()?, Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    GaugeId: Gauge;
    /// Names a simple counter.
    ///
    /// ```
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::writer::{SegmentWriter, SimpleId, WriteError};
    ///
    /// /// What a simulator keeps of its interfaces.
    /// struct Interfaces {
    ///     drops: SimpleId,
    /// }
    ///
    /// impl Interfaces {
    ///     fn drop_packet(&self, vpp: &mut SegmentWriter, worker: usize, interface: usize) -> Result<(), WriteError> {
    ///         vpp.add(self.drops, worker, interface, 1)
    ///     }
    /// }
    ///
    /// let interfaces = Interfaces { drops: vpp.add_simple("/if/drops", 2, 3)? };
    /// interfaces.drop_packet(&mut vpp, 1, 2)?;
    /// assert_eq!(segment.simple("/if/drops").sum(2)?, Some(1));
    /// let beyond = WriteError::NoCell { thread: 2, column: 2 };
    /// assert_eq!(interfaces.drop_packet(&mut vpp, 2, 2), Err(beyond));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    SimpleId: Simple;
    /// Names a combined counter.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::CombinedCounter;
    /// use vpp_stats::writer::CombinedId;
    ///
    /// let routes: CombinedId = vpp.add_combined("/net/route/to", 2, 10)?;
    /// vpp.add(routes, 1, 7, CombinedCounter { packets: 2, bytes: 120 })?;
    /// vpp.add(routes, 1, 7, CombinedCounter { packets: 1, bytes: 60 })?;
    /// assert_eq!(vpp.get(routes, 1, 7)?, CombinedCounter { packets: 3, bytes: 180 });
    /// // The route is deleted, and the next one gets its column.
    /// vpp.set(routes, 1, 7, CombinedCounter::default())?;
    /// assert_eq!(segment.combined("/net/route/to").sum(7)?, Some(CombinedCounter::default()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    CombinedId: Combined;
    /// Names a name vector.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::Value;
    /// use vpp_stats::writer::NamesId;
    ///
    /// let names: NamesId = vpp.add_names("/if/names", &[Some("local0"), Some("tap0")])?;
    /// // The interface is renamed.
    /// vpp.set_name(names, 1, Some("uplink"))?;
    /// assert_eq!(
    ///     segment.value("/if/names")?,
    ///     Some(Value::Names(vec![Some("local0".to_owned()), Some("uplink".to_owned())])),
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    NamesId: Names;
    /// Names a symlink.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::writer::SymlinkId;
    ///
    /// let drops = vpp.add_simple("/if/drops", 2, 3)?;
    /// let link: SymlinkId = vpp.add_symlink("/interfaces/tap0/drops", drops, 2)?;
    /// // The interface is renamed. Readers see one of the two names.
    /// vpp.update(|vpp| {
    ///     vpp.remove(link)?;
    ///     vpp.add_symlink("/interfaces/uplink/drops", drops, 2)
    /// })?;
    /// assert_eq!(segment.names()?[4..], ["/interfaces/uplink/drops"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    SymlinkId: Symlink;
    /// Names a histogram.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::Value;
    /// use vpp_stats::writer::HistogramId;
    ///
    /// // Bins for values up to 2,047, up to 4,095, and the rest.
    /// let latency: HistogramId = vpp.add_histogram("/latency", 1, 10, 3)?;
    /// vpp.add_to_bin(latency, 0, 1, 5)?;
    /// match segment.value("/latency")? {
    ///     Some(Value::Histogram(rows)) => assert_eq!(rows[0].bins, [0, 5, 0]),
    ///     other => panic!("it holds {other:?}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    HistogramId: Histogram;
    /// Names a ring buffer.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::writer::{RingId, WriteError};
    ///
    /// let events: RingId = vpp.add_ring_buffer("/events", 1, 4, 4, b"u32")?;
    /// vpp.push(events, 0, &7_u32.to_le_bytes())?;
    /// let mut seen = vec![];
    /// segment.ring("/events").read(0, |_, entry| seen.extend_from_slice(entry))?;
    /// assert_eq!(seen, 7_u32.to_le_bytes());
    /// assert_eq!(vpp.push(events, 1, &[0; 4]), Err(WriteError::NoCell { thread: 1, column: 0 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
