//! Every setting: the sections, and the open ones that the user names things in.
//!
//! A new setting is declared here, and used; nothing else has to know it.

use super::declare::Group::{Guest, Kernel as Build, Tests};
use super::declare::{Setting, section};
use super::shape::Shape::{
    Argument, AutoMemory, AutoSeconds, Base as ABase, Bool, KnownFlakes, Number, OptionalPath, Paths,
    Repository, Root as ARoot, Symbols, Text, Texts, Variables, Word, Words,
};
use super::values::{
    Accelerator, AfterSplat, Auto, Base, BootSplat, Ccache, Filesystem, GuestTime, Root, Size, Slow, Variant,
    Vary, auto_seconds, empty_is_none, zero_is_none,
};
use crate::suite::sample::Declared;
use crate::topology::Topology;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// Every setting. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// `[kernel]`: what is built, and how.
    pub kernel: Kernel,
    /// `[source]`: where a kernel tree comes from.
    pub source: Source,
    /// `[vm]`: the guests.
    pub vm: Vm,
    /// `[image]`: root filesystems of vmptcp's own.
    pub image: Image,
    /// `[test]`: what runs in them.
    pub test: Test,
    /// `[packetdrill]`: where its tests come from, and how they run.
    pub packetdrill: Packetdrill,
    /// `[results]`: what is kept.
    pub results: Results,
    /// `[profile.NAME]`: named lists of tests.
    pub profile: BTreeMap<String, Profile>,
    /// `[topology.NAME]`: networks for programs to run in.
    pub topology: BTreeMap<String, Topology>,
    /// `[[sample]]`: programs to run in them.
    #[serde(default)]
    pub sample: Vec<Declared>,
}

/// `[profile.NAME]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Profile {
    /// For people; may be empty.
    #[serde(default)]
    pub description: String,
    /// Patterns, at least one, as `vmptcp test` takes them.
    pub tests: Vec<String>,
}

section! {
    /// `[kernel]`: what is built, and how.
    kernel Kernel {
        /// The kernel tree. Empty: the current directory if it is a kernel tree, else the one that `vmptcp source`
        /// obtained. A tree's own vmptcp.toml cannot set this.
        tree: Option<PathBuf>, by "empty_is_none" = OptionalPath, r#""""#;
        /// Where everything is built and written. Empty: .vmptcp in the tree.
        work_dir: Option<PathBuf>, by "empty_is_none" = OptionalPath, r#""""#;
        /// What the configuration starts from: "minimal" (allnoconfig plus fragments), "defconfig", "existing" (the
        /// .config that is in the build directory), or the path of a configuration, with a slash in it:
        /// "./my.config".
        base: Base = ABase, r#""minimal""#,
            Build.value("base", "BASE",
                "What the configuration starts from: minimal, defconfig, existing, or a file with a slash in its path");
        /// "normal", "debug" (lockdep, KASAN, kmemleak and other checks; slow), "btf" (with BTF, for BPF programs), or "debug-btf".
        variant: Variant = Word(Variant::WORDS), r#""normal""#,
            Build.value("variant", "VARIANT", "The kernel to build; run and test take several, with commas between them, or all")
                .words(Variant::MEANINGS);
        /// Measure which lines of the kernel the tests reach.
        gcov: bool = Bool, "false", Build.switch("gcov", "Count which lines of the kernel run");
        /// Build with clang and the LLVM tools instead of gcc.
        clang: bool = Bool, "false", Build.switch("clang", "Build with LLVM");
        /// User-mode Linux: a kernel that is a process of the host. Needs no KVM, no
        /// QEMU and no virtme-ng, and computes in virtual time.
        uml: bool = Bool, "false",
            Build.switch("uml", "User-mode Linux: the kernel is a process of the host, and needs no KVM");
        /// Files with symbols to add to the configuration, in this order; or names of vmptcp's own: "tracing",
        /// "debuginfo", ....
        fragments: Vec<PathBuf> = Paths, "[]";
        /// Symbols to add after all fragments, in this order: "FOO=y", "FOO=n", "FOO=m", "FOO=123", "FOO=\"text\"".
        symbols: Vec<String> = Symbols, "[]";
        /// Another kernel tree, whose selftests run on this kernel: newer ones on a stable kernel, say. What that lacks,
        /// they skip. Empty: the kernel's own tree.
        selftests: Option<PathBuf>, by "empty_is_none" = OptionalPath, r#""""#,
            Build.value("selftests", "TREE", "Another kernel tree, whose selftests run on this kernel");
        /// Every requested symbol that does not take is an error, not only those that the tests need.
        strict: bool = Bool, "false",
            Build.switch("strict", "Make every symbol that did not take an error");
        /// Parallel compilations. 0: one for each core.
        jobs: Option<NonZeroU32>, by "zero_is_none" = Number { min: 0, max: 4096 }, "0",
            Build.value("jobs", "N", "How many jobs make may run at once [default: one a core]").short('j');
        /// "auto" (when it is installed), "always" or "never".
        ccache: Ccache = Word(Ccache::WORDS), r#""auto""#,
            Build.value("ccache", "WHEN", "Compile through ccache").words(Ccache::MEANINGS);
    }
}

