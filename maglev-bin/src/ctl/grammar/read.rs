//! Follows the words of a line through the tree.

use std::ptr;

use super::complaint::Complaint;
use super::tree::{Build, End, Kind, Node, ROOT, Then, Token};
use super::words::{Line, Word};

/// One way to read the words so far. There is more than one while a prefix fits several keywords.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    said: Vec<(&'static Node, String)>,
    /// Where the line can go on: the last first, those before it once its options are complete.
    places: Vec<&'static Then>,
}

/// What may come next.
pub(super) struct Next {
    /// Each with how many of the reading's places stay when it comes.
    nodes: Vec<(usize, &'static Node)>,
    /// The line may end.
    pub(super) command: Option<Build>,
}

impl Next {
    pub(super) fn nodes(&self) -> impl Iterator<Item = &'static Node> {
        self.nodes.iter().map(|(_, node)| *node)
    }
}

/// How well a word fits.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Fit {
    Prefix,
    Exact,
}

impl Reading {
    fn start() -> Self {
        Self { said: Vec::new(), places: vec![&ROOT] }
    }

    pub(super) fn said(&self) -> &[(&'static Node, String)] {
        &self.said
    }

    pub(super) fn next(&self) -> Next {
        let mut next = Next { nodes: Vec::new(), command: None };
        for (depth, place) in self.places.iter().enumerate().rev() {
            match place {
                Then::Must(nodes) => {
                    next.nodes.extend(nodes.iter().map(|node| (depth, node)));
                    break;
                }
                Then::May(nodes, end) => {
                    let fresh = nodes.iter().filter(|node| !self.said.iter().any(|(said, _)| ptr::eq(*said, *node)));
                    next.nodes.extend(fresh.map(|node| (depth + 1, node)));
                    if let End::Command(command) = end {
                        next.command = Some(*command);
                        break;
                    }
                }
            }
        }
        next
    }

    /// A reason goes on to the end of the line.
    pub(super) fn in_reason(&self) -> bool {
        self.said.last().is_some_and(|(node, _)| matches!(node.token, Token::Arg(Kind::Reason)))
    }

    /// Every reading that has `word` next, or why there is none.
    fn with(&self, word: &str, objections: &mut Vec<String>) -> Vec<(Fit, Self)> {
        if self.in_reason() {
            let mut longer = self.clone();
            let (_, text) = longer.said.last_mut().expect("it has a reason");
            *text = format!("{text} {word}");
            if let Some(objection) = Kind::Reason.objection(text) {
                objections.push(objection);
                return Vec::new();
            }
            return vec![(Fit::Exact, longer)];
        }
        let mut all = Vec::new();
        for (stay, node) in self.next().nodes {
            let fit = match node.token {
                Token::Word(keyword) if keyword == word => Fit::Exact,
                Token::Word(keyword) if keyword.starts_with(word) && !word.is_empty() => Fit::Prefix,
                Token::Word(_) => continue,
                Token::Arg(kind) => match kind.objection(word) {
                    None => Fit::Exact,
                    Some(objection) => {
                        objections.push(objection);
                        continue;
                    }
                },
            };
            let mut longer = self.clone();
            longer.places.truncate(stay);
            longer.places.push(&node.then);
            longer.said.push((node, word.to_owned()));
            all.push((fit, longer));
        }
        all
    }
}

impl Line {
    /// Takes a typed line apart as a shell does: blanks separate, quotes of both kinds and backslashes keep together. A reason that does
    /// not begin with a quote is all that follows, literally.
    pub(crate) fn typed(text: &str) -> Self {
        let mut line = Self::split(text);
        let words = line.words();
        let before_reason = |count: &usize| {
            let expects =
                |reading: &Reading| reading.next().nodes().any(|node| matches!(node.token, Token::Arg(Kind::Reason)));
            follow(&line, &words[..*count]).is_ok_and(|readings| readings.iter().any(expects))
        };
        let reason = (1..words.len()).find(before_reason).map(|count| words[count].at.start);
        if let Some(start) = reason
            && !text[start..].starts_with(['"', '\''])
        {
            line.take_literally(start);
        }
        line
    }
}

/// Every way to read `words`, the first words of `line`; never none.
///
/// # Errors
/// The first word that nothing can be made of.
pub(super) fn follow(line: &Line, words: &[Word]) -> Result<Vec<Reading>, Complaint> {
    let mut readings = vec![Reading::start()];
    for word in words {
        let mut objections = Vec::new();
        let mut longer: Vec<_> =
            readings.iter().flat_map(|reading| reading.with(&word.text, &mut objections)).collect();
        // A whole word is never the beginning of another one.
        if longer.iter().any(|(fit, _)| *fit == Fit::Exact) {
            longer.retain(|(fit, _)| *fit == Fit::Exact);
        }
        if longer.is_empty() {
            return Err(Complaint::unread(line, word, &readings, objections));
        }
        readings = longer.into_iter().map(|(_, reading)| reading).collect();
    }
    Ok(readings)
}
