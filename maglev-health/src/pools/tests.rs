use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case::up(Standing::Up, 70, 0)]
#[case::held(held(30, 0), 30, 30)]
#[case::held_at_0(held(0, 0), 0, 0)]
#[case::pending(Standing::Pending, 0, 0)]
#[case::unknown(Standing::Unknown, 0, 0)]
#[case::out(Standing::Out, 0, 0)]
fn the_weight_table(#[case] standing: Standing, #[case] active: u8, #[case] other: u8) {
    let it = member(standing, 70);
    // A sure leader makes the pool active or not, whatever `it` is.
    let leader = member(Standing::Up, 1);
    let decision = decide(&[vec![leader, it], vec![it]]);
    assert_eq!(decision.active_pool, 0);
    assert_eq!(decision.weights[0][1], weight(active));
    assert_eq!(decision.weights[1][0], weight(other));
}

#[rstest]
#[case::first_of_two([[member(Standing::Up, 5)], [member(Standing::Up, 5)]], 0)]
#[case::weight_0_serves_nobody([[member(Standing::Up, 0)], [member(Standing::Up, 5)]], 1)]
#[case::overridden_to_0([[overridden(Standing::Up, 5, 0)], [member(Standing::Up, 5)]], 1)]
#[case::overridden_from_0([[overridden(Standing::Up, 0, 5)], [member(Standing::Up, 5)]], 0)]
#[case::held_above_0([[member(held(1, 0), 5)], [member(Standing::Up, 5)]], 0)]
#[case::held_at_0([[member(held(0, 0), 5)], [member(Standing::Up, 5)]], 1)]
#[case::moving_house([[member(held(0, 9), 5)], [member(Standing::Up, 5)]], 0)]
#[case::not_read([[member(Standing::Pending, 5)], [member(Standing::Up, 5)]], 0)]
#[case::unknown([[member(Standing::Unknown, 5)], [member(Standing::Up, 5)]], 1)]
#[case::none([[member(Standing::Out, 5)], [member(Standing::Out, 5)]], 0)]
fn the_active_pool(#[case] pools: [[Member; 1]; 2], #[case] active: usize) {
    assert_eq!(decide(&pools).active_pool, active);
}

#[rstest]
#[case::up(&[member(Standing::Out, 5), member(Standing::Up, 5)], FrontendState::Up)]
#[case::up_without_weight(&[member(Standing::Up, 0)], FrontendState::Down)]
#[case::nobody_left_unknown(&[member(Standing::Unknown, 5), member(held(0, 0), 5)], FrontendState::Unknown)]
#[case::somebody_did(&[member(Standing::Unknown, 5), member(Standing::Out, 5)], FrontendState::Down)]
#[case::held_above_0(&[member(held(7, 0), 5), member(Standing::Out, 5)], FrontendState::Up)]
#[case::moving_house(&[member(held(0, 7), 5)], FrontendState::Up)]
#[case::not_read(&[member(Standing::Pending, 5), member(Standing::Out, 5)], FrontendState::Unknown)]
fn the_state(#[case] members: &[Member], #[case] state: FrontendState) {
    assert_eq!(decide(&[members]).state, state);
}

#[test]
fn a_backend_in_two_pools_has_the_weight_of_the_active_one() {
    let decision = decide(&[[member(Standing::Up, 0)], [member(Standing::Up, 20)], [member(Standing::Up, 30)]]);
    assert_eq!(decision.weights, [[weight(0)], [weight(20)], [weight(0)]]);
}

proptest! {
    #[test]
    fn one_pool_carries_weight_unless_something_is_held(
        pools in prop::collection::vec(prop::collection::vec(any_member(), 1..5), 1..5),
    ) {
        let decision = decide(&pools);
        for (index, pool) in pools.iter().enumerate() {
            for (member, &effective) in pool.iter().zip(&decision.weights[index]) {
                let held = matches!(member.standing, Standing::Held { .. });
                let carries = index == decision.active_pool;
                prop_assert!(!effective.is_positive() || held || carries);
                if member.standing == Standing::Up && carries {
                    prop_assert_eq!(effective, member.weight());
                }
            }
        }
        let serving = decision.weights.iter().flatten().any(|weight| weight.is_positive());
        prop_assert!(!serving || decision.state == FrontendState::Up);
    }

    #[test]
    fn a_pool_that_serves_is_never_passed_over(
        pools in prop::collection::vec(prop::collection::vec(any_member(), 1..5), 1..5),
    ) {
        let serves = |pool: &Vec<Member>| {
            pool.iter().any(|member| member.standing == Standing::Up && member.weight().is_positive())
        };
        let active = decide(&pools).active_pool;
        prop_assert!(pools.iter().position(serves).is_none_or(|first| active <= first));
    }
}

fn any_member() -> impl Strategy<Value = Member> {
    let weights = || (0..=100u8).prop_map(weight);
    let standing = prop_oneof![
        Just(Standing::Up),
        Just(Standing::Unknown),
        Just(Standing::Pending),
        Just(Standing::Out),
        (weights(), weights()).prop_map(|(weight, leaving)| Standing::Held { weight, leaving }),
    ];
    (standing, weights(), prop::option::of(weights())).prop_map(|(standing, configured, overridden)| Member {
        standing,
        configured,
        overridden,
        agent: None,
    })
}

#[test]
fn a_pool_whose_servers_drain_themselves_is_no_longer_active() {
    let drained = Member { agent: "drain".parse().ok(), ..member(Standing::Up, 100) };
    let none = Member { agent: "0%".parse().ok(), ..member(Standing::Up, 100) };
    let decision = decide(&[vec![drained, none], vec![member(Standing::Up, 50)]]);
    assert_eq!(decision.active_pool, 1);
    assert_eq!(decision.weights, [vec![Weight::ZERO; 2], vec![weight(50)]]);
    // A share above 0 keeps it.
    let some = Member { agent: "1%".parse().ok(), ..member(Standing::Up, 10) };
    let decision = decide(&[vec![drained, some], vec![member(Standing::Up, 50)]]);
    assert_eq!((decision.active_pool, decision.weights[0][1]), (0, weight(1)));
}

#[test]
fn what_a_server_says_of_itself_does_not_touch_what_is_held() {
    let member = Member { agent: "drain".parse().ok(), ..member(held(80, 0), 100) };
    assert_eq!(decide(&[[member]]).weights, [[weight(80)]]);
}

fn member(standing: Standing, configured: u8) -> Member {
    Member { standing, configured: weight(configured), overridden: None, agent: None }
}

fn overridden(standing: Standing, configured: u8, by: u8) -> Member {
    Member { overridden: Some(weight(by)), ..member(standing, configured) }
}

fn held(weight_in_vpp: u8, leaving: u8) -> Standing {
    Standing::Held { weight: weight(weight_in_vpp), leaving: weight(leaving) }
}

fn weight(value: u8) -> Weight {
    Weight::new(value).unwrap()
}
