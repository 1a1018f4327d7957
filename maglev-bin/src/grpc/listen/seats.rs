//! Room for connections that have not said anything yet.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// A number of seats. Whoever comes when all are taken gets that of the one who has sat longest, once that has had its time
/// ([`GRACE`]): so however many come and say nothing, whoever speaks is heard. Until then the others wait in the kernel's backlog.
///
/// Those who have begun, with a TLS handshake, are spared while they are no more than those who have not said a word.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    mute: Line,
    begun: Line,
}

/// The oldest first.
type Line = BTreeMap<u64, Sitting>;

#[derive(Debug)]
struct Sitting {
    since: Instant,
    evicted: CancellationToken,
}

/// A seat, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    begun: bool,
    evicted: CancellationToken,
    taken: Arc<Mutex<Taken>>,
    _permit: OwnedSemaphorePermit,
}

impl Seats {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), taken: Arc::default() }
    }

    /// A free seat, or else the oldest taken one as soon as its holder has let go of it.
    pub(super) async fn take(&self) -> Seat {
        let permit = tokio::select! {
            biased;
            permit = Arc::clone(&self.free).acquire_owned() => permit.expect("nobody closes the semaphore"),
            never = self.evict_one() => match never {},
        };
        let evicted = CancellationToken::new();
        let number = lock(&self.taken).sit(evicted.clone(), false);
        Seat { number, begun: false, evicted, taken: Arc::clone(&self.taken), _permit: permit }
    }

    /// Asks the oldest to go when its time is over. Never returns.
    async fn evict_one(&self) -> Infallible {
        loop {
            // Not in a `while let`, which would hold the lock meanwhile.
            let due = lock(&self.taken).evict_due();
            match due {
                Some(due) => sleep_until(due).await,
                None => break,
            }
        }
        // It is about to go, or all have been asked before.
        pending().await
    }
}

impl Seat {
    /// Is cancelled when somebody else needs the seat: drop it then.
    pub(super) fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
    }

    /// Notes that its holder has begun to speak, which makes it the youngest of those.
    pub(super) fn begin(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(sitting) = taken.line(self.begun).remove(&self.number) {
            self.number = taken.sit(sitting.evicted, true);
            self.begun = true;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.taken).line(self.begun).remove(&self.number);
    }
}

impl Taken {
    fn sit(&mut self, evicted: CancellationToken, begun: bool) -> u64 {
        let number = self.next;
        self.next += 1;
        self.line(begun).insert(number, Sitting { since: Instant::now(), evicted });
        number
    }

    fn line(&mut self, begun: bool) -> &mut Line {
        if begun { &mut self.begun } else { &mut self.mute }
    }

    /// Evicts the oldest if its time is over; else returns when that will be. `None`: done, or there is nobody.
    fn evict_due(&mut self) -> Option<Instant> {
        let oldest = self.line(self.begun.len() > self.mute.len()).first_entry()?;
        let due = oldest.get().since + GRACE;
        if due > Instant::now() {
            return Some(due);
        }
        oldest.remove().evicted.cancel();
        None
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Time that everybody has to say something, however many wait: more than a round trip and a busy client take. With 256 seats, 2,560
/// silent clients a second pass.
const GRACE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_silent_makes_room_and_nobody_else() {
        let seats = Seats::new(2);
        let (first, second) = (seats.take().await, seats.take().await);
        advance(GRACE).await;
        let mut third = pin!(seats.take());
        assert!(poll!(third.as_mut()).is_pending(), "before the first is gone there would be three");
        assert!(first.evicted.is_cancelled() && !second.evicted.is_cancelled());
        drop(first);
        drop(third.await);
        seats.take().await;
        assert!(!second.evicted.is_cancelled(), "there was a free seat");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_has_to_go_before_its_time() {
        let seats = Seats::new(1);
        let first = seats.take().await;
        let start = Instant::now();
        let mut second = pin!(seats.take());
        tokio::select! {
            biased;
            _ = second.as_mut() => panic!("there is one seat"),
            () = first.evicted.cancelled() => assert_eq!(start.elapsed(), GRACE),
        }
        drop(first);
        second.await;
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_begun_is_spared_while_others_have_not() {
        let seats = Seats::new(4);
        let mut sitting = Vec::new();
        for _ in 0..4 {
            sitting.push(seats.take().await);
        }
        advance(GRACE).await;
        sitting[0].begin();
        sitting[1].begin();
        assert!(poll!(pin!(seats.take())).is_pending());
        assert_eq!(
            sitting.iter().map(|seat| seat.evicted.is_cancelled()).collect::<Vec<_>>(),
            [false, false, true, false]
        );
        // Now there are more of those who have begun, and the first of them has had time anew.
        advance(GRACE).await;
        assert!(poll!(pin!(seats.take())).is_pending());
        assert_eq!(
            sitting.iter().map(|seat| seat.evicted.is_cancelled()).collect::<Vec<_>>(),
            [true, false, true, false]
        );
        drop(sitting);
        let taken = lock(&seats.taken);
        assert!(taken.mute.is_empty() && taken.begun.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_too_late_to_begin_for_whoever_has_to_go() {
        let seats = Seats::new(1);
        let mut first = seats.take().await;
        advance(GRACE).await;
        assert!(poll!(pin!(seats.take())).is_pending());
        first.begin();
        assert!(first.evicted.is_cancelled() && lock(&seats.taken).begun.is_empty());
    }
}
