//! What make has to be asked for, so that all that a patch can affect is built, and little else. Pure.

use super::config::{Config, is_built};

/// Targets for make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    /// Objects of source files that are touched, as in `net/mptcp/pm.o`.
    pub objects: Vec<String>,
    /// Directories where a header, a Makefile or a Kconfig is touched, as in `net/mptcp/`.
    pub dirs: Vec<String>,
    /// A header is touched that anybody may include.
    pub everything: bool,
    /// The headers that are touched.
    pub headers: Vec<String>,
}

impl Targets {
    /// True if there is nothing to build.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.dirs.is_empty() && !self.everything
    }

    /// The same in a configuration. Where it leaves a directory out, make compiles a single object all the same; asked for
    /// the directory, it makes what is still needed of it.
    #[must_use]
    pub fn within(&self, config: Config) -> Self {
        self.by_directory(|object| !config.enters(object))
    }

    /// The same, with the directories of the objects instead of these.
    #[must_use]
    pub fn as_dirs(&self) -> Self {
        self.by_directory(|_| true)
    }

    fn by_directory(&self, left: impl Fn(&str) -> bool) -> Self {
        let mut targets = self.clone();
        let (left, kept): (Vec<_>, Vec<_>) = targets.objects.drain(..).partition(|object| left(object));
        targets.objects = kept;
        targets.dirs.extend(left.iter().map(|object| parent(object).to_owned()));
        targets.settled()
    }

    /// As make's arguments. `everything` is make's word for all objects.
    pub fn arguments(&self, everything: &str) -> Vec<String> {
        if self.everything {
            return vec![everything.to_owned()];
        }
        let covered = |object: &&String| !self.dirs.iter().any(|dir| parent(object) == dir);
        self.dirs.iter().chain(self.objects.iter().filter(covered)).cloned().collect()
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.objects.extend(other.objects.iter().cloned());
        self.dirs.extend(other.dirs.iter().cloned());
        self.headers.extend(other.headers.iter().cloned());
        self.everything |= other.everything;
        self.settled()
    }

    fn settled(mut self) -> Self {
        for list in [&mut self.objects, &mut self.dirs, &mut self.headers] {
            list.sort();
            list.dedup();
        }
        self
    }
}

/// The path of a source file without its ending; none for another file.
pub fn stem(file: &str) -> Option<&str> {
    file.strip_suffix(".c").or(file.strip_suffix(".S"))
}

/// What the users of a file that is gone can be found by: they are beside a source file, and anywhere for a header.
pub fn users(gone: &str) -> String {
    if stem(gone).is_some() { format!("{}Makefile", parent(gone)) } else { gone.to_owned() }
}

/// The directory of a path, with its slash.
pub(super) fn parent(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..=at])
}

/// What these files, all of which are there after the patch, can affect.
pub fn targets<'a>(files: impl IntoIterator<Item = &'a str>) -> Targets {
    let mut targets = Targets::default();
    for file in files.into_iter().filter(|file| is_built(file)) {
        if let Some(stem) = stem(file) {
            targets.objects.push(format!("{stem}.o"));
        } else if file.starts_with("include/") || file.contains("/include/") || parent(file).is_empty() {
            targets.everything = true;
            targets.headers.push(file.to_owned());
        } else {
            targets.dirs.push(parent(file).to_owned());
            if super::config::is_header(file) {
                targets.headers.push(file.to_owned());
            }
        }
    }
    targets.settled()
}

/// The objects whose dependencies, as kbuild wrote them into `.x.o.cmd`, have one of these headers.
pub fn includes(cmd: &str, headers: &[String]) -> bool {
    cmd.lines().any(|line| {
        let word = line.trim_end_matches([' ', '\\']).trim();
        headers.iter().any(|header| {
            word == header || word.strip_suffix(header.as_str()).is_some_and(|rest| rest.ends_with('/'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_file_is_its_object_and_a_header_all_that_may_include_it() {
        let asked = |files: &[&str]| targets(files.iter().copied()).arguments("vmlinux_o").join(" ");
        assert_eq!(asked(&["net/mptcp/pm.c", "net/ipv4/tcp.c"]), "net/ipv4/tcp.o net/mptcp/pm.o");
        assert_eq!(asked(&["net/mptcp/pm.c", "net/mptcp/protocol.h"]), "net/mptcp/");
        assert_eq!(asked(&["net/mptcp/Kconfig", "net/ipv4/tcp.c"]), "net/mptcp/ net/ipv4/tcp.o");
        assert_eq!(asked(&["net/mptcp/pm.c", "include/net/mptcp.h"]), "vmlinux_o");
        assert_eq!(asked(&["Makefile"]), "vmlinux_o");
        let in_config = |files: &[&str], ipv6: bool, mptcp: bool| {
            let config = Config { i386: false, ipv6, mptcp, clang: false };
            targets(files.iter().copied()).within(config).arguments("vmlinux_o").join(" ")
        };
        let both = ["net/mptcp/pm.c", "net/ipv6/tcp_ipv6.c"];
        assert_eq!(in_config(&both, true, true), "net/ipv6/tcp_ipv6.o net/mptcp/pm.o");
        assert_eq!(in_config(&both, false, true), "net/ipv6/ net/mptcp/pm.o");
        assert_eq!(in_config(&both, true, false), "net/mptcp/ net/ipv6/tcp_ipv6.o");
        assert_eq!(targets(both).as_dirs().arguments("vmlinux_o"), ["net/ipv6/", "net/mptcp/"]);
        assert!(targets(["tools/x.c", "Documentation/y.rst"]).is_empty());
    }

    #[test]
    fn dependencies_are_read_from_kbuilds_own_files() {
        let cmd = "deps_net/mptcp/pm.o := \\\n  ../tree/net/mptcp/protocol.h \\\n  $(wildcard include/config/X) \\\n";
        assert!(includes(cmd, &["net/mptcp/protocol.h".to_owned()]));
        assert!(!includes(cmd, &["mptcp/protocol.c".to_owned(), "tocol.h".to_owned()]));
    }
}
