//! Reads `show lb vips verbose` as a person would: with no code of the daemon's.

use std::collections::BTreeMap;
use std::net::IpAddr;

use maglev_bin::snapshot::VipName;

/// A VIP in VPP's own words.
#[derive(Clone, Debug)]
pub(crate) struct Vip {
    /// Number in VPP's pool.
    pub(crate) index: u32,
    /// Such as `ip4-gre6`.
    pub(crate) kind: String,
    pub(crate) name: VipName,
    pub(crate) is_sticky: bool,
    pub(crate) is_removed: bool,
    pub(crate) table_length: u32,
    /// Weight and buckets of the servers in use.
    pub(crate) servers: BTreeMap<IpAddr, (u8, u32)>,
    /// Sessions of the servers in use; before 26.10 also of removed ones.
    pub(crate) sessions: BTreeMap<IpAddr, u64>,
}

impl Vip {
    /// Every block of the text.
    pub(crate) fn parse_all(text: &str) -> Vec<Self> {
        text.split("\n\n").filter(|block| !block.trim().is_empty()).map(Self::parse).collect()
    }

    fn parse(block: &str) -> Self {
        let mut lines = block.lines();
        let head: Vec<_> = lines.next().expect("a first line").split_whitespace().collect();
        let [kind, index, prefix, flags @ ..] = &head[..] else { panic!("an odd first line in\n{block}") };
        let index = index.trim_matches(['[', ']']);
        let (address, _) = prefix.split_once('/').expect("a prefix");
        let mut vip = Self {
            index: index.parse().expect("a number in brackets"),
            kind: (*kind).to_owned(),
            name: VipName { prefix: address.into(), protocol: "any".into(), port: 0 },
            is_sticky: flags.contains(&"src_ip_sticky"),
            is_removed: flags.contains(&"removed"),
            table_length: 0,
            servers: BTreeMap::new(),
            sessions: BTreeMap::new(),
        };
        for line in lines {
            let words: Vec<_> = line.split_whitespace().collect();
            match &words[..] {
                [protocol, port] if protocol.starts_with("protocol:") => {
                    vip.name.protocol = match number(protocol) {
                        6 => "tcp".into(),
                        17 => "udp".into(),
                        other => other.to_string().into(),
                    };
                    vip.name.port = number(port).try_into().expect("a port");
                }
                [length] if length.starts_with("new_size:") => vip.table_length = number(length),
                [address, weight, buckets, flows, _dpo, "used"] => {
                    let address = address.parse().expect("an address");
                    let weight = number(weight).try_into().expect("a weight");
                    vip.servers.insert(address, (weight, number(buckets)));
                    vip.sessions.insert(address, number(flows).into());
                }
                // Before 26.10: an address, `627 buckets`, `0 flows`, no weight, which is that of all in use.
                [address, buckets, "buckets", flows, "flows", _dpo, state] => {
                    let address = address.parse().expect("an address");
                    if *state == "used" {
                        vip.servers.insert(address, (1, buckets.parse().expect("a number")));
                    }
                    // A removed one is what has weight 0 later on.
                    vip.sessions.insert(address, flows.parse().expect("a number"));
                }
                _ => {}
            }
        }
        vip
    }
}

/// The number in `name:number`.
fn number(word: &str) -> u32 {
    word.split_once(':').and_then(|(_, number)| number.parse().ok()).unwrap_or_else(|| panic!("no number in {word:?}"))
}
