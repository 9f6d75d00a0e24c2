//! The private virtual environment of virtme-ng, where the distribution has none or one that is too old.

use crate::error::{Error, IoContext, Result};
use crate::process::{self, Cmd, describe};
use nix::fcntl::{Flock, FlockArg};
use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Written last. Virtual environments cannot be moved, so they are made in place, and one without it is made again.
const COMPLETE: &str = ".complete";

/// How many lines of a command's output are looked at when it failed: pip tries five times, and explains in many words.
const MAX_LINES: usize = 40;

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
        .arg(format!("virtme-ng>={min}"))
        // All else that pip's own configuration says counts, but this makes no sense in a virtual environment.
        .env("PIP_USER", "0");
    pip_step(&pip, say)?;
    Cmd::new(venv.join("bin/vng"))
        .arg("--version")
        .read()
        .map_err(|error| error.context("cannot run the virtme-ng that was just installed"))?;
    let complete = venv.join(COMPLETE);
    crate::text::file::replace(&complete, b"")
}

/// Two invocations at once must not make the same environment: the second waits.
fn lock(path: &Path) -> Result<Flock<File>> {
    let file = File::create(path).doing("create", path)?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, error)| Error::cannot_run(format!("cannot lock {}: {error}", path.display())))
}

/// Runs `command`, after saying so; fails with the last line that it printed.
pub(super) fn step(command: &Cmd, say: &mut dyn FnMut(&str)) -> Result<()> {
    let failed = attempt(command, say)?;
    failed.map_or(Ok(()), |failed| {
        Err(failed.error(command).hint("check the network, then run the same command again"))
    })
}

/// The same for pip, which most often fails for what is between it and its index.
fn pip_step(command: &Cmd, say: &mut dyn FnMut(&str)) -> Result<()> {
    let failed = attempt(command, say)?;
    failed.map_or(Ok(()), |failed| Err(failed.error(command).hint(pip_remedy(&failed.said))))
}

/// How a command failed.
struct Failed {
    how: String,
    /// The last lines that it printed, a line each.
    said: String,
}

impl Failed {
    fn error(&self, command: &Cmd) -> Error {
        let last = self.said.lines().last().unwrap_or_default();
        Error::cannot_run(format!("{command} ({}): {last}", self.how))
    }
}

/// Runs `command`, after saying so; none if it succeeds.
fn attempt(command: &Cmd, say: &mut dyn FnMut(&str)) -> Result<Option<Failed>> {
    say(&format!("$ {command}"));
    let mut lines = VecDeque::new();
    let status = command.stream(|line| {
        if !line.trim().is_empty() {
            lines.push_back(line.to_owned());
            lines.drain(..lines.len().saturating_sub(MAX_LINES));
        }
        say(line);
    })?;
    let failed = || Failed { how: describe(status), said: Vec::from(lines).join("\n") };
    Ok((!status.success()).then(failed))
}

/// What to do about a pip that failed and said this. Its environment is ours, so that each of these can be set for `vmptcp`,
/// or for good in pip's own configuration (pip.conf).
fn pip_remedy(said: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(&["CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "SSLError", "InvalidCertificate"]) {
        "pip does not trust the certificate of the index, or of a proxy before it: name a file with the one that signed it, \
         PIP_CERT=/path/of/ca.pem vmptcp doctor --fix, or `cert` in pip.conf (where pip uses the system's certificates: \
         SSL_CERT_FILE=/path/of/ca.pem)"
    } else if says(&["TLS CA certificate bundle"]) {
        "the file of certificates that pip is told of is not there: see PIP_CERT, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, and \
         `pip config list`"
    } else if says(&["ProxyError", "Cannot connect to proxy", "Proxy Authentication Required"]) {
        "pip cannot pass the proxy: HTTPS_PROXY=http://[USER:PASSWORD@]HOST:PORT vmptcp doctor --fix, or `proxy` in pip.conf"
    } else if says(&["401 ", "403 ", "User for "]) {
        "the index wants a user or refuses this one: PIP_INDEX_URL=https://USER:PASSWORD@HOST/simple vmptcp doctor --fix, or \
         `index-url` in pip.conf"
    } else if says(UNREACHABLE) {
        "pip cannot reach its index. Behind a proxy: HTTPS_PROXY=http://HOST:PORT vmptcp doctor --fix; with an index of your \
         own: PIP_INDEX_URL=https://HOST/simple, or `index-url` in pip.conf"
    } else if says(&["No matching distribution", "Could not find a version"]) {
        "pip found no index, or one that has none for this Python: behind a proxy set HTTPS_PROXY, or name another index, PIP_INDEX_URL=https://HOST/simple vmptcp \
         doctor --fix; `pip config list` shows what pip.conf says"
    } else {
        "check the network, then run the same command again"
    }
}

/// What pip says where nobody answers.
const UNREACHABLE: &[&str] = &[
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Connection refused",
    "Connection reset",
    "RemoteDisconnected",
    "Name or service not known",
    "Temporary failure in name resolution",
    "Network is unreachable",
];

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

    /// The beginning of each remedy for what pip really printed.
    #[test]
    fn a_pip_behind_a_proxy_is_told_which_variable_to_set() {
        let retrying = |why: &str| {
            format!(
                "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by '{why}': /simple/virtme-ng/\n\
                 ERROR: Could not find a version that satisfies the requirement virtme-ng>=1.41 (from versions: none)\n\
                 ERROR: No matching distribution found for virtme-ng>=1.41"
            )
        };
        for (said, variable) in [
            (
                retrying("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain (_ssl.c:1029)'))"),
                "PIP_CERT=",
            ),
            ("ERROR: Could not install packages due to an OSError: Could not find a suitable TLS CA certificate bundle, invalid path: /x".to_owned(), "PIP_CERT"),
            (retrying("ProxyError('Cannot connect to proxy.', NewConnectionError('refused'))"), "HTTPS_PROXY="),
            (retrying("ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy Authentication Required'))"), "HTTPS_PROXY="),
            (retrying("NewConnectionError(': Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')"), "HTTPS_PROXY="),
            ("ERROR: 403 Client Error: Forbidden for url: https://x/simple/".to_owned(), "PIP_INDEX_URL="),
            ("ERROR: No matching distribution found for virtme-ng>=1.41".to_owned(), "PIP_INDEX_URL="),
        ] {
            let remedy = pip_remedy(&said);
            assert!(remedy.contains(variable), "{said}\n{remedy}");
        }
    }

    #[test]
    fn the_remedy_comes_from_lines_above_the_last() {
        let script = "echo \"after connection broken by 'SSLError(CERTIFICATE_VERIFY_FAILED)'\"; echo ERROR: none; exit 1";
        let error = pip_step(&Cmd::new("sh").args(["-c", script]), &mut |_| ()).unwrap_err();
        assert!(error.to_string().ends_with("ERROR: none"), "{error}");
        assert!(format!("{error:?}").contains("PIP_CERT="), "{error:?}");
    }
}
