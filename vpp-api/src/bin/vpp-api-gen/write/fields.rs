//! Fields, and the Rust types for VPP's.

use super::{Writer, docs};
use crate::docs::Docs;
use crate::model::{Array, Body, Field, TypeName};
use crate::{Problem, known, names, resolve};

impl Writer<'_> {
    /// The fields of a struct or a message, as they stand between the braces.
    pub(super) fn fields(&self, construct: &str, fields: &[Field], about: &Docs) -> Result<String, Problem> {
        let indent = "        ";
        let mut text = String::new();
        for field in fields {
            let name = self.field_name(construct, field)?;
            let counted = fields.iter().find(|other| other.array == Array::Counted(field.name.clone()));
            if let Some(counted) = counted {
                let ty = self.count_type(construct, field)?;
                text.push_str(&format!("{indent}{name}: {ty} = len({}),\n", self.field_name(construct, counted)?));
                continue;
            }
            text.push_str(&docs(&about.field(&field.name), indent));
            let ty = match &field.array {
                Array::Counted(count) => {
                    let of = fields.iter().find(|other| other.name == *count).unwrap_or(field);
                    let count = names::field(count).unwrap_or_default();
                    format!("types::Counted<{}, {}> [{count}]", self.one(&field.ty), self.count_type(construct, of)?)
                }
                _ => self.member(construct, field)?,
            };
            let default = self.default(construct, field)?;
            text.push_str(&format!("{indent}{name}: {ty}{default},\n"));
        }
        Ok(text)
    }

    fn field_name(&self, construct: &str, field: &Field) -> Result<String, Problem> {
        names::field(&field.name)
            .ok_or_else(|| self.problem(construct, format!("field `{}` cannot have that name in Rust", field.name)))
    }

    /// A field's type, and the adapter if it needs one.
    fn member(&self, construct: &str, field: &Field) -> Result<String, Problem> {
        match (&field.ty, &field.array) {
            // The name that is an alias in VPP is a `Prefix` to everybody in Rust.
            (TypeName::Named(_), Array::No) if self.one(&field.ty) == "types::AddressWithPrefix" => {
                Ok("types::Prefix as codec::As<types::AddressWithPrefix>".to_owned())
            }
            _ => self.whole(construct, field),
        }
    }

    /// A field's type as one that encodes itself.
    pub(super) fn whole(&self, construct: &str, field: &Field) -> Result<String, Problem> {
        Ok(match (&field.ty, &field.array) {
            (TypeName::String, Array::Fixed(length)) => format!("types::FixedString<{length}>"),
            (TypeName::String, _) => "types::Text".to_owned(),
            (ty, Array::No) => self.one(ty),
            (TypeName::Basic("u8"), Array::Fixed(length @ 33..)) => format!("types::Octets<{length}>"),
            // Longer arrays have no `serde::Serialize`, and would be text in JSON.
            (ty, Array::Fixed(length @ ..=32)) => format!("[{}; {length}]", self.one(ty)),
            (_, Array::Fixed(length)) => {
                let what = format!("field {}: an array of {length}; of other things than u8 at most 32", field.name);
                return Err(self.problem(construct, what));
            }
            (ty, Array::Open) => format!("types::Rest<{}>", self.one(ty)),
            (_, Array::Counted(_)) => {
                return Err(self.problem(construct, format!("field {}: counted, and not a field", field.name)));
            }
        })
    }

    /// The Rust type of one element.
    fn one(&self, ty: &TypeName) -> String {
        match ty {
            TypeName::Basic("f64") => "types::F64".to_owned(),
            TypeName::Basic(name) => (*name).to_owned(),
            TypeName::String => "types::Text".to_owned(),
            TypeName::Named(name) => match known::path(self.module(), name) {
                Some(path) => path.to_owned(),
                None => match resolve::owner(self.modules, self.at, name) {
                    owner if owner == self.at => self.type_name(name),
                    owner => {
                        let there = Writer { modules: self.modules, at: owner };
                        format!("super::{}::{}", super::module_name(there.module()), there.type_name(name))
                    }
                },
            },
        }
    }

    /// The Rust name of a type of this module. VPP keeps types and messages apart, Rust does not.
    pub(super) fn type_name(&self, name: &str) -> String {
        let camel = names::camel(name);
        let is_taken = self.module().messages.iter().any(|message| names::camel(&message.name) == camel);
        if is_taken { format!("{camel}Type") } else { camel }
    }

    fn count_type(&self, construct: &str, field: &Field) -> Result<&'static str, Problem> {
        match (&field.ty, &field.array) {
            (TypeName::Basic(ty @ ("u8" | "u16" | "u32")), Array::No) => Ok(ty),
            _ => {
                Err(self.problem(construct, format!("field {}: counts an array and is no u8, u16 or u32", field.name)))
            }
        }
    }

    fn default(&self, construct: &str, field: &Field) -> Result<String, Problem> {
        let Some(default) = &field.default else { return Ok(String::new()) };
        let wrong = || self.problem(construct, format!("field {}: default `{default}` does not fit it", field.name));
        let number = self.number(&field.ty).filter(|_| field.array == Array::No).ok_or_else(wrong)?;
        let spelled = match (number, default.to_ascii_lowercase().as_str()) {
            ("bool", "false" | "0") => "false".to_owned(),
            // Some definitions have ~0 for true.
            ("bool", text) if text == "true" || text.parse::<u64>().is_ok() => "true".to_owned(),
            ("f64", text) if text.parse::<f64>().is_ok_and(f64::is_finite) => text.to_owned(),
            (_, text) if number != "bool" && text.parse::<i128>().is_ok() => text.to_owned(),
            _ => return Err(wrong()),
        };
        Ok(format!(" = {spelled}"))
    }

    /// The number that a type is encoded as.
    fn number<'t>(&'t self, ty: &'t TypeName) -> Option<&'t str> {
        match ty {
            TypeName::Basic(name) => Some(name),
            TypeName::String => None,
            TypeName::Named(name) => match &self.module().types.get(name)?.body {
                Body::Enum { base, .. } => Some(base),
                Body::Alias(of) if of.array == Array::No => self.number(&of.ty),
                _ => None,
            },
        }
    }

    /// Whether values of a type all have the same length; they are `Copy` then.
    pub(super) fn is_fixed(&self, fields: &[Field]) -> bool {
        fields.iter().all(|field| match (&field.array, &field.ty) {
            (Array::Counted(_) | Array::Open, _) => false,
            (_, TypeName::Named(name)) => {
                self.module().types.get(name).is_none_or(|ty| self.is_fixed(ty.body.fields()))
            }
            _ => true,
        })
    }
}
