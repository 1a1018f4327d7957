use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::claim::{address_seed, xxhash};
use super::*;
use crate::Weight;

/// One row of the reference: length, servers, buckets per server, first 16 buckets, SHA-256 of the table with a byte a bucket.
struct Golden {
    size: u32,
    ases: Vec<(IpAddr, u8)>,
    counts: &'static [u32],
    first: [usize; 16],
    sha256: &'static str,
}

fn golden() -> Vec<Golden> {
    vec![
        Golden {
            size: 16,
            ases: numbered(&[100, 100, 50]),
            counts: &[6, 5, 5],
            first: [1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 0, 0, 2, 2],
            sha256: "809cd8f3e9ad74640e7bd4734173f8d27c5617bd6fe83f0d29d1988dc49e700d",
        },
        Golden {
            size: 1024,
            ases: numbered(&[100, 100, 100]),
            counts: &[342, 341, 341],
            first: [0, 0, 2, 0, 2, 2, 1, 2, 0, 2, 2, 0, 1, 0, 1, 2],
            sha256: "11fd3224fcbaee762a965eb648cb25bce1560effbf1795783520b133fe81f976",
        },
        Golden {
            size: 1024,
            ases: numbered(&[100, 100, 50]),
            counts: &[408, 408, 208],
            first: [0, 0, 2, 0, 0, 2, 1, 1, 0, 1, 2, 0, 1, 0, 1, 2],
            sha256: "1bdde1e3d18deb535bee698f436ab4121af69263158ccae58f40e40b57b5db85",
        },
        Golden {
            size: 1024,
            ases: numbered(&[1, 1, 1]),
            counts: &[342, 341, 341],
            first: [1, 1, 2, 2, 2, 0, 2, 1, 0, 2, 2, 1, 0, 2, 0, 0],
            sha256: "4148b9d649f3a53022b87b92846a2b26703092559291b0abc96c0e9d6368fdd2",
        },
        Golden {
            size: 1024,
            ases: vec![("2001:db8::1".parse().unwrap(), 100), ("2001:db8::2".parse().unwrap(), 10)],
            counts: &[924, 100],
            first: [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            sha256: "65aab2512b0dc6dc5347d8ec0d9b4006e10257b5cc6783039428b2d370fffc98",
        },
        Golden {
            size: 65_536,
            ases: numbered(&[100; 10]),
            counts: &[],
            first: [3, 0, 9, 4, 0, 6, 7, 5, 5, 9, 3, 6, 6, 1, 1, 4],
            sha256: "f6cb1018760af3bccc1623c805580fa933c917c51be306a9e2191953dc5b40ba",
        },
        Golden {
            size: 1024,
            ases: numbered(&[[100; 10], [50; 10]].concat()),
            counts: &[],
            first: [0, 4, 15, 6, 11, 15, 10, 17, 14, 3, 13, 19, 17, 11, 9, 3],
            sha256: "74c11642d7cc928a976f32df094a91018d0a29e1c03a4d501cb3df3cd25618aa",
        },
        // VPP's own test/test_lb.py.
        Golden {
            size: 1024,
            ases: numbered(&[50, 100, 100, 100]),
            counts: &[150, 292, 291, 291],
            first: [0; 16],
            sha256: "",
        },
        Golden {
            size: 1024,
            ases: numbered(&[50, 0, 100, 100]),
            counts: &[208, 0, 408, 408],
            first: [0; 16],
            sha256: "",
        },
    ]
}

fn counted(table: &Table, servers: usize) -> Vec<u32> {
    let mut counts = vec![0; servers];
    table.iter().flatten().for_each(|owner| counts[owner] += 1);
    counts
}

#[test]
fn tables_are_those_of_vpp_bucket_by_bucket() {
    for Golden { size, ases, counts, first, sha256 } in golden() {
        let table = Table::build(TableSize::new(size).unwrap(), &ases);
        if !counts.is_empty() {
            assert_eq!(counted(&table, ases.len()), counts, "{size} {ases:?}");
        }
        assert_eq!(bucket_counts(TableSize::new(size).unwrap(), &ases), counted(&table, ases.len()), "{size} {ases:?}");
        if sha256.is_empty() {
            continue;
        }
        let owners: Vec<usize> = table.iter().map(|owner| owner.expect("a server has a weight")).collect();
        assert_eq!(owners[..16], first, "{size} {ases:?}");
        let bytes: Vec<u8> = owners.iter().map(|&owner| owner as u8).collect();
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, sha256, "{size} {ases:?}");
    }
}

