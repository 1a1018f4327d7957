//! Configs that are checked and planned before anything depends on them.

use std::fs::File;
use std::io::{self, Read};

use tokio::sync::oneshot;

use super::{Failure, LATER, Outcome, SOON, show_plan};
use crate::config::LARGEST;
use crate::ctl::args::Format;
use crate::ctl::output::Output;
use crate::ctl::session::Session;
use crate::ctl::show;
use crate::proto::{CheckConfigRequest, PlanVpplbStateRequest};

/// Says what is wrong with a file, or with the daemon's own.
pub(super) async fn check(file: Option<&str>, session: &mut Session, output: &mut Output) -> Result<(), Failure> {
    let config = Config::read(file).await?;
    let answer = config.check(session).await?;
    let (details, verdict) = show::check(&answer, &config.name);
    if output.format() == Format::Text {
        output.warn(&details);
        if !answer.ok {
            output.warn(&verdict);
        }
    }
    if answer.ok || output.format() != Format::Text {
        output.show(&answer, |_| verdict)?;
    }
    if answer.ok { Ok(()) } else { Err(Failure::Config) }
}

/// Says what a reload of a file, or of the daemon's own, would change.
pub(super) async fn plan(file: Option<&str>, session: &mut Session, output: &mut Output) -> Result<Outcome, Failure> {
    let config = Config::read(file).await?;
    let request = PlanVpplbStateRequest {
        text: config.text.clone(),
        file: config.file(),
        file_of_daemon: config.text.is_none(),
        recreate: false,
    };
    match session.call(LATER, async |client| client.plan_vpplb_state(request).await).await {
        Ok(plan) => show_plan(&plan, output),
        // The refusal is one line for all that is wrong; a check shows where.
        Err(failure) if failure.is_invalid() && output.format() == Format::Text => {
            let answer = config.check(session).await?;
            if answer.ok {
                return Err(failure);
            }
            let (details, verdict) = show::check(&answer, &config.name);
            output.warn(&format!("{details}{verdict}"));
            Err(Failure::Config)
        }
        Err(failure) => Err(failure),
    }
}

/// The text of a file, or none for the daemon's own.
struct Config {
    /// For people.
    name: String,
    text: Option<String>,
}

impl Config {
    /// A FIFO may never say anything: a thread of its own waits for it, which ends with the process if nobody waits any more. One of
    /// the runtime would keep that from its end.
    async fn read(file: Option<&str>) -> Result<Self, Failure> {
        let Some(file) = file.map(str::to_owned) else {
            return Ok(Self { name: "the config of maglevd".to_owned(), text: None });
        };
        let (done, read) = oneshot::channel();
        std::thread::Builder::new().spawn(move || done.send(Self::read_now(&file)))?;
        read.await.expect("the thread sends what it has read")
    }

    fn read_now(file: &str) -> Result<Self, Failure> {
        let name = if file == "-" { "<stdin>" } else { file }.to_owned();
        let failure = |reason: String| Failure::File { file: name.clone(), reason };
        let mut bytes = Vec::new();
        let most = LARGEST as u64 + 1;
        let read = match file {
            "-" => io::stdin().take(most).read_to_end(&mut bytes),
            path => File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
        };
        read.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => failure("there is no such file".to_owned()),
            _ => failure(error.to_string()),
        })?;
        if bytes.len() > LARGEST {
            return Err(failure(format!("this is larger than {} MiB: is it a config?", LARGEST >> 20)));
        }
        let text = String::from_utf8(bytes).map_err(|_| failure("this is not UTF-8".to_owned()))?;
        Ok(Self { name, text: Some(text) })
    }

    /// What messages of the server call the text.
    fn file(&self) -> String {
        if self.text.is_some() { self.name.clone() } else { String::new() }
    }

    async fn check(&self, session: &mut Session) -> Result<crate::proto::CheckConfigResponse, Failure> {
        let request = CheckConfigRequest { text: self.text.clone(), file: self.file() };
        session.call(SOON, async |client| client.check_config(request).await).await
    }
}
