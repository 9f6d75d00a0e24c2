//! The configurations that a series is built in. Pure.

use crate::error::{Error, Result};
use crate::series::subject::is_mptcp;
use std::fmt;

/// A configuration: the smallest kernel, with the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(clippy::struct_excessive_bools, reason = "they are the axes of a matrix")]
pub struct Config {
    /// For 32 bits.
    pub i386: bool,
    /// With IPv6.
    pub ipv6: bool,
    /// With MPTCP.
    pub mptcp: bool,
    /// With LLVM instead of GCC.
    pub clang: bool,
}

/// What makes the kernel small, and what is only there for something else: `SYSCTL` and `TRACEPOINTS` have no prompt, and
/// are selected by `PROC_SYSCTL`, and by a tracer.
const MEANS: &str = "\
CONFIG_EXPERT=y
CONFIG_CC_OPTIMIZE_FOR_SIZE=y
CONFIG_SLUB=y
CONFIG_SLUB_TINY=y
CONFIG_PROC_SYSCTL=y
CONFIG_FTRACE=y
CONFIG_ENABLE_DEFAULT_TRACERS=y
";

/// What every one of them has: all that lets more of net/mptcp and of what calls it be compiled, and shows more. From
/// `MODULES` on it is what the action of MPTCP's maintainers sets: net/mptcp/bpf.c has parts for `BPF_JIT` only, trace events
/// are code only with `TRACEPOINTS`, `UAPI_HEADER_TEST` compiles each exported header alone, and `FRAME_WARN` is the same
/// for 32 bits.
const COMMON: &str = "\
CONFIG_PRINTK=y
CONFIG_BUG=y
CONFIG_PROC_FS=y
CONFIG_SYSCTL=y
CONFIG_BPF_SYSCALL=y
CONFIG_KUNIT=y
CONFIG_NET=y
CONFIG_INET=y
CONFIG_INET_DIAG=y
CONFIG_SYN_COOKIES=y
CONFIG_MODULES=y
CONFIG_BPF_JIT=y
CONFIG_TRACEPOINTS=y
CONFIG_HEADERS_INSTALL=y
CONFIG_UAPI_HEADER_TEST=y
CONFIG_FRAME_WARN=2048
";

impl Config {
    /// All of them, the one that finds most first.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (i386, ipv6, mptcp) in [
            (false, true, true),
            (true, true, true),
            (false, false, true),
            (true, false, true),
            (false, true, false),
            (true, true, false),
            (false, false, false),
            (true, false, false),
        ] {
            all.push(Self { i386, ipv6, mptcp, clang: false });
        }
        all.insert(1, Self { i386: false, ipv6: true, mptcp: true, clang: true });
        all
    }

    /// The one of this name; an error with all names if there is none.
    pub fn named(name: &str) -> Result<Self> {
        let known = Self::all().into_iter().find(|config| config.to_string() == name);
        known.ok_or_else(|| {
            let names: Vec<String> = Self::all().iter().map(ToString::to_string).collect();
            Error::usage(format!("there is no configuration {name:?}"))
                .hint(format!("choose from: {}", names.join(", ")))
        })
    }

    /// Those in which a change of these files can make a difference.
    pub fn needed<'a>(files: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let built: Vec<&str> = files.into_iter().filter(|file| is_built(file)).collect();
        // net/Makefile enters net/mptcp/ only with CONFIG_MPTCP, and nobody outside includes its headers.
        let only_within = built.iter().all(|file| is_private(file));
        Self::all().into_iter().filter(|config| !built.is_empty() && (config.mptcp || !only_within)).collect()
    }

    /// Its fragment, on top of everything off.
    pub fn fragment(self) -> String {
        MEANS.to_owned() + &self.wanted()
    }

    /// What it is made for, as lines of a `.config`.
    fn wanted(self) -> String {
        let yes = |symbol: &str, on: bool| {
            if on { format!("CONFIG_{symbol}=y\n") } else { format!("# CONFIG_{symbol} is not set\n") }
        };
        let mut text = COMMON.to_owned();
        text += &yes("64BIT", !self.i386);
        text += &yes("IPV6", self.ipv6);
        text += &yes("MPTCP", self.mptcp);
        if self.mptcp {
            text += &yes("MPTCP_IPV6", self.ipv6);
            text += &yes("INET_MPTCP_DIAG", true);
            text += &yes("MPTCP_KUNIT_TEST", true);
        }
        text
    }

    /// Lines that its `.config` must have, or it is not what it says.
    pub fn must_have(self) -> Vec<String> {
        let mut lines = vec!["CONFIG_INET=y".to_owned()];
        lines.extend(self.ipv6.then(|| "CONFIG_IPV6=y".to_owned()));
        lines.extend(self.mptcp.then(|| "CONFIG_MPTCP=y".to_owned()));
        lines
    }

    /// What it is made for and a `.config` does not have: the tree has no such symbol, or something that it depends on is
    /// missing.
    pub fn lacking(self, dot_config: &str) -> Vec<String> {
        let has = |wanted: &str| match wanted.strip_prefix("# ").and_then(|line| line.split_once(' ')) {
            Some((symbol, _)) => !dot_config
                .lines()
                .any(|line| line.strip_prefix(symbol).is_some_and(|rest| rest.starts_with('='))),
            None => dot_config.lines().any(|line| line == wanted),
        };
        self.wanted().lines().filter(|line| !has(line)).map(str::to_owned).collect()
    }

    /// False for what lies in a directory that it leaves out, or takes little of.
    pub fn enters(self, path: &str) -> bool {
        (self.mptcp || !path.starts_with("net/mptcp/")) && (self.ipv6 || !path.starts_with("net/ipv6/"))
    }

    /// make's `ARCH`.
    pub fn arch(self) -> &'static str {
        if self.i386 { "i386" } else { "x86_64" }
    }

    /// The compiler.
    pub fn compiler(self) -> &'static str {
        if self.clang { "clang" } else { "gcc" }
    }
}

