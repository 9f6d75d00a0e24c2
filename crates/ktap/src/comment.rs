//! The description of a result: its name, and the directive, reason and duration after `#`.

use super::Directive;
use crate::Outcome;
use std::time::Duration;

/// A description, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Description {
    pub name: String,
    pub directive: Option<Directive>,
    pub reason: Option<String>,
    pub duration: Option<Duration>,
}

impl Description {
    /// How a result with this description ended. What the specification does not know falls back to `ok` or `not ok`.
    pub fn outcome(&self, ok: bool) -> Outcome {
        match (self.directive, ok) {
            (Some(Directive::Skip), _) => Outcome::Skip,
            (Some(Directive::Timeout), _) => Outcome::Timeout,
            (Some(Directive::Error), _) => Outcome::Error,
            // kselftest.h says `ok # XFAIL` of a test that failed as expected; TAP has no XFAIL.
            (Some(Directive::Xfail), _) | (Some(Directive::Todo), false) => Outcome::Xfail,
            (Some(Directive::Xpass | Directive::Todo), true) => Outcome::Xpass,
            (Some(Directive::Xpass | Directive::Ignore) | None, false) => Outcome::Fail,
            (Some(Directive::Ignore) | None, true) => Outcome::Pass,
        }
    }

    /// True for `# IGNORE Flaky` of the MPTCP scripts.
    pub fn flaky_ignored(&self) -> bool {
        self.directive == Some(Directive::Ignore)
            && self.reason.as_deref().and_then(|why| why.split_whitespace().next()) == Some("Flaky")
    }
}

/// Takes the text after the number apart.
pub(super) fn describe(text: &str) -> Description {
    let Some((name, comment)) = split(text) else {
        // mptcp_lib.sh adds no second `#` before the time if the name has one that separates nothing.
        let (name, duration) = if text.contains('#') { take_duration(text) } else { (text.to_owned(), None) };
        return Description { name: unescape(&name), duration, ..Description::default() };
    };
    let (directive, reason) = directive(comment, name.is_empty());
    let (reason, duration) = take_duration(reason);
    Description { name: unescape(name), directive, reason: (!reason.is_empty()).then_some(reason), duration }
}

/// The reason of a plan that skips everything: `# SKIP reason`.
pub(super) fn plan_skip(rest: &str) -> Option<String> {
    let (directive, reason) = directive(rest.strip_prefix('#')?.trim_start(), true);
    (directive == Some(Directive::Skip)).then(|| reason.to_owned())
}

/// Resolves the two escapes of TAP 14.
pub(super) fn unescape(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut chars = name.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&next @ ('#' | '\\'))) => {
                text.push(next);
                chars.next();
            }
            _ => text.push(c),
        }
    }
    text
}

/// Name and comment: at the first `#` with a known meaning; for want of one, at the first that is a word of its own,
/// so that a name may have a ` # ` inside.
fn split(text: &str) -> Option<(&str, &str)> {
    let mut plain = None;
    for (at, _) in text.match_indices('#') {
        let before = &text[..at];
        let comment = &text[at + 1..];
        // An escaped one is not preceded by a blank either.
        if !(before.is_empty() || before.ends_with([' ', '\t'])) {
            continue;
        }
        let found = (before.trim_end(), comment.trim());
        if directive(found.1, found.0.is_empty()).0.is_some() || is_field(found.1) {
            return Some(found);
        }
        if plain.is_none() && (comment.is_empty() || comment.starts_with([' ', '\t'])) {
            plain = Some(found);
        }
    }
    plain
}

/// True if a comment begins with a field: `time=12ms`, `exit=1`, `rcode=0`.
fn is_field(comment: &str) -> bool {
    let first = comment.split([' ', '\t']).next().unwrap_or_default();
    first.split_once('=').is_some_and(|(key, value)| {
        !key.is_empty()
            && !value.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    })
}

/// The directive at the start of a comment, and what follows it.
///
/// SKIP and TODO may be written in any case, as in TAP. The kernel's own are in capitals: the MPTCP scripts write
/// `# timeout` and `# error 2` to explain a failure. But `kselftest.h` says `not ok 1 # error …`, without a name.
fn directive(comment: &str, nameless: bool) -> (Option<Directive>, &str) {
    let end = comment.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(comment.len());
    let (keyword, rest) = comment.split_at(end);
    let found = match keyword {
        "XFAIL" => Directive::Xfail,
        "XPASS" => Directive::Xpass,
        "TIMEOUT" => Directive::Timeout,
        "ERROR" => Directive::Error,
        "error" if nameless => Directive::Error,
        "IGNORE" => Directive::Ignore,
        _ if keyword.eq_ignore_ascii_case("skip") || keyword.eq_ignore_ascii_case("skipped") => {
            Directive::Skip
        }
        _ if keyword.eq_ignore_ascii_case("todo") => Directive::Todo,
        _ => return (None, comment),
    };
    match rest.chars().next() {
        None | Some(' ' | '\t' | ':' | ',') => (Some(found), rest.trim_start_matches([' ', '\t', ':', ','])),
        _ => (None, comment),
    }
}

