//! The debug CLI, as far as `cli_inband` is used for lb: VPP `src/plugins/lb/cli.c`.
//!
//! Words may be cut short as long as one command fits. Where VPP has a hundred other commands, this one says `unknown input`.

use std::net::IpAddr;

use vpp_api::types::Retval;

use crate::addr::{Ip46, Prefix46};
use crate::lb::{Fatal, NewVip, VipKey, VipType};
use crate::text;
use crate::vpp::{Now, Vpp};

/// Runs a command: its result code and what it printed, at the end of which an error says what was wrong.
///
/// # Errors
/// What VPP dies of.
pub(crate) fn run(vpp: &mut Vpp, now: Now, line: &str) -> Result<(i32, String), Fatal> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.is_empty() {
        return Ok((0, String::new()));
    }
    let Some((command, rest)) = find(&words) else {
        return Ok((FAILED, format!("unknown input `{}'\n", line.trim())));
    };
    let mut words = Words(rest);
    let outcome = match command.run {
        Run::ShowLb => Ok(text::main(&vpp.lb, now.seconds())),
        Run::ShowVips => Ok(match words.next() {
            Some("verbose") => text::vips_verbose(&vpp.lb),
            None if !vpp.identity().release.shows_vips_without_a_further_word() => String::new(),
            _ => text::vips(&vpp.lb),
        }),
        Run::ShowVersion => Ok(show_version(vpp)),
        Run::Vip => vip(vpp, now, &mut words)?,
        Run::Servers => servers(vpp, now, &mut words),
        Run::Conf => conf(vpp, now, &mut words),
        Run::FlushVip => flush_vip(vpp, &mut words),
        Run::FlushEverything => {
            vpp.lb.flush_everything();
            Ok(String::new())
        }
    };
    Ok(match outcome {
        Ok(text) => (0, text),
        Err(error) => (FAILED, format!("{}: {error}\n", command.path.join(" "))),
    })
}

struct Command {
    path: &'static [&'static str],
    run: Run,
}

#[derive(Clone, Copy)]
enum Run {
    ShowLb,
    ShowVips,
    ShowVersion,
    Vip,
    Servers,
    Conf,
    FlushVip,
    FlushEverything,
}

const COMMANDS: &[Command] = &[
    Command { path: &["show", "lb"], run: Run::ShowLb },
    Command { path: &["show", "lb", "vips"], run: Run::ShowVips },
    Command { path: &["show", "version"], run: Run::ShowVersion },
    Command { path: &["lb", "vip"], run: Run::Vip },
    Command { path: &["lb", "as"], run: Run::Servers },
    Command { path: &["lb", "conf"], run: Run::Conf },
    Command { path: &["lb", "flush", "vip"], run: Run::FlushVip },
    Command { path: &["test", "lb", "flowtable", "flush"], run: Run::FlushEverything },
];

