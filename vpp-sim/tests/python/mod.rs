//! A Python with packages of its own, for tests that talk to foreign clients.
//!
//! The packages are installed into a virtual environment below the target folder, once. Without Python or a package index the tests say
//! so and skip; with the environment variable `required_by` set, as in CI, that is a failure.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// What an environment holds. One `static` for all tests of a program.
pub(crate) struct Python {
    /// Its folder.
    pub(crate) name: &'static str,
    /// Oldest version of Python that the packages are for.
    pub(crate) oldest: (u8, u8),
    /// `NAME==VERSION` each.
    pub(crate) packages: &'static [&'static str],
    /// Names to import, with commas between: they are there if the packages work.
    pub(crate) modules: &'static str,
    /// Variable that says that there must be no skipping.
    pub(crate) required_by: &'static str,
    pub(crate) interpreter: OnceLock<Option<PathBuf>>,
}

impl Python {
    /// Makes the environment unless it is there. `false`, said aloud, when there can be none here.
    ///
    /// # Panics
    /// There can be none, and there has to be one.
    pub(crate) fn is_here(&self) -> bool {
        self.interpreter().is_some()
    }

    /// Runs a script and returns what it printed.
    ///
    /// # Panics
    /// It failed. The message has everything it said.
    pub(crate) fn run(&self, script: &str, arguments: &[impl AsRef<Path>]) -> String {
        let interpreter = self.interpreter().expect("the caller asked whether it is here");
        let mut command = Command::new(interpreter);
        command.arg(script).args(arguments.iter().map(AsRef::as_ref));
        run(&mut command).unwrap_or_else(|error| panic!("{error}"))
    }

    fn interpreter(&self) -> Option<&Path> {
        let found = self.interpreter.get_or_init(|| match self.environment() {
            Ok(interpreter) => Some(interpreter),
            Err(reason) => {
                let (packages, required_by) = (self.packages.join(", "), self.required_by);
                let is_required = std::env::var_os(required_by).is_some_and(|value| !value.is_empty());
                assert!(!is_required, "{packages} must run, as {required_by} says, and cannot: {reason}");
                say(&format!("SKIPPED: {packages} cannot run here: {reason}"));
                None
            }
        });
        found.as_deref()
    }

    /// Makes the environment, unless it is there already and works.
    fn environment(&self) -> Result<PathBuf, String> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (folder, lock) = (target.join(self.name), target.join(format!("{}.lock", self.name)));
        // Another run of the tests may be at it.
        let _lock = File::create(&lock)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|error| format!("cannot lock {}: {error}", lock.display()))?;
        let interpreter = folder.join("bin/python");
        if interpreter.exists() && self.probe(&interpreter).is_ok() {
            return Ok(interpreter);
        }
        let (major, minor) = self.oldest;
        let old = format!(
            "import sys; sys.exit('Python {major}.{minor} or newer is needed' if sys.version_info < ({major}, {minor}) else 0)"
        );
        run(Command::new("python3").args(["-c", &old]))?;
        let clear = |command: &mut Command| run(command.arg("--clear").arg(&folder));
        // Debian's Python has no ensurepip, which venv needs, unless a package of its own is installed.
        clear(Command::new("python3").args(["-m", "venv"]))
            .or_else(|venv| {
                clear(Command::new("python3").args(["-m", "virtualenv"])).map_err(|other| format!("{venv}\n{other}"))
            })
            .or_else(|both| clear(&mut Command::new("virtualenv")).map_err(|other| format!("{both}\n{other}")))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
        run(Command::new(&interpreter).args(pip).args(self.packages))?;
        self.probe(&interpreter).map(|_| interpreter)
    }

    /// Whether the packages are there, in these versions, and can be imported.
    fn probe(&self, interpreter: &Path) -> Result<String, String> {
        let works = format!(
            "import sys, importlib.metadata as m, {}
sys.exit([p for p in sys.argv[1:] if m.version(p.split('==')[0]) != p.split('==')[1]] or 0)",
            self.modules
        );
        run(Command::new(interpreter).args(["-c", &works]).args(self.packages))
    }
}

/// Writes a line to standard error past the test harness, which hides what a test that passes prints.
pub(crate) fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Runs a command to its end: its output, or what was asked and everything it said.
fn run(command: &mut Command) -> Result<String, String> {
    match command.output() {
        Ok(Output { status, stdout, .. }) if status.success() => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        Ok(Output { status, stdout, stderr }) => {
            let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
            Err(format!("{command:?}: {status}\n{said}"))
        }
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
