//! Which accelerator guests get, found out by booting a kernel.
//!
//! `/dev/kvm` that can be opened proves nothing: in nested virtualisation, as on CI machines, QEMU may die while it sets
//! up the CPU, or run the firmware and then never a line of the kernel. So the probe boots a kernel without a root
//! filesystem, which ends by itself in a panic, against a short deadline. The answer is remembered in the cache.

mod boot;
mod memory;

use crate::error::{IoContext, Result};
use boot::Ending;
use jiff::Timestamp;
use nix::unistd::{AccessFlags, access};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the kernel may take to its panic under KVM, where a second is long.
const KVM_DEADLINE: Duration = Duration::from_secs(8);
/// The same under TCG, where it takes two seconds on a slow machine.
const TCG_DEADLINE: Duration = Duration::from_secs(20);

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

/// Finds the accelerator: remembered, or by booting a kernel, which takes a few seconds, at most half a minute. `None` if there is no
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
    let answer = boot_both(question.qemu, &image)?;
    if let Some(answer) = &answer {
        memory::remember(question.cache, &host, answer)?;
    }
    Ok(answer)
}

/// Boots `image` with KVM, and where that fails with TCG, for it might be the fault of the image: a kernel that was
/// just built may well not boot at all.
fn boot_both(qemu: &Path, image: &Path) -> Result<Option<Answer>> {
    let reason = match boot::boot(qemu, Accelerator::Kvm, image, KVM_DEADLINE)? {
        Ending::Up => return Ok(Some(Answer::now(Accelerator::Kvm, "a kernel boots under it"))),
        Ending::Refused(why) => format!("KVM fails: {why}"),
        Ending::Silent => format!("KVM hangs: no kernel came up within {} s", KVM_DEADLINE.as_secs()),
    };
    let control = boot::boot(qemu, Accelerator::Tcg, image, TCG_DEADLINE)?;
    Ok((control == Ending::Up).then(|| Answer::now(Accelerator::Tcg, reason)))
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

    #[test]
    fn a_missing_device_is_told_apart_from_a_forbidden_one() {
        let reason = unusable_device(Path::new("/dev/no-such-kvm")).unwrap();
        assert_eq!(reason, "/dev/no-such-kvm does not exist");
        assert_eq!(unusable_device(Path::new("/dev/null")), None);
    }
}
