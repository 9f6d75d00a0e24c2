//! How a test is started: as the kernel's own runner does it, `run_one` in
//! `tools/testing/selftests/kselftest/runner.sh`.

use crate::suite::ProgramFile;
use crate::text::decode;

/// The script that runs what cannot be run by itself, where a suite has one.
pub const RUNNER: &str = "./ksft_runner.sh";

/// How much of a file has its first line with certainty, in bytes: the kernel reads no more of a `#!` line
/// (`BINPRM_BUF_SIZE`).
pub const HEAD: u64 = 256;

/// The words that start `program`, a file name in the current directory, and what the user should know of that.
///
/// A script without the execute bit is started by its interpreter. What is left then, a program that nobody may execute, is
/// for the system to refuse.
pub fn command(program: &str, file: ProgramFile) -> (Vec<String>, Option<String>) {
    let itself = format!("./{program}");
    if file.executable {
        return (vec![itself], None);
    }
    if file.has_runner {
        return (vec![RUNNER.to_owned(), itself], None);
    }
    let words = interpreter(file.head);
    if words.is_empty() {
        return (vec![itself], None);
    }
    let note = format!("{program} is not executable: started by its interpreter, {}", words.join(" "));
    (words.into_iter().chain([itself]).collect(), Some(note))
}

/// The interpreter that a `#!` line names, and its arguments; empty if there is no such line.
fn interpreter(head: &[u8]) -> Vec<String> {
    let Some(rest) = head.strip_prefix(b"#!") else { return Vec::new() };
    let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
    decode(line).split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(file: ProgramFile) -> String {
        let (words, note) = command("a.sh", file);
        format!("{}{}", words.join(" "), note.map(|note| format!(" ({note})")).unwrap_or_default())
    }

    #[test]
    fn what_can_be_executed_is_started_by_itself() {
        let script = ProgramFile { executable: true, head: b"#!/bin/bash\n", has_runner: true };
        assert_eq!(started(script), "./a.sh");
        assert_eq!(started(ProgramFile { executable: true, ..ProgramFile::default() }), "./a.sh");
    }

    #[test]
    fn a_script_without_the_execute_bit_is_started_by_its_interpreter() {
        let of = |head: &'static [u8]| started(ProgramFile { head, ..ProgramFile::default() });
        assert_eq!(
            of(b"#!/bin/bash\n# SPDX"),
            "/bin/bash ./a.sh (a.sh is not executable: started by its interpreter, /bin/bash)"
        );
        assert!(of(b"#! /usr/bin/env -S python3 -u").starts_with("/usr/bin/env -S python3 -u ./a.sh ("));
        assert!(of(b"#!/bin/sh -e\r\n").starts_with("/bin/sh -e ./a.sh ("), "written on another system");
        for none in [&b"\x7fELF\x02"[..], b"", b"echo\n#!/bin/sh\n", b"#!\n/bin/sh"] {
            assert_eq!(of(none), "./a.sh", "{none:?}");
        }
    }

    #[test]
    fn a_suite_may_have_a_runner_of_its_own() {
        let file = ProgramFile { executable: false, head: b"#!/bin/sh\n", has_runner: true };
        assert_eq!(started(file), "./ksft_runner.sh ./a.sh");
    }
}
