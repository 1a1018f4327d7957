//! VPP 26.10: weights, and messages that mean what their definitions say.

use maglev_sync::{ActualEncap, AsRow, Call, CallFailure, LbConf, Protocol, Reply, TableLength, VipKey, VipRow};
use vpp_api::client::Client;
use vpp_api::messages::lb::{LbAddDelAsV2, LbAddDelVipV2, LbAsSetWeight, LbAsV2Dump, LbConfGet, LbVip, LbVipDump};
use vpp_api::types::{Encap, PrefixError, SrvType};

use super::{SHOW_VIPS, cli, failure, nonsense, protocol, route, set_conf, write};

/// A VPP with weights.
#[derive(Clone, Debug)]
pub(super) struct Modern {
    client: Client,
}

impl Modern {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(super) async fn call(&self, call: Call) -> Result<Reply, CallFailure> {
        match call {
            Call::ConfGet => self.conf().await,
            Call::VipDump => self.vips().await,
            Call::AsDump(of) => self.ases(of).await,
            Call::VipAdd { key, encap, table_length, src_ip_sticky } => {
                let add = LbAddDelVipV2 {
                    encap: Encap::from(encap.number()),
                    new_flows_table_length: table_length.get(),
                    src_ip_sticky,
                    ..vip(key)
                };
                write(&self.client, add).await
            }
            Call::VipDel(key) => write(&self.client, LbAddDelVipV2 { is_del: true, ..vip(key) }).await,
            Call::AsAdd { key, address, weight } => {
                let add = LbAddDelAsV2 { as_address: address.into(), weight: weight.get(), ..server(key) };
                write(&self.client, add).await
            }
            Call::AsDel { key, address, flush } => {
                let del = LbAddDelAsV2 { as_address: address.into(), is_del: true, is_flush: flush, ..server(key) };
                write(&self.client, del).await
            }
            Call::AsSetWeight { key, address, weight, flush } => {
                let request = LbAsSetWeight {
                    pfx: key.prefix().into(),
                    protocol: protocol(&key),
                    port: key.port(),
                    as_address: address.into(),
                    weight: weight.get(),
                    is_flush: flush,
                };
                write(&self.client, request).await
            }
            Call::Verbose => cli(&self.client, SHOW_VIPS).await.map(Reply::Text),
            Call::Conf(update) => set_conf(&self.client, update).await,
            Call::Route(prefix) => route(&self.client, prefix).await,
        }
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

    async fn vips(&self) -> Result<Reply, CallFailure> {
        let rows = self.client.dump(&LbVipDump::all()).await.map_err(failure)?;
        let rows = rows.iter().map(|row| {
            Ok(VipRow {
                key: key(&row.vip)?,
                encap: ActualEncap::from_number(row.encap.into()),
                table_length: row.flow_table_length,
            })
        });
        rows.collect::<Result<_, PrefixError>>().map(Reply::Vips).map_err(|error| nonsense(&error))
    }

    async fn ases(&self, of: Option<VipKey>) -> Result<Reply, CallFailure> {
        let filter = match of {
            None => LbAsV2Dump::all(),
            Some(key) => LbAsV2Dump::vip(key.prefix(), protocol(&key), key.port()),
        };
        let rows = self.client.dump(&filter).await.map_err(failure)?;
        let rows = rows.iter().map(|row| {
            let (key, address) = (key(&row.vip)?, row.app_srv.ip());
            Ok(AsRow { key, address, in_use: row.flags & 1 != 0, weight: row.weight })
        });
        rows.collect::<Result<_, PrefixError>>().map(Reply::Ases).map_err(|error| nonsense(&error))
    }
}

fn vip(key: VipKey) -> LbAddDelVipV2 {
    LbAddDelVipV2 {
        pfx: key.prefix().into(),
        protocol: protocol(&key),
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
        protocol: protocol(&key),
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
