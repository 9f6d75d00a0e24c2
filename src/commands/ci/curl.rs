//! Requests to a server, by curl. What is secret stands in a file that only the user can read, never on a command line.

use crate::error::{Error, IoContext, Result};
use crate::process::{Cmd, find};
use crate::text::{Shown, file, is_hidden};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

/// How long a request can take, in seconds.
const TIMEOUT: &str = "60";

/// What is sent with one secret.
pub struct Curl {
    /// The files, for as long as this lives.
    scratch: TempDir,
}

impl Curl {
    /// With this line of a configuration of curl, in which the secret stands.
    pub fn new(line: &str) -> Result<Self> {
        find("curl").map_err(|error| error.context("cannot send"))?;
        // Nobody else can enter it.
        let scratch = tempfile::tempdir().doing("create a directory in", Path::new("/tmp"))?;
        let config = scratch.path().join("config");
        file::replace(&config, b"")?;
        std::fs::set_permissions(&config, Permissions::from_mode(0o600))
            .doing("change the mode of", &config)?;
        file::replace(&config, line.as_bytes())?;
        Ok(Self { scratch })
    }

    /// A text as a file that curl reads.
    pub fn file(&self, name: &str, content: &[u8]) -> Result<std::path::PathBuf> {
        let path = self.scratch.path().join(name);
        file::replace(&path, content)?;
        Ok(path)
    }

    /// curl, with what all requests have.
    pub fn command(&self) -> Cmd {
        Cmd::new("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", TIMEOUT, "--config"])
            .arg(self.scratch.path().join("config"))
    }

    /// What the server answers to a request; `what` is what is asked of it.
    pub fn ask(request: &Cmd, what: &str) -> Result<String> {
        let output = request.output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let why = output.stderr.lines().last().unwrap_or_default();
        Err(Error::cannot_run(format!("cannot {what}: {}", Shown::line(why)))
            .hint("check the address, the token and the network, then try again"))
    }
}

/// A value in quotes, for a configuration of curl. None where it has a line feed.
pub fn quoted(text: &str) -> Option<String> {
    (!text.contains(is_hidden)).then(|| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}
