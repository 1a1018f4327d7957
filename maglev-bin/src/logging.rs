//! The log: tracing records on standard error, as text for people or one JSON object a line for machines.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{LogFormat, LogLevel};

/// Installs the process-wide log. Records of our own crates are kept from `level` on, those of libraries from `warn` on.
///
/// Without a `format` it is text on a terminal and JSON elsewhere. A second call changes nothing.
pub fn init(level: LogLevel, format: Option<LogFormat>) {
    let level = match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let mut targets = Targets::new().with_default(level.min(LevelFilter::WARN));
    for own in ["maglev", "vpp_api", "vpp_stats", "vpp_sim"] {
        targets = targets.with_target(own, level);
    }
    let terminal = std::io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let layer = match format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json }) {
        LogFormat::Text => layer.with_ansi(terminal).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
}
