//! What a seed varies of the links between a test's namespaces. Pure.

use crate::text::nearest::most_like;
use std::fmt;
use std::str::FromStr;

/// A property of the links that a test emulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vary {
    /// The delay of each link: 1 to 30 ms more.
    Delay,
    /// The packets that are lost, on each link: 0.1 to 2 %.
    Loss,
    /// The delay of all links: 1 to 50 ms more, for all the same.
    Rtt,
    /// The packets that overtake others, on each link: 1 to 25 %.
    Order,
}

impl Vary {
    const ALL: [Self; 4] = [Self::Delay, Self::Loss, Self::Rtt, Self::Order];
}

impl fmt::Display for Vary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::Rtt => "rtt",
            Self::Order => "order",
        })
    }
}

impl FromStr for Vary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<String> = Self::ALL.iter().map(Self::to_string).collect();
        let found = Self::ALL.into_iter().find(|vary| vary.to_string() == text);
        found.ok_or_else(|| {
            let near = most_like(text, names.iter().map(String::as_str)).unwrap_or_default();
            format!(
                "nothing of a link is called {text:?}: there are {}; did you mean {near}?",
                names.join(", ")
            )
        })
    }
}