section! {
    /// `[source]`: where a kernel tree comes from.
    source Source {
        /// The repository that `vmptcp source` clones when nothing else is asked for.
        url: String = Argument, r#""https://github.com/multipath-tcp/mptcp_net-next.git""#;
        /// Its branch.
        branch: String = Argument, r#""export""#;
    }
}

section! {
    /// `[vm]`: the guests.
    vm Vm {
        /// "kvm", "tcg" (emulation: slow, works everywhere), or "auto": kvm if a kernel boots under it.
        accelerator: Accelerator = Word(Accelerator::WORDS), r#""auto""#,
            Guest.value("accelerator", "ACCEL", "What runs the guest").words(Accelerator::MEANINGS);
        /// How many guests run tests side by side. 0: as many as the cores and the memory of the host carry.
        count: Option<NonZeroU32>, by "zero_is_none" = Number { min: 0, max: 1024 }, "0",
            Tests.count("vms", "How many guests run tests side by side [default: as many as the host carries]");
        /// Virtual CPUs of each guest. 0: chosen from the cores of the host.
        cpus: Option<NonZeroU32>, by "zero_is_none" = Number { min: 0, max: 1024 }, "0",
            Guest.value("cpus", "N", "Virtual CPUs of each guest [default: chosen from the host's cores]")
                .alias("cpus-per-vm");
        /// Memory of the guest, as in "512M" or "2G", or "auto": enough for the variant.
        memory: Auto<Size> = AutoMemory, r#""auto""#,
            Guest.value("memory", "SIZE", "Memory of each guest, such as 1G").alias("memory-per-vm");
        /// How long a guest may take until it answers: seconds, "90s", "5m", or "auto": by accelerator and variant.
        boot_timeout: Auto<Duration>, by "auto_seconds" = AutoSeconds, r#""auto""#,
            Guest.value("boot-timeout", "TIME", "How long the guest may take to come up: seconds, 90s, 5m");
        /// How many guests in a row are booted until one comes up, and does so without a splat. If the kernels of
        /// all of them printed one, tests run in the last, with a warning; if the last does not come up, the run
        /// ends.
        boots: NonZeroU32 = Number { min: 1, max: 100 }, "5";
        /// A splat while a guest boots, before any test: "note" (a notice in the report) or "fail" (it stands
        /// against the run, as one in a test does). Either way another guest takes its place.
        boot_splat: BootSplat = Word(BootSplat::WORDS), r#""note""#;
        /// A guest whose kernel printed a splat in a test: "replace" it before the next test, as lockdep is off
        /// after its first report and what warns once has warned; or "keep" it.
        after_splat: AfterSplat = Word(AfterSplat::WORDS), r#""replace""#;
        /// Boot without udev and systemd-tmpfiles, which take most of the time and are of no use to tests. It takes
        /// a mount namespace; where the system grants none, guests boot with both.
        lean: bool = Bool, "true";
        /// How guests see the host's files: "9p", "virtiofs" (faster; needs a virtiofsd with --readonly), or
        /// "auto": virtiofs for tests and samples where it can be had. With virtiofs a guest keeps what it once
        /// read, also if the host changes it.
        filesystem: Filesystem = Word(Filesystem::WORDS), r#""auto""#;
        /// How the time of guests passes: "real", "virtual" (user-mode Linux only: computing takes none, and waiting
        /// is over at once), or "auto": virtual for tests on user-mode Linux.
        time: GuestTime = Word(GuestTime::WORDS), r#""auto""#,
            Tests.value("time", "HOW", "How the guests' time passes").words(GuestTime::MEANINGS);
        /// The root filesystem of guests: the name of an image, which `vmptcp image build` makes, or a directory with a
        /// slash in its path. "/" is the host's own.
        root: Root = ARoot, r#""/""#,
            Guest.value("root", "NAME|DIR",
                "The guest's root filesystem: an image (vmptcp image), or a directory [default: the host's own]");
        /// Start guests of user-mode Linux also where the system grants no namespaces to confine them in. Landlock alone,
        /// where the kernel has it, keeps root in the guest from writing to your files then.
        allow_unconfined: bool = Bool, "false",
            Guest.switch("allow-unconfined", "Start user-mode Linux also where namespaces are forbidden, with Landlock alone");
        /// Directories of the host that a guest may write to.
        rw: Vec<PathBuf> = Paths, "[]",
            Guest.list("rw", "DIR", "Let the guest write to this directory of the host");
        /// Parameters to add to the kernel's command line.
        append: Vec<String> = Texts, "[]",
            Guest.list("append", "PARAMETER", "A further parameter of the kernel");
        /// Arguments to add to QEMU's command line, each an item of its own: ["-device", "i6300esb"].
        qemu_args: Vec<String> = Texts, "[]", Guest.list("qemu-arg", "ARG", "A further argument of QEMU");
    }
}

