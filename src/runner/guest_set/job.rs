//! A command on a guest set: what was asked for, and what came of it.

use crate::guest::protocol::{self, Exit, Io, Size};
use crate::text::decode;
use crate::vm::Guest;
use crate::vm::link::JobEnd;

/// How much of what a command said is kept, in bytes. The test's log has more.
const KEPT: usize = 256 * 1024;

/// A terminal for a program that is watched: wide, so that it does not break its lines.
const WINDOW: Size = Size { rows: 50, cols: 200 };

/// A command, and where it shall run.
#[derive(Debug, Clone)]
pub struct Task {
    /// In which guest.
    pub guest: usize,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub cwd: String,
    /// What it reads from its standard input.
    pub input: String,
    /// The name under which its output is in the test's log: only that of programs that are watched is there. They get a
    /// terminal, as their output would else come when they end, or never.
    pub label: Option<String>,
    /// Variables for it.
    pub env: Vec<(String, String)>,
}

impl Task {
    /// A command of ours: nobody watches it.
    pub fn new(guest: usize, argv: Vec<String>) -> Self {
        Self { guest, argv, cwd: "/".to_owned(), input: String::new(), label: None, env: Vec::new() }
    }

    /// The same with something to read.
    #[must_use]
    pub fn reading(mut self, input: String) -> Self {
        self.input = input;
        self
    }
}

/// Names a command that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobKey {
    pub(super) guest: usize,
    pub(super) id: u32,
}

/// How a command ended, and what it said.
#[derive(Debug, Clone)]
pub struct TaskEnd {
    /// How; none if it could not be started.
    pub exit: Option<Exit>,
    /// What it said on both of its streams, the end of it where it was much; or why it could not be started.
    pub output: String,
}

impl TaskEnd {
    /// True if it ended with exit code 0.
    pub fn is_good(&self) -> bool {
        self.exit == Some(Exit::Code(0))
    }
}

/// A command that was started.
pub(super) struct Job {
    label: Option<String>,
    output: Vec<u8>,
    line: Vec<u8>,
    end: Option<JobEnd>,
}

impl Job {
    /// Starts a command in its guest, under this number.
    pub fn start(task: Task, id: u32, guest: &mut Guest) -> Self {
        let io = match (&task.label, task.input.is_empty()) {
            (Some(_), _) => Io::Terminal(WINDOW),
            (None, true) => Io::Merged,
            (None, false) => Io::Pipes,
        };
        guest.run(protocol::Job { id, argv: task.argv, cwd: task.cwd, env: task.env, io });
        if io == Io::Pipes {
            guest.feed(id, task.input.into_bytes());
            guest.feed(id, Vec::new());
        }
        Self::new(task.label)
    }

    fn new(label: Option<String>) -> Self {
        Self { label, output: Vec::new(), line: Vec::new(), end: None }
    }

    /// It has ended so: returns the last line, if it had no end.
    pub fn end(&mut self, end: JobEnd) -> Vec<u8> {
        self.end = Some(end);
        self.finish()
    }

    /// How it ended, and what it said; none while it runs.
    pub fn ended(&self) -> Option<TaskEnd> {
        let exit = match self.end.as_ref()? {
            JobEnd::Exit(exit) => Some(*exit),
            JobEnd::Refused { .. } => None,
        };
        Some(TaskEnd { exit, output: self.text() })
    }

    /// Takes more output, and returns whole lines for the test's log.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        // A terminal adds carriage returns.
        let bytes: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\r').collect();
        self.output.extend_from_slice(&bytes);
        let excess = self.output.len().saturating_sub(KEPT);
        self.output.drain(..excess);
        let mut lines = Vec::new();
        if self.label.is_some() {
            self.line.extend_from_slice(&bytes);
            while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let rest = self.line.split_off(end + 1);
                let line = std::mem::replace(&mut self.line, rest);
                lines.push(self.labelled(&line));
            }
            if self.line.len() > KEPT {
                lines.push(self.finish());
            }
        }
        lines
    }

    fn finish(&mut self) -> Vec<u8> {
        if self.line.is_empty() {
            return Vec::new();
        }
        let rest = std::mem::take(&mut self.line);
        let mut line = self.labelled(&rest);
        line.push(b'\n');
        line
    }

    fn labelled(&self, line: &[u8]) -> Vec<u8> {
        let label = self.label.as_deref().unwrap_or_default();
        [format!("[{label}] ").as_bytes(), line].concat()
    }

    /// What it says just now, for whoever watches.
    pub fn activity(&self) -> Option<String> {
        let label = self.label.as_deref()?;
        let text = decode(&self.output[self.output.len().saturating_sub(200)..]).into_owned();
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        Some(format!("{label}: {}", line.trim()))
    }

    pub fn text(&self) -> String {
        match &self.end {
            Some(JobEnd::Refused { why, .. }) => why.clone(),
            _ => decode(&self.output).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_as_it_was_and_logged_with_a_label() {
        let mut job = Job::new(Some("server".to_owned()));
        assert!(job.take(b"hel").is_empty());
        assert_eq!(job.take(b"lo\r\nyou"), [b"[server] hello\n"]);
        assert_eq!((job.text().as_str(), job.activity().as_deref()), ("hello\nyou", Some("server: you")));
        assert_eq!(job.finish(), b"[server] you\n");
        for _ in 0..100 {
            job.take(&[b'x'; 10_000]);
        }
        assert!(job.output.len() <= KEPT && job.line.len() <= KEPT + 10_000);
    }
}
