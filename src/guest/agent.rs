//! The agent: runs inside the guest, does what the host says, and powers the guest off when the host is gone.

use super::cgroup;
use super::job::{self, Running};
use super::kmemleak;
use super::port::{self, Voice};
use super::protocol::{FromGuest, Job, JobId, ToGuest, VERSION};
use super::stream::read_messages;
use crate::error::{Error, Result};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Jobs = Arc<Mutex<HashMap<JobId, Running>>>;

/// Serves the host until it closes its end, then restarts the guest, which ends QEMU: it runs with `-no-reboot`.
pub fn run() -> Result<()> {
    let (port, voice) = port::open()?;
    // Without memory control groups there is nothing to join.
    let _ = cgroup::join(Path::new(cgroup::ROOT));
    voice.say(&ready());
    let jobs = Jobs::default();
    read_messages(port, |message| {
        match message {
            Ok(message) => obey(message, &jobs, &voice),
            Err(text) => voice.say(&FromGuest::Trouble { text: format!("not understood: {text}") }),
        }
        true
    });
    // Only root may; for anybody else the end of this process is the end of virtme-ng's script, and so of the guest.
    let _ = reboot(RebootMode::RB_AUTOBOOT);
    Ok(())
}

fn obey(message: ToGuest, jobs: &Jobs, voice: &Voice) {
    match message {
        ToGuest::Ping => voice.say(&FromGuest::Pong),
        ToGuest::Mark { text } => {
            // Without a line feed the kernel holds it back until somebody else prints: it might go on.
            let _ = fs::write("/dev/kmsg", format!("<5>{text}\n"));
        }
        ToGuest::Bind { mounts } => {
            for (from, to) in mounts {
                if let Err(error) = bind(&from, &to) {
                    voice.say(&FromGuest::Trouble { text: format!("cannot mount {from} on {to}: {error}") });
                }
            }
        }
        ToGuest::Run(job) => run_job(&job, jobs, voice),
        ToGuest::Stdin { id, data } => with(jobs, id, |job| job.feed(data.0)),
        ToGuest::Resize { id, size } => with(jobs, id, |job| job.resize(size)),
        ToGuest::Signal { id, signal } => with(jobs, id, |job| job.signal(signal)),
    }
}

fn run_job(job: &Job, jobs: &Jobs, voice: &Voice) {
    let id = job.id;
    // Held until the job is in the map: its end must not come before its beginning.
    let mut running = lock(jobs);
    let finished = Arc::clone(jobs);
    match job::start(job, voice, move || drop(lock(&finished).remove(&id))) {
        Ok(started) => drop(running.insert(id, started)),
        Err(error) => {
            let (why, code) = why_not(job, &error);
            voice.say(&FromGuest::Failed { id, why, code });
        }
    }
}

/// Why a job could not be started, and the exit code that a shell has for that.
fn why_not(job: &Job, error: &Error) -> (String, i32) {
    let program = job.argv.first().map_or("", String::as_str);
    let cwd = Path::new(&job.cwd);
    let found =
        if program.contains('/') { cwd.join(program).exists() } else { which::which(program).is_ok() };
    if found || !cwd.is_dir() {
        (error.to_string(), 126)
    } else {
        let what = if program.contains('/') {
            format!("there is no {program} in the guest, seen from {}", job.cwd)
        } else {
            format!("no such command in the guest: {program}")
        };
        (what, 127)
    }
}

fn with(jobs: &Jobs, id: JobId, act: impl FnOnce(&mut Running)) {
    // A job may have ended while the host was talking to it: nothing is wrong then.
    if let Some(job) = lock(jobs).get_mut(&id) {
        act(job);
    }
}

fn lock(jobs: &Jobs) -> MutexGuard<'_, HashMap<JobId, Running>> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bind(from: &str, to: &str) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    Ok(())
}

fn ready() -> FromGuest {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let uptime = read("/proc/uptime");
    let seconds = uptime.split_whitespace().next().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    FromGuest::Ready {
        leaks_since: kmemleak::begin(),
        version: VERSION,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        cpus: std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1)),
        uptime_ms: std::time::Duration::try_from_secs_f64(seconds)
            .map_or(0, |uptime| u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::protocol::Io;
    use super::*;

    #[test]
    fn what_cannot_be_started_has_the_exit_code_of_a_shell() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("data"), "").unwrap();
        let code = |program: &str, cwd: &Path| {
            let job = Job {
                id: 1,
                argv: vec![program.to_owned()],
                cwd: cwd.display().to_string(),
                env: vec![],
                io: Io::Pipes,
            };
            why_not(&job, &Error::cannot_run("permission denied")).1
        };
        assert_eq!(code("./data", dir.path()), 126);
        assert_eq!(code("./missing", dir.path()), 127);
        assert_eq!(code("no-such-command-of-any-name", dir.path()), 127);
        assert_eq!(code("sh", &dir.path().join("gone")), 126);
    }
}
