//! Speaks the reconciler's calls to a VPP: `maglev_sync::Dataplane` over `vpp_api::Client`.

use ipnet::IpNet;
use maglev_sync::{
    ActualEncap, AsRow, Call, CallFailure, Dataplane, LbConf, Protocol, Reply, TableLength, VipKey, VipRow,
};
use vpp_api::client::Client;
use vpp_api::error::CallError;
use vpp_api::message::Request;
use vpp_api::messages::ip::IpRouteLookup;
use vpp_api::messages::lb::{
    LbAddDelAsV2, LbAddDelVipV2, LbAsSetWeight, LbAsV2Dump, LbConf as SetConf, LbConfGet, LbVip, LbVipDump,
};
use vpp_api::messages::vlib::CliInband;
use vpp_api::types::{Encap, IpProto, Prefix, PrefixError, Retval, SrvType};

use super::link::chain;

/// A VPP that can be programmed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct VppDataplane {
    client: Client,
}

impl VppDataplane {
    /// Over a link that stands. The VPP must have the messages that weights need.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn write<R: Request>(&self, request: R) -> Result<Reply, CallFailure> {
        self.client.call(&request).await.map(|_| Reply::Done).map_err(failure)
    }

    async fn vips(&self) -> Result<Reply, CallFailure> {
        let rows = self.client.dump(&LbVipDump::all()).await.map_err(failure)?;
        let rows = rows.iter().map(|row| {
            Ok(VipRow {
                key: key(&row.vip)?,
                encap: ActualEncap::from_number(row.encap.into()),
                table_length: row.flow_table_length,
            })
        });
        rows.collect::<Result<_, PrefixError>>().map(Reply::Vips).map_err(nonsense)
    }

    async fn ases(&self, of: Option<VipKey>) -> Result<Reply, CallFailure> {
        let filter = match of {
            None => LbAsV2Dump::all(),
            Some(key) => LbAsV2Dump::vip(key.prefix(), IpProto(key.protocol().number()), key.port()),
        };
        let rows = self.client.dump(&filter).await.map_err(failure)?;
        let rows = rows.iter().map(|row| {
            let (key, address) = (key(&row.vip)?, row.app_srv.ip());
            Ok(AsRow { key, address, in_use: row.flags & 1 != 0, weight: row.weight })
        });
        rows.collect::<Result<_, PrefixError>>().map(Reply::Ases).map_err(nonsense)
    }

    async fn conf(&self) -> Result<Reply, CallFailure> {
        let conf = self.client.call(&LbConfGet {}).await.map_err(failure)?;
        Ok(Reply::Conf(LbConf {
            ip4_src: conf.ip4_src_address,
            ip6_src: conf.ip6_src_address,
            sticky_buckets_per_core: Some(conf.sticky_buckets_per_core),
            flow_timeout: Some(conf.flow_timeout),
        }))
    }

    async fn verbose(&self) -> Result<Reply, CallFailure> {
        let request = CliInband { cmd: "show lb vips verbose".into() };
        let reply = self.client.call(&request).await.map_err(failure)?;
        Ok(Reply::Text(reply.reply.into_string()))
    }

    async fn route(&self, prefix: IpNet) -> Result<Reply, CallFailure> {
        let request = IpRouteLookup { table_id: 0, exact: 1, prefix: prefix.into() };
        match self.client.call(&request).await {
            // Another prefix than the one asked for is no answer to the question.
            Ok(reply) if reply.route.prefix == Prefix::from(prefix) => Ok(Reply::Route(Some(reply.route.stats_index))),
            Ok(_) => Ok(Reply::Route(None)),
            Err(CallError::Refused { retval: NO_SUCH_ENTRY, .. }) => Ok(Reply::Route(None)),
            Err(error) => Err(failure(error)),
        }
    }
}

