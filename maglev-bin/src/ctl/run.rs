//! Does what a command asks for, over the API.

use std::time::Duration;

use super::args::Format;
use super::grammar::{Action, Command, synopsis};
use super::output::Output;
use super::session::Session;
use super::show;
use crate::client::Client;
use crate::proto::*;

mod config;
mod failure;
mod watch;

pub(super) use failure::Failure;

/// What a command that did not fail came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Done,
    /// A plan that has changes.
    Changes,
}

impl Outcome {
    /// Exit status of the process.
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Changes => 4,
        }
    }
}

/// Runs a command to its end. A `watch` without a number has none.
///
/// # Errors
/// What was refused or failed; nothing but [`Failure::is_told`] has been said of it.
pub(super) async fn run(command: &Command, session: &mut Session, output: &mut Output) -> Result<Outcome, Failure> {
    match command {
        Command::ShowVersion => {
            let info = session.call(SOON, async |client| client.get_vpp_info(GetVppInfoRequest {}).await).await?;
            let versions = show::Versions::new(&info);
            output.show(&versions, |_| show::versions(&versions))?;
        }
        Command::ShowFrontends => {
            let list = session.call(SOON, async |client| client.list_frontends(ListFrontendsRequest {}).await).await?;
            output.show(&list, |now| show::frontends(&list, now))?;
        }
        Command::ShowFrontend { name } => {
            let request = GetFrontendRequest { name: name.clone() };
            let info = session.call(SOON, async |client| client.get_frontend(request).await).await?;
            output.show(&info, |now| show::frontend(&info, now))?;
        }
        Command::ShowBackends => {
            let list = session.call(SOON, async |client| client.list_backends(ListBackendsRequest {}).await).await?;
            output.show(&list, |now| show::backends(&list, now))?;
        }
        Command::ShowBackend { name } => {
            let request = GetBackendRequest { name: name.clone() };
            let info = session.call(SOON, async |client| client.get_backend(request).await).await?;
            output.show(&info, |now| show::backend(&info, now))?;
        }
        Command::ShowHealthChecks => {
            let request = ListHealthChecksRequest {};
            let list = session.call(SOON, async |client| client.list_health_checks(request).await).await?;
            output.show(&list, |_| show::healthchecks(&list))?;
        }
        Command::ShowHealthCheck { name } => {
            let request = GetHealthCheckRequest { name: name.clone() };
            let info = session.call(SOON, async |client| client.get_health_check(request).await).await?;
            output.show(&info, |_| show::healthcheck(&info))?;
        }
        Command::ShowVppInfo => {
            let info = session.call(SOON, async |client| client.get_vpp_info(GetVppInfoRequest {}).await).await?;
            output.show(&info, |now| show::info(&info, now))?;
        }
        Command::ShowState { flows } => {
            let request = GetVpplbStateRequest { flows: *flows };
            let state = session.call(SOON, async |client| client.get_vpplb_state(request).await).await?;
            output.show(&state, |now| show::state(&state, now))?;
        }
        Command::ShowCounters => {
            let request = GetVpplbCountersRequest {};
            let counters = session.call(SOON, async |client| client.get_vpplb_counters(request).await).await?;
            output.show(&counters, |now| show::counters(&counters, now))?;
        }
        Command::ShowPlan { recreate } => {
            let request = PlanVpplbStateRequest { recreate: *recreate, ..Default::default() };
            let plan = session.call(LATER, async |client| client.plan_vpplb_state(request).await).await?;
            return show_plan(&plan, output);
        }
        Command::ShowOverrides => {
            let list = session.call(SOON, async |client| client.list_overrides(ListOverridesRequest {}).await).await?;
            output.show(&list, |now| show::overrides(&list, now))?;
            warn_unsaved(&list.not_saved, output);
        }
        Command::Sync { frontend, recreate } => {
            let request = SyncVpplbStateRequest { frontend: frontend.clone().unwrap_or_default(), recreate: *recreate };
            let answer = session.call(LATER, async |client| client.sync_vpplb_state(request).await).await?;
            output.show(&answer, |_| show::synced(&answer))?;
        }
        Command::SetBackend { name, action, reason } => {
            let request = BackendRequest { name: name.clone(), reason: reason.clone() };
            let call = async |client: &mut Client| match action {
                Action::Pause => client.pause_backend(request).await,
                Action::Resume => client.resume_backend(request).await,
                Action::Enable => client.enable_backend(request).await,
                Action::Disable => client.disable_backend(request).await,
                Action::Clear => client.clear_override(request).await,
            };
            let answer = session.call(SOON, call).await?;
            output.show(&answer, |_| show::action(*action, &answer))?;
            warn_unsaved(&answer.not_saved, output);
        }
        Command::ProbeBackend { name } => {
            let request = ProbeBackendRequest { name: name.clone() };
            let answer = session.call(LATER, async |client| client.probe_backend(request).await).await?;
            output.show(&answer, |now| show::probed(&answer, now))?;
        }
        Command::SetWeight { frontend, pool, backend, weight, reason } => {
            let request = SetWeightRequest {
                frontend: frontend.clone(),
                pool: pool.clone(),
                backend: backend.clone(),
                weight: *weight,
                reason: reason.clone(),
            };
            let call = async |client: &mut Client| client.set_frontend_pool_backend_weight(request).await;
            let answer = session.call(SOON, call).await?;
            output.show(&answer, |_| show::weight(frontend, pool, backend, &answer))?;
            warn_unsaved(&answer.not_saved, output);
        }
        Command::ConfigCheck { file } => config::check(file.as_deref(), session, output).await?,
        Command::ConfigPlan { file } => return config::plan(file.as_deref(), session, output).await,
        Command::ConfigReload => {
            let request = ReloadConfigRequest {};
            let answer = session.call(SOON, async |client| client.reload_config(request).await).await?;
            output.show(&answer, |_| show::reloaded(&answer))?;
            if output.format() == Format::Text {
                output.warn(&show::warnings(&answer.warnings));
                output.warn(&show::notes(&answer.overrides));
            }
        }
        Command::Watch(watch) => watch::watch(watch, session, output).await?,
        Command::Help => output.say(&help())?,
        Command::Quit => {}
    }
    Ok(Outcome::Done)
}

fn show_plan(plan: &VpplbPlan, output: &mut Output) -> Result<Outcome, Failure> {
    output.show(plan, |now| show::plan(plan, now))?;
    Ok(if plan.has_changes { Outcome::Changes } else { Outcome::Done })
}

/// An operator who reads nothing else must read this; programs find it in the answer.
fn warn_unsaved(reason: &str, output: &mut Output) {
    if !reason.is_empty() && output.format() == Format::Text {
        let text = format!("WARNING: NOT SAVED, a restart of maglevd forgets it: {}", show::clean(reason));
        output.warn(&format!("{}\n", show::Tone::Bad.paint(text)));
    }
}

/// Every command.
fn help() -> String {
    let lines = |(command, help)| format!("{command}\n        {}\n", show::Tone::Faint.paint(help));
    let commands: String = synopsis().into_iter().map(lines).collect();
    format!(
        "{commands}\nUnique beginnings of words are enough. In the shell `?` tells what may come next, TAB completes.\n"
    )
}

/// For an answer that takes the server no longer than a look at what it knows.
const SOON: Duration = Duration::from_secs(10);

/// For an answer that waits for every call on VPP, or for the tables of a thousand VIPs.
const LATER: Duration = Duration::from_secs(60);
