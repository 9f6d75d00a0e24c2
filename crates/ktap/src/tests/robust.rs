//! Input that no test would print, and what must hold of any input.

use crate::{Event, GroupId, MAX_DEPTH, Parser, Problem};
use proptest::prelude::{Strategy, proptest};

#[test]
fn bytes_that_are_not_text_do_no_harm() {
    let mut parser = Parser::new();
    let mut results = Vec::new();
    for line in
        [&b"TAP version 13\r\n"[..], b"\0ok\0 1 - \xff\xfe # time=1ms\r\n", b"\x1b[0mok 2 - \xc3\xa9\r"]
    {
        results.extend(parser.line(line).into_iter().filter_map(|event| match event {
            Event::Result(result) => Some((result.name, result.number)),
            _ => None,
        }));
    }
    assert_eq!(results, [("\\xff\\xfe".to_owned(), Some(1)), ("é".to_owned(), Some(2))]);
}

#[test]
fn nesting_has_an_end() {
    let mut parser = Parser::new();
    let mut problems = Vec::new();
    for depth in 0..40 {
        let line = format!("{}TAP version 13", "  ".repeat(depth));
        problems
            .extend(parser.line(line.as_bytes()).into_iter().filter(|e| matches!(e, Event::Problem { .. })));
    }
    let [Event::Problem { group, problem: Problem::TooDeep }] = problems[..] else { panic!("{problems:?}") };
    assert_eq!(group, GroupId(MAX_DEPTH as u64 - 1));
    assert_eq!(parser.finish().len(), MAX_DEPTH);
}

#[test]
fn a_megabyte_in_one_line_is_taken() {
    for (start, filling) in [
        ("ok 1 - ", "x"),
        ("ok 1 - ", " # a"),
        ("ok 1 - ", " #"),
        ("", "# "),
        ("", " "),
        ("", "["),
        ("", "[    1.000000]"),
        ("", "\x1b]"),
        ("", "\x1b["),
        ("", "\\#"),
        ("1..", "9"),
        ("# Subtest: ", "é"),
    ] {
        let line = start.to_owned() + &filling.repeat((1 << 20) / filling.len());
        let mut parser = Parser::new();
        parser.line(b"TAP version 13");
        parser.line(line.as_bytes());
        parser.finish();
    }
}

#[test]
fn every_line_of_any_input_yields_one_line_event_and_groups_nest() {
    const PIECES: &[&[u8]] = &[
        b"ok",
        b"not ok",
        b" 1",
        b" 2",
        b" -",
        b" - ",
        b"name",
        b" # ",
        b"#",
        b"# ",
        b"SKIP",
        b"TODO",
        b" ",
        b"  ",
        b"    ",
        b"1..",
        b"3",
        b"0",
        b"TAP version 13",
        b"KTAP version 1",
        b"# Subtest: a",
        b"# selftests: a: b",
        b"Bail out!",
        b"---",
        b"...",
        b"[    1.234567] ",
        b"\x1b[1;31m",
        b"\x1b",
        b"\0",
        b"\xff",
        b"\r",
        b"\t",
        b"time=5ms",
        b"99999999999999999999",
        "é".as_bytes(),
        b"\\",
    ];
    let line =
        proptest::collection::vec(proptest::sample::select(PIECES), 0..8).prop_map(|pieces| pieces.concat());
    proptest!(|(lines in proptest::collection::vec(line, 0..60))| {
        let mut parser = Parser::new();
        let mut open = Vec::new();
        let mut results = 0;
        let check = |event: &Event, open: &mut Vec<GroupId>| match event {
            Event::Opened { group, parent } => {
                assert_eq!(open.last(), parent.as_ref());
                open.push(*group);
            }
            Event::Closed { group, .. } => assert_eq!(open.pop(), Some(*group)),
            Event::Result(result) => {
                assert_eq!(open.last(), Some(&result.group));
                assert_eq!(open.len(), result.depth + 1);
            }
            Event::Version { group, .. } | Event::Plan { group, .. } | Event::Named { group, .. } => {
                assert_eq!(open.last(), Some(group));
            }
            Event::Diagnostic { group, .. } | Event::BailOut { group, .. } | Event::Problem { group, .. } => {
                assert!(open.contains(group));
            }
            Event::Kernel { .. } | Event::Text { .. } => {}
        };
        for line in lines {
            let events = parser.line(&line);
            let of_lines = events.iter().filter(|event| event.is_line()).count();
            assert_eq!(of_lines, 1, "{:?}: {events:?}", String::from_utf8_lossy(&line));
            for event in &events {
                check(event, &mut open);
                results += u64::from(matches!(event, Event::Result(_)));
            }
        }
        assert_eq!(parser.results(), results);
        parser.finish().iter().for_each(|event| check(event, &mut open));
        assert!(open.is_empty());
    });
}
