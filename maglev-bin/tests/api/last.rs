use maglev_bin::cli::Role;
use maglev_bin::proto;
use vpp_sim::Release;

use crate::authority::Authority;
use crate::lab::Api;
use crate::server::{LOCALHOST, Server};
use crate::support::{Lab, PATIENCE};

/// A daemon whose backend `web0` is probed at a port of localhost, and whose `stone` is not probed.
async fn probing(check: &str) -> Api {
    let lab = Lab::new(0);
    let config = config(check);
    Api::start(lab, &config, Some(Release::default()), Role::Operator).await
}

fn config(check: &str) -> String {
    format!(
        "maglev:
  vpp:
    lb: {{ ipv4-src-address: 10.0.0.1, ipv6-src-address: '2001:db8::1' }}
  healthchecks:
    web: {{ interval: 100ms, timeout: 10s, {check} }}
  backends:
    web0: {{ address: 127.0.0.1, healthcheck: web }}
    stone: {{ address: 127.0.0.2 }}
  frontends:
    web-v4:
      address: 192.0.2.1
      protocol: tcp
      port: 80
      pools:
        - {{ name: primary, backends: {{ web0: {{}}, stone: {{}} }} }}
"
    )
}

async fn backend(api: &mut Api, name: &str) -> proto::BackendInfo {
    let request = proto::GetBackendRequest { name: name.into() };
    api.client.get_backend(request).await.unwrap().into_inner()
}

/// The first last result of `web0` with this word.
async fn last(api: &mut Api, result: &str) -> proto::LastResult {
    let found = async {
        loop {
            match backend(api, "web0").await.last_result {
                Some(last) if last.result == result => return last,
                _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, found).await;
    found.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for a last result `{result}`"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unexpected_answer_is_kept_with_the_times_of_its_phases() {
    let body = format!("<p>{}", "down\u{1b}".repeat(100));
    let server = Server::saying(LOCALHOST, format!("HTTP/1.1 503 Service Unavailable\r\n\r\n{body}")).await;
    let mut api = probing(&format!("type: http, port: {}", server.at.port())).await;
    let before = jiff::Timestamp::now();
    let last = last(&mut api, "fail").await;
    assert_eq!((&*last.code, &*last.detail, last.status), ("L7STS", "status 503", Some(503)));
    let answer = last.answer.expect("the beginning of what the server said");
    assert_eq!(answer.escape_ascii().to_string(), body.as_bytes()[..200].escape_ascii().to_string());
    let (connected, first_byte) = (last.connected_seconds.unwrap(), last.first_byte_seconds.unwrap());
    assert!(
        0.0 < connected && connected <= first_byte && first_byte <= last.elapsed_seconds,
        "{connected} {first_byte}"
    );
    assert_eq!((last.secured_seconds, &*last.certificate_subject, last.certificate_expires), (None, "", None));
    let age = before.duration_since(last.time.unwrap().time().unwrap()).abs();
    assert!(age.unsigned_abs() < PATIENCE, "{age:?}");

    let static_one = backend(&mut api, "stone").await;
    assert_eq!(static_one.last_result, None);
    let list = api.client.list_backends(proto::ListBackendsRequest {}).await.unwrap().into_inner();
    assert!(list.backends.iter().all(|backend| backend.last_result.is_none()), "a list is short");
    assert!(api.daemon.handle().last_result("web9").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_certificate_is_kept_too_and_a_probe_by_hand_has_it_all() {
    let server = Authority::new().issue(&["www.example.com"]).serve().await;
    let port = server.at.port();
    let mut api = probing(&format!("type: https, port: {port}, params: {{ insecure-skip-verify: true }}")).await;
    let good = last(&mut api, "pass").await;
    assert_eq!((&*good.code, good.status, good.answer), ("L7OK", Some(200), None), "what was expected is not kept");
    let phases = [good.connected_seconds, good.secured_seconds, good.first_byte_seconds, Some(good.elapsed_seconds)];
    let phases = phases.map(Option::unwrap);
    assert!(phases.is_sorted() && phases[0] < phases[1], "{phases:?}");
    let expires = good.certificate_expires.and_then(|expires| expires.time()).unwrap();
    assert_eq!(expires.to_string(), "2100-01-01T00:00:00Z");
    // What the maker of certificates writes as common name.
    assert_eq!(good.certificate_subject, "rcgen self signed cert");

    let request = proto::ProbeBackendRequest { name: "web0".into() };
    let answer = api.client.probe_backend(request).await.unwrap().into_inner();
    let found = answer.backend.and_then(|backend| backend.last_result).expect("it ended");
    assert_eq!((&*found.result, &*found.certificate_subject), ("pass", &*good.certificate_subject));
    let (now, then) = (found.time.unwrap(), good.time.unwrap());
    assert!((now.seconds, now.nanos) > (then.seconds, then.nanos), "a later one");

    let check = format!("type: https, port: {port}");
    api.write_config(&config(&check));
    api.client.reload_config(proto::ReloadConfigRequest {}).await.unwrap();
    let bad = last(&mut api, "fail").await;
    assert_eq!((&*bad.code, bad.secured_seconds, bad.status), ("L6RSP", None, None));
    assert_eq!(bad.certificate_subject, good.certificate_subject, "a refused certificate names itself too");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_sent_is_the_last_result_too() {
    let server = Server::saying(LOCALHOST, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let port = server.at.port();
    let mut api = probing(&format!("type: http, port: {port}")).await;
    last(&mut api, "pass").await;
    api.write_config(&config(&format!("type: http, port: {port}, probe-ipv4-src: 198.51.100.77")));
    api.client.reload_config(proto::ReloadConfigRequest {}).await.unwrap();
    let last = last(&mut api, "error").await;
    let wanted = ("SOCKERR", "source address 198.51.100.77 is not available");
    assert_eq!((&*last.code, &*last.detail), wanted);
    assert_eq!((last.connected_seconds, last.status, last.answer), (None, None, None));
    api.write_config(&config(&format!("type: http, port: {port}")).replace(", healthcheck: web }", " }"));
    api.client.reload_config(proto::ReloadConfigRequest {}).await.unwrap();
    assert_eq!(backend(&mut api, "web0").await.last_result, None, "it has no check any more");
}
