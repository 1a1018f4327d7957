use maglev_bin::proto;
use tonic::Code;

use crate::lab::Api;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_100_mib_is_refused_and_the_connection_serves_on() {
    let mut api = Api::two_up().await;
    let text = Some(" ".repeat(100 << 20));
    let request = proto::CheckConfigRequest { text, file: String::new() };
    let status = api.client.check_config(request).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    assert!(status.message().contains("too large"), "{status}");
    let list = api.client.list_backends(proto::ListBackendsRequest {}).await.unwrap().into_inner();
    assert_eq!(list.backends.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_config_there_may_be_gets_through_and_one_byte_more_is_refused_in_words() {
    let mut api = Api::two_up().await;
    let good = std::fs::read_to_string(api.lab.folder.join("maglev.yaml")).unwrap();
    let padded = |length: usize| {
        let mut text = good.clone();
        text.push('#');
        text.push_str(&"x".repeat(length - text.len()));
        proto::CheckConfigRequest { text: Some(text), file: "large.yaml".into() }
    };
    let checked = api.client.check_config(padded(4 << 20)).await.unwrap().into_inner();
    assert!(checked.ok, "{:?}", checked.errors);
    let checked = api.client.check_config(padded((4 << 20) + 1)).await.unwrap().into_inner();
    assert_eq!(checked.errors[0].message, "this is larger than 4 MiB");
}