section! {
    /// `[image]`: root filesystems of vmptcp's own.
    image Image {
        /// The mirror of Debian that their packages come from, or a snapshot of it. Empty: the one that apt uses here.
        mirror: String = Text, r#""""#;
    }
}

section! {
    /// `[test]`: what runs in them.
    test Test {
        /// The tests that run when none is named: one of the profiles below, or one of your own.
        profile: String = Argument, r#""smoke""#,
            Tests.value("profile", "NAME", "Which tests: smoke, full, or one of the settings");
        /// How long a test may take: seconds, "30m", "2h", or "auto": what the suite asks for, scaled for emulation and for
        /// debug kernels.
        timeout: Auto<Duration>, by "auto_seconds" = AutoSeconds, r#""auto""#,
            Tests.value("timeout", "TIME",
                "How long one test may take: seconds, 30m, 2h [default: the suite's limit, scaled for slow machines]");
        /// Tell the tests that the machine is slow (KSFT_MACHINE_SLOW): "yes", "no", or "auto": under emulation or
        /// with a debug kernel.
        slow: Slow = Word(Slow::WORDS), r#""auto""#,
            Tests.value("slow", "WHEN", "Whether the tests are told that the machine is slow").words(Slow::MEANINGS);
        /// Stop at the first test that fails.
        fail_fast: bool = Bool, "false",
            Tests.switch("fail-fast", "Start nothing more after the first test that fails");
        /// How many times each test runs.
        repeat: NonZeroU32 = Number { min: 1, max: 10_000 }, "1",
            Tests.value("repeat", "N", "Run every test this many times");
        /// What all random numbers of guests in virtual time come from: one seed ("4"), or the first and the last of
        /// several ("1..50"), with each of which each test runs. The same seed makes the same run.
        seeds: String = Argument, r#""1""#,
            Tests.value("seeds", "N|FIRST..LAST",
                "What all random numbers of a guest in virtual time come from; of several, each in turn [default: 1]")
                .alias("seed");
        /// What of the links that a test emulates with netem is drawn by the seed, beside chance: "delay", "rtt", "loss", "order".
        /// In virtual time only.
        vary: Vec<Vary> = Words(Vary::WORDS), "[]",
            Tests.list("vary", "WHAT", "Draw this of emulated links by the seed, in virtual time").words(Vary::MEANINGS);
        /// With how many seeds vmptcp validate runs what failed on user-mode Linux, with the series and without it.
        confirm_seeds: NonZeroU32 = Number { min: 1, max: 100_000 }, "20",
            Tests.value("confirm-seeds", "N",
                "With how many seeds a failure is compared with the base, on user-mode Linux [default: 20]");
        /// Split what can be split (the groups of mptcp_join.sh) over the guests.
        shards: bool = Bool, "true", Tests.off("no-shards", "Run no test in parts");
        /// Every test gets a guest of its own.
        fresh_vm: bool = Bool, "false", Tests.switch("fresh-vm", "Give every test a guest of its own");
        /// How many more times a failed test is run, alone in a fresh guest, to tell a flake from a failure. 0: not
        /// at all.
        confirm: u32 = Number { min: 0, max: 100 }, "1",
            Tests.value("confirm", "N", "Rerun a failed test alone up to N times, to find out if it is a flake");
        /// Repeat the tests until one fails.
        until_fail: bool = Bool, "false", Tests.switch("until-fail", "Repeat the tests until one fails");
        /// Keep all cores of the host busy while tests run, to find what depends on time.
        stress: bool = Bool, "false", Tests.switch("stress", "Keep the host busy meanwhile");
        /// Environment variables of the tests: { NAME = "value" }. Those of all layers are put together, name by
        /// name.
        env: BTreeMap<String, String> = Variables, "{}", Tests.pairs("env", "A variable for the tests");
        /// Failures that do not count until a day: "TEST/SUBTEST until YYYY-MM-DD: reason", both names as globs or
        /// parts, and without /SUBTEST for all of a test. The test is flaky then. After that day they count again.
        known_flakes: Vec<String> = KnownFlakes, "[]";
        /// A failure that the test itself marks as flaky does not count.
        ignore_flaky: bool = Bool, "true",
            Tests.off("count-flaky", "Count failures that the test itself marks as flaky");
        /// What is skipped fails, as a test, a subtest, a sample or a module, and the failure says what is missing.
        /// The selftests are told to expect all features (SELFTESTS_MPTCP_LIB_EXPECT_ALL_FEATURES). For the newest
        /// kernel with the newest tools.
        all_features: bool = Bool, "false",
            Tests.switch("all-features", "Treat skips as failures: every feature must be there");
    }
}

