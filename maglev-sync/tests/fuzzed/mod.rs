//! What the fuzz targets do with their input.

pub(crate) mod plan_ops;
pub(crate) mod reconciler_ops;
pub(crate) mod settings;
pub(crate) mod verbose;

mod rig;
mod states;
mod vpp;
