//! Types.

use std::fmt::Write as _;

use super::{Writer, docs};
use crate::docs::Docs;
use crate::model::{Array, Body, Field, Type, TypeName};
use crate::{Problem, known, names, resolve};

impl Writer<'_> {
    /// All types that belong to this module and are not the library's, a macro call for each.
    pub(super) fn types(&self) -> Result<String, Problem> {
        let mut text = String::new();
        for (name, ty) in &self.module().types {
            let is_elsewhere = resolve::owner(self.modules, self.at, name) != self.at;
            if is_elsewhere || known::path(self.module(), name).is_some() {
                continue;
            }
            let about = Docs::of(&ty.comment);
            let (call, attributes, entry) = self.declaration(name, ty, &about)?;
            let doc = docs(&about.definition(name), "    ");
            let _ = write!(text, "vpp_api::{call}! {{\n{doc}{attributes}    {entry}\n}}\n\n");
        }
        Ok(text)
    }

    /// The macro, attributes and the entry itself.
    fn declaration(
        &self,
        name: &str,
        ty: &Type,
        about: &Docs,
    ) -> Result<(&'static str, &'static str, String), Problem> {
        let rust = self.type_name(name);
        let copy = if self.is_fixed(ty.body.fields()) { "    #[derive(Copy)]\n" } else { "" };
        Ok(match &ty.body {
            Body::Struct(fields) => {
                let fields = self.fields(&format!("typedef {name}"), fields, about)?;
                ("wire_struct", copy, format!("struct {name} as {rust} {{\n{fields}    }}"))
            }
            Body::Union(arms) => ("wire_union", "", self.union(name, &rust, arms, about)?),
            Body::Enum { base, values, is_flags } => {
                // Bits can be set together, which an enumeration of Rust's cannot say.
                let is_open = *is_flags || name.contains("flag");
                let kind = if *is_flags { "enumflag" } else { "enum" };
                let values = enumeration(base, values, is_open);
                let call = if is_open { "wire_number" } else { "wire_enum" };
                (call, "", format!("{kind} {name}: {base} as {rust} {{\n{values}    }}"))
            }
            Body::Alias(Field { ty: TypeName::Basic(base), array: Array::No, .. })
                if !matches!(*base, "f64" | "bool") =>
            {
                ("wire_number", "", format!("alias {name}: {base} as {rust} {{}}"))
            }
            Body::Alias(of) => {
                let inner = self.whole(&format!("alias {name}"), of)?;
                ("wire_alias", copy, format!("alias {name} as {rust}: {inner};"))
            }
        })
    }

    fn union(&self, name: &str, rust: &str, arms: &[Field], about: &Docs) -> Result<String, Problem> {
        let construct = format!("union {name}");
        if !self.is_fixed(arms) {
            return Err(self.problem(&construct, "an arm has no fixed length"));
        }
        let mut text = format!("union {name} as {rust} of {rust}Arm {{\n");
        for arm in arms {
            let field = names::field(&arm.name)
                .ok_or_else(|| self.problem(&construct, format!("arm `{}` cannot have that name in Rust", arm.name)))?;
            text.push_str(&docs(&about.field(&arm.name), "        "));
            let ty = self.whole(&construct, arm)?;
            let _ = writeln!(text, "        {field} as {}: {ty},", names::camel(&arm.name));
        }
        text.push_str("    }");
        Ok(text)
    }
}

/// The values; those that cannot be told apart from an earlier one, or do not fit the base, only by name.
fn enumeration(base: &str, values: &[(String, u64)], is_open: bool) -> String {
    let spell = if is_open { |name: &str| name.to_ascii_uppercase() } else { |name: &str| names::camel(name) };
    let vpp: Vec<_> = values.iter().map(|(name, _)| name.as_str()).collect();
    let max = match base {
        "u8" => u64::from(u8::MAX),
        "u16" => u64::from(u16::MAX),
        "u32" => u64::from(u32::MAX),
        _ => u64::MAX,
    };
    let (mut named, mut others) = (String::new(), String::new());
    for (at, ((name, value), rust)) in values.iter().zip(names::values(&vpp, spell)).enumerate() {
        let is_twice = values[..at].iter().any(|(_, earlier)| earlier == value);
        if *value > max || is_twice && !is_open {
            let _ = write!(others, " {name} = {value},");
        } else {
            let _ = write!(named, "        /// `{name}`.\n        {name} = {value} as {rust},\n");
        }
    }
    if others.is_empty() { named } else { format!("{named}        ;{others}\n") }
}
