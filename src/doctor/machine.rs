//! What the machine itself must offer: an accelerator, memory, disk space.

use super::{Finding, Need, Scope, Status, available_memory};
use crate::error::{IoContext, Kind, Result};
use crate::vm::accel::{self, Accelerator, Answer, Question};
use crate::vm::repeat;
use std::path::{Path, PathBuf};

const GIB: u64 = 1 << 30;

/// One guest has 2 GiB by default; the linker needs about as much.
const MEMORY_GOOD: u64 = 3 * GIB;
/// Less than this, and neither a guest nor the linker fits.
const MEMORY_LEAST: u64 = GIB;

/// A tree takes 1.7 GB and its tarball 0.15, a build of the minimal base 0.3 and of a defconfig with debug info 3.
const DISK_GOOD: u64 = 6 * GIB;
/// Less than this, and a build of an existing tree does not fit.
const DISK_LEAST: u64 = GIB;

fn finding(name: &str, need: Need, purpose: &str) -> Finding {
    Finding {
        name: name.to_owned(),
        status: Status::Ok,
        need,
        purpose: purpose.to_owned(),
        version: None,
        path: None,
        packages: Vec::new(),
        note: None,
        remedy: None,
    }
}

/// Asks [`accel::probe`] with what `scope` says.
pub(super) fn probe(qemu: &Path, qemu_version: &str, scope: &Scope) -> Result<Option<Answer>> {
    accel::probe(&Question {
        qemu,
        qemu_version,
        image: scope.image,
        cache: scope.cache,
        reprobe: scope.reprobe,
    })
}

/// The accelerator. Without QEMU there is nothing to say of it.
pub(super) fn accelerator(qemu: Option<&Finding>, scope: &Scope) -> Result<Finding> {
    let answer = match qemu.and_then(|qemu| Some((qemu.path.as_deref()?, qemu.version.as_deref()))) {
        Some((path, version)) => probe(path, version.unwrap_or_default(), scope)?,
        None => None,
    };
    Ok(judge_accelerator(answer, qemu.is_some()))
}

fn judge_accelerator(answer: Option<Answer>, has_qemu: bool) -> Finding {
    let mut finding = finding("accelerator", Need::Optional, "guests at the speed of the host");
    finding.version = answer.as_ref().map(|answer| answer.accelerator.to_string());
    match answer {
        Some(Answer { accelerator: Accelerator::Kvm, .. }) => {}
        Some(Answer { reason, probed_at, .. }) => {
            let day = probed_at.strftime("%F");
            finding.status = Status::Warning;
            finding.note = Some(format!("{reason} (probed on {day}); guests run ten times slower"));
            finding.remedy = Some("after a change of the host: vmptcp doctor --reprobe".to_owned());
        }
        None => {
            finding.status = Status::Warning;
            let until = if has_qemu { "the first kernel is built" } else { "QEMU is installed" };
            finding.note = Some(format!("unknown until {until}"));
        }
    }
    finding
}

/// Whether a seed makes the same run here, with the kernel of user-mode Linux in this directory.
pub(super) fn virtual_time(kernel: Option<&Path>, cache: &Path) -> Result<Finding> {
    let Some(kernel) = kernel else { return Ok(judge_virtual_time(None)) };
    let helper = std::env::current_exe().doing("find the path of", "this executable")?;
    match repeat::twice(kernel, &helper, cache) {
        Err(error) if error.kind() == Kind::Interrupted => Err(error),
        outcome => Ok(judge_virtual_time(Some(outcome))),
    }
}

fn judge_virtual_time(outcome: Option<Result<Option<String>>>) -> Finding {
    let finding = finding("virtual time", Need::Extra, "tests that run the same again");
    let (status, note, remedy) = match outcome {
        Some(Ok(None)) => (Status::Ok, "the same seed made the same run, twice".to_owned(), None),
        Some(Ok(Some(difference))) => {
            (Status::Warning, format!("the same seed made two runs that differ: {difference}"), None)
        }
        Some(Err(error)) => (Status::Warning, error.to_string(), error.remedy().map(str::to_owned)),
        None => {
            let note = "unknown until a kernel of user-mode Linux is built: vmptcp build --uml";
            (Status::Warning, note.to_owned(), None)
        }
    };
    Finding { status, note: Some(note), remedy, ..finding }
}

/// The memory, if the kernel tells it.
pub(super) fn memory() -> Option<Finding> {
    available_memory().map(judge_memory)
}

fn judge_memory(available: u64) -> Finding {
    let mut finding = finding("memory", Need::Required, "guests and the linker");
    finding.version = Some(format!("{} available", size(available)));
    judge_amount(&mut finding, available, MEMORY_LEAST, MEMORY_GOOD, "end other programs, or add memory");
    finding
}

