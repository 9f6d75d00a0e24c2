//! The only room that spawns a process.
//!
//! A [`Cmd`] is an argv as data: it can be printed for `--dry-run`, run for its output ([`Cmd::read`]), followed
//! line by line ([`Cmd::stream`]) or started in the background ([`Cmd::spawn`]). Whatever is started in the last two
//! ways lives in a process group of its own under a supervisor, so that nothing outlives us.

mod child;
mod confine;
mod first;
mod id;
pub mod interrupt;
mod landlock;
mod lines;
mod namespace;
mod places;
mod refusal;
mod supervise;
mod tool;

pub use child::{Child, Pipes, Stdio};
pub use confine::{Confinement, Terms, enter as enter_confinement};
pub use id::{Pid, Process};
pub use lines::{LINE_LIMIT, read_lines, read_pieces};
pub use namespace::{Identity, guest_namespace, mount_namespace};
pub use places::Places;
pub use tool::{Tool, find, identity, identity_of};

use error::{Error, Result};
use shown::{decode, is_hidden};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// An external command: program, arguments, environment and directory. Never a shell string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    /// Variables that are set, or removed.
    env: Vec<(OsString, Option<OsString>)>,
    cwd: Option<PathBuf>,
}

/// What a command that was run for its output left behind.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, as [`decode`] makes text of it.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
}

impl Cmd {
    /// A command without arguments. A program without a slash is looked up in `PATH` when it runs.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { program: program.as_ref().to_owned(), args: Vec::new(), env: Vec::new(), cwd: None }
    }

    /// Appends an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets one variable of its environment, which is otherwise ours.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Removes one variable of its environment; one that is set later counts.
    #[must_use]
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_owned(), None));
        self
    }

    /// Runs it in `dir`.
    #[must_use]
    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.cwd = Some(dir.as_ref().to_owned());
        self
    }

    /// Looks for programs in `dir` first, for itself and for what it starts.
    #[must_use]
    pub fn path_first(self, dir: &Path) -> Self {
        let path = tool::search_path();
        let dirs = std::iter::once(dir.to_owned()).chain(std::env::split_paths(&path));
        // A directory with a colon in its name cannot be in a search path at all.
        let path = std::env::join_paths(dirs).unwrap_or(path);
        self.env("PATH", path)
    }

    /// The command, started by another one that takes it as its last arguments: `sudo`, `nice`.
    #[must_use]
    pub fn through(&self, outer: Cmd) -> Self {
        let Self { program, args, env, cwd } = outer.arg(&self.program).args(&self.args);
        let env = env.into_iter().chain(self.env.iter().cloned()).collect();
        Self { program, args, env, cwd: self.cwd.clone().or(cwd) }
    }

    /// The program, as it was given.
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    /// Runs it to its end and returns what it printed, whatever its exit status. For short commands: Ctrl-C reaches
    /// us only when it has ended.
    pub fn output(&self) -> Result<Output> {
        self.collect(duct::Expression::stdin_null)
    }

    /// The same, with this file on its standard input.
    pub fn output_of(&self, input: &Path) -> Result<Output> {
        self.collect(|expression| expression.stdin_path(input))
    }

    fn collect(&self, stdin: impl FnOnce(&duct::Expression) -> duct::Expression) -> Result<Output> {
        let mut expression = duct::cmd(&self.program, &self.args);
        // Of two for one variable the last counts. With duct it is the innermost, which is the first that it is given.
        for (key, value) in self.env.iter().rev() {
            expression = match value {
                Some(value) => expression.env(key, value),
                None => expression.env_remove(key),
            };
        }
        if let Some(dir) = &self.cwd {
            expression = expression.dir(dir);
        }
        let output = stdin(&expression)
            .stdout_capture()
            .stderr_capture()
            .unchecked()
            .before_spawn(|command| {
                supervise::die_with_parent(command);
                Ok(())
            })
            .run()
            .map_err(|error| self.spawn_error(&error))?;
        Ok(Output {
            status: output.status,
            stdout: decode(&output.stdout).into_owned(),
            stderr: decode(&output.stderr).into_owned(),
        })
    }

    /// Runs it to its end and returns its standard output; fails unless it exits with 0.
    pub fn read(&self) -> Result<String> {
        let output = self.output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
        let last: Vec<&str> = said.trim().lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        Err(Error::cannot_run(format!("{} ({}): {}", self, describe(output.status), last.join("\n  "))))
    }

    /// Runs it to its end and hands over each line of its output (both streams, in the order of arrival) as it comes.
    /// On Ctrl-C its whole process group is stopped and [`Error::interrupted`] returned.
    pub fn stream(&self, on_line: impl FnMut(&str)) -> Result<ExitStatus> {
        child::stream(self, on_line)
    }

    /// Becomes it: this process is the command from then on. Returns why that failed.
    pub fn exec(&self) -> Error {
        use std::os::unix::process::CommandExt as _;
        self.spawn_error(&self.to_std().exec())
    }

    /// Starts it in the background.
    pub fn spawn(&self, stdio: Stdio) -> Result<Child> {
        Child::spawn(self, stdio)
    }

    #[allow(clippy::disallowed_methods, reason = "this is the room that spawns")]
    fn to_std(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.args);
        for (key, value) in &self.env {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        if let Some(dir) = &self.cwd {
            command.current_dir(dir);
        }
        command
    }

    fn spawn_error(&self, error: &std::io::Error) -> Error {
        let program = self.program.to_string_lossy();
        let path = Path::new(&self.program);
        let file = if path.components().count() > 1 {
            self.cwd.as_ref().map_or_else(|| path.to_owned(), |dir| dir.join(path))
        } else {
            find(&program).map(|tool| tool.path).unwrap_or_default()
        };
        if let Some(reason) = refusal::reason(&file, error) {
            return Error::cannot_run(format!("cannot run {program}: {reason}"));
        }
        match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::cannot_run(format!("cannot run {program}: it is not installed"))
                    .hint("see what is missing: vmptcp doctor")
            }
            _ => Error::cannot_run(format!("cannot run {program}: {error}")),
        }
    }
}

