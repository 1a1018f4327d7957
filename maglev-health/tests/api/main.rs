//! What a user of the crate can see, by theme.

mod agent;
mod any;
mod damping;
mod flush;
mod holds;
mod overrides;
mod pools;
mod properties;
mod reload;
mod rig;