/// The disk space where trees are cached and where builds go; one finding a file system.
pub(super) fn disk(cache: &Path, work: Option<&Path>) -> Vec<Finding> {
    let mut seen = Vec::new();
    let places =
        [(Some(cache), "kernel trees, and the builds of read-only ones"), (work, "builds and results")];
    places
        .into_iter()
        .filter_map(|(path, purpose)| {
            let path = existing(path?);
            let stat = nix::sys::statvfs::statvfs(&path).ok()?;
            if std::mem::replace(&mut seen, vec![stat.filesystem_id()]).contains(&stat.filesystem_id()) {
                return None;
            }
            Some(judge_disk(&path, stat.blocks_available() * stat.fragment_size(), purpose))
        })
        .collect()
}

fn judge_disk(path: &Path, free: u64, purpose: &str) -> Finding {
    let mut finding = finding("disk space", Need::Required, purpose);
    finding.version = Some(format!("{} free", size(free)));
    let remedy = format!("free some space below {}", path.display());
    finding.path = Some(path.to_owned());
    judge_amount(&mut finding, free, DISK_LEAST, DISK_GOOD, &remedy);
    finding
}

fn judge_amount(finding: &mut Finding, amount: u64, least: u64, good: u64, remedy: &str) {
    if amount >= good {
        return;
    }
    finding.status = if amount < least { Status::TooLittle } else { Status::Warning };
    finding.note = Some(format!("{} or more are good, {} is the least", size(good), size(least)));
    finding.remedy = Some(remedy.to_owned());
}

/// The nearest directory of this path that exists.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

/// "5.2 GiB".
fn size(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / GIB;
    if tenths.is_multiple_of(10) {
        format!("{} GiB", tenths / 10)
    } else {
        format!("{}.{} GiB", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn memory_is_judged_by_what_is_available() {
        let judged = |kb: u64| judge_memory(kb * 1024);
        assert_eq!(judged(8 << 20).status, Status::Ok);
        assert_eq!(judged(8 << 20).version.as_deref(), Some("8 GiB available"));
        assert_eq!(judged(2 << 20).status, Status::Warning);
        let little = judged(512 << 10);
        assert_eq!(little.status, Status::TooLittle);
        assert_eq!(little.note.as_deref(), Some("3 GiB or more are good, 1 GiB is the least"));
    }

    #[test]
    fn disk_space_is_judged_where_the_directory_will_be() {
        assert_eq!(existing(Path::new("/proc/no/such/dir")), Path::new("/proc"));
        assert_eq!(judge_disk(Path::new("/x"), 100 * GIB, "builds").status, Status::Ok);
        let full = judge_disk(Path::new("/x"), GIB / 2, "builds");
        assert_eq!(full.status, Status::TooLittle);
        assert_eq!(full.version.as_deref(), Some("0.5 GiB free"));
        assert_eq!(full.remedy.as_deref(), Some("free some space below /x"));
    }

    #[test]
    fn one_file_system_is_reported_once() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(disk(dir.path(), Some(&dir.path().join("work"))).len(), 1);
    }

    #[test]
    fn virtual_time_is_ok_only_where_it_was_proved() {
        let judged = |outcome| {
            let finding = judge_virtual_time(outcome);
            (finding.status, finding.note.unwrap_or_default(), finding.remedy)
        };
        let same = "the same seed made the same run, twice".to_owned();
        assert_eq!(judged(Some(Ok(None))), (Status::Ok, same, None));
        let (status, note, _) = judged(Some(Ok(Some("console, line 3".to_owned()))));
        assert_eq!(status, Status::Warning);
        assert_eq!(note, "the same seed made two runs that differ: console, line 3");
        let refused = Error::cannot_run("no namespaces").hint("run as root");
        let (status, note, remedy) = judged(Some(Err(refused)));
        assert_eq!(
            (status, &note[..], remedy.as_deref()),
            (Status::Warning, "no namespaces", Some("run as root"))
        );
        let (status, note, _) = judged(None);
        assert!(status == Status::Warning && note.ends_with("vmptcp build --uml"), "{note}");
    }

    #[test]
    fn an_unknown_accelerator_is_no_obstacle() {
        let unknown = judge_accelerator(None, true);
        assert_eq!(unknown.status, Status::Warning);
        assert_eq!(unknown.note.as_deref(), Some("unknown until the first kernel is built"));
        let answer = Answer {
            accelerator: Accelerator::Tcg,
            reason: "KVM hangs".to_owned(),
            probed_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let tcg = judge_accelerator(Some(answer), true);
        assert_eq!(
            tcg.note.as_deref(),
            Some("KVM hangs (probed on 1970-01-01); guests run ten times slower")
        );
    }
}
