//! The guests that are wanted. Pure.

use super::GuestRules;
use super::pace::{Engine, Pace};
use crate::arch;
use crate::process::Cmd;
use crate::settings::Auto;
use crate::vm::accel::Accelerator;
use crate::vm::backend::Backend;
use crate::vm::backend::uml::{Time, Tracing, Uml};
use crate::vm::backend::virtme::{Filesystem, Hiding, Virtme};
use crate::vm::machine::Machine;
use crate::vm::root::{Root, Share};
use crate::vm::{Listing, Spec};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The guests that are wanted.
#[derive(Debug, Clone)]
pub struct GuestPlan {
    /// The build directory of their kernel.
    pub kernel: PathBuf,
    /// It is so much slower than a normal one that this has to be made up for.
    pub slow_kernel: bool,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// Further parameters of the kernel.
    pub append: Vec<String>,
    /// What makes guests of it.
    pub backend: BackendPlan,
    /// What they see of the host.
    pub root: RootPlan,
    /// How long they may take to come up.
    pub boot_timeout: Auto<Duration>,
    /// Their kernels start only once a debugger is attached; of user-mode Linux only.
    pub hold: bool,
    /// They may start where the system grants no namespaces to confine them in; of user-mode Linux only.
    pub unconfined: bool,
    /// What becomes of those whose kernel is not well.
    pub rules: GuestRules,
    /// How others find them.
    pub listing: Listing,
}

/// What makes guests of a kernel, and how.
#[derive(Debug, Clone)]
pub enum BackendPlan {
    /// virtme-ng.
    Virtme(VirtmePlan),
    /// User-mode Linux, with time that passes so.
    Uml(Time),
}

/// How virtme-ng is to start guests.
#[derive(Debug, Clone)]
pub struct VirtmePlan {
    /// The `vng` program.
    pub program: PathBuf,
    /// What runs their instructions.
    pub accelerator: Auto<Accelerator>,
    /// How they see the host's files.
    pub filesystem: Auto<FileServer>,
    /// They come up without what costs time and that no test needs.
    pub lean: bool,
    /// Further arguments of QEMU.
    pub qemu_args: Vec<String>,
}

/// What serves the host's files to guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileServer {
    /// QEMU itself, by 9p.
    NineP,
    /// virtiofsd, which is faster.
    Virtiofs,
}

/// What guests see of the host.
#[derive(Debug, Clone)]
pub struct RootPlan {
    /// Their root filesystem, a directory of the host: `/` is the host's own.
    pub dir: PathBuf,
    /// Directories of the host that they must see, where their root filesystem hides them.
    pub ro: Vec<PathBuf>,
    /// Directories of the host that they may write to.
    pub rw: Vec<PathBuf>,
    /// This executable.
    pub agent: PathBuf,
    /// What they once read they may keep: nobody changes it meanwhile.
    pub cached: bool,
}

/// What of a virtme-ng guest depends on the machine, and so is no matter of the plan.
#[derive(Debug, Clone)]
pub struct VirtmeFacts {
    /// How it sees the host's files.
    pub filesystem: Filesystem,
    /// What of the host's programs it shall not find.
    pub hiding: Option<Hiding>,
}

impl GuestPlan {
    /// The engine, as far as nobody has to look at the machine for it.
    pub fn engine(&self) -> Auto<Engine> {
        match &self.backend {
            BackendPlan::Virtme(virtme) => virtme.accelerator.map(Engine::Virtme),
            BackendPlan::Uml(time) => Auto::Given(Engine::Uml(*time)),
        }
    }

    /// True if their time does not pass as on the host.
    pub fn has_virtual_time(&self) -> bool {
        self.engine() == Auto::Given(Engine::Uml(Time::Virtual))
    }

    /// The same guests, on files of the host that nobody changes meanwhile.
    #[must_use]
    pub fn with_steady_files(mut self) -> Self {
        self.root.cached = true;
        self
    }

