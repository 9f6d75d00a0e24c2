//! What will be done, as data: an ordered list of steps. Pure: nothing here looks at the machine.

mod fleet;
pub mod play;
mod rules;

pub use fleet::{Capacity, FleetPlan, share_of_cores};
pub use rules::{Boots, Decision, GuestRules};

use crate::kernel::alias::Alias;
use crate::kernel::build::{self, BuildRequest};
use crate::kernel::kconfig::{self, ConfigureRequest};
use crate::process::Cmd;
use crate::suite::selftests::COLLECTION;
use crate::suite::{Selection, Timeouts};
use crate::vm::accel::Accelerator;
use crate::vm::{Filesystem, Share, Spec};
use play::PlayPlan;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What will be done, in order.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What the user should know of it.
    pub notes: Vec<String>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One thing to do.
#[derive(Debug, Clone)]
pub enum Step {
    /// Resolve the kernel's configuration, and prove it.
    Configure(ConfigureRequest),
    /// Build the kernel and the selftests.
    Build(BuildRequest),
    /// Run tests in guests.
    Test(Box<TestPlan>),
    /// Play sample programs or kernel modules in guests.
    Play(PlayPlan),
}

/// Which tests are to be run, and how.
#[derive(Debug, Clone)]
pub struct TestPlan {
    /// The tests, in order.
    pub selections: Vec<Selection>,
    /// What chose them: `profile NAME`, or `tests` where they were named.
    pub choice: String,
    /// How long each may take; not scaled yet for what is only known when the guest is.
    pub timeouts: Timeouts,
    /// Each is run so many times.
    pub repeat: u32,
    /// Start nothing more after the first that fails.
    pub fail_fast: bool,
    /// What is skipped fails.
    pub all_features: bool,
    /// Whether the tests are told that the machine is slow; none where that depends on it.
    pub slow: Option<bool>,
    /// Variables for the tests.
    pub env: Vec<(String, String)>,
    /// The guests to run them in.
    pub guest: GuestPlan,
    /// How many of them.
    pub fleet: FleetPlan,
    /// The file that knows how long tests took before.
    pub history: PathBuf,
    /// What is known of their subtests.
    pub known: KnownSubtests,
}

/// Where the subtests of earlier runs are remembered.
#[derive(Debug, Clone)]
pub struct KnownSubtests {
    /// The file.
    pub path: PathBuf,
    /// What the names depend on: the selftests' files and the variables that they are given.
    pub key: String,
}

/// The guests that are wanted.
#[derive(Debug, Clone)]
pub struct GuestPlan {
    /// The `vng` program.
    pub vng: PathBuf,
    /// The build directory of their kernel.
    pub kernel: PathBuf,
    /// What is to run them; none to find out.
    pub accelerator: Option<Accelerator>,
    /// Their kernel is so much slower than a normal one that this has to be made up for.
    pub slow_kernel: bool,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// How long they may take to come up; none for what is usual with the accelerator.
    pub boot_timeout: Option<Duration>,
    /// What becomes of those whose kernel is not well.
    pub rules: GuestRules,
    /// What they once read of the host's files they may keep: nobody changes them meanwhile.
    pub cached_root: bool,
    /// See the host's files by virtiofs; none for where it can be had, and they may keep what they read.
    pub virtiofs: Option<bool>,
    /// They come up without what costs time and that no test needs.
    pub lean: bool,
    /// Their root filesystem, if it is not the host's own.
    pub root: Option<PathBuf>,
    /// Directories of the host that they may write to.
    pub rw: Vec<PathBuf>,
    /// Directories of the host that they must see, where their root filesystem hides them.
    pub ro: Vec<PathBuf>,
    /// Further parameters of the kernel.
    pub append: Vec<String>,
    /// Further arguments of QEMU.
    pub qemu_args: Vec<String>,
    /// This executable.
    pub agent: PathBuf,
    /// Where the guests are listed that run now.
    pub guests: PathBuf,
    /// What they run for: a command line.
    pub purpose: String,
}

/// How long a guest may take to come up where nobody says otherwise.
fn usual_boot_time(accelerator: Accelerator) -> Duration {
    Duration::from_secs(match accelerator {
        Accelerator::Kvm => 60,
        // Ten times what it takes on an idle machine: it may have other things to do.
        Accelerator::Tcg => 180,
    })
}

