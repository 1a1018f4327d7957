//! What a VPP without weights makes of a config: a backend is in or out.

use std::collections::BTreeSet;

use crate::config::{Config, Frontend};
use crate::event::What;

/// What operators were told of it.
#[derive(Debug, Default)]
pub(super) struct Told {
    uneven: BTreeSet<String>,
}

impl Told {
    /// The link to such a VPP stands.
    pub(super) fn connected(&mut self, version: &str, config: &Config) -> What {
        self.uneven = uneven(config).map(|frontend| frontend.name.clone()).collect();
        warning(version, config)
    }

    /// The config changed while it does: worth a word if other frontends lose their shares than those named before, unless none does.
    pub(super) fn reloaded(&mut self, version: &str, config: &Config) -> Option<What> {
        let uneven: BTreeSet<String> = uneven(config).map(|frontend| frontend.name.clone()).collect();
        let changed = uneven != self.uneven && !uneven.is_empty();
        self.uneven = uneven;
        changed.then(|| warning(version, config))
    }
}

fn warning(version: &str, config: &Config) -> What {
    let uneven: Vec<&str> = uneven(config).map(|frontend| frontend.name.as_str()).collect();
    let uneven = match uneven.as_slice() {
        [] => String::new(),
        names if names.len() <= NAMED => format!(" Uneven weights count as equal: {}.", names.join(", ")),
        names => {
            let (first, others) = (names[..NAMED].join(", "), names.len() - NAMED);
            format!(" Uneven weights count as equal: {first} and {others} more.")
        }
    };
    let message = format!("VPP {version} has no weights: a backend is in or out, 0 is out, all else is in.{uneven}");
    What::Warning { cause: "vpp-without-weights".into(), message: message.into() }
}

/// Names in one line of the log.
const NAMED: usize = 5;

/// Frontends that want different shares for the backends of a pool.
pub(super) fn uneven(config: &Config) -> impl Iterator<Item = &Frontend> {
    config.frontends.iter().filter(|frontend| {
        frontend.pools.iter().any(|pool| {
            let mut weights = pool.members.iter().map(|member| member.weight).filter(|weight| *weight > 0);
            weights.next().is_some_and(|first| weights.any(|weight| weight != first))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Context;

    fn config(weights: &[&str]) -> Config {
        let frontends = weights.iter().enumerate().map(|(number, weights)| {
            format!(
                "    f{number}: {{ address: 192.0.2.{number}, pools: [{{ name: p, backends: {{ {weights} }} }}] }}\n"
            )
        });
        let frontends: String = frontends.collect();
        let text = format!(
            "maglev:
  vpp: {{ lb: {{ ipv4-src-address: 10.0.0.1, ipv6-src-address: '2001:db8::1' }} }}
  backends: {{ a: {{ address: 10.0.0.2 }}, b: {{ address: 10.0.0.3 }} }}
  frontends:
{frontends}"
        );
        let loaded =
            Config::parse(&text, "test.yaml", Context { dataplane: true }).unwrap_or_else(|error| panic!("{error}"));
        loaded.config
    }

    fn told(weights: &[&str]) -> String {
        warning("25.10", &config(weights)).to_string()
    }

    #[test]
    fn frontends_whose_shares_are_lost_are_named_and_not_all_of_many() {
        let even = "a: { weight: 30 }, b: { weight: 30 }";
        let drained = "a: { weight: 30 }, b: { weight: 0 }";
        let uneven = "a: { weight: 30 }, b: { weight: 31 }";
        assert!(!told(&[even, drained]).contains("Uneven"));
        assert!(told(&[even, uneven, drained, uneven]).contains("count as equal: f1, f3."));
        let many = told(&[uneven; 8]);
        assert!(many.contains("f0, f1, f2, f3, f4 and 3 more.") && !many.contains("f5"), "{many}");
    }

    #[test]
    fn a_reload_is_worth_a_word_when_other_frontends_lose_their_shares() {
        let (even, uneven, other) = ("a: {}, b: {}", "a: {}, b: { weight: 31 }", "a: {}, b: { weight: 32 }");
        let mut told = Told::default();
        told.connected("25.10", &config(&[even, uneven]));
        let steps = [
            ([even, uneven], false),
            ([even, other], false),
            ([uneven, other], true),
            ([uneven, uneven], false),
            ([even, even], false),
            ([even, uneven], true),
        ];
        for (step, (weights, expected)) in steps.iter().enumerate() {
            assert_eq!(told.reloaded("25.10", &config(weights)).is_some(), *expected, "step {step}");
        }
    }
}
