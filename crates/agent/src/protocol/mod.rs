//! What host and guest say to each other: one JSON object a line, over a virtio-serial port of their own.
//!
//! The conversation: the agent says [`FromGuest::Ready`]; the host starts any number of jobs, each under a number of
//! its choice; the agent answers every [`ToGuest::Run`] with exactly one [`FromGuest::Ended`] or [`FromGuest::Failed`].
//! When the host closes its end the agent powers the guest off.

pub mod boot;
mod line;

pub use line::{Decoder, MESSAGE_LIMIT, encode};

use serde::{Deserialize, Serialize};

/// The name of the virtio-serial port, as `/sys/class/virtio-ports/*/name` shows it.
pub const PORT_NAME: &str = "vmptcp.agent";

/// The version of this protocol. Host and agent are one executable, so they differ only by a mistake.
pub const VERSION: u32 = 1;

/// How many bytes of a job's standard input may be on their way: more only after [`FromGuest::StdinTaken`].
pub const STDIN_WINDOW: usize = 32 * 1024;

/// The number of a job, chosen by the host.
pub type JobId = u32;

/// What the host says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum ToGuest {
    /// Mount directories that the host shares where the jobs expect them.
    Bind {
        /// Pairs of where the share is and where it shall appear.
        mounts: Vec<(String, String)>,
    },
    /// Start a job.
    Run(Job),
    /// More for a job's standard input; empty bytes end it.
    Stdin {
        /// Which job.
        id: JobId,
        /// The bytes.
        data: Bytes,
    },
    /// The host's terminal has a new size.
    Resize {
        /// Which job.
        id: JobId,
        /// The size.
        size: Size,
    },
    /// Send a signal to a job's process group.
    Signal {
        /// Which job.
        id: JobId,
        /// The number of the signal.
        signal: i32,
    },
    /// Write a line to the kernel log, so that console and jobs can be put in order.
    Mark {
        /// The line.
        text: String,
    },
    /// Wait until a job ended. When its time is up, it is asked to end, and then killed. For requests that are known before
    /// the guest boots: the others need not wait for each other.
    Await {
        /// Which job.
        id: JobId,
        /// How long it may take, in seconds of the guest's time.
        seconds: u64,
    },
    /// Are you there?
    Ping,
}

impl ToGuest {
    /// The job that it is about, if any.
    pub fn job(&self) -> Option<JobId> {
        match self {
            Self::Run(job) => Some(job.id),
            Self::Stdin { id, .. }
            | Self::Resize { id, .. }
            | Self::Signal { id, .. }
            | Self::Await { id, .. } => Some(*id),
            Self::Bind { .. } | Self::Mark { .. } | Self::Ping => None,
        }
    }

    /// The same about another job.
    #[must_use]
    pub fn renumbered(mut self, number: impl Fn(JobId) -> JobId) -> Self {
        match &mut self {
            Self::Run(job) => job.id = number(job.id),
            Self::Stdin { id, .. }
            | Self::Resize { id, .. }
            | Self::Signal { id, .. }
            | Self::Await { id, .. } => *id = number(*id),
            Self::Bind { .. } | Self::Mark { .. } | Self::Ping => {}
        }
        self
    }
}

/// A command to run in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Program and arguments; the program is looked up in the guest's `PATH`.
    pub argv: Vec<String>,
    /// Where it runs.
    pub cwd: String,
    /// Variables that are added to the agent's environment.
    pub env: Vec<(String, String)>,
    /// What its standard streams are.
    pub io: Io,
}

/// What a job's standard streams are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Io {
    /// No input; standard output and standard error in one pipe.
    Merged,
    /// Three pipes.
    Pipes,
    /// A terminal of this size.
    Terminal(Size),
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub cols: u16,
}

