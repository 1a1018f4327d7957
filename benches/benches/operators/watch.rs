//! What readers of the stream of events cost, and what they get.

use std::thread;
use std::time::{Duration, Instant};

use maglev_benches::distribution;
use maglev_bin::event::{Bus, What};
use tokio::sync::oneshot;

use crate::Size;
use crate::lab::{INTERVAL, Lab};
use crate::readers::{Readers, Seen};
use crate::usage::Usage;

/// Events per second.
const RATE: u32 = 1_000;
/// How late a probe may be, seen from the server, before it counts: a tenth of the interval is jitter, the rest of it a busy machine.
const LATE: Duration = Duration::from_millis(125);

/// One combination of readers, and everything seen with it.
struct Row {
    name: String,
    readers: usize,
    silent: usize,
    gaps: Vec<Duration>,
    usage: Usage,
    span: Duration,
    told: u64,
    seen: Seen,
}

pub(crate) async fn measure(lab: &Lab, size: &Size) {
    let [(socket, address), _] = lab.addresses();
    println!(
        "{RATE} events per second for {} x {:?}, {} backends probed every {INTERVAL:?}; readers over a {socket}",
        size.rounds, size.span, size.probed
    );
    let row = |name: String, readers, silent| Row {
        name,
        readers,
        silent,
        gaps: Vec::new(),
        usage: Usage::default(),
        span: Duration::ZERO,
        told: 0,
        seen: Seen::default(),
    };
    let (readers, silent) = (size.readers, size.silent);
    let mut rows = [
        row("no readers".into(), 0, 0),
        row(format!("{readers} readers"), readers, 0),
        row(format!("{silent} that do not read"), 0, silent),
        row(format!("{readers} and {silent} that do not"), readers, silent),
    ];
    for _ in 0..size.rounds {
        for row in &mut rows {
            let (address, bus, span) = (address.clone(), lab.daemon.bus().clone(), size.span);
            let (readers, silent) = (row.readers, row.silent);
            let start = move || {
                let start = |count, are_silent| (count > 0).then(|| Readers::start(&address, count, are_silent));
                (start(readers, false), start(silent, true))
            };
            let (busy, idle) = beside(start).await;
            lab.web.gaps();
            let (before, began) = (Usage::now(), Instant::now());
            row.told += beside(move || tell(&bus, span)).await;
            row.usage += Usage::now().since(before);
            row.span += began.elapsed();
            row.gaps.extend(lab.web.gaps());
            let end = move || {
                // What is under way arrives; nobody waits for readers that are behind.
                thread::sleep(Duration::from_millis(500));
                let seen = busy.map(Readers::end);
                drop(idle.map(Readers::end));
                seen
            };
            if let Some(seen) = beside(end).await {
                row.add(seen);
            }
        }
    }
    report(&rows);
}

/// Does something that blocks in a thread that is none of the runtime's, whose own are counted as the checker's.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (answer, answered) = oneshot::channel();
    let work = move || drop(answer.send(work()));
    thread::Builder::new().name("beside".into()).spawn(work).expect("a thread");
    answered.await.expect("it does not panic")
}

/// Tells events at an even pace for `span`, whatever holds it up, and returns how many.
fn tell(bus: &Bus, span: Duration) -> u64 {
    let start = Instant::now();
    let count = u64::from(RATE) * u64::try_from(span.as_millis()).expect("a short time") / 1_000;
    for number in 0..count {
        let due = start + span.mul_f64(number as f64 / count as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        bus.emit(match number % 2 {
            0 => What::BackendTransition {
                backend: format!("told{}", number % 1_000).into(),
                from: "up".into(),
                to: "down".into(),
                code: "L4CON".into(),
                detail: "connection refused".into(),
            },
            _ => What::AsWeightUpdated {
                vip: format!("198.18.0.{} tcp/80", number % 250).into(),
                address: "10.1.0.1".into(),
                from: 100,
                to: 0,
                flush: false,
            },
        });
    }
    count
}

impl Row {
    fn add(&mut self, seen: Seen) {
        let before = std::mem::take(&mut self.seen.heard);
        // Of a reader in the first round and another one in the next, one line is made.
        let heard = seen.heard.iter().enumerate();
        self.seen.heard = heard.map(|(at, heard)| heard + before.get(at).copied().unwrap_or_default()).collect();
        self.seen.lost += seen.lost;
        self.seen.delays.extend(seen.delays);
        self.seen.processor += seen.processor;
    }
}

fn report(rows: &[Row]) {
    println!("  times between two probes of a backend, seen by the server (late: more than {LATE:?})");
    for row in rows {
        let late = row.gaps.iter().filter(|gap| **gap > LATE).count();
        println!("    {:<23} {} probes, {late} late; {}", row.name, row.gaps.len(), distribution(row.gaps.clone()));
    }
    println!(
        "  ms of a processor per second: daemon, VPP and servers; of that the API, the checker; the checker waited"
    );
    for Row { name, usage, span, .. } in rows {
        let per_second = |time: Duration| time.as_secs_f64() * 1_000.0 / span.as_secs_f64();
        println!(
            "    {name:<23} {:.1}; {:.1}, {:.1}; {:.1}",
            per_second(usage.process),
            per_second(usage.api),
            per_second(usage.checker),
            per_second(usage.checker_waited)
        );
    }
    println!(
        "  events heard by a reader, of those told; lost; from the event to the reader; ms of a processor per second of all readers"
    );
    for row in rows.iter().filter(|row| row.readers > 0) {
        let Seen { heard, lost, delays, processor } = &row.seen;
        let (least, most) = (heard.iter().min().expect("a reader"), heard.iter().max().expect("a reader"));
        let per_second = processor.as_secs_f64() * 1_000.0 / row.span.as_secs_f64();
        println!(
            "    {:<23} {least} to {most} of {}; {lost}; {}; {per_second:.0}",
            row.name,
            row.told,
            distribution(delays.clone())
        );
    }
}
