//! Fisher's exact test: whether something fails more often in one set of runs than in another, or only seems to.
//!
//! Both sets together have so many runs, so many of which failed. If it makes no difference in which set a run is, each way
//! to spread the failures over the sets is as likely as the hypergeometric distribution says. Nothing is approximated, so it
//! holds for few runs too.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A difference that chance makes less often than this is none of chance's.
pub const SIGNIFICANT: f64 = 0.05;

/// How many of how many runs failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// How many failed; at most `ran`.
    pub failed: u32,
    /// How many there were.
    pub ran: u32,
}

impl Failures {
    /// These runs and those.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self { failed: self.failed + more.failed, ran: self.ran + more.ran }
    }
}

/// `7 of 50`
impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.failed, self.ran)
    }
}

/// A probability, with two digits that count.
pub fn short(p: f64) -> String {
    if p >= 0.01 { format!("{p:.2}") } else { format!("{p:.1e}") }
}

/// Two ways to spread the failures count as equally likely if their probabilities differ by less than this, relatively: only
/// rounding is smaller.
const ROUNDING: f64 = 1e-9;

/// The probability that chance alone lets at least as many of all failures fall on `here` as did: small, if runs there fail
/// more often. The one-sided p value.
pub fn more_often(here: Failures, there: Failures) -> f64 {
    let spread = Spread::new(here, there);
    sum((here.failed..=spread.most).map(|failed| spread.probability(failed)))
}

/// The probability that chance alone spreads the failures in a way that is at most as likely as what was seen: small, if it
/// makes a difference in which set a run is. The two-sided p value.
pub fn differs(here: Failures, there: Failures) -> f64 {
    let spread = Spread::new(here, there);
    let seen = spread.probability(here.failed) * (1.0 + ROUNDING);
    let all = (spread.least..=spread.most).map(|failed| spread.probability(failed));
    sum(all.filter(|probability| *probability <= seen))
}

/// All ways to spread the failures over two sets.
struct Spread {
    here: u32,
    there: u32,
    failed: u32,
    /// The fewest failures that can fall on the first set.
    least: u32,
    /// The most.
    most: u32,
    /// The logarithms of the factorials up to the number of all runs.
    factorials: Vec<f64>,
}

impl Spread {
    fn new(here: Failures, there: Failures) -> Self {
        let failed = here.failed + there.failed;
        let logarithms = (1..=here.ran + there.ran).scan(0.0, |sum, n| {
            *sum += f64::from(n).ln();
            Some(*sum)
        });
        Self {
            here: here.ran,
            there: there.ran,
            failed,
            least: failed.saturating_sub(there.ran),
            most: failed.min(here.ran),
            factorials: std::iter::once(0.0).chain(logarithms).collect(),
        }
    }

    /// That so many failures fall on the first set.
    fn probability(&self, failed: u32) -> f64 {
        let ways = self.choose(self.here, failed) + self.choose(self.there, self.failed - failed);
        (ways - self.choose(self.here + self.there, self.failed)).exp()
    }

    /// The logarithm of the number of ways to choose `k` of `n`.
    fn choose(&self, n: u32, k: u32) -> f64 {
        let log = |n: u32| self.factorials[n as usize];
        log(n) - log(k) - log(n - k)
    }
}

/// Rounding makes no probability greater than 1.
fn sum(probabilities: impl Iterator<Item = f64>) -> f64 {
    probabilities.sum::<f64>().min(1.0)
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss, reason = "values are compared to six digits")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(failed: u32, ran: u32) -> Failures {
        Failures { failed, ran }
    }

    fn is_near(value: f64, expected: f64) -> bool {
        (value - expected).abs() <= 1e-9 + 1e-6 * expected
    }

    /// The number of ways to choose, as a whole number.
    fn ways(n: u32, k: u32) -> u128 {
        (0..k).fold(1, |product, at| product * u128::from(n - at) / u128::from(at + 1))
    }

    #[test]
    fn the_values_are_the_published_ones() {
        // Fisher's lady tasting tea: three of four cups, and all four.
        assert!(is_near(more_often(of(3, 4), of(1, 4)), 17.0 / 70.0));
        assert!(is_near(differs(of(3, 4), of(1, 4)), 34.0 / 70.0));
        assert!(is_near(more_often(of(4, 4), of(0, 4)), 1.0 / 70.0));
        // Agresti, and R's fisher.test(matrix(c(3, 1, 1, 3), nrow = 2)): 0.4857.
        assert!((differs(of(3, 4), of(1, 4)) - 0.4857).abs() < 1e-4);
        // R's example of criminal twins: fisher.test(matrix(c(2, 10, 15, 3), nrow = 2)): 0.0005367, less: 0.0004652.
        assert!((differs(of(2, 17), of(10, 13)) - 0.000_536_7).abs() < 1e-7);
        assert!((more_often(of(10, 13), of(2, 17)) - 0.000_465_2).abs() < 1e-7);
    }

    #[test]
    fn where_nothing_or_everything_fails_there_is_no_difference() {
        for (here, there) in [(of(0, 50), of(0, 50)), (of(20, 20), of(20, 20)), (of(0, 0), of(3, 9))] {
            assert!(is_near(more_often(here, there), 1.0) && is_near(differs(here, there), 1.0), "{here:?}");
        }
    }

    #[test]
    fn seven_of_fifty_against_none_is_no_chance_and_one_is() {
        let p = more_often(of(7, 50), of(0, 50));
        assert!(is_near(p, ways(50, 7) as f64 / ways(100, 7) as f64), "{p}");
        assert!(p < 0.01 && is_near(more_often(of(1, 50), of(0, 50)), 0.5));
    }

    #[test]
    fn many_runs_neither_overflow_nor_lose_precision() {
        let p = more_often(of(60_000, 100_000), of(50_000, 100_000));
        assert!((0.0..1e-300).contains(&p));
        assert!(is_near(more_often(of(1, 100_000), of(0, 100_000)), 0.5));
    }

    proptest! {
        #[test]
        fn the_sums_are_those_of_whole_numbers(a in 0..=30_u32, more in 0..=30_u32, c in 0..=30_u32, rest in 0..=30_u32) {
            let (here, there) = (of(a, a + more), of(c, c + rest));
            let failed = a + c;
            let count = |k: u32| if k > here.ran || failed - k > there.ran { 0 } else {
                ways(here.ran, k) * ways(there.ran, failed - k)
            };
            let all = ways(here.ran + there.ran, failed);
            prop_assert_eq!((0..=failed).map(count).sum::<u128>(), all);
            let of_all = |sum: u128| sum as f64 / all as f64;
            let one = of_all((a..=failed).map(count).sum());
            let two = of_all((0..=failed).map(count).filter(|ways| *ways <= count(a)).sum());
            prop_assert!(is_near(more_often(here, there), one), "{} {one}", more_often(here, there));
            prop_assert!(is_near(differs(here, there), two), "{} {two}", differs(here, there));
            prop_assert!(is_near(differs(here, there), differs(there, here)));
        }
    }
}
