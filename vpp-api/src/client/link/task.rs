//! The task that connects, again and again.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::backoff::Backoff;
use super::hub::Hub;
use super::{LinkDown, LinkOptions, LinkState};
use crate::client::Client;
use crate::error::Disconnect;
use crate::messages::memclnt::ControlPing;

type SetupResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Runs until nobody needs the link; tells its readers of the end also when it is unwound, or dropped with its runtime,
/// even before it ran for the first time. Wherever it is stopped, what it holds is dropped: a half-open socket, a client,
/// the setup.
pub(super) fn run<S, F>(path: PathBuf, options: LinkOptions, setup: S, hub: Arc<Hub>) -> impl Future<Output = ()> + Send
where
    S: FnMut(Client) -> F + Send,
    F: Future<Output = SetupResult> + Send,
{
    let ending = Ending(hub);
    async move {
        tokio::select! {
            biased;
            () = ending.0.stopped() => {}
            never = keep(path, options, setup, &ending.0) => match never {},
        }
    }
}

async fn keep<S, F>(path: PathBuf, options: LinkOptions, mut setup: S, hub: &Hub) -> std::convert::Infallible
where
    S: FnMut(Client) -> F,
    F: Future<Output = SetupResult>,
{
    let mut backoff = Backoff::new(options.first_wait, options.longest_wait);
    let mut generation = 0;
    loop {
        let (reason, wait) = match open(&path, &options, &mut setup).await {
            Ok(client) => {
                generation += 1;
                let since = Instant::now();
                hub.set(LinkState::Up { client: client.clone(), generation });
                let reason = watch(&client, options.ping).await;
                (LinkDown::Lost(reason), backoff.ended(since.elapsed()))
            }
            Err(reason) => (reason, backoff.failed()),
        };
        // Before the state is told: whoever answers to it is heard.
        let retried = hub.retried();
        hub.set(LinkState::Down { reason, failures: backoff.failures(), wait });
        tokio::select! {
            () = sleep(wait) => {}
            () = retried => {}
        }
    }
}

/// One attempt.
async fn open<S, F>(path: &PathBuf, options: &LinkOptions, setup: &mut S) -> Result<Client, LinkDown>
where
    S: FnMut(Client) -> F,
    F: Future<Output = SetupResult>,
{
    let client = Client::connect(path, options.client.clone()).await.map_err(LinkDown::Connect)?;
    let outcome = tokio::select! {
        // What the setup says of a connection that ended is less than why it ended.
        biased;
        reason = client.closed() => Err(LinkDown::Lost(reason)),
        outcome = timeout(options.setup_timeout, setup(client.clone())) => match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(LinkDown::Setup(error.into())),
            Err(_) => Err(LinkDown::SetupTimedOut { after: options.setup_timeout }),
        },
    };
    match outcome {
        Ok(()) => Ok(client),
        Err(reason) => {
            // The setup may have given clones away.
            client.close();
            Err(reason)
        }
    }
}

/// Returns why the connection ended.
async fn watch(client: &Client, ping: Option<Duration>) -> Disconnect {
    // A time between pings beyond all time is none.
    let Some((ping, first)) = ping.and_then(|ping| Some((ping, Instant::now().checked_add(ping)?))) else {
        return client.closed().await;
    };
    // `interval` panics on a period of zero.
    let mut ticks = interval_at(first, ping.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            reason = client.closed() => return reason,
            // Any answer is a sign of life. Without one the client closes the connection, and says why.
            _ = ticks.tick() => drop(client.call(&ControlPing {}).await),
        }
    }
}

/// Tells the link's users of its end.
struct Ending(Arc<Hub>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}