/// The command with the longest path that the words begin with, and the words behind it.
fn find<'w, 'l>(words: &'w [&'l str]) -> Option<(&'static Command, &'w [&'l str])> {
    let fits = |command: &&Command| {
        command.path.len() <= words.len() && command.path.iter().zip(words).all(|(full, word)| full.starts_with(word))
    };
    let command = COMMANDS.iter().filter(fits).max_by_key(|command| command.path.len())?;
    Some((command, &words[command.path.len()..]))
}

fn show_version(vpp: &Vpp) -> String {
    let build = vpp.identity().release.build();
    format!("vpp v{} built by root on vpp-sim at {}\n", build.version, build.date)
}

/// `lb vip`.
fn vip(vpp: &mut Vpp, now: Now, words: &mut Words<'_, '_>) -> Result<Result<String, String>, Fatal> {
    let request = match VipCommand::parse(words) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    vpp.lb.collect_garbage(&mut vpp.fib, now.seconds());
    let VipCommand { key, new, delete } = request;
    if delete {
        return Ok(match vpp.lb.find_vip(key) {
            None => Err(failed("lb_vip_find_index", Retval::NO_SUCH_ENTRY)),
            Some(_) => match vpp.lb.delete_vip(&mut vpp.fib, now.seconds(), key) {
                Retval::OK => Ok(String::new()),
                retval => Err(failed("lb_vip_del", retval)),
            },
        });
    }
    let (retval, index) = vpp.lb.add_vip(&mut vpp.fib, now.seconds(), key, new)?;
    Ok(match retval {
        Retval::OK => Ok(format!("lb_vip_add ok {index}\n")),
        retval => Err(failed("lb_vip_add", retval)),
    })
}

struct VipCommand {
    key: VipKey,
    new: NewVip,
    delete: bool,
}

impl VipCommand {
    fn parse(words: &mut Words<'_, '_>) -> Result<Self, String> {
        let prefix = words.prefix().ok_or_else(|| format!("invalid vip prefix: '{}'", words.left()))?;
        let (mut protocol, mut port) = (0, 0);
        let mut encap = Encap::Gre4;
        let (mut dscp, mut srv_type, mut target_port) = (None, 0, 0);
        let (mut table_length, mut src_ip_sticky, mut delete) = (1024, false, false);
        while let Some(word) = words.peek() {
            let at = words.0;
            words.next();
            let understood = match word {
                "new_len" => set(&mut table_length, words.number()),
                "del" => set(&mut delete, Some(true)),
                "src_ip_sticky" => set(&mut src_ip_sticky, Some(true)),
                "protocol" => set(&mut protocol, words.protocol()),
                "port" => set(&mut port, words.number().map(|number| number as u16)),
                "encap" => set(&mut encap, words.next().and_then(Encap::named)),
                "dscp" => set(&mut dscp, words.number().map(Some)),
                "type" => set(&mut srv_type, words.srv_type()),
                "target_port" => set(&mut target_port, words.number().map(|number| number as u16)),
                _ => false,
            };
            if !understood {
                return Err(format!("parse error: '{}'", at.join(" ")));
            }
        }
        match (encap, dscp) {
            (Encap::L3dsr, Some(0..=63)) => (),
            (Encap::L3dsr, _) => return Err("lb_vip_add error: dscp for L3DSR should be less than 64.".to_owned()),
            (_, None) => (),
            (_, Some(_)) => return Err("lb_vip_add error: should not configure dscp for none L3DSR.".to_owned()),
        }
        match (prefix.is_ip4(), encap) {
            (true, Encap::Nat6) => return Err("currently does not support NAT46".to_owned()),
            (false, Encap::Nat4) => return Err("currently does not support NAT64".to_owned()),
            _ => (),
        }
        Ok(Self {
            key: VipKey::new(prefix, protocol, port),
            new: NewVip {
                vip_type: VipType::of(prefix, encap as u32),
                table_length,
                src_ip_sticky,
                dscp: dscp.unwrap_or(0) as u8,
                srv_type,
                target_port,
            },
            delete,
        })
    }
}

/// Numbered as in the API.
#[derive(Clone, Copy)]
enum Encap {
    Gre4 = 0,
    Gre6 = 1,
    L3dsr = 2,
    Nat4 = 3,
    Nat6 = 4,
}

impl Encap {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "gre4" => Self::Gre4,
            "gre6" => Self::Gre6,
            "l3dsr" => Self::L3dsr,
            "nat4" => Self::Nat4,
            "nat6" => Self::Nat6,
            _ => return None,
        })
    }
}

/// `lb as`.
fn servers(vpp: &mut Vpp, now: Now, words: &mut Words<'_, '_>) -> Result<String, String> {
    let prefix = words.prefix().ok_or_else(|| format!("invalid as address: '{}'", words.left()))?;
    let (mut protocol, mut port) = (0, 0);
    let (mut addresses, mut weight) = (Vec::new(), None);
    let (mut delete, mut flush) = (false, false);
    let release = vpp.identity().release;
    while let Some(word) = words.peek() {
        let at = words.0;
        words.next();
        let understood = match word {
            "weight" if release.has_weights() => set(&mut weight, words.number().map(Some)),
            "del" => set(&mut delete, Some(true)),
            "flush" => set(&mut flush, Some(true)),
            "protocol" => set(&mut protocol, words.protocol()),
            "port" => set(&mut port, words.number().map(|number| number as u16)),
            address => match address.parse::<IpAddr>() {
                Ok(address) => {
                    addresses.push(Ip46::from(address));
                    true
                }
                Err(_) => false,
            },
        };
        if !understood {
            return Err(format!("parse error: '{}'", at.join(" ")));
        }
    }
    match weight {
        Some(101..) => return Err("weight must be between 0 and 100".to_owned()),
        Some(_) if delete => return Err("weight and del are mutually exclusive".to_owned()),
        _ => (),
    }
    let key = VipKey::new(prefix, protocol, port);
    if vpp.lb.find_vip(key).is_none() {
        return Err(failed("lb_vip_find_index", Retval::NO_SUCH_ENTRY));
    }
    if addresses.is_empty() {
        return Err("No AS address provided".to_owned());
    }
    let seconds = now.seconds();
    if release.collects_garbage_before_lb_as() {
        vpp.lb.collect_garbage(&mut vpp.fib, seconds);
    }
    if delete {
        return done("lb_vip_del_ass", vpp.lb.remove_servers(&mut vpp.fib, seconds, key, &addresses, flush));
    }
    let given = weight.map_or(vpp.weight_of_v1(), |weight| weight as u8);
    let flush = flush && release.flushes_when_a_server_is_added_again();
    match vpp.lb.add_servers(&mut vpp.fib, seconds, key, &addresses, given, flush) {
        // With a weight the command also changes the weight of what is there.
        Retval::VALUE_EXIST if weight.is_some() => addresses
            .iter()
            .map(|&address| vpp.lb.set_weight(key, address, given, flush))
            .find(|retval| *retval != Retval::OK)
            .map_or(Ok(String::new()), |retval| done("lb_vip_set_as_weight", retval)),
        retval => done("lb_vip_add_ass", retval),
    }
}

