//! The demo's live screen: what the snapshot, the counters and the last events say, and nothing of its own.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Sparkline, Table};

use crate::event::{Event, What};
use crate::snapshot::{Counters, FrontendView, MemberView, Snapshot};

/// Everything that is on the screen.
pub(super) struct Screen {
    started: Instant,
    length: Option<Duration>,
    hints: Vec<String>,
    snapshot: Arc<Snapshot>,
    counters: Option<Arc<Counters>>,
    rates: Rates,
    events: VecDeque<Arc<Event>>,
}

/// Events that are kept for the tail.
const TAIL: usize = 64;

impl Screen {
    pub(super) fn new(snapshot: Arc<Snapshot>, length: Option<Duration>, hints: Vec<String>, now: Instant) -> Self {
        let rates = Rates::default();
        Self { started: now, length, hints, snapshot, counters: None, rates, events: VecDeque::new() }
    }

    /// Takes what is published now.
    pub(super) fn refresh(&mut self, snapshot: Arc<Snapshot>, counters: Option<Arc<Counters>>) {
        self.snapshot = snapshot;
        if let Some(counters) = &counters {
            self.rates.feed(counters);
        }
        self.counters = counters;
    }

    /// Adds an event to the tail, unless it is one of the many that only debugging wants.
    pub(super) fn event(&mut self, event: Arc<Event>) {
        if event.what.level() == tracing::Level::DEBUG {
            return;
        }
        self.events.push_back(event);
        if self.events.len() > TAIL {
            self.events.pop_front();
        }
    }

    /// Draws everything into the frame.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, now: Instant) {
        let tables: Vec<_> = self.snapshot.frontends.iter().map(|f| Constraint::Length(height(f))).collect();
        let mut rows = vec![Constraint::Length(1)];
        rows.extend(tables);
        let hints = u16::try_from(self.hints.len()).unwrap_or(0);
        rows.extend([Constraint::Length(5), Constraint::Min(3), Constraint::Length(hints)]);
        let areas = Layout::vertical(rows).split(frame.area());
        let [first, middle @ .., spark, tail, foot] = &*areas else { return };
        frame.render_widget(self.title(now), *first);
        for (frontend, area) in self.snapshot.frontends.iter().zip(middle) {
            frame.render_widget(self.frontend(frontend), *area);
        }
        self.sparklines(frame, *spark);
        frame.render_widget(self.tail(*tail), *tail);
        frame.render_widget(
            Paragraph::new(self.hints.iter().map(|hint| Line::from(hint.as_str())).collect::<Vec<_>>()).dim(),
            *foot,
        );
    }

    fn title(&self, now: Instant) -> Paragraph<'_> {
        let elapsed = now.duration_since(self.started).as_secs();
        let time = match self.length {
            Some(length) => format!("{elapsed} of {} s", length.as_secs()),
            None => format!("{elapsed} s"),
        };
        let vpp = match &self.snapshot.vpp.link {
            Some(link) => Span::from(format!("VPP {} (simulated)", link.version)).green(),
            None => Span::from("VPP out of reach").red(),
        };
        Paragraph::new(Line::from(vec![
            " maglevd demo ".bold().reversed(),
            "  ".into(),
            vpp,
            format!("   {time}").into(),
        ]))
    }

    fn frontend<'a>(&'a self, frontend: &'a FrontendView) -> Table<'a> {
        let rows = frontend.pools.iter().enumerate().flat_map(|(index, pool)| {
            let active = index == frontend.active_pool;
            pool.backends.iter().enumerate().map(move |(place, member)| {
                let name = if place > 0 {
                    String::new()
                } else {
                    format!("{}{}", if active { "▸ " } else { "  " }, pool.name)
                };
                self.member(frontend, name, active, member)
            })
        });
        let title = Line::from(vec![
            " ".into(),
            frontend.name.to_string().bold(),
            format!("  {} {}/{}  ", frontend.vip.prefix, frontend.vip.protocol, frontend.vip.port).into(),
            Span::styled(format!("{} ", frontend.state), state_style(frontend.state)),
        ]);
        let header = ["pool", "backend", "address", "state", "weight", "in VPP", "buckets", "flows", "packets/s"];
        // As wide as the demo's names and numbers get, so that 80 columns are enough.
        let widths = [10, 7, 10, 8, 6, 6, 7, 6, 9].map(Constraint::Length);
        Table::new(rows, widths)
            .header(Row::new(header).style(Style::new().add_modifier(Modifier::DIM)))
            .block(Block::new().borders(Borders::TOP).title(title))
    }

    fn member<'a>(&'a self, frontend: &'a FrontendView, pool: String, active: bool, member: &'a MemberView) -> Row<'a> {
        let backend = self.snapshot.backends.iter().find(|backend| backend.name == member.name);
        let state = backend.map_or("", |backend| backend.state);
        let programmed = frontend.dataplane.as_ref().and_then(|vip| vip.ases.get(&member.address));
        let flows = self.counters.as_ref().and_then(|counters| counters.flows.as_ref());
        let flows =
            flows.and_then(|flows| flows.per_as.get(&frontend.vip)).and_then(|per_as| per_as.get(&member.address));
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let cells = [
            Cell::from(pool),
            Cell::from(&*member.name).style(Style::new().add_modifier(Modifier::BOLD)),
            Cell::from(member.address.to_string()),
            Cell::from(state).style(state_style(state)),
            Cell::from(format!("{:>6}", member.effective_weight)),
            Cell::from(format!("{:>6}", or_dash(programmed.map(|of| of.weight.to_string())))),
            Cell::from(format!("{:>7}", or_dash(programmed.map(|of| of.buckets.to_string())))),
            Cell::from(format!("{:>6}", or_dash(flows.map(u64::to_string)))),
            Cell::from(format!("{:>9}", or_dash(self.rates.now(member.address).map(|rate| format!("{rate:.0}"))))),
        ];
        Row::new(cells).style(if active { Style::new() } else { Style::new().add_modifier(Modifier::DIM) })
    }

    fn sparklines(&self, frame: &mut Frame<'_>, area: Rect) {
        let backends = &self.snapshot.backends;
        let share = Constraint::Ratio(1, u32::try_from(backends.len().max(1)).unwrap_or(1));
        let areas = Layout::horizontal(vec![share; backends.len()]).spacing(1).split(area);
        // One scale for all, so that they can be compared.
        let top = backends.iter().flat_map(|backend| self.rates.history(backend.address)).max().unwrap_or(1).max(1);
        for (backend, area) in backends.iter().zip(areas.iter()) {
            let width = usize::from(area.width);
            let all: Vec<u64> = self.rates.history(backend.address).collect();
            let shown = &all[all.len().saturating_sub(width)..];
            let block = Block::new().borders(Borders::TOP).title(format!(" {} packets/s ", backend.name));
            frame.render_widget(
                Sparkline::default().block(block).data(shown).max(top).style(state_style(backend.state)),
                *area,
            );
        }
    }

    fn tail(&self, area: Rect) -> Paragraph<'_> {
        let room = usize::from(area.height.saturating_sub(1));
        let skip = self.events.len().saturating_sub(room);
        let lines: Vec<_> = self.events.iter().skip(skip).map(|event| event_line(event)).collect();
        Paragraph::new(lines).block(Block::new().borders(Borders::TOP).title(" events "))
    }
}

