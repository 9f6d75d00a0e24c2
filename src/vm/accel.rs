//! Which accelerator guests get, found out by booting a kernel.
//!
//! `/dev/kvm` that can be opened proves nothing: in nested virtualisation, as on CI machines, QEMU may die while it sets
//! up the CPU, or run the firmware and then never a line of the kernel. So the probe boots a kernel without a root
//! filesystem, which ends by itself in a panic, against a short deadline. The answer is remembered in the cache.

mod boot;
mod memory;

use crate::error::{IoContext, Result};
use boot::{Boot, Ending};
use jiff::Timestamp;
use nix::unistd::{AccessFlags, access};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel may take to its panic under KVM before TCG is tried beside it. A second is long, but for a host that
/// is emulated itself.
const HEAD_START: Duration = Duration::from_secs(8);
/// How long it may take from then on, under either. TCG takes two seconds on a slow machine.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long one of the two is listened to before it is the other's turn.
const LOOK: Duration = Duration::from_millis(100);

/// What runs a guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// The host's processor, through `/dev/kvm`.
    Kvm,
    /// QEMU's translator: works everywhere, ten times slower.
    Tcg,
}

impl Accelerator {
    /// QEMU's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The accelerator of this host's guests, and why it is this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The accelerator.
    pub accelerator: Accelerator,
    /// What the probe saw; it may quote QEMU.
    pub reason: String,
    /// When the probe ran. It may be long ago: answers are remembered.
    pub probed_at: Timestamp,
}

impl Answer {
    fn now(accelerator: Accelerator, reason: impl Into<String>) -> Self {
        Self { accelerator, reason: reason.into(), probed_at: Timestamp::now() }
    }
}

/// What an answer depends on: with any of these changed, the probe runs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Host {
    kernel: String,
    qemu: String,
    cpu: String,
}

/// What to probe.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The QEMU that will run the guests.
    pub qemu: &'a Path,
    /// What that QEMU says of its version.
    pub qemu_version: &'a str,
    /// A bootable kernel image, best the one that was just built. Without one, an installed kernel that can be read.
    pub image: Option<&'a Path>,
    /// Where answers are remembered.
    pub cache: &'a Path,
    /// Forget the remembered answer.
    pub reprobe: bool,
}

/// Finds the accelerator: remembered, or by booting a kernel, which takes a few seconds, at most two minutes. `None` if there is no
/// kernel to boot yet, or the one that there is does not come up under TCG either: nothing is remembered then.
pub fn probe(question: &Question) -> Result<Option<Answer>> {
    if let Some(reason) = unusable_device(Path::new("/dev/kvm")) {
        return Ok(Some(Answer::now(Accelerator::Tcg, reason)));
    }
    let host = Host {
        kernel: read_trimmed(Path::new("/proc/sys/kernel/osrelease"))?,
        qemu: question.qemu_version.to_owned(),
        cpu: cpu_model(&read_trimmed(Path::new("/proc/cpuinfo"))?),
    };
    if question.reprobe {
        memory::forget(question.cache, &host)?;
    } else if let Some(answer) = memory::recall(question.cache, &host) {
        return Ok(Some(answer));
    }
    let Some(image) = question.image.map(Path::to_owned).or_else(installed_kernel) else {
        return Ok(None);
    };
    let answer = race(|accelerator| Boot::start(question.qemu, accelerator, &image), HEAD_START, DEADLINE)?;
    if let Some(answer) = &answer {
        memory::remember(question.cache, &host, answer)?;
    }
    Ok(answer)
}

/// Boots a kernel with KVM, and where that fails or takes long, with TCG too. It might be the fault of the image, for a kernel
/// that was just built may well not boot at all, or of a slow host: the one that brings the kernel up first is the answer.
fn race(
    mut boot: impl FnMut(Accelerator) -> Result<Boot>,
    head_start: Duration,
    deadline: Duration,
) -> Result<Option<Answer>> {
    let mut kvm = boot(Accelerator::Kvm)?;
    let mut kvm_ended = kvm.wait(head_start)?;
    let hangs = format!("KVM hangs: no kernel came up within {} s, and TCG was faster", head_start.as_secs());
    let mut tcg = None;
    let end = Instant::now() + deadline;
    loop {
        if kvm_ended == Some(Ending::Up) {
            return Ok(Some(Answer::now(Accelerator::Kvm, "a kernel boots under it")));
        }
        let tcg = match &mut tcg {
            Some(tcg) => tcg,
            none => none.insert(boot(Accelerator::Tcg)?),
        };
        let tcg_ended = tcg.wait(LOOK)?;
        match (tcg_ended, &kvm_ended) {
            (Some(Ending::Up), Some(Ending::Refused(why))) => {
                return Ok(Some(Answer::now(Accelerator::Tcg, format!("KVM fails: {why}"))));
            }
            (Some(Ending::Up), _) => return Ok(Some(Answer::now(Accelerator::Tcg, hangs))),
            (Some(Ending::Refused(_)), Some(_)) => return Ok(None),
            _ if Instant::now() >= end => return Ok(None),
            _ => {}
        }
        kvm_ended = kvm.wait(LOOK)?;
    }
}

