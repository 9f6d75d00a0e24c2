//! What a guest shall be, and the command line of virtme-ng that makes it so. Pure.

use crate::guest::protocol::PORT_NAME;
use crate::process::Cmd;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where virtme-ng mounts what the host shares, before the agent binds it to its real place.
const SHARES: &str = "/run/vmptcp";

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

/// A guest to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The `vng` program.
    pub vng: PathBuf,
    /// The build directory of the kernel: no blanks in its path, as virtme-ng does not quote it.
    pub kernel: PathBuf,
    /// Hardware acceleration (KVM), or emulation (TCG).
    pub kvm: bool,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// The root filesystem, if it is not the host's own.
    pub root: Option<PathBuf>,
    /// Directories of the host.
    pub shares: Vec<Share>,
    /// Further parameters of the kernel.
    pub append: Vec<String>,
    /// Further arguments of QEMU.
    pub qemu_args: Vec<String>,
    /// This executable, as the guest sees it.
    pub agent: PathBuf,
    /// What of the host's programs the guest shall not find, and what gives virtme-ng the view in which it does not: see
    /// [`BOOT_PROGRAMS`].
    pub without: Option<(Cmd, Vec<PathBuf>)>,
    /// How it sees the host's files.
    pub filesystem: Filesystem,
    /// For virtme-ng's own temporary files.
    pub tmp: PathBuf,
    /// Where the guests are listed that run now.
    pub guests: PathBuf,
    /// What it runs for: a command line.
    pub purpose: String,
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

/// Its name, in reports.
impl fmt::Display for Filesystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NineP { cached: false } => "9p",
            Self::NineP { cached: true } => "9p, cached",
            Self::Virtiofs => "virtiofs",
        })
    }
}

/// The flags of the root filesystem with a cache: virtme-ng's own, and the last. Without it every program is read anew each
/// time it starts.
const CACHED: &str = "rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose";

/// A directory of the host that the guest sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The directory on the host, by a path of plain characters only: see [`is_plain`].
    pub host: PathBuf,
    /// Where the guest shall see it: any path.
    pub guest: PathBuf,
    /// May the guest write to it?
    pub writable: bool,
}

/// The name of the socket for QEMU's monitor, from that of the agent's port.
pub fn monitor_of(socket: &str) -> String {
    format!("{socket}-monitor")
}

/// True if virtme-ng takes `path` for a share: it allows few characters.
pub fn is_plain(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|path| path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+/.-".contains(&byte)))
}

/// True if what the host has at `path` is hidden in a guest that shares the host's root: virtme-ng mounts something
/// of its own there.
pub fn is_hidden(path: &Path) -> bool {
    const HIDDEN: &[&str] =
        &["/run", "/dev", "/proc", "/sys", "/var/tmp", "/var/log", "/var/cache", "/var/lib/apt"];
    HIDDEN.iter().any(|hidden| path.starts_with(hidden))
}

impl Spec {
    /// The command that starts it. The agent's port is connected to the abstract Unix socket `socket`.
    pub fn command(&self, socket: &str) -> Cmd {
        let number = |value: u64| value.to_string();
        let start = match &self.without {
            Some((unshare, files)) => {
                let hide = unshare.clone().args(["sh", "-c", HIDE, "sh"]);
                hide.args(files).arg("--").arg(&self.vng)
            }
            None => Cmd::new(&self.vng),
        };
        let mut cmd = start
            .cwd("/")
            .path_first(self.vng.parent().unwrap_or(Path::new("/")))
            .env("TMPDIR", &self.tmp)
            .arg("--run")
            .arg(&self.kernel)
            .args(["--verbose", "--cpus", &number(u64::from(self.cpus))])
            .args(["--memory", &format!("{}M", self.memory_mib)])
            .args(["--name", "vmptcp"]);
        if !self.kvm {
            cmd = cmd.arg("--disable-kvm");
        }
        if let Filesystem::NineP { cached } = self.filesystem {
            cmd = cmd.arg("--force-9p").args(cached.then_some(["--append", CACHED]).into_iter().flatten());
        }
        if let Some(root) = &self.root {
            cmd = cmd.arg("--root").arg(root);
        }
        for (index, share) in self.shares.iter().enumerate() {
            let how = if share.writable { "--rwdir" } else { "--rodir" };
            cmd = cmd.arg(how).arg(format!("{}={}", share_point(index), share.host.display()));
        }
        for parameter in &self.append {
            cmd = cmd.arg("--append").arg(parameter);
        }
        // One argument, in which virtme-ng finds QEMU's by the rules of a shell.
        let mut qemu = vec![
            format!("-chardev socket,id={PORT_NAME},path={socket},abstract=on"),
            format!("-chardev socket,id=vmptcp.monitor,path={},abstract=on", monitor_of(socket)),
            "-mon chardev=vmptcp.monitor,mode=control".to_owned(),
            format!("-device virtio-serial-pci -device virtserialport,name={PORT_NAME},chardev={PORT_NAME}"),
        ];
        qemu.extend(self.qemu_args.iter().map(|arg| quote(arg)));
        let agent = quote(&self.agent_in_guest().to_string_lossy());
        cmd.arg(format!("--qemu-opts={}", qemu.join(" "))).arg("--exec").arg(format!("exec {agent} agent"))
    }

