//! Captures of real runs, read by the KTAP parser. Each file in `captures/` has a snapshot of its events.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use ktap::{Event, Parser};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn captures() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "out"));
    files.sort();
    files
}

fn events(capture: &Path) -> Vec<Event> {
    let mut parser = Parser::new();
    let bytes = fs::read(capture).unwrap();
    let mut events: Vec<_> =
        bytes.split_inclusive(|&byte| byte == b'\n').flat_map(|line| parser.line(line)).collect();
    events.extend(parser.finish());
    events
}

#[test]
fn captures_are_understood() {
    let files = captures();
    assert!(!files.is_empty());
    for file in files {
        let text = events(&file).iter().fold(String::new(), |mut text, event| {
            writeln!(text, "{event}").unwrap();
            text
        });
        let name = file.file_stem().unwrap().to_str().unwrap();
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, text);
        });
    }
}

#[test]
fn no_line_of_a_capture_is_lost() {
    for file in captures() {
        let events = events(&file);
        let text = fs::read_to_string(&file).unwrap();
        let result = |line: &&str| {
            let line = line.trim_start_matches(['#', ' ']);
            line.starts_with("ok ") || line.starts_with("not ok ")
        };
        let results = events.iter().filter(|event| matches!(event, Event::Result(_))).count();
        assert_eq!(results, text.lines().filter(result).count(), "{}", file.display());
        let lines = events.iter().filter(|event| event.is_line()).count();
        assert_eq!(lines, text.lines().count(), "{}", file.display());
    }
}
