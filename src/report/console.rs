//! What was asked for goes to standard output; what is said about it, to standard error.
//!
//! Standard error may be a pipe that nobody reads any more: what is said there is then lost, and work goes on. That is why
//! nothing here uses the print macros, which panic.

use super::style::{clean, paint};
use crate::error::{Error, IoContext, Result};
use std::io::{ErrorKind, Write as _};

/// Writes text to standard output. That nobody reads on, as in `vmptcp report | head`, is no error; a full disk is.
pub fn out(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.doing("write to", "standard output"),
    }
}

/// Writes a line to standard error.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Says something on standard error.
pub fn note(text: &str) {
    line(&format!("vmptcp: {}", clean(text)));
}

/// Tells an error: what happened and, on the last line, what to do next.
pub fn error(error: &Error, colour: bool) {
    let mut lines = error.to_string().lines().map(clean).collect::<Vec<_>>().into_iter();
    line(&format!("{} {}", paint(colour, "1;31", "error:"), lines.next().unwrap_or_default()));
    lines.for_each(|further| line(&further));
    for hint in error.remedy().into_iter().flat_map(str::lines) {
        line(&format!("  {} {}", paint(colour, "36", "→"), clean(hint)));
    }
}

/// Asks a yes-or-no question on standard error; only `y` and `yes` are a yes.
pub fn ask(question: &str) -> bool {
    let _ = write!(std::io::stderr().lock(), "{} [y/N] ", clean(question));
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
