//! A stream of messages, from its beginning to its end.

use super::protocol::Decoder;
use process::read_pieces;
use serde::Deserialize;
use std::io::Read;

/// Reads a stream to its end and hands over each message, or the text of what is none. Returns early if `on_message`
/// returns false.
pub fn read_messages<T: for<'a> Deserialize<'a>>(
    stream: impl Read,
    mut on_message: impl FnMut(Result<T, String>) -> bool,
) {
    let mut decoder = Decoder::default();
    read_pieces(stream, 64 * 1024, |piece| decoder.feed(piece).into_iter().all(&mut on_message));
}
