use std::collections::BTreeSet;

use maglev_health::BackendId;

/// What a new snapshot has to show anew.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// Positions of backends.
    pub(crate) backends: BTreeSet<BackendId>,
    /// Positions of frontends.
    pub(crate) frontends: BTreeSet<usize>,
    /// Everything, lists included.
    pub(crate) all: bool,
    /// A state changed: worth showing at once.
    pub(crate) urgent: bool,
    /// Indices into the stats segment, or flows.
    pub(crate) indices: bool,
    /// VPP has answered: something may have been compared.
    pub(crate) answered: bool,
    /// The reconciler had something to say.
    pub(crate) told: bool,
}

impl Changed {
    /// Whether there is anything new.
    pub(crate) fn any(&self) -> bool {
        self.all
            || self.urgent
            || self.answered
            || self.indices
            || !self.backends.is_empty()
            || !self.frontends.is_empty()
    }
}
