//! Prediction equals truth: what a forecast says of buckets is what VPP's own words say afterwards. Here over the simulator; the live
//! tests do the same with a VPP.

mod changes;
#[allow(dead_code, reason = "some of it is for the live tests")]
#[path = "../live/text.rs"]
mod text;

use std::sync::atomic::{AtomicU32, Ordering};

use maglev_bin::daemon::VppDataplane;
use proptest::prelude::*;
use vpp_api::client::{Client, Options};
use vpp_sim::{Release, Simulator};

use crate::changes::{a_desired_state, foretold_and_seen};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_the_simulator_holds_after_each_change_was_foretold(
        states in prop::collection::vec(a_desired_state(), 1..8),
        release in prop::sample::select(Release::ALL.to_vec()),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            static FOLDERS: AtomicU32 = AtomicU32::new(0);
            let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
            let folder = std::env::temp_dir().join(format!("maglev-forecast-{}-{number}", std::process::id()));
            let options = vpp_sim::Options {
                api_socket: folder.join("api.sock"),
                stats_socket: folder.join("stats.sock"),
                release,
                ..vpp_sim::Options::default()
            };
            let simulator = Simulator::start(options).expect("sockets in a folder of its own");
            let client = Client::connect(simulator.api_path(), Options::default()).await.expect("the simulator");
            foretold_and_seen(&VppDataplane::new(client), states).await;
            assert_eq!(simulator.crashes(), 0);
            drop(simulator);
            std::fs::remove_dir_all(folder).expect("the folder of this case");
        });
    }
}
