//! Interfaces of a running VPP, busiest first, once a second: `top [--once] [SOCKET [SECONDS]]`, by default the VPP at
//! `/run/vpp/stats.sock`. `--once` prints the first rates and ends. A VPP that is restarted is waited for.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use vpp_stats::{
    Cell, CombinedCounter, CombinedHandle, CombinedRate, CounterHandle, EntryHandle, Life, Meter, Segment,
    SimpleHandle, Source, StatsError, View,
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // Somebody closed the pipe, such as `head`.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("top: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (options, args): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let once = options.iter().any(|option| option == "--once");
    let seconds = args.get(1).map_or(Ok(1.0), |text| text.parse())?;
    let interval = Duration::try_from_secs_f64(seconds)?.max(Duration::from_millis(100));
    let mut source = Source::new(args.first().map_or("/run/vpp/stats.sock", String::as_str));
    let (mut table, mut page, start) = (None, String::new(), Instant::now());
    loop {
        let result = read(&mut source, &mut table, start.elapsed());
        page.clear();
        match (&result, &table) {
            (Ok(()), Some(table)) => table.draw(&mut page)?,
            (Err(error), _) if once => return Err(chain(&**error).into()),
            (Err(error), _) => writeln!(page, "waiting for VPP: {}", chain(&**error))?,
            (Ok(()), None) => {}
        }
        let is_measured = table.as_ref().is_some_and(|table| !table.drops.meter.rates().iter().all(Option::is_none));
        if once && is_measured {
            return Ok(io::stdout().write_all(page.as_bytes())?);
        }
        if !once {
            // To the upper left, each line over the old one, and away with the rest.
            let page = page.replace('\n', "\x1b[K\n");
            write!(io::stdout(), "\x1b[H{page}\x1b[J")?;
            io::stdout().flush()?;
        }
        sleep(interval);
    }
}

/// Takes one reading from whatever VPP is there.
fn read(source: &mut Source, table: &mut Option<Table>, now: Duration) -> Result<(), Box<dyn Error>> {
    let segment = source.poll(now)?.clone();
    let table = table.get_or_insert_with(|| Table::new(&segment));
    table.generation = source.generation();
    let life = source.life();
    life.and_then(|life| table.read(&segment, now, life)).inspect_err(|_| source.suspect())?;
    Ok(())
}

/// One counter of all interfaces, and its rates.
struct Measured<C: Cell> {
    handle: CounterHandle<C>,
    sums: Vec<C>,
    meter: Meter<C>,
}

impl<C: Cell> Measured<C> {
    fn new(handle: CounterHandle<C>) -> Self {
        Self { handle, sums: Vec::new(), meter: Meter::new() }
    }

    fn read(&mut self, segment: &Segment, now: Duration, life: Life) -> Result<(), StatsError> {
        self.handle.rebind(segment);
        self.sums.resize(self.handle.columns()?.unwrap_or(0), C::default());
        self.handle.sum_all(&mut self.sums)?;
        self.meter.update(now, life, &self.sums);
        Ok(())
    }
}

struct Table {
    generation: u64,
    life: Life,
    names: Vec<Option<String>>,
    /// `/if/names`, by `sw_if_index`, as the columns of the counters.
    name_vector: EntryHandle,
    rx: Measured<CombinedCounter>,
    tx: Measured<CombinedCounter>,
    drops: Measured<u64>,
}

impl Table {
    fn new(segment: &Segment) -> Self {
        let (rx, tx): (CombinedHandle, CombinedHandle) = (segment.combined("/if/rx"), segment.combined("/if/tx"));
        let drops: SimpleHandle = segment.simple("/if/drops");
        Self {
            generation: 0,
            life: Life::default(),
            names: Vec::new(),
            name_vector: segment.entry("/if/names"),
            rx: Measured::new(rx),
            tx: Measured::new(tx),
            drops: Measured::new(drops),
        }
    }

    fn read(&mut self, segment: &Segment, now: Duration, life: Life) -> Result<(), StatsError> {
        self.life = life;
        self.name_vector.rebind(segment);
        let names = self.name_vector.read(|view| match view {
            View::Names(names) => names.iter().map(|name| name.map(|name| name.to_string())).collect(),
            _ => Vec::new(),
        })?;
        self.names = names.unwrap_or_default();
        self.rx.read(segment, now, life)?;
        self.tx.read(segment, now, life)?;
        self.drops.read(segment, now, life)
    }

    fn draw(&self, page: &mut String) -> std::fmt::Result {
        let boottime = self.life.boottime.unwrap_or(0);
        writeln!(page, "VPP number {} since this began, running since Unix time {boottime}", self.generation)?;
        writeln!(
            page,
            "{:<24} {:>10} {:>10} {:>10} {:>10} {:>10}",
            "interface", "rx packets", "rx bits", "tx packets", "tx bits", "drops"
        )?;
        let mut rows: Vec<(usize, &str)> =
            self.names.iter().enumerate().filter_map(|(index, name)| Some((index, name.as_deref()?))).collect();
        rows.retain(|(_, name)| *name != "deleted");
        let packets = |rate: Option<CombinedRate>| rate.map_or(0.0, |rate| rate.packets);
        let busy = |index| packets(self.rx.meter.rate(index)) + packets(self.tx.meter.rate(index));
        rows.sort_by(|(a, _), (b, _)| busy(*b).total_cmp(&busy(*a)));
        for (index, name) in rows {
            let (rx, tx) = (self.rx.meter.rate(index), self.tx.meter.rate(index));
            write!(page, "{name:<24}")?;
            let rates = [rx, tx].map(|rate| [rate.map(|rate| rate.packets), rate.map(|rate| rate.bytes * 8.0)]);
            for rate in rates.into_iter().flatten().chain([self.drops.meter.rate(index)]) {
                write!(page, " {:>10}", short(rate))?;
            }
            writeln!(page)?;
        }
        Ok(())
    }
}

/// A rate per second in three digits or four; `-` for none.
fn short(rate: Option<f64>) -> String {
    let Some(mut rate) = rate else { return "-".to_owned() };
    for unit in ["", "k", "M", "G"] {
        if rate < 1_000.0 {
            let digits = usize::from(rate < 100.0 && (rate.fract() > 0.0 || !unit.is_empty()));
            return format!("{rate:.digits$}{unit}");
        }
        rate /= 1_000.0;
    }
    format!("{rate:.1}T")
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