#[test]
fn long_lists_share_as_the_reference_says() {
    let of = |size: u32, ases: &[(IpAddr, u8)]| bucket_counts(TableSize::new(size).unwrap(), ases);
    let golden = golden();
    let mut counts = of(65_536, &golden[5].ases);
    counts.sort_unstable();
    assert_eq!(counts, [[6553; 4].as_slice(), &[6554; 6]].concat());
    let counts = of(1024, &golden[6].ases);
    assert!(counts[..10].iter().all(|count| (52..=53).contains(count)), "{counts:?}");
    assert_eq!(counts[10..], [50; 10]);
}

#[test]
fn the_hash_is_vpps_and_not_the_published_one() {
    assert_eq!(xxhash(0), 0x6f06_f901_bfa2_7892);
    assert_eq!(xxhash(1), 0x4a67_7953_7063_9ba2);
    assert_eq!(xxhash(address_seed("10.0.0.1".parse().unwrap())), 0xbc30_f861_da48_3441);
}

#[test]
fn without_weights_no_bucket_has_an_owner() {
    let none: [(IpAddr, u8); 0] = [];
    let idle = [("10.0.0.1".parse().unwrap(), 0_u8)];
    for ases in [none.as_slice(), &idle] {
        let table = Table::build(TableLength::MIN, ases);
        assert_eq!(table.len(), 1024);
        assert!(table.iter().all(|owner| owner.is_none()));
        assert_eq!(table.owner_of(12_345), None);
        assert_eq!(bucket_counts(TableLength::MIN, ases), vec![0; ases.len()]);
    }
}

#[test]
fn a_flow_goes_to_the_owner_of_the_low_bits_of_its_hash() {
    let table = Table::build(TableLength::MIN, &golden()[1].ases);
    assert_eq!(table.owner_of(0xffff_fc00 | 6), table.owner(6));
    assert_eq!(table.owner(6), Some(1));
    assert_eq!(table.owner(1024), None);
}

/// The recording of 59 VIPs of a live VPP: after each step the buckets of each server in use.
#[test]
fn counts_agree_with_every_recorded_step_of_a_live_vpp() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/vpp-26.10/new-flow-tables.json.gz");
    let Ok(file) = File::open(&path) else {
        eprintln!("SKIPPED: no recordings at {}", path.display());
        return;
    };
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).expect("the recording is gzip of UTF-8");
    let vips: Vec<Value> = serde_json::from_str(&text).expect("the recording is JSON");

    let mut steps = 0;
    for vip in &vips {
        let size = vip["new_flows_table_length"].as_u64().and_then(|size| TableSize::new(size as u32));
        let size = size.expect("a recorded length is a power of two");
        for step in vip["steps"].as_array().expect("a VIP has steps") {
            let rows: Vec<(IpAddr, u8, u32)> = step
                .as_object()
                .and_then(|step| step.values().find(|value| value[0][0].is_string() && value[0][3].is_u64()))
                .and_then(Value::as_array)
                .expect("a step has rows")
                .iter()
                .filter(|row| row[3] == 1)
                .map(|row| {
                    let number = |at: usize| row[at].as_u64().expect("a row holds numbers");
                    (row[0].as_str().unwrap().parse().unwrap(), number(1) as u8, number(2) as u32)
                })
                .collect();
            let ases: Vec<(IpAddr, u8)> = rows.iter().map(|&(address, weight, _)| (address, weight)).collect();
            let recorded: Vec<u32> = rows.iter().map(|&(_, _, buckets)| buckets).collect();
            assert_eq!(bucket_counts(size, &ases), recorded, "{vip}");
            assert_eq!(counted(&Table::build(size, &ases), ases.len()), recorded, "{vip}");
            steps += 1;
        }
    }
    assert_eq!((vips.len(), steps), (59, 132));
}

