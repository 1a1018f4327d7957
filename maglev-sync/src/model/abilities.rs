//! What differs between releases of VPP.

use super::Weight;

/// What a VPP can do, as far as reconciliation depends on it. By default everything, as VPP 26.10 can.
///
/// It is one of three views: `vpp_api::release::Capabilities` tells which messages a VPP has, maglevd's `Can` what it makes of
/// them and shows to people, and this what plans depend on, whatever the dataplane is.
///
/// ```
/// use maglev_sync::{Abilities, Weight};
///
/// // VPP 24.06 to 26.06: a server is in use or it is not.
/// let mut old = Abilities::default();
/// old.weights = false;
/// assert_eq!(old.weight(Weight::MAX).get(), 1);
/// assert_eq!(old.weight(Weight::ZERO).get(), 0);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Abilities {
    /// Whether servers have weights.
    ///
    /// Without them each server in use counts as weight 1 (VPP up to 26.06, `src/plugins/lb/lb.c`, `lb_vip_update_new_flow_table`),
    /// and one that was deleted without flush keeps its flows and takes no new ones, as a server at weight 0 does. So every positive
    /// weight is 1 there, and weight 0 is "not in use".
    pub weights: bool,
    /// Whether flows can be hashed without ports. Where that cannot be trusted, a VIP that asks for it is left as it is.
    pub src_ip_sticky: bool,
}

/// What VPP 26.10 can do: everything.
impl Default for Abilities {
    fn default() -> Self {
        Self { weights: true, src_ip_sticky: true }
    }
}

impl Abilities {
    /// The weight that stands for the one wanted: the same, or 1 for every positive one.
    pub fn weight(self, wanted: Weight) -> Weight {
        if self.weights { wanted } else { wanted.min(Weight::ONE) }
    }

    /// The weight, 0..=255, of a server that VPP has in use.
    pub(crate) fn in_use(self, told: u8) -> u8 {
        if self.weights { told } else { Weight::ONE.get() }
    }

    /// What a weight in VPP means, 0..=255: without weights a server in use has its whole claim.
    pub(crate) fn meaning(self, weight: u8) -> u8 {
        if self.weights || weight == 0 { weight } else { Weight::MAX.get() }
    }
}
