//! The variants in which a kernel is built, and what each one changes.

use crate::error::{Error, Result};
use std::fmt;

/// What a kernel is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Flavour {
    /// As fast as it gets.
    #[default]
    Normal,
    /// With the checkers: KASAN, lockdep, kmemleak and the like. Slow.
    Debug,
    /// With BPF type information, for BPF programs that follow the kernel's types.
    Btf,
    /// With both.
    DebugBtf,
}

impl Flavour {
    /// The name.
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Debug => "debug",
            Self::Btf => "btf",
            Self::DebugBtf => "debug-btf",
        }
    }
}

/// A variant: a [`Flavour`] and its modifiers. Each has a build directory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Variant {
    /// What it is built for.
    pub flavour: Flavour,
    /// Counts which lines run.
    pub gcov: bool,
    /// Built with LLVM instead of GCC and binutils.
    pub clang: bool,
    /// Of the architecture `um`: user-mode Linux, whose kernel is a process of the host.
    pub uml: bool,
}

impl Variant {
    /// Reads a name as [`fmt::Display`] writes it: `normal`, `debug-clang`, `normal-gcov-uml`; a modifier alone modifies
    /// `normal`.
    pub fn parse(name: &str) -> Result<Self> {
        let mut variant = Self::default();
        for (at, word) in name.split('-').enumerate() {
            match (at, word) {
                (0, "normal") => {}
                (0, "debug") => variant.flavour = Flavour::Debug,
                (0, "btf") => variant.flavour = Flavour::Btf,
                (1, "btf") if variant.flavour == Flavour::Debug => variant.flavour = Flavour::DebugBtf,
                (_, "gcov") if !variant.gcov => variant.gcov = true,
                (_, "clang") if !variant.clang => variant.clang = true,
                (_, "uml") if !variant.uml => variant.uml = true,
                _ => {
                    return Err(Error::usage(format!(
                        "unknown variant {name:?}: say normal, debug, btf or debug-btf, then -gcov, -clang and -uml as needed, as in debug-clang"
                    )));
                }
            }
        }
        Ok(variant)
    }

    /// The fragments that it adds to the configuration, by name without `.config`, in order.
    pub fn fragments(self) -> Vec<&'static str> {
        let flavour: &[&str] = match self.flavour {
            Flavour::Normal => &[],
            Flavour::Debug => &["debug"],
            Flavour::Btf => &["btf"],
            Flavour::DebugBtf => &["debug", "btf"],
        };
        flavour.iter().copied().chain(self.gcov.then_some("gcov")).collect()
    }

    /// The variables that every call of make for the kernel needs, also those that configure: `LLVM=1` makes kconfig itself
    /// answer for another compiler.
    pub fn make_variables(self) -> Vec<&'static str> {
        self.uml.then_some("ARCH=um").into_iter().chain(self.user_variables()).collect()
    }

    /// The variables of make for what runs on a kernel, which has the architecture of the host.
    pub fn user_variables(self) -> Vec<&'static str> {
        if self.clang { vec!["LLVM=1"] } else { Vec::new() }
    }

    /// The compiler's command.
    pub fn compiler(self) -> &'static str {
        if self.clang { "clang" } else { "gcc" }
    }

    /// True if the kernel is so much slower that tests need more time and must be told so (`KSFT_MACHINE_SLOW`).
    pub fn is_slow(self) -> bool {
        matches!(self.flavour, Flavour::Debug | Flavour::DebugBtf) || self.gcov
    }
}

/// The name, which is also that of its build directory.
impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flavour = self.flavour.as_str();
        let gcov = if self.gcov { "-gcov" } else { "" };
        let clang = if self.clang { "-clang" } else { "" };
        let uml = if self.uml { "-uml" } else { "" };
        f.pad(&format!("{flavour}{gcov}{clang}{uml}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_reads_back_as_it_is_written() {
        for flavour in [Flavour::Normal, Flavour::Debug, Flavour::Btf, Flavour::DebugBtf] {
            for modifiers in 0..8 {
                let [gcov, clang, uml] = [1, 2, 4].map(|bit| modifiers & bit != 0);
                let variant = Variant { flavour, gcov, clang, uml };
                assert_eq!(Variant::parse(&variant.to_string()).unwrap(), variant);
            }
        }
    }

    #[test]
    fn modifiers_come_in_any_order_and_alone() {
        assert_eq!(Variant::parse("debug-clang-gcov").unwrap().to_string(), "debug-gcov-clang");
        assert_eq!(Variant::parse("clang").unwrap().to_string(), "normal-clang");
        for wrong in [
            "",
            "fast",
            "debug-",
            "normal-debug",
            "normal-btf",
            "btf-debug",
            "gcov-gcov",
            "clang-debug",
            "../x",
        ] {
            assert!(Variant::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_variant_says_what_it_changes() {
        let variant = Variant::parse("debug-gcov-clang").unwrap();
        assert_eq!(variant.fragments(), ["debug", "gcov"]);
        assert_eq!(variant.make_variables(), ["LLVM=1"]);
        assert!(variant.is_slow());
        assert_eq!(Variant::default().fragments(), Vec::<&str>::new());
        let uml = Variant::parse("uml-clang").unwrap();
        assert_eq!(
            (uml.to_string().as_str(), uml.make_variables()),
            ("normal-clang-uml", vec!["ARCH=um", "LLVM=1"])
        );
        assert_eq!(uml.user_variables(), ["LLVM=1"], "what runs on it is of the host's architecture");
    }
}
