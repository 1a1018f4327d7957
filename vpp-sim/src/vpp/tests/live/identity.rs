//! What a real VPP says of itself beside what we say for its release.

use vpp_api::message::Message;
use vpp_api::messages::memclnt::{ControlPing, GetFirstMsgId};
use vpp_api::messages::vpe::ShowVersion;
use vpp_api::messages::{Visitor, visit_all};
use vpp_api::types::FixedString;

use super::process::LiveVpp;
use super::{live_vpp, release_of};

#[tokio::test]
async fn its_messages_and_its_version_are_those_of_its_release() {
    struct Names(Vec<(&'static str, &'static str)>);

    impl Visitor for Names {
        fn visit<M: Message>(&mut self) {
            self.0.push((M::NAME, M::NAME_CRC));
        }
    }

    let Some((program, plugins)) = live_vpp() else { return };
    let live = LiveVpp::start(&program, &plugins);
    let client = live.connect().await;
    let release = release_of(&client).await;

    let version = client.call(&ShowVersion {}).await.expect("a version").version.to_string();
    assert!(version.starts_with(&release.to_string()), "{version} is not {release}");

    let mut names = Names(Vec::new());
    visit_all(&mut names);
    names.0.retain(|(name, _)| name.starts_with("lb_"));
    assert!(names.0.len() > 20, "only {} messages of lb", names.0.len());
    for (name, name_crc) in names.0 {
        assert_eq!(client.table().id(name_crc).is_some(), !release.lacks(name), "{name}");
    }

    let range = GetFirstMsgId { name: FixedString::clipped(release.lb_message_range()) };
    let first = client.call(&range).await.expect("a range of messages").first_msg_id;
    let of_lb = client.table().iter().filter(|(name, _)| name.starts_with("lb_")).map(|(_, id)| id);
    assert_eq!(Some(first), of_lb.min());

    let pong = client.call(&ControlPing {}).await.expect("a pong");
    if release.fills_in_the_client_of_a_ping() {
        assert_eq!(pong.client_index, client.client_index());
    }
}
