use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::pools::{Decision, Member, Standing, decide};
use crate::{
    Actual, BackendId, Cut, Fleet, FlushOrder, FrontendSpec, FrontendState, Hold, Program, State, Target, Weight,
};

/// One VIP: its rows, what its backends hold in it, and the program that comes of both.
#[derive(Clone, Debug)]
pub(crate) struct Frontend {
    pub(crate) spec: FrontendSpec,
    /// Members, pool by pool.
    pub(crate) rows: Vec<Vec<Row>>,
    /// One for each backend, in however many pools it is.
    pub(crate) slots: BTreeMap<BackendId, Slot>,
    /// Incidents of `down` up to this number happened while `flush_on_down` was off: nothing is owed for them.
    pub(crate) down_floor: u64,
    pub(crate) decision: Decision,
    pub(crate) program: Arc<Program>,
}

/// A member of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) backend: BackendId,
    pub(crate) configured: Weight,
    pub(crate) overridden: Option<Weight>,
}

/// What one backend has in one VIP, as far as its state alone does not say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    /// What VPP had for its address when it became unknown; `None` until that was read. Means something only while
    /// the backend is held.
    pub(crate) held: Option<Weight>,
    /// Addresses that it had before and that serve until its verdict. Means something only while it is held.
    pub(crate) leaving: Vec<Leaving>,
    /// Incidents up to this number happened before this AS was in this VIP: nothing is owed for them.
    pub(crate) flush_floor: u64,
}

/// An address that a backend is moving away from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    pub(crate) address: IpAddr,
    /// `None` until VPP was read.
    pub(crate) weight: Option<Weight>,
}

impl Slot {
    /// What the backend holds here.
    pub(crate) fn hold(&self) -> Hold {
        let weights = || {
            let leaving = self.leaving.iter().map(|leaving| leaving.weight);
            leaving.chain([self.held])
        };
        if weights().flatten().any(Weight::is_positive) {
            Hold::Held { above_zero: true }
        } else if weights().any(|weight| weight.is_none()) {
            Hold::Pending
        } else {
            Hold::Held { above_zero: false }
        }
    }

    fn standing(&self, state: State, hold: Hold) -> Standing {
        match state {
            State::Up => Standing::Up,
            State::Down | State::Paused | State::Disabled | State::Removed => Standing::Out,
            State::Unknown if !hold.is_held() => Standing::Unknown,
            State::Unknown => match (self.hold(), self.held) {
                (Hold::Pending, _) | (_, None) => Standing::Pending,
                (_, Some(weight)) => Standing::Held {
                    weight,
                    leaving: self.leaving.iter().filter_map(|leaving| leaving.weight).max().unwrap_or_default(),
                },
            },
        }
    }

    /// Takes from VPP what is not known yet. An old address that VPP does not have is no longer of interest.
    fn read(&mut self, address: IpAddr, actual: impl Fn(IpAddr) -> Option<Weight>) {
        self.held.get_or_insert_with(|| actual(address).unwrap_or_default());
        self.leaving.retain_mut(|leaving| {
            leaving.weight = leaving.weight.or_else(|| actual(leaving.address));
            leaving.weight.is_some()
        });
    }
}

impl Frontend {
    /// Reads from VPP what held backends hold here, unless it was read before.
    pub(crate) fn read(&mut self, fleet: &Fleet, actual: &Actual<'_>) {
        for (&id, slot) in &mut self.slots {
            if let Some(backend) = fleet.backend(id)
                && backend.hold().is_held()
            {
                slot.read(backend.address(), |address| actual(&self.spec.name, address));
            }
        }
    }

    /// Decides anew. True if the program changed.
    pub(crate) fn refresh(&mut self, fleet: &Fleet) -> bool {
        let pools: Vec<Vec<Member>> =
            self.rows.iter().map(|rows| rows.iter().map(|row| self.member(fleet, row)).collect()).collect();
        self.decision = decide(&pools);
        let program = self.program(fleet, &pools);
        let changed = program != *self.program;
        if changed {
            self.program = Arc::new(program);
        }
        changed
    }

    pub(crate) fn state(&self) -> FrontendState {
        self.program.state
    }

    fn member(&self, fleet: &Fleet, row: &Row) -> Member {
        let standing = match (fleet.backend(row.backend), self.slots.get(&row.backend)) {
            (Some(backend), Some(slot)) => slot.standing(backend.state(), backend.hold()),
            _ => Standing::Out,
        };
        let agent = fleet.backend(row.backend).and_then(|backend| backend.agent());
        Member { standing, configured: row.configured, overridden: row.overridden, agent }
    }

    fn program(&self, fleet: &Fleet, pools: &[Vec<Member>]) -> Program {
        let mut program = Program {
            state: self.decision.state,
            active_pool: self.decision.active_pool,
            decided: true,
            ..Program::default()
        };
        let rows = self.rows.iter().flatten();
        let members = pools.iter().flatten();
        let weights = self.decision.weights.iter().flatten();
        for ((row, member), &weight) in rows.zip(members).zip(weights) {
            let Some(backend) = fleet.backend(row.backend) else {
                continue;
            };
            program.pending |= member.standing == Standing::Pending;
            // Whatever the verdict will be, an override to 0 makes it 0; only what is held may differ until then.
            program.decided &= !member.standing.is_unknown()
                || (member.overridden == Some(Weight::ZERO) && !member.standing.counts_as_up());
            let target = program
                .targets
                .entry(backend.address())
                .or_insert_with(|| self.target(fleet, row.backend, backend.state()));
            // In several pools: the active one's weight counts, and the others' are 0 (or the same, if it is held).
            target.weight = target.weight.max(weight);
        }
        for (&id, slot) in &self.slots {
            let held = fleet.backend(id).is_some_and(|backend| backend.hold().is_held());
            for leaving in slot.leaving.iter().filter(|_| held) {
                program.targets.entry(leaving.address).or_insert(Target {
                    weight: leaving.weight.unwrap_or_default(),
                    cut: Cut::Serving,
                    flush: None,
                });
            }
        }
        program
    }

    /// The target of a backend but for its weight.
    fn target(&self, fleet: &Fleet, id: BackendId, state: State) -> Target {
        let cut = match state {
            State::Down | State::Paused | State::Disabled | State::Removed => Cut::Urgent,
            State::Unknown | State::Up => Cut::Serving,
        };
        let floor = self.slots.get(&id).map_or(0, |slot| slot.flush_floor);
        let owed = match state {
            State::Down => self.spec.flush_on_down.then_some(self.down_floor.max(floor)),
            State::Disabled => Some(floor),
            State::Unknown | State::Up | State::Paused | State::Removed => None,
        };
        let flush = owed.and_then(|floor| {
            let incident = fleet.incident(id)?;
            (incident.number > floor).then_some(FlushOrder {
                incident: incident.number,
                first_verdict: incident.first_verdict,
                needs_server: state == State::Down,
            })
        });
        Target { weight: Weight::ZERO, cut, flush }
    }
}
