//! A server with canned answers that remembers what it was asked.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use maglev_bin::proto::event::Kind;
use maglev_bin::proto::maglev_server::{Maglev, MaglevServer};
use maglev_bin::proto::*;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

/// The server, on a Unix socket of its own. It ends when this is dropped.
pub(crate) struct Fake {
    pub(crate) folder: PathBuf,
    pub(crate) lab: Lab,
    runtime: Option<tokio::runtime::Runtime>,
}

/// What the server answers, and what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Lab(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    not_saved: String,
    plan: VpplbPlan,
    /// What is wrong with every config.
    errors: Vec<Diagnostic>,
    viewer: bool,
    asked: Vec<String>,
}

impl Fake {
    pub(crate) fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("maglevc-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let mut fake = Self { folder, lab: Lab::default(), runtime: None };
        fake.live();
        fake
    }

    /// Takes connections.
    fn live(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = {
            let _guard = runtime.enter();
            UnixListener::bind(self.folder.join("api.sock")).expect("a socket in a folder of our own")
        };
        let server = tonic::transport::Server::builder().add_service(MaglevServer::new(self.lab.clone()));
        runtime.spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));
        self.runtime = Some(runtime);
    }

    pub(crate) fn server(&self) -> String {
        format!("unix:{}", self.folder.join("api.sock").display())
    }

    pub(crate) fn maglevc(&self) -> std::process::Command {
        crate::maglevc(&self.folder, &self.server())
    }

    /// Status, standard output and standard error of a command given word by word.
    pub(crate) fn run(&self, words: &[&str]) -> (Option<i32>, String, String) {
        crate::said(&self.bounded().args(words).output().expect("the program runs"))
    }

    /// The program, which is killed when it does not end.
    pub(crate) fn bounded(&self) -> assert_cmd::Command {
        let mut command = assert_cmd::Command::from_std(self.maglevc());
        command.timeout(crate::PATIENCE);
        command
    }

    /// Ends the server, and with it every connection.
    pub(crate) fn die(&mut self) {
        self.runtime = None;
    }

    /// Ends the server and starts another one at its place.
    pub(crate) fn restart(&mut self) {
        self.die();
        std::fs::remove_file(self.folder.join("api.sock")).expect("it had a socket");
        self.live();
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Lab {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics while it holds it")
    }

    /// Overrides are in force and not saved, for this reason.
    pub(crate) fn not_saved(&self, reason: &str) {
        self.inner().not_saved = reason.to_owned();
    }

    pub(crate) fn plan(&self, plan: VpplbPlan) {
        self.inner().plan = plan;
    }

    /// Every config has this error.
    pub(crate) fn error(&self, error: Diagnostic) {
        self.inner().errors.push(error);
    }

    /// The peer may read only.
    pub(crate) fn viewer(&self) {
        self.inner().viewer = true;
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.inner().asked.clone()
    }

    fn note(&self, what: String) {
        self.inner().asked.push(what);
    }

    fn may_write(&self) -> Result<(), Status> {
        if self.inner().viewer { Err(Status::permission_denied("a viewer may not write")) } else { Ok(()) }
    }

    fn act(&self, action: &str, state: &str, request: BackendRequest) -> Answer<BackendActionResponse> {
        self.note(format!("{action} {} {:?}", request.name, request.reason));
        self.may_write()?;
        let mut backend = backend(&request.name)?;
        if action == "pause" && backend.name == "web1" {
            return Err(Status::failed_precondition("web1 is disabled"));
        }
        let changed = backend.state != state;
        if changed {
            let from = std::mem::replace(&mut backend.state, state.into());
            let (to, code, detail) = (state.into(), action.into(), request.reason);
            backend.history.insert(0, Transition { time: None, from, to, code, detail });
        }
        let not_saved = self.inner().not_saved.clone();
        Ok(Response::new(BackendActionResponse { backend: Some(backend), changed, not_saved }))
    }
}

type Answer<T> = Result<Response<T>, Status>;

fn frontends() -> Vec<FrontendInfo> {
    ["web-v4", "web-v6"]
        .map(|name| FrontendInfo {
            name: name.into(),
            description: "public web".into(),
            address: "192.0.2.1".into(),
            protocol: "tcp".into(),
            port: 80,
            state: "up".into(),
            active_pool: "primary".into(),
            table_length_wanted: 1_024,
            pools: vec![PoolInfo {
                name: "primary".into(),
                active: true,
                backends: vec![PoolBackendInfo {
                    name: "web0".into(),
                    state: "up".into(),
                    weight: 100,
                    configured_weight: 100,
                    ..Default::default()
                }],
            }],
            ..Default::default()
        })
        .into()
}

