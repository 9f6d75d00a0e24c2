//! Words, lengths of time, colours; and text from outside, made fit to be shown.

use crate::event::{Outcome, Status};
use crate::text::Shown;
use std::time::Duration;

/// Untrusted text on one line, as it may be shown.
pub fn clean(text: &str) -> String {
    Shown::line(text).to_string()
}

/// A length of time as a person says it: `0.4 s`, `75 s`, `4 min 05 s`, `2 h 03 min`.
pub fn duration(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match whole {
        0..=9 => format!("{seconds:.1} s"),
        10..=119 => format!("{whole} s"),
        120..=7199 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Paints a word, or leaves it.
pub fn paint(colour: bool, code: &str, text: &str) -> String {
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// The colour of an outcome.
pub fn colour_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "32",
        Outcome::Skip | Outcome::Xfail | Outcome::Xpass | Outcome::NotRun | Outcome::Flaky => "33",
        Outcome::Fail | Outcome::Timeout | Outcome::Crash | Outcome::Error => "1;31",
    }
}

/// The colour of the status of a check.
pub fn colour_of_status(status: Status) -> &'static str {
    match status {
        Status::Pass => "32",
        Status::NotApplicable | Status::Skip | Status::NotRun => "2",
        Status::Warn => "33",
        Status::Fail | Status::Error => "1;31",
    }
}

/// `1 subtest`, `2 subtests`.
pub fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// Untrusted text of several lines, each cleaned, the further ones set in.
pub fn indented(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_reaches_the_terminal_raw() {
        assert_eq!(clean("a\u{1b}[31mred\u{1b}[0m"), "ared");
        assert_eq!(clean("\u{1b}]0;title\u{7}x\r\u{202e}"), "\\u{1b}]0;title\\u{7}x\\r\\u{202e}");
        assert_eq!(clean("\u{1b}[2J\u{1b}["), "\\u{1b}[2J\\u{1b}[");
    }

    #[test]
    fn lengths_of_time_read_well() {
        assert_eq!([0.35, 75.4, 245.0, 7380.0].map(duration), ["0.3 s", "75 s", "4 min 05 s", "2 h 03 min"]);
    }
}
