//! `git am` and vmptcp, each asked to read a mail.

use std::cell::OnceCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use vmptcp::series::git::Git;
use vmptcp::series::{Workspace, input, load};

/// What was made of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// A commit: tree, author, subject and message.
    Commit { tree: String, author: String, subject: String, message: String },
    /// Nothing, and why.
    Refused(String),
}

impl Read {
    /// Both have reasons of their own words.
    pub fn without_reason(&self) -> Self {
        match self {
            Self::Refused(_) => Self::Refused(String::new()),
            commit @ Self::Commit { .. } => commit.clone(),
        }
    }
}

/// A repository for both.
pub struct Am {
    dir: tempfile::TempDir,
    tree: PathBuf,
    workspace: OnceCell<Workspace>,
}

impl Am {
    /// An empty one.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let am = Self { dir, tree, workspace: OnceCell::new() };
        am.git(&["init", "-q", "-b", "main"]);
        am
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=Committer", "-c", "user.email=committer@example.org"]);
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"]).args(args);
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C.UTF-8");
        command.current_dir(&self.tree).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What git prints.
    pub fn output(&self, args: &[&str]) -> Vec<u8> {
        let output = self.run(args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Runs git, which must do it.
    pub fn git(&self, args: &[&str]) {
        self.output(args);
    }

    fn text(&self, args: &[&str]) -> String {
        String::from_utf8_lossy(&self.output(args)).trim().to_owned()
    }

    /// Writes a file.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Reads one.
    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.tree.join(path)).unwrap()
    }

    /// Removes one.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.tree.join(path)).unwrap();
    }

    /// Makes it a program.
    pub fn make_executable(&self, path: &str) {
        fs::set_permissions(self.tree.join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Makes a symbolic link.
    pub fn link(&self, path: &str, to: &str) {
        std::os::unix::fs::symlink(to, self.tree.join(path)).unwrap();
    }

    /// Commits everything.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A", "-f"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// As it was committed.
    pub fn reset(&self) {
        self.git(&["reset", "-q", "--hard"]);
        self.git(&["clean", "-fdxq"]);
    }

    /// The commit that is there.
    pub fn head(&self) -> String {
        self.text(&["rev-parse", "HEAD"])
    }

    /// The date counts only where the mail has one: else git takes that of today.
    fn commit_of(git: &dyn Fn(&[&str]) -> String, hash: &str, mail: &[u8]) -> Read {
        let dated = String::from_utf8_lossy(mail).to_lowercase().contains("date:");
        let format = format!("--format=%T%x00%an <%ae> {}%x00%s%x00%B", if dated { "%ad" } else { "" });
        let said = git(&["show", "-s", "--encoding=UTF-8", &format, "--date=raw", hash]);
        let fields: Vec<&str> = said.splitn(4, '\0').collect();
        let [tree, author, subject, message] = fields[..] else { panic!("{said:?}") };
        let [tree, author, subject, message] = [tree, author, subject, message.trim()].map(str::to_owned);
        Read::Commit { tree, author, subject, message }
    }

    /// What `git am` makes of a mail.
    pub fn apply(&self, mail: &[u8], base: &str) -> Read {
        let file = self.dir.path().join("mail");
        fs::write(&file, mail).unwrap();
        let output = self.run(&["am", "-q", file.to_str().unwrap()]);
        let read = if output.status.success() && self.head() != base {
            Self::commit_of(&|args| self.text(args), "HEAD", mail)
        } else {
            Read::Refused(String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let _ = fs::remove_dir_all(self.tree.join(".git/rebase-apply"));
        self.git(&["reset", "-q", "--hard", base]);
        self.git(&["clean", "-fdxq"]);
        read
    }

    /// What vmptcp makes of it.
    pub fn ours(&self, mail: &[u8], base: &str) -> Read {
        let open = || Workspace::open(&self.place(), &Git::of_tree(&self.tree).unwrap()).unwrap();
        let workspace = self.workspace.get_or_init(open);
        let mails = match input::mails(&[("mail".to_owned(), mail.to_vec())]) {
            Ok(mails) => mails,
            Err(error) => return Read::Refused(error.to_string()),
        };
        let loaded = load::mails(workspace, &mails, &[(base.to_owned(), None)], "mail").unwrap();
        if loaded.shortfall().is_some() {
            return Read::Refused(format!("{:?} {:?}", loaded.trouble, loaded.refused));
        }
        let patch = loaded.series.patches.last().unwrap();
        let read = Self::commit_of(
            &|args| workspace.git().read(args).unwrap(),
            &patch.commit.as_ref().unwrap().hash,
            mail,
        );
        if let Read::Commit { subject, author, .. } = &read {
            assert_eq!(&patch.subject, subject);
            assert!(
                author.starts_with(&format!("{} <{}>", patch.author.name, patch.author.email)),
                "{author}"
            );
        }
        read
    }

    fn place(&self) -> PathBuf {
        Path::new(self.dir.path()).join("series")
    }
}
