//! What an HTTP request asks and expects.

use std::ops::RangeInclusive;

use super::{agent, get};
use crate::config::item::{Fields, Item, Named};
use crate::config::kind::{HeaderRule, HttpParams, Regexp, TlsParams};
use crate::config::report::{At, Report, Spot};
use crate::probe::Method;

pub(super) fn read(fields: Option<&Fields<'_>>, tls: Option<TlsParams>, report: &mut Report) -> HttpParams {
    let default = HttpParams::default();
    let method = get(fields, "method").and_then(|item| method(item, report)).unwrap_or(default.method);
    let response_regexp = get(fields, "response-regexp");
    if let Some(item) = response_regexp.filter(|_| method == Method::Head) {
        let help = "remove it, or choose another `method`".to_owned();
        report.semantic(item.spot(), "the answer to HEAD has no body in which to look", help);
    }
    if let Some(item) = get(fields, "body-limit").filter(|_| response_regexp.is_none()) {
        let help = "remove it: the body is read only to look for a `response-regexp`".to_owned();
        report.semantic(item.spot(), "`body-limit` has no meaning without `response-regexp`", help);
    }
    HttpParams {
        method,
        path: get(fields, "path").and_then(|item| path(item, report)).unwrap_or(default.path),
        host: get(fields, "host").and_then(|item| host(item, report)),
        headers: get(fields, "headers").map(|item| headers(item, report)).unwrap_or_default(),
        response_codes: get(fields, "response-code")
            .and_then(|item| codes(item, report))
            .unwrap_or(default.response_codes),
        response_header: get(fields, "response-header").and_then(|item| response_header(item, report)),
        response_regexp: response_regexp.and_then(|item| regexp(item, report)),
        agent_header: get(fields, "agent").and_then(|item| agent::header(item, report)),
        body_limit: get(fields, "body-limit").and_then(|item| body_limit(item, report)).unwrap_or(default.body_limit),
        tls,
    }
}

fn method(item: &Item<'_>, report: &mut Report) -> Option<Method> {
    const METHODS: [Method; 4] = [Method::Get, Method::Head, Method::Options, Method::Post];
    let words = METHODS.map(|method| (method.as_str(), method));
    item.word(report, &words, None).map(|word| word.value)
}

/// Far below what a server takes.
const LONGEST_HEADER: usize = 4_000;

fn headers(item: &Item<'_>, report: &mut Report) -> Vec<(String, String)> {
    let how = "write `NAME: VALUE` lines, indented below it";
    let mut headers: Vec<(String, String)> = Vec::new();
    for Named { name, item } in item.named(report, how).unwrap_or_default() {
        let value = item.text(report, "the value of a header");
        if let Some(reserved) = RESERVED.iter().find(|(reserved, _)| reserved.eq_ignore_ascii_case(&name.value)) {
            report.semantic(&name.spot, format!("`{}` is not yours to set", name.value), reserved.1.to_owned());
        } else if !is_token(&name.value) {
            report.semantic(&name.spot, format!("`{}` is no name of a header", name.value), A_TOKEN.to_owned());
        } else if headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name.value)) {
            let help = "the case of letters makes no difference; join the values with `, `".to_owned();
            report.semantic(&name.spot, format!("the header `{}` stands here already", name.value), help);
        } else if let Some(At { value, spot }) = value {
            if value.len() > LONGEST_HEADER {
                let message = format!("a value of {} bytes is too long", value.len());
                report.semantic(&spot, message, format!("servers refuse what is longer than about {LONGEST_HEADER}"));
            } else if value.contains(|c: char| !c.is_ascii_graphic() && c != ' ') || value.trim() != value {
                let help = "printable ASCII, with blanks inside only".to_owned();
                report.semantic(&spot, format!("`{value}` cannot stand in a header"), help);
            } else {
                headers.push((name.value, value));
            }
        }
    }
    if headers.len() > MOST_HEADERS {
        report.semantic(item.spot(), format!("{} headers are more than {MOST_HEADERS}", headers.len()), None);
    }
    headers
}

const MOST_HEADERS: usize = 32;

/// Headers that the probe sets, and where to say what they are to be.
const RESERVED: [(&str, &str); 5] = [
    ("host", "set the parameter `host`"),
    ("connection", "each probe has a connection of its own, which it closes: `Connection: close` is always sent"),
    ("user-agent", "it tells operators of the backend who is asking: `maglevd/VERSION`"),
    ("content-length", "a probe has no body"),
    ("transfer-encoding", "a probe has no body"),
];

/// A name of a header (RFC 9110, 5.6.2).
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

pub(super) const A_TOKEN: &str = "letters, digits and `-`, such as `X-Probe`";

