//! Whose turn it is, where the kernels of several variants are built and tested by one invocation.
//!
//! One kernel is built at a time, with all cores, and the tests of one run at a time. Both go on together only where tests do
//! not see the host's load: in virtual time. All others would take a busy host for a slow kernel.

use crate::error::Result;
use crate::process::interrupt;
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often an interrupt is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Who does what, by the number of the variant.
#[derive(Debug, Default)]
struct State {
    building: Option<usize>,
    /// The one that runs tests, and whether these see the load of the host.
    testing: Option<(usize, bool)>,
    wait_to_build: BTreeSet<usize>,
    wait_to_test: BTreeSet<usize>,
    /// Those of `wait_to_test` whose tests see the load of the host.
    quiet: BTreeSet<usize>,
}

impl State {
    /// Begins a build, if it may.
    fn build(&mut self, own: usize) -> bool {
        let first = self.wait_to_build.first() == Some(&own);
        let tests_mind = self.testing.is_some_and(|(_, quiet)| quiet) || !self.quiet.is_empty();
        let may = self.building.is_none() && first && !tests_mind;
        if may {
            self.wait_to_build.remove(&own);
            self.building = Some(own);
        }
        may
    }

    /// Begins tests, if it may.
    fn test(&mut self, own: usize) -> bool {
        let first = self.wait_to_test.first() == Some(&own);
        let quiet = self.quiet.contains(&own);
        let may = self.testing.is_none() && first && (self.building.is_none() || !quiet);
        if may {
            self.wait_to_test.remove(&own);
            self.quiet.remove(&own);
            self.testing = Some((own, quiet));
        }
        may
    }

    /// Ends what this one does.
    fn end(&mut self, own: usize) {
        self.building = self.building.filter(|&who| who != own);
        self.testing = self.testing.filter(|&(who, _)| who != own);
    }
}

/// The turn of one variant. Whoever has one alone never waits.
#[derive(Debug, Clone)]
pub struct Turn {
    own: usize,
    all: Arc<(Mutex<State>, Condvar)>,
}

impl Turn {
    /// The turns of so many variants. They build in this order: each waits until those before it have built, or have said that
    /// there is nothing to build.
    pub fn of(count: usize) -> Vec<Self> {
        let state = State { wait_to_build: (0..count).collect(), ..State::default() };
        let all = Arc::new((Mutex::new(state), Condvar::new()));
        (0..count).map(|own| Self { own, all: Arc::clone(&all) }).collect()
    }

    /// The turn of a variant that is alone.
    pub fn alone() -> Self {
        Self { own: 0, all: Arc::default() }
    }

    /// Waits until this variant may build, and begins.
    pub fn begin_build(&self) -> Result<()> {
        self.lock().wait_to_build.insert(self.own);
        self.wait(State::build)
    }

    /// Ends what it did before; waits until this variant may run tests, and begins. `quiet` tests see the load of the host.
    pub fn begin_tests(&self, quiet: bool) -> Result<()> {
        {
            let mut state = self.lock();
            state.end(self.own);
            state.wait_to_build.remove(&self.own);
            state.wait_to_test.insert(self.own);
            if quiet {
                state.quiet.insert(self.own);
            }
        }
        self.all.1.notify_all();
        self.wait(State::test)
    }

    /// Ends whatever this variant does or waits for.
    pub fn end(&self) {
        let mut state = self.lock();
        state.end(self.own);
        let State { wait_to_build, wait_to_test, quiet, .. } = &mut *state;
        for waiting in [wait_to_build, wait_to_test, quiet] {
            waiting.remove(&self.own);
        }
        drop(state);
        self.all.1.notify_all();
    }

    /// Waits until `begins` is true.
    fn wait(&self, begins: impl Fn(&mut State, usize) -> bool) -> Result<()> {
        let mut state = self.lock();
        while !begins(&mut state, self.own) {
            interrupt::check()?;
            let waited = self.all.1.wait_timeout(state, POLL_INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a variant may go on now; it does not wait.
    fn builds(turn: &Turn) -> bool {
        let mut state = turn.lock();
        state.wait_to_build.insert(turn.own);
        state.build(turn.own)
    }

    fn tests(turn: &Turn, quiet: bool) -> bool {
        let mut state = turn.lock();
        state.end(turn.own);
        state.wait_to_build.remove(&turn.own);
        state.wait_to_test.insert(turn.own);
        if quiet {
            state.quiet.insert(turn.own);
        }
        state.test(turn.own)
    }

    #[test]
    fn one_kernel_is_built_at_a_time_and_the_first_first() {
        let turns = Turn::of(3);
        assert!(!builds(&turns[1]), "the first was not heard of yet");
        assert!(builds(&turns[0]));
        assert!(!builds(&turns[2]) && !builds(&turns[1]));
        turns[0].end();
        assert!(!builds(&turns[2]), "the second waits too");
        assert!(builds(&turns[1]));
    }

    #[test]
    fn nothing_is_built_while_tests_run_that_see_the_load() {
        let turns = Turn::of(2);
        assert!(builds(&turns[0]));
        assert!(!builds(&turns[1]));
        assert!(tests(&turns[0], true));
        assert!(!builds(&turns[1]));
        turns[0].end();
        assert!(builds(&turns[1]));
        assert!(!tests(&turns[0], true), "and no such test begins during a build");
    }

    #[test]
    fn in_virtual_time_the_next_kernel_is_built_meanwhile_and_its_tests_wait() {
        let turns = Turn::of(2);
        assert!(builds(&turns[0]) && tests(&turns[0], false));
        assert!(builds(&turns[1]));
        assert!(!tests(&turns[1], false));
        turns[0].end();
        assert!(tests(&turns[1], false));
    }
}
