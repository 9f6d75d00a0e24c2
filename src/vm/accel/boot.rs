//! Boots a kernel without a root filesystem, directly under QEMU, and watches for its last words.

use super::Accelerator;
use crate::arch::{self, Arch};
use crate::error::{Error, Result};
use crate::process::{Child, Cmd, Stdio, interrupt, read_lines};
use crate::text::{Shown, decode};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How the boot of a kernel ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// The kernel came up, and panicked for want of a root filesystem, as it should.
    Up,
    /// QEMU ended before a kernel came up, and said this.
    Refused(String),
}

/// QEMU's argv for a kernel on a machine with nothing but a serial port.
fn command(qemu: &Path, arch: &Arch, accelerator: Accelerator, image: &Path) -> Cmd {
    let cpu = match accelerator {
        Accelerator::Kvm => "host",
        Accelerator::Tcg => "max",
    };
    // Two processors: starting the second is one more thing that a broken KVM cannot do.
    Cmd::new(qemu)
        .args(["-accel", accelerator.as_str(), "-cpu", cpu])
        .args(arch.qemu_machine)
        .args(["-smp", "2", "-m", "256M", "-nodefaults", "-no-reboot", "-display", "none"])
        .args(["-serial", "stdio", "-kernel"])
        .arg(image)
        .arg("-append")
        .arg(format!("{} panic=-1", arch.console))
}

/// A kernel that boots. Dropping it ends QEMU.
#[derive(Debug)]
pub(super) struct Boot {
    child: Child,
    lines: Option<Receiver<String>>,
    reader: Option<JoinHandle<()>>,
    seen: Seen,
    ended: bool,
    /// A QEMU that aborts may drop a core where it runs.
    _dir: tempfile::TempDir,
}

impl Boot {
    /// Starts QEMU with `image`.
    pub(super) fn start(qemu: &Path, accelerator: Accelerator, image: &Path) -> Result<Self> {
        let image = std::path::absolute(image).unwrap_or_else(|_| image.to_owned());
        Self::of(command(qemu, arch::host(), accelerator, &image))
    }

    fn of(command: Cmd) -> Result<Self> {
        let dir = tempfile::tempdir()
            .map_err(|error| Error::cannot_run(format!("cannot create a temporary directory: {error}")))?;
        let mut child = command.cwd(dir.path()).spawn(Stdio::Merged)?;
        let (sender, lines) = mpsc::sync_channel(64);
        let reader = child.take_output().map(|output| {
            std::thread::spawn(move || {
                read_lines(output, |line| sender.send(decode(line).into_owned()).is_ok());
            })
        });
        Ok(Self { child, lines: Some(lines), reader, seen: Seen::default(), ended: false, _dir: dir })
    }

    /// Listens for at most `time`. Returns as soon as the outcome is known, then and whenever it is asked again.
    pub(super) fn wait(&mut self, time: Duration) -> Result<Option<Ending>> {
        let end = Instant::now() + time;
        while !self.ended && !self.seen.is_up() {
            interrupt::check()?;
            let left = end.saturating_duration_since(Instant::now());
            let Some(lines) = self.lines.as_ref().filter(|_| !left.is_zero()) else { return Ok(None) };
            match lines.recv_timeout(left.min(Duration::from_millis(100))) {
                Ok(line) => self.seen.line(&line),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => self.ended = true,
            }
        }
        Ok(Some(self.seen.ending()))
    }

    /// A shell script that plays QEMU.
    #[cfg(test)]
    pub(super) fn of_script(script: &str) -> Result<Self> {
        Self::of(Cmd::new("sh").args(["-c", script]))
    }
}

impl Drop for Boot {
    fn drop(&mut self) {
        // A stuck QEMU may not react to anything less; there is nothing that it could save.
        self.child.kill();
        self.lines = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// What was heard so far.
#[derive(Debug, Default)]
struct Seen {
    kernel: bool,
    panic: bool,
    qemu_says: Option<String>,
}

impl Seen {
    fn line(&mut self, line: &str) {
        // The decompressor runs before the kernel and its lines prove little: KVM was seen to stop right after them.
        self.kernel |= line.contains("Linux version ");
        self.panic |= line.contains("Kernel panic - not syncing");
        if self.qemu_says.is_none() && line.starts_with("qemu") && !line.contains(": warning: ") {
            let text = line.split_once(": ").map_or(line, |(_, text)| text);
            self.qemu_says = Some(Shown::line(text).to_string().chars().take(200).collect());
        }
    }

    fn is_up(&self) -> bool {
        self.kernel && self.panic
    }

    fn ending(&self) -> Ending {
        match &self.qemu_says {
            _ if self.is_up() => Ending::Up,
            Some(text) => Ending::Refused(text.clone()),
            None => Ending::Refused("QEMU ended before a kernel came up".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(script: &str) -> Option<Ending> {
        Boot::of_script(script).unwrap().wait(Duration::from_millis(1500)).unwrap()
    }

    #[test]
    fn a_kernel_that_panics_for_want_of_a_root_is_up() {
        let script =
            "echo '[    0.0] Linux version 6.12'; echo '[    1.8] Kernel panic - not syncing: VFS'; sleep 99";
        assert_eq!(ending(script), Some(Ending::Up));
    }

    #[test]
    fn the_decompressor_or_the_first_line_alone_is_not_a_boot() {
        let script = "echo Decompressing Linux...; echo '[    0.0] Linux version 6.12'; sleep 99";
        let before = Instant::now();
        assert_eq!(ending(script), None);
        assert!(before.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn what_qemu_said_before_it_died_is_the_reason() {
        let script = "echo 'qemu-system-x86_64: error: failed to set MSR 0x10a' >&2; kill -ABRT $$";
        let refused = |why: &str| Some(Ending::Refused(why.to_owned()));
        assert_eq!(ending(script), refused("error: failed to set MSR 0x10a"));
        assert_eq!(ending("exit 1"), refused("QEMU ended before a kernel came up"));
    }

    #[test]
    fn the_command_line_suits_the_architecture() {
        let line = |arch, accelerator| {
            command(Path::new("qemu"), arch, accelerator, Path::new("/k e/Image")).to_string()
        };
        insta::assert_snapshot!(line(&arch::X86_64, Accelerator::Kvm), @"qemu -accel kvm -cpu host -smp 2 -m 256M -nodefaults -no-reboot -display none -serial stdio -kernel '/k e/Image' -append 'console=ttyS0 earlyprintk=serial,ttyS0 panic=-1'");
        insta::assert_snapshot!(line(&arch::AARCH64, Accelerator::Tcg), @"qemu -accel tcg -cpu max -machine virt,gic-version=max -smp 2 -m 256M -nodefaults -no-reboot -display none -serial stdio -kernel '/k e/Image' -append 'console=ttyAMA0 earlycon panic=-1'");
    }
}
