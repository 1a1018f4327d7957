//! VPP before 26.10: a server is in use or it is not, the same messages mean other things, and only texts tell which VIPs there are.
//!
//! | call | becomes |
//! | --- | --- |
//! | a server with a weight above 0 | `lb_add_del_as`; one that is in use already is done |
//! | a server at weight 0, or deleted | `lb_add_del_as` with `is_del`, flushing as told; one that is not there is done |
//! | the settings | `show lb` |
//! | the VIPs, or all servers | `show lb vips verbose`: `lb_vip_dump` tells neither protocols nor which VIPs were removed |
//! | the servers of one VIP | `lb_as_dump`, whose rows are those asked for but for other lengths of the prefix |
//!
//! What fields must hold so that these releases understand them is [`Quirks`]' knowledge.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use maglev_sync::text::{self, ShownVip};
use maglev_sync::{AsRow, Call, CallFailure, Encap, Reply, TableLength, VipKey};
use tokio::sync::Mutex;
use vpp_api::client::Client;
use vpp_api::messages::lb::{LbAddDelAs, LbAddDelVip, LbAddDelVipV2, LbAsDump, LbVip, LbVipDump};
use vpp_api::release::Quirks;
use vpp_api::types::{self, SrvType};

use super::{NO_SUCH_ENTRY, SHOW_VIPS, cli, failure, nonsense, protocol, route, set_conf, write};

/// A VPP without weights.
#[derive(Clone, Debug)]
pub(super) struct Old {
    client: Client,
    quirks: Quirks,
    census: Arc<Census>,
}

/// How many servers the text may list. A text that does not fit the API segment aborts VPP.
#[derive(Debug, Default)]
struct Census {
    /// Counted before the first text, and by each text. Its lock also makes texts come one after another.
    counted: Mutex<Option<u64>>,
    /// Added since.
    added: AtomicU64,
}

impl Old {
    pub(super) fn new(client: Client, quirks: Quirks) -> Self {
        Self { client, quirks, census: Arc::default() }
    }

    pub(super) async fn call(&self, call: Call) -> Result<Reply, CallFailure> {
        match call {
            Call::ConfGet => {
                let shown = cli(&self.client, "show lb").await?;
                text::settings(&shown).map(Reply::Conf).map_err(|error| nonsense(&error))
            }
            Call::VipDump => {
                let shown = self.shown().await?;
                Ok(Reply::Vips(shown.iter().filter(|vip| !vip.removed).map(ShownVip::row).collect()))
            }
            Call::AsDump(None) => {
                let shown = self.shown().await?;
                Ok(Reply::Ases(shown.iter().flat_map(ShownVip::as_rows).collect()))
            }
            Call::AsDump(Some(key)) => self.ases(key).await,
            Call::VipAdd { key, encap, table_length, src_ip_sticky } => {
                self.write_vip(Vip { key, encap, table_length, src_ip_sticky, is_del: false }).await
            }
            Call::VipDel(key) => {
                // VPP ignores all but the key, and dies of a length of 0.
                let (encap, table_length) = (Encap::Gre4, TableLength::MIN);
                self.write_vip(Vip { key, encap, table_length, src_ip_sticky: false, is_del: true }).await
            }
            // Not in use is what weight 0 means, and it is not.
            Call::AsAdd { weight, .. } if weight.is_zero() => Ok(Reply::Done),
            Call::AsSetWeight { key, address, weight, flush } if weight.is_zero() => {
                self.take_out(key, address, flush).await
            }
            Call::AsDel { key, address, flush } => self.take_out(key, address, flush).await,
            Call::AsAdd { key, address, .. } | Call::AsSetWeight { key, address, .. } => {
                self.put_into_use(key, address).await
            }
            Call::Verbose => self.text().await.map(Reply::Text),
            Call::Conf(update) => set_conf(&self.client, update).await,
            Call::Route(prefix) => route(&self.client, prefix).await,
        }
    }

