//! A simulated VPP of some release, and a stranger's view of it.

use std::net::IpAddr;

use ipnet::IpNet;
use vpp_api::client::{Client, Options};
use vpp_api::messages::vlib::CliInband;
use vpp_sim::{Simulator, VipSnapshot};

use crate::support::{Running, until};

/// Whether new flows to the lab's own VIP find this server.
pub(crate) fn serves(simulator: &Simulator, server: IpAddr) -> bool {
    takes_new_flows(simulator, ("192.0.2.1/32", 6, 80), server)
}

/// Whether new flows to a VIP find this server.
pub(crate) fn takes_new_flows(simulator: &Simulator, vip: (&str, u8, u16), server: IpAddr) -> bool {
    find(simulator, vip).is_some_and(|vip| vip.server(server).is_some_and(|it| it.in_use && it.buckets > 0))
}

/// The VIP in use of this name; removed ones of the same name may linger beside it.
pub(crate) fn find(simulator: &Simulator, (prefix, protocol, port): (&str, u8, u16)) -> Option<VipSnapshot> {
    let prefix: IpNet = prefix.parse().expect("a prefix");
    let lb = simulator.lb();
    let is_it = |vip: &&VipSnapshot| vip.in_use && (vip.prefix, vip.protocol, vip.port) == (prefix, protocol, port);
    lb.vips.iter().find(is_it).cloned()
}

/// What `show lb vips verbose` prints, or what another command does.
pub(crate) async fn cli(simulator: &Simulator, command: &str) -> String {
    let options = Options { name: "stranger".to_owned(), ..Options::default() };
    let client = Client::connect(simulator.api_path(), options).await.expect("a simulator that listens");
    match client.call(&CliInband { cmd: command.into() }).await {
        Ok(reply) => reply.reply.to_string(),
        Err(error) => panic!("{command:?} is refused: {error:?}"),
    }
}

pub(crate) async fn verbose(simulator: &Simulator) -> String {
    cli(simulator, "show lb vips verbose").await
}

/// Waits until the daemon has compared every VIP with VPP once more, and found it as it should be.
pub(crate) async fn compared(running: &Running) {
    let begin = jiff::Timestamp::now();
    let published = running.daemon.published();
    until("every VIP is compared with VPP and as it should be", || {
        published.snapshot().frontends.iter().all(|frontend| {
            let vip = frontend.dataplane.as_ref();
            vip.is_some_and(|vip| vip.in_sync && vip.compared.is_some_and(|compared| compared > begin))
        })
    })
    .await;
}
