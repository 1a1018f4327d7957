//! The definitions of one API file.

use std::fmt::Write as _;

use super::checksum::Crc;
use super::json::{self, Value};
use super::{Field, Service, Shape, Type, prefix};
use crate::message::Message;
use crate::messages::Visitor;

/// The messages of one module and the types they need, in the form of VPP's `.api.json` files.
///
/// A [`Visitor`]: what a `visit` function shows it is part of it.
///
/// ```
/// use vpp_api::schema::Module;
///
/// let mut module = Module::new("lb", "1.2.0");
/// vpp_api::messages::lb::visit(&mut module);
/// assert!(module.to_json().contains(r#""lb_encap_type""#));
/// ```
///
/// VPP's files have two things more: comments, and the counters of plugins that declare theirs.
#[derive(Clone, Debug)]
pub struct Module {
    name: &'static str,
    version: &'static str,
    messages: Vec<Definition>,
}

/// One message.
#[derive(Clone, Copy, Debug)]
struct Definition {
    name: &'static str,
    crc: u32,
    prefix: &'static [Field],
    fields: &'static [Field],
    service: Option<Service>,
}

impl Visitor for Module {
    fn visit<M: Message>(&mut self) {
        self.messages.push(Definition {
            name: M::NAME,
            crc: M::CRC,
            prefix: prefix(M::KIND),
            fields: M::FIELDS,
            service: M::SERVICE,
        });
    }
}

impl Module {
    /// A module without messages. `version` is the file's own, three numbers with dots between.
    #[must_use]
    pub fn new(name: &'static str, version: &'static str) -> Self {
        Self { name, version, messages: Vec::new() }
    }

    /// Name of the module: that of VPP's file without `.api`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How many messages it has.
    #[must_use]
    pub fn message_count(&self) -> usize {
        self.messages.len()
    }

    /// Leaves out the messages that `keep` says no to, by name and CRC: what a release does not have, say.
    ///
    /// ```
    /// use vpp_api::schema::Module;
    ///
    /// let mut module = Module::new("lb", "1.2.0");
    /// vpp_api::messages::lb::visit(&mut module);
    /// module.retain(|name_crc| name_crc.starts_with("lb_conf_"));
    /// assert_eq!(module.message_count(), 4);
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.messages.retain(|message| keep(&format!("{}_{:08x}", message.name, message.crc)));
    }

    /// The text of its `.api.json`, laid out as VPP's.
    ///
    /// `vl_api_version` is a checksum over the CRCs of its messages, not the one that VPP would give to the file.
    ///
    /// ```
    /// use vpp_api::schema::Module;
    ///
    /// let text = Module::new("acme", "1.0.0").to_json();
    /// assert!(text.starts_with("{\n    \"module\": \"acme\",\n"));
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        json::text(&self.json())
    }

    fn json(&self) -> Value {
        let types = self.types();
        let of = |is_wanted: fn(&Type) -> bool, make: fn(&Type) -> Value| {
            Value::List(types.iter().filter(|ty| is_wanted(ty)).map(|ty| make(ty)).collect())
        };
        let is_plain_enum = |ty: &Type| matches!(ty, Type::Enum { is_flags: false, .. });
        let is_enum_flag = |ty: &Type| matches!(ty, Type::Enum { is_flags: true, .. });
        let aliases = types.iter().filter_map(|ty| match ty {
            Type::Alias { name, of } => Some((*name, json::alias(*of))),
            _ => None,
        });
        let services =
            self.messages.iter().filter_map(|message| Some((message.name, json::service(&message.service?))));
        Value::Map(vec![
            ("module", Value::text(self.name)),
            ("types", of(|ty| matches!(ty, Type::Struct { .. }), json::definition)),
            ("messages", Value::List(self.messages.iter().map(Definition::json).collect())),
            ("unions", of(|ty| matches!(ty, Type::Union { .. }), json::definition)),
            ("enums", of(is_plain_enum, json::definition)),
            ("enumflags", of(is_enum_flag, json::definition)),
            ("services", Value::Map(services.collect())),
            ("options", Value::Map(vec![("version", Value::text(self.version))])),
            ("aliases", Value::Map(aliases.collect())),
            ("vl_api_version", Value::Text(format!("{:#x}", self.checksum()))),
            ("imports", Value::List(Vec::new())),
            ("counters", Value::List(Vec::new())),
            ("paths", Value::List(Vec::new())),
        ])
    }

    /// All named types that the messages need, each after those it needs itself.
    fn types(&self) -> Vec<&'static Type> {
        fn add(shape: Shape, types: &mut Vec<&'static Type>) {
            if !shape.ty.is_named() || types.contains(&shape.ty) {
                return;
            }
            shape.ty.fields().iter().for_each(|field| add(field.shape, types));
            if let Type::Alias { of, .. } = shape.ty {
                add(*of, types);
            }
            types.push(shape.ty);
        }

        let mut types = Vec::new();
        self.messages.iter().flat_map(|message| message.fields).for_each(|field| add(field.shape, &mut types));
        types
    }

    fn checksum(&self) -> u32 {
        let mut text = String::new();
        for Definition { name, crc, .. } in &self.messages {
            let _ = writeln!(text, "{name}_{crc:08x}");
        }
        let mut crc = Crc::default();
        crc.text(&text);
        crc.sum()
    }
}

impl Definition {
    fn json(&self) -> Value {
        let id = Value::List(vec![Value::text("u16"), Value::text("_vl_msg_id")]);
        let fields = self.prefix.iter().chain(self.fields).map(json::field);
        let about =
            Value::Map(vec![("crc", Value::Text(format!("{:#010x}", self.crc))), ("options", Value::Map(Vec::new()))]);
        Value::List([Value::text(self.name), id].into_iter().chain(fields).chain([about]).collect())
    }
}

/// The definitions of every message of this crate, one module per file of VPP's, with that file's version in 26.10.
///
/// ```
/// let modules = vpp_api::schema::export();
/// assert!(modules.iter().any(|module| module.name() == "lb"));
/// ```
#[must_use]
pub fn export() -> Vec<Module> {
    use crate::messages::{interface, ip, lb, memclnt, vlib, vpe};

    macro_rules! modules {
        ($($module:ident $version:literal),* $(,)?) => {
            vec![$({
                let mut module = Module::new(stringify!($module), $version);
                $module::visit(&mut module);
                module
            }),*]
        };
    }

    modules! {
        memclnt "2.1.0",
        vpe "1.7.0",
        vlib "1.0.0",
        ip "3.2.0",
        lb "1.2.0",
        interface "3.2.5",
    }
}

/// The JSON array of modules that `get_api_json` is answered with.
///
/// ```
/// use vpp_api::schema::{export, export_array};
///
/// assert!(export_array(&export()).starts_with('['));
/// ```
#[must_use]
pub fn export_array(modules: &[Module]) -> String {
    json::text(&Value::List(modules.iter().map(Module::json).collect()))
}
