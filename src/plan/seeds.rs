//! Seeds: what the random numbers of guests come from. Pure.

use std::fmt;
use std::str::FromStr;

/// More than this many seeds are not tried in one run: each costs a little memory.
const MAX_SEEDS: u64 = 100_000;

/// Seeds in a row, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeds {
    first: u64,
    last: u64,
}

impl Seeds {
    /// The first and the last.
    pub fn ends(self) -> (u64, u64) {
        (self.first, self.last)
    }

    /// How many.
    pub fn count(self) -> u32 {
        u32::try_from(self.last - self.first + 1).unwrap_or(u32::MAX)
    }

    /// As many, which follow these; none if there are none.
    pub fn following(self) -> Option<Self> {
        let last = self.last.checked_add(self.last - self.first + 1)?;
        Some(Self { first: self.last + 1, last })
    }

    /// The seed of an attempt, counted from 1: all of them in turn, again and again.
    pub fn of_attempt(self, attempt: u32) -> u64 {
        self.first + u64::from(attempt.saturating_sub(1) % self.count())
    }
}

/// `4`, or `1..50`, with both ends.
impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let wrong = |why: &str| Err(format!("bad seeds {text:?}: {why}"));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first > last => wrong("the first is greater than the last"),
            (Some(first), Some(last)) if last - first >= MAX_SEEDS => wrong("more than 100000"),
            (Some(first), Some(last)) => Ok(Self { first, last }),
            _ => wrong("not a number, and no range of numbers"),
        }
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}..{}", self.first, self.last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_read_back_as_they_are_written() {
        for text in ["0", "4", "1..50", "7..8", "18446744073709551615"] {
            assert_eq!(text.parse::<Seeds>().unwrap().to_string(), text);
        }
        assert_eq!("3..3".parse::<Seeds>().unwrap().to_string(), "3");
        for wrong in ["", "x", "-1", "1..", "..2", "5..1", "1..2..3", "0..100000", "1.5"] {
            let error = wrong.parse::<Seeds>().unwrap_err();
            assert!(error.starts_with("bad seeds "), "{wrong}");
        }
    }

    #[test]
    fn every_attempt_has_the_next_seed() {
        let seeds: Seeds = "4..6".parse().unwrap();
        let of: Vec<u64> = (1..=5).map(|attempt| seeds.of_attempt(attempt)).collect();
        assert_eq!((seeds.count(), of), (3, vec![4, 5, 6, 4, 5]));
        assert_eq!("9".parse::<Seeds>().unwrap().of_attempt(3), 9);
        assert_eq!(seeds.following().unwrap().to_string(), "7..9");
        assert_eq!(u64::MAX.to_string().parse::<Seeds>().unwrap().following(), None);
    }
}
