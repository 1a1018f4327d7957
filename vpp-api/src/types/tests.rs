use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::BytesMut;
use ipnet::IpNet;

use super::*;
use crate::codec::{CountedArray, Reader, Wire, Writer};
use crate::error::DecodeError;

fn encoded<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = BytesMut::new();
    value.encode(&mut Writer::new(&mut out));
    out.to_vec()
}

fn decoded<T: Wire>(bytes: &[u8]) -> T {
    T::decode(&mut Reader::new(bytes), "value").expect("good bytes")
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

#[test]
fn ipv4_stands_in_the_first_bytes_of_the_union() {
    let address = Address::from(Ipv4Addr::new(192, 0, 2, 10));
    assert_eq!(encoded(&address), [0, 192, 0, 2, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(address.ip(), IpAddr::from([192, 0, 2, 10]));
    assert_eq!(address.to_string(), "192.0.2.10");
}

#[test]
fn ipv6_fills_the_union() {
    let ip: Ipv6Addr = "2001:db8::10".parse().expect("an address");
    let address = Address::from(ip);
    assert_eq!(encoded(&address)[0], 1);
    assert_eq!(encoded(&address)[1..], ip.octets());
    assert_eq!(decoded::<Address>(&encoded(&address)).ip(), IpAddr::from(ip));
}

#[test]
fn odd_addresses_survive() {
    // An IPv4 address with something behind it, and a family nobody defined.
    for bytes in [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], [9; 17]] {
        assert_eq!(encoded(&decoded::<Address>(&bytes)), bytes);
    }
    assert_eq!(decoded::<Address>(&[9; 17]).af, AddressFamily::Unknown(9));
}

#[test]
fn prefixes_become_networks_and_back() {
    for text in ["192.0.2.10/32", "198.51.100.7/28", "0.0.0.0/0", "2001:db8::10/128", "::/0"] {
        let prefix = Prefix::from(net(text));
        assert_eq!(prefix.to_string(), text);
        assert_eq!(prefix.net(), Ok(net(text)));
    }
}

#[test]
fn a_length_beyond_the_family_is_kept_and_refused() {
    // What releases up to 26.06 send for 192.0.2.10/32.
    let mut bytes = encoded(&Prefix::from(net("192.0.2.10/32")));
    bytes[17] = 128;
    let prefix: Prefix = decoded(&bytes);
    assert_eq!(encoded(&prefix), bytes);
    assert_eq!(prefix.net(), Err(PrefixError { ip: IpAddr::from([192, 0, 2, 10]), len: 128 }));
    assert_eq!(prefix.to_string(), "192.0.2.10/128");
}

#[test]
fn a_next_hop_prints_by_what_it_holds() {
    assert_eq!(AddressUnion::from(IpAddr::from([10, 0, 0, 1])).to_string(), "10.0.0.1");
    let ip: IpAddr = "2001:db8::1".parse().expect("an address");
    assert_eq!(AddressUnion::from(ip).to_string(), "2001:db8::1");
}

#[test]
fn mac_addresses_print_with_colons() {
    assert_eq!(MacAddress([0xde, 0xad, 0, 0, 0, 0x11]).to_string(), "de:ad:00:00:00:11");
}

#[test]
fn a_fixed_string_ends_at_its_nul() {
    let mut raw = *b"vpe\0garbage\xff";
    let text = FixedString::<12>::from_raw(raw);
    assert_eq!(text.as_bytes(), b"vpe");
    assert_eq!(text.to_str_lossy(), "vpe");
    assert_eq!(encoded(&text), raw, "what is behind the NUL is kept");
    raw.fill(b'x');
    assert_eq!(FixedString::from_raw(raw).as_bytes(), b"xxxxxxxxxxxx", "without a NUL everything counts");
    assert_eq!(FixedString::from_raw([0xff, 0]).to_str_lossy(), "\u{fffd}");
}

#[test]
fn a_fixed_string_keeps_room_for_its_nul() {
    assert_eq!(FixedString::<4>::try_from("abc").map(|text| *text.raw()), Ok(*b"abc\0"));
    assert_eq!(FixedString::<4>::try_from("abcd"), Err(TooLong { text: "abcd".to_owned(), max: 3 }));
    assert!(FixedString::<4>::try_from("a\0").is_err());
    assert_eq!(*FixedString::<4>::clipped("abcdef").raw(), *b"abc\0");
    assert_eq!(*FixedString::<4>::clipped("ab\u{e9}").raw(), *b"ab\0\0", "cut at a character");
    assert_eq!(*FixedString::<4>::clipped("a\0b").raw(), *b"a\0\0\0");
    assert_eq!(FixedString::<0>::clipped("a").as_bytes(), b"");
}

#[test]
fn text_has_its_length_in_front() {
    let text = Text::from("show lb");
    assert_eq!(encoded(&text), b"\0\0\0\x07show lb");
    assert_eq!(decoded::<Text>(&encoded(&text)).into_string(), "show lb");
    assert_eq!(Text::from(vec![0xff]).into_string(), "\u{fffd}");
}

#[test]
fn a_text_cannot_run_past_its_body() {
    let outcome = Text::decode(&mut Reader::new(&[0xff, 0xff, 0xff, 0xff, b'x']), "cmd");
    assert_eq!(outcome, Err(DecodeError::Short { wanted: "cmd", need: 0xffff_ffff, left: 1 }));
}

#[test]
fn a_count_buys_memory_only_for_what_is_there() {
    let outcome = Counted::<u64, u32>::decode(u32::MAX, &mut Reader::new(&[0, 0]), "rows");
    assert_eq!(outcome, Err(DecodeError::Short { wanted: "rows", need: 0xffff_ffff * 8, left: 2 }));
}

#[test]
fn an_array_is_never_longer_than_its_count_can_say() {
    let rows = Counted::<u8, u8>::try_from(vec![1; 255]).expect("255 fit a byte");
    assert_eq!(rows.count(), 255);
    assert_eq!(Counted::<u8, u8>::try_from(vec![1; 256]), Err(TooMany { len: 256, max: 255 }));
}

#[test]
fn enumerations_keep_what_they_do_not_know() {
    for value in 0..=5_u32 {
        assert_eq!(encoded(&Encap::from(value)), value.to_be_bytes());
    }
    assert_eq!(decoded::<Encap>(&[0, 0, 0, 4]), Encap::Nat6);
    assert_eq!(decoded::<Encap>(&[0, 0, 0, 5]), Encap::Unknown(5));
    assert_eq!(encoded(&Encap::Unknown(0xffff_ffff)), [0xff; 4]);
}

#[test]
fn srv_type_stands_where_vpp_looks_for_it() {
    // VPP keeps the first byte of the four: a big-endian 1 would be ClusterIp to it.
    assert_eq!(encoded(&SrvType::NodePort), [1, 0, 0, 0]);
    assert_eq!(decoded::<SrvType>(&[1, 0, 0, 0]), SrvType::NodePort);
    assert_eq!(decoded::<SrvType>(&[0, 0, 0, 1]), SrvType::Unknown(0x0100_0000));
}

#[test]
fn time_is_a_little_endian_f64() {
    let time = Timestamp::from_secs(1.5);
    assert_eq!(encoded(&time), 1.5_f64.to_le_bytes());
    assert_eq!(decoded::<Timestamp>(&encoded(&time)).secs(), 1.5);
    let nan = Timestamp::from_secs(f64::NAN);
    assert_eq!(decoded::<Timestamp>(&encoded(&nan)), nan, "compared by bits");
}

#[test]
fn result_codes_say_what_vpp_says() {
    assert_eq!(Retval::VALUE_EXIST.to_string(), "-81 VALUE_EXIST (Value already exists)");
    assert_eq!(Retval(-15).to_string(), "-15 SYSCALL_ERROR_5 (System call error #5)");
    assert_eq!(Retval(-9999).to_string(), "-9999");
    assert_eq!(Retval(-70).name(), Some("INVALID_MEMORY_SIZE"));
    assert_eq!(Retval(-6).text(), Some("No such entry"));
    assert!(Retval::OK.is_ok() && Retval(1).is_ok() && !Retval(-1).is_ok());
}

#[cfg(feature = "serde")]
#[test]
fn json_has_addresses_as_text_and_enumerations_as_numbers() {
    let json = |value: &dyn erased::Json| value.json();
    assert_eq!(json(&Prefix::from(net("192.0.2.1/32"))), "\"192.0.2.1/32\"");
    assert_eq!(json(&Address::from(Ipv4Addr::LOCALHOST)), "\"127.0.0.1\"");
    assert_eq!(json(&MacAddress([1; 6])), "\"01:01:01:01:01:01\"");
    assert_eq!(json(&Encap::Gre6), "1");
    assert_eq!(json(&SrvType::NodePort), "1");
    assert_eq!(json(&IpProto::TCP), "6");
    assert_eq!(json(&InterfaceIndex::NONE), "4294967295");
    assert_eq!(json(&FixedString::<8>::clipped("tag")), "\"tag\"");
    assert_eq!(json(&Text::from("a\n")), "\"a\\n\"");
    assert_eq!(json(&Timestamp::from_secs(1.5)), "1.5");
    assert_eq!(json(&Retval(-1)), "-1");
}

#[cfg(feature = "serde")]
mod erased {
    pub(super) trait Json {
        fn json(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).expect("plain data")
        }
    }
}
