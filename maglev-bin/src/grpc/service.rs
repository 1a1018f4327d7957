//! Answers the calls of the API: reads from the snapshot, asks the brain for the rest.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use maglev_sync::SyncCounts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::peer::Peer;
use super::refuse::told;
use super::show::{Shown, diagnostic};
use super::tls::Certificates;
use super::watch::{Filter, watch};
use crate::config::{Config, ConfigError, Context, Loaded};
use crate::daemon::{Action, Asked, Handle, Order, Refusal, ReloadError, Reloaded};
use crate::event::Text;
use crate::proto::{self, maglev_server::Maglev};
use crate::snapshot::Snapshot;

/// The service `maglev.v1.Maglev` over a running daemon.
#[derive(Clone, Debug)]
pub(super) struct Service {
    daemon: Handle,
    /// Read again with the config.
    certificates: Certificates,
    /// Ends streams.
    stop: CancellationToken,
    /// Configs are parsed and plans computed beside everything else: one at a time.
    heavy: Arc<Semaphore>,
    /// Those that compute or wait for their turn.
    queue: Arc<Semaphore>,
    /// Streams of events that viewers read.
    watchers: Arc<Semaphore>,
}

/// Configs and plans that may wait for their turn, each with its text: what operators do at one time, not what a script can think of.
const QUEUE: usize = 4;

/// Streams of events that viewers may read at a time, all together. Operators are not counted.
const VIEWERS_STREAMS: usize = 256;

/// Longest name in bytes. No config has longer ones that anybody could type, and refused ones are told to everyone.
const LONGEST_NAME: usize = 1_024;

/// Longest wait for VPP to tell its flows.
const FLOWS_WITHIN: Duration = Duration::from_secs(2);

impl Service {
    pub(super) fn new(daemon: Handle, certificates: Certificates, stop: CancellationToken) -> Self {
        Self {
            daemon,
            certificates,
            stop,
            heavy: Arc::new(Semaphore::new(1)),
            queue: Arc::new(Semaphore::new(1 + QUEUE)),
            watchers: Arc::new(Semaphore::new(VIEWERS_STREAMS)),
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.daemon.published().snapshot()
    }

    /// A backend with what its last probe found.
    async fn backend(&self, name: &str) -> Option<proto::BackendInfo> {
        let last = self.daemon.last_result(name).await;
        let backend = Shown::new(&self.snapshot()).with_uses().backend(name)?;
        Some(proto::BackendInfo { last_result: last.map(super::show::last_result), ..backend })
    }

    /// Carries out what an operator says of a backend.
    async fn act(
        &self,
        request: Request<proto::BackendRequest>,
        action: impl FnOnce(Text) -> Action,
    ) -> Result<Response<proto::BackendActionResponse>, Status> {
        short(&[&request.get_ref().name])?;
        let action = action(request.get_ref().name.as_str().into());
        let who = operator(&request, &self.daemon, action.verb(), &action.target())?;
        let proto::BackendRequest { name, reason } = request.into_inner();
        let order = Order { action, who, reason: reason.into() };
        let outcome = self.daemon.operate(order).await?;
        Ok(Response::new(proto::BackendActionResponse {
            backend: self.backend(&name).await,
            changed: outcome.changed,
            not_saved: outcome.not_saved.as_deref().unwrap_or_default().to_owned(),
        }))
    }

    /// Takes a place among those that compute something, before anything large is held for it.
    fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        let busy =
            |_| Status::resource_exhausted("too many configs and plans are being computed; try again in a moment");
        self.queue.clone().try_acquire_owned().map_err(busy)
    }