section! {
    /// `[packetdrill]`: where its tests come from, and how they run.
    packetdrill Packetdrill {
        /// MPTCP's packetdrill: a work tree, which is taken as it is, or what git clones, a bare repository or a URL:
        /// "https://github.com/multipath-tcp/packetdrill.git". Of a clone the branch is taken that is for the kernel's version:
        /// mptcp-X.Y, archived/mptcp-X.Y, or the default one. Empty: there are no packetdrill tests.
        source: String = Repository, r#""""#;
        /// Other scripts: a directory with directories of them. Empty: gtests/net/mptcp of the source.
        scripts: Option<PathBuf>, by "empty_is_none" = OptionalPath, r#""""#;
        /// By which factor the tolerance of the scripts is multiplied. 0: 2 with KVM and 4 without it, 3 and 6 on a kernel with
        /// checkers, 1 in virtual time.
        tolerance: Option<NonZeroU32>, by "zero_is_none" = Number { min: 0, max: 1000 }, "0";
        /// A failure on a kernel with checkers (debug, gcov) is flaky: such a kernel is too slow for the times in the scripts.
        debug_flaky: bool = Bool, "true";
    }
}

section! {
    /// `[results]`: what is kept.
    results Results {
        /// Where runs are kept. Empty: runs in the work directory.
        dir: Option<PathBuf>, by "empty_is_none" = OptionalPath, r#""""#;
        /// How many runs of each kind are kept; the oldest go first. Each profile is a kind, and so are tests that
        /// were named, samples, modules, and what `vmptcp run` puts together. 0: all.
        keep: Option<NonZeroU32>, by "zero_is_none" = Number { min: 0, max: 1_000_000 }, "20";
        /// For how many days. The newest run of each kind stays, however old it is. 0: for ever.
        keep_days: Option<NonZeroU32>, by "zero_is_none" = Number { min: 0, max: 100_000 }, "180";
    }
}

/// The settings of all sections, in order.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    [
        Kernel::SETTINGS,
        Source::SETTINGS,
        Vm::SETTINGS,
        Image::SETTINGS,
        Test::SETTINGS,
        Packetdrill::SETTINGS,
        Results::SETTINGS,
    ]
    .into_iter()
    .flatten()
}
