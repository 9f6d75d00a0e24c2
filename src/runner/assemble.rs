//! Puts the output of a test's parts together, so that it reads as if the test had run in one scenario.

use crate::error::{IoContext, Result};
use crate::results::Test;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::Path;

/// Writes the raw output and the TAP of a test that ran in parts, from those of its parts as far as they ran.
pub(super) fn whole(run: &Path, test: &Test) -> Result<()> {
    let stem = |number: usize| {
        let shard = u32::try_from(number).ok();
        format!("tests/{}", crate::event::TestId { shard, ..test.id() }.stem())
    };
    let parts: Vec<String> = (1..=test.shards.len()).map(stem).collect();
    let files = |kind: &str| -> Result<Vec<File>> {
        let open = |part: &String| {
            let path = run.join(format!("{part}.{kind}"));
            match File::open(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                opened => opened.doing("read", &path).map(Some),
            }
        };
        parts.iter().filter_map(|part| open(part).transpose()).collect()
    };
    let log = run.join(format!("tests/{}.log", test.id().stem()));
    let mut out = File::create(&log).doing("create", &log)?;
    for mut part in files("log")? {
        std::io::copy(&mut part, &mut out).doing("write", &log)?;
    }
    let tap = log.with_extension("tap");
    let total =
        files("tap")?.into_iter().map(|part| count(BufReader::new(part))).sum::<std::io::Result<u64>>();
    let total = total.doing("read", &tap)?;
    let mut out = BufWriter::new(File::create(&tap).doing("create", &tap)?);
    if total > 0 {
        writeln!(out, "TAP version 13\n1..{total}").doing("write", &tap)?;
    }
    let mut offset = 0;
    for part in files("tap")? {
        offset += copy(BufReader::new(part), &mut out, offset).doing("write", &tap)?;
    }
    out.flush().doing("write", &tap)
}

/// The number of a result at the outermost level, where it begins, and where it ends.
fn number(line: &[u8]) -> Option<(u64, usize, usize)> {
    let begin = if line.starts_with(b"ok ") {
        3
    } else if line.starts_with(b"not ok ") {
        7
    } else {
        return None;
    };
    let digits = line[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = std::str::from_utf8(&line[begin..begin + digits]).ok()?;
    Some((text.parse().ok()?, begin, begin + digits))
}

fn count(part: impl BufRead) -> std::io::Result<u64> {
    part.split(b'\n').try_fold(0, |count, line| Ok(count + u64::from(number(&line?).is_some())))
}

/// Copies a part's lines but for its version and plan, its results counted on from `offset`; returns how many they are.
fn copy(part: impl BufRead, out: &mut impl Write, offset: u64) -> std::io::Result<u64> {
    let mut results = 0;
    for line in part.split(b'\n') {
        let line = line?;
        if let Some((number, begin, end)) = number(&line) {
            results += 1;
            out.write_all(&line[..begin])?;
            write!(out, "{}", number + offset)?;
            out.write_all(&line[end..])?;
        } else if line.starts_with(b"TAP version ") || line.starts_with(b"1..") {
            continue;
        } else {
            out.write_all(&line)?;
        }
        out.write_all(b"\n")?;
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Record, TestId};
    use crate::results::Summary;

    #[test]
    fn the_parts_read_like_the_whole() {
        let run = tempfile::tempdir().unwrap();
        let tests = run.path().join("tests");
        std::fs::create_dir(&tests).unwrap();
        let write = |name: &str, text: &str| std::fs::write(tests.join(name), text).unwrap();
        write("join.1.shard-1.log", "a\n");
        write("join.1.shard-1.tap", "TAP version 13\n1..2\nok 1 - join: a # time=3ms\nnot ok 2 - join: b\n");
        write("join.1.shard-3.log", "c\n");
        write("join.1.shard-3.tap", "TAP version 13\n1..1\n# why\nok 1 - join: c\n");
        let event = Event::TestSharded {
            test: TestId::new("selftests", "join", 1),
            shards: vec!["x".into(), "never ran".into(), "z".into()],
        };
        let summary = Summary::of(&[Record { time: jiff::Timestamp::UNIX_EPOCH, at_ms: 0, event }]);
        whole(run.path(), &summary.tests[0]).unwrap();
        assert_eq!(std::fs::read_to_string(tests.join("join.1.log")).unwrap(), "a\nc\n");
        assert_eq!(
            std::fs::read_to_string(tests.join("join.1.tap")).unwrap(),
            "TAP version 13\n1..3\nok 1 - join: a # time=3ms\nnot ok 2 - join: b\n# why\nok 3 - join: c\n"
        );
    }
}
