//! What would happen: how things stand, under the running config or under another one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use maglev_health::Control;
use maglev_sync::{Desired, Forecast, OutOfRange, Outlook, Reconciler, VipKey};

use super::chain;
use super::core::{Core, desired, health_weight};
use super::operate::Refusal;
use super::report::about_override;
use super::translate;
use crate::config::{Config, Loaded};
use crate::event::Text;
use crate::snapshot::VipName;

/// How things stand: a copy, for whoever has the time to compute.
#[derive(Clone, Debug)]
pub struct Standing {
    outlook: Outlook,
    control: Control,
    config: Arc<Config>,
    warm_up: Text,
    /// What is on its way to VPP and not in `outlook` yet: a weight, or that the server goes.
    under_way: HashMap<(VipKey, IpAddr), Option<u8>>,
}

impl Standing {
    /// Looks ahead under the running config.
    pub fn as_it_is(self) -> Prospect {
        let Self { outlook, config, warm_up, .. } = self;
        Prospect { outlook, later: None, configs: vec![config], warm_up, warnings: Vec::new() }
    }

    /// Looks ahead under another config, as a reload to it would have it: with the states that backends have now, and what health would
    /// make of those that are new. Takes as long as a reload.
    ///
    /// # Errors
    /// [`Refusal::Unfit`].
    pub fn under(self, loaded: Loaded, now: Instant, wall: SystemTime) -> Result<Prospect, Refusal> {
        let Self { outlook, mut control, config: running, warm_up, under_way } = self;
        let Loaded { config, warnings, .. } = loaded;
        let unfit = |error: &dyn std::error::Error| Refusal::Unfit(chain(error).into());
        let out_of_range = |error: OutOfRange| unfit(&error);
        let spec = translate::spec(&config).map_err(|error| unfit(&error))?;
        let keys: HashMap<&str, VipKey> =
            config.frontends.iter().map(|frontend| (frontend.name.as_str(), translate::key(frontend))).collect();
        let weight = |frontend: &str, address| {
            let key = keys.get(frontend)?;
            let under_way = under_way.get(&(*key, address)).copied();
            under_way.unwrap_or_else(|| outlook.actual().weight(key, address)).map(health_weight)
        };
        control.reload(now, wall, &spec, &weight);
        let overrides: Vec<String> =
            std::iter::from_fn(|| control.poll_event()).filter_map(|event| Some(about_override(&event)?.1)).collect();
        let at_once = desired(&config, &control).map_err(out_of_range)?.ok_or(Refusal::NoDataplane)?;
        control.assume_up(now, wall);
        let later = desired(&config, &control).map_err(out_of_range)?;
        let warnings = warnings.iter().map(ToString::to_string).chain(overrides).collect();
        let (outlook, configs) = (outlook.with_desired(at_once), vec![Arc::new(config), running]);
        Ok(Prospect { outlook, later, configs, warm_up, warnings })
    }
}

/// What would happen: under the running config or another one.
#[derive(Clone, Debug)]
pub struct Prospect {
    outlook: Outlook,
    /// What is wanted once every backend that is then unknown is up; `None` for the running config.
    later: Option<Desired>,
    configs: Vec<Arc<Config>>,
    warm_up: Text,
    warnings: Vec<String>,
}

/// What would change: at once, and later.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Forecasts {
    /// At once.
    pub now: Forecast,
    /// Once every backend that is then unknown is up; `None` for the running config.
    pub later: Option<Forecast>,
}

impl Prospect {
    /// Looks ahead. Takes some milliseconds for a large VIP that changes.
    pub fn forecast(&self, recreate: bool) -> Forecasts {
        let now = self.outlook.forecast(recreate);
        let later = self.later.clone().map(|desired| now.then().clone().with_desired(desired).forecast(false));
        Forecasts { now, later }
    }

    /// Phase of the warm-up.
    pub fn warm_up(&self) -> &str {
        &self.warm_up
    }

    /// What is odd about the config, and what would become of overrides whose value or target it changes.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The names that people have for VIPs and ASes, by the config looked at, else by the running one.
    pub fn names(&self) -> Names<'_> {
        let mut names = Names { frontends: HashMap::new(), backends: HashMap::new() };
        for config in &self.configs {
            let addresses: HashMap<&str, IpAddr> =
                config.backends.iter().map(|backend| (backend.name.as_str(), backend.address)).collect();
            for frontend in &config.frontends {
                let key = translate::key(frontend);
                names.frontends.entry(key).or_insert(&frontend.name);
                for member in frontend.pools.iter().flat_map(|pool| &pool.members) {
                    if let Some(address) = addresses.get(member.backend.as_str()) {
                        names.backends.entry((key, *address)).or_insert(&member.backend);
                    }
                }
            }
        }
        names
    }
}

/// What people call VIPs and ASes.
#[derive(Debug)]
pub struct Names<'a> {
    frontends: HashMap<VipKey, &'a str>,
    backends: HashMap<(VipKey, IpAddr), &'a str>,
}

impl Names<'_> {
    /// A VIP as the API writes it.
    pub fn vip(&self, key: &VipKey) -> VipName {
        translate::vip_name(key)
    }

    /// Name of a VIP's frontend; empty for one that no config knows.
    pub fn frontend(&self, key: &VipKey) -> &str {
        self.frontends.get(key).copied().unwrap_or_default()
    }

    /// Name of an AS's backend; empty for one that no config knows.
    pub fn backend(&self, key: &VipKey, address: IpAddr) -> &str {
        self.backends.get(&(*key, address)).copied().unwrap_or_default()
    }
}

