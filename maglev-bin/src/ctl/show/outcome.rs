//! What writes came to.

use jiff::Timestamp as Time;

use super::last;
use super::style::{Tone, clean, count};
use super::table::{facts, indented};
use crate::ctl::grammar::Action;
use crate::proto::{
    BackendActionResponse, BackendInfo, ProbeBackendResponse, ReloadConfigResponse, SetWeightResponse,
    SyncVpplbStateResponse,
};

/// What became of a backend.
pub(crate) fn action(action: Action, answer: &BackendActionResponse) -> String {
    let nothing = BackendInfo::default();
    let backend = answer.backend.as_ref().unwrap_or(&nothing);
    let name = Tone::Strong.paint(clean(&backend.name));
    let state = |state: &str| Tone::of_state(state).paint(clean(state));
    let now = state(&backend.state);
    // The last transition may be a later one than that of the action.
    match (action, answer.changed) {
        (Action::Clear, true) => format!("{name}: as the config says, {now}\n"),
        (Action::Clear, false) => format!("{name}: nothing is set by hand, {now}\n"),
        (Action::Resume, false) => format!("{name}: not paused, {now}\n"),
        (Action::Pause | Action::Disable, true) if backend.state == done(action) => format!("{name}: {now}\n"),
        (Action::Pause | Action::Disable, false) if backend.state == done(action) => format!("{name}: already {now}\n"),
        (_, true) => format!("{name}: {}, now {now}\n", done(action)),
        (_, false) => format!("{name}: already {}, {now}\n", done(action)),
    }
}

/// What a backend is after it.
fn done(action: Action) -> &'static str {
    match action {
        Action::Pause => "paused",
        Action::Resume => "resumed",
        Action::Enable => "enabled",
        Action::Disable => "disabled",
        Action::Clear => "cleared",
    }
}

/// What a probe that was asked for found, and what that makes of the backend.
pub(crate) fn probed(answer: &ProbeBackendResponse, time: Time) -> String {
    let nothing = BackendInfo::default();
    let backend = answer.backend.as_ref().unwrap_or(&nothing);
    let name = Tone::Strong.paint(clean(&backend.name));
    let now = Tone::of_state(&backend.state).paint(clean(&backend.state));
    let note = if answer.under_way { "a probe was under way: " } else { "" };
    let Some(probe) = &answer.probe else {
        return format!("{name}: {note}its end was not seen, now {now}\n");
    };
    let result = last::tone(&probe.result).paint(clean(&probe.result));
    let detail = if probe.detail.is_empty() { String::new() } else { format!(", {}", clean(&probe.detail)) };
    let millis = probe.elapsed_seconds * 1_000.0;
    let top = (backend.rise + backend.fall).saturating_sub(1);
    format!(
        "{name}: {note}{result} {}{detail} ({millis:.1} ms), now {now} {}/{top}\n{}",
        clean(&probe.code),
        backend.health,
        indented(&facts(last::details(backend, time)))
    )
}

/// What became of a weight; the names are those of the request.
pub(crate) fn weight(frontend: &str, pool: &str, backend: &str, answer: &SetWeightResponse) -> String {
    let place = Tone::Strong.paint(format!("{} {} {}", clean(frontend), clean(pool), clean(backend)));
    let already = if answer.changed { "" } else { "already " };
    let pools = answer.frontend.iter().flat_map(|frontend| &frontend.pools);
    let member = pools.filter(|of| of.name == pool).flat_map(|of| &of.backends).find(|of| of.name == backend);
    let Some(member) = member else { return format!("{place}: {already}done\n") };
    let source = if member.overridden {
        format!(" by hand ({} by the config)", member.configured_weight)
    } else {
        " by the config".to_owned()
    };
    format!("{place}: {already}weight {}{source}, {} now\n", member.weight, member.effective_weight)
}

/// What a sync did.
pub(crate) fn synced(answer: &SyncVpplbStateResponse) -> String {
    let parts: Vec<String> = [
        (answer.vips_added, "VIP", "added"),
        (answer.vips_recreated, "VIP", "made anew"),
        (answer.vips_removed, "VIP", "removed"),
        (answer.ases_added, "AS", "added"),
        (answer.ases_removed, "AS", "removed"),
        (answer.weights_updated, "weight", "changed"),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, noun, what)| format!("{} {what}", count(number.into(), noun)))
    .collect();
    let what = match (parts.is_empty(), answer.changes) {
        (true, 0) => "nothing to do".to_owned(),
        (true, changes) => count(changes.into(), "change"),
        (false, _) => parts.join(", "),
    };
    let waits = if answer.waits.is_empty() { String::new() } else { format!("{}\n", clean(&answer.waits)) };
    format!("{what} ({:.3} s)\n{waits}", answer.elapsed_seconds)
}

/// That a config is in force.
pub(crate) fn reloaded(answer: &ReloadConfigResponse) -> String {
    format!("reloaded, SHA-256 {}\n", clean(&answer.sha256))
}

