//! What may come next: for TAB, for `?`, and for `help`.

use super::complaint::Complaint;
use super::read::{Reading, follow};
use super::tree::{Kind, Node, ROOT, Said, Then, Token};
use super::words::{Line, quote};

/// Names that only the server or the file system knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ask {
    Frontends,
    Backends,
    HealthChecks,
    /// Of a frontend.
    Pools {
        frontend: String,
    },
    /// Backends of a pool of a frontend.
    Members {
        frontend: String,
        pool: String,
    },
    /// Paths that begin so; those of folders end in a slash.
    Files {
        prefix: String,
    },
}

/// Knows names.
pub(crate) trait Names {
    /// All of them; none if they cannot be had in time.
    fn names(&self, ask: &Ask) -> Vec<String>;
}

/// A word that would fit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Candidate {
    /// As it is listed.
    pub(crate) word: String,
    /// What takes the place of the typed beginning.
    pub(crate) replacement: String,
}

/// Words that would fit where `text` ends, and where the typed beginning of that word stands, in bytes.
pub(crate) fn complete(text: &str, names: &dyn Names) -> (usize, Vec<Candidate>) {
    let line = Line::typed(text);
    let (done, typed, start) = line.unfinished();
    let mut candidates = Vec::new();
    let mut offer = |word: String| {
        // A folder goes on.
        let blank = if word.ends_with('/') { "" } else { " " };
        let candidate = Candidate { replacement: format!("{}{blank}", quote(&word)), word };
        if candidate.word.starts_with(typed) && !candidates.contains(&candidate) {
            candidates.push(candidate);
        }
    };
    for reading in follow(&line, done).unwrap_or_default().iter().filter(|reading| !reading.in_reason()) {
        for node in reading.next().nodes() {
            match node.token {
                Token::Word(word) => offer(word.to_owned()),
                Token::Arg(kind) => {
                    let ask = ask(kind, &Said(reading.said()), typed);
                    ask.map(|ask| names.names(&ask)).unwrap_or_default().into_iter().for_each(&mut offer);
                }
            }
        }
    }
    (start, candidates)
}

fn ask(kind: Kind, said: &Said<'_>, typed: &str) -> Option<Ask> {
    let said = |kind| said.option(kind).unwrap_or_default();
    match kind {
        Kind::Frontend => Some(Ask::Frontends),
        Kind::Backend => Some(Ask::Backends),
        Kind::HealthCheck => Some(Ask::HealthChecks),
        Kind::Pool => Some(Ask::Pools { frontend: said(Kind::Frontend) }),
        Kind::Member => Some(Ask::Members { frontend: said(Kind::Frontend), pool: said(Kind::Pool) }),
        Kind::File => Some(Ask::Files { prefix: typed.to_owned() }),
        Kind::Weight | Kind::Count | Kind::Reason => None,
    }
}

/// A word that may come next, or what stands for it, and what it is for.
pub(crate) type Help = (&'static str, &'static str);

/// What may come where `text` ends: words that go on from the typed beginning, or, after a blank, all. A line that is complete may
/// also end: `<cr>`.
///
/// # Errors
/// Nothing can come, because something before it is wrong.
pub(crate) fn help(text: &str) -> Result<Vec<Help>, Complaint> {
    let line = Line::typed(text);
    let (done, typed, _) = line.unfinished();
    let readings = follow(&line, done)?;
    let mut all: Vec<Help> = Vec::new();
    for node in readings.iter().flat_map(|reading| reading.next().nodes().collect::<Vec<_>>()) {
        let fits = match node.token {
            Token::Word(word) => word.starts_with(typed),
            Token::Arg(kind) => typed.is_empty() || kind.objection(typed).is_none(),
        };
        let help = (node.token.shown(), node.help);
        if fits && !all.contains(&help) {
            all.push(help);
        }
    }
    if readings.iter().any(Reading::in_reason) {
        all.push((Kind::Reason.placeholder(), "the reason goes on"));
    }
    if typed.is_empty() && super::parse(&line).is_ok_and(|command| command.is_some()) {
        all.push(("<cr>", "do it"));
    }
    if all.is_empty() {
        // The beginning of the last word is what is wrong, or nothing may follow.
        follow(&line, line.words())?;
    }
    Ok(all)
}

/// Every command as it is typed, and what it does.
pub(crate) fn synopsis() -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    commands(&ROOT, "", "", &mut all);
    all
}

fn commands(then: &'static Then, before: &str, help: &'static str, all: &mut Vec<(String, &'static str)>) {
    match then {
        Then::Must(nodes) => {
            for node in *nodes {
                let blank = if before.is_empty() { "" } else { " " };
                let help = if matches!(node.token, Token::Word(_)) { node.help } else { help };
                commands(&node.then, &format!("{before}{blank}{}", node.token.shown()), help, all);
            }
        }
        Then::May(nodes, _) => all.push((format!("{before}{}", options(nodes)), help)),
    }
}

fn options(nodes: &[Node]) -> String {
    nodes.iter().map(|node| format!(" [{}]", option(node))).collect()
}

fn option(node: &Node) -> String {
    let word = node.token.shown();
    match &node.then {
        Then::Must(nodes) => format!("{word} {}", nodes.iter().map(option).collect::<Vec<_>>().join("|")),
        Then::May(nodes, _) => format!("{word}{}", options(nodes)),
    }
}