    /// Computes something that may take long, without holding up the other callers. The turn ends with the work, also if the caller
    /// goes away before.
    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
        let gone = |_| Status::unavailable("the daemon is stopping");
        let turn = self.heavy.clone().acquire_owned().await.map_err(gone)?;
        let work = move || {
            let _turn = turn;
            work()
        };
        let task = tokio::task::spawn_blocking(work).await;
        task.map_err(|panic| Status::internal(format!("a bug, please report it with the request: {panic}")))
    }

    /// Does something that goes on also if the caller goes away: what was begun is finished, and told.
    async fn finish<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Status> {
        let task = tokio::spawn(work).await;
        task.map_err(|panic| Status::internal(format!("a bug, please report it with the log: {panic}")))
    }

    /// The daemon's own config file, checked.
    async fn own(&self) -> Result<Result<Loaded, ConfigError>, Status> {
        let file = self.daemon.config_file().cloned().ok_or(ReloadError::NoFile)?;
        self.compute(move || Config::load(file.path, file.context)).await
    }

    /// A config that was sent, checked as the daemon's own would be.
    async fn parse(&self, text: String, file: String) -> Result<Result<Loaded, ConfigError>, Status> {
        let context: Context = self.daemon.context();
        let file = if file.is_empty() { "config".to_owned() } else { file };
        self.compute(move || Config::parse(&text, &file, context)).await
    }

    /// Waits until VPP's flows were read after now, if VPP can bear it.
    async fn fresh_flows(&self) {
        let asked = Timestamp::now();
        let published = self.daemon.published().clone();
        let mut changes = published.watch();
        self.daemon.request_flows().await;
        let fresh = async {
            let is_fresh = || published.snapshot().flows.as_ref().is_some_and(|flows| flows.taken >= asked);
            while !is_fresh() && changes.changed().await.is_ok() {}
        };
        // Older ones will have to do; the answer says when they were read.
        let _ = tokio::time::timeout(FLOWS_WITHIN, fresh).await;
    }
}

#[tonic::async_trait]
impl Maglev for Service {
    async fn list_frontends(
        &self,
        _: Request<proto::ListFrontendsRequest>,
    ) -> Result<Response<proto::ListFrontendsResponse>, Status> {
        Ok(Response::new(proto::ListFrontendsResponse { frontends: Shown::new(&self.snapshot()).frontends() }))
    }

    async fn get_frontend(
        &self,
        request: Request<proto::GetFrontendRequest>,
    ) -> Result<Response<proto::FrontendInfo>, Status> {
        let (snapshot, name) = (self.snapshot(), request.into_inner().name);
        short(&[&name])?;
        frontend(&snapshot, &name).map(Response::new)
    }

    async fn list_backends(
        &self,
        _: Request<proto::ListBackendsRequest>,
    ) -> Result<Response<proto::ListBackendsResponse>, Status> {
        Ok(Response::new(proto::ListBackendsResponse { backends: Shown::new(&self.snapshot()).with_uses().backends() }))
    }

    async fn get_backend(
        &self,
        request: Request<proto::GetBackendRequest>,
    ) -> Result<Response<proto::BackendInfo>, Status> {
        let name = request.into_inner().name;
        short(&[&name])?;
        let backend = self.backend(&name).await;
        backend.map(Response::new).ok_or_else(|| {
            let snapshot = self.snapshot();
            let names = snapshot.backends.iter().map(|backend| &*backend.name);
            Refusal::no_such("backend", &name, names).into()
        })
    }

    async fn list_health_checks(
        &self,
        _: Request<proto::ListHealthChecksRequest>,
    ) -> Result<Response<proto::ListHealthChecksResponse>, Status> {
        let healthchecks = Shown::new(&self.snapshot()).healthchecks();
        Ok(Response::new(proto::ListHealthChecksResponse { healthchecks }))
    }

    async fn get_health_check(
        &self,
        request: Request<proto::GetHealthCheckRequest>,
    ) -> Result<Response<proto::HealthCheckInfo>, Status> {
        let (snapshot, name) = (self.snapshot(), request.into_inner().name);
        short(&[&name])?;
        let check = Shown::new(&snapshot).healthchecks().into_iter().find(|check| check.name == name);
        let names = snapshot.config.healthchecks.iter().map(|check| check.name.as_str());
        check.map(Response::new).ok_or_else(|| Refusal::no_such("healthcheck", &name, names).into())
    }

