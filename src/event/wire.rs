//! What was seen of a test's connections: facts, from which [`crate::wire`] has made them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The connections of one test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// How many connections were MPTCP to their end of the handshake, by the counters of those that accepted them.
    pub mptcp: u64,
    /// How many were plain TCP from the beginning, or fell back to it.
    pub tcp: u64,
    /// How many further subflows joined.
    pub joins: u64,
    /// Why connections fell back to TCP.
    pub fallbacks: Vec<Fallback>,
    /// Those that were seen while they lasted.
    pub connections: Vec<Connection>,
    /// Per host: every MPTCP counter that moved, and by how much.
    pub counters: BTreeMap<String, BTreeMap<String, u64>>,
    /// Packet captures, relative to the run directory.
    pub captures: Vec<String>,
}

/// Connections that fell back to TCP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// The host that noticed.
    pub host: String,
    /// The kernel's counter.
    pub counter: String,
    /// How many.
    pub count: u64,
    /// What it means.
    pub reason: String,
}

/// A connection, as the host that opened it saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// What it spoke.
    pub protocol: Protocol,
    /// The host.
    pub host: String,
    /// Its own address and port.
    pub local: String,
    /// The peer's.
    pub remote: String,
    /// Its subflows; of a plain TCP connection, itself.
    pub subflows: Vec<Subflow>,
}

/// What a connection spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// MPTCP.
    Mptcp,
    /// TCP below an MPTCP socket.
    Fallback,
    /// TCP.
    Tcp,
}

impl Protocol {
    /// The word for a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mptcp => "MPTCP",
            Self::Fallback => "TCP (fell back)",
            Self::Tcp => "TCP",
        }
    }
}

/// One path of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subflow {
    /// Its own address and port.
    pub local: String,
    /// The peer's.
    pub remote: String,
    /// Bytes that were sent, as far as they were seen.
    pub sent: u64,
    /// Bytes that were received, as far as they were seen.
    pub received: u64,
}
