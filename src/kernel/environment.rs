//! What make gets of the environment that vmptcp was started in.
//!
//! make takes every variable of its environment for one of its own, and kbuild asks for some by name. Those that the kernel's
//! documents offer for a build (`Documentation/kbuild/kbuild.rst`) are kept. Those that would make it another kernel
//! than vmptcp says are refused, by name. The rest, which make or kbuild would take silently, are hidden.

use crate::error::{Error, Result};
use crate::process::Cmd;
use crate::text::{Shown, decode};
use kconfig::lang::Architecture;
use std::ffi::OsStr;

/// Kept: they change what is built, as somebody who sets them wants.
const KEPT: &[&str] = &[
    "HOSTCFLAGS",
    "HOSTCXXFLAGS",
    "HOSTLDFLAGS",
    "HOSTLDLIBS",
    "KAFLAGS",
    "KBUILD_BUILD_HOST",
    "KBUILD_BUILD_TIMESTAMP",
    "KBUILD_BUILD_USER",
    "KBUILD_BUILD_VERSION",
    "KCFLAGS",
    "KCPPFLAGS",
    "KRUSTFLAGS",
    "LLVM_IAS",
    "LOCALVERSION",
    "USERCFLAGS",
    "USERLDFLAGS",
];

/// Hidden, by name: make's own, tools that the kernel's Makefile names itself and the selftests' does not, what is given on
/// the command line, and what vmptcp has settings for.
const HIDDEN: &[&str] = &[
    "AFLAGS_KERNEL",
    "AFLAGS_MODULE",
    "AR",
    "ARCH",
    "AS",
    "ASFLAGS",
    "BINDGEN",
    "C",
    "CC",
    "CF",
    "CFLAGS",
    "CFLAGS_GCOV",
    "CFLAGS_KERNEL",
    "CFLAGS_MODULE",
    "CHECK",
    "CPP",
    "CPPFLAGS",
    "CROSS_COMPILE",
    "CXX",
    "CXXFLAGS",
    "FORCE_TARGETS",
    "GNUMAKEFLAGS",
    "HOSTAR",
    "HOSTCC",
    "HOSTCXX",
    "HOSTLD",
    "HOSTRUSTC",
    "KERNELRELEASE",
    "KERNELVERSION",
    "KSFT_INSTALL_PATH",
    "LD",
    "LDFLAGS",
    "LDFLAGS_MODULE",
    "LDFLAGS_vmlinux",
    "LDLIBS",
    "LLVM",
    "M",
    "MAKEFILES",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "MFLAGS",
    "NM",
    "O",
    "OBJCOPY",
    "OBJDUMP",
    "PAHOLE",
    "READELF",
    "RUSTC",
    "SKIP_TARGETS",
    "SRCARCH",
    "STRIP",
    "SUBARCH",
    "TARGETS",
    "V",
    "W",
];

/// Hidden, by how their names begin.
const HIDDEN_FAMILIES: &[&str] = &[
    "CONFIG_",
    "GCOV_PROFILE",
    "INSTALL_",
    "KASAN_SANITIZE",
    "KBUILD_",
    "KCONFIG_",
    "KCOV_INSTRUMENT",
    "KCSAN_SANITIZE",
    "UBSAN_SANITIZE",
];

/// What make gets of the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MakeEnvironment {
    /// Variables that change what is built, with their values.
    pub kept: Vec<(String, String)>,
    /// Variables that are set, and that make must not see.
    pub hidden: Vec<String>,
}

