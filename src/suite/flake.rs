//! Tests that are known to fail at times, for a while.

use super::Pattern;
use jiff::civil::Date;
use std::str::FromStr;

/// A test or subtest that is known to fail at times: until a day its failures do not count.
#[derive(Debug, Clone)]
pub struct KnownFlake {
    test: Pattern,
    /// None for the test and all of its subtests.
    subtest: Option<Pattern>,
    until: Date,
    reason: String,
}

impl KnownFlake {
    /// Whether it is about this test, or subtests of it.
    pub fn is_of(&self, test: &str) -> bool {
        self.test.matches(test)
    }

    /// Whether it is about a subtest of this test; about the test itself, with `None`.
    pub fn is_about(&self, test: &str, subtest: Option<&str>) -> bool {
        self.test.matches(test)
            && match (&self.subtest, subtest) {
                (None, _) => true,
                (Some(pattern), Some(subtest)) => pattern.matches(subtest),
                (Some(_), None) => false,
            }
    }

    /// Whether its failures count again.
    pub fn is_over(&self, today: Date) -> bool {
        today > self.until
    }

    /// What a report says of a failure that does not count.
    pub fn waiver(&self) -> String {
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("known flake until {}{reason}", self.until)
    }
}

/// `TEST[/SUBTEST] until YYYY-MM-DD[: reason]`.
impl FromStr for KnownFlake {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, rest) = text.rsplit_once(" until ").ok_or("no \" until YYYY-MM-DD\" in it")?;
        let (day, reason) = rest.split_once(':').unwrap_or((rest, ""));
        let until = day.trim().parse().map_err(|_| format!("{:?} is no day: YYYY-MM-DD", day.trim()))?;
        let (test, subtest) = match what.split_once('/') {
            Some((test, subtest)) => (test, Some(subtest)),
            None => (what, None),
        };
        if test.trim().is_empty() || subtest.is_some_and(|subtest| subtest.trim().is_empty()) {
            return Err("no test is named in it".to_owned());
        }
        let pattern = |text: &str| Pattern::new(text.trim()).map_err(|error| error.to_string());
        let subtest = subtest.map(pattern).transpose()?;
        Ok(Self { test: pattern(test)?, subtest, until, reason: reason.trim().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flake(text: &str) -> KnownFlake {
        text.parse().unwrap()
    }

    #[test]
    fn a_flake_is_about_a_test_or_about_subtests_of_it() {
        let one = flake("simult_flows/unbalanced* until 2027-03-01: slow machines: all");
        assert!(one.is_about("simult_flows", Some("unbalanced bwidth")));
        assert!(!one.is_about("simult_flows", Some("balanced bwidth")));
        assert!(!one.is_about("simult_flows", None) && !one.is_about("diag", Some("unbalanced")));
        assert_eq!(one.waiver(), "known flake until 2027-03-01: slow machines: all");
        let all = flake("diag until 2027-03-01");
        assert!(all.is_about("diag", None) && all.is_about("diag", Some("x")));
        assert_eq!(all.waiver(), "known flake until 2027-03-01");
    }

    #[test]
    fn its_last_day_is_the_one_that_it_names() {
        let one = flake("diag until 2027-03-01");
        assert!(!one.is_over("2027-03-01".parse().unwrap()));
        assert!(one.is_over("2027-03-02".parse().unwrap()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            ("diag", "no \" until YYYY-MM-DD\" in it"),
            ("diag until soon", "\"soon\" is no day: YYYY-MM-DD"),
            ("diag until 2027-02-30", "\"2027-02-30\" is no day: YYYY-MM-DD"),
            (" until 2027-03-01", "no test is named in it"),
            ("diag/ until 2027-03-01", "no test is named in it"),
        ] {
            assert_eq!(text.parse::<KnownFlake>().unwrap_err(), why, "{text}");
        }
        assert!("[ until 2027-03-01".parse::<KnownFlake>().unwrap_err().contains("malformed"));
    }
}