    /// What to do about a guest that does not come up, whose console is in the file `log`.
    pub fn remedy(&self, log: &Path) -> String {
        let see = format!("see why: less -R {}", quote(&log.to_string_lossy()));
        if self.kvm {
            // What KVM is asked for when it is opened says little of whether a kernel runs with it.
            format!(
                "KVM may not work on this machine: vmptcp doctor tries it, --accelerator tcg does without; {see}"
            )
        } else {
            see
        }
    }

    /// Where the agent is before it has bound the shares to their real places.
    fn agent_in_guest(&self) -> PathBuf {
        let below = |(index, share): (usize, &Share)| {
            let rest = self.agent.strip_prefix(&share.guest).ok()?;
            Some(Path::new(&share_point(index)).join(rest))
        };
        self.shares.iter().enumerate().find_map(below).unwrap_or_else(|| self.agent.clone())
    }

    /// Pairs of where a share is mounted first and where it shall appear.
    pub fn binds(&self) -> Vec<(String, String)> {
        let guest = |share: &Share| share.guest.to_string_lossy().into_owned();
        self.shares.iter().enumerate().map(|(index, share)| (share_point(index), guest(share))).collect()
    }
}

fn share_point(index: usize) -> String {
    format!("{SHARES}/{index}")
}

fn quote(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            vng: "/opt/vng".into(),
            kernel: "/tree/.vmptcp/build/normal".into(),
            kvm: false,
            cpus: 2,
            memory_mib: 1024,
            root: None,
            shares: vec![Share {
                host: "/cache/alias/1".into(),
                guest: "/home/a b/ü".into(),
                writable: true,
            }],
            append: vec!["loglevel=7".into()],
            qemu_args: vec![],
            agent: "/my tools/vmptcp".into(),
            without: None,
            filesystem: Filesystem::NineP { cached: false },
            tmp: "/run dir/tmp".into(),
            guests: "/cache/guests".into(),
            purpose: "vmptcp test".into(),
        }
    }

    #[test]
    fn the_command_line_is_virtme_ngs() {
        let line = spec().command("vmptcp-1-abc").to_string();
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
        --append loglevel=7 '--qemu-opts=-chardev socket,id=vmptcp.agent,path=vmptcp-1-abc,abstract=on -chardev socket,id=vmptcp.monitor,path=vmptcp-1-abc-monitor,abstract=on -mon chardev=vmptcp.monitor,mode=control -device virtio-serial-pci -device virtserialport,name=vmptcp.agent,chardev=vmptcp.agent'
        --exec "exec '/my tools/vmptcp' agent"
        "#);
    }

    #[test]
    fn programs_that_only_cost_time_are_hidden_from_the_guest() {
        let without = Some((Cmd::new("unshare").arg("--mount"), vec!["/usr/sbin/udevd".into()]));
        let line = Spec { without, ..spec() }.command("x").to_string();
        assert!(
            line.contains("unshare --mount sh -c ") && line.contains(" sh /usr/sbin/udevd -- /opt/vng --run"),
            "{line}"
        );
    }

    #[test]
    fn an_agent_that_the_guest_hides_is_started_from_its_share() {
        let share = Share { host: "/cache/links/2".into(), guest: "/run/tools".into(), writable: false };
        let spec = Spec { shares: vec![share], agent: "/run/tools/vmptcp".into(), ..spec() };
        assert!(spec.command("x").to_string().ends_with("--exec 'exec /run/vmptcp/0/vmptcp agent'"));
    }

    #[test]
    fn where_kvm_was_used_the_remedy_is_to_do_without() {
        let log = Path::new("/a run/console-1.log");
        assert_eq!(spec().remedy(log), "see why: less -R '/a run/console-1.log'");
        assert!(Spec { kvm: true, ..spec() }.remedy(log).contains("--accelerator tcg"));
    }

    #[test]
    fn shares_are_bound_to_their_real_place() {
        assert_eq!(spec().binds(), [("/run/vmptcp/0".to_owned(), "/home/a b/ü".to_owned())]);
    }

    #[test]
    fn only_plain_paths_are_for_virtme_ng() {
        assert!(is_plain(Path::new("/home/me/linux-6.12_x+y")));
        assert!(!is_plain(Path::new("/home/me/a b")) && !is_plain(Path::new("/home/mé")));
        assert!(is_hidden(Path::new("/run/user/0/x")) && !is_hidden(Path::new("/runs/x")));
    }
}