    async fn pause_backend(
        &self,
        request: Request<proto::BackendRequest>,
    ) -> Result<Response<proto::BackendActionResponse>, Status> {
        self.act(request, Action::Pause).await
    }

    async fn resume_backend(
        &self,
        request: Request<proto::BackendRequest>,
    ) -> Result<Response<proto::BackendActionResponse>, Status> {
        self.act(request, Action::Resume).await
    }

    async fn enable_backend(
        &self,
        request: Request<proto::BackendRequest>,
    ) -> Result<Response<proto::BackendActionResponse>, Status> {
        self.act(request, Action::Enable).await
    }

    async fn disable_backend(
        &self,
        request: Request<proto::BackendRequest>,
    ) -> Result<Response<proto::BackendActionResponse>, Status> {
        self.act(request, Action::Disable).await
    }

    async fn clear_override(
        &self,
        request: Request<proto::BackendRequest>,
    ) -> Result<Response<proto::BackendActionResponse>, Status> {
        self.act(request, Action::Clear).await
    }

    async fn probe_backend(
        &self,
        request: Request<proto::ProbeBackendRequest>,
    ) -> Result<Response<proto::ProbeBackendResponse>, Status> {
        let name = request.get_ref().name.clone();
        short(&[&name])?;
        let who = operator(&request, &self.daemon, "probe", &format!("backend {name}"))?;
        let Asked { under_way, found, .. } = self.daemon.probe_now(&name, who).await?;
        Ok(Response::new(proto::ProbeBackendResponse {
            backend: self.backend(&name).await,
            under_way,
            probe: found.map(super::show::found),
        }))
    }

    async fn set_frontend_pool_backend_weight(
        &self,
        request: Request<proto::SetWeightRequest>,
    ) -> Result<Response<proto::SetWeightResponse>, Status> {
        let proto::SetWeightRequest { frontend: name, pool, backend, weight, reason } = request.get_ref().clone();
        short(&[&name, &pool, &backend])?;
        let action = Action::weight(&name, &pool, &backend, weight);
        let who = operator(&request, &self.daemon, action.verb(), &action.target())?;
        let outcome = self.daemon.operate(Order { action, who, reason: reason.into() }).await?;
        Ok(Response::new(proto::SetWeightResponse {
            frontend: Some(frontend(&self.snapshot(), &name)?),
            changed: outcome.changed,
            not_saved: outcome.not_saved.as_deref().unwrap_or_default().to_owned(),
        }))
    }

    async fn list_overrides(
        &self,
        _: Request<proto::ListOverridesRequest>,
    ) -> Result<Response<proto::ListOverridesResponse>, Status> {
        Ok(Response::new(proto::ListOverridesResponse {
            overrides: Shown::new(&self.snapshot()).overrides(),
            state_file: self.daemon.state_file().map(|path| path.display().to_string()).unwrap_or_default(),
            not_saved: self.daemon.not_saved().as_deref().unwrap_or_default().to_owned(),
        }))
    }

    type WatchEventsStream = BoxStream<'static, Result<proto::Event, Status>>;

    async fn watch_events(
        &self,
        request: Request<proto::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let filter = Filter::try_from(request.get_ref())?;
        let place = match peer(&request)?.may_write() {
            true => None,
            false => Some(self.watchers.clone().try_acquire_owned().map_err(|_| {
                Status::resource_exhausted(format!("{VIEWERS_STREAMS} viewers watch already; try again later"))
            })?),
        };
        let stopped = self.stop.clone().cancelled_owned();
        Ok(Response::new(watch(&self.daemon, filter, place).take_until(stopped).boxed()))
    }

