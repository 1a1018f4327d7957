//! Watches the targets of a reverse proxy by connecting to their TCP ports, and prints which of them are in service, with which weight.
//! There is no VPP, and no async runtime: the decisions are the library's, and this file is the clock, the sockets and the screen.
//!
//! ```console
//! $ cargo run -p maglev-health --example tcp_targets -- 192.0.2.1:80=100 192.0.2.1:81=50 / 192.0.2.9:80
//! ```
//!
//! Targets are `ADDRESS:PORT`, with a weight of 0 to 100 behind `=`; without one it is 100. Those behind a `/` take over when none before it
//! is left. `--demo` listens on three ports of its own, closes and opens them, and ends by itself:
//!
//! ```console
//! $ cargo run -p maglev-health --example tcp_targets -- --demo
//! in service: first 100, second 50
//! * closing the port of first
//! first is down: L4CON, Connection refused
//! in service: second 50
//! * closing the port of second
//! second is down: L4CON, Connection refused
//! in service: spare 100
//! * opening the port of first
//! first is up: L4OK, connected
//! in service: first 100
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use maglev_health::{
    BackendSpec, Check, CheckSpec, Code, Control, ControlOptions, Dataplane, Event, FrontendSpec, Jitter, MemberSpec,
    PoolSpec, ProbeId, ProbeResult, Spec, State, Weight,
};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Err("say which targets to watch, as ADDRESS:PORT or ADDRESS:PORT=WEIGHT, or --demo".into()),
        ["--demo"] => {
            let mut demo = Demo::new()?;
            let (pools, check) = (demo.pools()?, demo_check());
            watch(&pools, check, |line| demo.heard(line))
        }
        words => watch(&parse(words)?, Check::default(), |_| Ok(Go::On)),
    }
}

/// What the proxy would send requests to.
struct Target {
    name: Arc<str>,
    at: SocketAddr,
    weight: Weight,
}

/// Whether to go on after a line was printed.
#[derive(Eq, PartialEq)]
enum Go {
    On,
    Home,
}

fn parse(words: &[&str]) -> Result<Vec<Vec<Target>>, Box<dyn Error>> {
    words
        .split(|word| *word == "/")
        .map(|pool| {
            let target = |word: &&str| -> Result<Target, Box<dyn Error>> {
                let (at, weight) = word.split_once('=').unwrap_or((*word, "100"));
                let weight = Weight::new(weight.parse()?).ok_or("a weight is 0 to 100")?;
                Ok(Target { name: at.into(), at: at.parse()?, weight })
            };
            pool.iter().map(target).collect()
        })
        .collect()
}

/// The driver's loop: what is due is started, what comes back is told, what changes is printed.
#[expect(clippy::disallowed_methods, reason = "this is the shell: the clock is here and nowhere else")]
fn watch(
    pools: &[Vec<Target>],
    check: Check,
    mut heard: impl FnMut(&str) -> Result<Go, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let targets: BTreeMap<&str, SocketAddr> = pools.iter().flatten().map(|target| (&*target.name, target.at)).collect();
    let spec = spec(pools, check)?;
    // With `Absent` nothing is held: there is no dataplane whose weights would have to be kept.
    let options = ControlOptions { dataplane: Dataplane::Absent, ..ControlOptions::default() };
    let mut control = Control::new(options, &spec, Instant::now(), SystemTime::now());
    let (sender, results) = mpsc::channel();
    let mut last = String::new();
    loop {
        control.handle_timeout(Instant::now());
        while let Some(event) = control.poll_event() {
            match event {
                // A probe is a thread of its own: one that waits for its time-out must not hold up the others.
                Event::Probe { backend, probe, .. } => {
                    let backend = control.backend(backend).ok_or("a probe of nobody")?;
                    let at = targets[&**backend.name()];
                    let sender = sender.clone();
                    thread::spawn(move || connect(probe, at, &sender));
                }
                // Nobody needs to hear how it begins: from unknown to the first verdict.
                Event::Transition { name, transition, .. } if transition.from != State::Unknown => {
                    println!("{name} is {}: {}, {}", transition.to, transition.code, transition.detail);
                }
                _ => {}
            }
        }
        // The whole point: who gets which share from now on. Until everybody was heard, a proxy goes on with what it has.
        let line = in_service(&control, &spec);
        if let Some(line) = line.filter(|line| *line != last) {
            println!("{line}");
            if heard(&line)? == Go::Home {
                return Ok(());
            }
            last = line;
        }
        let due = control.poll_timeout().map(|due| due.saturating_duration_since(Instant::now()));
        match results.recv_timeout(due.unwrap_or(Duration::MAX)) {
            // A good driver draws the jitter, so that many checkers do not probe in step.
            Ok((probe, result)) => {
                control.handle_result(Instant::now(), SystemTime::now(), probe, result, Jitter::NONE);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("no probe can be sent any more".into()),
        }
    }
}

/// The configuration in the library's words: one frontend, and a backend for each target.
fn spec(pools: &[Vec<Target>], timing: Check) -> Result<Spec, Box<dyn Error>> {
    let backend = |(number, target): (u32, &Target)| BackendSpec {
        name: target.name.clone(),
        // The library tells targets apart by an address and never connects to it. Ports of one host are one address, so number them.
        address: IpAddr::V4(Ipv4Addr::from_bits(number)),
        check: Some(CheckSpec { timing, identity: format!("tcp {}", target.at).into() }),
        enabled: true,
    };
    let member = |target: &Target| MemberSpec { backend: target.name.clone(), weight: target.weight };
    let pool = |(number, pool): (usize, &Vec<Target>)| PoolSpec {
        name: format!("pool {number}").into(),
        members: pool.iter().map(member).collect(),
    };
    let frontend = FrontendSpec {
        name: "proxy".into(),
        vip: "proxy".into(),
        flush_on_down: true,
        pools: pools.iter().enumerate().map(pool).collect(),
    };
    Ok(Spec::new((1..).zip(pools.iter().flatten()).map(backend).collect(), vec![frontend])?)
}

/// One probe: connects, and says what came of it.
fn connect(probe: ProbeId, at: SocketAddr, sender: &Sender<(ProbeId, ProbeResult)>) {
    let result = match TcpStream::connect_timeout(&at, TIMEOUT) {
        Ok(_) => ProbeResult::pass(Code::L4Ok, "connected"),
        Err(error) if error.kind() == ErrorKind::TimedOut => ProbeResult::fail(Code::L4Tout, "no answer in time"),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            ProbeResult::fail(Code::L4Con, "Connection refused")
        }
        // Out of descriptors, for one, says nothing about the target.
        Err(error) => ProbeResult::no_verdict(error.to_string()),
    };
    // The watch may have ended meanwhile.
    let _ = sender.send((probe, result));
}

