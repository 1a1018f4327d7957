//! Backends, and what operators have set by hand.

use jiff::Timestamp as Time;

use super::frontend::state;
use super::last;
use super::style::{Tone, age, clean, or_dash, time};
use super::table::{Table, cell, facts, indented};
use crate::proto::{BackendAgent, BackendInfo, ListBackendsResponse, ListOverridesResponse};

/// A line for each backend.
pub(crate) fn backends(list: &ListBackendsResponse, now: Time) -> String {
    if list.backends.is_empty() {
        return "no backends\n".to_owned();
    }
    let mut table = Table::new(["backend", "address", "healthcheck", "state", "for", ">health", "by hand", "code"]);
    for backend in &list.backends {
        let last = backend.history.first();
        table.row([
            cell(&backend.name).tone(Tone::Strong),
            cell(&backend.address),
            cell(if backend.healthcheck.is_empty() { "static" } else { &backend.healthcheck }),
            cell(state_of(backend)).tone(Tone::of_state(&backend.state)),
            cell(age(backend.since.as_ref(), now)),
            cell(health(backend)),
            cell(&backend.r#override),
            cell(last.map_or("", |last| &last.code)),
        ]);
    }
    table.to_string()
}

/// A backend, where it serves, and its history.
pub(crate) fn backend(backend: &BackendInfo, now: Time) -> String {
    let title = format!(
        "{}  {}  {}",
        Tone::Strong.paint(clean(&backend.name)),
        clean(&backend.address),
        Tone::of_state(&backend.state).paint(clean(&state_of(backend))),
    );
    let check = if backend.healthcheck.is_empty() {
        "none: it is always up".to_owned()
    } else {
        format!("{} ({})", backend.healthcheck, backend.kind)
    };
    let known = [
        ("since", cell(age(backend.since.as_ref(), now))),
        ("healthcheck", cell(check)),
        ("health", cell(health_in_words(backend))),
        ("enabled", cell(if backend.enabled { "yes" } else { "no" })),
        ("set by hand", cell(&backend.r#override).tone(Tone::Doubt)),
        ("flaps", cell(flaps(backend, now)).tone(if is_suppressed(backend) { Tone::Doubt } else { Tone::Plain })),
        ("says", cell(backend.agent.as_ref().map(word).unwrap_or_default()).tone(Tone::Doubt)),
        ("last result", backend.last_result.as_ref().map_or_else(|| cell(""), |last| last::verdict(last, now))),
    ];
    let facts = facts(known.into_iter().chain(last::details(backend, now)));
    let mut uses = Table::new(["frontend", "pool", ">weight", ">effective"]);
    for place in &backend.uses {
        uses.row([cell(&place.frontend), cell(&place.pool), cell(place.weight), cell(place.effective_weight)]);
    }
    let mut history = Table::new(["time", "ago", "from", "to", "code", "detail"]);
    for transition in &backend.history {
        history.row([
            cell(time(transition.time.as_ref())),
            cell(age(transition.time.as_ref(), now)),
            state(&transition.from),
            state(&transition.to),
            cell(&transition.code),
            cell(&transition.detail),
        ]);
    }
    let uses = if uses.is_empty() { "no frontend uses it\n".to_owned() } else { uses.to_string() };
    let blank = if history.is_empty() { "" } else { "\n" };
    format!("{title}\n{}\n{uses}{blank}{history}", indented(&facts))
}

/// What operators have set by hand.
pub(crate) fn overrides(list: &ListOverridesResponse, now: Time) -> String {
    if list.overrides.is_empty() {
        return "nothing is set by hand\n".to_owned();
    }
    let mut table =
        Table::new(["override", "backend", "frontend", "pool", ">weight", ">config", "ago", "who", "reason"]);
    for one in &list.overrides {
        table.row([
            cell(&one.kind).tone(Tone::Strong),
            cell(&one.backend),
            cell(&one.frontend),
            cell(&one.pool),
            cell(one.weight.map(|weight| weight.to_string()).unwrap_or_default()),
            cell(one.configured_weight.map(|weight| weight.to_string()).unwrap_or_default()),
            cell(age(one.time.as_ref(), now)),
            cell(&one.who),
            cell(&one.reason),
        ]);
    }
    if !list.not_saved.is_empty() {
        return table.to_string();
    }
    let kept = if list.state_file.is_empty() {
        "\nno state file: these are forgotten when maglevd ends\n".to_owned()
    } else {
        format!("\nkept in {}\n", clean(&list.state_file))
    };
    format!("{table}{}", Tone::Faint.paint(kept))
}

fn state_of(backend: &BackendInfo) -> String {
    match backend {
        _ if backend.held => format!("{}, held", backend.state),
        _ if is_suppressed(backend) => format!("{}, suppressed", backend.state),
        _ => backend.state.clone(),
    }
}

fn is_suppressed(backend: &BackendInfo) -> bool {
    backend.damping.is_some_and(|damping| damping.suppressed)
}

/// What the flaps add up to, and until when that keeps the backend down; nothing without damping.
fn flaps(backend: &BackendInfo, now: Time) -> String {
    let Some(damping) = &backend.damping else { return String::new() };
    let until = damping.suppressed_until.as_ref().and_then(|until| until.time());
    let rest = until.map(|until| until.duration_since(now).as_secs().max(0).unsigned_abs());
    match (damping.suppressed, rest) {
        (false, _) => format!("penalty {}", damping.penalty),
        (true, None) => format!("penalty {}, suppressed", damping.penalty),
        (true, Some(rest)) => {
            format!("penalty {}, suppressed for another {}", damping.penalty, super::style::span(rest))
        }
    }
}

/// What a server says of itself, as it might have said it.
pub(super) fn word(agent: &BackendAgent) -> String {
    match agent.mode.as_str() {
        "ready" => format!("{}%", agent.share),
        mode => format!("{}% {mode}", agent.share),
    }
}

/// The counter and its top.
fn health(backend: &BackendInfo) -> String {
    if backend.healthcheck.is_empty() {
        return or_dash(None::<u32>);
    }
    format!("{}/{}", backend.health, (backend.rise + backend.fall).saturating_sub(1))
}

fn health_in_words(backend: &BackendInfo) -> String {
    if backend.healthcheck.is_empty() {
        return String::new();
    }
    format!("{}, up from {} on (rise {}, fall {})", health(backend), backend.rise, backend.rise, backend.fall)
}

#[cfg(test)]
mod tests {
    use super::super::frontend::tests::{ago, now};
    use super::*;
    use crate::proto::{BackendDamping, BackendUse, Override, Transition};
    use anstream::adapter::strip_str;

    fn example() -> BackendInfo {
        let transition = |seconds, from: &str, to: &str, code: &str, detail: &str| Transition {
            time: ago(seconds),
            from: from.into(),
            to: to.into(),
            code: code.into(),
            detail: detail.into(),
        };
        BackendInfo {
            name: "web0".into(),
            address: "10.2.1.1".into(),
            healthcheck: "web".into(),
            kind: "https".into(),
            state: "disabled".into(),
            since: ago(30),
            health: 4,
            rise: 2,
            fall: 3,
            enabled: false,
            held: false,
            r#override: "disable".into(),
            certificate_expires: ago(-864_000),
            history: vec![
                transition(30, "up", "disabled", "disabled", "disk swap"),
                transition(7_500, "unknown", "up", "L7OK", "status 200"),
            ],
            uses: vec![BackendUse {
                frontend: "web-v4".into(),
                pool: "primary".into(),
                weight: 100,
                effective_weight: 0,
            }],
            damping: None,
            agent: None,
            last_result: None,
        }
    }

    fn stone() -> BackendInfo {
        BackendInfo {
            name: "stone".into(),
            address: "10.2.1.7".into(),
            kind: "static".into(),
            state: "up".into(),
            enabled: true,
            ..Default::default()
        }
    }

    #[test]
    fn a_backend_tells_where_it_serves_and_what_happened_to_it() {
        insta::assert_snapshot!(strip_str(&backend(&example(), now())), @r"
        web0  10.2.1.1  disabled
          since        30s
          healthcheck  web (https)
          health       4/4, up from 2 on (rise 2, fall 3)
          enabled      no
          set by hand  disable
          certificate  expires 1970-01-22 (in 10d)

        frontend  pool     weight  effective
        web-v4    primary     100          0

        time                  ago   from     to        code      detail
        1970-01-12 13:46:10Z  30s   up       disabled  disabled  disk swap
        1970-01-12 11:41:40Z  2h5m  unknown  up        L7OK      status 200
        ");
        insta::assert_snapshot!(strip_str(&backend(&stone(), now())), @r"
        stone  10.2.1.7  up
          since        -
          healthcheck  none: it is always up
          enabled      yes

        no frontend uses it
        ");
    }

    #[test]
    fn a_suppressed_backend_says_for_how_long_and_one_with_an_agent_what_it_says() {
        let damping = BackendDamping { penalty: 2_310, suppressed: true, suppressed_until: ago(-94) };
        let agent = BackendAgent { share: 75, mode: "drain".into() };
        let flapping = BackendInfo { state: "down".into(), damping: Some(damping), agent: Some(agent), ..example() };
        let text = strip_str(&backend(&flapping, now())).to_string();
        assert!(text.starts_with("web0  10.2.1.1  down, suppressed\n"), "{text}");
        assert!(text.contains("flaps        penalty 2310, suppressed for another 1m34s\n"), "{text}");
        assert!(text.contains("says         75% drain\n"), "{text}");
        let calm = BackendDamping { penalty: 12, ..Default::default() };
        let text = strip_str(&backend(&BackendInfo { damping: Some(calm), ..example() }, now())).to_string();
        assert!(text.contains("flaps        penalty 12\n"), "{text}");
    }

    #[test]
    fn backends_have_a_line_each() {
        let held = BackendInfo { state: "unknown".into(), held: true, r#override: String::new(), ..example() };
        let list = ListBackendsResponse { backends: vec![example(), held, stone()] };
        insta::assert_snapshot!(strip_str(&backends(&list, now())), @r"
        backend  address   healthcheck  state          for  health  by hand  code
        web0     10.2.1.1  web          disabled       30s     4/4  disable  disabled
        web0     10.2.1.1  web          unknown, held  30s     4/4           disabled
        stone    10.2.1.7  static       up             -         -
        ");
    }

    #[test]
    fn overrides_are_listed_with_who_when_and_why() {
        let disable = Override {
            kind: "disable".into(),
            backend: "web0".into(),
            time: ago(192),
            who: "uid:0".into(),
            reason: "disk\nswap".into(),
            ..Default::default()
        };
        let weight = Override {
            kind: "weight".into(),
            backend: "web1".into(),
            frontend: "web-v4".into(),
            pool: "primary".into(),
            weight: Some(0),
            configured_weight: Some(100),
            time: ago(187_200),
            who: "cert:noc".into(),
            reason: String::new(),
        };
        let list = ListOverridesResponse {
            overrides: vec![disable, weight],
            state_file: "/var/lib/vpp-maglev/state.json".into(),
            not_saved: String::new(),
        };
        insta::assert_snapshot!(strip_str(&overrides(&list, now())), @r"
        override  backend  frontend  pool     weight  config  ago    who       reason
        disable   web0                                        3m12s  uid:0     disk\nswap
        weight    web1     web-v4    primary       0     100  2d4h   cert:noc

        kept in /var/lib/vpp-maglev/state.json
        ");
        let unsaved = ListOverridesResponse { not_saved: "no space left on device".into(), ..list };
        assert!(!overrides(&unsaved, now()).contains("kept in"));
    }
}
