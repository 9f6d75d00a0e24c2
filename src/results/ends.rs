//! On which side of a bisection a commit is that fails now and then: by how often it fails with the same seeds as the two ends.
//! Pure.

use super::fisher::{Failures, SIGNIFICANT, more_often};

/// How often the two ends of a bisection fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The good one.
    pub good: Failures,
    /// The bad one.
    pub bad: Failures,
}

/// What a commit is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The good end.
    Good,
    /// The bad end.
    Bad,
    /// It may be either.
    Unclear,
}

impl Ends {
    /// The probability that chance alone makes the bad end fail that much more often.
    pub fn p(self) -> f64 {
        more_often(self.bad, self.good)
    }

    /// Whether they differ by more than chance.
    pub fn differ(self) -> bool {
        self.p() < SIGNIFICANT
    }

    /// The side of a commit that fails so often. One that fails more often than the good end is bad, also if it fails less often
    /// than the bad one.
    pub fn side(self, of: Failures) -> Side {
        if more_often(of, self.good) < SIGNIFICANT {
            Side::Bad
        } else if more_often(self.bad, of) < SIGNIFICANT {
            Side::Good
        } else {
            Side::Unclear
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(failed: u32, ran: u32) -> Failures {
        Failures { failed, ran }
    }

    #[test]
    fn ends_have_to_differ_by_more_than_chance() {
        let differ = |good, bad| Ends { good, bad }.differ();
        assert!(differ(of(0, 50), of(7, 50)) && differ(of(0, 2), of(40, 40)));
        assert!(!differ(of(0, 20), of(1, 20)) && !differ(of(6, 20), of(7, 20)), "too few, or alike");
        assert!(
            !differ(of(7, 50), of(0, 50)) && !differ(of(0, 0), of(7, 50)),
            "the wrong way round, or not run"
        );
    }

    #[test]
    fn a_commit_is_on_the_side_that_it_fails_as_often_as() {
        let ends = Ends { good: of(0, 50), bad: of(9, 50) };
        let sides = [0, 1, 3, 5, 9, 30].map(|failed| ends.side(of(failed, 50)));
        assert_eq!(sides, [Side::Good, Side::Good, Side::Unclear, Side::Bad, Side::Bad, Side::Bad]);
        assert_eq!(ends.side(of(3, 100)), Side::Good, "more seeds make it clear");
        assert_eq!(ends.side(of(0, 0)), Side::Unclear, "it did not run");
        // Both ends fail now and then; between them is one that broke more, and it is not good.
        let worse = Ends { good: of(2, 50), bad: of(45, 50) };
        assert_eq!(worse.side(of(20, 50)), Side::Bad);
    }
}