/// The targets with a weight; nothing while one of them has not been heard.
fn in_service(control: &Control, spec: &Spec) -> Option<String> {
    let program = control.program(control.frontend_idx("proxy")?)?;
    if !program.decided {
        return None;
    }
    let serving = spec.backends().iter().filter_map(|backend| {
        let weight = program.targets.get(&backend.address)?.weight;
        weight.is_positive().then(|| format!("{} {weight}", backend.name))
    });
    let serving: Vec<String> = serving.collect();
    Some(if serving.is_empty() {
        "nobody is in service".to_owned()
    } else {
        format!("in service: {}", serving.join(", "))
    })
}

/// Three ports that are closed and opened as the story wants it.
struct Demo {
    ports: Vec<SocketAddr>,
    /// Nobody accepts: for a probe it is enough that the kernel does.
    open: BTreeMap<usize, TcpListener>,
    next: usize,
}

impl Demo {
    const NAMES: [(&str, u8); 3] = [("first", 100), ("second", 50), ("spare", 100)];
    /// After each line that tells who is in service: which port, and whether it opens.
    const STORY: [(usize, bool); 3] = [(0, false), (1, false), (0, true)];

    fn new() -> Result<Self, Box<dyn Error>> {
        let mut demo = Self { ports: Vec::new(), open: BTreeMap::new(), next: 0 };
        for number in 0..Self::NAMES.len() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            demo.ports.push(listener.local_addr()?);
            demo.open.insert(number, listener);
        }
        Ok(demo)
    }

    /// The first two targets, and the third for when none of them is left.
    fn pools(&self) -> Result<Vec<Vec<Target>>, Box<dyn Error>> {
        let target = |(&(name, weight), &at): (&(&str, u8), &SocketAddr)| -> Result<Target, Box<dyn Error>> {
            Ok(Target { name: name.into(), at, weight: Weight::new(weight).ok_or("a weight is 0 to 100")? })
        };
        let mut targets = Self::NAMES.iter().zip(&self.ports).map(target).collect::<Result<Vec<_>, _>>()?;
        let spare = targets.split_off(2);
        Ok(vec![targets, spare])
    }

    fn heard(&mut self, _line: &str) -> Result<Go, Box<dyn Error>> {
        let Some(&(number, opens)) = Self::STORY.get(self.next) else { return Ok(Go::Home) };
        self.next += 1;
        println!("* {} the port of {}", if opens { "opening" } else { "closing" }, Self::NAMES[number].0);
        if opens {
            self.open.insert(number, TcpListener::bind(self.ports[number])?);
        } else {
            self.open.remove(&number);
        }
        Ok(Go::On)
    }
}

/// Ten times a second, so that the demo takes a second or two.
fn demo_check() -> Check {
    let interval = Duration::from_millis(100);
    let (rise, fall) = (NonZeroU8::MIN, NonZeroU8::MIN.saturating_add(1));
    Check { interval, fast_interval: interval, down_interval: interval, rise, fall, ..Check::default() }
}

/// How long a target may take to answer. Longer than the interval of the demo, which does no harm: the next probe of a target is asked
/// for when this one was answered.
const TIMEOUT: Duration = Duration::from_secs(1);