/// The command as a line that can be pasted into a shell.
impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(dir) = &self.cwd {
            write!(f, "cd {} && ", quote(dir))?;
        }
        for (key, value) in self.env.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
            write!(f, "{}={} ", quote(key), quote(value))?;
        }
        let mut removed = self.env.iter().filter(|(_, value)| value.is_none()).peekable();
        if removed.peek().is_some() {
            f.write_str("env ")?;
            removed.try_for_each(|(key, _)| write!(f, "-u {} ", quote(key)))?;
        }
        f.write_str(&quote(&self.program))?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quote(arg)))
    }
}

/// `text` as one word of a shell. An equals sign needs no quotes in an argument, and looks better without.
pub fn quote(text: impl AsRef<OsStr>) -> String {
    let bytes = text.as_ref().as_encoded_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_=+./:,@%".contains(byte);
    match str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && bytes.iter().all(plain) => text.to_owned(),
        Ok(text) if !text.contains(is_hidden) => {
            shlex::try_quote(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
        }
        // Such characters would act on the terminal that shows the command, and bytes that are no text would be lost.
        _ => format!("$'{}'", bytes.utf8_chunks().map(|chunk| ansi_c(&chunk)).collect::<String>()),
    }
}

/// Bytes as they stand between `$'` and `'`.
fn ansi_c(chunk: &std::str::Utf8Chunk<'_>) -> String {
    let char = |char| match char {
        '\'' | '\\' => format!("\\{char}"),
        '\n' => "\\n".to_owned(),
        char if is_hidden(char) => match u32::from(char) {
            code @ 0..=0x7f => format!("\\x{code:02x}"),
            code @ 0x80..=0xffff => format!("\\u{code:04x}"),
            code => format!("\\U{code:08x}"),
        },
        char => char.to_string(),
    };
    let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
    chunk.valid().chars().map(char).chain(invalid).collect()
}

