//! How long a test may take.

use super::{Limit, TestCase};
use crate::error::{Error, Result};
use std::time::Duration;

/// No test runs for longer, whatever was asked for: a week. It keeps arithmetic with clocks safe.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long tests may take here and now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    explicit: Option<Duration>,
    cap: Duration,
    factor: u32,
}

impl Timeouts {
    /// The suite's limits. A test that the suite does not limit gets `cap`, before it is scaled.
    pub fn of_suite(cap: Duration) -> Self {
        Self { explicit: None, cap, factor: 1 }
    }

    /// Gives tests `factor` times as long; called again, the factors multiply (TCG, a debug kernel). 0 counts as 1.
    #[must_use]
    pub fn scaled(self, factor: u32) -> Self {
        Self { factor: self.factor.saturating_mul(factor.max(1)), ..self }
    }

    /// Gives every test the same time, never scaled: `--timeout SECONDS`. None, and the suite's limits stay.
    ///
    /// 0 is an error of usage.
    pub fn or_explicit(self, seconds: Option<u64>) -> Result<Self> {
        match seconds {
            Some(0) => Err(Error::usage("--timeout 0 would stop every test before it starts")
                .hint("give seconds above 0, or leave --timeout out to use the limits of the suite")),
            _ => Ok(Self { explicit: seconds.map(Duration::from_secs), ..self }),
        }
    }

    /// How long `test` may take: above 0, and at most [`LONGEST`].
    pub fn for_test(&self, test: &TestCase) -> Duration {
        let scale = |limit: Duration| limit.saturating_mul(self.factor);
        let time = self.explicit.unwrap_or_else(|| {
            scale(match test.limit {
                Limit::Unlimited => self.cap,
                Limit::Within(limit) => limit,
            })
        });
        time.clamp(Duration::from_secs(1), LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::named;
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn seconds(timeouts: Timeouts, limit: Limit) -> u64 {
        let test = TestCase { limit, ..named(&["a"]).remove(0) };
        timeouts.for_test(&test).as_secs()
    }

    #[test]
    fn the_suite_decides_and_slow_machines_get_more() {
        let slow = Timeouts::of_suite(HOUR).scaled(3).scaled(2).scaled(0);
        assert_eq!(seconds(slow, Limit::Within(Duration::from_secs(1800))), 6 * 1800);
        assert_eq!(seconds(slow, Limit::Unlimited), 6 * 3600);
    }

    #[test]
    fn what_the_user_says_is_taken_as_it_is() {
        let timeouts = Timeouts::of_suite(HOUR).scaled(8).or_explicit(Some(5)).unwrap();
        assert_eq!(seconds(timeouts, Limit::Within(HOUR)), 5);
        let timeouts = Timeouts::of_suite(HOUR).or_explicit(None).unwrap();
        assert_eq!(seconds(timeouts, Limit::Within(HOUR)), 3600);
    }

    #[test]
    fn zero_is_refused() {
        let wrong = Timeouts::of_suite(HOUR).or_explicit(Some(0)).unwrap_err();
        assert_eq!(wrong.kind(), error::Kind::Usage);
        insta::assert_snapshot!(format!("{wrong}\n{}", wrong.remedy().unwrap()), @r#"
        --timeout 0 would stop every test before it starts
        give seconds above 0, or leave --timeout out to use the limits of the suite
        "#);
    }

    #[test]
    fn absurd_times_do_not_overflow() {
        let longest = LONGEST.as_secs();
        let huge = Timeouts::of_suite(Duration::MAX).scaled(u32::MAX).scaled(u32::MAX);
        assert_eq!(seconds(huge, Limit::Unlimited), longest);
        assert_eq!(seconds(huge, Limit::Within(Duration::MAX)), longest);
        assert_eq!(seconds(huge.or_explicit(Some(u64::MAX)).unwrap(), Limit::Unlimited), longest);
        assert_eq!(seconds(huge, Limit::Within(Duration::ZERO)), 1);
    }
}