impl Core {
    /// How things stand. Copies and does not compute: this is the deciding task.
    pub(super) fn standing(&self) -> Result<Standing, Refusal> {
        let sync = self.sync().ok_or(Refusal::NoDataplane)?;
        let not_read = || Refusal::NoVpp("it has not been read yet; every second is tried again".into());
        let outlook = sync.outlook().ok_or_else(not_read)?;
        Ok(Standing {
            under_way: under_way(sync, &outlook),
            outlook,
            control: self.control().clone(),
            config: self.config().clone(),
            warm_up: sync.status().warm_up.to_string().into(),
        })
    }
}

/// What is on its way, of servers that VPP has or is to have.
fn under_way(sync: &Reconciler, outlook: &Outlook) -> HashMap<(VipKey, IpAddr), Option<u8>> {
    let (actual, desired) = (outlook.actual(), outlook.desired());
    let has = actual.vips.iter().flat_map(|(key, vip)| vip.ases.keys().map(move |address| (*key, *address)));
    let is_to_have = desired.vips.iter().flat_map(|(key, vip)| vip.targets.keys().map(move |address| (*key, *address)));
    let differs = |(key, address): (VipKey, IpAddr)| {
        let weight = sync.actual_weight(&key, address);
        (actual.weight(&key, address) != weight).then_some(((key, address), weight))
    };
    has.chain(is_to_have).filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use maglev_sync::{Abilities, BootId, Call, LbConf, Reply, Weight};

    use super::super::core::Output;
    use super::*;
    use crate::config::Context;
    use crate::state::State;

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
    web0: { address: 10.0.0.11 }
  frontends:
    web: { address: 192.0.2.1, protocol: tcp, port: 80, pools: [{ name: primary, backends: { web0: {} } }] }
";

    fn load(text: &str) -> Loaded {
        Config::parse(text, "maglev.yaml", Context { dataplane: true }).expect("a sound config")
    }

    fn weights(desired: &Desired) -> Vec<Weight> {
        desired.vips.values().flat_map(|vip| vip.targets.values()).map(|target| target.weight).collect()
    }

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    /// A core with this config and a VPP that holds nothing yet.
    fn start(config: &str, now: Instant) -> Core {
        let config = Arc::new(load(config).config);
        let core = Core::new(config, &State::default(), true, now, NOW);
        let mut core = core.expect("a config that passed its checks");
        core.handle_link_up(now, BootId(1, 0), Abilities::default());
        core
    }

    /// Answers all calls but those to be left on their way, which are returned.
    fn answer(core: &mut Core, now: Instant, is_left: impl Fn(&Call) -> bool) -> Vec<Call> {
        let mut left = Vec::new();
        while let Some(output) = core.poll_output(now, NOW) {
            let Output::Call { id, call } = output else { continue };
            let reply = match call {
                _ if is_left(&call) => {
                    left.push(call);
                    continue;
                }
                Call::ConfGet => Reply::Conf(LbConf::default()),
                Call::VipDump => Reply::Vips(Vec::new()),
                Call::AsDump(_) => Reply::Ases(Vec::new()),
                Call::Verbose => Reply::Text(String::new()),
                Call::Route(_) => Reply::Route(None),
                _ => Reply::Done,
            };
            core.handle_reply(now, id, Ok(reply));
        }
        left
    }

    /// What a reload to this config wants of each server, which must be what was foretold.
    fn foretold_and_reloaded(core: &mut Core, config: &str, now: Instant) -> Vec<Weight> {
        let standing = core.standing().expect("VPP was read");
        let prospect = standing.under(load(config), now, NOW).expect("a config that passed its checks");
        core.reload(Arc::new(load(config).config), now, NOW).expect("the same config");
        let reloaded = core.sync().and_then(Reconciler::desired).expect("a dataplane");
        assert_eq!(weights(prospect.outlook.desired()), weights(reloaded));
        weights(reloaded)
    }

    #[test]
    fn a_weight_on_its_way_counts_as_it_does_for_a_reload() {
        let now = Instant::now();
        let mut core = start(CONFIG, now);
        let left = answer(&mut core, now, |call| matches!(call, Call::AsAdd { .. }));
        assert!(matches!(left.as_slice(), [Call::AsAdd { weight: Weight::MAX, .. }]), "{left:?}");
        // With a check nobody knows whether the server is well: it keeps the weight that it has.
        let checked = CONFIG.replace("10.0.0.11 }", "10.0.0.11, healthcheck: web }");
        assert_eq!(foretold_and_reloaded(&mut core, &checked, now), [Weight::MAX]);
    }

    #[test]
    fn a_server_on_its_way_out_counts_as_gone_as_it_does_for_a_reload() {
        let now = Instant::now();
        let other = "web1: { address: 10.0.0.12 }\n  frontends";
        let both = CONFIG.replace("  frontends", &format!("    {other}")).replace("web0: {}", "web0: {}, web1: {}");
        let mut core = start(&both, now);
        assert!(answer(&mut core, now, |_| false).is_empty());
        core.reload(Arc::new(load(CONFIG).config), now, NOW).expect("a config that passed its checks");
        let left = answer(&mut core, now, |call| matches!(call, Call::AsDel { .. }));
        assert_eq!(left.len(), 1, "{left:?}");
        // It is back before VPP has answered: with a check it waits for a verdict, as any server that VPP does not have.
        let checked = both.replace("10.0.0.12 }", "10.0.0.12, healthcheck: web }");
        assert_eq!(foretold_and_reloaded(&mut core, &checked, now), [Weight::MAX, Weight::ZERO]);
    }
}
