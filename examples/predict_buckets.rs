//! Says how VPP will share a VIP's new flows, without a VPP: bucket counts for a few table lengths, and the length that is long enough.
//!
//! `cargo run -p maglev-examples --example predict_buckets`

use std::net::IpAddr;

use maglev_sync::table::{TableSize, auto_length, bucket_counts};

fn main() {
    // Ten strong servers and ten half as strong.
    let servers: Vec<(IpAddr, u8)> =
        (1..=20).map(|last| (IpAddr::from([10, 0, 0, last]), if last <= 10 { 100 } else { 50 })).collect();
    for length in [1_024, 4_096, 16_384] {
        let Some(size) = TableSize::new(length) else { continue };
        let counts = bucket_counts(size, &servers);
        println!("{length:>6} buckets: {} for a weight of 100, {} for a weight of 50", counts[0], counts[19]);
    }
    let auto = auto_length(&servers);
    println!("the shortest table within 10 % of every share has {} buckets", auto.length);
}
