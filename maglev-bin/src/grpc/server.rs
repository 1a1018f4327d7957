//! The server: a thread and a runtime of its own, so that nothing it does holds up what decides.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService as _;
use tonic::transport::Server as Tonic;
use tonic_health::ServingStatus;
use tower::Layer;

use super::address::GrpcAddr;
use super::layer::Counting;
use super::listen::{Connection, Listeners};
use super::service::Service;
use super::tls::Certificates;
use crate::daemon::{Handle, chain};
use crate::event::{Bus, What};
use crate::proto::DESCRIPTORS;
use crate::proto::maglev_server::MaglevServer;

/// Largest request: a config of 4 MiB and what is around it.
const LARGEST_REQUEST: usize = (4 << 20) + (64 << 10);
/// Headers of a request: names and a deadline.
const LARGEST_HEADERS: u32 = 16 << 10;
/// Calls under way on one connection: a dashboard's, with room.
const STREAMS: u32 = 64;
/// A client that is gone without a word is noticed after these two.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_PATIENCE: Duration = Duration::from_secs(20);
/// Calls under way when the daemon ends have this long to come to an end.
const GRACE: Duration = Duration::from_secs(2);

/// On a busy machine what decides and probes goes first: a hundred readers of events take a good part of a processor.
const BEHIND: i32 = 5;
/// How the health protocol calls it.
const WHOLE_SERVER: &str = "";

/// A running API server. Dropping it ends every stream and connection.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<GrpcAddr>,
    certificates: Certificates,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers on `listeners` from now on. `reflection` lets clients ask for the `.proto`.
    ///
    /// # Errors
    /// The system gives no thread or no runtime.
    pub fn start(listeners: Listeners, daemon: Handle, reflection: bool) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, addresses, certificates) =
            (CancellationToken::new(), listeners.addresses(), listeners.certificates());
        let service = Service::new(daemon.clone(), certificates.clone(), stop.clone());
        let incoming = {
            let _inside = runtime.enter();
            listeners.run(stop.clone(), daemon.bus().clone())?
        };
        let ended = stop.clone();
        let serve = move || {
            // On Linux this holds for the calling thread and those it makes (setpriority(2)), not for the process. It cannot be refused.
            let _ = rustix::process::nice(BEHIND);
            runtime.block_on(async {
                let served = serve(incoming, service, daemon, reflection, ended.clone());
                let grace = async {
                    ended.cancelled().await;
                    tokio::time::sleep(GRACE).await;
                };
                tokio::select! {
                    () = served => {}
                    () = grace => {}
                }
            });
            // A plan that is still being computed must not hold up the end.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("maglevd-grpc".into()).spawn(serve)?;
        Ok(Self { addresses, certificates, stop, thread: Some(thread) })
    }

    /// Reads the certificates again, for connections from now on. Those of before stay in use if that fails, and an error event says so.
    pub async fn reload_certificates(&self, bus: &Bus) {
        reload(&self.certificates, bus).await;
    }

    /// Where it listens; tells the port that the kernel chose for 0.
    pub fn addresses(&self) -> &[GrpcAddr] {
        &self.addresses
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic there was told when it happened.
            let _ = thread.join();
        }
    }
}

pub(super) async fn reload(certificates: &Certificates, bus: &Bus) {
    let certificates = certificates.clone();
    // A disk that hangs must hold up neither the other calls nor the watchdog. A panic there was told when it happened.
    let read = tokio::task::spawn_blocking(move || certificates.reload()).await;
    if let Ok(Err(error)) = read {
        let message = format!("{}; those of before stay in use", chain(&error));
        bus.emit(What::Error { cause: "grpc-tls".into(), message: message.into() });
    }
}

async fn serve(
    incoming: impl Stream<Item = io::Result<Connection>>,
    service: Service,
    daemon: Handle,
    reflection: bool,
    stop: CancellationToken,
) {
    let (health, health_service) = tonic_health::server::health_reporter();
    // `WHOLE_SERVER` is so from the start.
    health.set_serving::<MaglevServer<Service>>().await;
    let descriptors = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Both versions: grpcurl and grpcio ask for the older one. Our own descriptors are well-formed, a test says.
    let reflection = reflection.then(|| Some((descriptors().build_v1().ok()?, descriptors().build_v1alpha().ok()?)));
    let (v1, v1alpha) = reflection.flatten().unzip();
    let service = MaglevServer::new(service).max_decoding_message_size(LARGEST_REQUEST);
    let service = Counting::new(daemon.totals().clone()).layer(service);
    let served = Tonic::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_PATIENCE))
        .http2_max_header_list_size(LARGEST_HEADERS)
        .max_concurrent_streams(STREAMS)
        .add_service(health_service)
        .add_optional_service(v1)
        .add_optional_service(v1alpha)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned());
    let told = async {
        daemon.stopped().await;
        // Whoever asks hears that nothing is decided any more, until the process ends.
        for service in [WHOLE_SERVER, MaglevServer::<Service>::NAME] {
            health.set_service_status(service, ServingStatus::NotServing).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        outcome = served => if let Err(error) = outcome {
            tracing::error!(target: "maglev", %error, "the gRPC server ended");
        },
        () = told => {}
    }
}
