//! The one vocabulary of what happens, shared by the log, the screens and every stream that comes later.
//!
//! An [`Event`] is immutable and travels as an `Arc` over a broadcast channel ([`Bus`]). A reader that falls behind is told how many
//! it missed; nothing that decides ever waits for a reader.

mod bus;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::build;

pub use bus::{Bus, Subscription};

/// Something that happened, and when.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// When, UTC.
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

macro_rules! events {
    ($( $(#[doc = $doc:literal])+ $level:ident $name:literal $variant:ident { $( $(#[doc = $field_doc:literal])+ $field:ident: $ty:ty, )* } )+) => {
        /// What happened. Names and fields are those of the log records.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "event")]
        #[non_exhaustive]
        pub enum What {
            $( $(#[doc = $doc])+ #[serde(rename = $name)] $variant { $( $(#[doc = $field_doc])+ $field: $ty, )* }, )+
        }

        impl What {
            /// Name of the record, e.g. `backend-transition`.
            pub fn name(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $name, )+ }
            }

            /// How much it matters.
            pub fn level(&self) -> tracing::Level {
                match self { $( Self::$variant { .. } => tracing::Level::$level, )+ }
            }

            /// Its fields as text, in the order of the log.
            pub fn fields(&self) -> Vec<(&'static str, String)> {
                match self { $(
                    Self::$variant { $($field),* } =>
                        vec![$( (plain(stringify!($field)), $field.field().to_string()) ),*],
                )+ }
            }

            /// Writes the record to the log.
            fn log(&self) {
                match self { $(
                    Self::$variant { $($field),* } =>
                        tracing::event!(target: "maglev", tracing::Level::$level, event = $name $(, $field = $field.field())*),
                )+ }
            }
        }
    };
}

events! {
    /// The process starts.
    INFO "starting" Starting { /** Version of the package. */ version: Text, /** Commit it was built from. */ commit: Text, /** Date of that commit. */ date: Text, }
    /// A configuration was read again.
    INFO "config-reload" ConfigReload { /** `ok` or `refused`. */ result: Text, /** SHA-256 of the file now in force. */ sha256: Text, /** Why it was refused, or what it warns of. */ detail: Text, }
    /// A backend is watched from now on.
    INFO "backend-start" BackendStart { /** Its name. */ backend: Text, /** Its address. */ address: Text, }
    /// A backend is no longer watched.
    INFO "backend-stop" BackendStop { /** Its name. */ backend: Text, }
    /// A backend's address or check changed: it is watched anew.
    INFO "backend-restart" BackendRestart { /** Its name. */ backend: Text, }
    /// A backend changed its state.
    INFO "backend-transition" BackendTransition { /** Its name. */ backend: Text, /** State before. */ from: Text, /** State now. */ to: Text, /** Code of the probe or action. */ code: Text, /** What was seen. */ detail: Text, }
    /// A backend went down once too often: it stays down for a while, whatever its probes say.
    INFO "backend-suppressed" BackendSuppressed { /** Its name. */ backend: Text, /** What its flaps add up to. */ penalty: u64, /** For how long, in seconds. */ seconds: f64, }
    /// A suppressed backend is used again, as soon as its probes say so.
    INFO "backend-reused" BackendReused { /** Its name. */ backend: Text, /** What its flaps add up to still. */ penalty: u64, }
    /// A server said something new of itself, which changes its weights.
    INFO "backend-agent" BackendAgent { /** Its name. */ backend: Text, /** What it said before, such as `50%`; empty for nothing since its check began. */ from: Text, /** What it says now, such as `75% drain`. */ to: Text, }
    /// A frontend changed its state.
    INFO "frontend-transition" FrontendTransition { /** Its name. */ frontend: Text, /** State before. */ from: Text, /** State now. */ to: Text, }
    /// A frontend serves from another pool.
    INFO "frontend-pool" FrontendPool { /** Its name. */ frontend: Text, /** Pool before. */ from: Text, /** Pool now. */ to: Text, }
    /// The API link to VPP stands.
    INFO "vpp-connect" VppConnect { /** VPP's version. */ version: Text, /** Its build date. */ build_date: Text, /** Its process id. */ pid: u64, }
    /// The API link was lost.
    INFO "vpp-disconnect" VppDisconnect { /** Why. */ reason: Text, }
    /// What VPP held when the link came up.
    INFO "vpp-lb-state" VppLbState { /** VIPs. */ vips: u64, /** ASes in use. */ ases: u64, /** Sticky buckets per core; 0 if VPP does not tell. */ sticky_buckets: u64, /** Flow time-out in seconds; 0 if VPP does not tell. */ flow_timeout: u64, }
    /// A pass over VIPs began.
    INFO "vpp-lb-sync-start" VppLbSyncStart { /** `all` or a VIP. */ scope: Text, }
    /// A pass ended.
    INFO "vpp-lb-sync-done" VppLbSyncDone { /** `all` or a VIP. */ scope: Text, /** Calls acknowledged. */ changes: u64, /** Seconds. */ elapsed: f64, }
    /// A call was refused or a pass failed.
    ERROR "vpp-lb-sync-error" VppLbSyncError { /** `all` or a VIP. */ scope: Text, /** Why. */ reason: Text, }
    /// The warm-up entered another phase.
    INFO "warm-up" WarmUp { /** `hands-off`, `releasing` or `done`. */ phase: Text, }
    /// A VIP may be written from now on.
    INFO "vip-released" VipReleased { /** The VIP. */ vip: Text, }
    /// VPP's load balancer has new settings.
    INFO "vpp-lb-sync-conf-updated" ConfUpdated { /** The settings. */ conf: Text, }
    /// Somebody else changed what we had programmed.
    WARN "vpp-lb-drift" Drift { /** The VIP. */ vip: Text, /** What was found. */ what: Text, }
    /// VPP has a new VIP.
    INFO "vpp-lb-sync-vip-added" VipAdded { /** The VIP. */ vip: Text, }
    /// A VIP is gone from VPP.
    INFO "vpp-lb-sync-vip-removed" VipRemoved { /** The VIP. */ vip: Text, }
    /// A VIP had to be made anew.
    INFO "vpp-lb-sync-vip-recreate" VipRecreated { /** The VIP. */ vip: Text, }
    /// A VIP has a new AS.
    INFO "vpp-lb-sync-as-added" AsAdded { /** The VIP. */ vip: Text, /** The AS. */ address: Text, /** Its weight. */ weight: u64, }
    /// A VIP lost an AS.
    INFO "vpp-lb-sync-as-removed" AsRemoved { /** The VIP. */ vip: Text, /** The AS. */ address: Text, /** Its sessions were cut. */ flush: bool, }
    /// An AS has another weight, or its sessions were cut.
    INFO "vpp-lb-sync-as-weight-updated" AsWeightUpdated { /** The VIP. */ vip: Text, /** The AS. */ address: Text, /** Weight before. */ from: u64, /** Weight now. */ to: u64, /** Its sessions were cut. */ flush: bool, }
    /// A reader fell behind and lost events.
    INFO "event-drop" EventDrop { /** How many. */ count: u64, }
    /// An operator's word. It is told before what follows from it; that of a sync or a reload when it has ended.
    INFO "operator-action" OperatorAction { /** Who: `cert:NAME`, `uid:N` or `addr:HOST:PORT`. */ who: Text, /** What was asked, e.g. `disable`. */ action: Text, /** Of what, e.g. `backend web0` or `frontend web pool primary backend web0`. */ target: Text, /** Why, in the operator's words. */ reason: Text, /** `ok`, `already`, or `refused: ` and why. */ result: Text, }
    /// A backend has another weight in a pool by an operator's word.
    INFO "frontend-weight" FrontendWeight { /** The frontend. */ frontend: Text, /** The pool. */ pool: Text, /** The backend. */ backend: Text, /** Weight before, 0 to 100. */ from: u64, /** Weight now, 0 to 100. */ to: u64, /** Who: as in `operator-action`. */ who: Text, /** Why, in the operator's words. */ reason: Text, }
    /// The state file is written again, after an error that said it could not be.
    INFO "state-saved" StateSaved { }
    /// Something an operator should look at.
    WARN "warning" Warning { /** Stable name of the cause. */ cause: Text, /** What it is and what to do. */ message: Text, }
    /// Something does not work.
    ERROR "error" Error { /** Stable name of the cause. */ cause: Text, /** What it is and what to do. */ message: Text, }
    /// A probe is sent.
    DEBUG "probe-start" ProbeStart { /** The backend. */ backend: Text, /** Kind of the probe. */ r#type: Text, }
    /// A probe ended.
    DEBUG "probe-done" ProbeDone { /** The backend. */ backend: Text, /** Kind of the probe. */ r#type: Text, /** It passed. */ ok: bool, /** Its code. */ code: Text, /** What was seen. */ detail: Text, /** Seconds. */ elapsed: f64, }
    /// An attempt to reach VPP failed.
    DEBUG "vpp-connect-failed" VppConnectFailed { /** Why. */ reason: Text, }
    /// A message left for VPP.
    DEBUG "vpp-api-send" VppApiSend { /** Its name. */ msg: Text, }
    /// A call on VPP ended.
    DEBUG "vpp-api-recv" VppApiRecv { /** Name of the request. */ msg: Text, /** `ok`, or how it failed. */ result: Text, /** Seconds. */ elapsed: f64, }
    /// Counters of a VIP as last read.
    DEBUG "vpp-vip-stats" VppVipStats { /** The VIP. */ vip: Text, /** Packets of known flows. */ next: u64, /** First packets of new flows. */ first: u64, /** Packets of flows that found no room. */ untracked: u64, /** Packets dropped for want of a server. */ no_server: u64, }
}

impl What {
    /// The first record of a process.
    pub fn starting() -> Self {
        Self::Starting { version: build::VERSION.into(), commit: build::COMMIT.into(), date: build::date().into() }
    }
}

/// The name of a field that Rust wants written as `r#type`.
fn plain(name: &'static str) -> &'static str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// The record as one line: its name, and its fields as `key=value`.
impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.fields().iter().try_for_each(|(name, value)| write!(f, " {name}={}", Quoted(value)))
    }
}

/// Text that many readers share.
pub type Text = Arc<str>;

/// A field in the form the log wants it: numbers stay numbers.
trait Field {
    type Form<'a>: tracing::Value + fmt::Display
    where
        Self: 'a;
    fn field(&self) -> Self::Form<'_>;
}

impl Field for Text {
    type Form<'a> = &'a str;
    fn field(&self) -> &str {
        self
    }
}

macro_rules! plain_fields {
    ($($ty:ty),*) => { $(impl Field for $ty {
        type Form<'a> = $ty;
        fn field(&self) -> $ty {
            *self
        }
    })* };
}
plain_fields!(u64, f64, bool);

/// Text in quotes when a reader of `key=value` would otherwise lose its end.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=';
        if !self.0.is_empty() && self.0.chars().all(plain) { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transition() -> What {
        What::BackendTransition {
            backend: "web0".into(),
            from: "up".into(),
            to: "down".into(),
            code: "L4CON".into(),
            detail: "connect refused".into(),
        }
    }

    #[test]
    fn text_with_blanks_is_quoted_so_that_a_line_can_be_taken_apart() {
        let line = transition().to_string();
        assert_eq!(line, r#"backend-transition backend=web0 from=up to=down code=L4CON detail="connect refused""#);
    }

    #[test]
    fn json_carries_the_name_and_every_field() {
        let event = Event { time: Timestamp::UNIX_EPOCH, what: transition() };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["event"], "backend-transition");
        assert_eq!(json["detail"], "connect refused");
        assert_eq!(json["time"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn fields_are_named_as_in_the_log_and_keep_its_order() {
        let what = What::ProbeStart { backend: "web0".into(), r#type: "http".into() };
        assert_eq!(what.fields(), [("backend", "web0".to_owned()), ("type", "http".to_owned())]);
        assert_eq!(What::StateSaved {}.fields(), []);
    }
}
