//! Requests that were written before the guest booted, carried out one after the other.

use super::jobs::Jobs;
use super::port::Voice;
use super::protocol::{FromGuest, JobId, ToGuest};
use nix::libc::{SIGKILL, SIGTERM};
use std::time::Duration;

/// How long a job may take to end after each of terminate and kill.
const GRACE: Duration = Duration::from_secs(10);

/// Carries the requests out in their order; `obey` does what needs no waiting.
pub(super) fn carry_out(requests: Vec<ToGuest>, jobs: &Jobs, voice: &Voice, mut obey: impl FnMut(ToGuest)) {
    for request in requests {
        match request {
            ToGuest::Await { id, seconds } => wait(id, Duration::from_secs(seconds), jobs, voice),
            other => obey(other),
        }
    }
}

fn wait(id: JobId, limit: Duration, jobs: &Jobs, voice: &Voice) {
    if jobs.wait(id, limit) {
        return;
    }
    voice.say(&FromGuest::Expired { id });
    for signal in [SIGTERM, SIGKILL] {
        jobs.with(id, |job| job.signal(signal));
        if jobs.wait(id, GRACE) {
            return;
        }
    }
}
