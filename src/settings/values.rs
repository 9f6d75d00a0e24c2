//! The types of single values.

use serde::{Deserialize, Deserializer};
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// An enum that is written as one of a closed set of words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        pub enum $name {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word, in the order of the documentation.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// Every word, and what it means, in one line.
            pub const MEANINGS: &'static [(&'static str, &'static str)] = &[$(($word, concat!($($doc),+))),+];

            /// The word that stands for this value in files and on the command line.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// Which kind of kernel is built.
    Variant {
        /// As users run it.
        Normal = "normal",
        /// With lockdep, KASAN, kmemleak and other run-time checks.
        Debug = "debug",
        /// With BTF, for BPF programs.
        Btf = "btf",
        /// With both.
        DebugBtf = "debug-btf",
    }
}

words! {
    /// When compilations go through ccache.
    Ccache {
        /// When it is installed.
        Auto = "auto",
        /// Always; it is an error if it is missing.
        Always = "always",
        /// Never.
        Never = "never",
    }
}

words! {
    /// What the guest's CPU runs on.
    Accelerator {
        /// KVM if a kernel boots under it, else TCG.
        Auto = "auto",
        /// The host's CPU.
        Kvm = "kvm",
        /// Emulation.
        Tcg = "tcg",
    }
}

words! {
    /// How guests see the host's files.
    Filesystem {
        /// By virtiofs where it can be had and nobody changes the files meanwhile, else by 9p.
        Auto = "auto",
        /// By QEMU's own server.
        NineP = "9p",
        /// By virtiofsd, which is faster.
        Virtiofs = "virtiofs",
    }
}

words! {
    /// What becomes of a guest whose kernel printed a splat.
    AfterSplat {
        /// Another takes its place before the next test.
        Replace = "replace",
        /// The tests go on in it.
        Keep = "keep",
    }
}

words! {
    /// What a splat means that comes while a guest boots.
    BootSplat {
        /// It is a notice.
        Note = "note",
        /// It stands against the run, as one in a test does.
        Fail = "fail",
    }
}

words! {
    /// Whether the tests are told that the machine is slow.
    Slow {
        /// Under emulation or with a debug kernel.
        Auto = "auto",
        /// They are.
        Yes = "yes",
        /// They are not.
        No = "no",
    }
}

words! {
    /// How the time of guests passes.
    GuestTime {
        /// Virtual for tests on user-mode Linux, else real.
        Auto = "auto",
        /// Computing takes none, and waiting is over at once.
        Virtual = "virtual",
        /// As the host's.
        Real = "real",
    }
}

words! {
    /// What of the links that a test emulates is drawn by the seed.
    Vary {
        /// 1 to 30 ms more, for each interface.
        Delay = "delay",
        /// 1 to 50 ms more, the same for all interfaces.
        Rtt = "rtt",
        /// 0.1 to 2 % of the packets, for each interface.
        Loss = "loss",
        /// 1 to 25 % of the packets that overtake others, for each interface.
        Order = "order",
    }
}

/// What the kernel's configuration starts from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Base {
    /// `allnoconfig`.
    Minimal,
    /// `defconfig`.
    Defconfig,
    /// The `.config` that is in the build directory.
    Existing,
    /// This file.
    File(PathBuf),
}

impl Base {
    /// The bases that are not a file.
    pub const WORDS: &'static [&'static str] = &["minimal", "defconfig", "existing"];
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minimal => f.write_str("minimal"),
            Self::Defconfig => f.write_str("defconfig"),
            Self::Existing => f.write_str("existing"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl From<String> for Base {
    fn from(text: String) -> Self {
        match text.as_str() {
            "minimal" => Self::Minimal,
            "defconfig" => Self::Defconfig,
            "existing" => Self::Existing,
            _ => Self::File(PathBuf::from(text)),
        }
    }
}

/// The root filesystem of guests.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Root {
    /// This directory; `/` is the host's own.
    Dir(PathBuf),
    /// The image of this name.
    Image(String),
}