impl Dataplane for VppDataplane {
    async fn call(&self, call: Call) -> Result<Reply, CallFailure> {
        match call {
            Call::ConfGet => self.conf().await,
            Call::Conf(update) => {
                let sticky_buckets_per_core = update.sticky_buckets.map_or(KEEP, |buckets| buckets.get());
                let flow_timeout = update.flow_timeout.map_or(KEEP, |timeout| timeout.as_secs());
                let (ip4_src_address, ip6_src_address) = (update.ip4_src, update.ip6_src);
                self.write(SetConf { ip4_src_address, ip6_src_address, sticky_buckets_per_core, flow_timeout }).await
            }
            Call::VipDump => self.vips().await,
            Call::AsDump(of) => self.ases(of).await,
            Call::VipAdd { key, encap, table_length, src_ip_sticky } => {
                let add = LbAddDelVipV2 {
                    encap: Encap::from(encap.number()),
                    new_flows_table_length: table_length.get(),
                    src_ip_sticky,
                    ..vip(key)
                };
                self.write(add).await
            }
            Call::VipDel(key) => self.write(LbAddDelVipV2 { is_del: true, ..vip(key) }).await,
            Call::AsAdd { key, address, weight } => {
                self.write(LbAddDelAsV2 { as_address: address.into(), weight: weight.get(), ..server(key) }).await
            }
            Call::AsDel { key, address, flush } => {
                let del = LbAddDelAsV2 { as_address: address.into(), is_del: true, is_flush: flush, ..server(key) };
                self.write(del).await
            }
            Call::AsSetWeight { key, address, weight, flush } => {
                let request = LbAsSetWeight {
                    pfx: key.prefix().into(),
                    protocol: IpProto(key.protocol().number()),
                    port: key.port(),
                    as_address: address.into(),
                    weight: weight.get(),
                    is_flush: flush,
                };
                self.write(request).await
            }
            Call::Verbose => self.verbose().await,
            Call::Route(prefix) => self.route(prefix).await,
        }
    }
}

/// Keeps what `lb_conf` would otherwise overwrite.
const KEEP: u32 = u32::MAX;
/// VPP's word for "there is none".
const NO_SUCH_ENTRY: Retval = Retval(-6);
/// VPP's word for a failure without a better one; ours for a reply that made no sense.
const UNSPECIFIED: i32 = -1;

fn vip(key: VipKey) -> LbAddDelVipV2 {
    LbAddDelVipV2 {
        pfx: key.prefix().into(),
        protocol: IpProto(key.protocol().number()),
        port: key.port(),
        encap: Encap::Gre4,
        dscp: 0,
        r#type: SrvType::ClusterIp,
        target_port: 0,
        node_port: 0,
        // VPP dies of a length of 0, although it ignores it in a deletion.
        new_flows_table_length: TableLength::MIN.get(),
        src_ip_sticky: false,
        is_del: false,
    }
}

fn server(key: VipKey) -> LbAddDelAsV2 {
    LbAddDelAsV2 {
        pfx: key.prefix().into(),
        protocol: IpProto(key.protocol().number()),
        port: key.port(),
        as_address: key.prefix().addr().into(),
        weight: 0,
        is_del: false,
        is_flush: false,
    }
}

fn key(vip: &LbVip) -> Result<VipKey, PrefixError> {
    Ok(VipKey::new(vip.pfx.net()?, Protocol::new(vip.protocol.0), vip.port))
}

fn failure(error: CallError) -> CallFailure {
    match error {
        CallError::Refused { retval, text, .. } => {
            CallFailure::Refused { retval: retval.0, text: text.unwrap_or_else(|| retval.to_string()) }
        }
        CallError::Disconnected(_) | CallError::TimedOut { .. } => CallFailure::Lost,
        other => CallFailure::Refused { retval: UNSPECIFIED, text: chain(&other) },
    }
}

fn nonsense(error: PrefixError) -> CallFailure {
    CallFailure::Refused { retval: UNSPECIFIED, text: chain(&error) }
}
