//! Any diff: it is read, and its first change begins within it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmptcp::series::diff;

fuzz_target!(|text: &str| {
    let begin = diff::begin(text);
    assert!(text.is_char_boundary(begin));
    let lines = text.lines().count();
    for change in diff::parse(text) {
        assert!(change.added.len() + change.removed.len() <= lines);
    }
});