    async fn check_config(
        &self,
        request: Request<proto::CheckConfigRequest>,
    ) -> Result<Response<proto::CheckConfigResponse>, Status> {
        let _place = self.place()?;
        let proto::CheckConfigRequest { text, file } = request.into_inner();
        short(&[&file])?;
        let checked = match text {
            Some(text) => self.parse(text, file).await?,
            None => self.own().await?,
        };
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Response::new(match checked {
            Ok(Loaded { config, warnings, .. }) => proto::CheckConfigResponse {
                ok: true,
                errors: Vec::new(),
                warnings: warnings.iter().map(diagnostic).collect(),
                frontends: count(config.frontends.len()),
                backends: count(config.backends.len()),
                healthchecks: count(config.healthchecks.len()),
            },
            Err(error) => proto::CheckConfigResponse {
                errors: error.diagnostics.iter().map(diagnostic).collect(),
                ..Default::default()
            },
        }))
    }

    async fn reload_config(
        &self,
        request: Request<proto::ReloadConfigRequest>,
    ) -> Result<Response<proto::ReloadConfigResponse>, Status> {
        let who = operator(&request, &self.daemon, "reload", "config")?;
        let (daemon, certificates) = (self.daemon.clone(), self.certificates.clone());
        let reloaded = self.finish(async move {
            let reloaded = daemon.reload_file().await;
            super::server::reload(&certificates, daemon.bus()).await;
            daemon.note_action(&who, "reload", "config", reloaded.as_ref().err().map(ToString::to_string));
            reloaded
        });
        let Reloaded { loaded, overrides, .. } = reloaded.await??;
        Ok(Response::new(proto::ReloadConfigResponse {
            warnings: loaded.warnings.iter().map(diagnostic).collect(),
            sha256: loaded.config.sha256,
            overrides,
        }))
    }

    async fn get_vpp_info(&self, _: Request<proto::GetVppInfoRequest>) -> Result<Response<proto::VppInfo>, Status> {
        let counters = self.daemon.published().counters();
        Ok(Response::new(Shown::new(&self.snapshot()).vpp_info(counters.as_deref())))
    }

    async fn get_vpplb_state(
        &self,
        request: Request<proto::GetVpplbStateRequest>,
    ) -> Result<Response<proto::VpplbState>, Status> {
        if request.into_inner().flows && self.snapshot().vpp.conf.is_some() {
            self.fresh_flows().await;
        }
        let snapshot = self.snapshot();
        Shown::new(&snapshot).lb_state().map(Response::new).ok_or_else(|| no_vpp(&snapshot))
    }

    async fn get_vpplb_counters(
        &self,
        _: Request<proto::GetVpplbCountersRequest>,
    ) -> Result<Response<proto::VpplbCounters>, Status> {
        let snapshot = self.snapshot();
        if snapshot.vpp.link.is_none() {
            return Err(no_vpp(&snapshot));
        }
        let counters = self.daemon.published().counters();
        Ok(Response::new(Shown::new(&snapshot).lb_counters(counters.as_deref())))
    }

    async fn plan_vpplb_state(
        &self,
        request: Request<proto::PlanVpplbStateRequest>,
    ) -> Result<Response<proto::VpplbPlan>, Status> {
        let _place = self.place()?;
        let proto::PlanVpplbStateRequest { text, file, file_of_daemon, recreate } = request.into_inner();
        short(&[&file])?;
        let loaded = match text {
            Some(text) => Some(self.parse(text, file).await?),
            None if file_of_daemon => Some(self.own().await?),
            None => None,
        };
        let loaded = loaded.transpose().map_err(|error| Status::invalid_argument(told(&error)))?;
        let snapshot = self.snapshot();
        if snapshot.vpp.conf.is_none() {
            return Err(no_vpp(&snapshot));
        }
        let standing = self.daemon.standing().await?;
        let plan = self.compute(move || super::plan::plan(standing, loaded, &snapshot, recreate)).await??;
        Ok(Response::new(plan))
    }

    async fn sync_vpplb_state(
        &self,
        request: Request<proto::SyncVpplbStateRequest>,
    ) -> Result<Response<proto::SyncVpplbStateResponse>, Status> {
        let proto::SyncVpplbStateRequest { frontend, recreate } = request.get_ref().clone();
        short(&[&frontend])?;
        let target = match frontend.as_str() {
            "" => "vpp lb state".to_owned(),
            name => format!("vpp lb state frontend {name}"),
        };
        let action = if recreate { "sync recreate" } else { "sync" };
        let who = operator(&request, &self.daemon, action, &target)?;
        if self.snapshot().vpp.conf.is_none() {
            return Err(no_vpp(&self.snapshot()));
        }
        let scope: Option<Text> = (!frontend.is_empty()).then(|| frontend.into());
        let (daemon, only) = (self.daemon.clone(), scope.clone());
        let synced = self.finish(async move {
            let synced = daemon.sync(only, recreate).await;
            daemon.note_action(&who, action, &target, synced.as_ref().err().map(ToString::to_string));
            synced
        });
        let synced = synced.await??;
        let SyncCounts { vips_added, vips_removed, vips_recreated, ases_added, ases_removed, weights_updated, .. } =
            synced.counts;
        Ok(Response::new(proto::SyncVpplbStateResponse {
            changes: vips_added + vips_removed + vips_recreated + ases_added + ases_removed + weights_updated,
            vips_added,
            vips_removed,
            vips_recreated,
            ases_added,
            ases_removed,
            weights_updated,
            elapsed_seconds: synced.elapsed.as_secs_f64(),
            waits: held_back(&self.snapshot(), scope.as_deref()),
        }))
    }
}

