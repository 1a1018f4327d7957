use maglev_sync::{AsRow, Encap, LbConf, VipRow};

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
