//! The private virtual environment of virtme-ng, where the distribution has none or one that is too old.

use crate::error::{Error, IoContext, Result};
use crate::process::{self, Cmd, describe};
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Written last. Virtual environments cannot be moved, so they are made in place, and one without it is made anew.
const COMPLETE: &str = ".complete";

/// A program of the virtual environment, if that is complete.
pub(super) fn program(venv: &Path, name: &str) -> Option<PathBuf> {
    let path = venv.join("bin").join(name);
    (venv.join(COMPLETE).is_file() && path.is_file()).then_some(path)
}

/// Makes the virtual environment with virtme-ng of at least version `min` in it, in place of one that is there.
/// Output of the tools goes to `say`, line by line.
pub(super) fn create(venv: &Path, min: &str, say: &mut dyn FnMut(&str)) -> Result<()> {
    let parent = venv.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).doing("create", parent)?;
    let _lock = lock(&venv.with_extension("lock"))?;
    let _ = std::fs::remove_file(venv.join(COMPLETE));
    if venv.exists() {
        std::fs::remove_dir_all(venv).doing("remove", venv)?;
    }
    let python = process::find("python3")?.path;
    step(&Cmd::new(python).args(["-m", "venv"]).arg(venv), say)?;
    let pip = Cmd::new(venv.join("bin/python3"))
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"])
        .arg(format!("virtme-ng>={min}"));
    step(&pip, say)?;
    Cmd::new(venv.join("bin/vng"))
        .arg("--version")
        .read()
        .map_err(|error| error.context("cannot run the virtme-ng that was just installed"))?;
    let complete = venv.join(COMPLETE);
    std::fs::write(&complete, b"").doing("write", &complete)
}

/// Two invocations at once must not make the same environment: the second waits.
fn lock(path: &Path) -> Result<Flock<File>> {
    let file = File::create(path).doing("create", path)?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, error)| Error::cannot_run(format!("cannot lock {}: {error}", path.display())))
}

/// Runs `command`, after saying so; fails with the last line that it printed.
pub(super) fn step(command: &Cmd, say: &mut dyn FnMut(&str)) -> Result<()> {
    say(&format!("$ {command}"));
    let mut last = String::new();
    let status = command.stream(|line| {
        if !line.trim().is_empty() {
            line.clone_into(&mut last);
        }
        say(line);
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::cannot_run(format!("{command} ({}): {last}", describe(status)))
        .hint("check the network, then run the same command again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_without_its_marker_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        std::fs::write(dir.path().join("bin/vng"), "").unwrap();
        assert_eq!(program(dir.path(), "vng"), None);
        std::fs::write(dir.path().join(COMPLETE), "").unwrap();
        assert_eq!(program(dir.path(), "vng"), Some(dir.path().join("bin/vng")));
        assert_eq!(program(dir.path(), "python9"), None);
    }

    #[test]
    fn a_failing_step_shows_its_command_and_its_last_words() {
        let mut said = Vec::new();
        let command = Cmd::new("sh").args(["-c", "echo one; echo no network >&2; exit 2"]);
        let error = step(&command, &mut |line| said.push(line.to_owned())).unwrap_err();
        assert!(error.to_string().ends_with("(exit code 2): no network"), "{error}");
        assert_eq!(said.len(), 3);
    }
}