/// Its name, which is also that of its build directory.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ipv6 = if self.ipv6 { "ipv6" } else { "noipv6" };
        let mptcp = if self.mptcp { "mptcp" } else { "nomptcp" };
        let clang = if self.clang { "-clang" } else { "" };
        f.pad(&format!("{}-{ipv6}-{mptcp}{clang}", self.arch()))
    }
}

/// What is read only where MPTCP is on. Its Kconfig is read everywhere.
fn is_private(file: &str) -> bool {
    file.starts_with("net/mptcp/") && !file.ends_with("/Kconfig") || file == "include/trace/events/mptcp.h"
}

/// False for what no kernel is built from.
pub fn is_built(file: &str) -> bool {
    let apart = ["tools/", "Documentation/", "scripts/", "samples/", "MAINTAINERS", "LICENSES/", "."];
    let name = file.rsplit('/').next().unwrap_or(file);
    let kind = [".c", ".h", ".S", ".lds"].iter().any(|ending| name.ends_with(ending));
    let kbuild = name.starts_with("Kconfig") || name.starts_with("Makefile") || name == "Kbuild";
    !apart.iter().any(|prefix| file.starts_with(prefix)) && (kind || kbuild)
}

/// True for a header.
pub fn is_header(file: &str) -> bool {
    std::path::Path::new(file).extension().is_some_and(|ending| ending == "h")
}

/// True if the selftests of MPTCP are built from this file.
pub fn is_selftest(file: &str) -> bool {
    let built = [".c", ".h", "Makefile"].iter().any(|ending| file.ends_with(ending));
    let header = is_mptcp(file) && file.starts_with("include/uapi/");
    built && file.starts_with("tools/testing/selftests/net/mptcp/") || header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_file_can_affect_is_built() {
        let names = |files: &[&str]| {
            let configs = Config::needed(files.iter().copied());
            configs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        insta::assert_snapshot!(names(&["net/mptcp/pm.c"]), @"x86_64-ipv6-mptcp x86_64-ipv6-mptcp-clang i386-ipv6-mptcp x86_64-noipv6-mptcp i386-noipv6-mptcp");
        assert_eq!(Config::needed(["net/mptcp/pm.c", "net/ipv4/tcp.c"]), Config::all());
        assert_eq!(Config::needed(["include/net/mptcp.h"]).len(), 9);
        assert_eq!(Config::needed(["net/mptcp/Kconfig"]).len(), 9);
        assert_eq!(names(&["tools/testing/selftests/net/mptcp/diag.sh", "Documentation/x.rst"]), "");
        assert!(is_selftest("tools/testing/selftests/net/mptcp/mptcp_inq.c"));
        assert!(!is_selftest("tools/testing/selftests/net/mptcp/diag.sh"));
    }

    #[test]
    fn a_fragment_says_both_what_is_on_and_what_is_off() {
        let config = Config { i386: true, ipv6: false, mptcp: true, clang: false };
        let fragment = config.fragment();
        for line in ["# CONFIG_64BIT is not set", "# CONFIG_IPV6 is not set", "CONFIG_MPTCP=y"] {
            assert!(fragment.lines().any(|found| found == line), "{line}");
        }
        assert_eq!(config.must_have(), ["CONFIG_INET=y", "CONFIG_MPTCP=y"]);
    }

    #[test]
    fn what_a_configuration_is_made_for_is_looked_for_in_what_came_of_it() {
        for config in Config::all() {
            let all = config.fragment();
            assert_eq!(config.lacking(&all), Vec::<String>::new());
            for line in ["CONFIG_BPF_JIT=y", "CONFIG_UAPI_HEADER_TEST=y", "CONFIG_FRAME_WARN=2048"] {
                assert_eq!(config.lacking(&all.replace(&format!("{line}\n"), "")), [line]);
            }
            assert_eq!(config.lacking(&all.replace("WARN=2048", "WARN=1024")), ["CONFIG_FRAME_WARN=2048"]);
            assert_eq!(config.lacking(&all.replace("CONFIG_SLUB_TINY=y\n", "")), Vec::<String>::new());
        }
        let config = Config { i386: false, ipv6: false, mptcp: true, clang: false };
        let other = config.fragment() + "CONFIG_IPV6=y\n";
        assert_eq!(config.lacking(&other), ["# CONFIG_IPV6 is not set"]);
    }
}
