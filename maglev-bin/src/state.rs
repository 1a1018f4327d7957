//! What outlives the process: operators' overrides with who, when and why, and the VIPs that maglevd programmed.
//!
//! [`State`] is what the state file holds, and `format` how it reads there; both are pure. [`StateFile`] replaces the file whole, [`Writer`]
//! does so off the deciding task. [`Book`] is the daemon's own copy, kept in line with what is in force.

mod file;
mod format;
mod replace;
#[cfg(test)]
pub(crate) mod scratch;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use maglev_health::{BackendOverride, MemberKey, Overrides, Weight};
use maglev_sync::VipKey;

use crate::event::Text;

pub use file::{Held, Loaded, SaveError, StateFile, Trouble};
pub use format::FormatError;
pub use replace::Step;
pub use writer::{Saved, Saving, Writer};

/// What the state file holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// Overrides of backends' states, by backend.
    pub backends: BTreeMap<Text, Noted<BackendOverride>>,
    /// Overrides of weights, by place.
    pub weights: BTreeMap<MemberKey, Noted<Weight>>,
    /// VIPs that maglevd programmed: they go when they leave the config, whatever becomes of foreign ones.
    pub vips: BTreeSet<VipKey>,
}

/// An operator's decision, and what is known of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Noted<T> {
    /// What was decided.
    pub value: T,
    /// When, by whom and why.
    pub note: Note,
}

/// When something was decided, by whom and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// When, UTC.
    pub time: Timestamp,
    /// Who, as in the log: `cert:NAME`, `uid:N` or `addr:HOST:PORT`.
    pub who: Text,
    /// Why, in the operator's words; may be empty.
    pub reason: Text,
}

impl State {
    /// The overrides without their notes, as `Control` takes them at its start.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            backends: self.backends.iter().map(|(name, noted)| (name.clone(), noted.value)).collect(),
            weights: self.weights.iter().map(|(member, noted)| (member.clone(), noted.value)).collect(),
        }
    }
}

/// The newest [`State`], of which the values follow `Control` and the reconciler.
///
/// `Control` alone decides what is in force; the book adds the notes. It is never told of an action, only of what came of it: so the two
/// cannot drift apart, whichever path an override took.
#[derive(Clone, Debug, Default)]
pub struct Book {
    state: Arc<State>,
}

impl Book {
    /// A book that goes on from `state`.
    pub fn new(state: State) -> Self {
        Self { state: Arc::new(state) }
    }

    /// What is to be saved.
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Takes over what is in force after an action, a reload or the start; true if that is news to be saved.
    ///
    /// An override that is new or has another value carries `note` from now on. One that is as before keeps its own note, and one that is
    /// gone takes its note along.
    pub fn settle(&mut self, overrides: &Overrides, note: &Note) -> bool {
        if self.state.overrides() == *overrides {
            return false;
        }
        let state = Arc::make_mut(&mut self.state);
        settle(&mut state.backends, &overrides.backends, note);
        settle(&mut state.weights, &overrides.weights, note);
        true
    }

    /// Takes over which VIPs are ours; true if that is news to be saved.
    pub fn settle_vips(&mut self, vips: &BTreeSet<VipKey>) -> bool {
        if self.state.vips == *vips {
            return false;
        }
        Arc::make_mut(&mut self.state).vips.clone_from(vips);
        true
    }
}

fn settle<K: Clone + Ord, V: Copy + Eq>(noted: &mut BTreeMap<K, Noted<V>>, values: &BTreeMap<K, V>, note: &Note) {
    let mut before = std::mem::take(noted);
    noted.extend(values.iter().map(|(key, &value)| {
        let known = before.remove(key).filter(|known| known.value == value);
        (key.clone(), known.unwrap_or_else(|| Noted { value, note: note.clone() }))
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(who: &str) -> Note {
        Note { time: Timestamp::UNIX_EPOCH, who: who.into(), reason: "disk swap".into() }
    }

    fn member(backend: &str) -> MemberKey {
        MemberKey { frontend: "web".into(), pool: "primary".into(), backend: backend.into() }
    }

    fn who(book: &Book, backend: &str) -> Option<String> {
        Some(book.state().backends.get(backend)?.note.who.to_string())
    }

    #[test]
    fn an_override_keeps_the_note_of_the_action_that_made_it() {
        let (mut book, mut overrides) = (Book::default(), Overrides::default());
        overrides.backends.insert("web0".into(), BackendOverride::Paused);
        assert!(book.settle(&overrides, &note("uid:0")));
        overrides.backends.insert("web1".into(), BackendOverride::Disabled);
        assert!(book.settle(&overrides, &note("uid:7")));
        assert_eq!(who(&book, "web0").as_deref(), Some("uid:0"));
        assert_eq!(who(&book, "web1").as_deref(), Some("uid:7"));
        assert_eq!(book.state().overrides(), overrides);
    }

    #[test]
    fn another_value_is_another_decision() {
        let (mut book, mut overrides) = (Book::default(), Overrides::default());
        overrides.weights.insert(member("web0"), Weight::ZERO);
        book.settle(&overrides, &note("uid:0"));
        overrides.weights.insert(member("web0"), Weight::MAX);
        assert!(book.settle(&overrides, &note("uid:7")));
        assert_eq!(book.state().weights[&member("web0")], Noted { value: Weight::MAX, note: note("uid:7") });
    }

    #[test]
    fn an_override_that_is_gone_takes_its_note_along() {
        let (mut book, mut overrides) = (Book::default(), Overrides::default());
        overrides.backends.insert("web0".into(), BackendOverride::Disabled);
        overrides.weights.insert(member("web0"), Weight::ZERO);
        book.settle(&overrides, &note("uid:0"));
        assert!(book.settle(&Overrides::default(), &note("reload")));
        assert_eq!(**book.state(), State::default());
    }

    #[test]
    fn what_is_as_before_need_not_be_saved_and_disturbs_no_one_who_still_saves() {
        let (mut book, mut overrides) = (Book::default(), Overrides::default());
        overrides.backends.insert("web0".into(), BackendOverride::Disabled);
        book.settle(&overrides, &note("uid:0"));
        let saving = book.state().clone();
        assert!(!book.settle(&overrides, &note("uid:7")));
        assert!(Arc::ptr_eq(&saving, book.state()));
        let vips = BTreeSet::from([VipKey::host([192, 0, 2, 1].into(), maglev_sync::Protocol::TCP, 80)]);
        assert!(book.settle_vips(&vips));
        assert!(!book.settle_vips(&vips));
        assert!(saving.vips.is_empty());
        assert_eq!(book.state().vips, vips);
    }
}
