use super::*;
use crate::messages::lb::{LbAsV2Dump, LbConfGet};

fn table() -> MessageTable {
    [(91, "lb_conf_get_51077d14"), (109, "lb_as_v2_dump_00000000"), (7, "oddly-named")].into_iter().collect()
}

#[test]
fn names_are_found_both_ways() {
    assert_eq!(table().id("lb_conf_get_51077d14"), Some(91));
    assert_eq!(table().name(91), Some("lb_conf_get_51077d14"));
    assert_eq!(table().id("lb_conf_get"), None);
    assert_eq!(table().name(1), None);
    assert_eq!(table().len(), 3);
    assert!(!table().is_empty());
    assert_eq!(table().id_of::<LbConfGet>(), Ok(91));
}

#[test]
fn anby_name_is_told_from_no_message_at_all() {
    let other = table().id_of::<LbAsV2Dump>().expect_err("another layout");
    assert_eq!(other.other.as_deref(), Some("lb_as_v2_dump_00000000"));
    assert_eq!(
        other.to_string(),
        "VPP has no message lb_as_v2_dump_1063f819, only lb_as_v2_dump_00000000, whose layout differs"
    );
    let none = MessageTable::default().id_of::<LbAsV2Dump>().expect_err("nothing there");
    assert_eq!(none.to_string(), "VPP has no message lb_as_v2_dump_1063f819");
}
