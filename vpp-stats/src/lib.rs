#![cfg_attr(feature = "writer", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "writer"), doc = "Reader of FD.io VPP's stats segment without copies.")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(all(target_os = "linux", target_endian = "little", target_pointer_width = "64")))]
compile_error!("VPP's stats segment is read as it lies in memory: 64-bit little-endian Linux only");

mod cell;
mod connect;
mod counter;
mod directory;
mod epoch;
mod error;
mod frame;
mod handle;
mod header;
#[allow(unsafe_code)]
mod map;
mod name;
mod pattern;
mod rate;
mod ring;
mod segment;
mod selection;
mod source;
mod value;
mod view;
#[cfg(feature = "writer")]
pub mod writer;

pub use crate::cell::Cell;
pub use crate::connect::DEFAULT_TIMEOUT;
pub use crate::counter::{CombinedHandle, CounterHandle, Presence, SimpleHandle};
pub use crate::directory::{Directory, DirectoryEntry, Entry, EntryKind};
pub use crate::epoch::Retries;
pub use crate::error::{ConnectError, Corruption, StatsError};
pub use crate::handle::{EntryHandle, ScalarHandle};
pub use crate::header::Header;
pub use crate::name::EntryName;
pub use crate::pattern::Pattern;
#[cfg(feature = "regex")]
pub use crate::pattern::PatternError;
pub use crate::rate::{CombinedRate, Life, LifeHandle, Meter};
pub use crate::ring::{RingHandle, RingPass};
pub use crate::segment::Segment;
pub use crate::selection::{SelectedEntries, SelectedEntry, Selection};
pub use crate::source::Source;
pub use crate::value::{Column, CombinedCounter, HistogramRow, RingBuffer, Value};
pub use crate::view::{
    ColumnView, HistogramRowView, HistogramView, LinkView, NameView, NamesView, RingCopy, RingThreadView, RingView,
    RowView, TableView, View,
};