/// Who asks, if it is one who may write. A refusal is logged: somebody tried.
fn operator<T>(request: &Request<T>, daemon: &Handle, action: &str, target: &str) -> Result<Text, Status> {
    let peer = peer(request)?;
    let who: Text = peer.who.to_string().into();
    peer.require_operator(&format!("{action} {target}")).inspect_err(|status| {
        daemon.note_action(&who, action, target, Some(status.message().to_owned()));
    })?;
    Ok(who)
}

fn peer<T>(request: &Request<T>) -> Result<&Peer, Status> {
    request.extensions().get().ok_or_else(|| Status::internal("a connection without a peer"))
}

fn frontend(snapshot: &Snapshot, name: &str) -> Result<proto::FrontendInfo, Status> {
    let names = snapshot.frontends.iter().map(|frontend| &*frontend.name);
    Shown::new(snapshot).frontend(name).ok_or_else(|| Refusal::no_such("frontend", name, names).into())
}

/// What a sync had to leave out, in words; empty for nothing.
fn held_back(snapshot: &Snapshot, scope: Option<&str>) -> String {
    let inside = |name: &str| scope.is_none_or(|scope| scope == name);
    let waiting = snapshot.frontends.iter().filter(|frontend| !frontend.released && inside(&frontend.name));
    let names: Vec<&str> = waiting.map(|frontend| &*frontend.name).collect();
    match (&names[..], &*snapshot.vpp.warm_up) {
        ([], _) => String::new(),
        (_, "hands-off") => "the warm-up writes nothing yet".to_owned(),
        ([name], _) => format!("frontend {name} waits until each of its backends has a verdict"),
        (names, _) => format!("{} frontends wait until each of their backends has a verdict", names.len()),
    }
}

/// Refuses names that nobody can mean.
fn short(names: &[&str]) -> Result<(), Status> {
    match names.iter().all(|name| name.len() <= LONGEST_NAME) {
        true => Ok(()),
        false => Err(Status::invalid_argument(format!("a name has at most {LONGEST_NAME} bytes"))),
    }
}

fn no_vpp(snapshot: &Snapshot) -> Status {
    let vpp = &snapshot.vpp;
    match (&vpp.unsupported, &vpp.link) {
        (Some(why), _) => Status::unavailable(&**why),
        (None, Some(_)) => Status::unavailable("VPP is being read; try again in a moment"),
        (None, None) if &*vpp.warm_up == "no dataplane" => Refusal::NoDataplane.into(),
        (None, None) => Status::unavailable("VPP is out of reach; maglevd tries again every second"),
    }
}
