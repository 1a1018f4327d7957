//! The servers of a long run: one port on every local address, each address a server of its own. Some of them flap.
//!
//! `soaked_server COUNT FLAPPING PERIOD`: of COUNT servers every FLAPPING-th (0: none) answers 503 for PERIOD seconds, then 200 as long, and so on, each
//! beginning at another time. Prints its port, and then every ten seconds what arrived in them, as JSON.

use std::cell::RefCell;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use maglev_benches::{answer, listen};
use serde::Serialize;

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
const BAD: &[u8] = b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\nConnection: close\r\n\r\nbusy\n";

/// Between two reports.
const REPORT: Duration = Duration::from_secs(10);

/// Arrivals are counted in slots of so many milliseconds, whose fullest is reported.
const SLOT: u128 = 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse().expect("COUNT FLAPPING PERIOD, in numbers"));
    let mut number = || numbers.next().expect("COUNT FLAPPING PERIOD");
    let flaps = Flaps { origin: Instant::now(), each: 0, period: 0 };
    let count: u64 = number();
    let flaps = Flaps { each: number(), period: number(), ..flaps };
    let listener = listen().await?;
    println!("{}", listener.local_addr()?.port());
    let arrivals = Rc::new(RefCell::new(Arrivals::new(usize::try_from(count).expect("they fit into memory"))));
    let local = tokio::task::LocalSet::new();
    let reports = arrivals.clone();
    local.spawn_local(async move {
        let mut ticks = tokio::time::interval(REPORT);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let report = serde_json::to_string(&reports.borrow_mut().report()).expect("numbers are JSON");
            // Nobody reads any more: the run is over.
            if writeln!(std::io::stdout(), "{report}").is_err() {
                std::process::exit(0);
            }
        }
    });
    let accept = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let Some(number) = stream.local_addr().ok().and_then(number_of) else { continue };
            arrivals.borrow_mut().note(number);
            let says = if flaps.is_bad(number) { BAD } else { GOOD };
            tokio::task::spawn_local(answer(stream, says));
        }
    };
    local.run_until(accept).await
}

/// The number of the server with this address, as the script gives them out.
fn number_of(at: SocketAddr) -> Option<u64> {
    let SocketAddr::V4(at) = at else { return None };
    let [_, a, b, c] = Ipv4Addr::octets(at.ip()).map(u64::from);
    ((a.checked_sub(1)? * 250 + b) * 250).checked_add(c.checked_sub(1)?)
}

/// Who answers badly, and when.
struct Flaps {
    origin: Instant,
    each: u64,
    period: u64,
}

impl Flaps {
    fn is_bad(&self, number: u64) -> bool {
        if self.each == 0 || self.period == 0 || !number.is_multiple_of(self.each) {
            return false;
        }
        let place = number / self.each % (2 * self.period);
        (self.origin.elapsed().as_secs() + place) / self.period % 2 == 1
    }
}

/// Connections since the last report.
struct Arrivals {
    last: Vec<Option<Instant>>,
    gaps: Vec<Duration>,
    count: u64,
    slot: (u128, u64),
    fullest: u64,
    origin: Instant,
}

/// What arrived: how many connections, the most in one slot, and the time between two of one server, in milliseconds.
#[derive(Serialize)]
struct Report {
    arrivals: u64,
    fullest_slot: u64,
    gap_min: f64,
    gap_p50: f64,
    gap_p99: f64,
    gap_max: f64,
}

impl Arrivals {
    fn new(count: usize) -> Self {
        Self { last: vec![None; count], gaps: Vec::new(), count: 0, slot: (0, 0), fullest: 0, origin: Instant::now() }
    }

    fn note(&mut self, number: u64) {
        let now = Instant::now();
        self.count += 1;
        let slot = now.duration_since(self.origin).as_millis() / SLOT;
        self.slot = if self.slot.0 == slot { (slot, self.slot.1 + 1) } else { (slot, 1) };
        self.fullest = self.fullest.max(self.slot.1);
        let last = usize::try_from(number).ok().and_then(|number| self.last.get_mut(number));
        self.gaps.extend(last.and_then(|last| last.replace(now)).map(|before| now - before));
    }

    fn report(&mut self) -> Report {
        self.gaps.sort_unstable();
        let gap = |part: f64| {
            let place = (part * self.gaps.len().saturating_sub(1) as f64) as usize;
            self.gaps.get(place).map_or(0.0, |gap| gap.as_secs_f64() * 1e3)
        };
        let report = Report {
            arrivals: self.count,
            fullest_slot: self.fullest,
            gap_min: gap(0.0),
            gap_p50: gap(0.5),
            gap_p99: gap(0.99),
            gap_max: gap(1.0),
        };
        self.gaps.clear();
        (self.count, self.fullest) = (0, 0);
        report
    }
}
