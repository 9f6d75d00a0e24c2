//! What the incumbent has, and how it is spelled here.

/// A mode that has a command.
#[derive(Debug)]
pub(super) struct Mode {
    /// Its names there.
    pub names: &'static [&'static str],
    /// The command, without the name of the program.
    pub words: &'static str,
    /// Whether the name of a variant may follow.
    pub variant: bool,
}

const fn mode(names: &'static [&'static str], words: &'static str) -> Mode {
    Mode { names, words, variant: false }
}

const fn of_variant(names: &'static [&'static str], words: &'static str) -> Mode {
    Mode { names, words, variant: true }
}

/// The modes that have a command.
pub(super) const MODES: &[Mode] = &[
    mode(&["manual", "normal", "manual-normal"], "shell --build"),
    mode(&["debug", "manual-debug"], "shell --build --variant debug"),
    mode(&["btf", "btf-normal", "manual-btf", "manual-btf-normal"], "shell --build --variant btf"),
    mode(&["btf-debug", "manual-btf-debug"], "shell --build --variant debug-btf"),
    mode(&["auto-normal", "expect-normal"], "test --profile full"),
    mode(&["auto-debug", "expect-debug"], "test --profile full --variant debug"),
    mode(
        &["auto-btf-normal", "auto-btf", "expect-btf-normal", "expect-btf"],
        "test --profile full --variant btf",
    ),
    mode(&["auto-btf-debug", "expect-btf-debug"], "test --profile full --variant debug-btf"),
    mode(&["all", "auto-all", "expect", "expect-all"], "test --profile full --variant normal,debug"),
    mode(&["auto-btf-all", "expect-btf-all"], "test --profile full --variant btf,debug-btf"),
    of_variant(&["vm-manual", "vm"], "shell"),
    of_variant(&["vm-auto", "vm-expect"], "test --profile full"),
    of_variant(&["build"], "build"),
    of_variant(&["defconfig"], "config"),
    of_variant(&["selftests"], "build"),
    mode(&["static", "static-analysis"], "validate"),
    mode(&["connect"], "attach"),
];

/// The modes that have none: what to do.
pub(super) const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["make"], "run make in the tree: make O=.vmptcp/build/normal"),
    (&["make.cross"], "run make.cross in the tree"),
    (&["cmd", "command"], "run the command as it is: there is no container"),
    (&["src", "script"], "run the script as it is, or in a guest: vmptcp exec -- sh ./SCRIPT"),
    (&["bpftests"], "build tools/testing/selftests/bpf in the tree"),
    (&["lcov2html"], "run genhtml on the counts of a kernel built with --gcov"),
];

/// The variants, each with its flags.
pub(super) const VARIANTS: &[(&[&str], &str)] = &[
    (&["normal"], ""),
    (&["debug"], "--variant debug"),
    (&["btf-normal", "btf"], "--variant btf"),
    (&["btf-debug"], "--variant debug-btf"),
];

/// What a variable is here.
#[derive(Debug)]
pub(super) enum Input {
    /// A flag with the same value.
    Flag(&'static str),
    /// A flag, where the value is 1.
    Switch(&'static str),
    /// The tests to run.
    Only,
    /// The tests to leave out.
    Except,
    /// Not read: what to do.
    Instead(&'static str),
}

const BUILDS: Input = Input::Instead("what did not change is not built");
const CCACHE: Input = Input::Instead("set ccache's own variable, of the same name without INPUT_");
const TIMEOUT: Input = Input::Instead("--timeout limits each test");
const NETWORK: Input = Input::Instead("a guest has no network to the outside");

/// The variables, without `INPUT_`.
pub(super) const INPUTS: &[(&str, Input)] = &[
    ("CPUS", Input::Flag("--cpus")),
    ("RAM", Input::Flag("--memory")),
    ("CLANG", Input::Switch("--clang")),
    ("GCOV", Input::Switch("--gcov")),
    ("TRACE", Input::Switch("--verbose")),
    ("RUN_TESTS_ONLY", Input::Only),
    ("RUN_TESTS_EXCEPT", Input::Except),
    ("SELFTESTS_MPTCP_LIB_EXPECT_ALL_FEATURES", Input::Switch("--all-features")),
    ("SELFTESTS_MPTCP_LIB_OVERRIDE_FLAKY", Input::Switch("--count-flaky")),
    ("SELFTESTS_DIR", Input::Instead("the tests are those of net/mptcp")),
    ("RUN_LOOP_CONTINUE", Input::Instead("--repeat N goes on after a failure, unless --fail-fast is given")),
    ("BUILD_SKIP", BUILDS),
    ("BUILD_SKIP_SELFTESTS", BUILDS),
    ("BUILD_SKIP_PERF", BUILDS),
    ("BUILD_SKIP_PACKETDRILL", BUILDS),
    ("BUILD_SKIP_BPFTESTS", BUILDS),
    ("BUILD_SUFFIX", Input::Instead("VMPTCP_KERNEL_WORK_DIR is another directory for builds and runs")),
    ("MAKE_ARGS", Input::Instead("flags of the compiler are taken from the environment: KCFLAGS=-Werror")),
    ("CCACHE_MAXSIZE", CCACHE),
    ("CCACHE_DIR", CCACHE),
    ("CI_RESULTS_DIR", Input::Instead("set VMPTCP_RESULTS_DIR")),
    ("CI_TIMEOUT_SEC", TIMEOUT),
    ("EXPECT_TIMEOUT", TIMEOUT),
    ("CI_PRINT_EXIT_CODE", Input::Instead("the exit code is the verdict, in a CI too")),
    ("NO_BLOCK", Input::Instead("nothing waits for Enter")),
    ("NET_BRIDGES", NETWORK),
    ("MAC_ADDRESS_PREFIX", NETWORK),
    ("VSOCK_CID", Input::Instead("vmptcp attach finds the guest by itself")),
];
