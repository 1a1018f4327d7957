use crate::error::StatsError;
use crate::map::Map;

/// The only version of the layout that this crate reads, VPP 20.09 and later.
pub(crate) const VERSION: u64 = 2;
/// No object of VPP's heap begins before this offset: the header has the first page for itself.
pub(crate) const HEAP_START: u64 = 4096;

/// The shared header as it was at one moment.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// let before = segment.header()?;
/// vpp.add_gauge("/sys/num_worker_threads", 1)?;
/// assert_eq!(segment.header()?.epoch, before.epoch + 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: `vlib_stats_shared_header_t`, VPP `src/vlib/stats/shared.h`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Header {
    /// Version of the layout, 2.
    pub version: u64,
    /// Address of the segment inside VPP; pointers in the segment are relative to it.
    pub base: u64,
    /// Changes of the directory so far; starts at 1.
    pub epoch: u64,
    /// Whether VPP is changing the directory at this moment.
    pub in_progress: bool,
    /// Address of the directory inside VPP; 0 for none.
    pub directory: u64,
}

/// The words of the header, in the order in which they lie at the start of the segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Control {
    Version = 0,
    Base = 1,
    Epoch = 2,
    InProgress = 3,
    Directory = 4,
    /// Zero, but a pointer in the releases 20.09 to 22.02.
    Errors = 5,
}

impl Header {
    /// Reads the five words one after another; they may belong to different moments.
    pub(crate) fn read(map: &Map) -> Result<Self, StatsError> {
        let word = |control| map.control(control).ok_or(StatsError::Truncated { size: map.len() });
        Ok(Self {
            version: word(Control::Version)?,
            base: word(Control::Base)?,
            epoch: word(Control::Epoch)?,
            in_progress: word(Control::InProgress)? != 0,
            directory: word(Control::Directory)?,
        })
    }
}

/// Refuses a segment whose layout or numbering is not known.
pub(crate) fn check(map: &Map) -> Result<(), StatsError> {
    let size = map.len();
    if size < HEAP_START {
        return Err(StatsError::Truncated { size });
    }
    let word = |control| map.control(control).ok_or(StatsError::Truncated { size });
    match (word(Control::Version)?, word(Control::Errors)?) {
        (VERSION, 0) => Ok(()),
        (VERSION, _) => Err(StatsError::OldNumbering),
        (version, _) => Err(StatsError::UnknownVersion(version)),
    }
}
