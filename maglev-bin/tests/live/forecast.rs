//! Prediction equals truth, by VPP's own words.

use maglev_bin::daemon::VppDataplane;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use vpp_api::client::{Client, Options};

use crate::forecast_changes::{a_desired_state, foretold_and_seen};
use crate::support::Lab;
use crate::vpp::Vpp;

#[tokio::test]
async fn what_vpp_holds_after_each_change_was_foretold() {
    let lab = Lab::new(0);
    let Some(_vpp) = Vpp::start(&lab).await else { return };
    let client = Client::connect(lab.folder.join("api.sock"), Options::default()).await.expect("a VPP that answers");
    let mut runner = TestRunner::deterministic();
    let states = prop::collection::vec(a_desired_state(), 40).new_tree(&mut runner).expect("nothing is rejected");
    foretold_and_seen(&VppDataplane::new(client), states.current()).await;
}
