//! Which sockets are ready: one edge-triggered epoll instance, used by one thread.
//!
//! A socket is registered once in its life, for everything, and its readiness is remembered between its uses. So a probe on a socket
//! that was used before costs no `epoll_ctl`, and a read that cannot succeed is not tried.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::ops::{BitOr, BitOrAssign};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::bell::Bell;

/// What a socket is ready for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::probe) struct Ready(u8);

impl Ready {
    /// Bytes, an end or an error can be read.
    pub(in crate::probe) const READ: Self = Self(1);
    /// It is connected, or there is room for bytes.
    pub(in crate::probe) const WRITE: Self = Self(2);
    /// An error waits, or both directions have ended.
    pub(in crate::probe) const ERROR: Self = Self(4);
    /// The peer has ended its direction: reads go on to the end without another event.
    pub(in crate::probe) const END: Self = Self(8);

    pub(in crate::probe) const fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    fn of(flags: epoll::EventFlags) -> Self {
        use epoll::EventFlags as F;
        let table = [
            (F::IN | F::RDHUP | F::HUP | F::ERR, Self::READ),
            (F::OUT | F::HUP | F::ERR, Self::WRITE),
            (F::HUP | F::ERR, Self::ERROR),
            (F::RDHUP | F::HUP, Self::END),
        ];
        table.into_iter().filter(|(any, _)| flags.intersects(*any)).fold(Self(0), |all, (_, ready)| all | ready)
    }
}

impl BitOr for Ready {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Ready {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// The epoll instance and what it has told.
#[derive(Debug)]
pub(in crate::probe) struct Reactor {
    epoll: OwnedFd,
    places: RefCell<Places>,
    /// Tries that the task which is polled now has left.
    tries: Cell<u32>,
}

/// Tries of a task before others have their turn: far more than a probe needs, but a peer may send as fast as anybody reads.
const MOST_TRIES: u32 = 64;

#[derive(Debug, Default)]
struct Places {
    all: Vec<Place>,
    free: Vec<u32>,
}

/// What is known of one socket.
#[derive(Debug, Default)]
struct Place {
    /// Counts the sockets that had this place, so that an event for one that is gone is no event for the next.
    life: u32,
    ready: Ready,
    waker: Option<Waker>,
}

/// The bell's token; no place has it.
const BELL: u64 = u64::MAX;

/// Events taken over with one system call.
const MOST_EVENTS: usize = 512;

impl Reactor {
    /// Also wakes up by `bell`.
    pub(super) fn new(bell: &Bell) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // By its edge: the counter need not be read.
        epoll::add(&epoll, bell, epoll::EventData::new_u64(BELL), epoll::EventFlags::IN | epoll::EventFlags::ET)?;
        Ok(Self { epoll, places: RefCell::default(), tries: Cell::new(MOST_TRIES) })
    }

    /// Waits for events, at most for so long, and wakes whoever waits for them. `None` waits for ever.
    pub(super) fn turn(&self, events: &mut Vec<epoll::Event>, limit: Option<Duration>) -> io::Result<()> {
        events.clear();
        events.reserve(MOST_EVENTS);
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        match epoll::wait(&self.epoll, spare_capacity(events), limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut places = self.places.borrow_mut();
        for event in events.drain(..) {
            let (token, flags) = (event.data.u64(), event.flags);
            let Token { index, life } = Token::of(token);
            let Some(place) = places.all.get_mut(index as usize).filter(|place| place.life == life) else { continue };
            place.ready |= Ready::of(flags);
            if let Some(waker) = place.waker.take() {
                waker.wake();
            }
        }
        Ok(())
    }

    /// Another task is polled.
    pub(super) fn refill(&self) {
        self.tries.set(MOST_TRIES);
    }

    fn take_place(&self) -> Token {
        let mut places = self.places.borrow_mut();
        let index = places.free.pop().unwrap_or_else(|| {
            places.all.push(Place::default());
            // A process has far fewer descriptors.
            u32::try_from(places.all.len() - 1).unwrap_or(u32::MAX)
        });
        let life = places.all.get(index as usize).map_or(0, |place| place.life);
        Token { index, life }
    }

    fn with<T>(&self, token: Token, act: impl FnOnce(&mut Place) -> T) -> T {
        let mut places = self.places.borrow_mut();
        // A token lives as long as its place.
        act(&mut places.all[token.index as usize])
    }
}

#[derive(Clone, Copy, Debug)]
struct Token {
    index: u32,
    life: u32,
}

impl Token {
    fn of(token: u64) -> Self {
        Self { index: token as u32, life: (token >> 32) as u32 }
    }

