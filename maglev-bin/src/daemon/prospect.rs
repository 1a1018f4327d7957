//! What would happen: how things stand, under the running config or under another one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use maglev_health::{Code, Control, Jitter, ProbeId, ProbeResult, State};
use maglev_sync::{Desired, Forecast, OutOfRange, Outlook, VipKey};

use super::chain;
use super::core::{Core, desired, weight_in_vpp};
use super::operate::Refusal;
use super::translate;
use crate::config::{Config, Loaded};
use crate::event::Text;
use crate::snapshot::VipName;

/// How things stand, to look ahead from: a copy, for whoever has the time to compute.
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

    /// What is odd about the config.
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
    /// How things stand, under the running config, or under another one as a reload to it would have it: with the states that backends
    /// have now, and what health would make of those that are new.
    pub(super) fn prospect(&self, loaded: Option<Loaded>, now: Instant, wall: SystemTime) -> Result<Prospect, Refusal> {
        let sync = self.sync().ok_or(Refusal::NoDataplane)?;
        let not_read = || Refusal::NoVpp("it has not been read yet; every second is tried again".into());
        let outlook = sync.outlook().ok_or_else(not_read)?;
        let warm_up = sync.status().warm_up.to_string().into();
        let running = self.config().clone();
        let Some(Loaded { config, warnings, .. }) = loaded else {
            return Ok(Prospect { outlook, later: None, configs: vec![running], warm_up, warnings: Vec::new() });
        };
        let unfit = |error: &dyn std::error::Error| Refusal::Unfit(chain(error).into());
        let out_of_range = |error: OutOfRange| unfit(&error);
        let spec = translate::spec(&config).map_err(|error| unfit(&error))?;
        let keys: HashMap<&str, VipKey> =
            config.frontends.iter().map(|frontend| (frontend.name.as_str(), translate::key(frontend))).collect();

        let mut control = self.control().clone();
        control.reload(now, wall, &spec, &|frontend, address| weight_in_vpp(sync, keys.get(frontend)?, address));
        let at_once = desired(&config, &control).map_err(out_of_range)?.ok_or(Refusal::NoDataplane)?;
        settle(&mut control, now, wall);
        let later = desired(&config, &control).map_err(out_of_range)?;
        let warnings = warnings.iter().map(ToString::to_string).collect();
        let (outlook, configs) = (outlook.with_desired(at_once), vec![Arc::new(config), running]);
        Ok(Prospect { outlook, later, configs, warm_up, warnings })
    }
}

/// Health as it will be once every backend that is unknown to `control` has passed its first probe; `control` is a copy.
fn settle(control: &mut Control, now: Instant, wall: SystemTime) {
    let mut now = now;
    while let Some(due) = control.poll_timeout() {
        now = now.max(due);
        control.handle_timeout(now);
    }
    let unknown = control.backends().filter(|backend| backend.state() == State::Unknown);
    let probes: Vec<ProbeId> = unknown.filter_map(|backend| backend.in_flight()).collect();
    for probe in probes {
        control.handle_result(now, wall, probe, ProbeResult::pass(Code::L7Ok, ""), Jitter::NONE);
    }
}
