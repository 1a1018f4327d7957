use std::collections::BTreeMap;

use maglev_bin::proto;
use maglev_sync::table::{Table, TableSize};
use tonic::Code;
use vpp_sim::Release;

use crate::every_release::on_every_release;
use crate::lab::Api;
use crate::support::{Lab, settled, until, writes};
use maglev_bin::cli::Role;

on_every_release! {
    over_a_vpp_that_agrees_there_is_nothing_to_do,
    what_a_config_would_move_is_what_it_moves,
    a_plan_says_which_flows_go_and_in_which_order_calls_come,
    a_new_backend_is_foreseen_at_weight_0_and_then_up,
}

/// A wanted weight as plans have it: before 26.10 a server in use counts as 1.
fn planned(release: Release, weight: u32) -> Option<u32> {
    Some(if release >= Release::V26_10 { weight } else { weight.min(1) })
}

fn of_text(text: &str) -> proto::PlanVpplbStateRequest {
    proto::PlanVpplbStateRequest { text: Some(text.into()), file: "new.yaml".into(), ..Default::default() }
}

/// Who has which bucket of the lab's VIP, as the simulator's own table says.
fn owners(api: &Api) -> Vec<Option<String>> {
    let lb = api.simulator.as_ref().unwrap().lb();
    let Some(vip) = lb.vip("192.0.2.1/32".parse().unwrap(), 6, 80) else { return vec![None; 1_024] };
    let servers: Vec<_> = vip.servers.iter().filter(|server| server.in_use).collect();
    let weights: Vec<_> = servers.iter().map(|server| (server.address, server.weight)).collect();
    let table = Table::build(TableSize::new(1_024).unwrap(), &weights);
    let counted = |at| u32::try_from(table.iter().filter(|owner| *owner == Some(at)).count()).unwrap();
    for (at, server) in servers.iter().enumerate() {
        assert_eq!(counted(at), server.buckets, "the simulator counts its own table");
    }
    table.iter().map(|owner| owner.map(|at| servers[at].address.to_string())).collect()
}

async fn over_a_vpp_that_agrees_there_is_nothing_to_do(release: Release) {
    let mut api = Api::two_up_on(release).await;
    let before = writes(&api.simulator.as_ref().unwrap().api_log());
    let plan = api.client.plan_vpplb_state(proto::PlanVpplbStateRequest::default()).await.unwrap().into_inner();
    assert!(!plan.has_changes);
    assert_eq!((plan.vips.len(), plan.later.len(), plan.unchanged), (0, 0, 1));
    let own = proto::PlanVpplbStateRequest { file_of_daemon: true, ..Default::default() };
    let plan = api.client.plan_vpplb_state(own).await.unwrap().into_inner();
    assert!(!plan.has_changes, "{plan:?}");
    assert_eq!(writes(&api.simulator.as_ref().unwrap().api_log()), before);
}

async fn what_a_config_would_move_is_what_it_moves(release: Release) {
    let lab = Lab::new(4);
    let config = lab.config("", "");
    let mut api = Api::start(lab, &config, Some(release), Role::Operator).await;
    until("all serve", || (0..4).all(|server| api.weight(server) == api.shown(100))).await;
    let line = "{ name: primary, backends: { web0: {}, web1: {}, web2: {}, web3: {} } }";
    assert!(config.contains(line));
    // The first changes nothing where there are no weights.
    let changes = [
        "{ name: primary, backends: { web0: { weight: 50 }, web1: {}, web2: {}, web3: {} } }",
        "{ name: primary, backends: { web0: { weight: 50 }, web1: {}, web2: { weight: 0 }, web3: {} } }",
        "{ name: primary, backends: { web1: {}, web3: { weight: 7 } } }",
        "{ name: primary, backends: { web0: {}, web1: { weight: 33 }, web2: { weight: 66 }, web3: {} } }",
        "{ name: primary, backends: { web0: { weight: 0 } } }\n        - { name: spare, backends: { web3: {} } }",
    ];
    for change in &changes[usize::from(release < Release::V26_10)..] {
        let text = config.replace(line, change);
        let before = owners(&api);
        let plan = api.client.plan_vpplb_state(of_text(&text)).await.unwrap().into_inner();
        assert!(plan.has_changes, "{change}");
        let vip = plan.vips.iter().chain(&plan.later).last().expect("the VIP changes");
        let foreseen: BTreeMap<_, _> = vip
            .ases
            .iter()
            .filter(|server| server.buckets_after > 0)
            .map(|server| (server.address.clone(), server.buckets_after))
            .collect();
        // New backends come at weight 0 and are raised when they are up: both steps are foreseen, and add up where only one moves.
        let moved: u32 = plan.vips.iter().chain(&plan.later).map(|vip| vip.moved_buckets).sum();

        api.write_config(&text);
        api.client.reload_config(proto::ReloadConfigRequest {}).await.unwrap();
        until("the new config is in VPP", || {
            settled(&api.daemon)
                && owners(&api).iter().flatten().fold(BTreeMap::new(), |mut counts, owner| {
                    *counts.entry(owner.clone()).or_default() += 1;
                    counts
                }) == foreseen
        })
        .await;
        let after = owners(&api);
        let really = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        if plan.vips.iter().all(|vip| vip.moved_buckets == 0) || plan.later.is_empty() {
            assert_eq!(moved as usize, really, "{change}");
        }
        assert_eq!(vip.table_length, 1_024);
        let again = proto::PlanVpplbStateRequest::default();
        let plan = api.client.plan_vpplb_state(again).await.unwrap().into_inner();
        assert!(!plan.has_changes, "{plan:?}");
    }
}