    async fn write_vip(&self, vip: Vip) -> Result<Reply, CallFailure> {
        let Vip { key, encap, table_length, src_ip_sticky, is_del } = vip;
        let (pfx, port) = (self.quirks.prefix(key.prefix()), key.port());
        let encap = self.quirks.encap(types::Encap::from(encap.number()));
        let (protocol, new_flows_table_length) = (protocol(&key), table_length.get());
        let (dscp, r#type, target_port, node_port) = (0, SrvType::ClusterIp, 0, 0);
        if self.client.supports::<LbAddDelVipV2>() {
            let request = LbAddDelVipV2 {
                pfx,
                protocol,
                port,
                encap,
                dscp,
                r#type,
                target_port,
                node_port,
                new_flows_table_length,
                src_ip_sticky,
                is_del,
            };
            return write(&self.client, request).await;
        }
        let request = LbAddDelVip {
            pfx,
            protocol,
            port,
            encap,
            dscp,
            r#type,
            target_port,
            node_port,
            new_flows_table_length,
            is_del,
        };
        write(&self.client, request).await
    }

    async fn put_into_use(&self, key: VipKey, address: IpAddr) -> Result<Reply, CallFailure> {
        self.census.added.fetch_add(1, Ordering::Relaxed);
        let request = LbAddDelAs { as_address: address.into(), ..self.server(key) };
        is_so_already(write(&self.client, request).await, IN_USE)
    }

    async fn take_out(&self, key: VipKey, address: IpAddr, flush: bool) -> Result<Reply, CallFailure> {
        let request = LbAddDelAs { as_address: address.into(), is_del: true, is_flush: flush, ..self.server(key) };
        is_so_already(write(&self.client, request).await, NO_SUCH_ENTRY.0)
    }

    fn server(&self, key: VipKey) -> LbAddDelAs {
        LbAddDelAs {
            pfx: self.quirks.prefix(key.prefix()),
            protocol: protocol(&key),
            port: key.port(),
            as_address: key.prefix().addr().into(),
            is_del: false,
            is_flush: false,
        }
    }

    async fn ases(&self, key: VipKey) -> Result<Reply, CallFailure> {
        let filter = self.quirks.as_dump(key.prefix(), protocol(&key), key.port());
        let rows = self.client.dump(&filter).await.map_err(failure)?;
        // A row has no protocol: it is the one that was asked for.
        let is_of_it =
            |vip: &LbVip| vip.port == key.port() && self.quirks.net(&vip.pfx).is_ok_and(|net| net == key.prefix());
        let rows = rows.iter().filter(|row| is_of_it(&row.vip)).map(|row| AsRow {
            key,
            address: row.app_srv.ip(),
            in_use: row.flags & 1 != 0,
            weight: 1,
        });
        Ok(Reply::Ases(rows.collect()))
    }

    async fn shown(&self) -> Result<Vec<ShownVip>, CallFailure> {
        let shown = self.text().await?;
        text::vips(&shown).map_err(|error| nonsense(&error))
    }

    /// `show lb vips verbose`, unless it may be too large. VIPs are counted each time: here removed ones stay for ever.
    async fn text(&self) -> Result<String, CallFailure> {
        let mut counted = self.census.counted.lock().await;
        let vips = self.client.dump(&LbVipDump::all()).await.map_err(failure)?.len() as u64;
        let before = self.census.added.load(Ordering::Relaxed);
        let servers = match *counted {
            Some(counted) => counted + before,
            None => self.client.dump(&LbAsDump::all()).await.map_err(failure)?.len() as u64,
        };
        text::Limit::default().check_verbose(vips, servers).map_err(|error| nonsense(&error))?;
        let shown = cli(&self.client, SHOW_VIPS).await?;
        // A text that cannot be read counts too: each server has a line with this word.
        *counted = Some(shown.lines().filter(|line| line.contains(" dpo:")).count() as u64);
        // What was added meanwhile may be in the text or not: rather once too often.
        self.census.added.fetch_sub(before, Ordering::Relaxed);
        Ok(shown)
    }
}

/// A VIP to add or to delete.
struct Vip {
    key: VipKey,
    encap: Encap,
    table_length: TableLength,
    src_ip_sticky: bool,
    is_del: bool,
}

/// What is so already is done.
fn is_so_already(reply: Result<Reply, CallFailure>, word: i32) -> Result<Reply, CallFailure> {
    match reply {
        Err(CallFailure::Refused { retval, .. }) if retval == word => Ok(Reply::Done),
        reply => reply,
    }
}

/// VPP's word for a server that is in use already.
const IN_USE: i32 = -81;