    /// By how much longer everything takes in them.
    pub fn pace(&self, engine: Engine) -> Pace {
        Pace::new(engine, self.slow_kernel)
    }

    /// The guest, as it is shown before anything is known of the machine.
    pub fn outline(&self) -> Spec {
        let (backend, usual): (Arc<dyn Backend>, _) = match &self.backend {
            BackendPlan::Virtme(virtme) => {
                let accelerator = virtme.accelerator.unwrap_or_else(|| Accelerator::Tcg);
                let filesystem = Filesystem::NineP { cached: self.root.cached };
                let facts = VirtmeFacts { filesystem, hiding: None };
                (Arc::new(virtme.backend(accelerator, facts)), usual_parameters(accelerator))
            }
            BackendPlan::Uml(time) => (
                Arc::new(self.uml(*time, Some(Cmd::new("unshare").arg("--mount")), Tracing::default())),
                Vec::new(),
            ),
        };
        self.spec(backend, usual, Path::new("RUN/tmp"), Path::to_owned)
    }

    /// User-mode Linux, where `namespace` runs a command in namespaces of its own, if it is to be in any.
    pub fn uml(&self, time: Time, namespace: Option<Cmd>, tracing: Tracing) -> Uml {
        Uml { namespace, helper: self.root.agent.clone(), time, tracing, hold: self.hold }
    }

    /// The guest, once all is known. The kernel gets the `usual` parameters before those of the user. `link` gives a path that
    /// the backend takes for any directory; `tmp` is for the backend's temporary files.
    pub fn spec(
        &self,
        backend: Arc<dyn Backend>,
        usual: Vec<String>,
        tmp: &Path,
        mut link: impl FnMut(&Path) -> PathBuf,
    ) -> Spec {
        let mut share = |path: &PathBuf, writable| Share { host: link(path), guest: path.clone(), writable };
        let mut shares: Vec<Share> = self.root.ro.iter().map(|path| share(path, false)).collect();
        shares.extend(self.root.rw.iter().map(|path| share(path, true)));
        Spec {
            backend,
            machine: Machine {
                kernel: link(&self.kernel),
                cpus: self.cpus,
                memory_mib: self.memory_mib,
                append: usual.into_iter().chain(self.append.clone()).collect(),
                seed: None,
                root: Root { dir: self.root.dir.clone(), shares, agent: self.root.agent.clone() },
                tmp: tmp.to_owned(),
            },
            listing: self.listing.clone(),
        }
    }

    /// What a person should know of how they are started.
    pub(super) fn notes(&self) -> Vec<&'static str> {
        let BackendPlan::Virtme(virtme) = &self.backend else { return Vec::new() };
        let notes = [
            (virtme.accelerator == Auto::Auto)
                .then_some("# --disable-kvm goes if KVM runs the kernel that was built: that is tried first"),
            virtme
                .wants_virtiofs(self.root.cached)
                .then_some("# --force-9p and its rootflags go if guests can have virtiofs"),
            virtme
                .lean
                .then_some("# in a mount namespace that hides udev and systemd-tmpfiles, if there are such"),
        ];
        notes.into_iter().flatten().collect()
    }
}

impl VirtmePlan {
    /// virtme-ng, once all is known.
    pub fn backend(&self, accelerator: Accelerator, facts: VirtmeFacts) -> Virtme {
        Virtme {
            program: self.program.clone(),
            accelerator,
            filesystem: facts.filesystem,
            hiding: facts.hiding,
            qemu_args: self.qemu_args.clone(),
        }
    }

    /// True if they are to see the host's files by virtiofs, at least where it can be had.
    pub fn wants_virtiofs(&self, cached: bool) -> bool {
        self.filesystem.unwrap_or_else(|| if cached { FileServer::Virtiofs } else { FileServer::NineP })
            == FileServer::Virtiofs
    }
}

