//! Runs a health check that fails, hours long, in no time: the logic has no clock of its own.
//!
//! `cargo run -p maglev-examples --example watch_health`

use std::error::Error;
use std::time::{Instant, SystemTime};

use maglev_health::{
    BackendSpec, Check, CheckSpec, Code, Control, ControlOptions, Dataplane, Event, FrontendSpec, Jitter, MemberSpec,
    PoolSpec, ProbeResult, Spec, Weight,
};

fn main() -> Result<(), Box<dyn Error>> {
    let check = CheckSpec { timing: Check::default(), identity: "http port 80".into() };
    let backend = BackendSpec { name: "web0".into(), address: "10.0.0.1".parse()?, check: Some(check), enabled: true };
    let member = MemberSpec { backend: "web0".into(), weight: Weight::MAX };
    let pool = PoolSpec { name: "primary".into(), members: vec![member] };
    let frontend =
        FrontendSpec { name: "web".into(), vip: "192.0.2.1 tcp/80".into(), flush_on_down: true, pools: vec![pool] };
    let spec = Spec::new(vec![backend], vec![frontend])?;

    let options = ControlOptions { dataplane: Dataplane::Absent, ..ControlOptions::default() };
    let (start, wall) = (Instant::now(), SystemTime::now());
    let mut control = Control::new(options, &spec, start, wall);
    // Ten probes pass, then the server is dead.
    let mut probes = 0;
    while let Some(now) = control.poll_timeout() {
        control.handle_timeout(now);
        while let Some(event) = control.poll_event() {
            match event {
                Event::Probe { probe, .. } => {
                    probes += 1;
                    let result = match probes {
                        ..=10 => ProbeResult::pass(Code::L7Ok, "status 200"),
                        _ => ProbeResult::fail(Code::L4Con, "connect refused"),
                    };
                    control.handle_result(now, wall, probe, result, Jitter::NONE);
                }
                Event::Transition { name, transition, .. } => {
                    let after = now.duration_since(start);
                    println!("{after:>8.1?} {name} {} -> {} ({})", transition.from, transition.to, transition.code);
                    if transition.code == Code::L4Con {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}
