//! The kernel tree and its kernel, obtained and built once.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The binary that is tested.
pub const VMPTCP: &str = env!("CARGO_BIN_EXE_vmptcp");

/// A tree whose kernel is built.
pub struct Lab {
    pub tree: PathBuf,
}

/// What a command left behind, for assertions with all of it in the message.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The tree, with its kernel built.
pub fn lab() -> &'static Lab {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| build(&["build"]));
    place()
}

/// The tree, with its kernel built for user-mode Linux.
pub fn uml_lab() -> &'static Lab {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| build(&["build", "--uml"]));
    place()
}

fn build(args: &[&str]) {
    // What builds for minutes shall be seen.
    let ran = ran(place().command(args).stderr(Stdio::inherit()));
    assert_eq!(ran.code, 0, "the kernel does not build");
}

/// The tree, whatever is built of it.
pub fn place() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(|| {
        let tree = std::env::var_os("VM_TEST_TREE").map_or_else(
            || {
                let ran = ran(Command::new(VMPTCP).args(["source", "distro"]).stderr(Stdio::inherit()));
                assert_eq!(ran.code, 0, "no kernel tree: {}", ran.stderr);
                PathBuf::from(ran.stdout.trim())
            },
            |tree| PathBuf::from(tree).canonicalize().expect("VM_TEST_TREE is there"),
        );
        Lab { tree }
    })
}

impl Lab {
    /// A command in the tree.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(VMPTCP);
        command.args(args).current_dir(&self.tree).stdin(Stdio::null());
        command
    }

    /// Runs a command in the tree.
    pub fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    /// The build directory of the normal variant.
    pub fn out(&self) -> PathBuf {
        self.work().join("build/normal")
    }

    /// The build directory of the normal variant for user-mode Linux.
    pub fn uml_out(&self) -> PathBuf {
        self.work().join("build/normal-uml")
    }

    /// The directory of the newest run.
    pub fn latest(&self) -> PathBuf {
        self.work().join("runs/latest").canonicalize().expect("there is a run")
    }

    fn work(&self) -> PathBuf {
        let elsewhere = std::env::var_os("VMPTCP_KERNEL_WORK_DIR").map(PathBuf::from);
        elsewhere.unwrap_or_else(|| self.tree.join(".vmptcp"))
    }
}

/// Runs a command to its end.
pub fn ran(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.stdout(Stdio::piped()).output().expect("vmptcp starts");
    Ran {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}
