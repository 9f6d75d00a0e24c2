//! The agent: runs inside the guest, does what the host says, and powers the guest off when the host is gone.

use super::cgroup;
use super::init;
use super::job;
use super::jobs::Jobs;
use super::kmemleak;
use super::port::{self, Letters, Voice};
use super::protocol::boot::Boot;
use super::protocol::{FromGuest, Job, ToGuest, VERSION};
use super::script;
use super::stream::read_messages;
use error::{Error, Result};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use std::fs;
use std::io::Read;
use std::path::Path;

/// Serves the host until it closes its end, or until all is done that was asked before the guest booted. Then it ends the
/// guest.
pub fn run() -> Result<()> {
    if init::is_first() {
        match init::enter()? {}
    }
    let told = init::told()?;
    // Without memory control groups there is nothing to join.
    let _ = cgroup::join(Path::new(cgroup::ROOT));
    let jobs = Jobs::default();
    match told {
        Some(Boot { requests: Some(requests), .. }) => {
            let (_, voice) = port::serial_line(true)?;
            voice.say(&ready());
            script::carry_out(requests, &jobs, &voice, |request| obey(request, &jobs, &voice));
            voice.drain();
            let _ = reboot(RebootMode::RB_POWER_OFF);
        }
        Some(_) => {
            let (line, voice) = port::serial_line(false)?;
            serve(Letters::new(line, Path::new(init::BOOT)), &jobs, &voice);
            let _ = reboot(RebootMode::RB_POWER_OFF);
        }
        None => {
            let (port, voice) = port::open()?;
            serve(port, &jobs, &voice);
            // QEMU runs with `-no-reboot`. Only root may; for anybody else the end of this process is the end of virtme-ng's
            // script, and so of the guest.
            let _ = reboot(RebootMode::RB_AUTOBOOT);
        }
    }
    Ok(())
}

fn serve(port: impl Read, jobs: &Jobs, voice: &Voice) {
    voice.say(&ready());
    read_messages(port, |message| {
        match message {
            Ok(message) => obey(message, jobs, voice),
            Err(text) => voice.say(&FromGuest::Trouble { text: format!("not understood: {text}") }),
        }
        true
    });
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
        ToGuest::Stdin { id, data } => jobs.with(id, |job| job.feed(data.0)),
        ToGuest::Resize { id, size } => jobs.with(id, |job| job.resize(size)),
        ToGuest::Signal { id, signal } => jobs.with(id, |job| job.signal(signal)),
        // Who is asked while it runs is told of the end, and need not wait.
        ToGuest::Await { .. } => {}
    }
}

fn run_job(job: &Job, jobs: &Jobs, voice: &Voice) {
    let id = job.id;
    let finished = jobs.clone();
    let started = jobs.begin(id, || job::start(job, voice, move || finished.end(id)));
    match started {
        Ok(()) => {}
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

fn bind(from: &str, to: &str) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    Ok(())
}

fn ready() -> FromGuest {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    FromGuest::Ready {
        leaks_since: kmemleak::begin(),
        version: VERSION,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        cpus: std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1)),
        uptime_ms: port::uptime_ms(),
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
