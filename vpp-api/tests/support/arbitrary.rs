//! Any value of any message, from what its declaration says of it.
//!
//! Shared by unit tests and integration tests, which see this file as a module of theirs.

use vpp_api::codec::Reader;
use vpp_api::message::Message;
use vpp_api::schema::{Array, Field, Number, Order, Shape, Type};

/// Bytes to make values of: what a property test drew, over and over.
pub(crate) struct Source {
    drawn: Vec<u8>,
    at: usize,
}

impl Source {
    pub(crate) fn new(drawn: Vec<u8>) -> Self {
        Self { drawn, at: 0 }
    }

    fn byte(&mut self) -> u8 {
        let byte = self.drawn.get(self.at).copied().unwrap_or_default();
        self.at = (self.at + 1) % self.drawn.len().max(1);
        byte
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }
}

/// Any value of `M`.
pub(crate) fn message<M: Message>(source: &mut Source) -> M {
    let mut bytes = Vec::new();
    put_fields(M::FIELDS, source, &mut bytes);
    M::decode(&mut Reader::new(&bytes)).unwrap_or_else(|error| {
        panic!("{} describes itself in another way than it decodes: {error}", M::NAME);
    })
}

fn put_fields(fields: &[Field], source: &mut Source, out: &mut Vec<u8>) {
    let is_count =
        |name| fields.iter().any(|field| matches!(field.shape.array, Array::Counted(count) if count == name));
    let mut counts = Vec::new();
    for field in fields {
        if is_count(field.name) {
            let count = source.below(4);
            counts.push((field.name, count));
            let len = field.shape.number().expect("a count is a number").width();
            let host = field.order == Order::Host;
            out.extend((1..=len).map(|at| if at == if host { 1 } else { len } { count } else { 0 }));
            continue;
        }
        match field.shape.array {
            Array::Counted(name) => {
                let (_, count) = counts.iter().find(|(known, _)| *known == name).expect("the count comes first");
                (0..*count).for_each(|_| put_one(field.shape.ty, source, out));
            }
            _ => put(field.shape, source, out),
        }
    }
}

fn put(shape: Shape, source: &mut Source, out: &mut Vec<u8>) {
    match (shape.ty, shape.array) {
        (Type::String, Array::Fixed(len)) => {
            let text = usize::from(source.below(u8::MAX)) % len;
            (0..len).for_each(|at| out.push(if at < text { letter(source) } else { 0 }));
        }
        (Type::String, _) => {
            let len = source.below(40);
            out.extend(u32::from(len).to_be_bytes());
            (0..len).for_each(|_| out.push(letter(source)));
        }
        (ty, Array::No) => put_one(ty, source, out),
        (ty, Array::Fixed(len)) => (0..len).for_each(|_| put_one(ty, source, out)),
        (ty, _) => (0..source.below(4)).for_each(|_| put_one(ty, source, out)),
    }
}

fn put_one(ty: &Type, source: &mut Source, out: &mut Vec<u8>) {
    match ty {
        // Any byte but 0 is true, and it is sent as 1.
        Type::Number(Number::Bool) => out.push(source.below(2)),
        // Numbers without a remainder: of the two kinds of NaN, Python keeps one.
        Type::Number(Number::F64) => out.extend(f64::from(source.byte()).to_le_bytes()),
        Type::Number(number) | Type::Enum { base: number, .. } => {
            (0..number.width()).for_each(|_| out.push(source.byte()))
        }
        Type::Struct { fields, .. } => put_fields(fields, source, out),
        Type::Union { arms, .. } => {
            let len = arms.iter().map(|arm| width(arm.shape)).max().unwrap_or_default();
            (0..len).for_each(|_| out.push(source.byte()));
        }
        Type::Alias { of, .. } => put(*of, source, out),
        Type::String => out.push(letter(source)),
    }
}

/// Bytes of a type of fixed length.
fn width(shape: Shape) -> usize {
    let one = match shape.ty {
        Type::Number(number) | Type::Enum { base: number, .. } => number.width(),
        Type::String => 1,
        Type::Struct { fields, .. } => fields.iter().map(|field| width(field.shape)).sum(),
        Type::Union { arms, .. } => arms.iter().map(|arm| width(arm.shape)).max().unwrap_or_default(),
        Type::Alias { of, .. } => width(*of),
    };
    match shape.array {
        Array::No => one,
        Array::Fixed(len) => one * len,
        other => panic!("{other:?} has no fixed length"),
    }
}

fn letter(source: &mut Source) -> u8 {
    b'!' + source.below(94)
}