/// Why the device cannot be used at all. That is cheap to find out and easy to change, so it is never remembered.
fn unusable_device(device: &Path) -> Option<String> {
    if !device.exists() {
        return Some(format!("{} does not exist", device.display()));
    }
    access(device, AccessFlags::R_OK | AccessFlags::W_OK).err().map(|_| {
        format!("no permission to open {}: add the user to the group kvm, and log in again", device.display())
    })
}

/// The newest kernel of the host that can be read: in `/boot`, or where distributions put it since they unified `/usr`.
fn installed_kernel() -> Option<PathBuf> {
    let list = |dir: &str| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let in_boot = list("/boot").filter(|path| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with("vmlinuz-") || name.starts_with("Image-")
        })
    });
    let in_modules = list("/usr/lib/modules").map(|dir| dir.join("vmlinuz"));
    in_boot
        .chain(in_modules)
        .filter(|path| path.is_file() && access(path, AccessFlags::R_OK).is_ok())
        .max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok())
}

fn read_trimmed(path: &Path) -> Result<String> {
    Ok(std::fs::read_to_string(path).doing("read", path)?.trim().to_owned())
}

/// The processor's model in `/proc/cpuinfo`: its name on x86, implementer and part on Arm.
fn cpu_model(cpuinfo: &str) -> String {
    let first = |key: &str| {
        cpuinfo.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
            (name.trim() == key).then(|| value.split_whitespace().collect::<Vec<_>>().join(" "))
        })
    };
    let parts: Vec<String> =
        ["model name", "CPU implementer", "CPU part"].into_iter().filter_map(first).collect();
    if parts.is_empty() { "unknown".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_on_x86_and_on_arm() {
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: AMD  EPYC\nmodel name\t: other\n"), "AMD EPYC");
        assert_eq!(cpu_model("CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"), "0x41 0xd0c");
        assert_eq!(cpu_model(""), "unknown");
    }

    /// A race of two scripts.
    fn raced(kvm: &str, tcg: &str) -> Option<(Accelerator, String)> {
        let boot = |accelerator| {
            Boot::of_script(match accelerator {
                Accelerator::Kvm => kvm,
                Accelerator::Tcg => tcg,
            })
        };
        let answer = race(boot, Duration::from_millis(600), Duration::from_secs(3)).unwrap();
        answer.map(|answer| (answer.accelerator, answer.reason))
    }

    #[test]
    fn the_accelerator_that_brings_a_kernel_up_first_is_the_answer() {
        let up = "echo '[ 0.0] Linux version 6.12'; echo '[ 1.8] Kernel panic - not syncing: VFS'; sleep 99";
        let slowly = format!("sleep 1.2; {up}");
        let refuses = "echo 'qemu-system-x86_64: no MSR' >&2; exit 1";
        let is = |answer: Option<(Accelerator, String)>| answer.map(|(accelerator, _)| accelerator);
        assert_eq!(is(raced(up, "exit 1")), Some(Accelerator::Kvm));
        // A host that is emulated itself: KVM is slow there, and TCG slower.
        assert_eq!(is(raced(&slowly, "sleep 99")), Some(Accelerator::Kvm));
        assert_eq!(is(raced(&slowly, "exit 1")), Some(Accelerator::Kvm));
        let (accelerator, why) = raced("sleep 99", up).unwrap();
        assert_eq!((accelerator, why.contains("KVM hangs")), (Accelerator::Tcg, true));
        assert_eq!(raced(refuses, &slowly), Some((Accelerator::Tcg, "KVM fails: no MSR".to_owned())));
        // The image is to blame, or the machine: nothing is known of KVM.
        assert_eq!(raced(refuses, refuses), None);
        assert_eq!(raced("sleep 99", "sleep 99"), None);
    }

    #[test]
    fn a_missing_device_is_told_apart_from_a_forbidden_one() {
        let reason = unusable_device(Path::new("/dev/no-such-kvm")).unwrap();
        assert_eq!(reason, "/dev/no-such-kvm does not exist");
        assert_eq!(unusable_device(Path::new("/dev/null")), None);
    }
}
