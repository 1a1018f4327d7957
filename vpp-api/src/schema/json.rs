//! JSON text, by hand: what is written is known beforehand, so that no dependency is needed for it.

use super::{Array, Field, Service, Shape, Type};

pub(super) enum Value {
    /// A number or a word, as it is to stand there.
    Raw(String),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(&'static str, Value)>),
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn number(number: impl ToString) -> Self {
        Self::Raw(number.to_string())
    }
}

/// Four spaces a level and `": "`, as vppapigen writes it.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Raw(raw) => out.push_str(raw),
        Value::Text(text) => quote(text, out),
        Value::List(items) => block('[', ']', items, depth, out, |item, out| write(item, depth + 1, out)),
        Value::Map(entries) => block('{', '}', entries, depth, out, |(key, value), out| {
            quote(key, out);
            out.push_str(": ");
            write(value, depth + 1, out);
        }),
    }
}

fn block<T>(open: char, close: char, items: &[T], depth: usize, out: &mut String, each: impl Fn(&T, &mut String)) {
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str("    "));
    };
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        line(depth + 1, out);
        each(item, out);
    }
    if !items.is_empty() {
        line(depth, out);
    }
    out.push(close);
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            char if char.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('"');
}

/// A struct, a union or an enumeration: its name, what it consists of, and what else there is to say.
pub(super) fn definition(ty: &Type) -> Value {
    let mut items = vec![Value::text(ty.name())];
    items.extend(ty.fields().iter().map(field));
    if let Type::Enum { values, base, .. } = ty {
        let pair = |value: &super::Value| Value::List(vec![Value::text(value.name), Value::number(value.value)]);
        items.extend(values.iter().map(pair));
        items.push(Value::Map(vec![("enumtype", Value::text(base.name()))]));
    }
    Value::List(items)
}

pub(super) fn field(field: &Field) -> Value {
    let mut items = vec![type_name(field.shape.ty), Value::text(field.name)];
    match field.shape.array {
        Array::No => {}
        Array::Fixed(count) => items.push(Value::number(count)),
        Array::Counted(count) => items.extend([Value::number(0), Value::text(count)]),
        Array::Open => items.push(Value::number(0)),
    }
    match field.default {
        None => {}
        // vppapigen takes `true` for a name and writes a text.
        Some("true") => items.push(Value::Map(vec![("default", Value::text("true"))])),
        Some(default) => items.push(Value::Map(vec![("default", Value::number(default))])),
    }
    Value::List(items)
}

pub(super) fn alias(of: Shape) -> Value {
    let mut entries = vec![("type", type_name(of.ty))];
    if let Array::Fixed(count) = of.array {
        entries.push(("length", Value::number(count)));
    }
    Value::Map(entries)
}

pub(super) fn service(service: &Service) -> Value {
    let mut entries = vec![("reply", Value::text(service.reply.unwrap_or("null")))];
    if service.is_stream {
        entries.push(("stream", Value::Raw("true".to_owned())));
    }
    if let Some(details) = service.details {
        entries.push(("stream_msg", Value::text(details)));
    }
    if !service.events.is_empty() {
        entries.push(("events", Value::List(service.events.iter().map(|event| Value::text(event)).collect())));
    }
    Value::Map(entries)
}

fn type_name(ty: &Type) -> Value {
    match ty.is_named() {
        true => Value::Text(format!("vl_api_{}_t", ty.name())),
        false => Value::text(ty.name()),
    }
}
