//! From VPP's dumps to the model.

use std::collections::{BTreeMap, BTreeSet};

use super::{Abilities, Actual, ActualAs, ActualLength, ActualVip, LbConf};
use crate::call::{AsRow, VipRow};

impl Actual {
    /// The model that these dumps describe.
    pub(crate) fn from_dumps(abilities: Abilities, conf: LbConf, vips: &[VipRow], ases: &[AsRow]) -> Self {
        let vips = vips.iter().map(|row| (row.key, ActualVip::listed(row))).collect();
        let mut actual = Self { abilities, conf, vips };
        for row in ases {
            // Rows of a removed VIP carry the key of the VIP that was added again.
            if let Some(vip) = actual.vips.get_mut(&row.key) {
                vip.add_row(row, abilities);
            }
        }
        actual
    }
}

impl ActualVip {
    /// A VIP as the dump lists it; its servers come separately.
    pub(crate) fn listed(row: &VipRow) -> Self {
        Self {
            encap: row.encap,
            src_ip_sticky: None,
            table_length: ActualLength::Low16(row.table_length),
            pool_index: None,
            ases: BTreeMap::new(),
            lingering: BTreeSet::new(),
        }
    }

    /// A server as the dump lists it. One that is in use beats a removed namesake, which belongs to a removed VIP.
    pub(crate) fn add_row(&mut self, row: &AsRow, abilities: Abilities) {
        if row.in_use {
            self.lingering.remove(&row.address);
            self.ases.insert(row.address, ActualAs { weight: abilities.in_use(row.weight), never_raised: false });
        } else if !self.ases.contains_key(&row.address) {
            self.lingering.insert(row.address);
        }
    }
}
