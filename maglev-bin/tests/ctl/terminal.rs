//! A pseudo-terminal and the program that runs in it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use anstream::adapter::strip_str;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::PATIENCE;

/// A terminal of 80 columns and 24 rows with a program in it.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    output: Receiver<Vec<u8>>,
    /// All that was written, and how far it was looked at.
    screen: Vec<u8>,
    seen: usize,
}

impl Terminal {
    /// Starts `command` with a new terminal as its controlling one.
    pub(crate) fn start(command: &Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let end = || -> OwnedFd {
            open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other end")
        };
        resize(&master, 80);
        // The terminal becomes the controlling one by `setsid`: without that no Ctrl-C and no resize would be told.
        let mut wrapped = Command::new("setsid");
        wrapped.arg("--ctty").arg("--wait").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        wrapped.current_dir(command.get_current_dir().expect("every test has a folder")).env("TERM", "xterm");
        wrapped.stdin(Stdio::from(end())).stdout(Stdio::from(end())).stderr(Stdio::from(end()));
        let child = wrapped.spawn().expect("setsid, of util-linux, runs");
        let keyboard = File::from(master);
        let mut reader = keyboard.try_clone().expect("a second descriptor");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            // The last end that is closed gives an error.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keyboard, output, screen: Vec::new(), seen: 0 }
    }

    /// Presses keys.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal is open");
    }

    /// Waits until the program has written `text`, styles aside, after what was waited for before. Returns what came before it.
    pub(crate) fn shows(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let written = self.written();
            if let Some(at) = written[self.seen..].find(text) {
                let before = written[self.seen..self.seen + at].to_owned();
                self.seen += at + text.len();
                return before;
            }
            let left = PATIENCE.saturating_sub(start.elapsed());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.extend(bytes),
                Err(_) => panic!(
                    "waited {PATIENCE:?} in vain for {text:?} after {:?} in {:?}",
                    &written[self.seen..],
                    String::from_utf8_lossy(&self.screen)
                ),
            }
        }
    }

    /// Changes the number of columns, as dragging a window does.
    pub(crate) fn resize(&self, columns: u16) {
        resize(&self.keyboard, columns);
    }

    /// Waits for the end of the program.
    pub(crate) fn ends(mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it did not end within {PATIENCE:?}; written: {:?}", self.written());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Something so far was styled, or the cursor was moved.
    pub(crate) fn is_styled(&self) -> bool {
        self.screen.contains(&b'\x1b')
    }

    /// Everything so far, without styles and movements of the cursor.
    fn written(&self) -> String {
        strip_str(&String::from_utf8_lossy(&self.screen)).to_string()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(terminal: impl std::os::fd::AsFd, columns: u16) {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).expect("a terminal has a size");
}
