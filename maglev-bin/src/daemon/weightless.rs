//! What a VPP without weights makes of a config: a backend is in or out.

use crate::config::{Config, Frontend};
use crate::event::What;

/// What operators should know when the link to such a VPP stands, or its config changes.
pub(super) fn warning(version: &str, config: &Config) -> What {
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

    fn told(weights: &[&str]) -> String {
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
        warning("25.10", &loaded.config).to_string()
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
}
