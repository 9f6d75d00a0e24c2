//! The command line of virtme-ng. Pure.

use crate::guest::protocol::PORT_NAME;
use crate::process::Cmd;
use crate::vm::accel::Accelerator;
use crate::vm::machine::Machine;
use std::path::{Path, PathBuf};

/// Programs that virtme-ng's init runs where it finds them, and that take most of the time of a boot: udev makes links to
/// devices, tmpfiles directories of the distribution's services. Neither the agent nor the tests need any of these.
pub const BOOT_PROGRAMS: [&str; 5] = [
    "usr/lib/systemd/systemd-udevd",
    "lib/systemd/systemd-udevd",
    "usr/sbin/udevd",
    "usr/bin/systemd-tmpfiles",
    "bin/systemd-tmpfiles",
];

/// Hides files up to `--`, then becomes the command behind it. All it handles are its arguments.
const HIDE: &str =
    r#"while [ "$1" != -- ]; do mount --bind /dev/null "$1" || exit 125; shift; done; shift; exec "$@""#;

/// How virtme-ng is to start a guest.
#[derive(Debug, Clone)]
pub struct Virtme {
    /// The `vng` program.
    pub program: PathBuf,
    /// What runs the guest's instructions.
    pub accelerator: Accelerator,
    /// How it sees the host's files.
    pub filesystem: Filesystem,
    /// What of the host's programs it shall not find: see [`BOOT_PROGRAMS`].
    pub hiding: Option<Hiding>,
    /// Further arguments of QEMU.
    pub qemu_args: Vec<String>,
}

/// Files that virtme-ng, and so the guest, shall see empty.
#[derive(Debug, Clone)]
pub struct Hiding {
    /// Runs a command in a mount namespace of its own.
    pub namespace: Cmd,
    /// The files.
    pub files: Vec<PathBuf>,
}

/// How a guest sees the host's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filesystem {
    /// By 9p, which QEMU itself serves. `cached` lets the guest keep what it once read: nobody changes it meanwhile.
    NineP {
        /// See there.
        cached: bool,
    },
    /// By virtiofsd; always cached.
    Virtiofs,
}

impl Filesystem {
    /// Its name, in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NineP { cached: false } => "9p",
            Self::NineP { cached: true } => "9p, cached",
            Self::Virtiofs => "virtiofs",
        }
    }
}

/// The flags of the root filesystem with a cache: virtme-ng's own, and the last. Without it every program is read again each
/// time it starts.
const CACHED: &str = "rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose";

/// The name of the socket for QEMU's monitor, from that of the agent's port.
pub(super) fn monitor_of(socket: &str) -> String {
    format!("{socket}-monitor")
}

/// The name of the socket for QEMU's monitor that others use.
pub(super) fn relay_of(socket: &str) -> String {
    format!("{socket}-relay")
}

/// True if virtme-ng takes `path` for a share: it allows few characters.
pub fn is_plain(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|path| path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+/.-".contains(&byte)))
}

impl Virtme {
    /// The command that starts it. The agent's port is connected to the abstract Unix socket `socket`.
    pub(super) fn command_line(&self, machine: &Machine, socket: &str) -> Cmd {
        let number = |value: u64| value.to_string();
        let start = match &self.hiding {
            Some(Hiding { namespace, files }) => {
                let hide = namespace.clone().args(["sh", "-c", HIDE, "sh"]);
                hide.args(files).arg("--").arg(&self.program)
            }
            None => Cmd::new(&self.program),
        };
        let mut cmd = start
            .cwd("/")
            .path_first(self.program.parent().unwrap_or(Path::new("/")))
            .env("TMPDIR", &machine.tmp)
            .arg("--run")
            .arg(&machine.kernel)
            .args(["--verbose", "--cpus", &number(u64::from(machine.cpus))])
            .args(["--memory", &format!("{}M", machine.memory_mib)])
            .args(["--name", "vmptcp"]);
        if self.accelerator != Accelerator::Kvm {
            cmd = cmd.arg("--disable-kvm");
        }
        if let Filesystem::NineP { cached } = self.filesystem {
            cmd = cmd.arg("--force-9p").args(cached.then_some(["--append", CACHED]).into_iter().flatten());
        }
        if !machine.root.is_host() {
            cmd = cmd.arg("--root").arg(&machine.root.dir);
        }
        for (point, share) in machine.root.mounts() {
            let how = if share.writable { "--rwdir" } else { "--rodir" };
            cmd = cmd.arg(how).arg(format!("{point}={}", share.host.display()));
        }
        for parameter in &machine.append {
            cmd = cmd.arg("--append").arg(parameter);
        }
        // One argument, in which virtme-ng finds QEMU's by the rules of a shell.
        let mut qemu = vec![
            format!("-chardev socket,id={PORT_NAME},path={socket},abstract=on"),
            format!("-chardev socket,id=vmptcp.monitor,path={},abstract=on", monitor_of(socket)),
            "-mon chardev=vmptcp.monitor,mode=control".to_owned(),
            format!("-chardev socket,id=vmptcp.relay,path={},abstract=on", relay_of(socket)),
            "-mon chardev=vmptcp.relay,mode=control".to_owned(),
            format!("-device virtio-serial-pci -device virtserialport,name={PORT_NAME},chardev={PORT_NAME}"),
        ];
        qemu.extend(self.qemu_args.iter().map(|arg| quote(arg)));
        let agent = quote(&machine.root.agent_at_boot().to_string_lossy());
        cmd.arg(format!("--qemu-opts={}", qemu.join(" "))).arg("--exec").arg(format!("exec {agent} agent"))
    }

