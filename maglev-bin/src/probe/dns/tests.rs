use proptest::prelude::*;

use super::*;

#[path = "../../../tests/fuzzed/dns.rs"]
mod fuzzed;

fn query(name: &str, kind: u16) -> Query {
    Query { name: name.parse().unwrap(), kind: RecordType::new(kind), recurse: true }
}

/// `www.example.com`, type A, as `dig` sends it without EDNS.
const QUERY: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01";

/// Its answer: one record, 192.0.2.1.
const ANSWER: &[u8] = b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01\
                        \xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01";

const GOOD: Answer = Answer::Given { rcode: Rcode::NOERROR, answers: 1, truncated: false };

#[test]
fn a_query_goes_out_as_others_write_it() {
    assert_eq!(query("WWW.example.com.", 1).encode(0x1234), QUERY);
    let root = Query { recurse: false, ..query(".", 2) };
    assert_eq!(root.encode(1), b"\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01");
}

#[test]
fn an_answer_is_read() {
    let query = query("www.example.com", 1);
    assert_eq!(query.judge(0x1234, ANSWER), GOOD);
    assert_eq!(query.judge(0x1235, ANSWER), Answer::Foreign);
    let changed = |at: usize, byte: u8| {
        let mut message = ANSWER.to_vec();
        message[at] = byte;
        query.judge(0x1234, &message)
    };
    assert_eq!(changed(13, b'W'), GOOD, "either case");
    assert_eq!(changed(2, 0x83), Answer::Given { rcode: Rcode::NOERROR, answers: 1, truncated: true });
    assert_eq!(changed(3, 0x82), Answer::Given { rcode: Rcode(2), answers: 1, truncated: false });
    assert_eq!(changed(2, 0x01), Answer::Broken("a query in place of an answer"));
    assert_eq!(changed(2, 0xa1), Answer::Broken("another kind of message"));
    for (at, byte) in [(5, 0), (5, 2), (13, b'v'), (30, 28), (32, 3), (12, 0xc0)] {
        assert_eq!(changed(at, byte), Answer::Broken("an answer to another question"), "{at}");
    }
    assert_eq!(query.judge(0x1234, &ANSWER[..11]), Answer::Broken("too short"));
    assert_eq!(query.judge(0x1234, &ANSWER[..32]), Answer::Broken("an answer to another question"));
}

#[test]
fn a_refusal_may_leave_the_question_out() {
    let query = query("www.example.com", 1);
    let refused = |rcode: u8| query.judge(7, &[0, 7, 0x80, rcode, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(refused(5), Answer::Given { rcode: Rcode(5), answers: 0, truncated: false });
    assert_eq!(refused(0), Answer::Broken("an answer to another question"));
}

#[test]
fn names_are_what_the_wire_can_carry() {
    let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
    for good in ["a", ".", "_sip._tcp.example.com", "1.2.0.192.in-addr.arpa", longest.as_str()] {
        let name: DnsName = good.parse().unwrap();
        assert_eq!(name.to_string().trim_end_matches('.'), good.trim_end_matches('.'));
    }
    for (bad, error) in [
        ("", DnsNameError::Empty),
        ("..", DnsNameError::Empty),
        ("a..b", DnsNameError::Empty),
        (".a", DnsNameError::Empty),
        ("a b", DnsNameError::Character),
        ("ä", DnsNameError::Character),
        (&"a".repeat(64), DnsNameError::Label),
        (&format!("{longest}b"), DnsNameError::Long),
    ] {
        assert_eq!(bad.parse::<DnsName>(), Err(error), "{bad}");
    }
}

#[test]
fn codes_have_names() {
    assert_eq!(Rcode::new(3).map(|code| code.to_string()).as_deref(), Some("NXDOMAIN"));
    assert_eq!(Rcode::new(15).map(|code| code.to_string()).as_deref(), Some("RCODE15"));
    assert_eq!(Rcode::new(16), None);
}

#[test]
fn the_corpus_of_the_fuzz_target_still_holds() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/dns");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus is there") {
        fuzzed::check(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0);
}

proptest! {
    #[test]
    fn what_is_said_of_an_answer_is_in_it(
        bytes: Vec<u8>,
        flags in prop::sample::select(vec![0x80_u8, 0x81, 0x83, 0x01]),
        rcode in 0..16_u8,
    ) {
        fuzzed::check(&bytes);
        let mut data = b"\x01a\0\x01".to_vec();
        data.extend([0, 7, flags, rcode, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'A', 0, 0, 1, 0, 1]);
        data.extend(bytes);
        fuzzed::check(&data);
    }

    #[test]
    fn any_bytes_are_judged(id: u16, bytes: Vec<u8>) {
        let query = query("www.example.com", 1);
        let _ = query.judge(id, &bytes);
        // What gets further than the id.
        let mut message = id.to_be_bytes().to_vec();
        message.extend(bytes);
        prop_assert_ne!(query.judge(id, &message), Answer::Foreign);
    }

    #[test]
    fn a_query_turned_into_an_answer_is_one(
        id: u16,
        name in "([a-z0-9_-]{1,20}\\.){0,6}[a-zA-Z]{1,20}\\.?",
        kind: u16,
        recurse: bool,
        rcode in 0..16u8,
        answers: u16,
        rest: Vec<u8>,
    ) {
        let query = Query { recurse, ..query(&name, kind) };
        let mut message = query.encode(id);
        message[2] |= 0x80;
        message[3] |= rcode;
        message[6..8].copy_from_slice(&answers.to_be_bytes());
        message.extend(rest);
        let expected = Answer::Given { rcode: Rcode(rcode), answers, truncated: false };
        prop_assert_eq!(query.judge(id, &message), expected);
        prop_assert_eq!(query.judge(id.wrapping_add(1), &message), Answer::Foreign);
    }

    #[test]
    fn any_text_is_a_name_or_refused(name in "\\PC{0,300}") {
        if let Ok(read) = name.parse::<DnsName>() {
            prop_assert_eq!(read.to_string().parse::<DnsName>(), Ok(read));
        }
    }
}
