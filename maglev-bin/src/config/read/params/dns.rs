//! What a DNS query asks and expects.

use super::{get, required};
use crate::config::item::{Fields, Item};
use crate::config::kind::DnsParams;
use crate::config::read::boolean;
use crate::config::report::{Report, Spot};
use crate::probe::{DnsName, Query, Rcode, RecordType};

pub(super) fn read(fields: Option<&Fields<'_>>, place: &Spot, report: &mut Report) -> DnsParams {
    let query = required(fields, "query", "write the name that is asked for, such as `www.example.com`", place, report);
    DnsParams {
        query: Query {
            name: query.and_then(|item| name(item, report)).unwrap_or_default(),
            kind: get(fields, "query-type").and_then(|item| kind(item, report)).unwrap_or_default(),
            recurse: boolean(get(fields, "recurse"), report, true),
        },
        rcode: get(fields, "rcode").and_then(|item| rcode(item, report)).unwrap_or_default(),
    }
}

fn name(item: &Item<'_>, report: &mut Report) -> Option<DnsName> {
    let text = item.text(report, "a domain name")?;
    match text.value.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            let message = format!("`{}` is no domain name: {error}", text.value);
            report.semantic(&text.spot, message, "write a name such as `www.example.com`; `.` is the root".to_owned());
            None
        }
    }
}

fn kind(item: &Item<'_>, report: &mut Report) -> Option<RecordType> {
    if item.is_integer() {
        let number = item.integer_in(report, 0..=65_535)?.value;
        return u16::try_from(number).ok().map(RecordType::new);
    }
    let number = item.word(report, &RecordType::NAMES, Some("or write the number of the type"))?;
    Some(RecordType::new(number.value))
}

fn rcode(item: &Item<'_>, report: &mut Report) -> Option<Rcode> {
    if item.is_integer() {
        let number = item.integer_in(report, 0..=15)?.value;
        return u8::try_from(number).ok().and_then(Rcode::new);
    }
    let words: Vec<(&str, u8)> = Rcode::NAMES.into_iter().zip(0..).collect();
    item.word(report, &words, Some("or write the number of the code")).and_then(|number| Rcode::new(number.value))
}
