use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::value::CombinedCounter;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn born(boottime: u64) -> Life {
    Life { boottime: Some(boottime), ..Life::default() }
}

#[test]
fn a_rate_is_per_second_whatever_the_interval_is() {
    for (interval, wanted) in [(1_000, 300.0), (500, 600.0), (60_000, 5.0)] {
        let mut meter = Meter::new();
        meter.update(at(7), born(1), &[1_000_u64]);
        assert_eq!(meter.rates(), [None]);
        meter.update(at(7 + interval), born(1), &[1_300]);
        assert_eq!(meter.rates(), [Some(wanted)], "{interval} ms");
    }
}

#[test]
fn packets_and_bytes_have_rates_of_their_own() {
    let cell = |packets, bytes| CombinedCounter { packets, bytes };
    let mut meter = Meter::new();
    meter.update(at(0), born(1), &[cell(1, 60), cell(5, 300)]);
    meter.update(at(2_000), born(1), &[cell(3, 180), cell(5, 200)]);
    assert_eq!(meter.rates(), [Some(CombinedRate { packets: 1.0, bytes: 60.0 }), None], "one of the second's two fell");
}

#[test]
fn a_restart_costs_one_interval() {
    let lives = [born(1), born(2), Life { generation: 1, ..born(2) }, Life { generation: 1, boottime: None }];
    let mut meter = Meter::new();
    let mut now = 0;
    for life in lives {
        // Counters that have gone on, as if nothing had happened.
        for round in 0..3 {
            now += 1_000;
            meter.update(at(now), life, &[now]);
            assert_eq!(meter.rate(0), (round > 0).then_some(1_000.0), "{life:?} {round}");
        }
    }
}

#[test]
fn a_counter_that_fell_costs_its_own_interval_alone() {
    let mut meter = Meter::new();
    meter.update(at(0), born(1), &[10_u64, 10]);
    meter.update(at(1_000), born(1), &[9, 20]);
    assert_eq!(meter.rates(), [None, Some(10.0)]);
    meter.update(at(2_000), born(1), &[10, 20]);
    assert_eq!(meter.rates(), [Some(1.0), Some(0.0)]);
}

#[test]
fn a_clear_shows_in_a_counter_that_fell_and_in_nothing_else() {
    let mut meter = Meter::new();
    meter.update(at(0), born(1), &[1_000_u64, 1_000]);
    // Both were cleared, and the second has counted 5,000 since.
    meter.update(at(1_000), born(1), &[10, 5_000]);
    assert_eq!(meter.rates(), [None, Some(4_000.0)], "as the caveat says");
    meter.update(at(2_000), born(1), &[20, 5_010]);
    assert_eq!(meter.rates(), [Some(10.0), Some(10.0)]);
}

#[test]
fn new_counters_and_a_clock_that_stands_give_no_rate() {
    let mut meter = Meter::new();
    meter.update(at(1_000), born(1), &[1_u64]);
    meter.update(at(2_000), born(1), &[2, 500]);
    assert_eq!(meter.rates(), [Some(1.0), None]);
    meter.update(at(2_000), born(1), &[3, 501]);
    assert_eq!(meter.rates(), [None, None]);
    meter.update(at(1_500), born(1), &[4, 502]);
    assert_eq!(meter.rates(), [None, None]);
    meter.update(at(2_500), born(1), &[5]);
    assert_eq!((meter.rate(0), meter.rate(1)), (Some(1.0), None));
}

#[test]
fn a_forgotten_counter_begins_anew() {
    let mut meter = Meter::new();
    meter.update(at(0), born(1), &[1_u64, 1]);
    meter.update(at(1_000), born(1), &[2, 2]);
    meter.forget(0);
    meter.forget(9);
    assert_eq!(meter.rates(), [None, Some(1.0)]);
    meter.update(at(2_000), born(1), &[900, 3]);
    assert_eq!(meter.rates(), [None, Some(1.0)]);
    meter.update(at(3_000), born(1), &[901, 4]);
    assert_eq!(meter.rates(), [Some(1.0), Some(1.0)]);
}

proptest! {
    #[test]
    fn no_rate_is_negative_endless_or_more_than_was_counted(
        readings in vec((0_u64..5_000, 0_u64..3, vec(any::<u64>(), 0..4)), 1..20),
    ) {
        let mut meter = Meter::new();
        let mut now = 0;
        let mut last: Option<(u64, Vec<u64>)> = None;
        for (pause, boottime, counters) in readings {
            now += pause;
            meter.update(at(now), born(boottime), &counters);
            prop_assert_eq!(meter.rates().len(), counters.len());
            for (index, counter) in counters.iter().enumerate() {
                let old = last.as_ref().filter(|(life, _)| *life == boottime && pause > 0);
                let old = old.and_then(|(_, old)| old.get(index)).filter(|old| *old <= counter);
                prop_assert_eq!(meter.rate(index).is_some(), old.is_some());
                if let (Some(rate), Some(old)) = (meter.rate(index), old) {
                    let counted = (counter - old) as f64;
                    prop_assert!(rate >= 0.0 && rate.is_finite());
                    prop_assert!((rate * pause as f64 / 1e3 - counted).abs() <= counted * 1e-9);
                }
            }
            last = Some((boottime, counters));
        }
    }
}