/// Parameters of the kernel without which it takes a slow machine for a broken one, or is slower. What the user
/// appends comes later and wins.
pub fn usual_parameters(accelerator: Accelerator) -> Vec<String> {
    let mut parameters: Vec<&str> = Vec::new();
    if accelerator == Accelerator::Tcg {
        parameters.extend(arch::host().emulated);
        // How long a processor may be away.
        parameters.extend(["watchdog_thresh=60", "rcupdate.rcu_cpu_stall_timeout=120"]);
        // QEMU translates a library again wherever it is: at the same address each time, a program starts twice as fast.
        parameters.push("norandmaps");
    }
    parameters.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> GuestPlan {
        GuestPlan {
            kernel: "/a b/.vmptcp/build/normal".into(),
            slow_kernel: false,
            cpus: 2,
            memory_mib: 1024,
            append: vec![],
            backend: BackendPlan::Virtme(VirtmePlan {
                program: "/usr/bin/vng".into(),
                accelerator: Auto::Auto,
                filesystem: Auto::Auto,
                lean: true,
                qemu_args: vec![],
            }),
            root: RootPlan {
                dir: "/".into(),
                ro: vec!["/run/tree".into()],
                rw: vec!["/runs/ü".into()],
                agent: "/usr/bin/vmptcp".into(),
                cached: false,
            },
            boot_timeout: Auto::Auto,
            hold: false,
            unconfined: false,
            rules: GuestRules::default(),
            listing: Listing { dir: "/cache/guests".into(), purpose: "vmptcp test".into() },
        }
    }

    fn spec(guest: &GuestPlan, accelerator: Accelerator, link: impl FnMut(&Path) -> PathBuf) -> Spec {
        let facts = VirtmeFacts { filesystem: Filesystem::Virtiofs, hiding: None };
        let BackendPlan::Virtme(virtme) = &guest.backend else { panic!("{guest:?}") };
        let backend = Arc::new(virtme.backend(accelerator, facts));
        guest.spec(backend, usual_parameters(accelerator), Path::new("/tmp"), link)
    }

    #[test]
    fn every_path_for_virtme_ng_goes_through_a_link_and_appears_under_its_own_name() {
        let mut count = 0;
        let spec = spec(&guest(), Accelerator::Kvm, |_| {
            count += 1;
            PathBuf::from(format!("/link/{count}"))
        });
        let share =
            |host: &str, guest: &str, writable| Share { host: host.into(), guest: guest.into(), writable };
        let shares = [share("/link/1", "/run/tree", false), share("/link/2", "/runs/ü", true)];
        assert_eq!(spec.machine.root.shares, shares);
        assert_eq!(spec.machine.kernel, Path::new("/link/3"));
        assert_eq!(spec.backend.accelerator(), "kvm");
    }

    #[test]
    fn a_slow_machine_is_not_taken_for_a_broken_one() {
        let guest = GuestPlan { append: vec!["watchdog_thresh=1".into()], ..guest() };
        let append = |accelerator| spec(&guest, accelerator, Path::to_owned).machine.append;
        assert_eq!(append(Accelerator::Kvm), ["watchdog_thresh=1"]);
        assert!(append(Accelerator::Tcg).contains(&"watchdog_thresh=60".to_owned()));
        let last = append(Accelerator::Tcg).pop();
        assert_eq!(last.as_deref(), Some("watchdog_thresh=1"), "the user's is last");
    }

    #[test]
    fn files_that_nobody_changes_come_by_virtiofs_unless_the_user_says_otherwise() {
        let wants = |filesystem, cached| {
            let BackendPlan::Virtme(virtme) = guest().backend else { panic!("not virtme-ng") };
            VirtmePlan { filesystem, ..virtme }.wants_virtiofs(cached)
        };
        assert!(wants(Auto::Auto, true) && !wants(Auto::Auto, false));
        assert!(
            wants(Auto::Given(FileServer::Virtiofs), false) && !wants(Auto::Given(FileServer::NineP), true)
        );
    }
}