/// Which stream some output belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output, or both where they are merged, or a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What the agent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum FromGuest {
    /// The guest is up.
    Ready {
        /// [`VERSION`] of the agent.
        version: u32,
        /// `uname -r`.
        kernel: String,
        /// Online CPUs.
        cpus: u32,
        /// Since the kernel started, in milliseconds.
        uptime_ms: u64,
        /// Its kernel looks for memory leaks when it is asked: those of what was allocated since this time, in jiffies. None
        /// if it has no kmemleak.
        #[serde(default)]
        leaks_since: Option<u64>,
    },
    /// The job's process was started.
    Started {
        /// Which job.
        id: JobId,
    },
    /// Some of a job's output.
    Output {
        /// Which job.
        id: JobId,
        /// Which stream.
        stream: Stream,
        /// The bytes.
        data: Bytes,
    },
    /// The job took all of its standard input that was on its way.
    StdinTaken {
        /// Which job.
        id: JobId,
    },
    /// The job ended; all of its output came before.
    Ended {
        /// Which job.
        id: JobId,
        /// How.
        exit: Exit,
    },
    /// The job could not be started.
    Failed {
        /// Which job.
        id: JobId,
        /// Why.
        why: String,
        /// 127 if there is no such command, 126 otherwise, as a shell would say.
        code: i32,
    },
    /// The job took longer than it may, and is stopped.
    Expired {
        /// Which job.
        id: JobId,
    },
    /// What the guest's clock says, where that is not the host's: before a job starts, and after it ended.
    Clock {
        /// Since the kernel started, in milliseconds.
        uptime_ms: u64,
    },
    /// Something went wrong that belongs to no job.
    Trouble {
        /// What.
        text: String,
    },
    /// I am.
    Pong,
}

impl FromGuest {
    /// The job that it is about, if any.
    pub fn job(&self) -> Option<JobId> {
        match self {
            Self::Started { id }
            | Self::Output { id, .. }
            | Self::StdinTaken { id }
            | Self::Ended { id, .. }
            | Self::Failed { id, .. }
            | Self::Expired { id } => Some(*id),
            Self::Ready { .. } | Self::Clock { .. } | Self::Trouble { .. } | Self::Pong => None,
        }
    }

    /// The same about another job.
    #[must_use]
    pub fn renumbered(mut self, number: impl Fn(JobId) -> JobId) -> Self {
        match &mut self {
            Self::Started { id }
            | Self::Output { id, .. }
            | Self::StdinTaken { id }
            | Self::Ended { id, .. }
            | Self::Failed { id, .. }
            | Self::Expired { id } => *id = number(*id),
            Self::Ready { .. } | Self::Clock { .. } | Self::Trouble { .. } | Self::Pong => {}
        }
        self
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// The exit code that a shell would report: 128 + signal.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Bytes that travel inside JSON: as text where they are UTF-8, as hexadecimal digits where they are not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Encoded", into = "Encoded")]
pub struct Bytes(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Encoded {
    Text(String),
    Hex(String),
}

impl From<Bytes> for Encoded {
    fn from(bytes: Bytes) -> Self {
        String::from_utf8(bytes.0).map_or_else(
            |not_text| {
                use std::fmt::Write as _;
                let mut hex = String::with_capacity(not_text.as_bytes().len() * 2);
                for byte in not_text.as_bytes() {
                    let _ = write!(hex, "{byte:02x}");
                }
                Self::Hex(hex)
            },
            Self::Text,
        )
    }
}

impl From<Encoded> for Bytes {
    fn from(encoded: Encoded) -> Self {
        match encoded {
            Encoded::Text(text) => Self(text.into_bytes()),
            Encoded::Hex(hex) => Self(
                hex.as_bytes()
                    .chunks_exact(2)
                    .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(bytes: &[u8]) -> Vec<u8> {
        let line = encode(&FromGuest::Output { id: 1, stream: Stream::Stdout, data: Bytes(bytes.to_vec()) });
        assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(line.len() - 1), "one line a message");
        match serde_json::from_slice(&line).unwrap() {
            FromGuest::Output { data, .. } => data.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn any_bytes_survive_the_trip() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&b""[..], b"text\nwith lines\n", "ünïcode".as_bytes(), &all] {
            assert_eq!(round_trip(bytes), bytes);
        }
    }

    #[test]
    fn messages_look_as_documented() {
        let run = ToGuest::Run(Job {
            id: 7,
            argv: vec!["true".into()],
            cwd: "/".into(),
            env: vec![],
            io: Io::Terminal(Size { rows: 24, cols: 80 }),
        });
        assert_eq!(
            String::from_utf8(encode(&run)).unwrap(),
            "{\"do\":\"run\",\"id\":7,\"argv\":[\"true\"],\"cwd\":\"/\",\"env\":[],\
             \"io\":{\"terminal\":{\"rows\":24,\"cols\":80}}}\n"
        );
    }
}
