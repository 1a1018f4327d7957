use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;

use super::{listen_then_look, show_then_tell};

/// A picture that is the number of the newest thing that happened, and a channel that says how many were told.
///
/// The channel releases what came before a word to whoever hears the word, as tokio's does. The cell orders nothing by itself: arc-swap's
/// does, and the order has to hold without.
struct World {
    picture: AtomicU64,
    told: AtomicU64,
}

impl World {
    fn new() -> Self {
        Self { picture: AtomicU64::new(0), told: AtomicU64::new(0) }
    }

    fn show(&self, number: u64) {
        self.picture.store(number, Relaxed);
    }

    fn tell(&self, number: u64) {
        self.told.store(number, Release);
    }

    fn look(&self) -> u64 {
        self.picture.load(Relaxed)
    }

    fn heard(&self) -> u64 {
        self.told.load(Acquire)
    }
}

/// What a reader found: how much had been told when it began, what it saw then, what it heard of later, and what it saw after that.
#[derive(Clone, Copy, Debug)]
struct Found {
    told_before: u64,
    seen: u64,
    heard: u64,
    seen_then: u64,
}

impl Found {
    /// It heard of something that it then could not see.
    fn is_ahead(self) -> bool {
        self.seen_then < self.heard
    }

    /// Something happened that it neither saw at first nor can hear of: told before it listened, shown after it looked.
    fn has_missed(self) -> bool {
        self.seen < self.told_before
    }
}

/// Two things happen beside one reader, in every order that the memory model allows.
fn every_order(write: fn(&World, u64), begin: fn(&World) -> (u64, u64)) -> Vec<Found> {
    let all = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let found = std::sync::Arc::clone(&all);
    loom::model(move || {
        let world = Arc::new(World::new());
        let writer = loom::thread::spawn({
            let world = Arc::clone(&world);
            move || (1..=2).for_each(|number| write(&world, number))
        });
        let (told_before, seen) = begin(&world);
        let heard = world.heard();
        let seen_then = world.look();
        writer.join().expect("the writer does not panic");
        found.lock().expect("no test panics with the lock").push(Found { told_before, seen, heard, seen_then });
    });
    let all = all.lock().expect("no test panics with the lock");
    all.clone()
}

fn shown_first(world: &World, number: u64) {
    show_then_tell(
        || {
            world.show(number);
            [number]
        },
        |number| world.tell(number),
    );
}

fn listening_first(world: &World) -> (u64, u64) {
    listen_then_look(|| world.heard(), || world.look())
}

#[test]
fn whoever_hears_of_something_finds_it_in_the_picture_and_nothing_is_missed() {
    let all = every_order(shown_first, listening_first);
    assert!(all.iter().all(|found| !found.is_ahead() && !found.has_missed()), "{all:?}");
    // Each of these would make the test worth nothing.
    assert!(all.iter().any(|found| found.heard == 2) && all.iter().any(|found| found.heard == 0), "{all:?}");
    assert!(all.iter().any(|found| found.seen > found.told_before), "seen and heard later: {all:?}");
}

#[test]
fn telling_before_showing_would_let_readers_look_in_vain() {
    let told_first = |world: &World, number| {
        world.tell(number);
        world.show(number);
    };
    let all = every_order(told_first, listening_first);
    assert!(all.iter().any(|found| found.is_ahead()), "{all:?}");
}

#[test]
fn looking_before_listening_would_let_readers_miss_things() {
    let looking_first = |world: &World| {
        let seen = world.look();
        (world.heard(), seen)
    };
    let all = every_order(shown_first, looking_first);
    assert!(all.iter().any(|found| found.has_missed()), "{all:?}");
}