/// By how much longer tests may take under an accelerator than the suite says.
pub fn slowdown(accelerator: Accelerator) -> u32 {
    match accelerator {
        Accelerator::Kvm => 1,
        Accelerator::Tcg => 8,
    }
}

/// By how much longer everything may take on a kernel with checkers, or one that counts its lines.
const SLOW_KERNEL: u32 = 3;

impl GuestPlan {
    /// The guest, once the accelerator is known. `link` gives a path of plain characters for any directory; `tmp` is for
    /// virtme-ng's temporary files.
    pub fn spec(&self, accelerator: Accelerator, tmp: &Path, mut link: impl FnMut(&Path) -> PathBuf) -> Spec {
        let mut share = |path: &PathBuf, writable| Share { host: link(path), guest: path.clone(), writable };
        let mut shares: Vec<Share> = self.ro.iter().map(|path| share(path, false)).collect();
        shares.extend(self.rw.iter().map(|path| share(path, true)));
        Spec {
            vng: self.vng.clone(),
            kernel: link(&self.kernel),
            kvm: accelerator == Accelerator::Kvm,
            cpus: self.cpus,
            memory_mib: self.memory_mib,
            root: self.root.clone(),
            shares,
            append: usual_parameters(accelerator).into_iter().chain(self.append.clone()).collect(),
            qemu_args: self.qemu_args.clone(),
            agent: self.agent.clone(),
            without: None,
            filesystem: Filesystem::NineP { cached: self.cached_root },
            tmp: tmp.to_owned(),
            guests: self.guests.clone(),
            purpose: self.purpose.clone(),
        }
    }

    /// True if they are to see the host's files by virtiofs, at least where it can be had.
    pub fn wants_virtiofs(&self) -> bool {
        self.virtiofs.unwrap_or(self.cached_root)
    }

    /// By how much longer everything may take because of the kernel.
    pub fn slowness(&self) -> u32 {
        if self.slow_kernel { SLOW_KERNEL } else { 1 }
    }

    /// How long a guest may take to come up.
    pub fn boot_timeout(&self, accelerator: Accelerator) -> Duration {
        self.boot_timeout.unwrap_or_else(|| usual_boot_time(accelerator) * self.slowness())
    }
}

/// Parameters of the kernel without which it takes a slow machine for a broken one, or is slower. What the user
/// appends comes later and wins.
fn usual_parameters(accelerator: Accelerator) -> Vec<String> {
    let mut parameters: Vec<&str> = Vec::new();
    if accelerator == Accelerator::Tcg {
        // The timer is tested in a loop that counts on a processor of its own; then, how long one may be away.
        parameters.extend(["no_timer_check", "watchdog_thresh=60", "rcupdate.rcu_cpu_stall_timeout=120"]);
        // QEMU translates a library anew wherever it is: at the same address each time, a program starts twice as fast.
        parameters.push("norandmaps");
    }
    parameters.into_iter().map(str::to_owned).collect()
}

impl Step {
    /// Its name, in events and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Configure(_) => "configure",
            Self::Build(_) => "build",
            Self::Test(_) => "test",
            Self::Play(plan) => plan.suite.as_str(),
        }
    }
}

impl Plan {
    /// The names of the steps.
    pub fn names(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.name().to_owned()).collect()
    }

    /// What kind of run it makes: what it tests, or else its last step. See [`TestPlan::choice`].
    pub fn kind(&self) -> String {
        let tests = |step: &Step| match step {
            Step::Test(plan) => Some(plan.choice.clone()),
            Step::Play(plan) => Some(plan.suite.to_string()),
            Step::Configure(_) | Step::Build(_) => None,
        };
        let tests: Vec<String> = self.steps.iter().filter_map(tests).collect();
        if tests.is_empty() {
            return self.steps.last().map(|step| step.name().to_owned()).unwrap_or_default();
        }
        tests.join(", ")
    }

    /// The plan for a person: every step, with every command in a form that can be pasted into a shell.
    pub fn render(&self) -> String {
        let mut text = self.notes.iter().fold(String::new(), |all, note| all + "note: " + note + "\n");
        for (number, step) in (1..).zip(&self.steps) {
            let _ = writeln!(text, "{number}. {}", step.name());
            for line in step.lines() {
                let _ = writeln!(text, "   {line}");
            }
        }
        text
    }
}