    /// What to do about a guest that does not come up, whose console is in the file `log`.
    pub(super) fn what_to_do(&self, log: &Path) -> String {
        let see = format!("see why: less -R {}", quote(&log.to_string_lossy()));
        if self.accelerator == Accelerator::Kvm {
            // What KVM is asked for when it is opened says little of whether a kernel runs with it.
            format!(
                "KVM may not work on this machine: vmptcp doctor tries it, --accelerator tcg does without; {see}"
            )
        } else {
            see
        }
    }
}

fn quote(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::root::{Root, Share};

    fn virtme() -> Virtme {
        Virtme {
            program: "/opt/vng".into(),
            accelerator: Accelerator::Tcg,
            filesystem: Filesystem::NineP { cached: false },
            hiding: None,
            qemu_args: vec![],
        }
    }

    fn machine() -> Machine {
        let share = Share { host: "/cache/alias/1".into(), guest: "/home/a b/ü".into(), writable: true };
        Machine {
            kernel: "/tree/.vmptcp/build/normal".into(),
            cpus: 2,
            memory_mib: 1024,
            append: vec!["loglevel=7".into()],
            seed: None,
            root: Root { dir: "/".into(), shares: vec![share], agent: "/my tools/vmptcp".into() },
            tmp: "/run dir/tmp".into(),
        }
    }

    #[test]
    fn the_command_line_is_virtme_ngs() {
        let line = virtme().command_line(&machine(), "vmptcp-1-abc").to_string();
        // What is before it depends on the search path of whoever runs this test.
        let (_, line) = line.split_once(" /opt/vng ").unwrap();
        insta::assert_snapshot!(line.replace(" --", "\n--"), @r#"
        --run /tree/.vmptcp/build/normal
        --verbose
        --cpus 2
        --memory 1024M
        --name vmptcp
        --disable-kvm
        --force-9p
        --rwdir /run/vmptcp/0=/cache/alias/1
        --append loglevel=7 '--qemu-opts=-chardev socket,id=vmptcp.agent,path=vmptcp-1-abc,abstract=on -chardev socket,id=vmptcp.monitor,path=vmptcp-1-abc-monitor,abstract=on -mon chardev=vmptcp.monitor,mode=control -chardev socket,id=vmptcp.relay,path=vmptcp-1-abc-relay,abstract=on -mon chardev=vmptcp.relay,mode=control -device virtio-serial-pci -device virtserialport,name=vmptcp.agent,chardev=vmptcp.agent'
        --exec "exec '/my tools/vmptcp' agent"
        "#);
    }

    #[test]
    fn programs_that_only_cost_time_are_hidden_from_the_guest() {
        let namespace = Cmd::new("unshare").arg("--mount");
        let hiding = Some(Hiding { namespace, files: vec!["/usr/sbin/udevd".into()] });
        let line = Virtme { hiding, ..virtme() }.command_line(&machine(), "x").to_string();
        assert!(
            line.contains("unshare --mount sh -c ") && line.contains(" sh /usr/sbin/udevd -- /opt/vng --run"),
            "{line}"
        );
    }

    #[test]
    fn where_kvm_was_used_the_remedy_is_to_do_without() {
        let log = Path::new("/a run/console-1.log");
        assert_eq!(virtme().what_to_do(log), "see why: less -R '/a run/console-1.log'");
        let kvm = Virtme { accelerator: Accelerator::Kvm, ..virtme() };
        assert!(kvm.what_to_do(log).contains("--accelerator tcg"));
    }

    #[test]
    fn only_plain_paths_are_for_virtme_ng() {
        assert!(is_plain(Path::new("/home/me/linux-6.12_x+y")));
        assert!(!is_plain(Path::new("/home/me/a b")) && !is_plain(Path::new("/home/mé")));
    }
}