impl MakeEnvironment {
    /// What make gets of these variables. Fails with a usage error that names the first one that would build another kernel
    /// than vmptcp says.
    pub fn of<'v>(variables: impl IntoIterator<Item = (&'v OsStr, &'v OsStr)>) -> Result<Self> {
        let mut environment = Self::default();
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            let hidden =
                HIDDEN.contains(&name) || HIDDEN_FAMILIES.iter().any(|family| name.starts_with(family));
            if KEPT.contains(&name) {
                let value = value.to_str().ok_or_else(|| {
                    Error::usage(format!("{name} in the environment is not UTF-8"))
                        .hint(format!("set it to text, or: unset {name}"))
                })?;
                environment.kept.push((name.to_owned(), value.to_owned()));
            } else if hidden {
                environment.hidden.push(name.to_owned());
            }
            refuse(name, &decode(value.as_encoded_bytes()))?;
        }
        Ok(environment)
    }

    /// The names of all variables that would change a build.
    pub fn names(self) -> Vec<String> {
        self.kept.into_iter().map(|(name, _)| name).chain(self.hidden).collect()
    }

    /// A command without what make must not see.
    #[must_use]
    pub fn on(&self, cmd: Cmd) -> Cmd {
        self.hidden.iter().fold(cmd, Cmd::env_remove)
    }
}

/// Fails if this variable means another kernel than vmptcp builds.
fn refuse(name: &str, value: &str) -> Result<()> {
    let (why, remedy) = match name {
        "ARCH" if is_this_machine(value) => return Ok(()),
        "ARCH" if value == "um" => (
            "user-mode Linux is a variant of the kernel".to_owned(),
            Some("unset ARCH, and give --uml to the command"),
        ),
        "ARCH" => {
            let machine = crate::arch::host().name;
            (format!("the guests are of this machine's architecture, {machine}"), None)
        }
        "CROSS_COMPILE" => ("vmptcp builds with this machine's own compiler".to_owned(), None),
        // Elsewhere it is the setting kernel.clang.
        "LLVM" if value == "1" => return Ok(()),
        "LLVM" => {
            let remedy = "put that clang first in PATH and set LLVM=1, or: unset LLVM";
            ("vmptcp takes the clang that is first in PATH".to_owned(), Some(remedy))
        }
        "MAKEFLAGS" | "GNUMAKEFLAGS" => match meant_flag(value) {
            None => return Ok(()),
            Some(flag) => (format!("vmptcp does not pass {flag:?} on to make"), None),
        },
        "LOCALVERSION" => match check_localversion(value) {
            Ok(()) => return Ok(()),
            Err(why) => (why, None),
        },
        _ => return Ok(()),
    };
    let remedy = remedy.map_or_else(|| format!("unset {name}"), str::to_owned);
    let value = Shown::line(value);
    Err(Error::usage(format!("{name}={value} is set in the environment: {why}")).hint(remedy))
}

/// True if a build for this `ARCH` is one for this machine, with 64 bits where it has them.
fn is_this_machine(arch: &str) -> bool {
    let (own, given) = (Architecture::of_build([]), format!("ARCH={arch}"));
    arch == own.arch || (arch != "i386" && Architecture::of_build([given.as_str()]).srcarch == own.srcarch)
}

/// The first word of make's flags that somebody may have meant, and that vmptcp does not honour: a variable, a file, a dry
/// run. Of the others, how many jobs there are is a setting, and how make prints is vmptcp's.
fn meant_flag(flags: &str) -> Option<&str> {
    const LONG: [&str; 12] = [
        "--jobserver-",
        "--jobs",
        "--load-average",
        "--max-load",
        "--no-print-directory",
        "--print-directory",
        "--silent",
        "--quiet",
        "--keep-going",
        "--output-sync",
        "--no-builtin-",
        "--sync-output",
    ];
    flags.split_ascii_whitespace().enumerate().find_map(|(place, word)| {
        let harmless = if word.starts_with("--") {
            word == "--" || LONG.iter().any(|known| word.starts_with(known))
        } else if let Some((name, _)) = word.split_once('=').filter(|_| !word.starts_with('-')) {
            matches!(name, "V" | "KBUILD_VERBOSE")
        } else if let Some(letters) = word.strip_prefix('-') {
            harmless_letters(letters)
        } else {
            // make writes its own letters without a dash; a number belongs to the -j or -l before it.
            word.bytes().all(|byte| byte.is_ascii_digit()) || (place == 0 && harmless_letters(word))
        };
        (!harmless).then_some(word)
    })
}

