use maglev_bin::proto;
use tonic::Code;
use vpp_sim::Release;

use crate::every_release::on_every_release;
use crate::lab::Api;
use crate::support::{until, writes};

on_every_release! {
    a_reload_takes_the_file_and_refuses_a_broken_one_whole,
    overrides_survive_a_reload_with_a_warning_and_go_with_their_target,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_checked_as_a_file_would_be() {
    let mut api = Api::two_up().await;
    let good = std::fs::read_to_string(api.lab.folder.join("maglev.yaml")).unwrap();
    let request = |text: &str| proto::CheckConfigRequest { text: Some(text.into()), file: "new.yaml".into() };
    let checked = api.client.check_config(request(&good)).await.unwrap().into_inner();
    assert!(checked.ok);
    assert_eq!((checked.frontends, checked.backends, checked.healthchecks), (1, 2, 1));

    let wrong = good.replace("timeout: 1s", "tiemout: 1s");
    let checked = api.client.check_config(request(&wrong)).await.unwrap().into_inner();
    assert!(!checked.ok);
    let [error] = &checked.errors[..] else { panic!("{checked:?}") };
    assert_eq!((&*error.file, &*error.message), ("new.yaml", "unknown key `tiemout`"));
    assert_eq!(error.help, "did you mean `timeout`?");
    assert!(error.line > 1 && error.column > 1 && error.snippet.contains("^^^^^^^"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_text_the_daemons_own_file_is_checked_and_nothing_changes() {
    let mut api = Api::two_up().await;
    let own = proto::CheckConfigRequest::default();
    assert!(api.client.check_config(own.clone()).await.unwrap().into_inner().ok);
    let before = api.client.get_vpp_info(proto::GetVppInfoRequest {}).await.unwrap().into_inner().config_sha256;
    api.write_config("maglev: [");
    assert!(!api.client.check_config(own).await.unwrap().into_inner().ok);
    let after = api.client.get_vpp_info(proto::GetVppInfoRequest {}).await.unwrap().into_inner().config_sha256;
    assert_eq!(before, after);
}

async fn a_reload_takes_the_file_and_refuses_a_broken_one_whole(release: Release) {
    let mut api = Api::two_up_on(release).await;
    let good = std::fs::read_to_string(api.lab.folder.join("maglev.yaml")).unwrap();
    let weight = api.below_100(40);
    api.write_config(&good.replace("web0: {}", &format!("web0: {{ weight: {weight} }}")));
    let reloaded = api.client.reload_config(proto::ReloadConfigRequest {}).await.unwrap().into_inner();
    assert_eq!(reloaded.sha256.len(), 64);
    until("the new weight is in VPP", || api.weight(0) == api.shown(weight)).await;

    let before = writes(&api.simulator.as_ref().unwrap().api_log());
    api.write_config(&good.replace("web0: {}", "web9: { weight: 400 }"));
    let status = api.client.reload_config(proto::ReloadConfigRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("there is no backend `web9`"), "{status}");
    assert!(status.message().contains("maglev.yaml:"), "it says where: {status}");
    let told = api.told();
    assert!(told.iter().any(|line| line.starts_with("config-reload result=refused")), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("operator-action") && line.contains("action=reload")), "{told:?}");
    assert_eq!(writes(&api.simulator.as_ref().unwrap().api_log()), before);
    assert_eq!(api.weight(0), api.shown(weight));
}

async fn overrides_survive_a_reload_with_a_warning_and_go_with_their_target(release: Release) {
    let mut api = Api::two_up_on(release).await;
    let good = std::fs::read_to_string(api.lab.folder.join("maglev.yaml")).unwrap();
    let weight = api.below_100(5);
    let set = |backend: &str| proto::SetWeightRequest {
        frontend: "web-v4".into(),
        pool: "primary".into(),
        backend: backend.into(),
        weight: Some(weight.into()),
        reason: String::new(),
    };
    api.client.set_frontend_pool_backend_weight(set("web0")).await.unwrap();
    api.client.set_frontend_pool_backend_weight(set("web1")).await.unwrap();
    until("VPP has both weights", || (0..2).all(|server| api.weight(server) == api.shown(weight))).await;
    api.told();
    api.write_config(&good.replace("web0: {}, web1: {}", "web0: { weight: 60 }"));
    let kept = format!("the weight {weight} stays as an operator set it; the config said 100 and now says 60");
    let foretold = proto::PlanVpplbStateRequest { file_of_daemon: true, ..Default::default() };
    let foretold = api.client.plan_vpplb_state(foretold).await.unwrap().into_inner().notes;
    assert!(foretold.iter().any(|note| note.contains(&kept)), "{foretold:?}");
    let reloaded = api.client.reload_config(proto::ReloadConfigRequest {}).await.unwrap().into_inner();
    assert!(reloaded.overrides.len() == 2 && reloaded.overrides[0].contains(&kept), "{reloaded:?}");
    let told = api.told();
    assert!(told.iter().any(|line| line.contains(&kept)), "{told:?}");
    let dropped = format!("its weight override {weight} is dropped");
    assert!(told.iter().any(|line| line.contains(&dropped)), "{told:?}");
    let list = api.client.list_overrides(proto::ListOverridesRequest {}).await.unwrap().into_inner();
    let [kept] = &list.overrides[..] else { panic!("{list:?}") };
    assert_eq!((&*kept.backend, kept.weight, kept.configured_weight), ("web0", Some(weight.into()), Some(60)));
    assert_eq!(api.weight(0), api.shown(weight));
    until("what left the config left the state file", || {
        let saved = std::fs::read_to_string(api.state_file()).unwrap();
        saved.contains("web0") && !saved.contains("web1")
    })
    .await;
}
