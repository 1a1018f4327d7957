use maglev_sync::{AsRow, Encap, LbConf, VipRow};

use super::tick::TICK;
use super::*;
use crate::config::Context;

const CONFIG: &str = "maglev:
  vpp:
    lb:
      ipv4-src-address: 10.0.0.1
      ipv6-src-address: 2001:db8::1
      startup-min-delay: 0s
      startup-max-delay: 0s
  healthchecks:
    web: { type: tcp, port: 80, interval: 10s, timeout: 1s, rise: 2, fall: 2 }
  backends:
    web0: { address: 10.0.0.11, healthcheck: web }
  frontends:
    web: { address: 192.0.2.1, protocol: tcp, port: 80, pools: [{ name: primary, backends: { web0: {} } }] }
";

/// A VPP that keeps VIPs and servers, and answers at once.
#[derive(Default)]
struct Memory {
    vips: Vec<VipRow>,
    ases: Vec<AsRow>,
}

impl Memory {
    fn call(&mut self, call: &Call) -> Reply {
        match *call {
            Call::ConfGet => return Reply::Conf(LbConf::default()),
            Call::VipDump => return Reply::Vips(self.vips.clone()),
            Call::AsDump(_) => return Reply::Ases(self.ases.clone()),
            Call::Verbose => return Reply::Text(String::new()),
            Call::Route(_) => return Reply::Route(None),
            Call::VipAdd { key, table_length, .. } => {
                self.vips.push(VipRow { key, encap: Encap::Gre4.into(), table_length: table_length.get() as u16 });
            }
            Call::AsAdd { key, address, weight } => {
                self.ases.push(AsRow { key, address, in_use: true, weight: weight.get() });
            }
            _ => {}
        }
        Reply::Done
    }
}

/// Everything that is to be done now, calls aside: they are answered.
fn settle(core: &mut Core, vpp: &mut Memory, now: Instant) -> Vec<Output> {
    let mut outputs = Vec::new();
    while let Some(output) = core.poll_output(now, SystemTime::UNIX_EPOCH) {
        match output {
            Output::Call { id, call } => core.handle_reply(now, id, Ok(vpp.call(&call))),
            other => outputs.push(other),
        }
    }
    outputs
}

#[test]
fn a_sync_of_what_is_right_ends_with_its_last_answer() {
    let now = Instant::now();
    let loaded = Config::parse(CONFIG, "maglev.yaml", Context { dataplane: true }).expect("a sound config");
    let mut core = Core::new(Arc::new(loaded.config), &State::default(), true, now, SystemTime::UNIX_EPOCH)
        .expect("a config that passed its checks");
    let mut vpp = Memory::default();
    core.handle_link_up(now, BootId(1, 0), Abilities::default());
    settle(&mut core, &mut vpp, now);
    assert_eq!((vpp.vips.len(), vpp.ases.len()), (1, 1));

    let scope = core.sync_scope(Some("web")).expect("VPP was read");
    core.request_sync(now, SyncRequest { scope, recreate: false });
    let outputs = settle(&mut core, &mut vpp, now);
    assert!(outputs.iter().any(|output| matches!(output, Output::Ended(_))), "{outputs:?}");
}

/// A core without dataplane, whose backend flaps at its peril.
fn damped(now: Instant) -> Core {
    let damping = "fall: 2, damping: { penalty: 2000, half-life: 1s, max-suppress: 30s } }";
    let text = CONFIG.replace("fall: 2 }", damping);
    let loaded = Config::parse(&text, "maglev.yaml", Context { dataplane: false }).expect("a sound config");
    Core::new(Arc::new(loaded.config), &State::default(), false, now, SystemTime::UNIX_EPOCH).expect("a good config")
}

/// Answers the next probe when it is due, and gives what is told of it.
fn answer(core: &mut Core, now: &mut Instant, result: ProbeResult) -> Vec<String> {
    let mut vpp = Memory::default();
    let probe = loop {
        let outputs = settle(core, &mut vpp, *now);
        let probe = outputs.iter().find_map(|output| match output {
            Output::Probe { probe, .. } => Some(*probe),
            _ => None,
        });
        if let Some(probe) = probe {
            break probe;
        }
        *now = core.poll_timeout().expect("somebody to probe").max(*now);
        core.handle_timeout(*now);
    };
    core.handle_probe(*now, SystemTime::UNIX_EPOCH, probe, result, Jitter::NONE);
    told(settle(core, &mut vpp, *now))
}

fn told(outputs: Vec<Output>) -> Vec<String> {
    let what = outputs.into_iter().filter_map(|output| match output {
        Output::Tell(what) => Some(what.to_string()),
        _ => None,
    });
    what.collect()
}

fn pass() -> ProbeResult {
    ProbeResult::pass(maglev_health::Code::L4Ok, "connected")
}

fn weight(core: &Core) -> u8 {
    let web = core.control().frontends().next().expect("one frontend");
    web.program().targets.values().next().expect("one server").weight.get()
}

#[test]
fn a_servers_own_word_is_told_and_weighs_in_the_same_step() {
    let mut now = Instant::now();
    let mut core = damped(now);
    answer(&mut core, &mut now, pass());
    assert_eq!(weight(&core), 100);
    let lines = answer(&mut core, &mut now, pass().with_agent("33%".parse().expect("a word")));
    assert_eq!(lines, [r#"backend-agent backend=web0 from="" to=33%"#]);
    assert_eq!(weight(&core), 33);
    let lines = answer(&mut core, &mut now, pass().with_agent("drain".parse().expect("a word")));
    assert_eq!(lines[0], r#"backend-agent backend=web0 from=33% to="100% drain""#);
    assert_eq!(weight(&core), 0);
}

#[test]
fn a_flap_too_many_is_told_and_so_is_its_end() {
    let mut now = Instant::now();
    let mut core = damped(now);
    let fail = || ProbeResult::fail(maglev_health::Code::L4Con, "connect refused");
    answer(&mut core, &mut now, pass());
    let lines = answer(&mut core, &mut now, fail());
    assert!(lines[0].ends_with(r#"detail="connect refused; suppressed: penalty 2000, for 2s""#), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("backend-suppressed backend=web0 penalty=2000 seconds=1.4")));
    let until = core.control().backends().next().and_then(|backend| backend.suppressed_until()).expect("suppressed");
    let next = core.poll_timeout().expect("something is due");
    assert!((until..until + TICK).contains(&next), "before the next probe");
    core.handle_timeout(until);
    let lines = told(settle(&mut core, &mut Memory::default(), until));
    assert_eq!(lines, ["backend-reused backend=web0 penalty=749"]);
}