impl From<String> for Root {
    fn from(text: String) -> Self {
        if text.contains('/') { Self::Dir(text.into()) } else { Self::Image(text) }
    }
}

/// A value that vmptcp chooses unless it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auto<T> {
    /// `"auto"`.
    Auto,
    /// This value, whatever vmptcp would choose.
    Given(T),
}

impl<T> Auto<T> {
    /// The given value, or else what `choose` returns.
    pub fn unwrap_or_else(self, choose: impl FnOnce() -> T) -> T {
        match self {
            Self::Auto => choose(),
            Self::Given(value) => value,
        }
    }

    /// The given value as another one.
    pub fn map<U>(self, as_other: impl FnOnce(T) -> U) -> Auto<U> {
        match self {
            Self::Auto => Auto::Auto,
            Self::Given(value) => Auto::Given(as_other(value)),
        }
    }
}

/// Nothing given is for vmptcp to choose.
impl<T> From<Option<T>> for Auto<T> {
    fn from(given: Option<T>) -> Self {
        given.map_or(Self::Auto, Self::Given)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Auto<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        if value.as_str() == Some("auto") {
            return Ok(Self::Auto);
        }
        T::deserialize(value).map(Self::Given).map_err(serde::de::Error::custom)
    }
}

/// A number of bytes, written as a whole number with K, M, G or T (powers of 1024): `512M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(u64);

/// The units of a [`Size`], the largest first, in bytes.
const UNITS: [(char, u64); 4] = [('T', 1 << 40), ('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)];

impl Size {
    /// `count` mebibytes.
    pub const fn from_mib(count: u32) -> Self {
        Self((count as u64) << 20)
    }

    /// In bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// In mebibytes, rounded down.
    pub fn mib(self) -> u64 {
        self.0 >> 20
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected a size such as 512M or 2G".to_owned();
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
            "K" | "KB" | "KIB" => 'K',
            "M" | "MB" | "MIB" => 'M',
            "G" | "GB" | "GIB" => 'G',
            "T" | "TB" | "TIB" => 'T',
            _ => return Err(expected()),
        };
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map_or(1, |(_, factor)| *factor);
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(expected());
        }
        let count: u64 = digits.parse().map_err(|_| expected())?;
        count.checked_mul(factor).map(Self).ok_or_else(expected)
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = UNITS.iter().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor));
        match exact {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}K", self.0.div_ceil(1 << 10)),
        }
    }
}

/// Whole seconds, or `"auto"`.
pub(super) fn auto_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Auto<Duration>, D::Error> {
    Ok(match Auto::<NonZeroU32>::deserialize(from)? {
        Auto::Auto => Auto::Auto,
        Auto::Given(seconds) => Auto::Given(Duration::from_secs(seconds.get().into())),
    })
}

/// A number of which 0 stands for "no particular one".
pub(super) fn zero_is_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NonZeroU32>, D::Error> {
    u32::deserialize(from).map(NonZeroU32::new)
}

/// A path that is none if it is empty.
pub(super) fn empty_is_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(from)?;
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        let bytes = |text: &str| text.parse::<Size>().map(Size::bytes);
        assert_eq!(bytes("1G"), Ok(1 << 30));
        assert_eq!(bytes("1536MiB"), Ok(1536 << 20));
        assert_eq!(bytes("64k"), Ok(64 << 10));
        for bad in
            ["", "G", "1", "1024", "-1G", "+1G", "1.5G", "1 G", "1P", "1Gx", "99999999999T", "١G", "1G\0"]
        {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_print_as_they_are_written() {
        for text in ["1G", "1536M", "4T", "3K"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        assert_eq!(Size::from_mib(2048).to_string(), "2G");
        assert_eq!(Size::from_mib(2048).mib(), 2048);
    }

    #[test]
    fn a_given_value_beats_the_choice() {
        assert_eq!(Auto::Given(3).unwrap_or_else(|| 4), 3);
        assert_eq!(Auto::Auto.unwrap_or_else(|| 4), 4);
    }
}