#[test]
fn auto_takes_the_shortest_length_that_is_fair() {
    // Three of 100: 341 or 342 of 341.33.
    let three = auto_length(&numbered(&[100; 3]));
    assert_eq!(three.length, TableLength::MIN);
    assert!(three.is_fair() && three.worst_share_error < 0.002, "{three:?}");

    // Ten of 100 beside ten of 50 get 52 or 53 and 50 of 1,024, where 68 and 34 would be right.
    let uneven = numbered(&[[100; 10], [50; 10]].concat());
    let short = fixed_length(TableLength::MIN, &uneven);
    assert!(!short.is_fair() && short.worst_share_error > 0.4, "{short:?}");
    assert_eq!(short.worst_address, Some("10.0.0.11".parse().unwrap()));
    let auto = auto_length(&uneven);
    assert!(auto.is_fair(), "{auto:?}");
    assert!(!fixed_length(TableLength::new(auto.length.get() / 2).unwrap(), &uneven).is_fair(), "{auto:?}");

    // Where nothing helps it is the longest, and says so.
    let crowd: Vec<(IpAddr, u8)> =
        (0..15_000_u32).map(|host| (IpAddr::from((0x0a00_0000 + host).to_be_bytes()), 100)).collect();
    let auto = auto_length(&crowd);
    assert_eq!(auto.length.get(), 65_536);
    assert!(!auto.is_fair(), "{auto:?}");

    let none: [(IpAddr, u8); 0] = [];
    assert_eq!(
        auto_length(&none),
        AutoLength { length: TableLength::MIN, worst_share_error: 0.0, worst_address: None }
    );
}

fn numbered(weights: &[u8]) -> Vec<(IpAddr, u8)> {
    (1..).zip(weights).map(|(host, &weight)| (IpAddr::from([10, 0, 0, host]), weight)).collect()
}

/// Bucket by bucket over whole tables, each as long as the longer one.
fn moved_naively(before: (TableSize, &[(IpAddr, u8)]), after: (TableSize, &[(IpAddr, u8)])) -> Moved {
    let of = before.0.max(after.0).get();
    let owners = |(size, ases): (TableSize, &[(IpAddr, u8)])| -> Vec<Option<IpAddr>> {
        let table = Table::build(size, ases);
        (0..of).map(|bucket| table.owner((bucket % size.get()) as usize).map(|owner| ases[owner].0)).collect()
    };
    let buckets = owners(before).iter().zip(owners(after)).filter(|(before, after)| **before != *after).count();
    Moved { buckets: buckets as u32, of }
}

#[test]
fn weights_of_both_types_are_compared() {
    let bytes = numbered(&[100, 50]);
    let weights: Vec<(IpAddr, Weight)> = bytes.iter().map(|&(at, byte)| (at, Weight::new(byte).unwrap())).collect();
    let (wanted, actual) = (Side::new(TableLength::MIN, &weights), Side::new(TableLength::MIN, &bytes));
    assert_eq!(moved(wanted, actual).buckets, 0);
    assert_eq!(disruption(actual, wanted).avoidable(), 0);
    assert_eq!(moved(Side::absent(), wanted).buckets, 1024);
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "a server is listed twice")]
fn no_table_has_a_server_twice() {
    // VPP has the same 16 bytes for either.
    let twice = ["10.0.0.1", "::10.0.0.1"].map(|address| (address.parse().unwrap(), 100_u8));
    Table::build(TableLength::MIN, &twice);
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "a server is listed twice")]
fn nor_do_the_sides_of_a_comparison() {
    let twice = numbered(&[100])[0];
    let twice = [twice, twice];
    // No table is built for these.
    let _ = moved(Side::new(TableLength::MIN, &twice), Side::new(TableLength::MIN, &twice));
}

