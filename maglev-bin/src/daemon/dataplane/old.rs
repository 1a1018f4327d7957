//! VPP before 26.10: a server is in use or it is not, the same messages mean other things, and only a text tells which VIPs there are.
//!
//! | call | becomes |
//! | --- | --- |
//! | a server with a weight above 0 | `lb_add_del_as`; one that is in use already is done |
//! | a server at weight 0, or deleted | `lb_add_del_as` with `is_del`, flushing as told; one that is not there is done, if the VIP is |
//! | the settings | `show lb`, as [`Takeover`] understands it; after each `lb_conf` once more |
//! | the VIPs | `show lb vips brief`, a line each: `lb_vip_dump` tells neither protocols nor which VIPs were removed; then the settings, while [`Takeover`] is open |
//! | the servers of one VIP | `lb_as_dump`, whose rows are those asked for but for other lengths of the prefix |
//! | all servers | one `lb_as_dump`; its rows tell no protocol, so that those of VIPs that differ in nothing else are asked for one by one |
//!
//! A text that does not fit the API segment aborts VPP. So VIPs are counted before each list, by `lb_vip_dump`, and the list counts what a
//! verbose text would tell; texts come one after another. Beyond the limit of the verbose text, which no call but [`Call::Verbose`] needs,
//! everything else goes on; beyond that of the list (32,768 VIPs, removed ones included, which stay for ever here) VIPs cannot be read.
//!
//! What fields must hold so that these releases understand them is [`Quirks`]' knowledge.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use maglev_sync::text::{self, Limit, ListedVip};
use maglev_sync::{AsRow, Call, CallFailure, Encap, LbConf, Reply, TableLength, VipKey};
use tokio::sync::Mutex;
use vpp_api::client::Client;
use vpp_api::messages::lb::{LbAddDelAs, LbAddDelVip, LbAddDelVipV2, LbAsDetails, LbAsDump, LbVipDump};
use vpp_api::release::Quirks;
use vpp_api::types::{self, PrefixError, SrvType};

use super::takeover::Takeover;
use super::{NO_SUCH_ENTRY, SHOW_VIPS, cli, failure, nonsense, protocol, route, set_conf, write};

/// A VPP without weights.
#[derive(Clone, Debug)]
pub(super) struct Old {
    client: Client,
    quirks: Quirks,
    limit: Limit,
    /// Held while a text is on its way.
    texts: Arc<Mutex<()>>,
    /// Held while settings are read or written.
    takeover: Arc<Mutex<Takeover>>,
}

impl Old {
    pub(super) fn new(client: Client, quirks: Quirks, limit: Limit) -> Self {
        Self { client, quirks, limit, texts: Arc::default(), takeover: Arc::default() }
    }

