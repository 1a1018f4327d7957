//! Which program is run.

use super::required;
use crate::config::item::Fields;
use crate::config::kind::ExecParams;
use crate::config::report::{At, Report, Spot};

pub(super) fn read(fields: Option<&Fields<'_>>, place: &Spot, report: &mut Report) -> ExecParams {
    const HELP: &str = "write the whole path of a program and its arguments: `[/usr/lib/check, --fast]`";
    let Some(item) = required(fields, "command", HELP, place, report) else { return ExecParams::default() };
    let Some(items) = item.list(report) else { return ExecParams::default() };
    let words: Vec<At<String>> =
        items.iter().filter_map(|item| item.text(report, "the path of a program, or an argument")).collect();
    if items.is_empty() {
        report.semantic(item.spot(), "there is no program", HELP.to_owned());
    }
    if let Some(word) = words.iter().find(|word| word.value.contains('\0')) {
        report.semantic(&word.spot, "no program can be given a zero byte", None);
    }
    let mut words = words.into_iter();
    let Some(At { value: program, spot }) = words.next() else { return ExecParams::default() };
    if !program.starts_with('/') {
        let help = match program.contains([' ', '|', ';', '$']) {
            true => "there is no shell: put what needs one into a script, and write its whole path",
            false => "write it from `/` on: nothing is looked up",
        };
        report.semantic(&spot, format!("`{program}` is not the whole path of a program"), help.to_owned());
    }
    ExecParams { program, arguments: words.map(|word| word.value).collect() }
}
