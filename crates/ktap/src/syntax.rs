//! What a single line says, whatever came before it.

use super::Format;

/// The longest indentation or `# ` prefix of a line that is understood, in bytes.
pub(super) const MAX_PREFIX: usize = 128;

/// A line with a meaning of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `KTAP version 1`.
    Version(Format),
    /// `1..5`, with what follows it.
    Plan { count: Number<'a>, rest: &'a str },
    /// `ok` or `not ok`, with what follows the number and the dash.
    Result { ok: bool, number: Number<'a>, dash: bool, rest: &'a str },
    /// `Bail out!`, with the reason.
    BailOut(&'a str),
    /// `# Subtest: name`, of TAP 14 and `KUnit`.
    Subtest(&'a str),
    /// `# selftests: net/mptcp: diag.sh`, which the kselftest runner prints before a test.
    Runner(&'a str),
}

/// A number in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number<'a> {
    /// There is none.
    Absent,
    /// A number.
    Is(u64),
    /// It is negative, or too large.
    Bad(&'a str),
}

/// The outermost token in a line, and the prefix (blanks and `# `) before it.
pub(super) fn scan(line: &str) -> Option<(&str, Token<'_>)> {
    let mut at = 0;
    while at <= MAX_PREFIX {
        let rest = &line[at..];
        if let Some(token) = token(rest) {
            return Some((&line[..at], token));
        }
        at += match rest.as_bytes() {
            [b' ' | b'\t', ..] => 1,
            [b'#', b' ', ..] => 2,
            _ => return None,
        };
    }
    None
}

fn token(text: &str) -> Option<Token<'_>> {
    if let Some(rest) = text.strip_prefix("# ") {
        return header(rest);
    }
    if let Some(rest) = word(text, "ok") {
        return Some(result(true, rest));
    }
    if let Some(rest) = word(text, "not ok") {
        return Some(result(false, rest));
    }
    if let Some(rest) = text.strip_prefix("1..") {
        return plan(rest);
    }
    if let Some(version) = text.strip_prefix("KTAP version ") {
        return Some(Token::Version(Format::Ktap(version.trim_end().parse().ok()?)));
    }
    if let Some(version) = text.strip_prefix("TAP version ") {
        return Some(Token::Version(Format::Tap(version.trim_end().parse().ok()?)));
    }
    match text.get(..9) {
        Some(start) if start.eq_ignore_ascii_case("Bail out!") => Some(Token::BailOut(text[9..].trim())),
        _ => None,
    }
}

fn header(rest: &str) -> Option<Token<'_>> {
    if let Some(name) = rest.strip_prefix("Subtest: ") {
        return Some(Token::Subtest(name.trim()));
    }
    // The directory and the program: anything else after `selftests:` is talk.
    let (_, program) = rest.strip_prefix("selftests: ")?.split_once(": ")?;
    (!program.trim().is_empty()).then(|| Token::Runner(rest.trim()))
}

/// What follows a word, if the text begins with it.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then_some(rest)
}

fn result(ok: bool, rest: &str) -> Token<'_> {
    let (number, rest) = number(rest.trim_start());
    let rest = rest.trim();
    match rest.strip_prefix('-') {
        Some(name) if name.is_empty() || name.starts_with([' ', '\t']) => {
            Token::Result { ok, number, dash: true, rest: name.trim_start() }
        }
        _ => Token::Result { ok, number, dash: false, rest },
    }
}

fn plan(rest: &str) -> Option<Token<'_>> {
    let (count, rest) = number(rest);
    let rest = rest.trim();
    // A plan of fewer than none, or with words behind it, is talk.
    let talk = match count {
        Number::Absent => true,
        Number::Is(_) => false,
        Number::Bad(text) => text.starts_with('-'),
    };
    (!talk && (rest.is_empty() || rest.starts_with('#'))).then_some(Token::Plan { count, rest })
}

/// The number at the start of `text`, which must be a word of its own, and what follows it.
fn number(text: &str) -> (Number<'_>, &str) {
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    let digits = first.strip_prefix('-').unwrap_or(first);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return (Number::Absent, text);
    }
    match first.parse() {
        Ok(number) => (Number::Is(number), rest),
        Err(_) => (Number::Bad(first), rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(number: Number<'static>, dash: bool, rest: &'static str) -> Token<'static> {
        Token::Result { ok: true, number, dash, rest }
    }

    #[test]
    fn results() {
        for (line, token) in [
            ("ok", ok(Number::Absent, false, "")),
            ("ok 1", ok(Number::Is(1), false, "")),
            ("ok 1 -", ok(Number::Is(1), true, "")),
            ("ok 1 - a - b ", ok(Number::Is(1), true, "a - b")),
            ("ok 1 a", ok(Number::Is(1), false, "a")),
            ("ok - 1 a", ok(Number::Absent, true, "1 a")),
            ("ok -1 a", ok(Number::Bad("-1"), false, "a")),
            ("ok 1x a", ok(Number::Absent, false, "1x a")),
            ("ok 007 a", ok(Number::Is(7), false, "a")),
            ("ok 99999999999999999999 a", ok(Number::Bad("99999999999999999999"), false, "a")),
            ("not ok 2 b", Token::Result { ok: false, number: Number::Is(2), dash: false, rest: "b" }),
        ] {
            assert_eq!(scan(line), Some(("", token)), "{line:?}");
        }
    }

    #[test]
    fn prefixes_end_where_the_meaning_begins() {
        assert_eq!(scan("    ok 1"), Some(("    ", ok(Number::Is(1), false, ""))));
        assert_eq!(scan("# # ok 1"), Some(("# # ", ok(Number::Is(1), false, ""))));
        assert_eq!(scan("# # Subtest: a b "), Some(("# ", Token::Subtest("a b"))));
        assert_eq!(scan("# selftests: net: a.sh"), Some(("", Token::Runner("selftests: net: a.sh"))));
        assert_eq!(scan(&format!("{}ok 1", " ".repeat(MAX_PREFIX + 1))), None);
        assert_eq!(scan(&"# ".repeat(500_000)), None);
    }

    #[test]
    fn plans_versions_and_giving_up() {
        assert_eq!(scan("1..0 # SKIP a"), Some(("", Token::Plan { count: Number::Is(0), rest: "# SKIP a" })));
        assert_eq!(scan("KTAP version 1 "), Some(("", Token::Version(Format::Ktap(1)))));
        assert_eq!(scan("TAP version 14"), Some(("", Token::Version(Format::Tap(14)))));
        assert_eq!(scan("Bail out!  disk full"), Some(("", Token::BailOut("disk full"))));
    }

    #[test]
    fn talk_means_nothing() {
        for line in [
            "",
            " ",
            "#",
            "# ",
            "okay",
            "ok, so",
            "not okay",
            "notok 1",
            "OK 1",
            "1..",
            "1..x",
            "1..-1",
            "1..2 apples",
            "0..3",
            "TAP version",
            "TAP version x",
            "TAP version -1",
            "selftests: net: a.sh",
            "# selftests: net",
            "Bail out",
            "ééééééééé",
        ] {
            assert_eq!(scan(line), None, "{line:?}");
        }
    }
}
