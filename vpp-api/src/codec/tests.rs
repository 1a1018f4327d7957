use super::*;

fn encoded<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = BytesMut::new();
    value.encode(&mut Writer::new(&mut out));
    out.to_vec()
}

#[test]
fn numbers_are_big_endian() {
    assert_eq!(encoded(&0x0102_u16), [1, 2]);
    assert_eq!(encoded(&0x0102_0304_u32), [1, 2, 3, 4]);
    assert_eq!(encoded(&0x0102_0304_0506_0708_u64), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(encoded(&-81_i32), [0xff, 0xff, 0xff, 0xaf]);
    assert_eq!(i32::decode(&mut Reader::new(&[0xff, 0xff, 0xff, 0xaf]), "n"), Ok(-81));
}

#[test]
fn host_order_is_little_endian() {
    // 8080 arrives as 90 1f in lb_vip_details.target_port.
    assert_eq!(<HostOrder as Adapter<u16>>::decode(&mut Reader::new(&[0x90, 0x1f]), "port"), Ok(8080));
    let mut out = BytesMut::new();
    <HostOrder as Adapter<u32>>::encode(&0x0102_0304, &mut Writer::new(&mut out));
    assert_eq!(out[..], [4, 3, 2, 1]);
}

#[test]
fn any_byte_but_0_is_true() {
    for byte in 0..=u8::MAX {
        assert_eq!(bool::decode(&mut Reader::new(&[byte]), "flag"), Ok(byte != 0));
    }
    assert_eq!(encoded(&true), [1]);
    assert_eq!(encoded(&false), [0]);
}

#[test]
fn a_short_read_names_the_field_and_consumes_nothing() {
    let mut reader = Reader::new(&[1, 2, 3]);
    let short = DecodeError::Short { wanted: "context", need: 4, left: 3 };
    assert_eq!(u32::decode(&mut reader, "context"), Err(short.clone()));
    assert_eq!(short.to_string(), "body ends inside `context`: 4 bytes needed, 3 left");
    assert_eq!(reader.take("name", 3), Ok(&[1, 2, 3][..]));
}

#[test]
fn leftovers_are_an_error() {
    let mut reader = Reader::new(&[1, 2, 3]);
    assert_eq!(reader.take("one", 1), Ok(&[1][..]));
    assert_eq!(reader.left(), 2);
    assert_eq!(reader.finish(), Err(DecodeError::Leftover { count: 2 }));
    assert_eq!(Reader::new(&[]).finish(), Ok(()));
}

#[test]
fn arrays_have_nothing_between_their_elements() {
    assert_eq!(encoded(&[1_u32, 2]), [0, 0, 0, 1, 0, 0, 0, 2]);
    assert_eq!(<[u16; 2]>::decode(&mut Reader::new(&[0, 1, 0, 2]), "mtu"), Ok([1, 2]));
    assert_eq!(<[u16; 3] as Wire>::MIN, 6);
}

#[test]
fn raw_identifiers_lose_their_mark() {
    assert_eq!(field_name("r#type"), "type");
    assert_eq!(field_name("r"), "r");
    assert_eq!(field_name("retval"), "retval");
}
