//! The first process of a guest of user-mode Linux: makes of the host's files a root of the guest's own, and becomes the
//! agent in it.
//!
//! The kernel mounts the host's files read-only. On top of the guest's root comes an overlay, in memory: the guest may write
//! anywhere, and all of it is gone with the guest.

use super::protocol::boot::{self, Boot};
use error::{Error, IoContext, Result};
use nix::libc;
use nix::mount::{MsFlags, mount};
use process::{Cmd, Places};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Where the directory that the guest is told things in is mounted, in the end.
pub(super) const BOOT: &str = "/run/vmptcp-boot";

/// A place that every root has, and that the guest's own is put together in.
const STAGING: &str = "/tmp";

/// What is mounted in the guest's own root besides the host's files: type, place, options.
const MOUNTS: [(&str, &str, &str); 7] = [
    ("proc", "proc", ""),
    ("sysfs", "sys", ""),
    ("devtmpfs", "dev", ""),
    ("tmpfs", "run", "mode=755"),
    ("tmpfs", "dev/shm", "mode=1777"),
    ("devpts", "dev/pts", "ptmxmode=666"),
    ("cgroup2", "sys/fs/cgroup", ""),
];

/// What the guest was told before it booted; none in a guest that is not one of user-mode Linux.
pub(super) fn told() -> Result<Option<Boot>> {
    let path = Path::new(BOOT).join(boot::FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &path, &error)),
    };
    let said = serde_json::from_slice(&text);
    said.map(Some).map_err(|error| Error::cannot_run(format!("not understood: {}: {error}", path.display())))
}

/// True for the first process of a guest, before it has made a root.
pub(super) fn is_first() -> bool {
    std::process::id() == 1 && !Path::new(BOOT).exists()
}

/// Makes the root, and starts this program again in it. Returns only if that fails.
pub(super) fn enter() -> Result<std::convert::Infallible> {
    let handed_over = Places::here().handed_over();
    on("tmpfs", STAGING, "mode=755", MsFlags::empty())?;
    let at = |name: &str| format!("{STAGING}/{name}");
    for name in ["boot", "upper", "work", "root"] {
        fs::create_dir(at(name)).doing("create", Path::new(name))?;
    }
    on("hostfs", &at("boot"), &handed_over, MsFlags::MS_RDONLY)?;
    let path = at("boot") + "/" + boot::FILE;
    let text = fs::read(&path).doing("read", Path::new(&path))?;
    let boot: Boot = serde_json::from_slice(&text)
        .map_err(|error| Error::cannot_run(format!("not understood: {path}: {error}")))?;
    if let Some(seed) = boot.seed {
        seed_the_kernel(seed)?;
    }
    let root = at("root");
    let overlay = format!("lowerdir={},upperdir={},workdir={}", lower(&boot.root)?, at("upper"), at("work"));
    on("overlay", &root, &overlay, MsFlags::empty())?;
    for (kind, place, options) in MOUNTS {
        let place = format!("{root}/{place}");
        // What a kernel lacks, or a root has no place for, is missed by who needs it.
        let _ = fs::create_dir_all(&place);
        let _ = on(kind, &place, options, MsFlags::empty());
    }
    for (index, share) in boot.shares.iter().enumerate() {
        let point = format!("{root}{}", share.point);
        fs::create_dir_all(&point).doing("create", Path::new(&point))?;
        if share.writable {
            on("hostfs", &point, &share.host, MsFlags::empty())?;
        } else {
            written_in_memory(&share.host, &point, &at(&format!("share-{index}")))?;
        }
    }
    let moved = format!("{root}{BOOT}");
    fs::create_dir_all(&moved).doing("create", Path::new(&moved))?;
    shift(&at("boot"), &moved)?;
    std::env::set_current_dir(&root).doing("change into", Path::new(&root))?;
    shift(".", "/")?;
    nix::unistd::chroot(".").map_err(|error| failed("change the root", error))?;
    std::env::set_current_dir("/").doing("change into", Path::new("/"))?;
    furnish();
    Err(Cmd::new("/proc/self/exe")
        .arg("agent")
        .env("HOME", "/root")
        .env("USER", "root")
        .env("TERM", "linux")
        .env("PATH", boot::PATH)
        .exec())
}

