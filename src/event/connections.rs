//! What was seen of a test's connections: facts, from which [`crate::connections`] has made them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The connections of one test: one judgement of the counters of both ends and of the sockets that were seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// How many connections were MPTCP, and stayed it.
    pub mptcp: u64,
    /// How many were plain TCP from the beginning, or fell back to it.
    pub tcp: u64,
    /// Of these, how many were opened by a socket that asked for TCP.
    #[serde(default)]
    pub plain: u64,
    /// How many MPTCP connections no program accepted, as far as the servers' counters say.
    #[serde(default)]
    pub unaccepted: u64,
    /// How many further subflows joined.
    pub joins: u64,
    /// How often a program tried to connect, by either protocol.
    #[serde(default)]
    pub attempts: u64,
    /// How often a program tried to connect by MPTCP.
    #[serde(default)]
    pub asked: u64,
    /// The sockets that listened.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// Where the counters and the sockets disagree, a sentence each. The numbers above are then the counters'.
    #[serde(default)]
    pub doubts: Vec<String>,
    /// Why connections fell back to TCP.
    pub fallbacks: Vec<Fallback>,
    /// Those that were seen while they lasted.
    pub connections: Vec<Connection>,
    /// Per host: every MPTCP counter that moved, and by how much.
    pub counters: BTreeMap<String, BTreeMap<String, u64>>,
    /// Packet captures, relative to the run directory.
    pub captures: Vec<String>,
}

impl Connections {
    /// How many connections were made.
    pub fn made(&self) -> u64 {
        self.mptcp + self.tcp
    }

    /// Whether a program asked its kernel for MPTCP: to connect by it, or to listen for it.
    pub fn asks_for_mptcp(&self) -> bool {
        self.asked > 0 || self.listens_for_mptcp()
    }

    /// Whether a socket listened for MPTCP: it was seen, or its kernel counted a client that came without MPTCP.
    pub fn listens_for_mptcp(&self) -> bool {
        let counted = |moved: &BTreeMap<String, u64>| {
            moved.contains_key("MPCapableFallbackACK") || moved.contains_key("MPCapableACKRX")
        };
        self.listeners.iter().any(|listener| listener.protocol == Protocol::Mptcp)
            || self.counters.values().any(counted)
    }
}

/// A socket that listened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The host.
    pub host: String,
    /// Its address and port.
    pub local: String,
    /// What it was made for: MPTCP or TCP.
    pub protocol: Protocol,
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
    /// The protocol that it used.
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

/// The protocol that a connection used.
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
