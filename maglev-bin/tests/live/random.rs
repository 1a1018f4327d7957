//! Random configs, and random words of operators.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use maglev_bin::daemon::Action;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::Lab;

/// Frontends by name, and backends that the config disables.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    frontends: BTreeMap<&'static str, Frontend>,
    disabled: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Frontend {
    place: &'static str,
    /// The family of its servers.
    over_six: bool,
    src_ip_sticky: bool,
    table_length: u32,
    /// Weights by name of backend, pool by pool.
    pools: Vec<BTreeMap<String, u8>>,
}

/// Name, and where it listens. The last one excludes the first two, for it takes every port of their address.
const FRONTENDS: [(&str, &str); 6] = [
    ("web", "address: 192.0.2.1, protocol: tcp, port: 80"),
    ("mail", "address: 192.0.2.1, protocol: tcp, port: 25"),
    ("every-port", "address: 192.0.2.2"),
    ("dns", "address: '2001:db8:a::1', protocol: udp, port: 53"),
    ("six", "address: '2001:db8:a::2', protocol: tcp, port: 443"),
    ("all", "address: 192.0.2.1"),
];

/// Servers that a lab for [`Site::config`] has.
pub(crate) const PROBED: u8 = 3;

impl Site {
    /// The text of its config, in a lab with [`PROBED`] servers: they are probed, all others are static. What no frontend uses is left out.
    pub(crate) fn config(&self, lab: &Lab) -> String {
        // Long time-outs: no server fails here, and the machine may be slow.
        let mut text = format!(
            "maglev:
  vpp:
    lb: {{ ipv4-src-address: 10.2.0.1, ipv6-src-address: 'fd02::1', startup-min-delay: 0s, startup-max-delay: 0s }}
  healthchecks:
    web: {{ type: http, port: {}, interval: 200ms, fast-interval: 50ms, timeout: 10s, rise: 2, fall: 2 }}
  backends:
",
            lab.port
        );
        let used: BTreeSet<_> =
            self.frontends.values().flat_map(|it| &it.pools).flat_map(|members| members.keys()).collect();
        for name in used {
            let enabled = !self.disabled.contains(name);
            let place = match lab.servers.iter().find(|server| server.name() == name) {
                Some(server) => format!("address: {}, healthcheck: web", server.address().ip()),
                None => format!("address: '{}'", name.replace("four", "10.2.0.").replace("six", "fd02::")),
            };
            writeln!(text, "    {name}: {{ {place}, enabled: {enabled} }}").expect("a String takes everything");
        }
        text.push_str("  frontends:\n");
        for (name, Frontend { place, src_ip_sticky, table_length, pools, .. }) in &self.frontends {
            let pools = pools.iter().enumerate().map(|(number, members)| {
                let members: Vec<_> =
                    members.iter().map(|(name, weight)| format!("{name}: {{ weight: {weight} }}")).collect();
                format!("{{ name: pool{number}, backends: {{ {} }} }}", members.join(", "))
            });
            let pools: Vec<_> = pools.collect();
            writeln!(
                text,
                "    {name}: {{ {place}, src-ip-sticky: {src_ip_sticky}, new-flows-table-length: {table_length}, pools: [{}] }}",
                pools.join(", ")
            )
            .expect("a String takes everything");
        }
        text
    }

    /// The order to do this to one of its backends.
    pub(crate) fn action(&self, deed: &Deed) -> Action {
        let members = self.frontends.iter().flat_map(|(frontend, it)| {
            let pools = it.pools.iter().enumerate();
            pools.flat_map(move |(pool, members)| members.keys().map(move |backend| (*frontend, pool, backend)))
        });
        let members: Vec<_> = members.collect();
        let (frontend, pool, backend) = deed.on.get(&members);
        let name = backend.as_str().into();
        match deed.what {
            What::Pause => Action::Pause(name),
            What::Resume => Action::Resume(name),
            What::Disable => Action::Disable(name),
            What::Enable => Action::Enable(name),
            What::Clear => Action::Clear(name),
            What::Weight(weight) => Action::weight(frontend, &format!("pool{pool}"), backend, weight),
        }
    }
}

/// What an operator does to some backend.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    what: What,
    on: Index,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Pause,
    Resume,
    Disable,
    Enable,
    Clear,
    Weight(Option<u32>),
}

pub(crate) fn a_deed() -> impl Strategy<Value = Deed> {
    let what = prop_oneof![
        1 => Just(What::Pause),
        1 => Just(What::Resume),
        2 => Just(What::Disable),
        2 => Just(What::Enable),
        1 => Just(What::Clear),
        3 => prop::option::weighted(0.8, 0..=100_u32).prop_map(What::Weight),
    ];
    (what, any::<Index>()).prop_map(|(what, on)| Deed { what, on })
}

/// At least one frontend.
pub(crate) fn a_site() -> impl Strategy<Value = Site> {
    let frontends = FRONTENDS.map(|(name, place)| {
        let often = if name == "all" { 0.2 } else { 0.8 };
        prop::option::weighted(often, a_frontend(place)).prop_map(move |it| it.map(|it| (name, it)))
    });
    let disabled = prop::collection::btree_set(prop_oneof![a_server(false), a_server(true)], 0..4);
    let site = (frontends, disabled).prop_map(|(frontends, disabled)| {
        let mut frontends: BTreeMap<_, _> = frontends.into_iter().flatten().collect();
        if frontends.contains_key("all") {
            frontends.retain(|name, _| !["web", "mail"].contains(name));
        }
        // One address has servers of one family.
        if let (Some(web), Some(mail)) = (frontends.get("web"), frontends.get("mail"))
            && web.over_six != mail.over_six
        {
            frontends.remove("mail");
        }
        Site { frontends, disabled }
    });
    site.prop_filter("a frontend", |site| !site.frontends.is_empty())
}

fn a_frontend(place: &'static str) -> impl Strategy<Value = Frontend> {
    let may_be_sticky = !place.contains("::");
    let table_length = prop_oneof![4 => Just(1_024_u32), 1 => Just(2_048)];
    (any::<bool>(), prop::bool::weighted(0.3), table_length).prop_flat_map(
        move |(over_six, src_ip_sticky, table_length)| {
            let a_pool = prop::collection::btree_map(a_server(over_six), a_weight(), 1..6);
            let pools = prop::collection::vec(a_pool, 1..=3);
            let src_ip_sticky = src_ip_sticky && may_be_sticky;
            pools.prop_map(move |pools| Frontend { place, over_six, src_ip_sticky, table_length, pools })
        },
    )
}

/// Its name: 10.2.0.11 to .18 and the probed ones, or fd02::11 to ::18.
fn a_server(over_six: bool) -> BoxedStrategy<String> {
    let numbered = |family: &'static str| (11..=18_u8).prop_map(move |number| format!("{family}{number}"));
    if over_six {
        numbered("six").boxed()
    } else {
        prop_oneof![8 => numbered("four"), 3 => (0..PROBED).prop_map(|number| format!("web{number}"))].boxed()
    }
}

fn a_weight() -> impl Strategy<Value = u8> {
    prop_oneof![1 => Just(0_u8), 3 => 1..100_u8, 3 => Just(100)]
}
