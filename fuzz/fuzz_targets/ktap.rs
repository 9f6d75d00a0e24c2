//! Any output of a test: each line yields one event of its own, and groups nest.
#![no_main]

use ktap::{Event, Parser, Paths};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut parser, mut paths) = (Parser::new(), Paths::default());
    let mut open = Vec::new();
    let mut see = |event: &Event| {
        paths.see(event);
        match event {
            Event::Opened { group, parent } => {
                assert_eq!(open.last(), parent.as_ref());
                open.push(*group);
            }
            Event::Closed { group, .. } => assert_eq!(open.pop(), Some(*group)),
            Event::Result(result) => {
                assert_eq!(open.last(), Some(&result.group));
                assert!(!paths.label(result).is_empty());
            }
            _ => {}
        }
        open.len()
    };
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let events = parser.line(line);
        assert_eq!(events.iter().filter(|event| event.is_line()).count(), 1);
        for event in &events {
            assert!(see(event) <= ktap::MAX_DEPTH);
        }
    }
    let left = parser.finish().iter().fold(0, |_, event| see(event));
    assert_eq!(left, 0, "a group is open after the end");
});
