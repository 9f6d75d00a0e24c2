//! Our standard input and our terminal, for a command in a guest.

use crate::error::{Error, Result};
use crate::guest::protocol::{STDIN_WINDOW, Size};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::io::{Read, stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

/// How often this byte (Ctrl-]) must come in a row to leave a guest that hangs.
const ESCAPE: (u8, usize) = (0x1d, 3);

mod ioctl {
    #![allow(missing_docs, reason = "the macro leaves no place for them")]
    nix::ioctl_read_bad!(window_size, nix::libc::TIOCGWINSZ, nix::pty::Winsize);
}

/// Our input, read by a thread of its own.
pub(super) struct Input {
    scenarios: mpsc::Receiver<Vec<u8>>,
    taken: mpsc::Sender<()>,
    escaped: Arc<AtomicBool>,
}

impl Input {
    /// Begins to read `source`. From a terminal the user can escape.
    pub fn read(source: Box<dyn Read + Send>, terminal: bool) -> Self {
        let (sender, scenarios) = mpsc::channel();
        let (taken, takes) = mpsc::channel();
        let escaped = Arc::new(AtomicBool::new(false));
        let escape = terminal.then(|| Arc::clone(&escaped));
        thread::spawn(move || read_pieces(source, &sender, &takes, escape.as_deref()));
        Self { scenarios, taken, escaped }
    }

    /// What was read; nothing at all is the end.
    pub fn scenarios(&self) -> impl Iterator<Item = Vec<u8>> {
        self.scenarios.try_iter()
    }

    /// The guest took a scenario: the next may be read.
    pub fn taken(&self) {
        let _ = self.taken.send(());
    }

    /// The user wants to leave a guest that may hang.
    pub fn escaped(&self) -> bool {
        self.escaped.load(Ordering::Relaxed)
    }
}

/// Our terminal, in raw mode until this is dropped.
pub(super) struct Terminal {
    before: Termios,
    resized: Arc<AtomicBool>,
}

impl Terminal {
    /// Takes it over.
    pub fn take_over() -> Result<Self> {
        let before = make_raw()?;
        let resized = Arc::new(AtomicBool::new(false));
        let _ = signal_hook::flag::register(signal_hook::consts::SIGWINCH, Arc::clone(&resized));
        Ok(Self { before, resized })
    }

    /// Its size, if that changed.
    pub fn new_size(&self) -> Option<Size> {
        self.resized.swap(false, Ordering::Relaxed).then(terminal_size)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), SetArg::TCSADRAIN, &self.before);
    }
}

/// Reads scenario by scenario: the next only after the guest took the one before.
fn read_pieces(
    mut source: impl Read,
    scenarios: &mpsc::Sender<Vec<u8>>,
    taken: &mpsc::Receiver<()>,
    escaped: Option<&AtomicBool>,
) {
    let mut buffer = vec![0; STDIN_WINDOW];
    let mut escapes = 0;
    loop {
        let count = source.read(&mut buffer).unwrap_or(0);
        let data = buffer[..count].to_vec();
        for byte in &data {
            escapes = if *byte == ESCAPE.0 { escapes + 1 } else { 0 };
        }
        if let (Some(escaped), true) = (escaped, escapes >= ESCAPE.1) {
            escaped.store(true, Ordering::Relaxed);
        }
        if scenarios.send(data).is_err() || count == 0 {
            return;
        }
        // A terminal is never ahead by much, and what is typed blindly must not wait for an answer.
        if escaped.is_none() && taken.recv().is_err() {
            return;
        }
    }
}

fn make_raw() -> Result<Termios> {
    let failed = |error| Error::cannot_run(format!("standard input is no terminal: {error}"));
    let before = tcgetattr(stdin()).map_err(failed)?;
    let mut raw = before.clone();
    cfmakeraw(&mut raw);
    tcsetattr(stdin(), SetArg::TCSADRAIN, &raw).map_err(failed)?;
    Ok(before)
}

/// The size of our terminal, or a usual one.
pub(super) fn terminal_size() -> Size {
    let mut size = nix::pty::Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointer is valid for the call; a descriptor that is no terminal is an error, which leaves it as it is.
    let known = unsafe { ioctl::window_size(nix::libc::STDIN_FILENO, &raw mut size) };
    match known {
        Ok(_) if size.ws_row > 0 && size.ws_col > 0 => Size { rows: size.ws_row, cols: size.ws_col },
        _ => Size { rows: 24, cols: 80 },
    }
}
