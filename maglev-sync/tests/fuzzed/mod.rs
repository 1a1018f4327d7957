//! What the fuzz targets do with their input.

pub(crate) mod plan_ops;

mod states;
mod vpp;
