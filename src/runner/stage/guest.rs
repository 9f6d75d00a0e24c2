//! One guest of a stage.

use super::{CONSOLE_LAG, Trouble};
use crate::guest::protocol::ToGuest;
use crate::runner::watch::Watch;
use crate::text::decode;
use crate::vm::console::Splat;
use crate::vm::session::VmId;
use crate::vm::{Session, Spec};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A guest, and what is known of it.
pub(super) struct Guest {
    pub id: VmId,
    pub session: Session,
    pub up: bool,
    started: Instant,
    binds: Vec<(String, String)>,
    /// What its console shows.
    pub watch: Watch,
    /// The line that its console has to show.
    expected: Option<String>,
    /// Since when it is known to be gone.
    leaving: Option<Instant>,
    /// It says nothing any more.
    pub hangs: bool,
    /// The `System.map` of its kernel.
    pub symbols: PathBuf,
    /// Since when its kernel is asked for memory leaks, in jiffies; none if it cannot be asked.
    pub leaks_since: Option<u64>,
}

impl Guest {
    pub fn new(id: VmId, session: Session, spec: &Spec) -> Self {
        Self {
            id,
            session,
            up: false,
            started: Instant::now(),
            binds: spec.machine.root.binds(),
            watch: Watch::default(),
            expected: None,
            leaving: None,
            hangs: false,
            symbols: spec.machine.kernel.join("System.map"),
            leaks_since: None,
        }
    }

    /// It answers: returns how many seconds that took.
    pub fn greet(&mut self, leaks_since: Option<u64>) -> f64 {
        self.up = true;
        self.leaks_since = leaks_since;
        if leaks_since.is_some() {
            self.watch.expect_leaks();
        }
        if !self.binds.is_empty() {
            self.session.send(ToGuest::Bind { mounts: std::mem::take(&mut self.binds) });
        }
        self.started.elapsed().as_secs_f64()
    }

    /// Takes a line of the console; returns a splat that it completes.
    pub fn console(&mut self, line: &[u8]) -> Option<Splat> {
        let line = decode(line).trim_end().to_owned();
        if self.expected.as_ref().is_some_and(|expected| line.ends_with(expected)) {
            self.expected = None;
        }
        self.watch.line(&line)
    }

    /// Writes a line into its kernel log, and waits for it.
    pub fn expect(&mut self, text: &str) {
        self.session.send(ToGuest::Mark { text: text.to_owned() });
        self.expected = Some(text.to_owned());
    }

    pub fn is_waiting(&self) -> bool {
        self.expected.is_some()
    }

    /// Its agent, or its console, has ended.
    pub fn is_leaving(&mut self) {
        self.leaving.get_or_insert_with(Instant::now);
    }

    /// Fails once it is gone, and its console had the time to say why.
    pub fn check(&mut self) -> Result<(), Trouble> {
        if self.leaving.is_none() && self.session.ended()?.is_some() {
            self.is_leaving();
        }
        let lag = if self.up { CONSOLE_LAG / 2 } else { Duration::from_secs(1) };
        match self.leaving {
            Some(since) if since.elapsed() > lag => {
                let what = if self.up { "the guest is gone" } else { "the guest did not come up" };
                Err(Trouble::Guest(what.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// True unless it is known to be gone, hangs, or never came up.
    pub fn answers(&self) -> bool {
        self.up && !self.hangs && self.leaving.is_none()
    }
}
