use super::checksum::Crc;
use super::*;
use crate::messages::lb::{LbConf, LbVipDetails};

#[test]
fn the_checksum_is_that_of_zlib() {
    let sum = |text: &str| {
        let mut crc = Crc::default();
        crc.text(text);
        crc.sum()
    };
    assert_eq!(sum("123456789"), 0xcbf4_3926);
    assert_eq!(sum("[['u32', 'client_index'], ['u32', 'context']]"), 0x5107_7d14);
}

#[test]
fn a_crc_covers_the_types_of_fields_and_theirs() {
    assert_eq!(crc::<LbConf>(), 0x56cd_3261);
    assert_eq!(crc::<LbVipDetails>(), 0x1329_ec9b);
}

#[test]
fn text_is_quoted_as_json_has_it() {
    let module = Module::new("a\"b\\c\n", "1.0.0");
    assert!(module.to_json().starts_with("{\n    \"module\": \"a\\\"b\\\\c\\u000a\",\n    \"types\": [],\n"));
}

#[test]
fn an_array_of_modules_holds_each() {
    let array = export_array(&export());
    assert!(array.starts_with("[\n    {\n        \"module\": \"memclnt\""));
    assert_eq!(array.matches("\"module\":").count(), 6);
}

#[test]
fn messages_that_are_left_out_take_their_types_along() {
    let mut module = Module::new("lb", "1.2.0");
    crate::messages::lb::visit(&mut module);
    module.retain(|name_crc| name_crc == "lb_conf_get_51077d14");
    assert_eq!(module.message_count(), 1);
    let json = module.to_json();
    assert!(json.contains("\"lb_conf_get\"") && !json.contains("lb_encap_type"), "{json}");
}

#[test]
fn a_shape_knows_the_number_it_is_encoded_as() {
    use crate::codec::Wire;
    use crate::types::{Address, Encap, InterfaceIndex, Timestamp};

    assert_eq!(Encap::SHAPE.number(), Some(Number::U32));
    assert_eq!(InterfaceIndex::SHAPE.number(), Some(Number::U32));
    assert_eq!(Timestamp::SHAPE.number(), Some(Number::F64));
    assert_eq!((Address::SHAPE.number(), <[u8; 4]>::SHAPE.number()), (None, None));
}

#[test]
fn defaults_are_spelled_plainly() {
    for good in ["0", "-2", "1.5", "true", "false", "4294967295"] {
        assert!(is_plain(good), "{good}");
    }
    for bad in ["", "-", "0xff", "1_000", "255u8", "yes"] {
        assert!(!is_plain(bad), "{bad}");
    }
}
