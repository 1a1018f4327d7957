//! Going over from one configuration to another, the first one included.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::{Actual, Control, Dataplane};
use crate::fleet::BY_CONFIGURATION;
use crate::frontend::{Frontend, Leaving, Row, Slot};
use crate::pools::Decision;
use crate::{
    Admission, BackendId, BackendOverride, BackendSpec, Event, FrontendSpec, FrontendState, Hold, MemberKey, Occasion,
    Place, Program, Restored, Spec, Weight,
};

impl Control {
    pub(super) fn configure(
        &mut self,
        now: Instant,
        wall: SystemTime,
        spec: &Spec,
        occasion: Occasion,
        actual: &Actual<'_>,
    ) {
        let before = Before {
            incident: self.fleet.last_incident(),
            backends: self
                .fleet
                .backends()
                .map(|backend| {
                    let held = backend.hold().is_held();
                    (backend.id(), (backend.address(), held))
                })
                .collect(),
        };
        self.keep_overrides(spec);
        self.remove_backends(wall, spec);
        self.configure_backends(now, wall, spec, occasion);
        self.configure_frontends(spec, &before);
        self.settle_holds(wall, actual);
        self.absorb();
        self.refresh_all();
        self.dirty = (0..self.frontends.len()).collect();
    }

    /// Drops overrides whose target is gone, and warns of those under which the configuration changed.
    fn keep_overrides(&mut self, spec: &Spec) {
        let backends: HashMap<&str, &BackendSpec> =
            spec.backends().iter().map(|backend| (&*backend.name, backend)).collect();
        let (fleet, names, events) = (&self.fleet, &self.names, &mut self.events);
        self.overrides.backends.retain(|name, &mut kept| {
            let Some(new) = backends.get(&**name) else {
                events.push_back(Event::BackendOverrideDropped { backend: name.clone(), dropped: kept });
                return false;
            };
            let old = names.get(name).and_then(|&id| fleet.backend(id));
            if old.is_some_and(|old| old.spec().enabled != new.enabled) {
                events.push_back(Event::BackendOverrideKept { backend: name.clone(), kept, enabled: new.enabled });
            }
            true
        });
        let frontends: HashMap<&str, &FrontendSpec> =
            spec.frontends().iter().map(|frontend| (&*frontend.name, frontend)).collect();
        let before: HashMap<&str, &FrontendSpec> =
            self.frontends.iter().map(|frontend| (&*frontend.spec.name, &frontend.spec)).collect();
        let weight_in = |frontends: &HashMap<&str, &FrontendSpec>, member: &MemberKey| {
            frontends.get(&*member.frontend)?.weight(&member.pool, &member.backend)
        };
        self.overrides.weights.retain(|member, &mut kept| {
            let Some(configured) = weight_in(&frontends, member) else {
                events.push_back(Event::WeightOverrideDropped { member: member.clone(), dropped: kept });
                return false;
            };
            if let Some(before) = weight_in(&before, member)
                && before != configured
            {
                events.push_back(Event::WeightOverrideKept { member: member.clone(), kept, before, configured });
            }
            true
        });
    }

    fn remove_backends(&mut self, wall: SystemTime, spec: &Spec) {
        let stay: BTreeSet<&str> = spec.backends().iter().map(|backend| &*backend.name).collect();
        for &id in &self.order {
            let gone = self.fleet.backend(id).is_some_and(|backend| !stay.contains(&**backend.name()));
            if gone {
                self.fleet.remove(wall, id);
            }
        }
    }

    fn configure_backends(&mut self, now: Instant, wall: SystemTime, spec: &Spec, occasion: Occasion) {
        let hold = match self.dataplane {
            Dataplane::Absent => Hold::None,
            Dataplane::Present => Hold::Pending,
        };
        let overrides = self.overrides.backends.clone();
        let overridden = |backend: &BackendSpec| overrides.get(&backend.name).copied();
        let places = places(spec.backends(), overridden);
        let mut names = HashMap::new();
        self.order.clear();
        for (backend, place) in spec.backends().iter().zip(places) {
            let id = match self.names.get(&backend.name) {
                Some(&id) => {
                    let decided = overridden(backend).is_some();
                    self.configure_backend(now, wall, id, backend, decided, (hold, place));
                    id
                }
                None => {
                    let admission = Admission { occasion, restored: overridden(backend).map(restored), hold, place };
                    self.fleet.insert(now, wall, backend.clone(), admission)
                }
            };
            names.insert(backend.name.clone(), id);
            self.order.push(id);
        }
        self.names = names;
    }

    /// Brings a backend that stays from its old configuration to `new`.
    fn configure_backend(
        &mut self,
        now: Instant,
        wall: SystemTime,
        id: BackendId,
        new: &BackendSpec,
        overridden: bool,
        (hold, place): (Hold, Place),
    ) {
        let Some(old) = self.fleet.backend(id) else {
            return;
        };
        let old = old.spec().clone();
        let switched = old.enabled != new.enabled && !overridden;
        // Out first and in last, so that a check that changes meanwhile makes no stir. Neither can be refused.
        if switched && !new.enabled {
            let _ = self.fleet.disable(wall, id, BY_CONFIGURATION);
        }
        let same_check = match (&old.check, &new.check) {
            (Some(old), Some(new)) => old.asks_as(new),
            (old, new) => old == new,
        };
        if old.address != new.address || !same_check {
            self.fleet.restart(now, wall, id, new.clone(), hold, place);
        } else {
            self.fleet.update(id, new.clone());
        }
        if switched && new.enabled {
            let _ = self.fleet.enable(now, wall, id, BY_CONFIGURATION);
        }
    }