/// What an operator should know of, a line each.
pub(crate) fn notes(notes: &[String]) -> String {
    notes.iter().map(|note| format!("warning: {}\n", clean(note))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::frontend::tests::now;
    use super::super::last::tests::unexpected;
    use super::*;
    use crate::proto::{FrontendInfo, PoolBackendInfo, PoolInfo, ProbeResult, Transition};
    use anstream::adapter::strip_str;

    fn acted(what: Action, state: &str, changed: bool) -> String {
        let last = Transition { from: "up".into(), to: "disabled".into(), ..Default::default() };
        let backend =
            BackendInfo { name: "web0".into(), state: state.into(), history: vec![last], ..Default::default() };
        let answer = BackendActionResponse { backend: Some(backend), changed, not_saved: String::new() };
        strip_str(&action(what, &answer)).to_string()
    }

    #[test]
    fn an_action_says_what_it_changed_or_that_it_was_in_force() {
        assert_eq!(acted(Action::Disable, "disabled", true), "web0: disabled\n");
        assert_eq!(acted(Action::Enable, "unknown", true), "web0: enabled, now unknown\n");
        assert_eq!(acted(Action::Resume, "up", true), "web0: resumed, now up\n");
        assert_eq!(acted(Action::Resume, "up", false), "web0: not paused, up\n");
        assert_eq!(acted(Action::Disable, "disabled", false), "web0: already disabled\n");
        assert_eq!(acted(Action::Enable, "up", false), "web0: already enabled, up\n");
        assert_eq!(acted(Action::Clear, "unknown", true), "web0: as the config says, unknown\n");
        assert_eq!(acted(Action::Clear, "up", false), "web0: nothing is set by hand, up\n");
    }

    #[test]
    fn a_probe_says_what_it_found_and_what_the_backend_is_now() {
        let backend =
            BackendInfo { name: "web0".into(), state: "up".into(), health: 3, rise: 2, fall: 3, ..Default::default() };
        let found = ProbeResult {
            result: "pass".into(),
            code: "L7OK".into(),
            detail: "status 200".into(),
            elapsed_seconds: 0.01234,
        };
        let answer = ProbeBackendResponse { backend: Some(backend), under_way: false, probe: Some(found) };
        let said = |answer: &ProbeBackendResponse| strip_str(&probed(answer, now())).to_string();
        assert_eq!(said(&answer), "web0: pass L7OK, status 200 (12.3 ms), now up 3/4\n");
        let other = ProbeBackendResponse { under_way: true, ..answer.clone() };
        assert_eq!(said(&other), "web0: a probe was under way: pass L7OK, status 200 (12.3 ms), now up 3/4\n");
        let lost = ProbeBackendResponse { probe: None, ..answer.clone() };
        assert_eq!(said(&lost), "web0: its end was not seen, now up\n");
        let mut full = answer;
        full.backend = full.backend.map(|of| BackendInfo { last_result: Some(unexpected()), ..of });
        insta::assert_snapshot!(said(&full), @r#"
        web0: pass L7OK, status 200 (12.3 ms), now up 3/4
          phases       connected 0.3 ms, TLS 4.1 ms, first byte 7.9 ms, total 8.0 ms
          answer       "<html>\r\n<h1 class=\"big\">It's down"
          certificate  www.example.com, expires 1970-01-22 (in 10d)
        "#);
    }

    #[test]
    fn a_weight_says_what_is_in_force_and_what_the_config_has() {
        let said = |overridden, changed| {
            let member = PoolBackendInfo {
                name: "web0".into(),
                weight: 50,
                configured_weight: 100,
                overridden,
                ..Default::default()
            };
            let pool = PoolInfo { name: "primary".into(), active: true, backends: vec![member] };
            let frontend = FrontendInfo { pools: vec![pool], ..Default::default() };
            let answer = SetWeightResponse { frontend: Some(frontend), changed, not_saved: String::new() };
            strip_str(&weight("web-v4", "primary", "web0", &answer)).to_string()
        };
        assert_eq!(said(true, true), "web-v4 primary web0: weight 50 by hand (100 by the config), 0 now\n");
        assert_eq!(said(false, false), "web-v4 primary web0: already weight 50 by the config, 0 now\n");
    }

    #[test]
    fn a_sync_counts_what_it_did() {
        let nothing = SyncVpplbStateResponse { elapsed_seconds: 0.0125, ..Default::default() };
        assert_eq!(synced(&nothing), "nothing to do (0.013 s)\n");
        let much = SyncVpplbStateResponse { changes: 4, vips_added: 1, ases_added: 2, weights_updated: 1, ..nothing };
        assert_eq!(synced(&much), "1 VIP added, 2 ASes added, 1 weight changed (0.013 s)\n");
        let held = SyncVpplbStateResponse { waits: "the warm-up holds it back".into(), ..Default::default() };
        assert_eq!(synced(&held), "nothing to do (0.000 s)\nthe warm-up holds it back\n");
    }
}
