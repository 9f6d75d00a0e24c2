//! The process's environment: read once, here and nowhere else.

use super::keys::{PREFIX, RUN_DIR};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The variables of the environment, the current directory and the home directory.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    current_dir: PathBuf,
    home: Option<PathBuf>,
}

impl Environment {
    /// That of this process. Without `HOME` the home directory is that of the user database.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_process() -> Self {
        let mut environment = Self::new(std::env::vars_os());
        // Without a current directory relative paths stay as they are, and fail where they are used.
        environment.current_dir = std::env::current_dir().unwrap_or_default();
        if environment.home.is_none() {
            let user = nix::unistd::User::from_uid(nix::unistd::getuid());
            environment.home = user.ok().flatten().map(|user| user.dir);
        }
        environment
    }

    /// One of these variables. An empty variable counts as one that is not set.
    pub fn new<K: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let variables: BTreeMap<OsString, OsString> = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let mut environment = Self { variables, ..Self::default() };
        environment.home = environment.absolute("HOME");
        environment
    }

    /// With another current directory.
    #[must_use]
    pub fn in_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.current_dir = dir.into();
        self
    }

    /// The variables that set a setting, by name; any of the two may be no UTF-8.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) && name != RUN_DIR;
        self.variables
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
            .filter(move |(name, _)| ours(name))
    }

    /// All variables that are set, by name.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// True if the kernel's build is to be done with LLVM: `LLVM=1`, as for kbuild. Other values of it are for who builds
    /// to refuse.
    pub(super) fn llvm(&self) -> bool {
        self.get("LLVM").is_some_and(|value| value == "1")
    }

    /// The current directory; empty if there is none any more.
    pub fn current_dir(&self) -> &Path {
        &self.current_dir
    }

    /// The user's home directory.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// Where vmptcp keeps what it can obtain again: `$XDG_CACHE_HOME/vmptcp` or `~/.cache/vmptcp`. Fails if the user has
    /// no home.
    pub fn cache_dir(&self) -> Result<PathBuf> {
        self.base_dir("XDG_CACHE_HOME", ".cache")
    }

    /// Where the user's settings are: `$XDG_CONFIG_HOME/vmptcp` or `~/.config/vmptcp`. Fails if the user has no home.
    pub fn config_dir(&self) -> Result<PathBuf> {
        self.base_dir("XDG_CONFIG_HOME", ".config")
    }

    /// Where vmptcp remembers what it found out: `$XDG_STATE_HOME/vmptcp` or `~/.local/state/vmptcp`. Fails if the user
    /// has no home.
    pub fn state_dir(&self) -> Result<PathBuf> {
        self.base_dir("XDG_STATE_HOME", ".local/state")
    }

    /// See the XDG base directory specification: a relative path in such a variable is to be ignored.
    fn base_dir(&self, variable: &str, below_home: &str) -> Result<PathBuf> {
        self.absolute(variable)
            .or_else(|| self.home.as_ref().map(|home| home.join(below_home)))
            .map(|dir| dir.join("vmptcp"))
            .ok_or_else(|| {
                Error::cannot_run("cannot find the home directory: HOME is not set")
                    .hint(format!("set HOME or {variable} to an absolute path"))
            })
    }

    /// Which of how many mails a hook of `git send-email` is asked about: githooks(5), sendemail-validate. The only one
    /// where git does not say, as before 2.41.
    pub fn sendemail(&self) -> (u32, u32) {
        let number = |name| self.get(name)?.to_str()?.parse().ok();
        let both = number("GIT_SENDEMAIL_FILE_COUNTER").zip(number("GIT_SENDEMAIL_FILE_TOTAL"));
        both.unwrap_or((1, 1))
    }

    /// The token of an account of Patchwork's: `PATCHWORK_TOKEN`.
    pub fn patchwork_token(&self) -> Option<String> {
        self.get("PATCHWORK_TOKEN")?.to_str().map(str::to_owned)
    }

    /// The password of an account of a mail server: `SMTP_PASSWORD`.
    pub fn smtp_password(&self) -> Option<String> {
        self.get("SMTP_PASSWORD")?.to_str().map(str::to_owned)
    }

    /// True in continuous integration: `CI` is set, and not to `false` or `0`.
    pub fn is_ci(&self) -> bool {
        self.get("CI").is_some_and(|value| value != "false" && value != "0")
    }

    /// True if colours are not wanted: `NO_COLOR` is set.
    pub fn no_color(&self) -> bool {
        self.get("NO_COLOR").is_some()
    }

    /// The kind of terminal.
    pub fn term(&self) -> Option<&OsStr> {
        self.get("TERM")
    }

    /// Where programs are looked for.
    pub fn path(&self) -> Option<&OsStr> {
        self.get("PATH")
    }

    /// The user's shell.
    pub fn shell(&self) -> Option<&OsStr> {
        self.get("SHELL")
    }

    /// The user's name.
    pub fn user(&self) -> Option<&OsStr> {
        self.get("USER")
    }

    fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_follow_xdg() {
        let environment =
            Environment::new([("HOME", "/h"), ("XDG_CACHE_HOME", "/c"), ("XDG_STATE_HOME", "rel")]);
        assert_eq!(environment.cache_dir().unwrap(), Path::new("/c/vmptcp"));
        assert_eq!(environment.config_dir().unwrap(), Path::new("/h/.config/vmptcp"));
        assert_eq!(environment.state_dir().unwrap(), Path::new("/h/.local/state/vmptcp"));
    }

    #[test]
    fn without_a_home_the_error_names_the_variable() {
        let error = Environment::new([("HOME", "relative")]).cache_dir().unwrap_err();
        assert!(error.remedy().unwrap().contains("XDG_CACHE_HOME"));
    }

    #[test]
    fn ci_is_what_it_says() {
        let ci = |value: &str| Environment::new([("CI", value)]).is_ci();
        assert!(ci("true") && ci("1") && ci("woodpecker"));
        assert!(!ci("false") && !ci("0") && !ci(""));
        assert!(!Environment::default().is_ci());
    }

    #[test]
    fn this_process_has_a_current_directory() {
        assert!(Environment::from_process().current_dir().is_absolute());
    }
}
