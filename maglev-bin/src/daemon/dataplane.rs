//! Speaks the reconciler's calls to a VPP: `maglev_sync::Dataplane` over `vpp_api::Client`.
//!
//! The same meaning has two dialects: VPP 26.10 has weights and messages that say what they mean ([`modern`]), releases before it
//! have neither ([`old`]). Settings are written and routes looked up in one way everywhere.

mod modern;
mod old;
mod takeover;

use ipnet::IpNet;
use maglev_sync::text::Limit;
use maglev_sync::{Abilities, Call, CallFailure, ConfUpdate, Dataplane, Reply, VipKey};
use vpp_api::client::Client;
use vpp_api::error::CallError;
use vpp_api::message::Request;
use vpp_api::messages::ip::IpRouteLookup;
use vpp_api::messages::lb::LbConf;
use vpp_api::messages::vlib::CliInband;
use vpp_api::types::{IpProto, Prefix, Retval};

use self::modern::Modern;
use self::old::Old;
use super::link::chain;
use crate::snapshot::Can;

/// A VPP that can be programmed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct VppDataplane {
    abilities: Abilities,
    dialect: Dialect,
}

#[derive(Clone, Debug)]
enum Dialect {
    Modern(Modern),
    Old(Old),
}

impl VppDataplane {
    /// Over a link that stands, to a VPP with the lb plugin.
    pub fn new(client: Client) -> Self {
        Self::with_limit(client, Limit::default())
    }

    /// The same with another limit of the texts that are asked for before 26.10, to try what is done beyond it.
    pub fn with_limit(client: Client, limit: Limit) -> Self {
        let capabilities = client.capabilities();
        let can = Can::of(capabilities);
        let mut abilities = Abilities::default();
        abilities.weights = can.weights;
        abilities.src_ip_sticky = can.src_ip_sticky;
        let dialect = match can.weights {
            true => Dialect::Modern(Modern::new(client)),
            false => Dialect::Old(Old::new(client, capabilities.quirks(), limit)),
        };
        Self { abilities, dialect }
    }
}

impl Dataplane for VppDataplane {
    async fn call(&self, call: Call) -> Result<Reply, CallFailure> {
        match &self.dialect {
            Dialect::Modern(vpp) => vpp.call(call).await,
            Dialect::Old(vpp) => vpp.call(call).await,
        }
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }
}

/// Keeps what `lb_conf` would otherwise overwrite.
const KEEP: u32 = u32::MAX;
/// VPP's word for "there is none".
const NO_SUCH_ENTRY: Retval = Retval(-6);
/// VPP's word for a failure without a better one; ours for a reply that made no sense.
const UNSPECIFIED: i32 = -1;

async fn write<R: Request>(client: &Client, request: R) -> Result<Reply, CallFailure> {
    client.call(&request).await.map(|_| Reply::Done).map_err(failure)
}

async fn set_conf(client: &Client, update: ConfUpdate) -> Result<Reply, CallFailure> {
    let request = LbConf {
        ip4_src_address: update.ip4_src,
        ip6_src_address: update.ip6_src,
        sticky_buckets_per_core: update.sticky_buckets.map_or(KEEP, |buckets| buckets.get()),
        flow_timeout: update.flow_timeout.map_or(KEEP, |timeout| timeout.as_secs()),
    };
    write(client, request).await
}

async fn route(client: &Client, prefix: IpNet) -> Result<Reply, CallFailure> {
    let request = IpRouteLookup { table_id: 0, exact: 1, prefix: prefix.into() };
    match client.call(&request).await {
        // Another prefix than the one asked for is no answer to the question.
        Ok(reply) if reply.route.prefix == Prefix::from(prefix) => Ok(Reply::Route(Some(reply.route.stats_index))),
        Ok(_) => Ok(Reply::Route(None)),
        Err(CallError::Refused { retval: NO_SUCH_ENTRY, .. }) => Ok(Reply::Route(None)),
        Err(error) => Err(failure(error)),
    }
}

/// What a command of VPP's command line prints.
async fn cli(client: &Client, command: &str) -> Result<String, CallFailure> {
    let reply = client.call(&CliInband { cmd: command.into() }).await.map_err(failure)?;
    Ok(reply.reply.into_string())
}

const SHOW_VIPS: &str = "show lb vips verbose";

fn protocol(key: &VipKey) -> IpProto {
    IpProto(key.protocol().number())
}

fn failure(error: CallError) -> CallFailure {
    match error {
        CallError::Refused { retval, text, .. } => {
            CallFailure::Refused { retval: retval.0, text: text.unwrap_or_else(|| retval.to_string()) }
        }
        CallError::Disconnected(_) | CallError::TimedOut { .. } => CallFailure::Lost,
        other => nonsense(&other),
    }
}

/// What VPP said cannot be used.
fn nonsense(error: &dyn std::error::Error) -> CallFailure {
    CallFailure::Refused { retval: UNSPECIFIED, text: chain(error) }
}
