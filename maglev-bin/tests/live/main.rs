//! The daemon against a real VPP: what VPP itself says of its load balancer is what the daemon shows.
//!
//! Needs `MAGLEV_VPP_BIN`, the `vpp` program of a release from 24.06 on, and `MAGLEV_VPP_PLUGINS`, the folder of its plugins; without them each
//! test says that it skips. Each starts a VPP of its own, without huge pages or devices.

mod agreement;
mod alone;
mod buckets;
mod changes;
mod forecast;
#[path = "../forecast/changes.rs"]
mod forecast_changes;
mod many;
mod overrides;
mod plans;
mod random;
#[allow(dead_code, reason = "some of it is for the simulator")]
#[path = "../daemon/support.rs"]
mod support;
mod text;
mod vpp;
