//! What the connections of a test shall be.

use crate::event::wire::Wire;
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
    /// Some connection has at least so many subflows.
    AtLeast(u64),
    /// No connection has more, and some has so many.
    Exactly(u64),
}

impl Expect {
    /// Why the connections are not as expected; none if they are.
    pub fn unmet(self, wire: &Wire) -> Option<String> {
        let most = most_subflows(wire);
        match self {
            Self::Mptcp | Self::Tcp if wire.mptcp + wire.tcp == 0 => {
                Some(format!("expected {self}, but no connection was made"))
            }
            Self::Mptcp if wire.mptcp == 0 => Some(match wire.fallbacks.first() {
                Some(fallback) => format!("expected mptcp, but it fell back to TCP: {}", fallback.reason),
                None => "expected mptcp, but it was plain TCP from the beginning: nobody asked for MPTCP"
                    .to_owned(),
            }),
            Self::Mptcp if wire.tcp > 0 => Some(format!(
                "expected mptcp, but {} of {} connections were TCP",
                wire.tcp,
                wire.tcp + wire.mptcp
            )),
            Self::Tcp if wire.mptcp > 0 => {
                Some(format!("expected tcp, but {} connections were MPTCP", wire.mptcp))
            }
            Self::AtLeast(count) if most < count => {
                Some(format!("expected {self}, but no connection had more than {most}"))
            }
            Self::Exactly(count) if most != count => Some(format!("expected {self}, but there were {most}")),
            _ => None,
        }
    }
}

/// The subflows of the connection that has most of them: what was seen, or what the counters leave no doubt of.
fn most_subflows(wire: &Wire) -> u64 {
    let mptcp = wire
        .connections
        .iter()
        .filter(|connection| connection.protocol == crate::event::wire::Protocol::Mptcp);
    let seen = mptcp.map(|connection| connection.subflows.len() as u64).max().unwrap_or(0);
    let counted = if wire.mptcp == 1 { 1 + wire.joins } else { 0 };
    seen.max(counted)
}

impl FromStr for Expect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no expectation: mptcp, tcp, subflows>=N or subflows=N");
        let count =
            |text: &str| text.trim().parse().ok().filter(|count| (1..=64).contains(count)).ok_or_else(wrong);
        match text.trim() {
            "mptcp" => Ok(Self::Mptcp),
            "tcp" => Ok(Self::Tcp),
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
            Self::AtLeast(count) => write!(f, "subflows>={count}"),
            Self::Exactly(count) => write!(f, "subflows={count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_read_as_they_are_written() {
        for text in ["mptcp", "tcp", "subflows>=2", "subflows=1"] {
            assert_eq!(text.parse::<Expect>().unwrap().to_string(), text);
        }
        for bad in ["", "MPTCP", "subflows", "subflows>2", "subflows>=0", "subflows=x", "subflows>=99"] {
            assert!(bad.parse::<Expect>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_met_says_why() {
        let wire = |mptcp, tcp, joins| Wire { mptcp, tcp, joins, ..Wire::default() };
        let unmet =
            |expect: &str, wire: &Wire| expect.parse::<Expect>().unwrap().unmet(wire).unwrap_or_default();
        assert_eq!(unmet("mptcp", &wire(2, 0, 0)), "");
        assert_eq!(unmet("mptcp", &wire(1, 1, 0)), "expected mptcp, but 1 of 2 connections were TCP");
        assert!(unmet("mptcp", &wire(0, 1, 0)).contains("nobody asked for MPTCP"));
        assert!(unmet("tcp", &wire(0, 0, 0)).contains("no connection was made"));
        assert_eq!(unmet("tcp", &wire(0, 3, 0)), "");
        assert_eq!(unmet("subflows>=2", &wire(1, 0, 1)), "");
        assert_eq!(
            unmet("subflows>=3", &wire(1, 0, 1)),
            "expected subflows>=3, but no connection had more than 2"
        );
        assert_eq!(unmet("subflows=1", &wire(1, 0, 1)), "expected subflows=1, but there were 2");
    }
}
