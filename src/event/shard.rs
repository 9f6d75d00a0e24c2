//! A run that is one of several, each on a machine of its own, that together run one choice of tests.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which of how many runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunShard {
    /// Counted from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

/// `2/4`.
impl FromStr for RunShard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let parsed = text
            .split_once('/')
            .and_then(|(shard, of)| Some(Self { number: number(shard)?, of: number(of)? }));
        parsed.filter(|shard| (1..=shard.of).contains(&shard.number) && shard.of <= Self::MOST).ok_or_else(
            || format!("give the shard and how many there are, as in 2/4, at most {}", Self::MOST),
        )
    }
}

impl RunShard {
    /// No more than this many make sense.
    const MOST: u32 = 1000;
}

impl fmt::Display for RunShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// A test, or a group of its subtests, and the shard that runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portion {
    /// The suite of the test.
    pub suite: String,
    /// Its name.
    pub name: String,
    /// The group of its subtests; none for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The number of the shard.
    pub shard: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_one_of_all() {
        assert_eq!("2/4".parse(), Ok(RunShard { number: 2, of: 4 }));
        assert_eq!(RunShard { number: 1, of: 1 }.to_string(), "1/1");
        for wrong in ["", "2", "0/4", "5/4", "1/0", "-1/4", "+1/4", "1/4/2", "a/b", "1/1001", "1 /4"] {
            assert!(wrong.parse::<RunShard>().is_err(), "{wrong}");
        }
    }
}
