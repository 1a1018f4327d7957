//! Events as they happen.

use super::{Failure, SOON};
use crate::ctl::grammar::{Level, Watch};
use crate::ctl::output::Output;
use crate::ctl::session::Session;
use crate::ctl::show;
use crate::proto::WatchEventsRequest;
use crate::proto::event::Kind;

/// Writes events until there were as many as wanted, or nobody reads them any more.
pub(super) async fn watch(watch: &Watch, session: &mut Session, output: &mut Output) -> Result<(), Failure> {
    let request = WatchEventsRequest {
        log: watch.log,
        log_level: watch.level.map_or("", Level::word).to_owned(),
        backend: watch.backend,
        frontend: watch.frontend,
    };
    let mut events = session.call(SOON, async |client| client.watch_events(request).await).await?;
    let mut left = watch.num;
    while left != Some(0) && !output.closed() {
        let event = events.message().await.map_err(|status| session.failure(status))?;
        let Some(event) = event else { return Err(Failure::Ended { server: session.server().clone() }) };
        output.stream(&event, || show::event(&event))?;
        // Neither what is already so nor a remark on the stream is something that happened.
        let happened = !event.snapshot && !matches!(event.kind, Some(Kind::Lost(_) | Kind::SnapshotEnd(_)) | None);
        if let (Some(left), true) = (&mut left, happened) {
            *left -= 1;
        }
    }
    Ok(())
}
