//! A message is a JSON object on a line of its own.

use serde::{Deserialize, Serialize};
use shown::decode;

/// One message as a line, line feed included.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // Strings, numbers and lists of them: there is nothing in these types that JSON cannot hold.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The longest message that is accepted, in bytes. A piece of a stream is at most six times its size; only a command
/// with very long arguments can come near it.
pub const MESSAGE_LIMIT: usize = 1024 * 1024;

/// Turns the bytes of a stream back into messages.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
    skipping: bool,
}

impl Decoder {
    /// Takes more bytes and returns the messages that they complete. A line that is no message comes back as its
    /// text, shortened: the other side, or its kernel, is not well.
    pub fn feed<T: for<'a> Deserialize<'a>>(&mut self, mut bytes: &[u8]) -> Vec<Result<T, String>> {
        let mut messages = Vec::new();
        while let Some(at) = bytes.iter().position(|&byte| byte == b'\n') {
            self.pending.extend_from_slice(&bytes[..at]);
            bytes = &bytes[at + 1..];
            if std::mem::take(&mut self.skipping) {
                messages.push(Err(format!("a message of more than {MESSAGE_LIMIT} bytes")));
            } else if !self.pending.is_empty() {
                messages.push(serde_json::from_slice(&self.pending).map_err(|error| {
                    let text: String = decode(&self.pending).chars().take(200).collect();
                    format!("{error}: {text}")
                }));
            }
            self.pending.clear();
        }
        if self.pending.len() + bytes.len() > MESSAGE_LIMIT {
            self.skipping = true;
            self.pending.clear();
        } else if !self.skipping {
            self.pending.extend_from_slice(bytes);
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::super::ToGuest;
    use super::*;

    #[test]
    fn messages_arrive_whole_however_the_stream_is_cut() {
        let line = encode(&ToGuest::Ping);
        let mut decoder = Decoder::default();
        let (head, tail) = line.split_at(3);
        assert!(decoder.feed::<ToGuest>(head).is_empty());
        assert_eq!(decoder.feed(tail), [Ok(ToGuest::Ping)]);
        assert_eq!(decoder.feed(&[&line[..], &line[..]].concat()), [Ok(ToGuest::Ping), Ok(ToGuest::Ping)]);
    }

    #[test]
    fn noise_and_endless_lines_are_told_and_skipped() {
        let mut decoder = Decoder::default();
        let noise = decoder.feed::<ToGuest>(b"login: \n");
        assert!(matches!(&noise[..], [Err(text)] if text.ends_with("login: ")), "{noise:?}");
        for _ in 0..100 {
            assert!(decoder.feed::<ToGuest>(&vec![b'x'; 64 * 1024]).is_empty());
            assert!(decoder.pending.len() <= MESSAGE_LIMIT);
        }
        let after = decoder.feed::<ToGuest>(b"\n{\"do\":\"ping\"}\n");
        assert!(matches!(&after[..], [Err(_), Ok(ToGuest::Ping)]), "{after:?}");
    }
}
