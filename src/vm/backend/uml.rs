//! User-mode Linux: the kernel is a process of the host, in a sandbox.
//!
//! Its standard output is the agent's line, and its standard error the console. It sees the host's files through its kernel,
//! and root in the guest could have that write to them as the user who started it: so the process itself is kept from that,
//! by a mount namespace in which all is read-only but what the guest may write to.

mod xstate;

use super::{Backend, Capabilities, Channel, Ends, Requests, Started};
use crate::error::{Error, IoContext, Result};
use crate::guest::protocol::boot::{self, Boot, Mount};
use crate::guest::protocol::{ToGuest, encode};
use crate::process::{Cmd, Pipes, Places, Stdio, guest_namespace, quote};
use crate::text::{decode, file};
use crate::vm::machine::Machine;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What guests take for the time at which they start, in virtual time: the beginning of 2026, in nanoseconds.
const START: &str = "1767225600000000000";

/// The flag of `vmptcp confine` by which it waits for a debugger.
pub const HOLD: &str = "--hold";

/// What to do where a kernel may not trace the processes that it runs programs in.
const FORBIDDEN_PTRACE: &str = "this system forbids ptrace(2), by which user-mode Linux runs programs: allow it (in a container: \
    --cap-add SYS_PTRACE, or --security-opt seccomp=unconfined), or leave --uml out";

/// How a guest's time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// As the host's does.
    Real,
    /// Computing takes none, and waiting is over at once: the clock jumps to when something is due.
    Virtual,
}

/// Its name, in reports.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Real => "real",
            Self::Virtual => "virtual",
        })
    }
}

/// How a guest of user-mode Linux is started.
#[derive(Debug, Clone)]
pub struct Uml {
    /// Runs a command where nothing of the host is its own; none where the system grants no such place, and the user lets
    /// Landlock alone hold it.
    pub namespace: Option<Cmd>,
    /// This executable, on the host.
    pub helper: PathBuf,
    /// How its time passes.
    pub time: Time,
    /// How its kernel runs programs.
    pub tracing: Tracing,
    /// Its kernel starts only once a debugger is attached.
    pub hold: bool,
}

/// How a kernel catches what programs ask of it.
#[derive(Debug, Clone, Default)]
pub struct Tracing {
    /// By seccomp, where the host lets it, which is faster than ptrace.
    pub seccomp: bool,
    /// What is preloaded into it where it does not know all registers of this processor.
    pub library: Option<PathBuf>,
}

impl Tracing {
    /// How the kernel in this build directory does; what it needs for that is made in `cache`.
    pub fn of(kernel: &Path, cache: &Path) -> Result<Self> {
        Ok(Self { seccomp: has_seccomp(kernel), library: xstate::library(kernel, cache)? })
    }
}

