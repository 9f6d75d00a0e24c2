//! What the connections of a test shall be.

use crate::event::connections::Connections;
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// An expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Expect {
    /// Every connection is MPTCP, and there is one.
    Mptcp,
    /// Every connection is plain TCP, and there is one.
    Tcp,
    /// No program tries to connect.
    None,
    /// Some connection has at least so many subflows.
    AtLeast(u64),
    /// No connection has more, and some has so many.
    Exactly(u64),
}

impl Expect {
    /// Why the connections are not as expected; none if they are. Where the counters and the sockets disagree, nothing is as
    /// expected.
    pub fn unmet(self, observed: &Connections) -> Option<String> {
        let most = most_subflows(observed);
        match self {
            Self::None => match (observed.made(), observed.attempts) {
                (0, 0) => None,
                (0, attempts) => Some(format!("expected none, but {} failed", count(attempts, "connect"))),
                (made, _) => Some(format!("expected none, but there was {}", count(made, "connection"))),
            },
            Self::Mptcp | Self::Tcp if observed.made() == 0 => {
                Some(format!("expected {self}, but no connection was made"))
            }
            _ if !observed.doubts.is_empty() => Some(format!(
                "expected {self}, but the counters and the sockets disagree: {}",
                observed.doubts.join("; ")
            )),
            Self::Mptcp if observed.tcp > 0 => Some(format!("expected mptcp, but {}", why_tcp(observed))),
            Self::Tcp if observed.mptcp > 0 => {
                Some(format!("expected tcp, but there was {} by MPTCP", count(observed.mptcp, "connection")))
            }
            Self::AtLeast(count) if most < count => {
                Some(format!("expected {self}, but no connection had more than {most}"))
            }
            Self::Exactly(count) if most != count => Some(format!("expected {self}, but there were {most}")),
            _ => None,
        }
    }
}

/// Why connections are TCP.
fn why_tcp(observed: &Connections) -> String {
    let what = if observed.mptcp > 0 {
        format!("{} of {} connections were TCP: ", observed.tcp, observed.made())
    } else {
        String::new()
    };
    if observed.plain > 0 {
        let listener = if observed.listens_for_mptcp() {
            ", and the server listens for MPTCP"
        } else if !observed.listeners.is_empty() {
            ", and the server listens for TCP"
        } else {
            ""
        };
        return format!("{what}the client asked for TCP{listener}");
    }
    match observed.fallbacks.first() {
        Some(fallback) => format!("{what}it fell back to TCP: {}", fallback.reason),
        None => format!("{what}it fell back to TCP, and no counter says why"),
    }
}

fn count(count: u64, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// The subflows of the connection that has most of them: what was seen, or what the counters leave no doubt of.
fn most_subflows(observed: &Connections) -> u64 {
    let mptcp = observed
        .connections
        .iter()
        .filter(|connection| connection.protocol == crate::event::connections::Protocol::Mptcp);
    let seen = mptcp.map(|connection| connection.subflows.len() as u64).max().unwrap_or(0);
    let counted = if observed.mptcp == 1 { 1 + observed.joins } else { 0 };
    seen.max(counted)
}

impl FromStr for Expect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no expectation: mptcp, tcp, none, subflows>=N or subflows=N");
        let count =
            |text: &str| text.trim().parse().ok().filter(|count| (1..=64).contains(count)).ok_or_else(wrong);
        match text.trim() {
            "mptcp" => Ok(Self::Mptcp),
            "tcp" => Ok(Self::Tcp),
            "none" => Ok(Self::None),
            other => {
                let rest = other.strip_prefix("subflows").ok_or_else(wrong)?.trim_start();
                if let Some(number) = rest.strip_prefix(">=") {
                    return count(number).map(Self::AtLeast);
                }
                rest.strip_prefix('=').ok_or_else(wrong).and_then(count).map(Self::Exactly)
            }
        }
    }
}

impl TryFrom<String> for Expect {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mptcp => f.write_str("mptcp"),
            Self::Tcp => f.write_str("tcp"),
            Self::None => f.write_str("none"),
            Self::AtLeast(count) => write!(f, "subflows>={count}"),
            Self::Exactly(count) => write!(f, "subflows={count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::connections::{Listener, Protocol};

    #[test]
    fn expectations_are_read_as_they_are_written() {
        for text in ["mptcp", "tcp", "none", "subflows>=2", "subflows=1"] {
            assert_eq!(text.parse::<Expect>().unwrap().to_string(), text);
        }
        for bad in ["", "MPTCP", "subflows", "subflows>2", "subflows>=0", "subflows=x", "subflows>=99"] {
            assert!(bad.parse::<Expect>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_met_says_why() {
        let observed =
            |mptcp, tcp, joins| Connections { mptcp, tcp, plain: tcp, joins, ..Connections::default() };
        let unmet = |expect: &str, observed: &Connections| {
            expect.parse::<Expect>().unwrap().unmet(observed).unwrap_or_default()
        };
        let listens = |protocol| {
            let local = "*:80".to_owned();
            Connections {
                listeners: vec![Listener { host: "server".to_owned(), local, protocol }],
                ..observed(0, 1, 0)
            }
        };
        let uncertain = Connections { doubts: vec!["ss says so".to_owned()], ..observed(1, 0, 1) };
        let refused = Connections { attempts: 2, ..observed(0, 0, 0) };
        insta::assert_snapshot!(
            [
                unmet("mptcp", &observed(2, 0, 0)),
                unmet("mptcp", &observed(1, 1, 0)),
                unmet("mptcp", &observed(0, 1, 0)),
                unmet("mptcp", &listens(Protocol::Mptcp)),
                unmet("mptcp", &listens(Protocol::Tcp)),
                unmet("mptcp", &Connections { plain: 0, ..observed(0, 1, 0) }),
                unmet("tcp", &observed(0, 0, 0)),
                unmet("tcp", &observed(0, 3, 0)),
                unmet("tcp", &Connections { unaccepted: 1, ..observed(1, 0, 0) }),
                unmet("tcp", &uncertain),
                unmet("subflows>=2", &uncertain),
                unmet("subflows>=2", &observed(1, 0, 1)),
                unmet("subflows>=3", &observed(1, 0, 1)),
                unmet("subflows=1", &observed(1, 0, 1)),
                unmet("none", &observed(0, 0, 0)),
                unmet("none", &observed(0, 1, 0)),
                unmet("none", &refused),
            ]
            .map(|line| line + ".")
            .join("\n"),
            @"
        .
        expected mptcp, but 1 of 2 connections were TCP: the client asked for TCP.
        expected mptcp, but the client asked for TCP.
        expected mptcp, but the client asked for TCP, and the server listens for MPTCP.
        expected mptcp, but the client asked for TCP, and the server listens for TCP.
        expected mptcp, but it fell back to TCP, and no counter says why.
        expected tcp, but no connection was made.
        .
        expected tcp, but there was 1 connection by MPTCP.
        expected tcp, but the counters and the sockets disagree: ss says so.
        expected subflows>=2, but the counters and the sockets disagree: ss says so.
        .
        expected subflows>=3, but no connection had more than 2.
        expected subflows=1, but there were 2.
        .
        expected none, but there was 1 connection.
        expected none, but 2 connects failed.
        ");
    }
}
