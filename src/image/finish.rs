//! What the packages' own scripts would have done and programs need: users, links, names of hosts, a record of the packages.

use super::recipe::Recipe;
use crate::error::{IoContext, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Files that packages have elsewhere.
const COPIES: [(&str, &str); 3] = [
    ("usr/share/base-passwd/passwd.master", "etc/passwd"),
    ("usr/share/base-passwd/group.master", "etc/group"),
    ("usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf"),
];

/// Files that nobody ships.
const FILES: [(&str, &str); 2] = [
    ("etc/hostname", "vmptcp\n"),
    ("etc/hosts", "127.0.0.1 localhost vmptcp\n::1 localhost ip6-localhost ip6-loopback\n"),
];

/// Where backends mount what a guest has of its own, and what it sees of the host.
const DIRS: [&str; 8] = ["dev", "proc", "sys", "run", "tmp", "mnt", "root", "var/tmp"];

/// Makes a root of unpacked packages one that programs can live in.
pub(super) fn finish(root: &Path, recipe: &Recipe, packages: &BTreeMap<String, String>) -> Result<()> {
    for dir in DIRS.map(|dir| root.join(dir)) {
        fs::create_dir_all(&dir).doing("create", &dir)?;
    }
    let etc = root.join("etc");
    fs::create_dir_all(&etc).doing("create", &etc)?;
    for (from, to) in COPIES.map(|(from, to)| (root.join(from), root.join(to))) {
        if from.is_file() && !to.exists() {
            fs::copy(&from, &to).doing("create", &to)?;
        }
    }
    for (name, text) in FILES {
        write(&root.join(name), text)?;
    }
    for (name, target) in &recipe.links {
        let place = root.join(name);
        // A recipe says what a name is to mean, whatever a package says.
        let _ = fs::remove_file(&place);
        symlink(target, &place).doing("create", &place)?;
    }
    write(&root.join("var/lib/dpkg/status"), &status(packages))
}

/// Nobody else sees the root before it is whole.
fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).doing("create", dir)?;
    }
    fs::write(path, text).doing("write", path)
}

/// dpkg's own record: what is there, and that no script of it ran.
fn status(packages: &BTreeMap<String, String>) -> String {
    packages.iter().fold(String::new(), |mut text, (name, version)| {
        let _ = write!(text, "Package: {name}\nStatus: install ok unpacked\nVersion: {version}\n\n");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::root;

    #[test]
    fn a_root_gets_what_scripts_would_have_made() {
        let dir = tempfile::tempdir().unwrap();
        let master = dir.path().join("usr/share/base-passwd");
        fs::create_dir_all(&master).unwrap();
        fs::write(master.join("passwd.master"), "root:x:0:0::/root:/bin/bash\n").unwrap();
        for bin in ["usr/bin", "usr/sbin"] {
            fs::create_dir_all(dir.path().join(bin)).unwrap();
        }
        fs::write(dir.path().join("usr/sbin/iptables-nft"), "").unwrap();
        let packages = BTreeMap::from([("iproute2".to_owned(), "6.15.0-1".to_owned())]);
        finish(dir.path(), &Recipe::find("lean").unwrap(), &packages).unwrap();
        assert!(fs::read_to_string(dir.path().join("etc/passwd")).unwrap().starts_with("root:"));
        assert!(root::has_program(dir.path(), "iptables"));
        assert_eq!(root::packages(dir.path()), packages);
    }
}
