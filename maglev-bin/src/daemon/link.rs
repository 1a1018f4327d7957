//! Keeps one API link to VPP: connects, asks who it is, pings, and says when it is gone.
//!
//! One task. It never gives up: it tries again every second, and at once when the socket file appears. It decides nothing; the brain hears
//! of a link through [`LinkEvent`]s, in order, `Up` and `Down` always in pairs.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;
use vpp_api::client::{Client, Observer, Options};
use vpp_api::error::{CallError, ConnectError};
use vpp_api::messages::memclnt::ControlPing;
use vpp_api::messages::vpe::ShowVersion;

use super::appear::appears;
use crate::event::{Bus, Text, What};
use crate::snapshot::{Can, VppInfo};

/// What happened to the link.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// The link stands and VPP has told who it is.
    Up(Link),
    /// The link that last came up is gone.
    Down {
        /// Why.
        reason: Text,
    },
}

/// A link that stands.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// For calls.
    pub(crate) client: Client,
    /// Who is at the other end.
    pub(crate) info: VppInfo,
    /// Why nothing may be written to this VPP, if so.
    pub(crate) unsupported: Option<Text>,
}

/// Where VPP is and how patient to be.
#[derive(Clone)]
pub(crate) struct LinkOptions {
    pub(crate) api: PathBuf,
    pub(crate) stats: Option<PathBuf>,
    pub(crate) observer: Arc<dyn Observer>,
}

/// Time between two `control_ping`s on a quiet link.
const PING: Duration = Duration::from_secs(10);
/// Time between two attempts to connect.
const RETRY: Duration = Duration::from_secs(1);
/// The same right after a socket file appeared: VPP binds it a moment before it listens.
const EAGER: Duration = Duration::from_millis(20);
/// Longest wait for the boot time in the stats segment.
const PATIENCE: Duration = Duration::from_millis(200);

/// Runs until the brain is gone.
pub(crate) async fn run(options: LinkOptions, brain: mpsc::Sender<LinkEvent>, bus: Bus) {
    // One warning per outage; each attempt is a debug event.
    let mut told = false;
    loop {
        match open(&options).await {
            Ok(link) => {
                told = false;
                let client = link.client.clone();
                let since = Instant::now();
                if brain.send(LinkEvent::Up(link)).await.is_err() {
                    return;
                }
                let reason = watch(&client).await;
                if brain.send(LinkEvent::Down { reason }).await.is_err() {
                    return;
                }
                // A VPP that restarted may listen already. One that hangs up on everybody is not asked in a loop.
                if since.elapsed() >= RETRY {
                    continue;
                }
            }
            Err(error) => {
                let reason: Text = chain(&error).into();
                bus.emit(What::VppConnectFailed { reason: reason.clone() });
                if !std::mem::replace(&mut told, true) {
                    bus.emit(What::Warning { cause: "vpp-absent".into(), message: absent(&options, &reason) });
                }
                if refused(&error) && fresh(&options) {
                    tokio::time::sleep(EAGER).await;
                    continue;
                }
            }
        }
        appears(&options.api, RETRY).await;
        if brain.is_closed() {
            return;
        }
    }
}

fn absent(options: &LinkOptions, reason: &str) -> Text {
    let stats = match &options.stats {
        Some(stats) if stats.exists() && !options.api.exists() => {
            format!(
                " The stats socket {} is there without it: enable `socksvr {{ socket-name {} }}` in VPP's startup.conf.",
                stats.display(),
                options.api.display()
            )
        }
        _ => String::new(),
    };
    format!("VPP is out of reach: {reason}.{stats} Probes go on and every second is tried again.").into()
}

fn refused(error: &OpenError) -> bool {
    matches!(error, OpenError::Connect(ConnectError::Connect { source, .. })
        if source.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Whether the socket file is so new that VPP may just be about to listen on it.
fn fresh(options: &LinkOptions) -> bool {
    let modified = std::fs::metadata(&options.api).and_then(|meta| meta.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < RETRY))
}

/// Why no link came about.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("VPP does not say who it is")]
    Identity(#[source] CallError),
}

async fn open(options: &LinkOptions) -> Result<Link, OpenError> {
    let settings =
        Options { name: "vpp-maglev".into(), observer: Some(options.observer.clone()), ..Options::default() };
    let client = Client::connect(&options.api, settings).await?;
    let version = client.call(&ShowVersion {}).await.map_err(OpenError::Identity)?;
    let ping = client.call(&ControlPing {}).await.map_err(OpenError::Identity)?;
    let info = VppInfo {
        version: version.version.to_string().into(),
        build_date: version.build_date.to_string().into(),
        build_directory: version.build_directory.to_string().into(),
        pid: ping.vpe_pid,
        boot_time: boot_time(options).await,
        can: Can::of(client.capabilities()),
        connected: Timestamp::now(),
    };
    let unsupported = (!info.can.lb).then(|| without_lb(&info.version));
    Ok(Link { client, info, unsupported })
}

/// `/sys/boottime` of the stats segment, to tell a restarted VPP from a lost link.
async fn boot_time(options: &LinkOptions) -> Option<u64> {
    let path = options.stats.clone()?;
    let read = move || {
        let segment = vpp_stats::Segment::connect(path).ok()?;
        match segment.value("/sys/boottime").ok()?? {
            vpp_stats::Value::Scalar(seconds) | vpp_stats::Value::Gauge(seconds) => Some(seconds),
            _ => None,
        }
    };
    // VPP is programmed without it all the same.
    tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(read)).await.ok()?.ok()?
}

/// Why nothing may be written to this VPP, in words for its operator.
fn without_lb(version: &str) -> Text {
    let remedy = "enable lb_plugin.so in the `plugins` section of VPP's startup.conf";
    format!("VPP {version}: its lb plugin is not loaded; {remedy}. Nothing is written to it; probes go on.").into()
}

/// Returns why the link ended.
async fn watch(client: &Client) -> Text {
    let mut ticks = tokio::time::interval(PING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            reason = client.closed() => return chain(&reason).into(),
            _ = ticks.tick() => match client.call(&ControlPing {}).await {
                // A refusal is an answer: the link is good.
                Ok(_) | Err(CallError::Refused { .. }) => {}
                Err(CallError::Disconnected(reason)) => return chain(&reason).into(),
                Err(error) => return chain(&error).into(),
            },
        }
    }
}

/// An error and what lies beneath it, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