/// Takes the last word out if it is `time=…ms`: that is where `mptcp_lib.sh` puts it.
fn take_duration(text: &str) -> (String, Option<Duration>) {
    let text = text.trim();
    let start = text.rfind([' ', '\t']).map_or(0, |at| at + 1);
    let millis = text[start..].strip_prefix("time=").and_then(|value| value.strip_suffix("ms"));
    match millis.and_then(|millis| millis.parse().ok()) {
        Some(millis) => (text[..start].trim_end().to_owned(), Some(Duration::from_millis(millis))),
        None => (text.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str, ok: bool) -> String {
        let it = describe(text);
        let flaky = if it.flaky_ignored() { " flaky" } else { "" };
        let reason = it.reason.as_deref().unwrap_or("-");
        let millis = it.duration.map_or_else(|| "-".to_owned(), |time| time.as_millis().to_string());
        format!("{}|{}|{reason}|{millis}{flaky}", it.name, it.outcome(ok))
    }

    #[test]
    fn what_the_mptcp_scripts_print() {
        assert_eq!(described("diag: a # time=12ms", true), "diag: a|pass|-|12");
        assert_eq!(described("diag: a # SKIP time=0ms", true), "diag: a|skip|-|0");
        assert_eq!(described("diag: a # IGNORE Flaky time=7ms", true), "diag: a|pass|Flaky|7 flaky");
        assert_eq!(described("diag: a # IGNORE Flaky", false), "diag: a|fail|Flaky|- flaky");
        assert_eq!(described("pm: a # error 2 time=3ms", false), "pm: a|fail|error 2|3");
        assert_eq!(described("diag: a # timeout time=9ms", false), "diag: a|fail|timeout|9");
        assert_eq!(described("join: bug #12 time=9ms", true), "join: bug #12|pass|-|9");
    }

    #[test]
    fn what_kselftest_prints() {
        assert_eq!(described("a # TIMEOUT 60 seconds", false), "a|timeout|60 seconds|-");
        assert_eq!(described("a # exit=1", false), "a|fail|exit=1|-");
        assert_eq!(described("# SKIP the name", true), "|skip|the name|-");
        assert_eq!(described("# XFAIL the name", true), "|xfail|the name|-");
        assert_eq!(described("# error the name", false), "|error|the name|-");
        assert_eq!(described("a #  more", true), "a|pass|more|-");
    }

    #[test]
    fn directives_and_what_they_make_of_a_result() {
        assert_eq!(described("a # TODO not yet", false), "a|xfail|not yet|-");
        assert_eq!(described("a # todo not yet", true), "a|xpass|not yet|-");
        assert_eq!(described("a # XPASS", true), "a|xpass|-|-");
        assert_eq!(described("a # XPASS", false), "a|fail|-|-");
        assert_eq!(described("a # SKIP", false), "a|skip|-|-");
        assert_eq!(described("a #skipped: no tool", true), "a|skip|no tool|-");
        assert_eq!(described("a # ERROR no memory", false), "a|error|no memory|-");
        assert_eq!(described("a # SKIPPING", false), "a|fail|SKIPPING|-");
        assert_eq!(described("a # UNKNOWN b", true), "a|pass|UNKNOWN b|-");
    }

    #[test]
    fn hashes_in_names() {
        assert_eq!(described("case # 3 works # SKIP no tool", true), "case # 3 works|skip|no tool|-");
        assert_eq!(described(r"a \# b \\ c", true), r"a # b \ c|pass|-|-");
        assert_eq!(described("C#", true), "C#|pass|-|-");
        assert_eq!(described("a # b # c", true), "a|pass|b # c|-");
        assert_eq!(described("#", true), "|pass|-|-");
        assert_eq!(described(r"a\", true), r"a\|pass|-|-");
    }

    #[test]
    fn only_a_real_duration_is_one() {
        assert_eq!(described("a # time=-5ms", true), "a|pass|time=-5ms|-");
        assert_eq!(
            described("a # time=99999999999999999999ms", true),
            "a|pass|time=99999999999999999999ms|-"
        );
        assert_eq!(described("a # time=5", true), "a|pass|time=5|-");
        assert_eq!(described("a time=5ms", true), "a time=5ms|pass|-|-");
    }

    #[test]
    fn a_plan_may_skip() {
        assert_eq!(plan_skip("# SKIP no netns").as_deref(), Some("no netns"));
        assert_eq!(plan_skip("#skip").as_deref(), Some(""));
        assert_eq!(plan_skip("# later"), None);
        assert_eq!(plan_skip(""), None);
    }
}