    pub(super) async fn call(&self, call: Call) -> Result<Reply, CallFailure> {
        match call {
            Call::ConfGet => {
                let mut takeover = self.takeover.lock().await;
                let addresses = self.look(&mut takeover).await?;
                Ok(Reply::Conf(takeover.settings(addresses)))
            }
            Call::VipDump => {
                let listed = self.listed().await?;
                // Once in an interval: a thread that takes over what was written and then again what it showed before
                // must not do both unseen.
                let mut takeover = self.takeover.lock().await;
                if takeover.is_open() {
                    let _ = self.look(&mut takeover).await;
                }
                Ok(Reply::Vips(listed.iter().filter(|vip| !vip.removed).map(ListedVip::row).collect()))
            }
            Call::AsDump(None) => self.all_ases().await.map(Reply::Ases),
            Call::AsDump(Some(key)) => self.ases(key).await.map(Reply::Ases),
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
            Call::Verbose => self.verbose().await.map(Reply::Text),
            Call::Conf(update) => {
                let mut takeover = self.takeover.lock().await;
                let done = set_conf(&self.client, update).await?;
                takeover.handle_written(update);
                // It is done, whether or not it can be looked at.
                let _ = self.look(&mut takeover).await;
                Ok(done)
            }
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
        let request = LbAddDelAs { as_address: address.into(), ..self.server(key) };
        match write(&self.client, request).await {
            Err(CallFailure::Refused { retval: IN_USE, .. }) => Ok(Reply::Done),
            reply => reply,
        }
    }

    async fn take_out(&self, key: VipKey, address: IpAddr, flush: bool) -> Result<Reply, CallFailure> {
        let request = LbAddDelAs { as_address: address.into(), is_del: true, is_flush: flush, ..self.server(key) };
        let reply = write(&self.client, request).await;
        // The same word for a server that is not there and for a VIP that is not.
        let is_word = matches!(reply, Err(CallFailure::Refused { retval, .. }) if retval == NO_SUCH_ENTRY.0);
        if is_word && self.listed().await?.iter().any(|vip| vip.key == key && !vip.removed) {
            return Ok(Reply::Done);
        }
        reply
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

    async fn ases(&self, key: VipKey) -> Result<Vec<AsRow>, CallFailure> {
        let filter = self.quirks.as_dump(key.prefix(), protocol(&key), key.port());
        let rows = self.client.dump(&filter).await.map_err(failure)?;
        // A row has no protocol: it is the one that was asked for.
        let is_of_it = |row: &&LbAsDetails| self.name(row).is_ok_and(|name| name == (key.prefix(), key.port()));
        Ok(rows.iter().filter(is_of_it).map(|row| as_row(key, row)).collect())
    }

    async fn all_ases(&self) -> Result<Vec<AsRow>, CallFailure> {
        // By what a row tells: the VIPs it may be of, and how many rows they have.
        let mut vips: BTreeMap<Name, (BTreeSet<VipKey>, usize)> = BTreeMap::new();
        for vip in self.listed().await? {
            let (keys, servers) = vips.entry((vip.key.prefix(), vip.key.port())).or_default();
            keys.insert(vip.key);
            *servers += vip.servers as usize;
        }
        let dumped = self.client.dump(&LbAsDump::all()).await.map_err(failure)?;
        let mut rows: BTreeMap<Name, Vec<LbAsDetails>> = BTreeMap::new();
        for row in dumped {
            rows.entry(self.name(&row).map_err(|error| nonsense(&error))?).or_default().push(row);
        }
        let mut ases = Vec::new();
        for (name, (keys, servers)) in vips {
            let rows = rows.remove(&name).unwrap_or_default();
            match keys.first() {
                // Another number of rows: somebody changed what goes by this name after it was listed.
                Some(&key) if keys.len() == 1 && rows.len() == servers => {
                    ases.extend(rows.iter().map(|row| as_row(key, row)));
                }
                _ => {
                    for key in keys {
                        ases.extend(self.ases(key).await?);
                    }
                }
            }
        }
        Ok(ases)
    }

    fn name(&self, row: &LbAsDetails) -> Result<Name, PrefixError> {
        Ok((self.quirks.net(&row.vip.pfx)?, row.vip.port))
    }

    /// `show lb`: the addresses, and for `takeover` the sticky table of each thread.
    async fn look(&self, takeover: &mut Takeover) -> Result<LbConf, CallFailure> {
        let shown = cli(&self.client, "show lb").await?;
        let addresses = text::settings(&shown).map_err(|error| nonsense(&error))?;
        takeover.handle_shown(text::sticky_tables(&shown).map_err(|error| nonsense(&error))?);
        Ok(addresses)
    }

    async fn listed(&self) -> Result<Vec<ListedVip>, CallFailure> {
        let _alone = self.texts.lock().await;
        self.list().await
    }

    /// `show lb vips`, unless it may be too large. Without a further word these releases print nothing.
    async fn list(&self) -> Result<Vec<ListedVip>, CallFailure> {
        let vips = self.client.dump(&LbVipDump::all()).await.map_err(failure)?.len() as u64;
        self.limit.check_list(vips).map_err(|error| nonsense(&error))?;
        let shown = cli(&self.client, "show lb vips brief").await?;
        text::list(&shown).map_err(|error| nonsense(&error))
    }

    /// `show lb vips verbose`, unless it may be too large.
    async fn verbose(&self) -> Result<String, CallFailure> {
        let _alone = self.texts.lock().await;
        let vips = self.list().await?;
        let servers = vips.iter().map(|vip| u64::from(vip.servers)).sum();
        self.limit.check_verbose(vips.len() as u64, servers).map_err(|error| nonsense(&error))?;
        cli(&self.client, SHOW_VIPS).await
    }
}

/// What a row tells of its VIP: prefix and port.
type Name = (IpNet, u16);

fn as_row(key: VipKey, row: &LbAsDetails) -> AsRow {
    AsRow { key, address: row.app_srv.ip(), in_use: row.flags & 1 != 0, weight: 1 }
}

/// A VIP to add or to delete.
struct Vip {
    key: VipKey,
    encap: Encap,
    table_length: TableLength,
    src_ip_sticky: bool,
    is_del: bool,
}

/// VPP's word for a server that is in use already.
const IN_USE: i32 = -81;