impl Backend for Uml {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            requests: match self.time {
                Time::Real => Requests::AnyTime,
                Time::Virtual => Requests::AtBoot,
            },
        }
    }

    fn accelerator(&self) -> &'static str {
        match self.time {
            Time::Real => "uml",
            Time::Virtual => "uml, virtual time",
        }
    }

    fn filesystem(&self) -> &'static str {
        match self.places() {
            Places::Mounted => "hostfs",
            Places::Descriptors => "hostfs, without namespaces",
        }
    }

    fn command(&self, machine: &Machine, name: &str) -> Cmd {
        let mut cmd = match &self.namespace {
            Some(namespace) => namespace.clone().arg(&self.helper).args(["confine", "--guest"]),
            None => Cmd::new(&self.helper).args(["confine", "--guest", "--bare"]),
        };
        if machine.seed.is_some() {
            cmd = cmd.arg("--repeatable");
        }
        if self.hold {
            cmd = cmd.arg(HOLD);
        }
        cmd = cmd.arg("--hand-over").arg(handed_over(machine, name)).arg("--agent").arg(&machine.root.agent);
        for share in machine.root.shares.iter().filter(|share| share.writable) {
            cmd = cmd.arg("--write").arg(&share.host);
        }
        // What it is told of the host are places that are the same wherever a tree, a run or this executable is.
        for dir in shown(machine) {
            cmd = cmd.arg("--show").arg(dir);
        }
        // Of the environment it gets what is preloaded into it, and no more: neither would it be the same everywhere, nor could
        // a kernel have its memory where TMPDIR points.
        cmd = cmd.args(["--", "env", "-i"]);
        if let Some(library) = &self.tracing.library {
            let mut preload = OsString::from("LD_PRELOAD=");
            preload.push(library);
            cmd = cmd.arg(preload);
        }
        cmd.arg(machine.kernel.join("linux")).args(self.parameters(machine)).cwd("/")
    }

    fn repeatable(&self, machine: &Machine) -> Option<String> {
        let seedless = Machine { seed: None, ..machine.clone() };
        (self.time == Time::Virtual).then(|| self.parameters(&seedless).join(" "))
    }

    fn start(&self, machine: &Machine, name: &str, requests: &[ToGuest]) -> Result<Started> {
        let dir = handed_over(machine, name);
        fs::create_dir_all(&dir).doing("create", &dir)?;
        let path = dir.join(boot::FILE);
        file::replace(&path, &encode(&self.boot(machine, requests)))?;
        let mut child = self.command(machine, name).spawn(Stdio::Pipes)?;
        let lost = || Error::cannot_run("a pipe of the guest is missing");
        let Pipes { stdin, stdout, stderr } = child.take_pipes().ok_or_else(lost)?;
        let writer: Option<Box<dyn Write + Send>> = match self.time {
            Time::Real => Some(Box::new(Letters { dir, bell: stdin, written: 0 })),
            Time::Virtual => None,
        };
        let channel: Channel = Box::new(move |_| Some(Ends { reader: Box::new(stdout), writer }));
        // Its kernel is not in the process group that is told to end, and has nothing to put in order.
        Ok(Started { child, console: Box::new(stderr), channel, monitor: None, abrupt: true })
    }

    fn remedy(&self, log: &Path) -> String {
        let console = fs::read(log).unwrap_or_default();
        if decode(&console).contains("ptrace: Operation not permitted") {
            return FORBIDDEN_PTRACE.to_owned();
        }
        let log = quote(log);
        format!("see why: less -R {log}")
    }
}

/// Whether the kernel in this build directory can catch what programs ask of it by seccomp.
fn has_seccomp(kernel: &Path) -> bool {
    release(kernel) >= Some((6, 16))
}