impl Step {
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Configure(request) => {
                let count = request.sources.len();
                let mut lines = vec![format!(
                    "# skipped if the {count} fragments and symbols, and the tree's Kconfig files, did not change"
                )];
                lines
                    .extend(kconfig::commands_of(request, &Alias::default()).iter().map(ToString::to_string));
                lines
            }
            Self::Build(request) => {
                let mut lines = vec!["# skipped if no file of the tree changed".to_owned()];
                lines.extend(build::commands_of(request).iter().map(ToString::to_string));
                lines
            }
            Self::Test(plan) => plan.lines(),
            Self::Play(plan) => plan.lines(),
        }
    }
}

impl TestPlan {
    fn lines(&self) -> Vec<String> {
        let accelerator = self.guest.accelerator.unwrap_or(Accelerator::Tcg);
        let spec = self.guest.spec(accelerator, Path::new("RUN/tmp"), Path::to_owned);
        let mut lines = Vec::new();
        if self.guest.accelerator.is_none() {
            lines.push(
                "# --disable-kvm goes if KVM runs the kernel that was built: that is tried first".to_owned(),
            );
        }
        if self.guest.wants_virtiofs() {
            lines.push("# --force-9p and its rootflags go if guests can have virtiofs".to_owned());
        }
        if self.guest.lean {
            lines.push(
                "# in a mount namespace that hides udev and systemd-tmpfiles, if there are such".to_owned(),
            );
        }
        lines.push(match self.fleet.vms {
            Some(1) => "# one guest:".to_owned(),
            Some(vms) => format!("# up to {vms} guests:"),
            None => "# as many guests as the host carries:".to_owned(),
        });
        lines.push(spec.command("SOCKET").to_string());
        lines.push(format!(
            "# in the guest, in {COLLECTION} of the installed selftests, each with a time limit:"
        ));
        let times = if self.repeat > 1 { format!("   # {} times", self.repeat) } else { String::new() };
        lines.extend(self.selections.iter().map(|selection| {
            let test = &selection.test;
            let command = Cmd::new(format!("./{}", test.program)).args(&test.args);
            format!("{command}{times}")
        }));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> GuestPlan {
        GuestPlan {
            vng: "/usr/bin/vng".into(),
            kernel: "/a b/.vmptcp/build/normal".into(),
            accelerator: None,
            slow_kernel: false,
            cpus: 2,
            memory_mib: 1024,
            boot_timeout: None,
            rules: GuestRules::default(),
            cached_root: false,
            virtiofs: None,
            lean: true,
            root: None,
            rw: vec!["/runs/ü".into()],
            ro: vec!["/run/tree".into()],
            append: vec![],
            qemu_args: vec![],
            agent: "/usr/bin/vmptcp".into(),
            guests: "/cache/guests".into(),
            purpose: "vmptcp test".into(),
        }
    }

    #[test]
    fn every_path_for_virtme_ng_goes_through_a_link_and_appears_under_its_own_name() {
        let mut count = 0;
        let spec = guest().spec(Accelerator::Kvm, Path::new("/tmp"), |_| {
            count += 1;
            PathBuf::from(format!("/link/{count}"))
        });
        let share =
            |host: &str, guest: &str, writable| Share { host: host.into(), guest: guest.into(), writable };
        assert_eq!(spec.shares, [share("/link/1", "/run/tree", false), share("/link/2", "/runs/ü", true)]);
        assert_eq!(spec.kernel, Path::new("/link/3"));
        assert!(spec.kvm);
    }

    #[test]
    fn a_slow_machine_is_not_taken_for_a_broken_one() {
        let guest = GuestPlan { append: vec!["watchdog_thresh=1".into()], ..guest() };
        let append = |accelerator| guest.spec(accelerator, Path::new("/tmp"), Path::to_owned).append;
        assert_eq!(append(Accelerator::Kvm), ["watchdog_thresh=1"]);
        assert!(append(Accelerator::Tcg).contains(&"no_timer_check".to_owned()));
        assert_eq!(
            append(Accelerator::Tcg).last().map(String::as_str),
            Some("watchdog_thresh=1"),
            "the user's is last"
        );
    }

    #[test]
    fn what_the_user_says_of_time_holds_under_any_accelerator() {
        let usual = guest();
        assert!(usual.boot_timeout(Accelerator::Tcg) > usual.boot_timeout(Accelerator::Kvm));
        let told = GuestPlan { boot_timeout: Some(Duration::from_secs(7)), ..guest() };
        assert_eq!(told.boot_timeout(Accelerator::Tcg), Duration::from_secs(7));
    }
}
