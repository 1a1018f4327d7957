//! Reading `.api.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use crate::Problem;
use crate::model::{Array, Body, Field, Message, Module, Service, Type, TypeName};

/// Reads a file, and checks that all it refers to is there.
pub(crate) fn file(path: &Path) -> Result<Module, Problem> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Problem::new(&name, "", error))?;
    let json: Value = serde_json::from_str(&text).map_err(|error| Problem::new(&name, "", error))?;
    Reader { path: &name, json: &json }.module()
}

struct Reader<'a> {
    path: &'a str,
    json: &'a Value,
}

impl Reader<'_> {
    fn problem(&self, construct: &str, what: impl ToString) -> Problem {
        Problem::new(self.path, construct, what)
    }

    fn module(&self) -> Result<Module, Problem> {
        let name =
            self.json["module"].as_str().ok_or_else(|| self.problem("", "has no `module`: is it an .api.json?"))?;
        let mut types = BTreeMap::new();
        for (section, kind) in [("types", "typedef"), ("unions", "union"), ("enums", "enum"), ("enumflags", "enumflag")]
        {
            for item in self.list(section)? {
                let (name, construct, parts) = self.definition(kind, item)?;
                let body = match kind {
                    "typedef" => Body::Struct(self.fields(&construct, parts)?),
                    "union" => Body::Union(self.fields(&construct, parts)?),
                    _ => self.enumeration(&construct, parts, kind == "enumflag")?,
                };
                types.insert(name, Type { body, comment: text(about(parts), "comment") });
            }
        }
        for (name, of) in self.map("aliases")? {
            let construct = format!("alias {name}");
            let ty = self.type_name(&construct, &of["type"])?;
            let array = match of.get("length") {
                None => Array::No,
                Some(length) => Array::Fixed(self.count(&construct, length)?),
            };
            let of = Field { name: String::new(), ty, array, default: None };
            types.insert(name.clone(), Type { body: Body::Alias(of), comment: String::new() });
        }
        let module = Module {
            path: self.path.to_owned(),
            name: name.to_owned(),
            version: self.json["options"]["version"].as_str().unwrap_or("unknown").to_owned(),
            imports: self.imports()?,
            types,
            messages: self.list("messages")?.iter().map(|item| self.message(item)).collect::<Result<_, _>>()?,
            services: self.services()?,
        };
        self.check(&module)?;
        Ok(module)
    }

    fn imports(&self) -> Result<Vec<String>, Problem> {
        let mut names = BTreeSet::new();
        for import in self.list("imports")? {
            let path = import.as_str().ok_or_else(|| self.problem("imports", "not all of them are names"))?;
            let file = path.rsplit('/').next().unwrap_or(path);
            names.insert(file.strip_suffix(".api").unwrap_or(file).replace('.', "_"));
        }
        Ok(names.into_iter().collect())
    }

    fn message(&self, item: &Value) -> Result<Message, Problem> {
        let (name, construct, parts) = self.definition("message", item)?;
        let mut fields = self.fields(&construct, parts)?.into_iter().peekable();
        fields
            .next_if(|field| field.name == "_vl_msg_id")
            .ok_or_else(|| self.problem(&construct, "does not begin with _vl_msg_id"))?;
        let has_client_index = fields.next_if(|field| field.name == "client_index").is_some();
        let has_context = fields.next_if(|field| field.name == "context").is_some();
        let crc = text(about(parts), "crc");
        let digits = crc.strip_prefix("0x").filter(|digits| digits.len() == 8);
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let crc = digits.ok_or_else(|| self.problem(&construct, format!("its crc is `{crc}`, not 0x and 8 digits")))?;
        Ok(Message {
            crc: crc.to_ascii_lowercase(),
            name,
            has_client_index,
            has_context,
            fields: fields.collect(),
            comment: text(about(parts), "comment"),
        })
    }

    fn services(&self) -> Result<BTreeMap<String, Service>, Problem> {
        let mut services = BTreeMap::new();
        for (caller, service) in self.map("services")? {
            let construct = format!("service {caller}");
            let reply = service["reply"].as_str().ok_or_else(|| self.problem(&construct, "has no reply"))?;
            let events = service["events"].as_array().map(Vec::as_slice).unwrap_or_default();
            services.insert(
                caller.clone(),
                Service {
                    reply: (reply != "null").then(|| reply.to_owned()),
                    is_stream: service["stream"].as_bool().unwrap_or_default(),
                    details: service["stream_msg"].as_str().map(str::to_owned),
                    events: events.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                },
            );
        }
        Ok(services)
    }

    fn enumeration(&self, construct: &str, parts: &[Value], is_flags: bool) -> Result<Body, Problem> {
        let base = match about(parts)["enumtype"].as_str() {
            None => "u32",
            Some(base @ ("u8" | "u16" | "u32" | "u64")) => base,
            Some(base) => return Err(self.problem(construct, format!("is encoded as `{base}`, not as u8 to u64"))),
        };
        let mut values = Vec::new();
        for part in parts.iter().filter(|part| part.is_array()) {
            let name = part[0].as_str().ok_or_else(|| self.problem(construct, "a value has no name"))?;
            let value = part[1].as_u64().ok_or_else(|| {
                self.problem(construct, format!("{name} is {}, and has to be a number from 0 on", part[1]))
            })?;
            values.push((name.to_owned(), value));
        }
        Ok(Body::Enum { base: base.to_owned(), values, is_flags })
    }

    fn fields(&self, construct: &str, parts: &[Value]) -> Result<Vec<Field>, Problem> {
        parts.iter().filter(|part| part.is_array()).map(|part| self.field(construct, part)).collect()
    }

    fn field(&self, construct: &str, part: &Value) -> Result<Field, Problem> {
        let name = part[1].as_str().ok_or_else(|| self.problem(construct, format!("{part} is no field")))?;
        let construct = format!("{construct}, field {name}");
        let ty = self.type_name(&construct, &part[0])?;
        let parts = part.as_array().map(Vec::as_slice).unwrap_or_default();
        let array = match (parts.get(2).filter(|part| !part.is_object()), parts.get(3).and_then(Value::as_str)) {
            (None, _) => Array::No,
            (Some(_), Some(count)) => Array::Counted(count.to_owned()),
            (Some(length), None) => match self.count(&construct, length)? {
                0 => Array::Open,
                length => Array::Fixed(length),
            },
        };
        let default = match parts.last().and_then(|last| last.get("default")) {
            None => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        };
        Ok(Field { name: name.to_owned(), ty, array, default })
    }

    fn type_name(&self, construct: &str, name: &Value) -> Result<TypeName, Problem> {
        const BASIC: [&str; 10] = ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f64", "bool"];
        let name = name.as_str().ok_or_else(|| self.problem(construct, "has no type"))?;
        if let Some(basic) = BASIC.iter().find(|basic| **basic == name) {
            return Ok(TypeName::Basic(basic));
        }
        match name.strip_prefix("vl_api_").and_then(|name| name.strip_suffix("_t")) {
            Some(named) => Ok(TypeName::Named(named.to_owned())),
            None if name == "string" => Ok(TypeName::String),
            None => Err(self.problem(construct, format!("`{name}` is no type of VPP's"))),
        }
    }

    fn count(&self, construct: &str, value: &Value) -> Result<usize, Problem> {
        value
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
            .ok_or_else(|| self.problem(construct, format!("{value} is no length")))
    }

    fn definition<'v>(&self, kind: &str, item: &'v Value) -> Result<(String, String, &'v [Value]), Problem> {
        match item.as_array().map(Vec::as_slice) {
            Some([Value::String(name), parts @ ..]) => Ok((name.clone(), format!("{kind} {name}"), parts)),
            _ => Err(self.problem(kind, format!("{item} has no name"))),
        }
    }

    /// A section; one that is missing is empty, as files of old releases lack some.
    fn list(&self, section: &str) -> Result<&[Value], Problem> {
        match &self.json[section] {
            Value::Null => Ok(&[]),
            Value::Array(items) => Ok(items),
            _ => Err(self.problem(section, "is no list")),
        }
    }

    fn map(&self, section: &str) -> Result<impl Iterator<Item = (&String, &Value)>, Problem> {
        match &self.json[section] {
            Value::Null => Ok(None.into_iter().flatten()),
            Value::Object(entries) => Ok(Some(entries).into_iter().flatten()),
            _ => Err(self.problem(section, "is no map")),
        }
    }

    /// Whether every name that is used has a definition.
    fn check(&self, module: &Module) -> Result<(), Problem> {
        let of_types = module.types.iter().map(|(name, ty)| (name, ty.body.fields()));
        let of_messages = module.messages.iter().map(|message| (&message.name, message.fields.as_slice()));
        for (owner, fields) in of_types.chain(of_messages) {
            for (at, field) in fields.iter().enumerate() {
                let construct = format!("{owner}, field {}", field.name);
                if let TypeName::Named(name) = &field.ty
                    && !module.types.contains_key(name)
                {
                    return Err(self.problem(&construct, format!("there is no type `{name}` in this file")));
                }
                if let Array::Counted(count) = &field.array
                    && !fields[..at].iter().any(|earlier| earlier.name == *count)
                {
                    return Err(self.problem(&construct, format!("its count `{count}` is no earlier field")));
                }
                if field.ty == TypeName::String && matches!(field.array, Array::No | Array::Counted(_)) {
                    return Err(self.problem(&construct, "a string has a length of its own, or a fixed one"));
                }
            }
        }
        let is_message = |name: &String| module.messages.iter().any(|message| message.name == *name);
        for (caller, service) in &module.services {
            let names = service.reply.iter().chain(&service.details).chain(&service.events).chain([caller]);
            if let Some(missing) = names.into_iter().find(|name| !is_message(name)) {
                return Err(self.problem(&format!("service {caller}"), format!("there is no message `{missing}`")));
            }
        }
        Ok(())
    }
}

/// What else there is to say of a definition: its last part, if that is a map.
fn about(parts: &[Value]) -> &Value {
    parts.last().filter(|last| last.is_object()).unwrap_or(&Value::Null)
}

fn text(about: &Value, key: &str) -> String {
    about
        .as_object()
        .and_then(|about: &Map<_, _>| about.get(key))
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
