//! The tokio client against a scripted peer on a real socket.

mod common;

use common::Peer;
use vpp_api::client::Options;
use vpp_api::messages::vpe::ShowVersion;

#[tokio::test]
async fn a_call_is_answered() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let call = tokio::spawn(async move { client.call(&ShowVersion {}).await });
    let incoming = peer.next().await;
    peer.reply(incoming.context, &common::version("26.10")).await;
    let reply = call.await.expect("the task ends").expect("the call succeeds");
    assert_eq!(reply.version.to_str_lossy(), "26.10");
}
