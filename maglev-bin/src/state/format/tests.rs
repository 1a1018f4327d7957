use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// Every field of every list, as it is written.
const EXAMPLE: &str = r#"{
  "version": 1,
  "backends": [
    {
      "backend": "web0",
      "action": "disable",
      "time": "2026-11-26T22:55:44.25Z",
      "who": "uid:0",
      "reason": "disk swap"
    }
  ],
  "weights": [
    {
      "frontend": "web",
      "pool": "primary",
      "backend": "web1",
      "weight": 50,
      "time": "2026-11-26T23:00:00Z",
      "who": "cert:ops",
      "reason": ""
    }
  ],
  "vips": [
    {
      "prefix": "192.0.2.1/32",
      "protocol": "tcp",
      "port": 80
    },
    {
      "prefix": "2001:db8::/64",
      "protocol": "any",
      "port": 0
    }
  ]
}
"#;

fn example() -> State {
    let note = |time: &str, who: &str, reason: &str| Note {
        time: time.parse().unwrap(),
        who: who.into(),
        reason: reason.into(),
    };
    let member = MemberKey { frontend: "web".into(), pool: "primary".into(), backend: "web1".into() };
    let swap = note("2026-11-26T22:55:44.25Z", "uid:0", "disk swap");
    let half = Noted { value: Weight::new(50).unwrap(), note: note("2026-11-26T23:00:00Z", "cert:ops", "") };
    State {
        backends: BTreeMap::from([("web0".into(), Noted { value: BackendOverride::Disabled, note: swap })]),
        weights: BTreeMap::from([(member, half)]),
        vips: BTreeSet::from([
            VipKey::host([192, 0, 2, 1].into(), Protocol::TCP, 80),
            VipKey::new("2001:db8::/64".parse().unwrap(), Protocol::ANY, 0),
        ]),
    }
}

#[test]
fn the_file_reads_as_people_expect_it() {
    assert_eq!(String::from_utf8(example().to_json()).unwrap(), EXAMPLE);
    assert_eq!(State::from_json(EXAMPLE.as_bytes()).unwrap(), example());
}

#[test]
fn actions_are_the_words_that_operators_use() {
    for value in [BackendOverride::Paused, BackendOverride::Disabled, BackendOverride::Enabled] {
        let mut state = example();
        state.backends.values_mut().for_each(|noted| noted.value = value);
        let wanted = format!("\"action\": \"{}\"", value.as_str());
        assert!(String::from_utf8(state.to_json()).unwrap().contains(&wanted), "{wanted}");
    }
}

#[rstest]
#[case::version(
    r#""version": 1"#,
    r#""version": 2, "zones": []"#,
    "its version is 2, and this release reads version 1"
)]
#[case::no_version(r#""version": 1,"#, "", "missing field `version` at line")]
#[case::unknown_field(r#""version": 1"#, r#""version": 1, "zones": []"#, "zones: unknown field `zones`")]
#[case::missing_list(r#""vips": ["#, r#""vip": ["#, "vip: unknown field `vip`")]
#[case::missing_field("\"weight\": 50,\n", "\n", "weights[0]: missing field `weight` at line 21")]
#[case::weight(
    r#""weight": 50"#,
    r#""weight": 101"#,
    "weights[0].weight: weight 101 is not between 0 and 100 at line 17"
)]
#[case::negative(r#""weight": 50"#, r#""weight": -1"#, "weights[0].weight: invalid value")]
#[case::fraction(r#""weight": 50"#, r#""weight": 50.5"#, "weights[0].weight: invalid type")]
#[case::action(r#""disable""#, r#""stop""#, "backends[0].action: unknown variant `stop`")]
#[case::time("22:55:44.25Z", "22:75:44Z", "backends[0].time: ")]
#[case::host_bits("192.0.2.1/32", "192.0.2.1/24", "vips[0]: prefix 192.0.2.1/24 has host bits")]
#[case::prefix("192.0.2.1/32", "192.0.2.1/33", "vips[0].prefix: ")]
#[case::protocol(r#""tcp""#, r#""sctp""#, r#"vips[0]: there is no protocol "sctp""#)]
#[case::protocol_number(r#""tcp""#, r#""6""#, r#"protocol "6" with port 80 is to be spelt "tcp""#)]
#[case::padded(r#""tcp""#, r#""0132""#, r#"protocol "0132" with port 80 is to be spelt "132""#)]
#[case::port_of_any(r#""any""#, r#""udp""#, r#"protocol "udp" with port 0 is to be spelt "any""#)]
#[case::port(r#""port": 80"#, r#""port": 65536"#, "vips[0].port: invalid value")]
#[case::no_json(r#""version": 1,"#, r#""version": 1"#, "it is no state file: ")]
#[case::nul("{\n  \"version\"", "{\0  \"version\"", "it is no state file: ")]
#[case::behind("]\n}\n", "]\n}\n{}", "it is no state file: trailing characters at line 36")]
fn what_is_wrong_is_refused_with_its_place(#[case] good: &str, #[case] bad: &str, #[case] wanted: &str) {
    let text = EXAMPLE.replacen(good, bad, 1);
    assert_ne!(text, EXAMPLE, "the case changes nothing");
    let error = State::from_json(text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains(wanted), "{error}");
}