fn height(frontend: &FrontendView) -> u16 {
    let members: usize = frontend.pools.iter().map(|pool| pool.backends.len()).sum();
    u16::try_from(members + 3).unwrap_or(u16::MAX)
}

fn event_line(event: &Event) -> Line<'static> {
    let time = event.time.strftime("%H:%M:%S%.3f ").to_string();
    let style = match &event.what {
        What::BackendTransition { to, .. } | What::FrontendTransition { to, .. } => state_style(to),
        What::Warning { .. } => Style::new().fg(Color::Yellow),
        What::Error { .. } | What::VppLbSyncError { .. } => Style::new().fg(Color::Red),
        _ => Style::new(),
    };
    Line::from(vec![time.dim(), Span::styled(event.what.to_string(), style)])
}

fn state_style(state: &str) -> Style {
    match state {
        "up" => Style::new().fg(Color::Green),
        "down" => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        "paused" | "disabled" => Style::new().fg(Color::Yellow),
        _ => Style::new().fg(Color::Cyan),
    }
}

/// Packets per second of each backend, from one reading of the counters to the next.
#[derive(Default)]
struct Rates {
    last: Option<(jiff::Timestamp, HashMap<IpAddr, u64>)>,
    history: HashMap<IpAddr, VecDeque<f64>>,
}

/// Readings that a sparkline remembers.
const READINGS: usize = 240;

impl Rates {
    fn feed(&mut self, counters: &Counters) {
        let Some(taken) = counters.taken else { return };
        if self.last.as_ref().is_some_and(|(last, _)| *last == taken) {
            return;
        }
        let packets: HashMap<_, _> = counters.backends.iter().map(|(address, of)| (*address, of.packets)).collect();
        if let Some((last, before)) = self.last.replace((taken, packets.clone())) {
            let seconds = taken.duration_since(last).as_secs_f64().max(0.001);
            for (address, packets) in packets {
                let more = packets.saturating_sub(before.get(&address).copied().unwrap_or(packets));
                let history = self.history.entry(address).or_default();
                history.push_back(f64::from(u32::try_from(more).unwrap_or(u32::MAX)) / seconds);
                if history.len() > READINGS {
                    history.pop_front();
                }
            }
        }
    }

    fn now(&self, address: IpAddr) -> Option<f64> {
        self.history.get(&address)?.back().copied()
    }

    fn history(&self, address: IpAddr) -> impl Iterator<Item = u64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is positive and below 2^32"
        )]
        let whole = |rate: &f64| rate.round() as u64;
        self.history.get(&address).into_iter().flatten().map(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::example;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(screen: &Screen, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| screen.draw(frame, screen.started)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_person_sees_every_backend_with_state_weight_and_buckets() {
        let screen = Screen::new(Arc::new(example()), None, vec!["q to quit".to_owned()], Instant::now());
        let text = drawn(&screen, 100, 30);
        for word in ["web-v4", "192.0.2.1 tcp/80", "▸ primary", "web0", "10.2.1.1", "up", "100", "512", "q to quit"] {
            assert!(text.contains(word), "{word} is missing:\n{text}");
        }
    }

    #[test]
    fn a_tiny_terminal_is_no_reason_to_panic() {
        let screen = Screen::new(Arc::new(example()), None, vec!["q to quit".to_owned()], Instant::now());
        for (width, height) in [(1, 1), (20, 3), (80, 8), (300, 100)] {
            drawn(&screen, width, height);
        }
    }

    #[test]
    fn rates_come_from_two_readings() {
        let address: IpAddr = "10.2.1.1".parse().unwrap();
        let reading = |second, packets| {
            let mut counters = Counters { taken: jiff::Timestamp::from_second(second).ok(), ..Counters::default() };
            counters.backends.insert(address, crate::snapshot::Traffic { packets, bytes: 0 });
            counters
        };
        let mut rates = Rates::default();
        rates.feed(&reading(10, 1_000));
        assert_eq!(rates.now(address), None);
        rates.feed(&reading(12, 1_500));
        rates.feed(&reading(12, 1_500));
        assert_eq!(rates.now(address), Some(250.0));
    }
}
