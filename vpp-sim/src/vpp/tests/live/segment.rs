//! The stats segment of a real VPP beside ours.

use std::mem::discriminant;
use std::os::fd::AsFd;

use vpp_stats::Segment;

use super::process::LiveVpp;
use super::{FIRST_INDEX, Identity, Interface, Vpp, live_vpp, release_of};
use crate::segment::Board;

#[tokio::test]
async fn what_both_segments_have_is_of_the_same_type_in_both() {
    let Some((program, plugins)) = live_vpp() else { return };
    let live = LiveVpp::start(&program, &plugins);
    let release = release_of(&live.connect().await).await;
    let theirs = Segment::connect(live.directory.join("stats.sock")).expect("a segment");

    let vpp = Vpp::new(Identity { release, pid: 0 }, 1, FIRST_INDEX as u32, Interface::defaults());
    let board = Board::new(&vpp, 1, 1).expect("a segment");
    let ours = Segment::from_fd(board.fd().as_fd().try_clone_to_owned().expect("a descriptor")).expect("a segment");

    let mut compared = 0;
    for name in ours.names().expect("names") {
        let value = |segment: &Segment| segment.value(&name).expect("a sound segment");
        let (Some(our), Some(their)) = (value(&ours), value(&theirs)) else { continue };
        assert_eq!(discriminant(&our), discriminant(&their), "{name}: ours {our:?}, theirs {their:?}");
        compared += 1;
    }
    // Interfaces and nodes have names of their own.
    assert!(compared > 30, "only {compared} entries are in both");
}
