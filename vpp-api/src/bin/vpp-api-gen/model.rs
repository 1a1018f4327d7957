//! What a definition file says.

use std::collections::BTreeMap;

/// One file.
#[derive(Debug)]
pub(crate) struct Module {
    /// Where it was read from, for messages.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// Names of the modules it imports.
    pub(crate) imports: Vec<String>,
    /// Its own types and those it imports, by name.
    pub(crate) types: BTreeMap<String, Type>,
    pub(crate) messages: Vec<Message>,
    /// By the name of the request.
    pub(crate) services: BTreeMap<String, Service>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Type {
    pub(crate) body: Body,
    pub(crate) comment: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Body {
    Struct(Vec<Field>),
    Union(Vec<Field>),
    Enum { base: String, values: Vec<(String, u64)>, is_flags: bool },
    Alias(Field),
}

impl Body {
    /// Everything that refers to other types.
    pub(crate) fn fields(&self) -> &[Field] {
        match self {
            Self::Struct(fields) | Self::Union(fields) => fields,
            Self::Alias(of) => std::slice::from_ref(of),
            Self::Enum { .. } => &[],
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: TypeName,
    pub(crate) array: Array,
    pub(crate) default: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum TypeName {
    /// A number or `bool`.
    Basic(&'static str),
    String,
    /// Without `vl_api_` and `_t`.
    Named(String),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Array {
    No,
    Fixed(usize),
    Counted(String),
    Open,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) crc: String,
    /// Whether these stand in front of its fields.
    pub(crate) has_client_index: bool,
    pub(crate) has_context: bool,
    pub(crate) fields: Vec<Field>,
    pub(crate) comment: String,
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) reply: Option<String>,
    pub(crate) is_stream: bool,
    pub(crate) details: Option<String>,
    pub(crate) events: Vec<String>,
}
