//! Times as people write them.

use std::time::Duration;

/// What [`parse`] takes, for a person.
pub const FORM: &str = "a number above 0 with a unit: 90s, 30m or 2h";

/// Reads `90s`, `30m` or `2h`; none if it is no such time, or zero.
pub fn parse(text: &str) -> Option<Duration> {
    let (unit, seconds) =
        [('s', 1), ('m', 60), ('h', 3600)].into_iter().find(|(unit, _)| text.ends_with(*unit))?;
    let digits = text.strip_suffix(unit)?;
    let number: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    (number > 0).then_some(Duration::from_secs(number.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("2h", 7200)] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)));
        }
        let wrong = [
            "",
            "30",
            "m",
            "0m",
            "+1m",
            "-1m",
            "1.5h",
            "1d",
            "99999999999999999999s",
            "18446744073709551615h",
        ];
        for wrong in wrong {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
