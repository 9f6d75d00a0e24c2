//! Any bytes from a guest: the same messages however the stream is cut, and no more than a line is remembered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmptcp::guest::protocol::{Decoder, FromGuest, ToGuest, encode};

fuzz_target!(|bytes: &[u8]| {
    let Some((&cut, bytes)) = bytes.split_first() else { return };
    let whole = Decoder::default().feed::<FromGuest>(bytes);
    let mut decoder = Decoder::default();
    let (head, tail) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let mut parts = decoder.feed::<FromGuest>(head);
    parts.extend(decoder.feed(tail));
    assert_eq!(whole, parts);
    // What was understood says the same when it is sent on.
    for message in whole.into_iter().flatten() {
        assert_eq!(Decoder::default().feed(&encode(&message)), [Ok(message)]);
    }
    for message in Decoder::default().feed::<ToGuest>(bytes).into_iter().flatten() {
        assert_eq!(Decoder::default().feed(&encode(&message)), [Ok(message)]);
    }
});
