//! Streams to their end, in pieces or in lines, with bounded memory.

use std::io::{BufRead, BufReader, ErrorKind, Read};

/// The longest line that is kept whole, in bytes. A longer one is handed over in pieces of this size.
pub const LINE_LIMIT: usize = 16 * 1024;

/// Reads `input` to its end and hands over each line without its line feed, as raw bytes. An unterminated last line
/// counts; a line longer than [`LINE_LIMIT`] comes in pieces. Returns early, without an error, if `on_line` returns false.
pub fn read_lines(input: impl Read, mut on_line: impl FnMut(&[u8]) -> bool) {
    let mut input = BufReader::with_capacity(LINE_LIMIT, input);
    let mut line = Vec::new();
    loop {
        let chunk = match input.fill_buf() {
            Ok([]) => break,
            Ok(chunk) => chunk,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // A closed pty says EIO, a closed socket ECONNRESET: the end, like any other.
            Err(_) => break,
        };
        let (taken, whole) = match chunk.iter().position(|&byte| byte == b'\n') {
            Some(at) => (at, true),
            None => (chunk.len(), false),
        };
        let room = LINE_LIMIT - line.len();
        let (taken, whole, full) =
            if taken > room { (room, false, true) } else { (taken, whole, taken == room && !whole) };
        line.extend_from_slice(&chunk[..taken]);
        input.consume(taken + usize::from(whole));
        if whole || full {
            if !on_line(&line) {
                return;
            }
            line.clear();
        }
    }
    if !line.is_empty() {
        on_line(&line);
    }
}

/// Reads `input` to its end and hands over what comes, at most `size` bytes at a time. Returns early, without an error, if
/// `on_piece` returns false.
pub fn read_pieces(mut input: impl Read, size: usize, mut on_piece: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; size];
    loop {
        match input.read(&mut buffer) {
            Ok(count @ 1..) if on_piece(&buffer[..count]) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // As above, any error is the end.
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(input: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        read_lines(input, |line| {
            lines.push(line.to_vec());
            true
        });
        lines
    }

    #[test]
    fn lines_end_at_line_feeds_and_the_last_may_lack_one() {
        assert_eq!(collect(b"a\n\nb"), [b"a".to_vec(), vec![], b"b".to_vec()]);
        assert!(collect(b"").is_empty());
    }

    #[test]
    fn an_endless_line_comes_in_pieces_and_loses_nothing() {
        let input = vec![b'x'; LINE_LIMIT * 2 + 5];
        let lines = collect(&input);
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [LINE_LIMIT, LINE_LIMIT, 5]);
    }
}
