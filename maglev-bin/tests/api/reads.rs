use maglev_bin::cli::Role;
use maglev_bin::proto;
use tonic::Code;
use vpp_sim::Release;

use crate::every_release::on_every_release;
use crate::lab::Api;
use crate::support::{Lab, until};

on_every_release! {
    a_frontend_is_shown_as_config_health_and_vpp_have_it,
    vpp_is_named_with_what_it_can_do,
    the_state_of_the_balancer_is_what_the_simulator_holds,
    counters_come_in_the_order_of_the_config,
}

async fn a_frontend_is_shown_as_config_health_and_vpp_have_it(release: Release) {
    let mut api = Api::two_up_on(release).await;
    let list = api.client.list_frontends(proto::ListFrontendsRequest {}).await.unwrap().into_inner();
    let [web] = &list.frontends[..] else { panic!("{list:?}") };
    assert_eq!((&*web.name, &*web.address, &*web.protocol, web.port), ("web-v4", "192.0.2.1", "tcp", 80));
    assert_eq!((&*web.state, &*web.active_pool), ("up", "primary"));
    assert_eq!((web.table_length_wanted, web.table_length), (1_024, Some(1_024)));
    assert!(web.flush_on_down && !web.src_ip_sticky);
    assert!(web.since.is_some() && web.compared.is_some());
    let [pool] = &web.pools[..] else { panic!("{web:?}") };
    assert!(pool.active);
    let names: Vec<_> = pool.backends.iter().map(|backend| &*backend.name).collect();
    assert_eq!(names, ["web0", "web1"], "in the order of the config");
    let shown = api.shown(100).map(u32::from);
    for backend in &pool.backends {
        let weights = (backend.weight, backend.effective_weight, backend.configured_weight, backend.vpp_weight);
        assert_eq!(weights, (100, 100, 100, shown));
        assert_eq!((&*backend.state, backend.buckets, backend.overridden), ("up", Some(512), false));
    }
    let name = "web-v4".to_owned();
    let one = api.client.get_frontend(proto::GetFrontendRequest { name }).await.unwrap().into_inner();
    assert_eq!((one.name, one.pools.len()), (web.name.clone(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_tells_its_history_and_where_it_serves() {
    let mut api = Api::two_up().await;
    let list = api.client.list_backends(proto::ListBackendsRequest {}).await.unwrap().into_inner();
    assert_eq!(list.backends.iter().map(|backend| &*backend.name).collect::<Vec<_>>(), ["web0", "web1"]);
    let name = "web0".to_owned();
    let web0 = api.client.get_backend(proto::GetBackendRequest { name }).await.unwrap().into_inner();
    assert_eq!((&*web0.state, &*web0.kind, &*web0.healthcheck), ("up", "http", "web"));
    assert_eq!((web0.rise, web0.fall, web0.enabled, web0.held), (2, 2, true, false));
    assert_eq!(web0.history[0].code, "L7OK");
    assert_eq!((&*web0.history[0].from, &*web0.history[0].to), ("unknown", "up"));
    let place =
        proto::BackendUse { frontend: "web-v4".into(), pool: "primary".into(), weight: 100, effective_weight: 100 };
    assert_eq!(web0.uses, [place]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_is_shown_with_every_default_and_its_backends() {
    let mut api = Api::two_up().await;
    let name = "web".to_owned();
    let web = api.client.get_health_check(proto::GetHealthCheckRequest { name }).await.unwrap().into_inner();
    assert_eq!((&*web.r#type, web.port), ("http", u32::from(api.lab.port)));
    assert_eq!((web.interval_seconds, web.fast_interval_seconds, web.timeout_seconds), (0.1, 0.03, 1.0));
    let http = web.http.as_ref().unwrap();
    assert_eq!((&*http.path, http.response_code_min, http.response_code_max), ("/", 200, 399));
    assert_eq!((web.tls.as_ref(), &web.backends[..]), (None, &["web0".to_owned(), "web1".to_owned()][..]));
    let list = api.client.list_health_checks(proto::ListHealthChecksRequest {}).await.unwrap().into_inner();
    assert_eq!(list.healthchecks, [web]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_are_not_found_and_the_nearest_is_named() {
    let mut api = Api::two_up().await;
    let name = "web-v5".to_owned();
    let status = api.client.get_frontend(proto::GetFrontendRequest { name }).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "there is no frontend `web-v5`; did you mean `web-v4`?");
    let name = "wbe0".to_owned();
    let status = api.client.get_backend(proto::GetBackendRequest { name }).await.unwrap_err();
    assert_eq!(status.message(), "there is no backend `wbe0`; did you mean `web0`?");
    let name = "nothing-like-it".to_owned();
    let status = api.client.get_health_check(proto::GetHealthCheckRequest { name }).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no healthcheck `nothing-like-it`"));
}

async fn vpp_is_named_with_what_it_can_do(release: Release) {
    let mut api = Api::two_up_on(release).await;
    until("the counters have been read", || api.daemon.published().counters().is_some()).await;
    let info = api.client.get_vpp_info(proto::GetVppInfoRequest {}).await.unwrap().into_inner();
    assert!(info.connected && info.pid > 0 && info.connected_since.is_some() && info.boot_time.is_some());
    let with_weights = ["lb", "lb-weights", "src-ip-sticky", "stats"];
    let expected = with_weights.into_iter().filter(|can| *can != "lb-weights" || release >= Release::V26_10);
    assert_eq!(info.capabilities, expected.collect::<Vec<_>>());
    assert_eq!((&*info.unsupported, &*info.warm_up), ("", "releasing"));
    assert_eq!(info.maglevd_version, maglev_bin::build::VERSION);
    assert_eq!(info.config_sha256.len(), 64);
}

async fn the_state_of_the_balancer_is_what_the_simulator_holds(release: Release) {
    let mut api = Api::two_up_on(release).await;
    api.flows_are_known().await;
    let state = api.client.get_vpplb_state(proto::GetVpplbStateRequest { flows: true }).await.unwrap().into_inner();
    let conf = state.conf.as_ref().unwrap();
    assert_eq!((&*conf.ipv4_src_address, conf.sticky_buckets_per_core), ("10.0.0.1", 65_536));
    let [vip] = &state.vips[..] else { panic!("{state:?}") };
    assert_eq!((&*vip.prefix, &*vip.protocol, vip.port, &*vip.frontend), ("192.0.2.1", "tcp", 80, "web-v4"));
    assert_eq!((&*vip.encap, vip.table_length), ("gre4", Some(1_024)));
    assert!(vip.in_sync && vip.released && vip.compared.is_some());
    assert!(state.flows_read.is_some(), "it asked for the flows");
    let lb = api.simulator.as_ref().unwrap().lb();
    let held = lb.vip("192.0.2.1/32".parse().unwrap(), 6, 80).unwrap();
    for server in &vip.ases {
        let address = server.address.parse().unwrap();
        let theirs = held.server(address).unwrap();
        assert_eq!((server.weight, server.buckets), (theirs.weight.into(), theirs.buckets));
        assert_eq!(server.flows, Some(0), "nobody sends any");
    }
}

async fn counters_come_in_the_order_of_the_config(release: Release) {
    let mut api = Api::two_up_on(release).await;
    until("the indices are known and the counters read", || {
        let counters = api.daemon.published().counters();
        counters.is_some_and(|counters| counters.vips.len() == 1 && counters.backends.len() == 2)
    })
    .await;
    let counters = api.client.get_vpplb_counters(proto::GetVpplbCountersRequest {}).await.unwrap().into_inner();
    assert!(counters.taken.is_some());
    let vip = &counters.vips[0];
    assert_eq!((&*vip.frontend, vip.first, vip.next, vip.no_server), ("web-v4", Some(0), Some(0), Some(0)));
    assert_eq!((vip.fib_packets, vip.fib_bytes), (Some(0), Some(0)));
    assert_eq!(counters.backends.iter().map(|backend| &*backend.name).collect::<Vec<_>>(), ["web0", "web1"]);
    assert_eq!(counters.backends[0].packets, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_vpp_everything_that_needs_it_is_unavailable_and_the_rest_goes_on() {
    let lab = Lab::new(1);
    let config = lab.config("", "");
    let mut api = Api::start(lab, &config, None, Role::Operator).await;
    let info = api.client.get_vpp_info(proto::GetVppInfoRequest {}).await.unwrap().into_inner();
    assert!(!info.connected && info.capabilities.is_empty());
    let client = &mut api.client;
    let refusals = [
        client.get_vpplb_state(proto::GetVpplbStateRequest { flows: true }).await.map(drop),
        client.get_vpplb_counters(proto::GetVpplbCountersRequest {}).await.map(drop),
        client.plan_vpplb_state(proto::PlanVpplbStateRequest::default()).await.map(drop),
        client.sync_vpplb_state(proto::SyncVpplbStateRequest::default()).await.map(drop),
    ];
    for refusal in refusals {
        let status = refusal.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.message().starts_with("VPP is out of reach"), "{status}");
    }
    let list = client.list_backends(proto::ListBackendsRequest {}).await.unwrap().into_inner();
    assert_eq!(list.backends.len(), 1);
}
