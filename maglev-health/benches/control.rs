//! What health costs with many backends.
//!
//! Names give the operation and the size. `probe` is the common case: a probe starts, its result changes nothing but
//! the counter. `transition` takes a backend that 8 frontends share down and up again.

use std::hint::black_box;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU8;
use std::time::{Duration, Instant, SystemTime};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use maglev_health::{
    BackendSpec, Check, CheckSpec, Code, Control, ControlOptions, Event, FrontendSpec, Jitter, MemberSpec, Outcome,
    PoolSpec, ProbeId, ProbeResult, Spec, Weight,
};

const SIZES: [u32; 2] = [1_000, 50_000];

fn probe(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("probe");
    for count in SIZES {
        let mut world = World::new(count);
        group.bench_function(BenchmarkId::from_parameter(format!("backends={count}")), |bencher| {
            bencher.iter(|| world.one(Outcome::Pass));
        });
    }
    group.finish();
}

fn transition(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transition");
    for count in SIZES {
        let mut world = World::new(count);
        let id = world.control.backend_id("b0").expect("the first backend");
        group.bench_function(BenchmarkId::from_parameter(format!("backends={count}")), |bencher| {
            bencher.iter(|| {
                let (now, control) = (world.now, &mut world.control);
                control.disable(WALL, id, "").expect("a backend of ours");
                control.enable(now, WALL, id, "").expect("a backend of ours");
                while control.poll_event().is_some() {}
                black_box(control.take_dirty())
            });
        });
    }
    group.finish();
}

fn reload(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reload");
    group.sample_size(10);
    for count in SIZES {
        let spec = spec(count);
        group.bench_function(BenchmarkId::new("same", format!("backends={count}")), |bencher| {
            bencher.iter_batched_ref(
                || World::new(count),
                |world| world.control.reload(world.now, WALL, &spec, &|_, _| None),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

struct World {
    control: Control,
    now: Instant,
    pending: Vec<ProbeId>,
}

impl World {
    /// Every backend up at the top of its counter.
    fn new(count: u32) -> Self {
        let now = origin();
        let mut control = Control::new(ControlOptions::default(), &spec(count), now, WALL);
        control.handle_actual(WALL, &|_, _| None);
        let mut world = Self { control, now, pending: Vec::new() };
        for _ in 0..6 * count {
            world.one(Outcome::Pass);
        }
        world
    }

    /// Starts and answers the next probe.
    fn one(&mut self, outcome: Outcome) {
        while self.pending.is_empty() {
            self.now = self.control.poll_timeout().expect("somebody to probe").max(self.now);
            self.control.handle_timeout(self.now);
            while let Some(event) = self.control.poll_event() {
                if let Event::Probe { probe, .. } = event {
                    self.pending.push(probe);
                }
            }
        }
        if let Some(probe) = self.pending.pop() {
            let result = ProbeResult { outcome, code: Code::L7Ok, detail: "status 200".into(), agent: None };
            self.control.handle_result(self.now, WALL, probe, result, Jitter::NONE);
            while self.control.poll_event().is_some() {}
        }
    }
}

/// `count` backends, and as many frontends of 8 of them each.
fn spec(count: u32) -> Spec {
    let backends = (0..count)
        .map(|number| BackendSpec {
            name: format!("b{number}").into(),
            address: IpAddr::from(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number))),
            check: Some(CheckSpec {
                timing: Check {
                    rise: NonZeroU8::MIN,
                    fall: NonZeroU8::MIN,
                    fast_interval: Duration::from_millis(500),
                    ..Check::default()
                },
                identity: "http".into(),
            }),
            enabled: true,
        })
        .collect();
    let frontends = (0..count)
        .map(|number| FrontendSpec {
            name: format!("f{number}").into(),
            vip: format!("v{number}").into(),
            flush_on_down: true,
            pools: vec![PoolSpec {
                name: "only".into(),
                members: (number..number + 8)
                    .map(|member| MemberSpec { backend: format!("b{}", member % count).into(), weight: Weight::MAX })
                    .collect(),
            }],
        })
        .collect();
    Spec::new(backends, frontends).expect("names that fit together")
}

#[expect(clippy::disallowed_methods, reason = "an `Instant` has no other origin")]
fn origin() -> Instant {
    Instant::now()
}

const WALL: SystemTime = SystemTime::UNIX_EPOCH;

criterion_group!(benches, probe, transition, reload);
criterion_main!(benches);
