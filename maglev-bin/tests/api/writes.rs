use maglev_bin::cli::Role;
use maglev_bin::proto;
use tonic::Code;
use vpp_api::messages::lb::LbAsSetWeight;
use vpp_api::messages::vlib::CliInband;
use vpp_sim::{LogEntry, Release, Simulator};

use crate::every_release::on_every_release;
use crate::lab::Api;
use crate::support::{Lab, settled, until, writes};

on_every_release! {
    a_pause_takes_the_weight_and_a_resume_gives_it_back_after_a_verdict,
    a_disabled_backend_is_flushed_once_and_can_be_neither_paused_nor_resumed,
    a_weight_counts_at_once_and_is_told_and_ends_with_the_word_config,
    overrides_are_listed_with_who_when_and_why_until_they_are_cleared,
    a_probe_by_hand_is_sent_at_once_and_tells_what_it_found,
    what_is_refused_changes_nothing,
    a_viewer_reads_and_every_write_of_theirs_is_refused_and_told,
    a_state_file_that_cannot_be_written_is_told_and_the_action_stands,
    a_sync_puts_right_what_somebody_else_took_out_and_says_what_it_did,
    what_a_sync_finds_in_order_is_not_written_again_although_no_thread_has_taken_it_over,
    a_sync_whose_caller_goes_away_is_finished_and_told,
}

fn backend(name: &str, reason: &str) -> proto::BackendRequest {
    proto::BackendRequest { name: name.into(), reason: reason.into() }
}

fn weight(backend: &str, weight: Option<u32>) -> proto::SetWeightRequest {
    proto::SetWeightRequest {
        frontend: "web-v4".into(),
        pool: "primary".into(),
        backend: backend.into(),
        weight,
        reason: "a trial".into(),
    }
}

