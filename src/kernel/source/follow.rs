//! Follows a command that draws its progress with carriage returns, or that says nothing while it works.

use crate::error::{Error, Result};
use crate::process::{Child, Cmd, Pid, Stdio, interrupt};
use crate::text::{Shown, decode};
use std::io::Read;
use std::process::ExitStatus;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// How often [`follow`] looks at the clock, at Ctrl-C, and at what it was told to poll.
const TICK: Duration = Duration::from_millis(100);

/// The most of a line that is kept, in bytes.
const LINE_LIMIT: usize = 4096;

/// How patient [`follow`] is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Patience {
    /// The longest time in all.
    pub(super) total: Option<Duration>,
    /// The longest time without any output.
    pub(super) silence: Option<Duration>,
}

/// What a followed command does: one call of the callback for each.
pub(super) enum Sign<'a> {
    /// A line of its output, or a piece that ended in a carriage return.
    Said(&'a str),
    /// Nothing special: an occasion to look how far it is. The number is its supervisor's process id.
    Tick(Pid),
}

/// Runs `cmd` to its end. It is stopped, with all that it started, on Ctrl-C and when it exceeds `patience`.
pub(super) fn follow(cmd: &Cmd, patience: Patience, mut on: impl FnMut(Sign<'_>)) -> Result<ExitStatus> {
    let mut child = cmd.spawn(Stdio::Merged)?;
    let Some(mut output) = child.take_output() else { return child.wait() };
    let (sender, receiver) = sync_channel::<Vec<u8>>(64);
    std::thread::spawn(move || {
        let mut buffer = [0u8; 4096];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    let name = cmd.program().to_string_lossy().into_owned();
    let (started, mut last_said, mut last_tick) = (Instant::now(), Instant::now(), Instant::now());
    let mut line = Vec::new();
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(bytes) => {
                last_said = Instant::now();
                pieces(&mut line, &bytes, |piece| on(Sign::Said(piece)));
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if last_tick.elapsed() >= TICK {
            last_tick = Instant::now();
            on(Sign::Tick(child.id()));
        }
        let too_long =
            |limit: Option<Duration>, since: Instant| limit.is_some_and(|limit| since.elapsed() >= limit);
        if interrupt::requested() {
            return Err(stopped(child, interrupt::error()));
        }
        if too_long(patience.total, started) || too_long(patience.silence, last_said) {
            let seconds =
                if too_long(patience.total, started) { started } else { last_said }.elapsed().as_secs();
            let why = format!("{name} was stopped: no answer for {seconds} seconds");
            return Err(stopped(child, Error::cannot_run(why)));
        }
    }
    if !line.is_empty() {
        on(Sign::Said(&decode(&line)));
    }
    // It may have had the same signal: that is not its failure.
    interrupt::check()?;
    child.wait()
}

fn stopped(mut child: Child, error: Error) -> Error {
    child.stop();
    error
}

/// Splits what arrives at line feeds and carriage returns; an endless line loses its end.
fn pieces(line: &mut Vec<u8>, bytes: &[u8], mut on_piece: impl FnMut(&str)) {
    for &byte in bytes {
        if byte == b'\n' || byte == b'\r' {
            if !line.is_empty() {
                on_piece(&decode(line));
                line.clear();
            }
        } else if line.len() < LINE_LIMIT {
            line.push(byte);
        }
    }
}

/// The last lines of a command's output that say why it failed, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct LastWords(Vec<String>);

impl LastWords {
    /// Takes a line in, unless it says nothing.
    pub(super) fn push(&mut self, line: &str) {
        let line = line.trim();
        let noise =
            ["tar: Exiting with failure", "tar: Child returned status", "tar: Error is not recoverable"];
        if line.is_empty() || noise.iter().any(|noise| line.starts_with(noise)) {
            return;
        }
        if self.0.len() == 3 {
            self.0.remove(0);
        }
        self.0.push(Shown::line(line).to_string());
    }
}

impl std::fmt::Display for LastWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { f.write_str("it said nothing") } else { f.write_str(&self.0.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Cmd {
        Cmd::new("sh").args(["-c", script])
    }

    #[test]
    fn progress_comes_piece_by_piece() {
        let mut seen = Vec::new();
        let status = follow(&sh("printf 'a\\rb\\r\\nc'"), Patience::default(), |sign| {
            if let Sign::Said(piece) = sign {
                seen.push(piece.to_owned());
            }
        });
        assert!(status.unwrap().success());
        assert_eq!(seen, ["a", "b", "c"]);
    }

    #[test]
    fn silence_is_not_waited_for_without_end() {
        let patience = Patience { silence: Some(Duration::from_millis(300)), total: None };
        let mut ticks = 0;
        let error = follow(&sh("echo x; sleep 60"), patience, |sign| {
            ticks += usize::from(matches!(sign, Sign::Tick(_)));
        });
        assert_eq!(error.unwrap_err().to_string(), "sh was stopped: no answer for 0 seconds");
        assert!(ticks >= 1);
    }

    #[test]
    fn the_last_words_are_those_that_matter() {
        let mut words = LastWords::default();
        for line in [
            "1",
            "2",
            "xz: (stdin): Unexpected end of input",
            "",
            "tar: Unexpected EOF in archive",
            "tar: Error is not recoverable: exiting now",
        ] {
            words.push(line);
        }
        assert_eq!(
            words.to_string(),
            "2; xz: (stdin): Unexpected end of input; tar: Unexpected EOF in archive"
        );
    }
}