/// Mounts a directory of the host that stays as it is, whatever the guest writes to it. `own` is for what that takes.
fn written_in_memory(host: &str, point: &str, own: &str) -> Result<()> {
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| format!("{own}/{name}"));
    for dir in [&lower, &upper, &work] {
        fs::create_dir_all(dir).doing("create", Path::new(dir))?;
    }
    on("hostfs", &lower, host, MsFlags::MS_RDONLY)?;
    on("overlay", point, &format!("lowerdir={lower},upperdir={upper},workdir={work}"), MsFlags::empty())
}

/// Where the guest's own root is found. One that is not the host's is mounted: the host's `/tmp` is covered by now, and a
/// colon in a path means something to the overlay.
fn lower(root: &str) -> Result<String> {
    if root == "/" {
        return Ok(root.to_owned());
    }
    let lower = format!("{STAGING}/lower");
    fs::create_dir(&lower).doing("create", Path::new(&lower))?;
    on("hostfs", &lower, root, MsFlags::MS_RDONLY)?;
    Ok(lower)
}

/// What programs expect of a machine that came up.
fn furnish() {
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        let link = Path::new("/dev").join(name);
        let _ = fs::remove_file(&link);
        let _ = symlink(target, link);
    }
    let _ = fs::create_dir("/run/netns");
    let _ = on("debugfs", "/sys/kernel/debug", "", MsFlags::empty());
    let _ = on("tracefs", "/sys/kernel/tracing", "", MsFlags::empty());
    let _ = set_hostname("vmptcp");
    // Without it nothing on this machine reaches itself.
    let _ = loopback_up();
}

fn set_hostname(name: &str) -> nix::Result<()> {
    // SAFETY: the pointer is valid for the call, and the length is that of the text.
    nix::errno::Errno::result(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }).map(drop)
}

/// Sets the loopback interface up.
fn loopback_up() -> nix::Result<()> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: a structure of numbers, for which all zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        *to = libc::c_char::try_from(*from).unwrap_or_default();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap_or_default();
    // SAFETY: the pointer is valid for the call.
    unsafe { set_flags(socket.as_raw_fd(), &raw const request) }.map(drop)
}

/// Tells the kernel that its random numbers are random: all of them come from this.
fn seed_the_kernel(seed: u64) -> Result<()> {
    /// `struct rand_pool_info` of `linux/random.h`, with room for what is mixed in.
    #[repr(C)]
    struct Pool {
        entropy_bits: libc::c_int,
        size: libc::c_int,
        bytes: [u8; 32],
    }
    nix::ioctl_write_ptr!(add_entropy, b'R', 0x03, [libc::c_int; 2]);
    let mut pool = Pool { entropy_bits: 256, size: 32, bytes: [0; 32] };
    for (chunk, number) in pool.bytes.chunks_exact_mut(8).zip(0..) {
        chunk.copy_from_slice(&seed.wrapping_add(number).to_le_bytes());
    }
    let device = Path::new("/dev/random");
    let file = File::open(device).doing("open", device)?;
    // SAFETY: the kernel reads the two numbers, and as many bytes behind them as the second says: all of `Pool`.
    unsafe { add_entropy(file.as_raw_fd(), (&raw const pool).cast()) }
        .map(drop)
        .map_err(|error| failed("seed the kernel's random numbers", error))
}

fn on(kind: &str, place: &str, options: &str, flags: MsFlags) -> Result<()> {
    mount(Some(kind), place, Some(kind), flags, Some(options))
        .map_err(|error| failed(&format!("mount {kind} on {place}"), error))
}

fn shift(from: &str, to: &str) -> Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .map_err(|error| failed(&format!("move {from} to {to}"), error))
}

fn failed(what: &str, error: nix::errno::Errno) -> Error {
    Error::cannot_run(format!("cannot {what}: {}", error.desc()))
}