#[test]
fn what_moves_between_two_tables() {
    let (short, long) = (TableSize::new(1024).unwrap(), TableSize::new(4096).unwrap());
    let (one, two, three) = (numbered(&[100]), numbered(&[100, 100]), numbered(&[100, 100, 100]));
    let (idle, nobody) = (numbered(&[100, 0]), numbered(&[]));
    let other = [("10.0.1.1".parse().unwrap(), 100)];
    let of = |before: Side<'_>, after: Side<'_>| {
        let Moved { buckets, of } = moved(before, after);
        (buckets, of)
    };
    // Nothing changes, whatever the order, and whoever stands by at 0.
    assert_eq!(of(Side::new(short, &two), Side::new(short, &[two[1], two[0]])), (0, 1024));
    assert_eq!(of(Side::new(short, &one), Side::new(short, &idle)), (0, 1024));
    // A server alone has every bucket of any table, and so has nobody.
    assert_eq!(of(Side::new(short, &one), Side::new(long, &one)), (0, 4096));
    assert_eq!(of(Side::new(long, &nobody), Side::new(short, &numbered(&[0, 0]))), (0, 4096));
    assert_eq!(of(Side::new(short, &one), Side::new(short, &other)), (1024, 1024));
    // The first servers come, the last ones go.
    assert_eq!(of(Side::absent(), Side::new(short, &two)), (1024, 1024));
    assert_eq!(of(Side::new(long, &two), Side::absent()), (4096, 4096));
    assert_eq!(of(Side::absent(), Side::new(short, &nobody)), (0, 1024));
    assert_eq!(of(Side::absent(), Side::absent()), (0, 1));
    // A cut moves what the server had: 341 buckets, and some that the others then share otherwise.
    let cut = moved(Side::new(short, &three), Side::new(short, &two));
    assert!((341..420).contains(&cut.buckets), "{cut:?}");
    assert!((0.33..0.42).contains(&cut.share()), "{cut:?}");
    // Owners are compared by address: here positions in the lists differ.
    assert_eq!(moved(Side::new(short, &three[1..]), Side::new(short, &three)), {
        moved_naively((short, &three[1..]), (short, &three))
    });
}

/// Bucket by bucket over whole tables, by address.
fn disrupted_naively(before: (TableSize, &[(IpAddr, u8)]), after: (TableSize, &[(IpAddr, u8)])) -> Disruption {
    let of = before.0.max(after.0).get();
    let owners = |(size, ases): (TableSize, &[(IpAddr, u8)])| -> Vec<Option<IpAddr>> {
        let table = Table::build(size, ases);
        (0..of).map(|bucket| table.owner((bucket % size.get()) as usize).map(|owner| ases[owner].0)).collect()
    };
    let takes_part =
        |ases: &[(IpAddr, u8)], address: IpAddr| ases.iter().any(|&(a, weight)| a == address && weight > 0);
    let pairs: Vec<(Option<IpAddr>, Option<IpAddr>)> = owners(before).into_iter().zip(owners(after)).collect();
    let count = |wanted: &dyn Fn(Option<IpAddr>, Option<IpAddr>) -> bool| {
        pairs.iter().filter(|(was, is)| wanted(*was, *is)).count() as u32
    };
    let all = before.1.iter().chain(after.1).map(|(address, _)| *address);
    let servers: BTreeMap<IpAddr, ServerMoves> = all
        .filter(|address| takes_part(before.1, *address) || takes_part(after.1, *address))
        .map(|address| {
            let moves = ServerMoves {
                before: count(&|was, _| was == Some(address)),
                after: count(&|_, is| is == Some(address)),
                gained: count(&|was, is| was != Some(address) && is == Some(address)),
                lost: count(&|was, is| was == Some(address) && is != Some(address)),
            };
            (address, moves)
        })
        .collect();
    let survives = |address: IpAddr| takes_part(before.1, address) && takes_part(after.1, address);
    let nobody = count(&|was, _| was.is_none()).saturating_sub(count(&|_, is| is.is_none()));
    Disruption {
        moved: moved_naively(before, after),
        between_survivors: count(&|was, is| was != is && was.is_some_and(survives) && is.is_some_and(survives)),
        least: servers.values().map(|moves| moves.before.saturating_sub(moves.after)).sum::<u32>() + nobody,
        servers,
    }
}