fn backends() -> Vec<BackendInfo> {
    [("web0", "up"), ("web1", "disabled")]
        .map(|(name, state)| BackendInfo {
            name: name.into(),
            address: "10.2.1.1".into(),
            healthcheck: "web".into(),
            state: state.into(),
            rise: 2,
            fall: 3,
            ..Default::default()
        })
        .into()
}

fn backend(name: &str) -> Result<BackendInfo, Status> {
    let missing = || Status::not_found(format!("there is no backend `{name}`; did you mean `web0`?"));
    backends().into_iter().find(|backend| backend.name == name).ok_or_else(missing)
}

/// Of a server that means harm.
fn last_result() -> LastResult {
    LastResult {
        result: "fail".into(),
        code: "L7STS".into(),
        detail: "status 503".into(),
        elapsed_seconds: 0.0042,
        status: Some(503),
        answer: Some(b"\x1b[2J\xff\xc2\x9b\"down\"\n".to_vec()),
        certificate_subject: "www\u{9b}2J.example.com".into(),
        ..Default::default()
    }
}

fn checks() -> Vec<HealthCheckInfo> {
    vec![HealthCheckInfo { name: "web".into(), r#type: "http".into(), port: 80, ..Default::default() }]
}

#[tonic::async_trait]
impl Maglev for Lab {
    type WatchEventsStream = futures_util::stream::BoxStream<'static, Result<Event, Status>>;

    async fn list_frontends(&self, _: Request<ListFrontendsRequest>) -> Answer<ListFrontendsResponse> {
        self.note("list frontends".into());
        Ok(Response::new(ListFrontendsResponse { frontends: frontends() }))
    }

    async fn get_frontend(&self, request: Request<GetFrontendRequest>) -> Answer<FrontendInfo> {
        let name = request.into_inner().name;
        let found = frontends().into_iter().find(|frontend| frontend.name == name);
        found.map(Response::new).ok_or_else(|| Status::not_found(format!("there is no frontend `{name}`")))
    }

    async fn list_backends(&self, _: Request<ListBackendsRequest>) -> Answer<ListBackendsResponse> {
        self.note("list backends".into());
        Ok(Response::new(ListBackendsResponse { backends: backends() }))
    }

    async fn get_backend(&self, request: Request<GetBackendRequest>) -> Answer<BackendInfo> {
        let last_result = Some(last_result());
        Ok(Response::new(BackendInfo { last_result, ..backend(&request.into_inner().name)? }))
    }

    async fn list_health_checks(&self, _: Request<ListHealthChecksRequest>) -> Answer<ListHealthChecksResponse> {
        Ok(Response::new(ListHealthChecksResponse { healthchecks: checks() }))
    }

    async fn get_health_check(&self, _: Request<GetHealthCheckRequest>) -> Answer<HealthCheckInfo> {
        Ok(Response::new(checks().remove(0)))
    }

    async fn pause_backend(&self, request: Request<BackendRequest>) -> Answer<BackendActionResponse> {
        self.act("pause", "paused", request.into_inner())
    }

    async fn resume_backend(&self, request: Request<BackendRequest>) -> Answer<BackendActionResponse> {
        self.act("resume", "unknown", request.into_inner())
    }

    async fn enable_backend(&self, request: Request<BackendRequest>) -> Answer<BackendActionResponse> {
        self.act("enable", "unknown", request.into_inner())
    }

    async fn disable_backend(&self, request: Request<BackendRequest>) -> Answer<BackendActionResponse> {
        self.act("disable", "disabled", request.into_inner())
    }

    async fn clear_override(&self, request: Request<BackendRequest>) -> Answer<BackendActionResponse> {
        self.act("clear", "unknown", request.into_inner())
    }

    async fn probe_backend(&self, request: Request<ProbeBackendRequest>) -> Answer<ProbeBackendResponse> {
        let name = request.into_inner().name;
        self.note(format!("probe {name}"));
        self.may_write()?;
        let probe = ProbeResult {
            result: "fail".into(),
            code: "L4CON".into(),
            detail: "connect refused".into(),
            elapsed_seconds: 0.0004,
        };
        let backend = Some(backend(&name)?);
        Ok(Response::new(ProbeBackendResponse { backend, under_way: false, probe: Some(probe) }))
    }

    async fn set_frontend_pool_backend_weight(&self, request: Request<SetWeightRequest>) -> Answer<SetWeightResponse> {
        let SetWeightRequest { frontend, pool, backend, weight, reason } = request.into_inner();
        self.note(format!("weight {frontend} {pool} {backend} {weight:?} {reason:?}"));
        let mut info = frontends().remove(0);
        if let Some(weight) = weight {
            info.pools[0].backends[0].weight = weight;
            info.pools[0].backends[0].overridden = true;
        }
        Ok(Response::new(SetWeightResponse { frontend: Some(info), changed: true, not_saved: String::new() }))
    }

    async fn list_overrides(&self, _: Request<ListOverridesRequest>) -> Answer<ListOverridesResponse> {
        let not_saved = self.inner().not_saved.clone();
        Ok(Response::new(ListOverridesResponse { not_saved, ..Default::default() }))
    }

    async fn watch_events(&self, request: Request<WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        self.note(format!("watch {:?}", request.into_inner()));
        let to = |to: &str| {
            let (name, code, detail) = ("web0".into(), "L7STS".into(), "status 503".into());
            Kind::Backend(BackendEvent { name, from: "up".into(), to: to.into(), code, detail })
        };
        let events = [
            (true, to("up")),
            (true, Kind::SnapshotEnd(SnapshotEnd {})),
            (false, to("down")),
            (false, Kind::Lost(LostEvents { count: 3 })),
            (false, to("unknown")),
            (false, to("paused")),
        ];
        let time = Some(Timestamp { seconds: 3_661, nanos: 4_000_000 });
        let events = events.map(|(snapshot, kind)| Ok(Event { time, snapshot, kind: Some(kind) }));
        let stream = futures_util::stream::iter(events);
        // Like that of a daemon, it has no end.
        let stream = futures_util::StreamExt::chain(stream, futures_util::stream::pending());
        Ok(Response::new(Box::pin(stream)))
    }

    async fn check_config(&self, request: Request<CheckConfigRequest>) -> Answer<CheckConfigResponse> {
        let CheckConfigRequest { text, file } = request.into_inner();
        self.note(format!("check {file:?} {text:?}"));
        let errors = self.inner().errors.clone();
        let ok = errors.is_empty();
        Ok(Response::new(CheckConfigResponse { ok, errors, frontends: 1, backends: 2, ..Default::default() }))
    }

    async fn reload_config(&self, _: Request<ReloadConfigRequest>) -> Answer<ReloadConfigResponse> {
        self.may_write()?;
        let warnings = vec![Diagnostic { file: "maglev.yaml".into(), message: "odd".into(), ..Default::default() }];
        Ok(Response::new(ReloadConfigResponse { warnings, sha256: "00ff".into(), ..Default::default() }))
    }

    async fn get_vpp_info(&self, _: Request<GetVppInfoRequest>) -> Answer<VppInfo> {
        self.note("info".into());
        Ok(Response::new(VppInfo { maglevd_version: "9.9.9".into(), ..Default::default() }))
    }

    async fn get_vpplb_state(&self, request: Request<GetVpplbStateRequest>) -> Answer<VpplbState> {
        self.note(format!("state flows={}", request.into_inner().flows));
        Ok(Response::new(VpplbState::default()))
    }

    async fn get_vpplb_counters(&self, _: Request<GetVpplbCountersRequest>) -> Answer<VpplbCounters> {
        Err(Status::unavailable("VPP is out of reach"))
    }

    async fn plan_vpplb_state(&self, request: Request<PlanVpplbStateRequest>) -> Answer<VpplbPlan> {
        let PlanVpplbStateRequest { text, file, file_of_daemon, recreate } = request.into_inner();
        self.note(format!("plan {file:?} {text:?} daemon={file_of_daemon} recreate={recreate}"));
        let inner = self.inner();
        match inner.errors.first() {
            Some(first) if text.is_some() || file_of_daemon => Err(Status::invalid_argument(&*first.message)),
            _ => Ok(Response::new(inner.plan.clone())),
        }
    }

    async fn sync_vpplb_state(&self, request: Request<SyncVpplbStateRequest>) -> Answer<SyncVpplbStateResponse> {
        let SyncVpplbStateRequest { frontend, recreate } = request.into_inner();
        self.note(format!("sync {frontend:?} recreate={recreate}"));
        Ok(Response::new(SyncVpplbStateResponse { changes: 1, weights_updated: 1, ..Default::default() }))
    }
}
