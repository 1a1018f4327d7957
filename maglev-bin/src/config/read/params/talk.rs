//! Bytes to send, and bytes to look for.

use super::get;
use super::http::regexp;
use crate::config::item::{Fields, Item};
use crate::config::report::Report;
use crate::probe::{Expect, unescape};

/// What is said and what has to be heard.
#[derive(Debug, Default)]
pub(super) struct Talk {
    pub(super) send: Vec<u8>,
    pub(super) expect: Option<Expect>,
}

/// Fits into any socket, so that it is sent before the answer is read.
const LONGEST: usize = 4_096;

pub(super) fn read(fields: Option<&Fields<'_>>, report: &mut Report) -> Talk {
    let (text, expression) = (get(fields, "expect"), get(fields, "expect-regexp"));
    if let (Some(_), Some(item)) = (text, expression) {
        let help = "keep one of them; an expression can have several parts with `|`".to_owned();
        report.semantic(item.spot(), "`expect` and `expect-regexp` exclude each other", help);
    }
    let text = text.and_then(|item| expected(item, report));
    let expression = expression.and_then(|item| regexp(item, report));
    Talk {
        send: get(fields, "send").and_then(|item| bytes(item, report)).unwrap_or_default(),
        expect: text.or_else(|| expression.map(|expression| Expect::Regexp(expression.regex().clone()))),
    }
}

fn expected(item: &Item<'_>, report: &mut Report) -> Option<Expect> {
    let bytes = bytes(item, report)?;
    if bytes.is_empty() {
        let help = "write a part of the answer".to_owned();
        report.semantic(item.spot(), "an empty text is found in anything", help);
        return None;
    }
    Some(Expect::Text(bytes.into()))
}

/// A text with escapes.
fn bytes(item: &Item<'_>, report: &mut Report) -> Option<Vec<u8>> {
    let text = item.text(report, "a text such as `'PING\\r\\n'`")?;
    let bytes = match unescape(&text.value) {
        Ok(bytes) => bytes,
        Err(error) => {
            let help = "in single quotes, so that YAML does not take the escapes for its own".to_owned();
            report.semantic(&text.spot, error.to_string(), help);
            return None;
        }
    };
    if bytes.len() > LONGEST {
        report.semantic(&text.spot, format!("{} bytes are more than {LONGEST}", bytes.len()), None);
        return None;
    }
    Some(bytes)
}
