//! `maglevd demo`: the whole product on one machine with nothing installed.
//!
//! A VPP stand-in with synthetic flows, three small HTTP servers in two pools, one after the other failing and recovering, and the real
//! daemon between them over real sockets. On a terminal it is a live screen, elsewhere a line per event.

mod backend;
mod screen;
mod script;
mod stage;
mod summary;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::{Event as Input, EventStream, KeyCode, KeyEventKind, KeyModifiers};
use futures_util::StreamExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;

pub use backend::Backend;
pub use stage::DemoError;
pub use summary::Summary;

use crate::cli::{DemoArgs, SummaryFormat};
use crate::event::{Event, What};
use crate::run::at_a_terminal;
use screen::Screen;
use script::Script;
use stage::Stage;

/// How often the script is looked at, and the screen drawn.
const FRAME: Duration = Duration::from_millis(100);

/// Runs the demo until its time is over or somebody ends it.
///
/// # Errors
/// Something that the demo is made of could not be started.
pub async fn run(args: DemoArgs) -> Result<(), DemoError> {
    let mut stage = Stage::start(args.metrics_addr.0, args.grpc_addr).await?;
    let shown =
        if at_a_terminal() { watch(&mut stage, args.duration).await } else { print(&mut stage, args.duration).await };
    let summary = stage.summary();
    stage.stop().await;
    shown?;
    let mut out = io::stdout().lock();
    match args.summary {
        SummaryFormat::Text => writeln!(out, "{summary}")?,
        SummaryFormat::Json => writeln!(out, "{}", serde_json::json!(summary))?,
    }
    Ok(())
}

/// What ends a demo from outside.
async fn ended() -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// A line per event, for a pipe.
async fn print(stage: &mut Stage, length: Option<Duration>) -> Result<(), DemoError> {
    let mut events = stage.events();
    for hint in stage.hints() {
        line(&hint)?;
    }
    let (script, start) = (Script::new(length), Instant::now());
    let mut frames = tokio::time::interval(FRAME);
    let ended = ended();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            _ = frames.tick() => {
                if length.is_some_and(|length| start.elapsed() >= length) {
                    break;
                }
                stage.act(script.alive(start.elapsed())).await?;
            }
            event = events.recv() => {
                if let Some(event) = received(event) {
                    tell(stage, &event)?;
                }
            }
            result = &mut ended => {
                result?;
                break;
            }
        }
    }
    while let Ok(event) = events.try_recv() {
        tell(stage, &event)?;
    }
    Ok(())
}

fn tell(stage: &mut Stage, event: &Event) -> Result<(), DemoError> {
    stage.count(&event.what);
    if event.what.level() == tracing::Level::DEBUG {
        return Ok(());
    }
    line(&format!("{} {}", event.time.strftime("%H:%M:%S%.3f"), event.what))
}

/// A reader that went away ends the demo quietly, as for any program in a pipe.
fn line(text: &str) -> Result<(), DemoError> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(DemoError::Unwatched),
        other => Ok(other?),
    }
}

fn received(event: Result<Arc<Event>, RecvError>) -> Option<Arc<Event>> {
    match event {
        Ok(event) => Some(event),
        Err(RecvError::Lagged(count)) => {
            Some(Arc::new(Event { time: jiff::Timestamp::now(), what: What::EventDrop { count } }))
        }
        Err(RecvError::Closed) => None,
    }
}

/// The live screen, for a terminal.
async fn watch(stage: &mut Stage, length: Option<Duration>) -> Result<(), DemoError> {
    let mut events = stage.events();
    let (script, start) = (Script::new(length), Instant::now());
    let mut screen = Screen::new(stage.published().snapshot(), length, stage.hints(), start);
    // It restores the terminal also when something panics.
    let mut terminal = ratatui::try_init()?;
    let mut keys = EventStream::new();
    let mut frames = tokio::time::interval(FRAME);
    let ended = ended();
    tokio::pin!(ended);
    let shown = loop {
        tokio::select! {
            _ = frames.tick() => {
                if length.is_some_and(|length| start.elapsed() >= length) {
                    break Ok(());
                }
                if let Err(error) = stage.act(script.alive(start.elapsed())).await {
                    break Err(error);
                }
                screen.refresh(stage.published().snapshot(), stage.published().counters());
                if let Err(error) = terminal.draw(|frame| screen.draw(frame, Instant::now())) {
                    break Err(error.into());
                }
            }
            event = events.recv() => {
                if let Some(event) = received(event) {
                    stage.count(&event.what);
                    screen.event(event);
                }
            }
            input = keys.next() => match input {
                Some(Ok(input)) if quits(&input) => break Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => break Err(error.into()),
                None => break Ok(()),
            },
            result = &mut ended => break result.map_err(Into::into),
        }
    };
    ratatui::restore();
    shown
}

fn quits(input: &Input) -> bool {
    let Input::Key(key) = input else { return false };
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (control_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}
