//! Messages.

use super::{Writer, docs};
use crate::docs::Docs;
use crate::model::{Array, Field, Message, Service, TypeName};
use crate::{Problem, names};

impl Writer<'_> {
    /// All messages in one macro call, and `Reply` for those that need it by hand.
    pub(super) fn messages(&self) -> Result<String, Problem> {
        let module = self.module();
        if module.messages.is_empty() {
            return Ok(String::new());
        }
        let (mut entries, mut replies) = (Vec::new(), String::new());
        for message in &module.messages {
            let entry = self.entry(message)?;
            if entry.starts_with("answer") {
                replies.push_str(&self.reply_by_hand(message)?);
            }
            let doc = docs(&Docs::of(&message.comment).definition(&message.name), "    ");
            entries.push(format!("{doc}    {entry}"));
        }
        Ok(format!("vpp_api::messages! {{\n{}\n}}\n\n{replies}", entries.join("\n\n")))
    }

    fn entry(&self, message: &Message) -> Result<String, Problem> {
        let construct = format!("message {}", message.name);
        let Form { keyword, answer, options, hides_retval } = self.form(message, &construct)?;
        let fields = &message.fields[usize::from(hides_retval)..];
        // A result code that stands elsewhere is one all the same.
        let fields: Vec<_> = fields.iter().map(Field::clone).collect();
        let mut body = self.fields(&construct, &fields, &Docs::of(&message.comment))?;
        if keyword == "answer" {
            body = body.replace("        retval: i32,\n", "        retval: types::Retval,\n");
        }
        let Message { name, crc, .. } = message;
        let head = format!("{keyword} {name} \"{crc}\" as {}{answer}{options}", names::camel(name));
        Ok(if body.is_empty() { format!("{head} {{}}") } else { format!("{head} {{\n{body}    }}") })
    }

    /// What kind of message it is, by its services and by what stands in front of its fields.
    fn form(&self, message: &Message, construct: &str) -> Result<Form, Problem> {
        let service = self.module().services.get(&message.name);
        let unfit = |what| Err(self.problem(construct, what));
        match (service, message.has_client_index, message.has_context) {
            (Some(service), true, true) => Ok(self.request(service)),
            (Some(Service { reply: Some(reply), .. }), false, true) => {
                Ok(Form::new("hello").answered(format!(" => {}", names::camel(reply))))
            }
            (_, false, false) => Ok(Form::new("bare")),
            (Some(_), ..) => unfit("is a request without client_index or context"),
            (None, has_client_index, true) if self.answers_a_call(message) || ends_in_reply(message) => {
                let hides_retval = is_retval(message.fields.first());
                let form = Form::new(if hides_retval { "reply" } else { "answer" });
                Ok(Form { hides_retval, ..form }.indexed(has_client_index))
            }
            (None, has_client_index, true) if has_client_index && !self.is_details(message) => Ok(Form::new("oneway")),
            (None, has_client_index, true) => Ok(Form::new("details").indexed(has_client_index)),
            (None, true, false) => Ok(Form::new("event")),
        }
    }

    fn request(&self, service: &Service) -> Form {
        let Some(reply) = &service.reply else { return Form::new("oneway") };
        let answer = names::camel(reply);
        let events: Vec<_> = service.events.iter().map(|event| names::camel(event)).collect();
        let form = match (&service.details, service.is_stream) {
            (Some(details), _) => Form::new("get").answered(format!(" => {answer} stream {}", names::camel(details))),
            (None, true) => Form::new("dump").answered(format!(" => {answer}")),
            (None, false) => Form::new("request").answered(format!(" => {answer}")),
        };
        match events[..] {
            [] => form,
            _ => Form { options: format!("{} [events {}]", form.options, events.join(", ")), ..form },
        }
    }

    /// `Reply` for a message without an `i32 retval` in its usual place: from the field that is its result code, else
    /// always good. VPP has some of type u32, which hold a negative number all the same.
    fn reply_by_hand(&self, message: &Message) -> Result<String, Problem> {
        let is_code = |field: &&Field| ["retval", "response"].contains(&field.name.as_str());
        let retval = match message.fields.iter().find(is_code) {
            None => "types::Retval::OK",
            Some(Field { ty, array: Array::No, name, .. }) => match (ty, name.as_str()) {
                (TypeName::Basic("i32"), "retval") => "self.retval",
                (TypeName::Basic("u32"), "retval") => "types::Retval(self.retval.cast_signed())",
                (TypeName::Basic("i32"), _) => "types::Retval(self.response)",
                (TypeName::Basic("u32"), _) => "types::Retval(self.response.cast_signed())",
                _ => return Err(self.no_code(message, name)),
            },
            Some(Field { name, .. }) => return Err(self.no_code(message, name)),
        };
        let name = names::camel(&message.name);
        Ok(format!(
            "impl vpp_api::message::Reply for {name} {{\n    fn retval(&self) -> types::Retval {{\n        {retval}\n    }}\n}}\n\n"
        ))
    }

    fn no_code(&self, message: &Message, field: &str) -> Problem {
        let what = format!("field {field}: is no number of 32 bits, as a result code has to be");
        self.problem(&format!("message {}", message.name), what)
    }

    /// Whether one call is answered with one of these: everything but a dump's details.
    fn answers_a_call(&self, message: &Message) -> bool {
        let is_one = |service: &Service| !service.is_stream || service.details.is_some();
        self.module().services.values().any(|service| is_one(service) && service.reply.as_ref() == Some(&message.name))
    }

    fn is_details(&self, message: &Message) -> bool {
        self.module().services.values().any(|service| {
            service.is_stream && service.reply.iter().chain(&service.details).any(|name| *name == message.name)
        })
    }
}

/// How an entry of `messages!` begins.
struct Form {
    keyword: &'static str,
    answer: String,
    options: String,
    /// Whether the macro adds the first field by itself.
    hides_retval: bool,
}

impl Form {
    fn new(keyword: &'static str) -> Self {
        Self { keyword, answer: String::new(), options: String::new(), hides_retval: false }
    }

    fn answered(self, answer: String) -> Self {
        Self { answer, ..self }
    }

    fn indexed(self, has_client_index: bool) -> Self {
        if has_client_index { Self { options: " [client_index]".to_owned(), ..self } } else { self }
    }
}

fn is_retval(field: Option<&Field>) -> bool {
    field.is_some_and(|field| field.name == "retval" && is_i32(field))
}

fn is_i32(field: &Field) -> bool {
    field.ty == TypeName::Basic("i32") && field.array == Array::No
}

/// A reply that no service names, as some old definitions have.
fn ends_in_reply(message: &Message) -> bool {
    message.name.ends_with("_reply") && message.fields.first().is_some_and(|field| field.name == "retval")
}