/// `lb conf`.
fn conf(vpp: &mut Vpp, now: Now, words: &mut Words<'_, '_>) -> Result<String, String> {
    let mut conf = vpp.lb.conf();
    while let Some(word) = words.peek() {
        let at = words.0;
        words.next();
        let understood = match word {
            "ip4-src-address" => set(&mut conf.ip4_source, words.parse()),
            "ip6-src-address" => set(&mut conf.ip6_source, words.parse()),
            "buckets" => set(&mut conf.sticky_buckets, words.number()),
            "buckets-log2" => match words.number() {
                Some(32..) => return Err("buckets-log2 value is too high".to_owned()),
                log2 => set(&mut conf.sticky_buckets, log2.map(|log2| 1 << log2)),
            },
            "timeout" => set(&mut conf.flow_timeout, words.number()),
            _ => false,
        };
        if !understood {
            return Err(format!("parse error: '{}'", at.join(" ")));
        }
    }
    vpp.lb.collect_garbage(&mut vpp.fib, now.seconds());
    done("lb_conf", vpp.lb.set_conf(conf))
}

/// `lb flush vip`. It steps over what it does not understand.
fn flush_vip(vpp: &mut Vpp, words: &mut Words<'_, '_>) -> Result<String, String> {
    let prefix = words.prefix().ok_or_else(|| format!("invalid vip prefix: '{}'", words.left()))?;
    let (mut protocol, mut port) = (0, 0);
    while let Some(word) = words.next() {
        match word {
            "protocol" => protocol = words.protocol().unwrap_or(protocol),
            "port" => port = words.number().unwrap_or(port.into()) as u16,
            _ => (),
        }
    }
    let index = vpp
        .lb
        .find_vip(VipKey::new(prefix, protocol, port))
        .ok_or_else(|| failed("lb_vip_find_index", Retval::NO_SUCH_ENTRY))?;
    vpp.lb.flush_vip(index);
    Ok(format!("lb_flush_vip ok {index}\n"))
}

/// Stores a value that could be read.
fn set<T>(place: &mut T, value: Option<T>) -> bool {
    let is_some = value.is_some();
    if let Some(value) = value {
        *place = value;
    }
    is_some
}

fn done(function: &str, retval: Retval) -> Result<String, String> {
    match retval {
        Retval::OK => Ok(String::new()),
        retval => Err(failed(function, retval)),
    }
}

fn failed(function: &str, retval: Retval) -> String {
    format!("{function} error {}", retval.0)
}

/// What is left of a command line.
struct Words<'w, 'l>(&'w [&'l str]);

impl<'l> Words<'_, 'l> {
    fn peek(&self) -> Option<&'l str> {
        self.0.first().copied()
    }

    fn next(&mut self) -> Option<&'l str> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn left(&self) -> String {
        self.0.join(" ")
    }

    fn parse<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.next()?.parse().ok()
    }

    /// As `%d` and `%u` read: a sign is allowed and wraps.
    fn number(&mut self) -> Option<u32> {
        self.parse::<i64>().map(|number| number as u32)
    }

    fn prefix(&mut self) -> Option<Prefix46> {
        let (address, len) = self.peek()?.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let len: u8 = len.parse().ok()?;
        let stored_len = match address {
            IpAddr::V4(_) if len <= 32 => 96 + len,
            IpAddr::V6(_) if len <= 128 => len,
            _ => return None,
        };
        self.next();
        Some(Prefix46 { address: address.into(), stored_len })
    }

    fn protocol(&mut self) -> Option<u8> {
        match self.next()? {
            "tcp" => Some(6),
            "udp" => Some(17),
            _ => None,
        }
    }

    fn srv_type(&mut self) -> Option<u8> {
        match self.next()? {
            "clusterip" => Some(0),
            "nodeport" => Some(1),
            _ => None,
        }
    }
}

/// The code of a command that failed without one of its own.
const FAILED: i32 = -1;