    fn to_u64(self) -> u64 {
        u64::from(self.life) << 32 | u64::from(self.index)
    }
}

/// A socket whose readiness is known. One task at a time waits for it.
#[derive(Debug)]
pub(in crate::probe) struct Registered<S: AsFd> {
    reactor: Rc<Reactor>,
    token: Token,
    inner: S,
}

impl<S: AsFd> Registered<S> {
    pub(in crate::probe) fn new(reactor: &Rc<Reactor>, inner: S) -> io::Result<Self> {
        use epoll::EventFlags as F;
        let token = reactor.take_place();
        // From here on its end gives the place back.
        let registered = Self { reactor: Rc::clone(reactor), token, inner };
        let data = epoll::EventData::new_u64(token.to_u64());
        epoll::add(&reactor.epoll, &registered.inner, data, F::IN | F::OUT | F::RDHUP | F::ET)?;
        Ok(registered)
    }

    pub(in crate::probe) fn get(&self) -> &S {
        &self.inner
    }

    /// What it is ready for, as far as is known.
    pub(in crate::probe) fn ready(&self) -> Ready {
        self.reactor.with(self.token, |place| place.ready)
    }

    /// It is no longer ready for this.
    pub(in crate::probe) fn clear(&self, what: Ready) {
        self.reactor.with(self.token, |place| place.ready.0 &= !what.0);
    }

    /// Waits until it is ready for one of these.
    pub(in crate::probe) fn poll_ready(&self, cx: &mut Context<'_>, any: Ready) -> Poll<Ready> {
        self.reactor.with(self.token, |place| {
            if place.ready.has(any) {
                return Poll::Ready(place.ready);
            }
            match &mut place.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
    }

    /// Tries something that may not be possible yet, each time when it may have become so. A task that has tried a lot is polled again
    /// after others.
    pub(in crate::probe) fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        any: Ready,
        mut act: impl FnMut(&S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            std::task::ready!(self.poll_ready(cx, any));
            let Some(left) = self.reactor.tries.get().checked_sub(1) else {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            };
            self.reactor.tries.set(left);
            match act(&self.inner) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.clear(any),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// As [`Registered::poll_io`], awaited.
    pub(in crate::probe) async fn io<T>(&self, any: Ready, mut act: impl FnMut(&S) -> io::Result<T>) -> io::Result<T> {
        poll_fn(|cx| self.poll_io(cx, any, &mut act)).await
    }
}

impl<S: AsFd> Drop for Registered<S> {
    fn drop(&mut self) {
        let mut places = self.reactor.places.borrow_mut();
        let place = &mut places.all[self.token.index as usize];
        // Closing the socket, which comes next, takes it out of the epoll instance.
        *place = Place { life: place.life.wrapping_add(1), ..Place::default() };
        places.free.push(self.token.index);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn whoever_has_always_something_to_read_lets_others_have_their_turn() {
        let reactor = Rc::new(Reactor::new(&Bell::new().expect("an eventfd")).expect("epoll"));
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        ours.set_nonblocking(true).expect("a socket");
        theirs.write_all(&[7; 3 * MOST_TRIES as usize / 2]).expect("there is room");
        let socket = Registered::new(&reactor, ours).expect("epoll takes it");
        reactor.turn(&mut Vec::new(), Some(Duration::ZERO)).expect("it is ready");

        let woken = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        let mut read_all = || {
            let mut count = 0;
            while socket.poll_io(&mut cx, Ready::READ, |mut socket| socket.read(&mut [0])).is_ready() {
                count += 1;
            }
            count
        };
        assert_eq!(read_all(), MOST_TRIES, "all that it may");
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "and it asks for more");
        assert_eq!(read_all(), 0, "of this turn nothing is left");
        reactor.refill();
        assert_eq!(read_all(), MOST_TRIES / 2, "the rest");
        assert_eq!(woken.0.load(Ordering::Relaxed), 2, "it waits for the socket now");
    }
}
