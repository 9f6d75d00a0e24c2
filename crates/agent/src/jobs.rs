//! The jobs that run in the guest.

use super::job::Running;
use super::protocol::JobId;
use error::Result;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The jobs that run, by their numbers. Clones are the same jobs.
#[derive(Clone, Default)]
pub(super) struct Jobs(Arc<Shared>);

#[derive(Default)]
struct Shared {
    running: Mutex<HashMap<JobId, Running>>,
    /// One of them ended.
    ended: Condvar,
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Running>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what `start` starts. Its end waits until it is here.
    pub fn begin(&self, id: JobId, start: impl FnOnce() -> Result<Running>) -> Result<()> {
        let mut running = self.lock();
        running.insert(id, start()?);
        Ok(())
    }

    /// Takes one off that ended.
    pub fn end(&self, id: JobId) {
        self.lock().remove(&id);
        self.0.ended.notify_all();
    }

    /// Acts on one. It may have ended while the host was talking to it: nothing is wrong then.
    pub fn with(&self, id: JobId, act: impl FnOnce(&mut Running)) {
        if let Some(job) = self.lock().get_mut(&id) {
            act(job);
        }
    }

    /// Waits until one ended, but no longer than this; true if it did.
    pub fn wait(&self, id: JobId, limit: Duration) -> bool {
        let waited = self.0.ended.wait_timeout_while(self.lock(), limit, |running| running.contains_key(&id));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}
