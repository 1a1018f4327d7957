//! The order in which a picture of the world and the news about it go from one writer to many readers, so that nobody hears of what
//! cannot be seen yet, and nobody misses what happened.
//!
//! The picture stands in a cell that is replaced whole ([`Published`](crate::snapshot::Published)), news travel over a channel
//! ([`Bus`](crate::event::Bus)). Both are safe by themselves; what their users have to get right is the order between them, and that is
//! here. `tests` checks it over every interleaving of a writer and a reader.

/// The writer's side: first what is newly true is shown, then everybody is told. `show` gives the news.
pub(crate) fn show_then_tell<N: IntoIterator>(show: impl FnOnce() -> N, tell: impl FnMut(N::Item)) {
    show().into_iter().for_each(tell);
}

/// The reader's side: first it listens, then it looks. What happens in between is seen and heard; the other way round it would be
/// neither.
pub(crate) fn listen_then_look<L, P>(listen: impl FnOnce() -> L, look: impl FnOnce() -> P) -> (L, P) {
    let listening = listen();
    (listening, look())
}

#[cfg(test)]
mod tests;
