//! What the exit codes of kselftest mean: `tools/testing/selftests/kselftest.h`.

use crate::event::Outcome;
use crate::suite::Ended;
use std::path::Path;

/// How a test ended, and why where that is not plain.
pub fn judge(ended: &Ended<'_>) -> (Outcome, Option<String>) {
    let Ended { exit_code, failed, .. } = *ended;
    let skipped = || {
        let why = ended.skipped.filter(|why| !why.is_empty()).map(str::to_owned);
        (Outcome::Skip, why.or_else(|| ended.remarks.of_the_test()))
    };
    // A shell exits with 2 on an error of syntax: only what is no script means the rest of kselftest's exit codes.
    let script = Path::new(&ended.test.program).extension().is_some_and(|kind| kind == "sh");
    match exit_code {
        4 if failed == 0 => skipped(),
        126 | 127 => {
            let why = format!("exit code {exit_code}: it, or a program that it needs, could not be started");
            (Outcome::Error, Some(why))
        }
        0 if ended.results == 0 && ended.skipped.is_some() => skipped(),
        1 if failed > 0 => (Outcome::Fail, None),
        1 => (Outcome::Fail, ended.remarks.missing().or_else(|| Some("exit code 1".to_owned()))),
        2 if failed == 0 && !script => (Outcome::Xfail, Some("exit code 2".to_owned())),
        3 if failed == 0 && !script => (Outcome::Xpass, Some("exit code 3".to_owned())),
        _ => ended.plain(),
    }
}
