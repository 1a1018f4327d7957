//! What is wrong with a config, as `maglevd --check` says it.

use super::style::count;
use crate::config::Diagnostic;
use crate::proto::{self, CheckConfigResponse};

/// What a person is told of a check: first what is wrong or odd, for standard error, then what it comes to. `file` is what was checked.
pub(crate) fn check(answer: &CheckConfigResponse, file: &str) -> (String, String) {
    let errors: String = answer.errors.iter().map(|error| format!("{}\n", render(error, "error"))).collect();
    let verdict = if answer.ok {
        let [frontends, backends, checks] =
            [(answer.frontends, "frontend"), (answer.backends, "backend"), (answer.healthchecks, "health check")]
                .map(|(number, noun)| count(number.into(), noun));
        format!("{file} is good: {frontends}, {backends}, {checks}\n")
    } else {
        format!("{file} is refused: {}\n", count(answer.errors.len() as u64, "error"))
    };
    (format!("{errors}{}", warnings(&answer.warnings)), verdict)
}

/// What is odd.
pub(crate) fn warnings(warnings: &[proto::Diagnostic]) -> String {
    warnings.iter().map(|warning| render(warning, "warning")).collect()
}

fn render(diagnostic: &proto::Diagnostic, label: &str) -> String {
    let proto::Diagnostic { file, line, column, key, message, help, snippet } = diagnostic.clone();
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let diagnostic = Diagnostic {
        file,
        line: number(line),
        column: number(column),
        key,
        message,
        help: Some(help).filter(|help| !help.is_empty()),
        snippet,
    };
    diagnostic.render(label).lines().map(|line| format!("{}\n", super::clean(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Context};

    #[test]
    fn a_diagnostic_that_came_over_the_api_reads_as_the_daemon_prints_it() {
        let text = "maglev:\n  backends:\n    a: { adress: 10.2.1.1 }\n";
        let error = Config::parse(text, "bad.yaml", Context { dataplane: false }).unwrap_err();
        let first = &error.diagnostics[0];
        let sent = proto::Diagnostic {
            file: first.file.clone(),
            line: first.line as u32,
            column: first.column as u32,
            key: first.key.clone(),
            message: first.message.clone(),
            help: first.help.clone().unwrap_or_default(),
            snippet: first.snippet.clone(),
        };
        let answer = CheckConfigResponse { errors: vec![sent], ..Default::default() };
        let (details, verdict) = check(&answer, "bad.yaml");
        assert_eq!(details, format!("{}\n", first.render("error")));
        assert_eq!(verdict, "bad.yaml is refused: 1 error\n");
    }

    #[test]
    fn a_good_config_is_counted() {
        let answer = CheckConfigResponse { ok: true, frontends: 2, backends: 3, healthchecks: 1, ..Default::default() };
        assert_eq!(
            check(&answer, "a.yaml"),
            (String::new(), "a.yaml is good: 2 frontends, 3 backends, 1 health check\n".to_owned())
        );
    }
}
