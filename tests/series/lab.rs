//! A git repository with a kernel tree, and series in it.

use std::fs;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The binary that is tested.
pub const VMPTCP: &str = env!("CARGO_BIN_EXE_vmptcp");

/// Who writes the patches.
pub const AUTHOR: &str = "Ann Author <ann@example.org>";

/// The commit that a series is made on.
pub const BASE: &str = "base";

/// A repository.
pub struct Lab {
    /// Its directory.
    pub tree: PathBuf,
    /// What goes when it does.
    _dir: Option<tempfile::TempDir>,
    home: PathBuf,
}

/// What a run left behind.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A commit to be made.
#[derive(Clone)]
pub struct Draft {
    pub subject: String,
    pub body: String,
    pub edits: Vec<(&'static str, Edit)>,
}

/// A change of a file.
#[derive(Clone)]
pub enum Edit {
    /// Text at its end.
    Append(String),
    /// This text instead of that, which must be there.
    Replace(&'static str, String),
    /// A symbolic link.
    Link(&'static str),
    /// No such file any more.
    Remove,
}

impl Lab {
    /// A tree of a few files, that nothing can be built from.
    pub fn small() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("linux");
        let home = dir.path().join("home");
        fs::create_dir_all(&home).unwrap();
        let selftests = "tools/testing/selftests/net/mptcp";
        let files = [
            ("Makefile".to_owned(), "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION =\n"),
            ("Kconfig".to_owned(), "mainmenu \"small\"\n"),
            ("scripts/kconfig/Makefile".to_owned(), "\n"),
            ("net/mptcp/ctrl.c".to_owned(), "// SPDX-License-Identifier: GPL-2.0\nint a;\nint b;\nint c;\n"),
            ("net/mptcp/Kconfig".to_owned(), "config MPTCP\n\tbool \"MPTCP\"\n"),
            (format!("{selftests}/Makefile"), "TEST_PROGS := diag.sh\n"),
            (format!("{selftests}/config"), "CONFIG_MPTCP=y\n"),
            (format!("{selftests}/diag.sh"), "#!/bin/bash\ntrue\n"),
        ];
        for (name, text) in files {
            let path = tree.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let lab = Self { tree, _dir: Some(dir), home };
        lab.begin();
        lab
    }

    /// A repository that is there, with a home of its own for the tests.
    pub fn at(tree: &Path, home: &Path) -> Self {
        fs::create_dir_all(home).unwrap();
        Self { tree: tree.to_owned(), _dir: None, home: home.to_owned() }
    }

    /// Makes the repository, with one commit and the tag of an export.
    pub fn begin(&self) {
        self.git(&["init", "-q", "-b", "main"]);
        self.git(&["add", "-A", "-f"]);
        self.git(&["commit", "-q", "-m", "net: the beginning"]);
        self.git(&["tag", BASE]);
        self.git(&["tag", "export/20260101T000000"]);
    }

    /// Runs git, with an identity of its own.
    pub fn git(&self, args: &[&str]) -> String {
        let identity =
            ["-c", "user.name=Ann Author", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"];
        let output = Command::new("git")
            .args(identity)
            .args(args)
            .current_dir(&self.tree)
            .env("HOME", &self.home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The branch of a series, on the base.
    pub fn branch(&self, name: &str, drafts: &[Draft]) {
        self.git(&["checkout", "-q", "-f", "-B", name, BASE]);
        for draft in drafts {
            for (file, edit) in &draft.edits {
                let path = self.tree.join(file);
                let old = fs::read_to_string(&path).unwrap_or_default();
                match edit {
                    Edit::Append(text) => fs::write(&path, old + text).unwrap(),
                    Edit::Replace(from, to) => {
                        assert!(old.contains(from), "{file} has no {from:?}");
                        fs::write(&path, old.replacen(from, to, 1)).unwrap();
                    }
                    Edit::Link(to) => std::os::unix::fs::symlink(to, &path).unwrap(),
                    Edit::Remove => fs::remove_file(&path).unwrap(),
                }
                self.git(&["add", "-f", file]);
            }
            let message = format!("{}\n\n{}\n", draft.subject, draft.body);
            self.git(&["commit", "-q", "--allow-empty", "-m", &message]);
        }
    }

    /// Runs vmptcp in the tree, with the home of the tests.
    pub fn vmptcp(&self, args: &[&str]) -> Ran {
        self.vmptcp_with(args, &[])
    }

    /// The same, with variables.
    pub fn vmptcp_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ran {
        self.ran(args, env, Stdio::null())
    }

    /// The same, with this text on standard input.
    pub fn vmptcp_reads(&self, args: &[&str], text: &str) -> Ran {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        self.ran(args, &[], file.into())
    }

    fn ran(&self, args: &[&str], env: &[(&str, &str)], stdin: Stdio) -> Ran {
        self.finish(Command::new(VMPTCP).args(args), env, stdin)
    }

    /// Runs vmptcp by another program, which gets its command line as its last arguments.
    pub fn under(&self, program: &[&str], args: &[&str], env: &[(&str, &str)]) -> Ran {
        self.finish(Command::new(program[0]).args(&program[1..]).arg(VMPTCP).args(args), env, Stdio::null())
    }

    fn finish(&self, command: &mut Command, env: &[(&str, &str)], stdin: Stdio) -> Ran {
        let output = command
            .current_dir(&self.tree)
            .env("HOME", &self.home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(env.iter().copied())
            .stdin(stdin)
            .output()
            .unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The results of a run that prints JSON.
    pub fn results(&self, args: &[&str]) -> Vec<serde_json::Value> {
        let ran = self.vmptcp(&[&["validate", "--json"], args].concat());
        assert!(ran.code == 0 || ran.code == 1, "{args:?}: {}", ran.stderr);
        let mut report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        report["results"].as_array_mut().map(std::mem::take).unwrap()
    }

    /// The same, with the cache of the user who runs the tests, who may have a virtme-ng of its own there.
    pub fn results_with_cache(&self, args: &[&str]) -> Vec<serde_json::Value> {
        let cache = std::env::var("XDG_CACHE_HOME")
            .unwrap_or_else(|_| format!("{}/.cache", std::env::var("HOME").unwrap()));
        let ran = self.vmptcp_with(&[&["validate", "--json"], args].concat(), &[("XDG_CACHE_HOME", &cache)]);
        assert!(ran.code == 0 || ran.code == 1, "{args:?}: {}", ran.stderr);
        let mut report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        report["results"].as_array_mut().map(std::mem::take).unwrap()
    }

    /// The checks that are not well, as `name` or `name patch`.
    pub fn found(&self, args: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for result in self.results(args) {
            if ["warn", "fail", "error"].contains(&result["status"].as_str().unwrap()) {
                let patch = result["patch"].as_u64().map(|number| format!(" {number}")).unwrap_or_default();
                found.push(format!("{}{patch}", result["check"].as_str().unwrap()));
            }
        }
        found
    }
}
