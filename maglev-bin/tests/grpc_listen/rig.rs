//! A server behind listeners, and what it sees.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use maglev_bin::client::{Address, Client, ClientTls, ConnectError, Trouble, connect};
use maglev_bin::event::{Bus, Event, What};
use maglev_bin::grpc::{Certificates, GrpcAddr, GrpcOptions, Listeners, Peer};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::{Request, Status};

/// Long enough that only what hangs reaches it, on however busy a machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that will happen, and says what did not if it takes too long.
pub(crate) async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happens).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
    }
}

/// The health service, which is all that it takes to see who calls.
pub(crate) struct Served {
    pub(crate) addresses: Vec<GrpcAddr>,
    pub(crate) certificates: Certificates,
    peers: mpsc::UnboundedReceiver<Peer>,
    events: broadcast::Receiver<Arc<Event>>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Served {
    pub(crate) fn new(options: &GrpcOptions) -> Self {
        Self::on(Listeners::bind(options).expect("listeners"))
    }

    pub(crate) fn on(listeners: Listeners) -> Self {
        let (addresses, certificates) = (listeners.addresses(), listeners.certificates());
        let (stop, bus) = (CancellationToken::new(), Bus::new());
        let events = bus.subscribe();
        let (seen, peers) = mpsc::unbounded_channel();
        let look = move |request: Request<()>| {
            let peer = request.extensions().get::<Peer>().cloned();
            let peer = peer.ok_or_else(|| Status::internal("a request without a peer"))?;
            let _ = seen.send(peer);
            Ok(request)
        };
        let incoming = listeners.run(stop.clone(), bus).expect("a runtime");
        let (_, service) = tonic_health::server::health_reporter();
        let service = InterceptedService::new(service, look);
        let ended = stop.clone().cancelled_owned();
        let task = tokio::spawn(Server::builder().add_service(service).serve_with_incoming_shutdown(incoming, ended));
        Self { addresses, certificates, peers, events, stop, task }
    }

    /// Address of the first listener.
    pub(crate) fn address(&self) -> Address {
        self.addresses[0].to_string().parse().unwrap()
    }

    pub(crate) async fn connect(&self, tls: Option<&ClientTls>) -> Result<Client, ConnectError> {
        connect(&self.address(), tls, PATIENCE).await
    }

    /// Connects, and tells as whom the server saw it.
    pub(crate) async fn seen_as(&mut self, tls: Option<&ClientTls>) -> Peer {
        self.connect(tls).await.expect("a connection");
        self.peer().await
    }

    /// Whoever called next.
    pub(crate) async fn peer(&mut self) -> Peer {
        soon("a call", self.peers.recv()).await.expect("the server lives")
    }

    pub(crate) fn saw_nobody(&mut self) -> bool {
        self.peers.try_recv().is_err()
    }

    /// The next warning of this cause.
    pub(crate) async fn warning(&mut self, wanted: &str) -> String {
        soon("a warning", self.warning_whenever(wanted)).await
    }

    pub(crate) async fn warning_whenever(&mut self, wanted: &str) -> String {
        loop {
            let event = self.events.recv().await.expect("the server lives");
            match &event.what {
                What::Warning { cause, message } if &**cause == wanted => return message.to_string(),
                _ => {}
            }
        }
    }

    /// Events that nobody has looked at.
    pub(crate) fn pending_events(&self) -> usize {
        self.events.len()
    }

    /// Ends it in good order.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        soon("the end of the server", &mut self.task).await.unwrap().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What went wrong.
#[track_caller]
pub(crate) fn trouble(outcome: Result<Client, ConnectError>) -> (Trouble, String) {
    match outcome {
        Err(error @ ConnectError::Failed { .. }) => {
            let text = maglev_bin::daemon::chain(&error);
            let ConnectError::Failed { trouble, .. } = error else { unreachable!() };
            (trouble, text)
        }
        other => panic!("expected a failure, got {other:?}"),
    }
}

/// A folder of a test's own. Removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("maglev-grpc-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl std::ops::Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