fn harmless_letters(letters: &str) -> bool {
    // What follows j, l and O is their argument.
    let end = letters.find(['j', 'l', 'O']).unwrap_or(letters.len());
    letters[..end].chars().all(|letter| "kswSrR".contains(letter))
}

/// What is wrong with a part of the kernel's version, which is a name of a directory and a word of a shell.
pub fn check_localversion(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+~:@,=%^".contains(c);
    match text.chars().find(|c| !plain(*c)) {
        None => Ok(()),
        Some(c) if c.is_whitespace() => Err("a kernel's version has no blanks".to_owned()),
        Some(c) => Err(format!("a kernel's version has no {c:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<MakeEnvironment> {
        MakeEnvironment::of(variables.iter().map(|(name, value)| (OsStr::new(*name), OsStr::new(*value))))
    }

    #[test]
    fn what_changes_a_build_on_purpose_is_kept_and_what_does_by_chance_is_hidden() {
        let given = [
            ("KCFLAGS", "-O1 -g"),
            ("KBUILD_BUILD_USER", "ci"),
            ("LOCALVERSION", "-mine.1"),
            ("KBUILD_OUTPUT", "/elsewhere"),
            ("KCONFIG_ALLCONFIG", "1"),
            ("CONFIG_MPTCP", "n"),
            ("CFLAGS", "-m32"),
            ("LLVM", "1"),
            ("W", "1"),
            ("MAKEFLAGS", "kw -j8 --jobserver-auth=3,4 -- V=1"),
            ("HOME", "/root"),
            ("CCACHE_DIR", "/c"),
            ("OPTS", "x"),
        ];
        let environment = of(&given).unwrap();
        assert_eq!(environment.kept.len(), 3);
        assert_eq!(
            environment.hidden,
            ["KBUILD_OUTPUT", "KCONFIG_ALLCONFIG", "CONFIG_MPTCP", "CFLAGS", "LLVM", "W", "MAKEFLAGS"]
        );
        let cmd = MakeEnvironment { hidden: vec!["W".into(), "O".into()], ..Default::default() };
        assert_eq!(cmd.on(Cmd::new("make").env("A", "b")).to_string(), "A=b env -u W -u O make");
    }

    #[test]
    fn what_would_build_another_kernel_is_refused_by_name() {
        let foreign = if std::env::consts::ARCH == "x86_64" { "arm64" } else { "x86_64" };
        for (name, value) in [
            ("ARCH", foreign),
            ("ARCH", "i386"),
            ("ARCH", "um"),
            ("CROSS_COMPILE", "aarch64-linux-gnu-"),
            ("LLVM", "-15"),
            ("LLVM", "0"),
            ("LLVM", "/opt/llvm/bin/"),
            ("MAKEFLAGS", "n"),
            ("MAKEFLAGS", "-j8 -B"),
            ("MAKEFLAGS", "-j8 -- ARCH=arm64"),
            ("MAKEFLAGS", "--dry-run"),
            ("GNUMAKEFLAGS", "-ffile"),
            ("LOCALVERSION", "-a b"),
            ("LOCALVERSION", "$(id)"),
        ] {
            let error = of(&[(name, value)]).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("{name}={value} is set in the environment: ")),
                "{error}"
            );
            assert!(error.remedy().unwrap().contains(&format!("unset {name}")), "{error}");
        }
    }

    #[test]
    fn what_says_no_more_than_vmptcp_does_is_fine() {
        let own = Architecture::of_build([]).arch;
        for (name, value) in [
            ("ARCH", own.as_str()),
            ("ARCH", if own == "x86" { "x86_64" } else { &own }),
            ("MAKEFLAGS", "-j 8 -l4"),
            ("MAKEFLAGS", " -j8 --jobserver-auth=fifo:/tmp/x"),
            ("MAKEFLAGS", "rR --no-print-directory"),
            ("GNUMAKEFLAGS", "-Otarget"),
        ] {
            assert!(of(&[(name, value)]).is_ok(), "{name}={value}");
        }
    }
}
