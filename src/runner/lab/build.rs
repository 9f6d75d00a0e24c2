//! Builds of samples and modules on the host: in a copy, with a home of their own, and unable to write anywhere else.

use super::ScenarioEnd;
use crate::error::{IoContext, Result};
use crate::event::Outcome;
use crate::kernel::build::failure::first_error;
use crate::process::{Cmd, Confinement, describe};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Where programs write that are not told otherwise: variables, and directories below the scratch home.
const SCRATCH: [(&str, &str); 17] = [
    ("HOME", ""),
    ("TMPDIR", "tmp"),
    ("TMP", "tmp"),
    ("TEMP", "tmp"),
    ("XDG_CACHE_HOME", ".cache"),
    ("XDG_CONFIG_HOME", ".config"),
    ("XDG_DATA_HOME", ".local/share"),
    ("XDG_STATE_HOME", ".local/state"),
    ("XDG_RUNTIME_DIR", "tmp"),
    ("PYTHONUSERBASE", ".local"),
    ("CARGO_HOME", ".cargo"),
    ("GOPATH", "go"),
    ("GOCACHE", ".cache/go-build"),
    ("GOMODCACHE", "go/pkg/mod"),
    ("CCACHE_DIR", ".cache/ccache"),
    ("PIP_CACHE_DIR", ".cache/pip"),
    ("npm_config_cache", ".cache/npm"),
];

/// What builds read below the user's home: tools that live there, and how to reach a registry. It is there in the scratch
/// home too, as links.
const READ: [&str; 13] = [
    ".rustup",
    ".cargo/config.toml",
    ".cargo/config",
    ".pyenv",
    ".rbenv",
    ".nvm",
    ".asdf",
    ".sdkman",
    ".config/pip",
    ".config/go",
    ".config/git",
    ".gitconfig",
    ".npmrc",
];

/// What builds one scenario.
pub(super) struct Builder<'a> {
    /// The only directory that the build may change, besides its home.
    pub dir: &'a Path,
    /// Where what it writes elsewhere goes, and what its programs get as their home.
    pub home: PathBuf,
    /// The kernel's configuration.
    pub config: &'a Path,
    confinement: Confinement,
}

impl<'a> Builder<'a> {
    /// For a scenario in `dir`, with a new home at `home`. `real` is the user's own.
    pub fn new(
        dir: &'a Path,
        home: &Path,
        real: Option<&Path>,
        config: &'a Path,
        confinement: &Confinement,
    ) -> Result<Self> {
        for path in SCRATCH.iter().map(|(_, below)| home.join(below)).chain([dir.to_owned()]) {
            fs::create_dir_all(&path).doing("create", &path)?;
        }
        for name in READ {
            let Some(there) = real.map(|real| real.join(name)).filter(|path| path.exists()) else { continue };
            let link = home.join(name);
            if let Some(parent) = link.parent() {
                fs::create_dir_all(parent).doing("create", parent)?;
            }
            symlink(&there, &link).doing("create", &link)?;
        }
        Ok(Self { dir, home: home.to_owned(), config, confinement: confinement.clone() })
    }

    /// The same where nothing is confined, and nobody has a home.
    #[cfg(test)]
    pub fn unconfined(dir: &'a Path, home: &Path, config: &'a Path) -> Self {
        fs::create_dir_all(home).unwrap();
        Self { dir, home: home.to_owned(), config, confinement: Confinement::default() }
    }

    /// A file in the scratch home.
    pub fn scratch(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.home.join(name);
        fs::write(&path, text).doing("write", &path)?;
        Ok(path)
    }

    /// The command with its home, and confined.
    pub fn confined(&self, cmd: &Cmd) -> Cmd {
        self.confined_at(cmd, self.dir)
    }

    /// The same for a command that knows its directory by another path.
    pub fn confined_at(&self, cmd: &Cmd, dir: &Path) -> Cmd {
        let mut cmd = self.confinement.wrap(cmd, &[dir, &self.home]);
        for (name, below) in SCRATCH {
            cmd = cmd.env(name, self.home.join(below));
        }
        cmd.env("LC_ALL", "C")
    }

    /// Removes what only the build needed.
    pub fn tidy(&self) {
        for name in ["tmp", ".cache"] {
            // What cannot be removed does no harm.
            let _ = fs::remove_dir_all(self.home.join(name));
        }
    }

    /// Runs a command of the build, and fails with the first error that it prints.
    pub fn run(&self, cmd: &Cmd) -> Result<(), ScenarioEnd> {
        run(&self.confined(cmd))
    }
}

/// Runs a command, and fails with the first error that it prints.
pub(super) fn run(cmd: &Cmd) -> Result<(), ScenarioEnd> {
    let mut lines = Vec::new();
    let status = cmd.stream(|line| {
        if lines.len() < 10_000 {
            lines.push(line.to_owned());
        }
    })?;
    if status.success() {
        return Ok(());
    }
    let error = first_error(lines.iter().map(String::as_str));
    let telling = error.iter().find(|line| line.contains("error")).or(error.first());
    let telling = telling.cloned().unwrap_or_else(|| describe(status));
    let hint = if lines.iter().any(|line| line.contains("Read-only file system")) {
        ": a build may write into the copy of its directory and into $HOME and $TMPDIR only, which are its own"
    } else if telling.contains("No such file") && telling.contains("..") {
        ": only the directory was copied, and what its sources include from above it"
    } else {
        ""
    };
    Err(ScenarioEnd::new(Outcome::Error, format!("it does not build: {}{hint}", telling.trim())))
}
