//! From raw bytes to text that can be parsed: no line ends, no colours, and the kernel's time stamps found.

use std::borrow::Cow;

/// The line as text, without its line end. Bytes that are no UTF-8 become `\xff`.
pub(super) fn decode(raw: &[u8]) -> Cow<'_, str> {
    let mut end = raw.len();
    while end > 0 && matches!(raw[end - 1], b'\n' | b'\r') {
        end -= 1;
    }
    shown::decode(&raw[..end])
}

/// What is left of a line once a terminal has interpreted it, roughly: no escape sequences, NULs and carriage returns.
pub(super) fn visible(line: &str) -> Cow<'_, str> {
    if !line.contains(['\x1b', '\0', '\r']) {
        return Cow::Borrowed(line);
    }
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['\x1b', '\0', '\r']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = match rest.strip_prefix('\x1b') {
            Some(sequence) => after_escape(sequence),
            None => &rest[1..],
        };
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// Skips an escape sequence (ECMA-48) whose ESC is already gone. An unfinished one takes no text with it.
fn after_escape(rest: &str) -> &str {
    let bytes = rest.as_bytes();
    match bytes.first() {
        // CSI: parameters, then one final byte.
        Some(b'[') => {
            let end = bytes[1..].iter().position(|byte| !(0x20..0x40).contains(byte)).map(|at| at + 1);
            match end {
                Some(end) if (0x40..0x7f).contains(&bytes[end]) => &rest[end + 1..],
                Some(end) => &rest[end..],
                None => "",
            }
        }
        // OSC: a string up to BEL or ESC \.
        Some(b']') => match rest.find(['\x07', '\x1b']) {
            Some(end) if bytes[end] == 0x07 => &rest[end + 1..],
            Some(end) => rest[end + 1..].strip_prefix('\\').unwrap_or(&rest[end..]),
            None => &rest[1..],
        },
        Some(b'(' | b')') => rest.get(2..).unwrap_or(&rest[1..]),
        Some(0x40..0x7f) => &rest[1..],
        _ => rest,
    }
}

/// What follows the kernel's time stamp, if the line begins with one: `[   12.345678] `, maybe with a log level before
/// it (`<6>`) and the caller after it (`[   T12]`).
pub(super) fn after_stamp(line: &str) -> Option<&str> {
    let line = match line.strip_prefix('<') {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix('>')?,
        None => line,
    };
    let rest = after_time(line)?;
    Some(after_caller(rest).unwrap_or(rest)).map(|rest| rest.strip_prefix(' ').unwrap_or(rest))
}

/// Cuts a line before a kernel message that was printed into it.
pub(super) fn split_glued(line: &str) -> (&str, Option<&str>) {
    let glued =
        line.match_indices('[').map(|(at, _)| at).find(|&at| at > 0 && after_time(&line[at..]).is_some());
    match glued {
        Some(at) => (&line[..at], Some(&line[at..])),
        None => (line, None),
    }
}

/// Skips `[%5lu.%06lu]`, as `print_time()` in `kernel/printk/printk.c` has it.
fn after_time(line: &str) -> Option<&str> {
    let (inside, rest) = bracketed(line)?;
    let (seconds, micros) = inside.split_once('.')?;
    let digits = seconds.trim_start_matches(' ');
    let stamp = seconds.len() >= 5 && all_digits(digits) && micros.len() == 6 && all_digits(micros);
    (stamp && (rest.is_empty() || rest.starts_with([' ', '[']))).then_some(rest)
}

/// Skips `[    T1]` or `[    C0]`, which `CONFIG_PRINTK_CALLER` adds.
fn after_caller(line: &str) -> Option<&str> {
    let (inside, rest) = bracketed(line)?;
    let id = inside.trim_start_matches(' ').strip_prefix(['T', 'C'])?;
    all_digits(id).then_some(rest)
}

/// What stands between brackets at the start of the line, and what follows it. The search is short, or a long line of
/// brackets would take for ever.
fn bracketed(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix('[')?;
    let end = rest.bytes().take(32).take_while(|&byte| byte != b'[').position(|byte| byte == b']')?;
    Some((&rest[..end], &rest[end + 1..]))
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_go_and_bad_bytes_are_replaced() {
        assert_eq!(decode(b"ok 1\r\n"), "ok 1");
        assert_eq!(decode(b"\xffok"), "\\xffok");
        assert_eq!(decode(b"\r\n"), "");
    }

    #[test]
    fn colours_titles_and_nuls_are_invisible() {
        for (line, seen) in [
            ("\x1b[1;32m[ OK ]\x1b[0m", "[ OK ]"),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b]8;;link\x1b\\text", "text"),
            ("\x1b(Btext", "text"),
            ("\x1bMtext", "text"),
            ("a\0b\rc", "abc"),
            ("end\x1b", "end"),
            ("end\x1b[", "end"),
            ("cut\x1b[1;é", "cuté"),
            ("\x1b]unfinished", "unfinished"),
            ("\x1b(é", "é"),
        ] {
            assert_eq!(visible(line), seen, "{line:?}");
        }
    }

    #[test]
    fn only_what_printk_prints_is_a_stamp() {
        assert_eq!(after_stamp("[    0.000000] Linux"), Some("Linux"));
        assert_eq!(after_stamp("<6>[12345.000000][   T12] x"), Some("x"));
        assert_eq!(after_stamp("[123456.000000]"), Some(""));
        for line in ["[ OK ]", "[1.2] x", "[    0.00000x] x", "[   -1.000000] x", "<6 [    0.000000] x", "["]
        {
            assert_eq!(after_stamp(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_glued_message_is_cut_off() {
        assert_eq!(split_glued("ok 1 a[   12.345678] IPv6: b"), ("ok 1 a", Some("[   12.345678] IPv6: b")));
        assert_eq!(split_glued("ok 1 [a] [b]"), ("ok 1 [a] [b]", None));
    }
}