/// "exit code 2", "signal 9": how a process ended, for a person.
pub fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit status".to_owned(),
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_prints_as_a_shell_line() {
        let cmd = Cmd::new("make").cwd("/a b").env("KCFLAGS", "-O1 -g").args(["O=/x y", "-j2"]);
        assert_eq!(cmd.to_string(), "cd '/a b' && KCFLAGS='-O1 -g' make 'O=/x y' -j2");
    }

    #[test]
    fn control_characters_of_a_command_are_shown_as_a_shell_reads_them() {
        let cmd = Cmd::new("echo").arg("it's\u{1b}[2J\\").arg("\u{9b}1m");
        assert_eq!(cmd.to_string(), r"echo $'it\'s\x1b[2J\\' $'\u009b1m'");
        let said = Cmd::new("bash").args(["-c", &cmd.to_string()]).env("LC_ALL", "C.UTF-8").read().unwrap();
        assert_eq!(said, "it's\u{1b}[2J\\ \u{9b}1m\n");
    }

    #[test]
    fn a_shell_reads_back_every_byte_of_a_command() {
        use std::os::unix::ffi::OsStrExt as _;
        let words: [&[u8]; 5] =
            [b"\xff\xfea", b"\xe2\x80", "\u{202e}\u{e0041}1".as_bytes(), b"'\\\x01f", b""];
        for word in words {
            let word = OsStr::from_bytes(word);
            let line = Cmd::new("printf").args(["%s"]).arg(word).to_string();
            assert!(!line.contains(is_hidden), "{line}");
            let said =
                Cmd::new("bash").args(["-c", &format!("{line} | od -An -v -tx1")]).env("LC_ALL", "C.UTF-8");
            let hex: Vec<String> = word.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(said.read().unwrap().split_whitespace().collect::<String>(), hex.concat(), "{line}");
        }
    }

    #[test]
    fn the_last_word_on_a_variable_counts_in_every_way_to_run() {
        let cmd = Cmd::new("sh").args(["-c", "echo $A-$B-$C"]).env("A", "1").env_remove("A").env("A", "2");
        let cmd = cmd.env("B", "1").env("B", "2").env("C", "1").env_remove("C");
        assert_eq!(cmd.read().unwrap(), "2-2-\n");
        let mut seen = String::new();
        cmd.stream(|line| line.clone_into(&mut seen)).unwrap();
        assert_eq!(seen, "2-2-");
    }

    #[test]
    fn a_file_can_be_the_standard_input() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "text").unwrap();
        assert_eq!(Cmd::new("cat").output_of(file.path()).unwrap().stdout, "text");
    }

    #[test]
    fn a_missing_program_names_itself_and_the_remedy() {
        let error = Cmd::new("no-such-program-here").read().unwrap_err();
        assert_eq!(error.to_string(), "cannot run no-such-program-here: it is not installed");
        assert!(error.remedy().unwrap().contains("vmptcp doctor"));
    }

    #[test]
    fn a_failing_command_shows_the_end_of_what_it_said() {
        let error = Cmd::new("sh").args(["-c", "echo out; echo why >&2; exit 3"]).read().unwrap_err();
        assert!(error.to_string().ends_with("(exit code 3): why"), "{error}");
    }

    #[test]
    fn lines_of_both_streams_arrive_in_order() {
        let mut seen = Vec::new();
        let script = "echo one; echo two >&2; printf three";
        let status = Cmd::new("sh").args(["-c", script]).stream(|line| seen.push(line.to_owned())).unwrap();
        assert!(status.success());
        assert_eq!(seen, ["one", "two", "three"]);
    }

    #[test]
    fn exit_codes_pass_through_the_supervisor() {
        let code = |script: &str| Cmd::new("sh").args(["-c", script]).stream(|_| ()).unwrap();
        assert_eq!(describe(code("exit 7")), "exit code 7");
        assert_eq!(describe(code("kill -9 $$")), "signal 9");
    }

    #[test]
    fn a_daemonised_grandchild_dies_with_its_command() {
        // `setsid` leaves the group and the shell exits at once: only the supervisor can still find the sleeper.
        let mut pid = String::new();
        let script = "setsid sleep 1000 & echo $!; sleep 0.3";
        Cmd::new("sh").args(["-c", script]).stream(|line| pid = line.to_owned()).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "still alive: {stat}");
    }

    #[test]
    fn stopping_a_child_that_ignores_signals_takes_its_group_with_it() {
        let script = "trap '' INT TERM; sleep 1000 & echo $!; wait";
        let mut child = Cmd::new("sh").args(["-c", script]).spawn(Stdio::Merged).unwrap();
        let output = child.take_output().unwrap();
        let mut pid = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut pid).unwrap();
        child.stop();
        assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists());
    }
}
