//! `vpp-api-gen`: from VPP's `.api.json` files to Rust source that uses the macros of `vpp-api`.

mod docs;
mod known;
mod model;
mod names;
mod read;
mod resolve;
mod write;

use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use model::Module;

const HELP: &str = "\
Writes Rust declarations of messages from VPP's API definitions.

Usage: vpp-api-gen FILE.api.json... [-o DIR]

  FILE.api.json   as VPP installs them below share/vpp/api. A type that several of them define is generated once,
                  in the module that the others import; give imported files too, or their types are generated
                  in each module that needs them
  -o, --out DIR   writes DIR/MODULE.rs for each file, and DIR/mod.rs; without it modules go to standard output,
                  one behind the other
  -h, --help      this text
  -V, --version   version

The output needs the crate vpp-api, and none of its features. Types that vpp-api has, such as addresses and
interface indices, are taken from there. CRCs are those of the files.

Exit status: 0 written; 1 a file cannot be read, understood or written; 2 wrong usage.
";

fn main() -> ExitCode {
    match Request::parse(std::env::args().skip(1)) {
        Ok(Request::Print(text)) => {
            // A reader that has seen enough is no failure.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Request::Generate { files, out }) => match generate(&files, out) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => {
                eprintln!("vpp-api-gen: {problem}");
                ExitCode::from(1)
            }
        },
        Err(usage) => {
            eprintln!("vpp-api-gen: {usage}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

/// What is asked of the program.
enum Request {
    Print(String),
    Generate { files: Vec<PathBuf>, out: Option<PathBuf> },
}

impl Request {
    fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut files, mut out) = (Vec::new(), None);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "-h" | "--help" => return Ok(Self::Print(HELP.to_owned())),
                "-V" | "--version" => {
                    return Ok(Self::Print(format!("vpp-api-gen {}\n", env!("CARGO_PKG_VERSION"))));
                }
                "-o" | "--out" => {
                    let folder = arguments.next().ok_or_else(|| format!("{argument} needs a folder"))?;
                    out = Some(PathBuf::from(folder));
                }
                option if option.starts_with('-') => return Err(format!("there is no option {option}")),
                file => files.push(PathBuf::from(file)),
            }
        }
        if files.is_empty() {
            return Err("no FILE.api.json was given".to_owned());
        }
        Ok(Self::Generate { files, out })
    }
}

/// Reads all files before anything is written.
fn generate(files: &[PathBuf], out: Option<PathBuf>) -> Result<(), Problem> {
    let modules = files.iter().map(|file| read::file(file)).collect::<Result<Vec<_>, _>>()?;
    let modules = resolve::in_order(modules)?;
    let sources = write::sources(&modules)?;
    let Some(out) = out else {
        let mut text = String::new();
        for (module, source) in modules.iter().zip(&sources) {
            text.push_str(&write::inline(module, source));
        }
        let _ = std::io::stdout().write_all(text.as_bytes());
        return Ok(());
    };
    let failed = |path: &PathBuf, error| Problem::new(path.display(), "", error);
    std::fs::create_dir_all(&out).map_err(|error| failed(&out, error))?;
    let index = ("mod".to_owned(), write::index(&modules));
    let named = modules.iter().map(|module: &Module| module.name.clone()).zip(sources);
    for (name, source) in named.chain([index]) {
        let path = out.join(format!("{name}.rs"));
        std::fs::write(&path, source).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// What is wrong, and where: in which file and in which of its definitions.
#[derive(Debug)]
struct Problem {
    file: String,
    construct: String,
    what: String,
}

impl Problem {
    fn new(file: impl ToString, construct: impl Into<String>, what: impl ToString) -> Self {
        Self { file: file.to_string(), construct: construct.into(), what: what.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.construct.as_str() {
            "" => write!(f, "{}: {}", self.file, self.what),
            construct => write!(f, "{}: {construct}: {}", self.file, self.what),
        }
    }
}
