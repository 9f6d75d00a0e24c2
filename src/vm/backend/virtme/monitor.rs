//! QEMU's monitor: what it knows of a guest that says nothing any more. Protocol: QMP, `docs/interop/qmp-spec` of QEMU.

use super::super::Monitor;
use crate::error::{Error, Result};
use crate::vm::monitor::{ask, hello};
use crate::vm::socket::Listener;
use serde_json::json;
use std::fmt::Write as _;
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long QEMU may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// What is asked for: commands for a human, as there are no others for this.
const QUESTIONS: [&str; 3] = ["info status", "info cpus", "info registers -a"];

/// The end of the monitor that QEMU connects to.
#[derive(Debug)]
pub(super) struct Qmp {
    listener: Listener,
}

impl Qmp {
    /// QEMU will connect to this, which does not block.
    pub fn new(listener: Listener) -> Self {
        Self { listener }
    }

    fn connection(&self) -> Result<UnixStream> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        self.listener
            .accept(|| Instant::now() >= deadline)
            .ok_or_else(|| Error::cannot_run("QEMU did not connect its monitor"))
    }
}

impl Monitor for Qmp {
    fn examine(&self, symbols: Option<&str>) -> Result<String> {
        let failed = |error: std::io::Error| Error::cannot_run(format!("QEMU does not answer: {error}"));
        let stream = self.connection()?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(failed)?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT)).map_err(failed)?;
        let mut writer = stream.try_clone().map_err(failed)?;
        hello(&mut writer).map_err(failed)?;
        let mut reader = BufReader::new(stream);
        let mut text = String::new();
        for question in QUESTIONS {
            let arguments = json!({ "command-line": question });
            let command = json!({ "execute": "human-monitor-command", "arguments": arguments });
            let answer = ask(&mut writer, &mut reader, &command).map_err(failed)?;
            let _ =
                writeln!(text, "== {question}\n{}", answer.as_str().unwrap_or_default().replace('\r', ""));
        }
        if let Some(symbols) = symbols {
            let _ = writeln!(text, "== where the CPUs are\n{}", located(&text, symbols));
        }
        Ok(text)
    }
}

/// The functions that the instruction pointers in `registers` point into. Addresses that the kernel chose at random are not
/// found.
fn located(registers: &str, symbols: &str) -> String {
    let address = |text: &str| u64::from_str_radix(text.split_whitespace().next()?, 16).ok();
    let mut table: Vec<(u64, &str)> = symbols
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (at, kind, name) = (address(words.next()?)?, words.next()?, words.next()?);
            kind.eq_ignore_ascii_case("t").then_some((at, name))
        })
        .collect();
    table.sort_unstable();
    let pointers = registers.match_indices("RIP=").filter_map(|(at, _)| address(&registers[at + 4..]));
    let mut text = String::new();
    for pointer in pointers {
        let below = table.partition_point(|(at, _)| *at <= pointer).checked_sub(1);
        let found = below.filter(|below| below + 1 < table.len()).map(|below| table[below]);
        let _ = match found {
            Some((at, name)) => writeln!(text, "{pointer:016x} {name}+{:#x}", pointer - at),
            None => writeln!(text, "{pointer:016x} not in the kernel's text"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_located_in_the_kernels_functions() {
        let map = "ffffffff81000000 T _text\nffffffff81000100 t spin\nffffffff81000200 T next\nffffffff82000000 D data\n";
        let registers = "CPU#0\nRIP=ffffffff81000123 RFL=0\nCPU#1\nRIP=0000000000401000 RFL=0\n";
        assert_eq!(
            located(registers, map),
            "ffffffff81000123 spin+0x23\n0000000000401000 not in the kernel's text\n"
        );
    }
}
