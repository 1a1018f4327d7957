//! FD.io's own Python serializer reads what this crate writes, by the definitions that this crate exports.

#[path = "../support/arbitrary.rs"]
mod arbitrary;
#[path = "../../../vpp-sim/tests/python/mod.rs"]
mod python;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use arbitrary::Source;
use bytes::BytesMut;
use python::Python;
use serde_json::Value;
use vpp_api::message::{Envelope, Message, encode_body};
use vpp_api::messages::{Visitor, visit_all};
use vpp_api::schema::{Array, Field, Number, Order, Type, export, export_array, prefix};

static PYTHON: Python = Python {
    name: "vpp-papi",
    oldest: (3, 8),
    packages: &["vpp-papi==2.4.2"],
    modules: "vpp_papi.vpp_papi",
    required_by: "MAGLEV_REQUIRE_PAPI",
    interpreter: OnceLock::new(),
};
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/papi/roundtrip.py");
const VALUES_PER_MESSAGE: usize = 40;

#[test]
fn the_python_serializer_reads_every_message_by_our_definitions_and_writes_the_same_bytes() {
    if !PYTHON.is_here() {
        return;
    }
    let mut written = Written { bodies: String::new(), fields: Vec::new(), source: Source::new(noise()) };
    visit_all(&mut written);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (definitions, bodies) = (folder.join("exported.api.json"), folder.join("bodies.txt"));
    std::fs::write(&definitions, export_array(&export())).expect("the target folder can be written");
    std::fs::write(&bodies, &written.bodies).expect("the target folder can be written");

    let output = PYTHON.run(SCRIPT, &[&definitions, &bodies]);
    let mut compared = 0;
    assert_eq!(output.lines().count(), written.fields.len());
    for (line, (name, fields, body)) in output.lines().zip(&written.fields) {
        let read: Value = serde_json::from_str(line).expect("JSON");
        let mut rest = &body[..];
        compared += check(name, fields, &read, &mut rest);
        assert_eq!(rest, [0; 0], "{name}");
    }
    assert!(compared > 10_000, "only {compared} numbers and texts were compared");
}

/// Bodies of every message; of each the fields, and their bytes.
struct Written {
    bodies: String,
    fields: Vec<(&'static str, &'static [Field], Vec<u8>)>,
    source: Source,
}

impl Visitor for Written {
    fn visit<M: Message>(&mut self) {
        for _ in 0..VALUES_PER_MESSAGE {
            let message = arbitrary::message::<M>(&mut self.source);
            let mut body = BytesMut::new();
            encode_body(1, Envelope { client_index: 2, context: 3 }, &message, &mut body);
            let _ = writeln!(self.bodies, "{} {body:x}", M::NAME);
            let front = 2 + 4 * prefix(M::KIND).len();
            self.fields.push((M::NAME, M::FIELDS, body[front..].to_vec()));
        }
    }
}

/// Compares what Python read with the bytes that were written, field by field. Returns how many were compared.
fn check(path: &str, fields: &[Field], read: &Value, rest: &mut &[u8]) -> usize {
    let mut compared = 0;
    for field in fields {
        let path = format!("{path}.{}", field.name);
        let read = &read[field.name];
        match (field.shape.ty, field.shape.array) {
            (Type::String, array) => {
                let len = match array {
                    Array::Fixed(len) => len,
                    _ => usize::try_from(u32::from_be_bytes(take(rest, 4).try_into().expect("four"))).expect("short"),
                };
                let text = take(rest, len).split(|byte| *byte == 0).next().unwrap_or_default();
                assert_eq!(read.as_str().map(str::as_bytes), Some(text), "{path}");
                compared += 1;
            }
            (ty, Array::No) => compared += check_one(&path, ty, field.order, read, rest),
            (ty, _) => {
                let items = read.as_array().unwrap_or_else(|| panic!("{path} is {read}"));
                compared += items.iter().map(|item| check_one(&path, ty, field.order, item, rest)).sum::<usize>();
            }
        }
    }
    compared
}

fn check_one(path: &str, ty: &Type, order: Order, read: &Value, rest: &mut &[u8]) -> usize {
    match ty {
        Type::Number(number) | Type::Enum { base: number, .. } => {
            let bytes = take(rest, number.width());
            match number {
                Number::F64 => {
                    let ours = f64::from_le_bytes(bytes.try_into().expect("eight"));
                    assert_eq!(read.as_f64(), Some(ours), "{path}");
                }
                Number::Bool => assert_eq!(read.as_bool(), Some(bytes != [0]), "{path}"),
                Number::I8 | Number::I16 | Number::I32 | Number::I64 => {
                    let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
                    let ours = bytes.iter().fold(sign, |sum: i64, byte| sum << 8 | i64::from(*byte));
                    assert_eq!(read.as_i64(), Some(ours), "{path}");
                }
                // A field in the order of the host too: the definition does not say so, and Python believes it.
                _ => {
                    let ours = bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
                    assert_eq!(read.as_u64(), Some(ours), "{path} {order:?}");
                }
            }
            1
        }
        Type::Struct { fields, .. } => check(path, fields, read, rest),
        Type::Union { arms, .. } => {
            // Python keeps the longest arm.
            let (name, value) = read.as_object().and_then(|arms| arms.iter().next()).expect("an arm");
            let arm = arms.iter().find(|arm| arm.name == name).expect("one of ours");
            check_one(path, arm.shape.ty, order, value, rest)
        }
        Type::Alias { of, .. } => match (of.array, read) {
            (Array::No, _) => check_one(path, of.ty, order, read, rest),
            (_, Value::Array(items)) => items.iter().map(|item| check_one(path, of.ty, order, item, rest)).sum(),
            other => panic!("{path} is {other:?}"),
        },
        other => panic!("{path} is {other:?}"),
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, behind) = rest.split_at(count);
    *rest = behind;
    taken
}

/// Bytes that repeat themselves only after a long time, the same in every run.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(60_013).collect()
}
