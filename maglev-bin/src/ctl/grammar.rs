//! The language of `maglevc`, without any I/O. One tree of words (`tree`) says what can be typed and what each word is for; reading a
//! line, completing it, helping with it and complaining about it all follow that tree.

use self::read::follow;
use self::tree::Said;

mod command;
mod complaint;
mod complete;
mod read;
mod tree;
mod words;

pub(super) use command::{Action, Command, Level, Watch};
pub(super) use complaint::Complaint;
pub(super) use complete::{Ask, Candidate, Names, complete, help, synopsis};
pub(super) use words::Line;

/// The line ends within a reason, where every character stands for itself.
pub(super) fn in_reason(line: &Line) -> bool {
    follow(line, line.words()).is_ok_and(|readings| readings.iter().any(read::Reading::in_reason))
}

/// The command that `line` asks for; `None` for a line without words.
///
/// # Errors
/// What cannot be understood, and where it stands.
pub(super) fn parse(line: &Line) -> Result<Option<Command>, Complaint> {
    if let Some(at) = line.open() {
        return Err(Complaint::new(line, at..line.text().len(), "this is not closed"));
    }
    if line.words().is_empty() {
        return Ok(None);
    }
    let readings = follow(line, line.words())?;
    let mut complete = readings.iter().filter_map(|reading| Some((reading, reading.next().command?)));
    match (complete.next(), complete.next()) {
        (Some((reading, command)), None) => Ok(Some(command(&Said(reading.said())))),
        (None, _) => Err(Complaint::unfinished(line, &readings)),
        (Some(_), Some(_)) => Err(Complaint::ambiguous(line, &readings)),
    }
}

#[cfg(test)]
mod tests;
