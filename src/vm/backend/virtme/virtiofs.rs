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
    let places: Vec<PathBuf> = on_path.into_iter().chain(PLACES.map(PathBuf::from)).collect();
    wrong_with(&places)
}

/// What is wrong with the programs at these places; none if virtme-ng takes one of them that will do.
fn wrong_with(places: &[PathBuf]) -> Option<String> {
    let there: Vec<&PathBuf> = places.iter().filter(|place| place.is_file()).collect();
    let taken = there.iter().find(|place| tells_its_version(place));
    let Some(program) = taken.or(there.first()) else { return Some("no virtiofsd is installed".to_owned()) };
    if !help_of(program).contains(NEEDED) {
        return Some(format!("{} is too old: it has no {NEEDED}", program.display()));
    }
    let why = || format!("{} does not tell its version, so virtme-ng does not take it", program.display());
    taken.is_none().then(why)
}

/// The first program that does is the one that virtme-ng takes.
fn tells_its_version(program: &Path) -> bool {
    Cmd::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Some print it as an error.
fn help_of(program: &Path) -> String {
    let output = Cmd::new(program).arg("--help").output();
    output.map(|output| output.stdout + &output.stderr).unwrap_or_default()
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
        let absent = dir.path().join("absent");
        let broken = program("broken", "exit 1");
        let old = program("old", "echo '      --socket-path' >&2");
        let right = program("right", "echo '      --readonly'");
        let silent = program("silent", "[ $1 = --help ] && echo '  --readonly'");
        let wrong = |places: &[&PathBuf]| {
            let places: Vec<PathBuf> = places.iter().map(|&place| place.clone()).collect();
            let wrong = wrong_with(&places)?;
            Some(wrong.replace(&format!("{}/", dir.path().display()), ""))
        };
        assert_eq!(wrong(&[&absent, &broken, &right]), None);
        assert_eq!(wrong(&[&absent]).unwrap(), "no virtiofsd is installed");
        assert_eq!(wrong(&[&old, &right]).unwrap(), "old is too old: it has no --readonly", "it is taken");
        assert_eq!(wrong(&[&broken]).unwrap(), "broken is too old: it has no --readonly");
        assert_eq!(
            wrong(&[&silent]).unwrap(),
            "silent does not tell its version, so virtme-ng does not take it"
        );
    }
}
