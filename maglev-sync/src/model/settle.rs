//! What an acknowledged call does to the model.

use super::{Actual, ActualAs, ActualLength, ActualVip};
use crate::call::Call;

impl Actual {
    /// Carries out what VPP acknowledged.
    pub(crate) fn settle(&mut self, call: &Call) {
        match *call {
            Call::Conf(update) => {
                self.conf.ip4_src = update.ip4_src;
                self.conf.ip6_src = update.ip6_src;
                if let Some(buckets) = update.sticky_buckets {
                    self.conf.sticky_buckets_per_core = Some(buckets.get());
                }
                if let Some(timeout) = update.flow_timeout {
                    self.conf.flow_timeout = Some(timeout.as_secs());
                }
            }
            Call::VipAdd { key, encap, table_length, src_ip_sticky } => {
                let vip = ActualVip {
                    encap: encap.into(),
                    src_ip_sticky: Some(src_ip_sticky),
                    table_length: ActualLength::Whole(table_length.get()),
                    pool_index: None,
                    ases: Default::default(),
                    lingering: Default::default(),
                };
                self.vips.insert(key, vip);
            }
            Call::VipDel(key) => {
                self.vips.remove(&key);
            }
            Call::AsAdd { key, address, weight } => {
                if let Some(vip) = self.vips.get_mut(&key) {
                    // A removed server comes back with its old flows (VPP src/plugins/lb/lb.c, lb_vip_add_ass).
                    let revived = vip.lingering.remove(&address);
                    let never_raised = weight.is_zero() && !revived;
                    vip.ases.insert(address, ActualAs { weight: weight.get(), never_raised });
                }
            }
            Call::AsDel { key, address, flush } => {
                if let Some(vip) = self.vips.get_mut(&key) {
                    vip.ases.remove(&address);
                    if flush {
                        vip.lingering.remove(&address);
                    } else {
                        vip.lingering.insert(address);
                    }
                }
            }
            Call::AsSetWeight { key, address, weight, .. } => {
                let server = self.vips.get_mut(&key).and_then(|vip| vip.ases.get_mut(&address));
                if let Some(server) = server {
                    server.weight = weight.get();
                    server.never_raised &= weight.is_zero();
                }
            }
            Call::ConfGet | Call::VipDump | Call::AsDump(_) | Call::Verbose | Call::Route(_) => {}
        }
    }
}
