//! Whether a guest can have its files by virtiofs, which reads them faster than 9p.

use crate::process::{Cmd, find};
use std::fs;
use std::path::{Path, PathBuf};

/// Where virtme-ng looks for a virtiofsd that is not on `PATH`, in its order.
const PLACES: [&str; 4] = [
    "/usr/libexec/virtiofsd",
    "/usr/lib/virtiofsd/virtiofsd",
    "/usr/lib/virtiofsd",
    "/usr/lib/qemu/virtiofsd",
];

/// What its help has to mention. Without it a guest's root could make the share writable, and write to the host.
const NEEDED: &str = "--readonly";

/// The longest path of a directory, in bytes, in which virtme-ng can make its socket: an address has room for 107.
const LONGEST: usize = 90;

/// Why a guest with this kernel's build directory cannot have virtiofs, if `tmp` is where virtme-ng's sockets go; none if it
/// can.
pub fn obstacle(kernel: &Path, tmp: &Path) -> Option<String> {
    let config = fs::read_to_string(kernel.join(".config")).unwrap_or_default();
    if !config.lines().any(|line| line == "CONFIG_VIRTIO_FS=y") {
        return Some("the kernel has no CONFIG_VIRTIO_FS".to_owned());
    }
    if tmp.as_os_str().len() > LONGEST {
        return Some(format!("the path of {} is too long for a socket", tmp.display()));
    }
    let on_path = find("virtiofsd").ok().map(|tool| tool.path);
    match taken(on_path.into_iter().chain(PLACES.map(PathBuf::from))) {
        None => Some("no virtiofsd is installed".to_owned()),
        Some(program) if help_of(&program).contains(NEEDED) => None,
        Some(program) => Some(format!("{} is too old: it has no {NEEDED}", program.display())),
    }
}

/// The program that virtme-ng takes: the first that tells its version.
fn taken(places: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    places.filter(|place| place.is_file()).find(|place| {
        let version = Cmd::new(place).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    })
}

fn help_of(program: &Path) -> String {
    Cmd::new(program).arg("--help").output().map(|output| output.stdout).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_takes_a_kernel_room_for_a_socket_and_the_first_program_that_answers() {
        let dir = tempfile::tempdir().unwrap();
        let why = |tmp: &Path| obstacle(dir.path(), tmp);
        assert_eq!(why(dir.path()).unwrap(), "the kernel has no CONFIG_VIRTIO_FS");
        fs::write(dir.path().join(".config"), "CONFIG_FUSE_FS=y\nCONFIG_VIRTIO_FS=y\n").unwrap();
        assert!(why(&dir.path().join("x".repeat(90))).unwrap().contains("too long"));
        let program = |name: &str, script: &str| {
            let path = dir.path().join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let broken = program("broken", "exit 1");
        let right = program("right", "echo '      --readonly'");
        let there = [dir.path().join("absent"), broken, right.clone()];
        assert_eq!(taken(there.into_iter()), Some(right.clone()));
        assert!(help_of(&right).contains(NEEDED));
    }
}
