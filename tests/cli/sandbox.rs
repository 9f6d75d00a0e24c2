//! A home, a kernel tree and a search path that are gone after the test.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where a tree keeps the MPTCP selftests.
pub const SELFTESTS: &str = "tools/testing/selftests/net/mptcp";

/// The tests of the fake tree.
pub const TESTS: [&str; 5] = ["mptcp_connect", "pm_netlink", "diag", "mptcp_sockopt", "userspace_pm"];

/// A `make` that can configure, in its way: every symbol takes but those that contain `NO_SUCH`. It cannot build.
const MAKE: &str = r#"#!/bin/sh
for arg; do
    case $arg in O=*) out=${arg#O=} ;; esac
done
case " $* " in
*" allnoconfig "*) grep -v NO_SUCH "$out/.vmptcp-merged.config" > "$out/.vmptcp-new.config" ;;
*)
    echo "  CC      net/mptcp/protocol.o"
    echo "net/mptcp/protocol.c:7:2: error: expected ';' before '}' token" >&2
    echo "make: *** [Makefile:1: net/mptcp/protocol.o] Error 1" >&2
    exit 2
    ;;
esac
"#;

/// A place to run vmptcp in.
pub struct Sandbox {
    dir: TempDir,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    /// Its exit code.
    pub code: i32,
    /// Its standard output; the sandbox's path is `[dir]` in it.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
}

impl Run {
    /// Both streams and the exit code, for a snapshot.
    pub fn all(&self) -> String {
        format!("{}{}exit code {}", self.stdout, self.stderr, self.code)
    }
}

impl Sandbox {
    /// With a kernel tree, an empty home, and a search path with stand-ins for `vng` and `make`.
    pub fn new() -> Self {
        let sandbox = Self::empty();
        sandbox.tool("vng", "#!/bin/sh\necho virtme-ng 1.42\n");
        sandbox.tool("virtme-configkernel", "#!/bin/sh\necho CONFIG_VIRTIO=y\n");
        sandbox.tool("make", MAKE);
        fake_tree(&sandbox.tree());
        sandbox
    }

    /// With nothing in it.
    pub fn empty() -> Self {
        let sandbox = Self { dir: TempDir::new().unwrap() };
        for name in ["home", "bin", "tree"] {
            fs::create_dir(sandbox.path(name)).unwrap();
        }
        sandbox
    }

    /// A path in the sandbox.
    pub fn path(&self, name: &str) -> PathBuf {
        // The binary sees canonical paths: the temporary directory may be a link.
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// The kernel tree.
    pub fn tree(&self) -> PathBuf {
        self.path("tree")
    }

    /// Writes a file, and the directories above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Puts an executable script into the search path, first.
    pub fn tool(&self, name: &str, script: &str) {
        let path = self.write(&format!("bin/{name}"), script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A command that runs vmptcp in the tree, with nothing of our environment.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmptcp"));
        command.args(args).current_dir(self.tree()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.path("home"));
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        command
    }

    /// Runs vmptcp in the tree.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        self.finish(self.command(args))
    }

    /// Runs a command to its end. Whatever it does, it must not panic, hang, or let a hidden character through.
    pub fn finish(&self, mut command: Command) -> Run {
        let (out, err) = (self.path("stdout"), self.path("stderr"));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("{command:?} hangs");
            }
            sleep(Duration::from_millis(5));
        };
        let [stdout, stderr] = [out, err].map(|file| self.neutral(&fs::read(file).unwrap()));
        for text in [&stdout, &stderr] {
            assert!(!text.contains("panicked"), "{command:?} panicked: {text}");
            let raw = text.chars().find(|char| vmptcp::text::is_hidden(*char) && *char != '\n');
            assert_eq!(raw, None, "{command:?} lets a hidden character through: {text:?}");
        }
        Run { code: status.code().unwrap_or_else(|| panic!("{command:?}: {status}")), stdout, stderr }
    }

    fn neutral(&self, bytes: &[u8]) -> String {
        let dir = self.path("");
        String::from_utf8_lossy(bytes).replace(dir.to_str().unwrap().trim_end_matches('/'), "[dir]")
    }
}

/// The least that passes for a kernel tree with MPTCP selftests.
pub fn fake_tree(root: &Path) {
    let selftests = root.join(SELFTESTS);
    for dir in [&root.join("scripts/kconfig"), &selftests] {
        fs::create_dir_all(dir).unwrap();
    }
    fs::write(root.join("Makefile"), "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION =\n").unwrap();
    let symbols = ["MPTCP", "MPTCP_IPV6", "INET_MPTCP_DIAG", "VIRTIO"];
    let kconfig: String = symbols.map(|symbol| format!("config {symbol}\n\tbool \"{symbol}\"\n\n")).concat();
    fs::write(root.join("Kconfig"), format!("mainmenu \"fake\"\n\n{kconfig}")).unwrap();
    let scripts = TESTS.map(|test| format!("{test}.sh"));
    fs::write(selftests.join("Makefile"), format!("TEST_PROGS := {}\n", scripts.join(" "))).unwrap();
    fs::write(selftests.join("config"), "CONFIG_MPTCP=y\n").unwrap();
    fs::write(selftests.join("settings"), "timeout=1800\n").unwrap();
    for script in scripts {
        fs::write(selftests.join(script), "#!/bin/bash\n").unwrap();
    }
}

/// Everything below a directory: path, kind and mode, time of modification, content.
pub fn fingerprint(dir: &Path) -> Vec<(PathBuf, u32, i64, i64, Vec<u8>)> {
    let mut all = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        let data = path.symlink_metadata().unwrap();
        let content = if data.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        if data.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        all.push((path, data.mode(), data.mtime(), data.mtime_nsec(), content));
    }
    all.sort();
    all
}
