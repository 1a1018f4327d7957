//! What a connection keeps of its calls.

use bytes::Bytes;

/// A call that VPP has not answered yet.
#[derive(Debug)]
pub(super) struct Call<T> {
    pub(super) message: &'static str,
    /// The reply; for a dump that of the ping behind it.
    pub(super) answer_id: u16,
    pub(super) details: Option<Details>,
    pub(super) tag: T,
}

/// What has come of a dump or get.
#[derive(Debug)]
pub(super) struct Details {
    pub(super) id: u16,
    /// Those that nobody has taken yet.
    pub(super) bodies: Vec<Bytes>,
    /// Whether the owner wants to hear of the first of them.
    pub(super) announce: bool,
}

impl Details {
    pub(super) fn of(id: u16) -> Self {
        Self { id, bodies: Vec::new(), announce: false }
    }
}