/// The release of the kernel in this build directory, as in 6.12; none where there is none.
fn release(kernel: &Path) -> Option<(u32, u32)> {
    let release = fs::read_to_string(kernel.join("include/config/kernel.release")).ok()?;
    let mut numbers =
        release.split(|char: char| !char.is_ascii_digit()).map(|number| number.parse::<u32>().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// The command that runs another one where nothing of the host is its own. Fails where the host grants no such place, and says
/// what to do about it.
pub fn namespace() -> Result<Cmd> {
    guest_namespace()?.ok_or_else(|| {
        Error::cannot_run("this system does not allow a guest of user-mode Linux to be confined; it could write to your files")
            .hint(
                "allow user namespaces, and mounts in them (sysctl kernel.unprivileged_userns_clone=1; in a container: \
                 --security-opt seccomp=unconfined --security-opt apparmor=unconfined), run as root, leave --uml out, or let Landlock \
                 alone protect them: --allow-unconfined",
            )
    })
}

impl Uml {
    /// Where it finds what it is given.
    fn places(&self) -> Places {
        if self.namespace.is_some() { Places::Mounted } else { Places::Descriptors }
    }

    /// The kernel's command line, from which its first random numbers come, too: nothing in it may differ from one run to the
    /// next.
    fn parameters(&self, machine: &Machine) -> Vec<String> {
        let memory = format!("mem={}M", machine.memory_mib);
        let init = format!("init={}", self.places().agent());
        let own_files = format!("uml_dir={}", self.places().own_files());
        let start = format!("time-travel-start={START}");
        // Its own files, as the one with its process id, are where only this guest sees them.
        let mut words = vec![memory.as_str(), "umid=vmptcp", &own_files];
        words.extend(["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", &init]);
        words.extend(["con=null", "con0=null,fd:2", "ssl=null", "panic=-1"]);
        match self.time {
            Time::Real => words.push("ssl0=fd:0,fd:1"),
            // What comes from the host would come at a time of the host's.
            Time::Virtual => words.extend(["ssl0=null,fd:1", "time-travel=inf-cpu", &start]),
        }
        if self.tracing.seccomp {
            // Where the host does not let it, it traces them.
            words.push("seccomp=auto");
        }
        let seed = machine.seed.map(|seed| format!("vmptcp.seed={seed}"));
        let own = words.into_iter().map(str::to_owned).chain(seed).chain(machine.append.iter().cloned());
        // A kernel that restarts would do everything again. It hands that word to its first process as well.
        own.chain(["--", "agent", "noreboot"].map(str::to_owned)).collect()
    }

    fn boot(&self, machine: &Machine, requests: &[ToGuest]) -> Boot {
        let mount = |(index, (point, share)): (usize, (String, &crate::vm::root::Share))| Mount {
            host: self.places().shown(index),
            point,
            writable: share.writable,
        };
        let shares = machine.root.shares.len();
        Boot {
            root: if machine.root.is_host() { "/".to_owned() } else { self.places().shown(shares) },
            shares: machine.root.mounts().enumerate().map(mount).collect(),
            seed: machine.seed,
            requests: (self.time == Time::Virtual).then(|| requests.to_vec()),
        }
    }
}

/// Letters that are kept for a guest that is slow to read them.
const KEPT: u64 = 1024;

/// Each message in a file of its own, with a byte on the guest's line that says so.
struct Letters<Bell> {
    dir: PathBuf,
    bell: Bell,
    written: u64,
}

/// One message is one write.
impl<Bell: Write> Write for Letters<Bell> {
    fn write(&mut self, message: &[u8]) -> std::io::Result<usize> {
        let letter = |number: u64| self.dir.join(number.to_string());
        // It is there whole as soon as the guest can see it.
        file::replace(&letter(self.written), message).map_err(std::io::Error::other)?;
        if let Some(old) = self.written.checked_sub(KEPT) {
            let _ = fs::remove_file(letter(old));
        }
        self.written += 1;
        self.bell.write_all(b".")?;
        Ok(message.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.bell.flush()
    }
}

/// The directories that a guest sees of the host, in the order of their places: its shares, then its root where that is not
/// the host's.
fn shown(machine: &Machine) -> impl Iterator<Item = &Path> {
    let shares = machine.root.shares.iter().map(|share| share.host.as_path());
    shares.chain((!machine.root.is_host()).then_some(machine.root.dir.as_path()))
}

/// Where the host writes what this guest is told before it boots.
fn handed_over(machine: &Machine, name: &str) -> PathBuf {
    machine.tmp.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::root::{Root, Share};

    fn machine(seed: Option<u64>) -> Machine {
        let share = Share { host: "/run dir/guest".into(), guest: "/run dir/guest".into(), writable: true };
        Machine {
            kernel: "/tree/.vmptcp/build/normal-uml".into(),
            cpus: 1,
            memory_mib: 1024,
            append: vec!["loglevel=7".into()],
            seed,
            root: Root { dir: "/".into(), shares: vec![share], agent: "/my tools/vmptcp".into() },
            tmp: "/run dir/tmp".into(),
        }
    }

    fn uml(time: Time) -> Uml {
        Uml {
            namespace: Some(Cmd::new("unshare").arg("--mount")),
            helper: "/my tools/vmptcp".into(),
            time,
            tracing: Tracing::default(),
            hold: false,
        }
    }

    #[test]
    fn a_guest_in_virtual_time_is_repeatable_and_hears_nothing() {
        let line = uml(Time::Virtual).command(&machine(Some(4)), "vmptcp-1").to_string();
        insta::assert_snapshot!(line.replace(" --", "\n--"), @r#"
        cd / && unshare
        --mount '/my tools/vmptcp' confine
        --guest
        --repeatable
        --hand-over '/run dir/tmp/vmptcp-1'
        --agent '/my tools/vmptcp'
        --write '/run dir/guest'
        --show '/run dir/guest'
        -- env -i /tree/.vmptcp/build/normal-uml/linux mem=1024M umid=vmptcp uml_dir=/dev/shm/uml root=/dev/root rootfstype=hostfs rootflags=/ ro init=/proc/driver/vmptcp con=null con0=null,fd:2 ssl=null panic=-1 ssl0=null,fd:1 time-travel=inf-cpu time-travel-start=1767225600000000000 vmptcp.seed=4 loglevel=7
        -- agent noreboot
        "#);
    }

    #[test]
    fn a_guest_without_namespaces_has_what_it_is_given_open() {
        let bare = Uml { namespace: None, ..uml(Time::Virtual) };
        let line = bare.command(&machine(None), "vmptcp-1").to_string();
        assert!(line.contains("'/my tools/vmptcp' confine --guest --bare --hand-over "), "{line}");
        assert!(
            line.contains(" uml_dir=/proc/self/fd/200/uml ") && line.contains(" init=/proc/self/fd/201 "),
            "{line}"
        );
        assert_eq!(bare.boot(&machine(None), &[]).shares[0].host, "/proc/self/fd/202/.");
    }

    #[test]
    fn a_guest_in_real_time_has_a_line_in_both_directions() {
        let line = uml(Time::Real).command(&machine(None), "vmptcp-1").to_string();
        assert!(line.contains(" ssl0=fd:0,fd:1 ") && !line.contains("time-travel"), "{line}");
        assert!(!line.contains("--repeatable") && !line.contains("seed"), "{line}");
    }

    #[test]
    fn nothing_that_the_kernel_is_told_depends_on_where_a_run_is() {
        let told = |place: &str| {
            let mut machine = Machine { tmp: format!("{place}/tmp").into(), ..machine(Some(1)) };
            machine.root.agent = format!("{place}/vmptcp").into();
            machine.root.shares[0].host = place.into();
            let uml = uml(Time::Virtual);
            (uml.parameters(&machine), uml.boot(&machine, &[]))
        };
        assert_eq!(told("/runs/1"), told("/a/place with a longer name"));
        let root = |dir: &str| {
            let mut machine = machine(None);
            machine.root.dir = dir.into();
            uml(Time::Virtual).boot(&machine, &[]).root
        };
        assert_eq!([root("/"), root("/images/debian")], ["/", "/dev/shm/vmptcp-share-1"]);
    }

    #[test]
    fn only_virtual_time_can_be_repeated_and_the_seed_is_no_part_of_what_it_depends_on() {
        let told = |time, seed| uml(time).repeatable(&machine(seed));
        assert_eq!(told(Time::Virtual, Some(4)), told(Time::Virtual, Some(5)));
        assert!(told(Time::Virtual, None).unwrap().starts_with("mem=1024M "));
        assert_eq!(told(Time::Real, Some(4)), None);
    }

    #[test]
    fn a_guest_is_told_its_shares_and_in_virtual_time_all_that_it_is_to_do() {
        let told = |time| uml(time).boot(&machine(None), &[ToGuest::Ping]);
        let boot = told(Time::Virtual);
        let share = &boot.shares[0];
        assert_eq!(
            (share.host.as_str(), share.point.as_str(), share.writable),
            ("/dev/shm/vmptcp-share-0", "/run/vmptcp/0", true)
        );
        assert_eq!(boot.requests.as_deref(), Some(&[ToGuest::Ping][..]));
        assert_eq!(told(Time::Real).requests, None);
    }

    #[test]
    fn programs_are_traced_only_where_a_kernel_can_do_no_better() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("include/config");
        fs::create_dir_all(&config).unwrap();
        assert!(!has_seccomp(dir.path()), "it is not built");
        let of = |release: &str| {
            fs::write(config.join("kernel.release"), format!("{release}\n")).unwrap();
            has_seccomp(dir.path())
        };
        let releases = ["6.1.192", "6.12.117+", "6.15.0-rc7", "6.16.0-rc1-g0123", "6.18.2", "7.3.0-rc7"];
        assert_eq!(releases.map(of), [false, false, false, true, true, true]);
        let told = |seccomp| {
            let tracing = Tracing { seccomp, library: None };
            Uml { tracing, ..uml(Time::Virtual) }.parameters(&machine(None)).join(" ")
        };
        assert!(told(true).contains(" seccomp=auto ") && !told(false).contains("seccomp"));
    }

    #[test]
    fn a_host_that_forbids_to_trace_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("console-1.log");
        let said = |console: &str| {
            fs::write(&log, console).unwrap();
            uml(Time::Virtual).remedy(&log)
        };
        let forbidden = "Checking that ptrace can change system call numbers...ptrace: Operation not permitted\n\
            check_ptrace : expected SIGSTOP, got status = 9\n";
        assert_eq!(said(forbidden), FORBIDDEN_PTRACE);
        assert!(said("Kernel panic - not syncing: no init found\n").starts_with("see why: less -R "));
    }

    #[test]
    fn each_message_is_a_file_and_a_byte_on_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut letters = Letters { dir: dir.path().to_owned(), bell: Vec::new(), written: 0 };
        letters.write_all(b"one\n").unwrap();
        letters.write_all(b"two\n").unwrap();
        assert_eq!(fs::read(dir.path().join("1")).unwrap(), b"two\n");
        assert_eq!(letters.bell, b"..");
    }
}