#[test]
fn a_cut_moves_what_the_server_had_and_a_little_more() {
    let size = TableSize::new(1024).unwrap();
    let ten = numbered(&[100; 10]);
    let nine = disruption(Side::new(size, &ten), Side::new(size, &ten[..9]));
    let gone = nine.servers[&ten[9].0];
    assert_eq!((gone.before, gone.after, gone.gained, gone.lost), (102, 0, 0, 102));
    assert_eq!(nine.least, 102);
    assert!(nine.between_survivors > 0, "{nine:?}");
    assert_eq!(nine.avoidable(), nine.between_survivors);
    // The first servers come: each bucket moves, and had to.
    let first = disruption(Side::absent(), Side::new(size, &ten));
    assert_eq!((first.moved.buckets, first.least, first.avoidable(), first.between_survivors), (1024, 1024, 0, 0));
    // A weight is halved: what goes from it to others had to go, and yet both are survivors.
    let mut halved = ten.clone();
    halved[9].1 = 50;
    let halved = disruption(Side::new(size, &ten), Side::new(size, &halved));
    assert!(halved.least > 0 && halved.between_survivors > halved.avoidable(), "{halved:?}");
    assert_eq!(halved.between_survivors, halved.moved.buckets);
}

#[test]
fn a_permutation_meets_each_bucket_once() {
    for (shift, address, replica) in [(0, "10.0.0.1", 0), (3, "10.0.0.1", 7), (10, "2001:db8::1", 99), (16, "::", 255)]
    {
        let size = TableSize::new(1 << shift).unwrap();
        let mut order: Vec<u32> = permutation(size, address.parse().unwrap(), replica).collect();
        order.sort_unstable();
        assert!(order.into_iter().eq(0..size.get()), "{address} replica {replica} over {}", size.get());
    }
}

#[test]
fn every_weight_of_a_byte_takes_as_many_turns() {
    let size = TableSize::new(1 << 16).unwrap();
    let ases = numbered(&[255, 254, 1]);
    let counts = bucket_counts(size, &ases);
    assert_eq!(counted(&Table::build(size, &ases), 3), counts);
    assert!(counts[0] > counts[1] && counts[1] > 200 * counts[2], "{counts:?}");
}