    fn configure_frontends(&mut self, spec: &Spec, before: &Before) {
        let old = std::mem::take(&mut self.frontends);
        let states: HashMap<&str, FrontendState> =
            old.iter().map(|frontend| (&*frontend.spec.name, frontend.state())).collect();
        let by_vip: HashMap<&str, &Frontend> = old.iter().map(|frontend| (&*frontend.spec.vip, frontend)).collect();
        self.users.clear();
        self.frontend_names.clear();
        for (index, spec) in spec.frontends().iter().enumerate() {
            let state = states.get(&*spec.name).copied().unwrap_or_default();
            let old = by_vip.get(&*spec.vip).copied();
            let frontend = self.build_frontend(spec, state, old, before);
            for &id in frontend.slots.keys() {
                self.users.entry(id).or_default().push(index);
            }
            self.frontend_names.insert(spec.name.clone(), index);
            self.frontends.push(frontend);
        }
    }

    fn build_frontend(
        &self,
        spec: &FrontendSpec,
        state: FrontendState,
        old: Option<&Frontend>,
        before: &Before,
    ) -> Frontend {
        let row = |pool: &Arc<str>, backend: &Arc<str>, configured: Weight| {
            let key = MemberKey { frontend: spec.name.clone(), pool: pool.clone(), backend: backend.clone() };
            Some(Row {
                backend: *self.names.get(backend)?,
                configured,
                overridden: self.overrides.weights.get(&key).copied(),
            })
        };
        let rows: Vec<Vec<Row>> = spec
            .pools
            .iter()
            .map(|pool| {
                let members = pool.members.iter();
                // `Spec::new` has seen that every name leads somewhere.
                members.filter_map(|member| row(&pool.name, &member.backend, member.weight)).collect()
            })
            .collect();
        let ids: BTreeSet<BackendId> = rows.iter().flatten().map(|row| row.backend).collect();
        let addresses: BTreeSet<IpAddr> =
            ids.iter().filter_map(|&id| Some(self.fleet.backend(id)?.address())).collect();
        let slots = ids
            .into_iter()
            .map(|id| {
                let old = old.and_then(|old| old.slots.get(&id));
                (id, self.build_slot(id, old, before, &addresses))
            })
            .collect();
        Frontend {
            spec: spec.clone(),
            rows,
            slots,
            down_floor: match old {
                Some(old) if old.spec.flush_on_down => old.down_floor,
                Some(_) => before.incident,
                None => 0,
            },
            decision: Decision { active_pool: 0, weights: Vec::new(), state },
            program: Arc::new(Program { state, ..Program::default() }),
        }
    }

    /// What a backend has in a VIP, given what it had there (`old`).
    fn build_slot(&self, id: BackendId, old: Option<&Slot>, before: &Before, in_use: &BTreeSet<IpAddr>) -> Slot {
        let fresh = Slot { flush_floor: before.incident, ..Slot::default() };
        let (Some(old), Some(&(address, was_held)), Some(backend)) =
            (old, before.backends.get(&id), self.fleet.backend(id))
        else {
            return fresh;
        };
        let stays = backend.address() == address;
        let mut slot = Slot { flush_floor: if stays { old.flush_floor } else { before.incident }, ..Slot::default() };
        if !backend.hold().is_held() {
            return slot;
        }
        if was_held {
            slot.leaving.clone_from(&old.leaving);
        }
        match (stays, was_held) {
            (true, true) => slot.held = old.held,
            (true, false) => {}
            (false, _) => slot.leaving.push(Leaving { address, weight: old.held.filter(|_| was_held) }),
        }
        // An address that somebody has in this VIP is that backend's affair, also if it is this one, come back.
        slot.leaving.retain(|leaving| !in_use.contains(&leaving.address));
        slot
    }
}

/// What must be known of the time before.
struct Before {
    /// The newest incident.
    incident: u64,
    /// Addresses, and whether the backend was held.
    backends: HashMap<BackendId, (IpAddr, bool)>,
}

/// Each backend's place: those that are probed share the time evenly, in configuration order.
fn places(backends: &[BackendSpec], overridden: impl Fn(&BackendSpec) -> Option<BackendOverride>) -> Vec<Place> {
    let probed = |backend: &BackendSpec| {
        let enabled = match overridden(backend) {
            Some(BackendOverride::Enabled) => true,
            Some(BackendOverride::Paused | BackendOverride::Disabled) => false,
            None => backend.enabled,
        };
        enabled && backend.check.is_some()
    };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let total = count(backends.iter().filter(|backend| probed(backend)).count());
    let all = count(backends.len());
    let mut position = 0;
    backends
        .iter()
        .zip(0..)
        .map(|(backend, index)| {
            if probed(backend) {
                position += 1;
                Place::new(position - 1, total)
            } else {
                // Not probed now; if that changes, it comes in between the others.
                Place::new(index, all)
            }
        })
        .collect()
}

fn restored(overridden: BackendOverride) -> Restored {
    match overridden {
        BackendOverride::Paused => Restored::Paused,
        BackendOverride::Disabled => Restored::Disabled,
        BackendOverride::Enabled => Restored::Enabled,
    }
}
