//! Where a backend tells how it fares.

use super::http::{A_TOKEN, is_token};
use crate::config::item::Item;
use crate::config::report::Report;

/// `tcp-line`, of a tcp check.
pub(super) fn line(item: &Item<'_>, report: &mut Report) -> bool {
    const ADVICE: &str = "over tcp it is the first line that the server sends";
    item.word(report, &[("tcp-line", true)], Some(ADVICE)).is_some()
}

/// `{ header: NAME }`, of an http check. The name in lower case.
pub(super) fn header(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let fields = item.fields(report, &["header"], |_| None)?;
    let name = fields.required(report, "header", "write `agent: { header: NAME }`")?;
    let name = name.text(report, "the name of a header")?;
    if !is_token(&name.value) {
        report.semantic(&name.spot, format!("`{}` is no name of a header", name.value), A_TOKEN.to_owned());
        return None;
    }
    Some(name.value.to_ascii_lowercase())
}
