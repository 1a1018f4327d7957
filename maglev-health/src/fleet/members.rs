use super::Member;
use crate::BackendId;

/// The backends of a fleet, in the order of joining.
///
/// Numbers only grow, and but for those who left they are dense: a backend lies as far from the first as their numbers differ, or a
/// little closer. Removing one moves what lies behind it, 16 bytes each.
#[derive(Clone, Debug, Default)]
pub(super) struct Members(Vec<(BackendId, Box<Member>)>);

impl Members {
    pub(super) fn get(&self, id: BackendId) -> Option<&Member> {
        self.place(id).map(|place| &*self.0[place].1)
    }

    pub(super) fn get_mut(&mut self, id: BackendId) -> Option<&mut Member> {
        self.place(id).map(|place| &mut *self.0[place].1)
    }

    /// Adds one whose number is above all others.
    pub(super) fn push(&mut self, id: BackendId, member: Member) {
        debug_assert!(self.0.last().is_none_or(|(last, _)| *last < id));
        self.0.push((id, Box::new(member)));
    }

    pub(super) fn remove(&mut self, id: BackendId) -> Option<Box<Member>> {
        self.place(id).map(|place| self.0.remove(place).1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (BackendId, &Member)> {
        self.0.iter().map(|(id, member)| (*id, &**member))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.0.iter_mut().map(|(_, member)| &mut **member)
    }

    fn place(&self, id: BackendId) -> Option<usize> {
        let (first, _) = self.0.first()?;
        let distance = usize::try_from(id.0.checked_sub(first.0)?).ok()?;
        match self.0.get(distance) {
            Some((there, _)) if *there == id => Some(distance),
            _ => self.0[..self.0.len().min(distance)].binary_search_by_key(&id, |(id, _)| *id).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::{Instant, SystemTime};

    use proptest::prelude::*;

    use super::*;
    use crate::backend::Backend;
    use crate::schedule::Place;
    use crate::{BackendSpec, FleetOptions};

    #[expect(clippy::disallowed_methods, reason = "an `Instant` has no other origin")]
    fn member() -> Member {
        let spec = BackendSpec {
            name: Arc::from("a"),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            check: None,
            enabled: true,
        };
        Member {
            backend: Backend::new(None, true, FleetOptions::default().history, SystemTime::UNIX_EPOCH),
            spec,
            planned: Instant::now(),
            timer: None,
            under_way: None,
            place: Place::ONLY,
            off_phase: true,
            last: None,
            agent: None,
            suppressed_until: None,
        }
    }

    proptest! {
        #[test]
        fn whoever_is_there_is_found_and_nobody_else(
            total in 0..40_u64,
            gone in prop::collection::vec(0..45_u64, 0..40),
        ) {
            let (mut members, mut model) = (Members::default(), BTreeSet::new());
            for number in 1..=total {
                members.push(BackendId(number), member());
                model.insert(number);
            }
            for number in gone {
                prop_assert_eq!(members.remove(BackendId(number)).is_some(), model.remove(&number));
                for number in 0..50 {
                    prop_assert_eq!(members.get(BackendId(number)).is_some(), model.contains(&number), "{}", number);
                    prop_assert_eq!(members.get_mut(BackendId(number)).is_some(), model.contains(&number));
                }
                prop_assert!(members.iter().map(|(id, _)| id.0).eq(model.iter().copied()));
            }
        }
    }
}
