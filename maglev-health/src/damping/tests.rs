use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case(0, 2000, 750, 60, 300, DampingError::NoPenalty)]
#[case(1000, 2000, 0, 60, 300, DampingError::NoReuse)]
#[case(1000, 2000, 2000, 60, 300, DampingError::ReuseAboveSuppress)]
#[case(1000, 2000, 750, 0, 300, DampingError::ShortHalfLife)]
#[case(1000, 2000, 750, 60, 0, DampingError::NeverSuppressed { ceiling: 750 })]
#[case(1000, 2000, 750, 60, 60, DampingError::NeverSuppressed { ceiling: 1500 })]
fn what_does_not_fit_together_is_refused(
    #[case] penalty: u32,
    #[case] suppress: u32,
    #[case] reuse: u32,
    #[case] half_life: u64,
    #[case] max_suppress: u64,
    #[case] error: DampingError,
) {
    assert_eq!(Damping::new(penalty, suppress, reuse, secs(half_life), secs(max_suppress)), Err(error));
}

#[test]
fn the_decay_is_that_of_an_exponential() {
    let damping = Damping::new(1_000_000, 2_000_000, 750_000, secs(60), secs(300)).unwrap();
    let penalty = Penalty::NONE.added(&damping, origin());
    for second in 0..300u32 {
        let exact = 1e6 * (-f64::from(second) / 60.0).exp2();
        let decayed = penalty.at(&damping, origin() + secs(second.into()));
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let off = (decayed as f64 - exact).abs();
        assert!(off <= exact * 2e-5 + 1.0, "{decayed} and {exact} after {second} s");
    }
}

#[test]
fn a_ceiling_beyond_every_number_is_no_ceiling() {
    let damping = Damping::new(1000, 2000, 750, secs(1), secs(3600)).unwrap();
    assert_eq!(damping.ceiling(), u64::MAX / MILLI);
    let mut penalty = Penalty::NONE;
    for _ in 0..100 {
        penalty = penalty.added(&damping, origin());
    }
    assert_eq!(penalty.at(&damping, origin()), 100_000);
    assert_eq!(penalty.rest(&damping, origin()).as_millis(), 7058, "log2(100,000 / 750)");
}

prop_compose! {
    fn any_damping()(
        penalty in 1..=1_000_000u32,
        reuse in 1..1_000_000u32,
        above in 1..1_000_000u32,
        half_life in 1_000..10_000_000u64,
        max_suppress in 1..100_000_000u64,
    ) -> Option<Damping> {
        let [half_life, max_suppress] = [half_life, max_suppress].map(Duration::from_millis);
        Damping::new(penalty, reuse + above, reuse, half_life, max_suppress).ok()
    }
}

proptest! {
    #[test]
    fn decay_is_monotone_and_never_gains(
        damping in any_damping(),
        flaps in 1..50u32,
        earlier in 0..10_000_000u64,
        later in 0..10_000_000u64,
    ) {
        let Some(damping) = damping else { return Ok(()) };
        let now = origin();
        let penalty = (0..flaps).fold(Penalty::NONE, |sum, _| sum.added(&damping, now));
        prop_assert!(penalty.at(&damping, now) <= damping.ceiling());
        let [first, last] = [earlier, earlier + later].map(|millis| now + Duration::from_millis(millis));
        prop_assert!(penalty.at(&damping, last) <= penalty.at(&damping, first));
        prop_assert!(penalty.at(&damping, first) <= penalty.at(&damping, now));
    }

    #[test]
    fn every_step_is_no_more_than_the_one_before(value: u64, step in 0..70 * STEPS) {
        prop_assert!(decayed(value, step + 1) <= decayed(value, step));
    }

    #[test]
    fn a_rest_ends_below_reuse_and_not_before_and_is_never_longer_than_max_suppress(
        damping in any_damping(),
        gaps in prop::collection::vec(0..100_000u64, 1..50),
    ) {
        let Some(damping) = damping else { return Ok(()) };
        let mut now = origin();
        let mut penalty = Penalty::NONE;
        for gap in gaps {
            now += Duration::from_millis(gap);
            penalty = penalty.added(&damping, now);
            let rest = penalty.rest(&damping, now);
            prop_assert!(rest <= damping.max_suppress());
            prop_assert!(penalty.suppresses(&damping, now) == (penalty.at(&damping, now) >= damping.suppress().into()));
            if rest < damping.max_suppress() {
                prop_assert!(penalty.at(&damping, now + rest) < damping.reuse().into());
            }
            if !rest.is_zero() {
                let before = now + rest - Duration::from_nanos(1);
                prop_assert!(penalty.at(&damping, before) >= damping.reuse().into());
            }
        }
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[expect(clippy::disallowed_methods, reason = "an `Instant` has no other origin")]
fn origin() -> Instant {
    use std::sync::OnceLock;
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}
