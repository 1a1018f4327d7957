//! How the reconciler is set up and asked.

use std::time::Duration;

use crate::model::VipKey;

/// How often and how much.
///
/// ```
/// use std::time::Duration;
///
/// use maglev_sync::Settings;
///
/// let mut settings = Settings::default();
/// settings.sync_interval = Duration::from_secs(60);
/// assert_eq!(settings.in_flight, 64);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// In this time every VIP is compared with VPP once. 30 s: a stray change lives half of that on average, and 1,000 VIPs cost one
    /// small dump every 30 ms.
    pub sync_interval: Duration,
    /// Nothing is written before this, counted from the start of the process. 5 s: the first probes are back.
    pub startup_min_delay: Duration,
    /// Every VIP is written from then on. 30 s: a server that has not answered by then is down.
    pub startup_max_delay: Duration,
    /// Calls in flight at the same time. 64: ten times the speed of one at a time, and VPP's main loop still breathes.
    pub in_flight: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sync_interval: Duration::from_secs(30),
            startup_min_delay: Duration::from_secs(5),
            startup_max_delay: Duration::from_secs(30),
            in_flight: 64,
        }
    }
}

/// Names one life of a VPP, e.g. by its process id and boot time. Another one after a reconnect means that VPP has restarted.
///
/// ```
#[doc = include_str!("../doc/vpp.md")]
/// # let mut reconciler = Reconciler::new(warm(), now);
/// # reconciler.set_desired(now, desired.clone());
/// # reconciler.handle_link_up(now, boot, Abilities::default());
/// # settle(&mut reconciler, now, &mut vpp);
/// # vpp.refuses = Call::is_flush;
/// # let mut vip = desired.vips[&web].clone();
/// # let order = FlushOrder { incident: 1, first_verdict: false, needs_server: false };
/// # vip.targets.insert(first, DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush: Some(order) });
/// # reconciler.update_vip(now, web, vip);
/// # settle(&mut reconciler, now, &mut vpp);
/// // A flush is owed to the process 4711 when the link breaks.
/// let boot = BootId(4711, 1_800_000_000);
/// reconciler.handle_link_up(now, boot, Abilities::default());
/// assert_eq!(reconciler.flushes_owed(), 1);
/// // Another VPP has none of the flows.
/// reconciler.handle_link_up(now, BootId(4812, 1_800_000_000), Abilities::default());
/// assert_eq!(reconciler.flushes_owed(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct BootId(pub u64, pub u64);

/// What an operator asks for.
///
/// ```
/// use maglev_sync::{RequestScope, SyncRequest};
///
/// // What a `sync` without further words asks for.
/// let request = SyncRequest { scope: RequestScope::All, recreate: false };
/// assert_ne!(request, SyncRequest { recreate: true, ..request });
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SyncRequest {
    /// What to read and sync.
    pub scope: RequestScope,
    /// Whether VIPs may be re-created for another table length, and, with [`RequestScope::All`], sticky tables for another size. Both cut
    /// flows. What is right is left alone.
    pub recreate: bool,
}

/// What an operator wants synced.
///
/// ```
#[doc = include_str!("../doc/vpp.md")]
/// # let mut reconciler = Reconciler::new(warm(), now);
/// # reconciler.set_desired(now, desired.clone());
/// # reconciler.handle_link_up(now, boot, Abilities::default());
/// # settle(&mut reconciler, now, &mut vpp);
/// let old = VipKey::host("192.0.2.9".parse()?, Protocol::UDP, 53);
/// reconciler.request_sync(now, SyncRequest { scope: RequestScope::Vip(old), recreate: false });
/// // There is no such VIP. Everything can be asked for always.
/// let events = settle(&mut reconciler, now, &mut vpp);
/// assert!(matches!(events[..], [Event::SyncError { reason: SyncFailure::UnknownVip, .. }]));
/// reconciler.request_sync(now, SyncRequest { scope: RequestScope::All, recreate: false });
/// let events = settle(&mut reconciler, now, &mut vpp);
/// assert!(matches!(events[..], [.., Event::SyncDone { scope: SyncScope::All, .. }]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "all or one")]
pub enum RequestScope {
    /// Everything, after reading VPP whole.
    All,
    /// One VIP, after reading it.
    Vip(VipKey),
}
