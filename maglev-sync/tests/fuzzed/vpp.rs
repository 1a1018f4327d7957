//! A VPP small enough to be read: its lb plugin as the reference describes it, without time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use maglev_sync::{
    Abilities, Actual, ActualAs, ActualEncap, ActualLength, ActualVip, Call, Desired, LbConf, VipKey, Weight,
};

#[derive(Clone, Debug, Default)]
pub(super) struct Vpp {
    pub(super) abilities: Abilities,
    pub(super) conf: LbConf,
    pub(super) vips: BTreeMap<VipKey, Vip>,
}

#[derive(Clone, Debug)]
pub(super) struct Vip {
    pub(super) encap: ActualEncap,
    pub(super) length: u32,
    pub(super) sticky: bool,
    /// Weights of the servers in use, 1 for each where VPP has no weights.
    pub(super) ases: BTreeMap<IpAddr, u8>,
    /// Servers that were removed and linger.
    pub(super) removed: BTreeSet<IpAddr>,
}

impl Vip {
    pub(super) fn new(encap: ActualEncap, length: u32, sticky: bool) -> Self {
        Self { encap, length, sticky, ases: BTreeMap::new(), removed: BTreeSet::new() }
    }

    /// Whether new flows find a server.
    pub(super) fn serves(&self) -> bool {
        self.ases.values().any(|weight| *weight > 0)
    }
}

impl Vpp {
    /// One that holds nothing.
    pub(super) fn able(abilities: Abilities) -> Self {
        Self { abilities, ..Self::default() }
    }

    /// Carries out a write, or refuses it with VPP's error number. Where VPP has no weights it does what a
    /// [`maglev_sync::Dataplane`] makes of the call there.
    pub(super) fn write(&mut self, call: &Call) -> Result<(), i32> {
        if self.abilities.weights { self.carry_out(call) } else { self.carry_out_without_weights(call) }
    }

    /// Weight 1 is an addition, weight 0 a deletion; what is so already is done.
    fn carry_out_without_weights(&mut self, call: &Call) -> Result<(), i32> {
        let (key, address, weight, flush) = match *call {
            // VPP is not even asked.
            Call::AsAdd { weight: Weight::ZERO, .. } => return Ok(()),
            Call::AsAdd { key, address, weight } => (key, address, weight, false),
            Call::AsSetWeight { key, address, weight, flush } => (key, address, weight, flush),
            Call::AsDel { key, address, flush } => (key, address, Weight::ZERO, flush),
            _ => return self.carry_out(call),
        };
        assert!(weight.get() <= IN_USE, "{call}: this VPP has no weights");
        let (is_so, call) = if weight.is_zero() {
            (NO_SUCH_ENTRY, Call::AsDel { key, address, flush })
        } else {
            (VALUE_EXIST, Call::AsAdd { key, address, weight })
        };
        match self.carry_out(&call) {
            Err(retval) if retval == is_so => Ok(()),
            reply => reply,
        }
    }

    fn carry_out(&mut self, call: &Call) -> Result<(), i32> {
        match *call {
            Call::Conf(update) => {
                (self.conf.ip4_src, self.conf.ip6_src) = (update.ip4_src, update.ip6_src);
                if let Some(buckets) = update.sticky_buckets {
                    self.conf.sticky_buckets_per_core = Some(buckets.get());
                }
                if let Some(timeout) = update.flow_timeout {
                    self.conf.flow_timeout = Some(timeout.as_secs());
                }
            }
            Call::VipAdd { key, encap, table_length, src_ip_sticky } => {
                self.may_add(&key, encap.into())?;
                self.vips.insert(key, Vip::new(encap.into(), table_length.get(), src_ip_sticky));
            }
            Call::VipDel(key) => {
                self.vips.remove(&key).ok_or(NO_SUCH_ENTRY)?;
            }
            Call::AsAdd { key, address, weight } => {
                let is_vip = self.vips.keys().any(|vip| vip.prefix().contains(&address));
                assert!(!is_vip, "a server that is a VIP kills VPP: {call}");
                let vip = self.vip(&key)?;
                if !matches!(vip.encap, ActualEncap::Gre(encap) if encap.reaches(address)) {
                    return Err(WRONG_FAMILY);
                }
                if vip.ases.contains_key(&address) {
                    return Err(VALUE_EXIST);
                }
                vip.removed.remove(&address);
                vip.ases.insert(address, weight.get());
            }
            Call::AsDel { key, address, .. } => {
                let vip = self.vip(&key)?;
                if vip.ases.remove(&address).is_none() && !vip.removed.contains(&address) {
                    return Err(NO_SUCH_ENTRY);
                }
                vip.removed.insert(address);
            }
            Call::AsSetWeight { key, address, weight, .. } => {
                *self.vip(&key)?.ases.get_mut(&address).ok_or(NO_SUCH_ENTRY)? = weight.get();
            }
            Call::ConfGet | Call::VipDump | Call::AsDump(_) | Call::Verbose | Call::Route(_) => {
                panic!("{call} is no write");
            }
        }
        Ok(())
    }

    /// Whether a VIP may stand beside the others.
    pub(super) fn may_add(&self, key: &VipKey, encap: ActualEncap) -> Result<(), i32> {
        for (other, vip) in self.vips.iter().filter(|(other, _)| other.prefix() == key.prefix()) {
            if other == key || other.is_all_port() != key.is_all_port() {
                return Err(VALUE_EXIST);
            }
            if vip.encap != encap {
                return Err(INVALID_ARGUMENT);
            }
        }
        Ok(())
    }

    pub(super) fn serves(&self, key: &VipKey) -> bool {
        self.vips.get(key).is_some_and(Vip::serves)
    }

    /// What it holds, whole, or as far as its dumps tell.
    pub(super) fn actual(&self, whole: bool) -> Actual {
        let server = |(&address, &weight): (&IpAddr, &u8)| (address, ActualAs { weight, never_raised: false });
        let vip = |(&key, vip): (&VipKey, &Vip)| {
            let actual = ActualVip {
                encap: vip.encap,
                src_ip_sticky: whole.then_some(vip.sticky),
                table_length: if whole {
                    ActualLength::Whole(vip.length)
                } else {
                    ActualLength::Low16(vip.length as u16)
                },
                pool_index: None,
                ases: vip.ases.iter().map(server).collect(),
                lingering: vip.removed.clone(),
            };
            (key, actual)
        };
        Actual { abilities: self.abilities, conf: self.conf, vips: self.vips.iter().map(vip).collect() }
    }

    /// The same, as it is read for the sake of this desired state.
    pub(super) fn read_for(&self, desired: &Desired, whole: bool) -> Actual {
        let mut actual = self.actual(whole);
        actual.complete(desired);
        actual
    }

    fn vip(&mut self, key: &VipKey) -> Result<&mut Vip, i32> {
        self.vips.get_mut(key).ok_or(NO_SUCH_ENTRY)
    }
}

/// The weight of a server in use where VPP has no weights.
pub(super) const IN_USE: u8 = 1;

const NO_SUCH_ENTRY: i32 = -6;
const INVALID_ARGUMENT: i32 = -73;
const VALUE_EXIST: i32 = -81;
const WRONG_FAMILY: i32 = -97;