#[rstest]
#[case(["backends", "weights"], "backends[1]: backend web0 stands there a second time")]
#[case(["weights", "vips"], "weights[1]: frontend web pool primary backend web1 stands there a second time")]
fn an_entry_that_stands_there_twice_is_refused(#[case] lists: [&str; 2], #[case] wanted: &str) {
    let [from, to] = lists.map(|list| EXAMPLE.find(&format!("\"{list}\"")).unwrap());
    let list = &EXAMPLE[from..to];
    let entry = &list[list.find('{').unwrap()..=list.rfind('}').unwrap()];
    let text = EXAMPLE.replacen(entry, &format!("{entry}, {entry}"), 1);
    assert_eq!(State::from_json(text.as_bytes()).unwrap_err().to_string(), wanted);
}

#[test]
fn a_vip_that_stands_there_twice_is_refused() {
    let text =
        EXAMPLE.replacen("2001:db8::/64", "192.0.2.1/32", 1).replacen("any", "tcp", 1).replacen(": 0", ": 80", 1);
    let error = State::from_json(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "vips[1]: VIP 192.0.2.1 tcp/80 stands there a second time");
}

#[test]
fn bytes_that_are_no_text_and_texts_that_are_too_deep_or_too_long_are_refused() {
    let deep = |open: &str| open.repeat(200_000).into_bytes();
    let in_a_field = [br#"{"version": 1, "backends": "#.to_vec(), deep("[")].concat();
    let in_an_unknown_one = [br#"{"version": 1, "zones": "#.to_vec(), deep("{\"a\":")].concat();
    let hostile = [
        vec![],
        vec![0; 4_096],
        vec![0xff; 4_096],
        br#"{"version": 1, "back"#.to_vec(),
        deep("["),
        in_a_field,
        in_an_unknown_one,
    ];
    for text in hostile {
        State::from_json(&text).unwrap_err();
    }
    let mut not_utf8 = EXAMPLE.as_bytes().to_vec();
    not_utf8[EXAMPLE.find("swap").unwrap()] = 0xff;
    let error = State::from_json(&not_utf8).unwrap_err().to_string();
    assert!(error.starts_with("backends[0].reason: invalid unicode code point at line 9"), "{error}");
    let too_long = vec![b' '; CAP + 1];
    assert!(matches!(State::from_json(&too_long), Err(FormatError::TooLong)));
}

#[test]
fn a_text_that_was_cut_is_never_taken_for_a_whole_one() {
    for length in 0..EXAMPLE.len() - 1 {
        State::from_json(&EXAMPLE.as_bytes()[..length]).unwrap_err();
    }
}

fn note() -> impl Strategy<Value = Note> {
    let time = (Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(), 0..1_000_000_000_i32);
    let time = time.prop_filter_map("jiff's range ends at a whole second", |(s, ns)| Timestamp::new(s, ns).ok());
    (time, any::<String>(), any::<String>()).prop_map(|(time, who, reason)| Note {
        time,
        who: who.into(),
        reason: reason.into(),
    })
}

fn name() -> impl Strategy<Value = Text> {
    any::<String>().prop_map(Text::from)
}

fn noted<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Noted<T>> {
    (value, note()).prop_map(|(value, note)| Noted { value, note })
}

fn vip() -> impl Strategy<Value = VipKey> {
    (any::<std::net::IpAddr>(), any::<u8>(), any::<u8>(), any::<u16>()).prop_map(|(address, length, protocol, port)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = IpNet::new(address, length % (most + 1)).expect("a length of its family");
        VipKey::new(prefix, Protocol::new(protocol), port)
    })
}

fn state() -> impl Strategy<Value = State> {
    let action =
        prop::sample::select(vec![BackendOverride::Paused, BackendOverride::Disabled, BackendOverride::Enabled]);
    let weight = (0..=100_u8).prop_map(|weight| Weight::new(weight).expect("at most 100"));
    let member = (name(), name(), name()).prop_map(|(frontend, pool, backend)| MemberKey { frontend, pool, backend });
    (btree_map(name(), noted(action), 0..8), btree_map(member, noted(weight), 0..8), btree_set(vip(), 0..8))
        .prop_map(|(backends, weights, vips)| State { backends, weights, vips })
}

proptest! {
    #[test]
    fn what_was_written_reads_back_the_same(state in state()) {
        let text = state.to_json();
        prop_assert_eq!(&State::from_json(&text).unwrap(), &state);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>()) {
        let _ = State::from_json(&bytes);
        let mut text = example().to_json();
        let at = at.index(text.len());
        text.splice(at..at, bytes);
        let _ = State::from_json(&text);
    }
}
