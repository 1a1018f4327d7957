//! The stream of events: a snapshot, then what happens, told to each reader at its own pace.
//!
//! A reader is a place in the daemon's broadcast channel. One that falls so far behind that the channel drops events is told how many it
//! lost, and begins anew with a snapshot: nothing that decides ever waits for it. After a quiet time an event is told at once; when many
//! come, a reader takes what gathered in [`PACE`] in one go.

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior};
use tonic::Status;
use tracing::Level;

use crate::daemon::Handle;
use crate::event::{Event, Subscription, What};
use crate::proto::{self, event::Kind};
use crate::seam::listen_then_look;
use crate::snapshot::Snapshot;

/// What one reader wants to hear of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter {
    /// Least severe level of log records; `None` for none at all.
    log: Option<Level>,
    backend: bool,
    frontend: bool,
}

impl TryFrom<&proto::WatchEventsRequest> for Filter {
    type Error = Status;

    fn try_from(request: &proto::WatchEventsRequest) -> Result<Self, Status> {
        let level = match request.log_level.as_str() {
            "debug" => Level::DEBUG,
            "" | "info" => Level::INFO,
            "warn" => Level::WARN,
            "error" => Level::ERROR,
            other => {
                let message = format!("`{other}` is no level: it is debug, info, warn or error");
                return Err(Status::invalid_argument(message));
            }
        };
        let all = !(request.log || request.backend || request.frontend);
        Ok(Self {
            log: (all || request.log).then_some(level),
            backend: all || request.backend,
            frontend: all || request.frontend,
        })
    }
}

impl Filter {
    /// The event as this reader hears it. A transition that is told as such is not told again as a log record.
    fn pass(self, event: &Event) -> Option<proto::Event> {
        let kind = match &event.what {
            What::BackendTransition { backend, from, to, code, detail } if self.backend => {
                Kind::Backend(proto::BackendEvent {
                    name: backend.to_string(),
                    from: from.to_string(),
                    to: to.to_string(),
                    code: code.to_string(),
                    detail: detail.to_string(),
                })
            }
            What::FrontendTransition { frontend, from, to } if self.frontend => Kind::Frontend(proto::FrontendEvent {
                name: frontend.to_string(),
                from: from.to_string(),
                to: to.to_string(),
            }),
            // The more severe a level, the smaller it is.
            what if self.log.is_some_and(|least| what.level() <= least) => Kind::Log(record(what)),
            _ => return None,
        };
        Some(proto::Event { time: Some(event.time.into()), snapshot: false, kind: Some(kind) })
    }

    /// Least severe level that the reader has to hear of: transitions are told at info.
    fn level(self) -> Level {
        let log = self.log.unwrap_or(Level::ERROR);
        if self.backend || self.frontend { log.max(Level::INFO) } else { log }
    }

    /// Part number `at` of what is: backends, frontends, then the word that it is complete. `None` for a part that is not asked for.
    fn part(self, snapshot: &Snapshot, at: usize) -> Option<proto::Event> {
        let part = |time: Timestamp, kind| proto::Event { time: Some(time.into()), snapshot: true, kind: Some(kind) };
        if let Some(backend) = snapshot.backends.get(at) {
            let last = backend.history.first();
            let event = proto::BackendEvent {
                name: backend.name.to_string(),
                from: String::new(),
                to: backend.state.to_owned(),
                code: last.map(|last| last.code.to_string()).unwrap_or_default(),
                detail: last.map(|last| last.detail.to_string()).unwrap_or_default(),
            };
            return self.backend.then(|| part(backend.since, Kind::Backend(event)));
        }
        if let Some(frontend) = snapshot.frontends.get(at - snapshot.backends.len()) {
            let to = frontend.state.to_owned();
            let event = proto::FrontendEvent { name: frontend.name.to_string(), from: String::new(), to };
            return self.frontend.then(|| part(frontend.since, Kind::Frontend(event)));
        }
        Some(part(snapshot.taken, Kind::SnapshotEnd(proto::SnapshotEnd {})))
    }
}

fn record(what: &What) -> proto::LogEvent {
    let fields = what.fields().into_iter();
    proto::LogEvent {
        level: what.level().as_str().to_ascii_lowercase(),
        event: what.name().to_owned(),
        fields: fields.map(|(name, value)| proto::LogField { name: name.to_owned(), value }).collect(),
    }
}