async fn a_plan_says_which_flows_go_and_in_which_order_calls_come(release: Release) {
    let mut api = Api::two_up_on(release).await;
    api.flows_are_known().await;
    let config = std::fs::read_to_string(api.lab.folder.join("maglev.yaml")).unwrap();
    let off = format!("web1: {{ address: {}, healthcheck: web, enabled: false }}", api.lab.address(1));
    let text = config.replace(&format!("web1: {{ address: {}, healthcheck: web }}", api.lab.address(1)), &off);
    assert_ne!(text, config);
    let plan = api.client.plan_vpplb_state(of_text(&text)).await.unwrap().into_inner();
    let [vip] = &plan.vips[..] else { panic!("{plan:?}") };
    assert_eq!((&*vip.action, &*vip.frontend, vip.moved_share), ("change", "web-v4", 0.5));
    let gone = &vip.ases[1];
    assert_eq!(
        (&*gone.backend, gone.weight_before, gone.weight_after, gone.flush),
        ("web1", planned(release, 100), Some(0), true)
    );
    assert_eq!((plan.flushed_flows, gone.flows), (Some(0), Some(0)));
    let address = api.lab.address(1);
    let was = planned(release, 100).unwrap();
    let steps = [
        format!("192.0.2.1 tcp/80: server {address} weight 0 (was {was})"),
        format!("192.0.2.1 tcp/80: server {address} weight 0, flush its flows (was 0)"),
    ];
    assert_eq!(vip.steps, steps);
    assert_eq!(plan.later, []);

    let plan = api.client.plan_vpplb_state(of_text("maglev: {}")).await.unwrap_err();
    assert_eq!(plan.code(), Code::InvalidArgument);
    assert!(plan.message().contains("ipv4-src-address"), "{plan}");
}

async fn a_new_backend_is_foreseen_at_weight_0_and_then_up(release: Release) {
    let lab = Lab::new(3);
    let all = lab.config("", "");
    let config = all.replace("web0: {}, web1: {}, web2: {}", "web0: {}, web1: {}");
    let gone = format!("    web2: {{ address: {}, healthcheck: web }}\n", lab.address(2));
    let config = config.replace(&gone, "");
    let mut api = Api::start(lab, &config, Some(release), Role::Operator).await;
    until("both serve", || api.weight(0) == api.shown(100) && api.weight(1) == api.shown(100)).await;
    until("they are known to", || settled(&api.daemon)).await;
    let plan = api.client.plan_vpplb_state(of_text(&all)).await.unwrap().into_inner();
    let ([now], [later]) = (&plan.vips[..], &plan.later[..]) else { panic!("{plan:?}") };
    let new = api.lab.address(2).to_string();
    let find = |vip: &proto::VipPlan| vip.ases.iter().find(|server| server.address == new).cloned().unwrap();
    assert_eq!((find(now).weight_before, find(now).weight_after, now.moved_buckets), (None, Some(0), 0));
    assert_eq!((find(later).weight_before, find(later).weight_after), (Some(0), planned(release, 100)));
    assert!(find(later).buckets_after > 300 && later.moved_share > 0.3, "{later:?}");
    assert_eq!(find(later).backend, "web2");
}
