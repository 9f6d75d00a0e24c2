//! Failure kinds, hints and exit codes: the only place that maps one to the other.

use std::fmt;
use std::path::Path;

/// `Result` with the error type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How an invocation ended, as its exit code tells it. The numbers are an interface: see `docs/exit-codes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Everything that was asked for ran, and passed.
    Passed = 0,
    /// At least one test failed or timed out; no guest crashed.
    TestsFailed = 1,
    /// The command line, a settings file or a filter is wrong. Nothing was run.
    Usage = 2,
    /// A guest crashed, or its kernel log has a splat.
    Crashed = 3,
    /// The kernel could not be configured as asked, or did not build.
    BuildFailed = 4,
    /// The job could not be done: a tool is missing, no kernel tree, no disk space, a guest that did not boot.
    CannotRun = 5,
    /// Ctrl-C, SIGTERM or SIGHUP.
    Interrupted = 130,
}

/// What went wrong, coarsely: each kind has one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bad input from the user.
    Usage,
    /// The kernel's configuration or its build failed.
    Build,
    /// Something outside of the user's request is missing or broken.
    CannotRun,
    /// The user, or the system, asked us to stop.
    Interrupted,
}

impl Kind {
    /// The exit code of an invocation that ends with this kind of error.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Usage => ExitCode::Usage,
            Self::Build => ExitCode::BuildFailed,
            Self::CannotRun => ExitCode::CannotRun,
            Self::Interrupted => ExitCode::Interrupted,
        }
    }
}

/// An error that a person reads: what was being done, to what, what happened, and what to do next.
///
/// Messages are lower case without a full stop. The hint is shown on a line of its own, the last.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl Error {
    /// An error of `kind`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// Bad input: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Configuration or build of the kernel failed: exit code 4.
    pub fn build(message: impl Into<String>) -> Self {
        Self::new(Kind::Build, message)
    }

    /// The job cannot be done here and now: exit code 5.
    pub fn cannot_run(message: impl Into<String>) -> Self {
        Self::new(Kind::CannotRun, message)
    }

    /// Stopped from outside: exit code 130.
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// An I/O error on a file: `doing` is a verb in the infinitive, as in "cannot *read* /x: …".
    pub fn io(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        let wrong = Self::cannot_run(format!("cannot {doing} {}: {error}", path.display()));
        match error.kind() {
            std::io::ErrorKind::StorageFull => {
                wrong.hint("free some disk space, then run the same command again")
            }
            std::io::ErrorKind::PermissionDenied => wrong.hint("check who owns it: ls -ld on the path above"),
            _ => wrong,
        }
    }

    /// Adds, or replaces, the remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts what was being done in front of the message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The remedy, where there is one.
    pub fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Adds the path to an I/O result.
pub trait IoContext<T> {
    /// Turns the error into "cannot `doing` `path`: …".
    fn doing(self, doing: &str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn doing(self, doing: &str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|error| Error::io(doing, path.as_ref(), &error))
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