/// A snapshot, and everything that passes `filter` from now on. Ends with the daemon; `place` is given back then.
pub(super) fn watch(
    daemon: &Handle,
    filter: Filter,
    place: Option<OwnedSemaphorePermit>,
) -> impl Stream<Item = Result<proto::Event, Status>> + Send + use<> {
    let published = daemon.published().clone();
    let (live, snapshot) = listen_then_look(|| daemon.bus().subscribe_at(filter.level()), || published.snapshot());
    let picture = Some(Picture { snapshot, at: 0 });
    let reader = Reader { live, pace: pace(), lost: None, picture, _place: place };
    unfold(reader, move |mut reader| {
        let published = published.clone();
        async move {
            loop {
                if let Some(lost) = reader.lost.take() {
                    return Some((Ok(lost), reader));
                }
                if let Some(picture) = &mut reader.picture {
                    let part = filter.part(&picture.snapshot, picture.at);
                    picture.at += 1;
                    if picture.at > picture.snapshot.backends.len() + picture.snapshot.frontends.len() {
                        reader.picture = None;
                    }
                    match part {
                        Some(part) => return Some((Ok(part), reader)),
                        None => continue,
                    }
                }
                match reader.next().await {
                    Ok(event) => {
                        if let Some(event) = filter.pass(&event) {
                            return Some((Ok(event), reader));
                        }
                    }
                    Err(RecvError::Lagged(lost)) => {
                        // The rest of the backlog is older than the snapshot that follows.
                        let (skipped, snapshot) =
                            listen_then_look(|| reader.live.skip_backlog(), || published.snapshot());
                        reader.lost = Some(proto::Event {
                            time: Some(Timestamp::now().into()),
                            snapshot: false,
                            kind: Some(Kind::Lost(proto::LostEvents { count: lost + skipped })),
                        });
                        reader.picture = Some(Picture { snapshot, at: 0 });
                    }
                    Err(RecvError::Closed) => return None,
                }
            }
        }
    })
}

/// To wake a hundred readers for each event, and write to each of them, costs more than everything else about an event. At 1,000 of them
/// per second this is a tenth of it; nobody sees the difference on a screen.
const PACE: Duration = Duration::from_millis(10);

fn pace() -> Interval {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

struct Reader {
    live: Subscription,
    pace: Interval,
    /// The word that events were lost, to be told.
    lost: Option<proto::Event>,
    /// The snapshot that is being told.
    picture: Option<Picture>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Reader {
    /// The next event: at once if there is one, else no sooner than `PACE` after there was none the last time.
    async fn next(&mut self) -> Result<Arc<Event>, RecvError> {
        if self.live.is_empty() {
            self.pace.tick().await;
        }
        self.live.recv().await
    }
}

/// A snapshot, and how much of it was told: it is shared with everybody else, and turned into events one by one.
struct Picture {
    snapshot: Arc<Snapshot>,
    at: usize,
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt, poll};

    use super::*;
    use crate::event::Bus;

    #[tokio::test(start_paused = true)]
    async fn after_a_quiet_time_an_event_comes_at_once_and_then_what_gathered_meanwhile() {
        let bus = Bus::new();
        let emit = |count| bus.emit(What::EventDrop { count });
        let live = bus.subscribe_at(Level::INFO);
        let mut reader = Reader { live, pace: pace(), lost: None, picture: None, _place: None };
        let told = |event: Result<Arc<Event>, RecvError>| event.unwrap().what.clone();
        {
            let mut first = pin!(reader.next());
            assert!(poll!(&mut first).is_pending());
            emit(1);
            assert_eq!(told(first.await), What::EventDrop { count: 1 });
        }
        {
            let mut second = pin!(reader.next());
            assert!(poll!(&mut second).is_pending());
            emit(2);
            emit(3);
            assert!(poll!(&mut second).is_pending(), "it was told something a moment ago");
            tokio::time::advance(PACE).await;
            assert_eq!(told(second.await), What::EventDrop { count: 2 });
        }
        assert_eq!(reader.next().now_or_never().map(told), Some(What::EventDrop { count: 3 }));
    }
}