/// `Name`, or `Name: regexp`.
fn response_header(item: &Item<'_>, report: &mut Report) -> Option<HeaderRule> {
    let text = item.text(report, "`NAME` or `NAME: REGEXP` in quotes")?;
    let (name, value) = match text.value.split_once(':') {
        Some((name, value)) => (name, Some(value.trim())),
        None => (text.value.as_str(), None),
    };
    if !is_token(name) {
        report.semantic(&text.spot, format!("`{name}` is no name of a header"), A_TOKEN.to_owned());
        return None;
    }
    // Nothing behind the colon is found in any value.
    let value = value.filter(|value| !value.is_empty()).map(|value| compiled(&text.spot, value, report));
    Some(HeaderRule { name: name.to_ascii_lowercase(), value: value.flatten() })
}

fn body_limit(item: &Item<'_>, report: &mut Report) -> Option<u32> {
    item.integer_in(report, 1..=1 << 20).map(|limit| limit.value)
}

/// What common servers take.
const LONGEST_PATH: usize = 8_000;

/// Goes into the request line as it is, so nothing may end that line early.
fn path(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let path = item.text(report, "a path such as `/healthz`")?;
    let text = &path.value;
    let problem = if path.value.len() > LONGEST_PATH {
        let message = format!("a path of {} bytes is too long", path.value.len());
        Some((message, format!("servers refuse what is longer than about {LONGEST_PATH}")))
    } else if !path.value.starts_with('/') {
        Some((format!("`{text}` does not start with `/`"), format!("write `/{}`", text.trim_start())))
    } else if path.value.contains(|c: char| !c.is_ascii_graphic()) {
        let help = "write blanks as `%20`, and what is not ASCII as `%` and hex digits too";
        Some((format!("`{text}` cannot stand in a request"), help.to_owned()))
    } else if path.value.contains('#') {
        Some((format!("`{text}` has a fragment, which is never sent"), "remove `#` and what follows".to_owned()))
    } else {
        None
    };
    match problem {
        Some((message, help)) => {
            report.semantic(&path.spot, message, help);
            None
        }
        None => Some(path.value),
    }
}

fn host(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let host = item.text(report, "a host name")?;
    if host.value.is_empty() || host.value.contains(|c: char| !c.is_ascii_graphic() || c == '/') {
        let message = format!("`{}` is no host name", host.value);
        let help = "write a name such as `www.example.com`, with `:PORT` if needed, and no `http://`";
        report.semantic(&host.spot, message, help.to_owned());
        return None;
    }
    Some(host.value)
}

/// `200` or `200-299`.
fn codes(item: &Item<'_>, report: &mut Report) -> Option<RangeInclusive<u16>> {
    const EXPECTED: &str = "a status code or a range such as `200-299`";
    let text = item.text(report, EXPECTED)?;
    let (first, last) = text.value.split_once('-').unwrap_or((&text.value, &text.value));
    let (Ok(first), Ok(last)) = (first.trim().parse::<u16>(), last.trim().parse::<u16>()) else {
        let class = text.value.strip_suffix("xx").and_then(|class| class.parse::<u8>().ok());
        let help = match class {
            Some(class @ 1..=5) => format!("write {class}00-{class}99"),
            _ => "one code or one range, nothing else".to_owned(),
        };
        return item.wrong_type(report, EXPECTED, help);
    };
    if first > last {
        let message = format!("{first}-{last} is an empty range");
        report.semantic(&text.spot, message, format!("write {last}-{first}"));
        return None;
    }
    if first < 100 || last > 599 {
        let message = format!("{} is out of range: status codes are 100 to 599", text.value);
        report.semantic(&text.spot, message, None);
        return None;
    }
    Some(first..=last)
}

pub(super) fn regexp(item: &Item<'_>, report: &mut Report) -> Option<Regexp> {
    let text = item.text(report, "a regular expression")?;
    compiled(&text.spot, &text.value, report)
}

fn compiled(spot: &Spot, text: &str, report: &mut Report) -> Option<Regexp> {
    match Regexp::new(text) {
        Ok(regexp) => Some(regexp),
        Err(error) => {
            report.semantic(spot, format!("this regexp does not compile: {}", reason(&error)), None);
            None
        }
    }
}

/// The last line of the regex error is the reason. The lines above draw the text and mark the character; they are
/// there for errors of syntax in a text of one line.
fn reason(error: &regex::Error) -> String {
    const MARGIN: usize = 4;
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default();
    let reason = reason.strip_prefix("error: ").unwrap_or(reason);
    let mark = text.lines().find(|line| line.contains('^') && line.trim_matches([' ', '^']).is_empty());
    match mark.and_then(|mark| mark.chars().position(|c| c == '^')).and_then(|at| at.checked_sub(MARGIN)) {
        Some(at) => format!("{reason}, at character {}", at + 1),
        None => reason.to_owned(),
    }
}