async fn a_pause_takes_the_weight_and_a_resume_gives_it_back_after_a_verdict(release: Release) {
    let mut api = Api::two_up_on(release).await;
    let paused = api.client.pause_backend(backend("web0", "disk swap")).await.unwrap().into_inner();
    assert!(paused.changed && paused.not_saved.is_empty(), "{paused:?}");
    let web0 = paused.backend.unwrap();
    assert_eq!((&*web0.state, &*web0.r#override), ("paused", "pause"));
    assert_eq!((&*web0.history[0].code, &web0.history[0].detail[..9]), ("paused", "disk swap"));
    until("the paused server loses its weight", || api.weight(0) == api.shown(0)).await;
    let again = api.client.pause_backend(backend("web0", "")).await.unwrap().into_inner();
    assert!(!again.changed);
    let resumed = api.client.resume_backend(backend("web0", "")).await.unwrap().into_inner();
    assert!(resumed.changed);
    until("it serves again", || api.weight(0) == api.shown(100)).await;
    assert_eq!(api.state("web0"), "up");
    let flushes = writes(&api.simulator.as_ref().unwrap().api_log());
    assert!(!flushes.iter().any(|write| write.contains(r#""is_flush":true"#)), "a pause flushes nothing: {flushes:?}");
}

async fn a_disabled_backend_is_flushed_once_and_can_be_neither_paused_nor_resumed(release: Release) {
    let mut api = Api::two_up_on(release).await;
    let disabled = api.client.disable_backend(backend("web0", "")).await.unwrap().into_inner();
    assert_eq!(disabled.backend.unwrap().state, "disabled");
    let flushes = |api: &Api| {
        let log = writes(&api.simulator.as_ref().unwrap().api_log());
        log.iter().filter(|write| write.contains(r#""is_flush":true"#)).count()
    };
    until("its flows are evicted", || api.weight(0) == api.shown(0) && flushes(&api) == 1).await;
    for refused in
        [api.client.pause_backend(backend("web0", "")).await, api.client.resume_backend(backend("web0", "")).await]
    {
        let status = refused.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.message(), "backend web0 is disabled: enable it first");
    }
    assert_eq!(api.state("web0"), "disabled");
    let enabled = api.client.enable_backend(backend("web0", "")).await.unwrap().into_inner();
    assert!(enabled.changed);
    until("it serves again", || api.weight(0) == api.shown(100)).await;
    assert_eq!(flushes(&api), 1);
}

async fn a_weight_counts_at_once_and_is_told_and_ends_with_the_word_config(release: Release) {
    let mut api = Api::two_up_on(release).await;
    api.told();
    let by_hand = api.below_100(25);
    let request = weight("web0", Some(by_hand.into()));
    let set = api.client.set_frontend_pool_backend_weight(request).await.unwrap().into_inner();
    let row = set.frontend.as_ref().unwrap().pools[0].backends[0].clone();
    assert_eq!((set.changed, row.weight, row.configured_weight, row.overridden), (true, by_hand.into(), 100, true));
    until("VPP has the new weight", || api.weight(0) == api.shown(by_hand)).await;
    let told = api.told();
    let event = told.iter().find(|line| line.starts_with("frontend-weight")).expect("a weight is an event");
    let expected = format!("frontend=web-v4 pool=primary backend=web0 from=100 to={by_hand} who=addr:127.0.0.1:");
    assert!(event.contains(&expected), "{event}");
    let action = told.iter().find(|line| line.starts_with("operator-action")).expect("every write is told");
    assert!(action.contains(r#"reason="a trial" result=ok"#), "{action}");
    let back = api.client.set_frontend_pool_backend_weight(weight("web0", None)).await.unwrap().into_inner();
    assert!(back.changed);
    until("VPP has the config's weight", || api.weight(0) == api.shown(100)).await;
    let overrides = api.client.list_overrides(proto::ListOverridesRequest {}).await.unwrap().into_inner();
    assert_eq!(overrides.overrides, []);
}

async fn overrides_are_listed_with_who_when_and_why_until_they_are_cleared(release: Release) {
    let mut api = Api::two_up_on(release).await;
    api.client.disable_backend(backend("web1", "disk swap")).await.unwrap();
    api.client.set_frontend_pool_backend_weight(weight("web0", Some(0))).await.unwrap();
    let list = api.client.list_overrides(proto::ListOverridesRequest {}).await.unwrap().into_inner();
    assert_eq!((&*list.not_saved, &*list.state_file), ("", &*api.state_file().display().to_string()));
    let [state, of_weight] = &list.overrides[..] else { panic!("{list:?}") };
    assert_eq!((&*state.kind, &*state.backend, &*state.reason), ("disable", "web1", "disk swap"));
    assert!(state.who.starts_with("addr:127.0.0.1:") && state.time.is_some());
    assert_eq!((&*of_weight.kind, of_weight.weight, of_weight.configured_weight), ("weight", Some(0), Some(100)));
    assert_eq!((&*of_weight.frontend, &*of_weight.pool, &*of_weight.backend), ("web-v4", "primary", "web0"));
    let saved = std::fs::read_to_string(api.state_file()).unwrap();
    assert!(saved.contains("disk swap"), "{saved}");

    let cleared = api.client.clear_override(backend("web1", "")).await.unwrap().into_inner();
    assert!(cleared.changed);
    until("the cleared backend serves", || api.weight(1) == api.shown(100)).await;
    let list = api.client.list_overrides(proto::ListOverridesRequest {}).await.unwrap().into_inner();
    assert_eq!(list.overrides.iter().map(|over| &*over.kind).collect::<Vec<_>>(), ["weight"]);
}

async fn a_probe_by_hand_is_sent_at_once_and_tells_what_it_found(release: Release) {
    let mut api = Api::two_up_on(release).await;
    api.told();
    let request = |name: &str| proto::ProbeBackendRequest { name: name.into() };
    let answer = api.client.probe_backend(request("web0")).await.unwrap().into_inner();
    let (found, web0) = (answer.probe.expect("it ended"), answer.backend.expect("it is there"));
    assert_eq!((&*found.result, &*web0.state), ("pass", "up"));
    assert!(found.code.ends_with("OK") && found.elapsed_seconds > 0.0, "{found:?}");
    let told = api.told();
    let action = told.iter().find(|line| line.starts_with("operator-action")).expect("every write is told");
    assert!(action.contains(r#"action=probe target="backend web0""#), "{action}");
    let overrides = api.client.list_overrides(proto::ListOverridesRequest {}).await.unwrap().into_inner();
    assert_eq!(overrides.overrides, [], "nothing is set");

    let missing = api.client.probe_backend(request("web9")).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    api.client.pause_backend(backend("web0", "")).await.unwrap();
    let paused = api.client.probe_backend(request("web0")).await.unwrap_err();
    assert_eq!(paused.code(), Code::FailedPrecondition);
    assert_eq!(paused.message(), "backend web0 is paused and not probed: resume it first");
}

async fn what_is_refused_changes_nothing(release: Release) {
    let mut api = Api::two_up_on(release).await;
    let before = writes(&api.simulator.as_ref().unwrap().api_log());
    let client = &mut api.client;
    let long = "x".repeat(257);
    let longer = "x".repeat(100_000);
    let refusals = [
        (client.pause_backend(backend("web9", "")).await.map(drop), Code::NotFound, "there is no backend `web9`"),
        (client.disable_backend(backend("", "")).await.map(drop), Code::NotFound, "there is no backend ``"),
        (client.disable_backend(backend(&longer, "")).await.map(drop), Code::InvalidArgument, "at most 1024 bytes"),
        (client.disable_backend(backend("web0", &longer)).await.map(drop), Code::InvalidArgument, "256 bytes"),
        (client.disable_backend(backend("web0", "two\nlines")).await.map(drop), Code::InvalidArgument, "one line"),
        (client.disable_backend(backend("web0", &long)).await.map(drop), Code::InvalidArgument, "256 bytes"),
        (
            client.set_frontend_pool_backend_weight(weight("web0", Some(101))).await.map(drop),
            Code::InvalidArgument,
            "101 is no weight: it is 0 to 100",
        ),
        (
            client.set_frontend_pool_backend_weight(weight("web7", Some(1))).await.map(drop),
            Code::NotFound,
            "there is no backend in pool primary of frontend web-v4 `web7`",
        ),
        (
            client
                .set_frontend_pool_backend_weight(proto::SetWeightRequest {
                    pool: "primry".into(),
                    ..weight("web0", None)
                })
                .await
                .map(drop),
            Code::NotFound,
            "did you mean `primary`?",
        ),
        (
            client
                .sync_vpplb_state(proto::SyncVpplbStateRequest { frontend: "web".into(), recreate: true })
                .await
                .map(drop),
            Code::NotFound,
            "there is no frontend `web`",
        ),
    ];
    for (refusal, code, message) in refusals {
        let status = refusal.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(message), "{status}");
    }
    assert!(
        api.told().iter().all(|line| line.len() < 2_000),
        "what was refused for its length is not told at that length"
    );
    assert_eq!((api.state("web0"), api.state("web1")), ("up", "up"));
    assert_eq!(writes(&api.simulator.as_ref().unwrap().api_log()), before);
    let list = api.client.list_overrides(proto::ListOverridesRequest {}).await.unwrap().into_inner();
    assert_eq!(list.overrides, []);
}

async fn a_viewer_reads_and_every_write_of_theirs_is_refused_and_told(release: Release) {
    let lab = Lab::new(1);
    let config = lab.config("", "");
    let mut api = Api::start(lab, &config, Some(release), Role::Viewer).await;
    until("the server serves", || api.weight(0) == api.shown(100)).await;
    api.told();
    let client = &mut api.client;
    client.list_backends(proto::ListBackendsRequest {}).await.unwrap();
    let refusals = [
        client.pause_backend(backend("web0", "")).await.map(drop),
        client.resume_backend(backend("web0", "")).await.map(drop),
        client.enable_backend(backend("web0", "")).await.map(drop),
        client.disable_backend(backend("web0", "")).await.map(drop),
        client.clear_override(backend("web0", "")).await.map(drop),
        client.set_frontend_pool_backend_weight(weight("web0", Some(1))).await.map(drop),
        client.reload_config(proto::ReloadConfigRequest {}).await.map(drop),
        client.sync_vpplb_state(proto::SyncVpplbStateRequest::default()).await.map(drop),
    ];
    let count = refusals.len();
    for refusal in refusals {
        let status = refusal.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    }
    let told = api.told();
    let refused = told.iter().filter(|line| line.starts_with("operator-action") && line.contains("result=\"refused: "));
    assert_eq!(refused.count(), count, "{told:?}");
    assert!(!told.iter().any(|line| line.starts_with("config-reload")), "{told:?}");
    assert_eq!((api.state("web0"), api.weight(0)), ("up", api.shown(100)));
}

async fn a_state_file_that_cannot_be_written_is_told_and_the_action_stands(release: Release) {
    let mut api = Api::two_up_on(release).await;
    // A folder in the place of the file: no rename can replace it, whoever we are.
    let _ = std::fs::remove_file(api.state_file());
    std::fs::create_dir_all(api.state_file().join("full")).unwrap();
    let disabled = api.client.disable_backend(backend("web0", "")).await.unwrap().into_inner();
    assert!(disabled.changed);
    assert!(disabled.not_saved.contains("state.json"), "{}", disabled.not_saved);
    until("the action stands", || api.weight(0) == api.shown(0)).await;
    let list = api.client.list_overrides(proto::ListOverridesRequest {}).await.unwrap().into_inner();
    assert_eq!(list.overrides.len(), 1);
    assert!(!list.not_saved.is_empty());

    std::fs::remove_dir_all(api.state_file()).unwrap();
    let disabled = api.client.disable_backend(backend("web1", "")).await.unwrap().into_inner();
    assert_eq!(disabled.not_saved, "", "the disk is well again");
}

async fn a_sync_puts_right_what_somebody_else_took_out_and_says_what_it_did(release: Release) {
    let lab = Lab::new(2);
    // Drift would be found by itself, an hour later.
    let config = lab.config(", sync-interval: 1h", "");
    let mut api = Api::start(lab, &config, Some(release), Role::Operator).await;
    until("both serve", || (0..2).all(|server| api.weight(server) == api.shown(100))).await;
    let cmd = format!("lb as 192.0.2.1/32 protocol tcp port 80 {} del", api.lab.address(0));
    stranger(&api).await.call(&CliInband { cmd: cmd.as_str().into() }).await.unwrap();
    assert_eq!(api.weight(0), None);
    let request = proto::SyncVpplbStateRequest { frontend: "web-v4".into(), recreate: false };
    let synced = api.client.sync_vpplb_state(request).await.unwrap().into_inner();
    // A VPP without weights has it at 0, as far as the daemon goes.
    assert_eq!((synced.changes, synced.ases_added + synced.weights_updated), (1, 1), "{synced:?}");
    assert_eq!(api.weight(0), api.shown(100));
    let again = api.client.sync_vpplb_state(proto::SyncVpplbStateRequest::default()).await.unwrap().into_inner();
    assert_eq!(again.changes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_puts_right_a_weight_that_somebody_else_set() {
    let lab = Lab::new(2);
    let config = lab.config(", sync-interval: 1h", "");
    let mut api = Api::start(lab, &config, Some(Release::V26_10), Role::Operator).await;
    until("both serve", || api.weight(0) == Some(100) && api.weight(1) == Some(100)).await;
    let prefix: ipnet::IpNet = "192.0.2.1/32".parse().unwrap();
    let set = LbAsSetWeight {
        pfx: prefix.into(),
        protocol: vpp_api::types::IpProto(6),
        port: 80,
        as_address: api.lab.address(0).into(),
        weight: 7,
        is_flush: false,
    };
    stranger(&api).await.call(&set).await.unwrap();
    assert_eq!(api.weight(0), Some(7));
    let request = proto::SyncVpplbStateRequest { frontend: "web-v4".into(), recreate: false };
    let synced = api.client.sync_vpplb_state(request).await.unwrap().into_inner();
    assert_eq!((synced.changes, synced.weights_updated), (1, 1));
    assert_eq!(api.weight(0), Some(100));
}

/// Another client of VPP.
async fn stranger(api: &Api) -> vpp_api::client::Client {
    let path = api.simulator.as_ref().unwrap().api_path();
    vpp_api::client::Client::connect(path, vpp_api::client::Options::default()).await.unwrap()
}

async fn what_a_sync_finds_in_order_is_not_written_again_although_no_thread_has_taken_it_over(release: Release) {
    let mut api = Api::two_up_on(release).await;
    let simulator = api.simulator.as_ref().unwrap();
    simulator.set_flows(500);
    until("there are sessions", || simulator.flow_totals().new_flows > 10).await;
    simulator.set_flows(0);
    until("no packet is under way", || simulator.flow_totals().under_way == 0).await;
    // Another time-out and another size, which is left until it is asked for, with nobody to take them over.
    let lb = "ipv6-src-address: '2001:db8::1'";
    let config = std::fs::read_to_string(api.lab.folder.join("maglev.yaml")).unwrap();
    let changed = format!("{lb}, flow-timeout: 30s, sticky-buckets-per-core: 32768");
    api.write_config(&config.replace(lb, &changed));
    api.client.reload_config(proto::ReloadConfigRequest {}).await.unwrap();
    let request = proto::SyncVpplbStateRequest { frontend: String::new(), recreate: true };
    api.client.sync_vpplb_state(request).await.unwrap();
    until("both are written", || {
        let lb = api.simulator.as_ref().unwrap().lb();
        (lb.flow_timeout, lb.sticky_buckets) == (30, 32_768)
    })
    .await;

    let before = api.simulator.as_ref().unwrap().api_log().len();
    for _ in 0..2 {
        api.client.sync_vpplb_state(proto::SyncVpplbStateRequest::default()).await.unwrap();
    }
    assert_eq!(writes(&api.simulator.as_ref().unwrap().api_log()[before..]), [""; 0]);
    until("nothing is told to differ", || api.daemon.published().snapshot().vpp.differs.is_empty()).await;
}

async fn a_sync_whose_caller_goes_away_is_finished_and_told(release: Release) {
    let lab = Lab::new(1);
    let config = lab.config("", "");
    let mut api = Api::start(lab, &config, Some(release), Role::Operator).await;
    until("it serves, and nothing is left to do", || api.weight(0) == api.shown(100) && settled(&api.daemon)).await;
    // From now on VPP takes its time, so that the caller can leave in the middle.
    let simulator = api.simulator.as_ref().unwrap();
    simulator.inject("delay:by=300ms,times=4".parse().expect("a fault"));
    api.told();
    let simulator = api.simulator.as_ref().unwrap();
    // VIPs are listed for other reasons too; once settled, settings are read only for a sync of everything.
    let asked = |simulator: &Simulator| {
        let log = simulator.api_log();
        let reads_settings = |entry: &&LogEntry| match release >= Release::V26_10 {
            true => entry.name == "lb_conf_get",
            false => entry.name == "cli_inband" && entry.fields.get("cmd") == Some(&"show lb".into()),
        };
        log.iter().filter(reads_settings).count()
    };
    let before = asked(simulator);
    let mut client = api.another().await;
    let call =
        tokio::spawn(async move { client.sync_vpplb_state(proto::SyncVpplbStateRequest::default()).await.map(drop) });
    until("VPP is being read", || asked(simulator) > before).await;
    call.abort();
    let events = &mut api.events;
    let mut told = Vec::new();
    until("the sync to be told all the same", || {
        told.extend(std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.what.to_string()));
        told.iter().any(|line| line.starts_with("operator-action") && line.contains("action=sync"))
    })
    .await;
}
