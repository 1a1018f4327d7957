//! What people read: the messages of the API as text.
//!
//! Each function is pure. Text is always styled; the stream that it is written to drops the styles where they are not wanted. Nothing
//! that comes from elsewhere reaches a terminal with its control characters.

mod backend;
mod config;
mod event;
mod frontend;
mod healthcheck;
mod last;
mod outcome;
mod plan;
mod style;
mod table;
mod vpp;

pub(super) use backend::{backend, backends, overrides};
pub(super) use config::{check, warnings};
pub(super) use event::event;
pub(super) use frontend::{frontend, frontends};
pub(super) use healthcheck::{healthcheck, healthchecks};
pub(super) use outcome::{action, notes, probed, reloaded, synced, weight};
pub(super) use plan::plan;
pub(super) use style::{Tone, clean};
pub(super) use table::{Table, cell, indented};
pub(super) use vpp::{Versions, counters, info, state, versions};