proptest! {
    #[test]
    fn disruption_is_what_a_comparison_of_whole_tables_finds(
        (shift_before, shift_after) in (0_u32..11, 0_u32..11),
        pool in prop::collection::btree_map(any::<IpAddr>(), (prop::option::of(0_u8..=100), prop::option::of(0_u8..=100)), 0..8),
        same_size in any::<bool>(),
    ) {
        let before = TableSize::new(1 << shift_before).unwrap();
        let after = if same_size { before } else { TableSize::new(1 << shift_after).unwrap() };
        let old: Vec<(IpAddr, u8)> = pool.iter().filter_map(|(address, (weight, _))| Some((*address, (*weight)?))).collect();
        let new: Vec<(IpAddr, u8)> = pool.iter().rev().filter_map(|(address, (_, weight))| Some((*address, (*weight)?))).collect();
        let there = disruption(Side::new(before, &old), Side::new(after, &new));
        prop_assert_eq!(&there, &disrupted_naively((before, &old), (after, &new)));
        prop_assert_eq!(there.moved, moved(Side::new(before, &old), Side::new(after, &new)));
        prop_assert!(there.least <= there.moved.buckets && there.between_survivors <= there.moved.buckets, "{:?}", there);
        for (address, moves) in &there.servers {
            prop_assert_eq!(moves.before + moves.gained, moves.after + moves.lost, "{}", address);
        }
    }

    /// Where servers come or go and no other weight changes, what moves between the others need not.
    #[test]
    fn what_moves_between_survivors_is_what_could_have_stayed(
        pool in prop::collection::btree_map(any::<IpAddr>(), (1_u8..=100, any::<bool>()), 1..8),
        comes in any::<bool>(),
    ) {
        let size = TableSize::new(4096).unwrap();
        let all: Vec<(IpAddr, u8)> = pool.iter().map(|(address, (weight, _))| (*address, *weight)).collect();
        let some: Vec<(IpAddr, u8)> =
            pool.iter().filter(|(_, (_, stays))| *stays).map(|(address, (weight, _))| (*address, *weight)).collect();
        prop_assume!(!some.is_empty());
        let (all, some) = (Side::new(size, &all), Side::new(size, &some));
        let change = if comes { disruption(some, all) } else { disruption(all, some) };
        prop_assert_eq!(change.avoidable(), change.between_survivors, "{:?}", change);
    }

    #[test]
    fn no_share_is_further_off_than_the_sum_of_weights_in_buckets(
        shift in 0_u32..15,
        weights in prop::collection::vec(0_u8..=255, 0..30),
    ) {
        let size = TableSize::new(1 << shift).unwrap();
        let ases = numbered(&weights);
        let shares = shares(size, &ases);
        let counts: Vec<u32> = shares.iter().map(|share| share.buckets).collect();
        prop_assert_eq!(counts, bucket_counts(size, &ases));
        let total: u32 = weights.iter().map(|&weight| u32::from(weight)).sum();
        for (share, weight) in shares.iter().zip(weights) {
            prop_assert!(share.error().abs() < f64::from(total.max(1)) / f64::from(size.get()), "{:?} of {}", share, total);
            prop_assert_eq!(share.error() == 0.0 && share.claim == 0.0, weight == 0);
        }
        if total > 0 {
            let whole: f64 = shares.iter().map(|share| share.fraction).sum();
            prop_assert!((whole - 1.0).abs() < 1e-9, "{}", whole);
        }
    }

    #[test]
    fn equal_weights_share_within_a_bucket(shift in 0_u32..13, weight in 1_u8..=255, servers in 1_usize..40) {
        let counts = bucket_counts(TableSize::new(1 << shift).unwrap(), &numbered(&vec![weight; servers]));
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{:?}", counts);
    }

    #[test]
    fn what_moves_is_what_a_comparison_of_whole_tables_finds(
        (shift_before, shift_after) in (0_u32..13, 0_u32..13),
        pool in prop::collection::btree_map(any::<IpAddr>(), (prop::option::of(0_u8..=100), prop::option::of(0_u8..=100)), 0..12),
        same_size in any::<bool>(),
    ) {
        let before = TableSize::new(1 << shift_before).unwrap();
        let after = if same_size { before } else { TableSize::new(1 << shift_after).unwrap() };
        let old: Vec<(IpAddr, u8)> = pool.iter().filter_map(|(address, (weight, _))| Some((*address, (*weight)?))).collect();
        let new: Vec<(IpAddr, u8)> = pool.iter().rev().filter_map(|(address, (_, weight))| Some((*address, (*weight)?))).collect();
        let there = moved(Side::new(before, &old), Side::new(after, &new));
        prop_assert_eq!(there, moved_naively((before, &old), (after, &new)));
        prop_assert_eq!(there, moved(Side::new(after, &new), Side::new(before, &old)));
        prop_assert!((0.0..=1.0).contains(&there.share()));
    }

    #[test]
    fn the_closed_form_counts_what_the_table_holds(
        shift in 0_u32..13,
        ases in prop::collection::btree_map(any::<IpAddr>(), any::<u8>(), 0..20),
    ) {
        let size = TableSize::new(1 << shift).unwrap();
        let ases: Vec<(IpAddr, u8)> = ases.into_iter().collect();
        let table = Table::build(size, &ases);
        prop_assert_eq!(bucket_counts(size, &ases), counted(&table, ases.len()));
    }

    #[test]
    fn the_order_of_the_list_does_not_matter(
        ases in prop::collection::btree_map(any::<IpAddr>(), 0_u8..=100, 1..12),
        turn in 0_usize..12,
    ) {
        let ases: Vec<(IpAddr, u8)> = ases.into_iter().collect();
        let mut turned = ases.clone();
        turned.rotate_left(turn % ases.len());
        let named = |ases: &[(IpAddr, u8)]| -> Vec<Option<IpAddr>> {
            Table::build(TableLength::MIN, ases).iter().map(|owner| owner.map(|at| ases[at].0)).collect()
        };
        prop_assert_eq!(named(&ases), named(&turned));
    }
}
