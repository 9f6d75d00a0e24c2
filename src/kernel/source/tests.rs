//! Whole obtainings, of little trees.

use super::super::tree::tests::{fake_tree, git};
use super::*;
use crate::process::Cmd;

struct World {
    dir: tempfile::TempDir,
    update: bool,
    upstream: String,
}

impl World {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), update: false, upstream: "file:///nonexistent".to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// The result, and the notes on the way.
    fn obtain(&self, source: &Source, configured: Option<&Path>) -> (Result<PathBuf>, Vec<String>) {
        let (cache, cwd) = (self.path("cache"), self.dir.path());
        let request = Request {
            source,
            cache: &cache,
            cwd,
            configured,
            upstream: (&self.upstream, "export"),
            update: self.update,
            command: "vmptcp source",
        };
        let mut notes = Vec::new();
        let mut reporter = Reporter { progress: &mut |_| (), note: &mut |note| notes.push(note) };
        let result = obtain(&request, &mut reporter);
        (result, notes)
    }

    fn fails(&self, source: &Source) -> String {
        let error = self.obtain(source, None).0.unwrap_err();
        assert!(error.remedy().is_some(), "{error}");
        assert_eq!(self.left(), Vec::<String>::new(), "something half-made is left");
        error.to_string().replace(self.path("").to_str().unwrap(), "DIR/")
    }

    /// What is in the cache, but for the lock.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("cache/trees")).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != ".lock").collect();
        names.sort();
        names
    }

    fn repository(&self) -> String {
        let work = self.path("work");
        fake_tree(&work);
        git(&work, &["init", "-q", "-b", "export"]);
        git(&work, &["add", "-A"]);
        git(&work, &["commit", "-qm", "first"]);
        git(&work, &["clone", "-q", "--bare", ".", "../bare.git"]);
        format!("file://{}", self.path("bare.git").display())
    }

    fn tarball(&self, name: &str, option: &str) -> Source {
        fake_tree(&self.path("linux-1"));
        let archive = self.path(name);
        let cmd = Cmd::new("tar").arg("-C").arg(self.path("")).arg(option).arg("-cf").arg(&archive);
        cmd.arg("linux-1").read().unwrap();
        Source::Tarball(archive.display().to_string())
    }
}

fn on_branch(url: &str, branch: &str) -> Source {
    Source::Git { url: url.to_owned(), branch: Some(branch.to_owned()) }
}

#[test]
fn the_words_of_a_command_line_become_a_source() {
    assert_eq!(Source::parse("auto", None, None).unwrap(), Source::Auto);
    assert_eq!(Source::parse("git", Some("u"), Some("b")).unwrap(), on_branch("u", "b"));
    for (kind, location, branch, said) in [
        ("git", None, None, "the source git needs the URL of a repository"),
        ("tarball", Some("x"), Some("b"), "--branch goes with the source git only"),
        ("distro", Some("x"), None, "\"x\" is no version of a kernel, such as 6.12"),
        ("svn", None, None, "unknown source \"svn\""),
    ] {
        assert_eq!(Source::parse(kind, location, branch).unwrap_err().to_string(), said);
    }
}

#[test]
fn a_branch_is_cloned_once_and_then_updated_only_when_asked() {
    let mut world = World::new();
    let source = on_branch(&world.repository(), "export");
    let tree = world.obtain(&source, None).0.unwrap();
    assert_eq!(world.left().len(), 1);
    assert!(Tree::open(&tree).unwrap().commit().is_some_and(|commit| !commit.dirty));

    let work = world.path("work");
    fs::write(work.join("new"), "").unwrap();
    git(&work, &["add", "new"]);
    git(&work, &["commit", "-qm", "second"]);
    git(&work, &["push", "-q", "../bare.git", "export"]);
    assert_eq!(world.obtain(&source, None).0.unwrap(), tree);
    assert!(!tree.join("new").exists());
    world.update = true;
    assert_eq!(world.obtain(&source, None).0.unwrap(), tree);
    assert!(tree.join("new").exists());

    fs::write(tree.join("Kconfig"), "mine").unwrap();
    let error = world.obtain(&source, None).0.unwrap_err().to_string();
    assert!(error.ends_with("it has changes of your own"), "{error}");
    assert_eq!(fs::read_to_string(tree.join("Kconfig")).unwrap(), "mine");
}

#[test]
fn the_default_branch_is_taken_and_updated_too() {
    let mut world = World::new();
    let source = Source::Git { url: world.repository(), branch: None };
    let tree = world.obtain(&source, None).0.unwrap();
    world.update = true;
    assert_eq!(world.obtain(&source, None).0.unwrap(), tree);
}

#[test]
fn a_clone_that_cannot_be_leaves_nothing() {
    let world = World::new();
    let url = world.repository();
    let said = world.fails(&on_branch(&url, "nope"));
    assert!(said.ends_with("bare.git: it has no refs/heads/nope"), "{said}");
    let said = world.fails(&on_branch("file:///nonexistent/x.git", "export"));
    assert!(said.starts_with("cannot clone branch export of file:///nonexistent/x.git: "), "{said}");
    git(&world.path("work"), &["rm", "-q", "Kconfig"]);
    git(&world.path("work"), &["commit", "-qm", "no kernel any more"]);
    git(&world.path("work"), &["push", "-q", "../bare.git", "export"]);
    let said = world.fails(&on_branch(&url, "export"));
    assert!(said.contains("is not a kernel: no Makefile with a VERSION, or no Kconfig, there"), "{said}");
}

#[test]
fn every_kind_of_tarball_is_unpacked_once() {
    let world = World::new();
    for (name, option) in [
        ("a.tar", "--no-auto-compress"),
        ("b.tar.gz", "-z"),
        ("c.tar.xz", "-J"),
        ("d: odd.tar.zst", "--zstd"),
    ] {
        // The name of an archive says nothing: it is known by its content.
        if option == "--zstd" && process::find("zstd").is_err() {
            continue;
        }
        let source = world.tarball(name, option);
        let tree = world.obtain(&source, None).0.unwrap();
        assert!(tree.join("Kconfig").exists() && tree.starts_with(world.path("cache/trees")));
        fs::write(tree.join("mine"), "").unwrap();
        assert_eq!(world.obtain(&source, None).0.unwrap(), tree);
        assert!(tree.join("mine").exists(), "it was unpacked again");
    }
}

#[test]
fn a_url_is_downloaded() {
    let world = World::new();
    let Source::Tarball(archive) = world.tarball("k.tar.gz", "-z") else { unreachable!() };
    let source = Source::Tarball(format!("file://{archive}"));
    let tree = world.obtain(&source, None).0.unwrap();
    assert!(tree.join("Kconfig").exists());
    assert_eq!(world.left().len(), 1);
    let said = World::new().fails(&Source::Tarball("file:///nonexistent/x.tar.gz".to_owned()));
    assert!(
        said.starts_with("cannot download file:///nonexistent/x.tar.gz: curl says: curl: (37)"),
        "{said}"
    );
}

#[test]
fn a_bad_tarball_says_what_is_wrong_and_leaves_nothing() {
    let world = World::new();
    let source = world.tarball("whole.tar.xz", "-J");
    let Source::Tarball(whole) = &source else { unreachable!() };
    let bytes = fs::read(whole).unwrap();
    let bad = |content: &[u8]| {
        fs::write(world.path("bad.tar.xz"), content).unwrap();
        world.fails(&Source::Tarball("bad.tar.xz".to_owned()))
    };
    let said = bad(&bytes[..bytes.len() / 2]);
    assert!(
        said.starts_with("cannot unpack DIR/bad.tar.xz: ") && said.contains("Unexpected end of input"),
        "{said}"
    );
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    assert!(bad(&flipped).contains("Compressed data is corrupt"));
    assert_eq!(bad(b""), "cannot unpack DIR/bad.tar.xz: it is empty");
    assert_eq!(bad(b"<html>404"), "DIR/bad.tar.xz is not an archive: neither tar nor tar.{gz,bz2,xz,zst}");
    let missing = world.fails(&Source::Tarball("nowhere.tar".to_owned()));
    assert_eq!(missing, "cannot read the tarball DIR/nowhere.tar: No such file or directory (os error 2)");
    assert_eq!(
        world.fails(&Source::Tarball(".".to_owned())),
        "the tarball DIR is not a file"
            .replace("DIR", world.path("").to_str().unwrap().trim_end_matches('/'))
    );
}

#[test]
fn an_archive_of_something_else_or_with_a_trap_is_refused() {
    let world = World::new();
    fake_tree(&world.path("linux-1"));
    fs::remove_file(world.path("linux-1/Kconfig")).unwrap();
    let pack = || {
        let archive = world.path("x.tar");
        let tar = Cmd::new("tar").arg("-C").arg(world.path("")).arg("-cf").arg(&archive).arg("linux-1");
        tar.read().unwrap();
        Source::Tarball(archive.display().to_string())
    };
    assert!(world.fails(&pack()).starts_with("DIR/x.tar is not the archive of a kernel: "));
    fake_tree(&world.path("linux-1"));
    std::os::unix::fs::symlink("../../../etc", world.path("linux-1/scripts/trap")).unwrap();
    assert_eq!(
        world.fails(&pack()),
        "will not use DIR/x.tar: the link linux-1/scripts/trap leads out of it, to ../../../etc"
    );
    fs::remove_file(world.path("linux-1/scripts/trap")).unwrap();
    nix::unistd::mkfifo(&world.path("linux-1/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(
        world.fails(&pack()),
        "will not use DIR/x.tar: linux-1/pipe is neither a file nor a directory"
    );
}

#[test]
fn what_a_killed_invocation_left_is_removed_by_the_next() {
    let world = World::new();
    fs::create_dir_all(world.path("cache/trees/.partial-1-x/deep")).unwrap();
    fs::write(world.path("cache/trees/.partial-auto"), "").unwrap();
    world.obtain(&world.tarball("a.tar", "--no-auto-compress"), None).0.unwrap();
    assert_eq!(world.left().len(), 1);
}

#[test]
fn auto_takes_the_current_directory_then_the_configured_tree_then_git() {
    let mut world = World::new();
    world.upstream = world.repository();
    let (tree, _) = world.obtain(&Source::Auto, None);
    let tree = tree.unwrap();
    assert!(tree.starts_with(world.path("cache/trees/")));
    let (again, notes) = world.obtain(&Source::Auto, None);
    assert_eq!(again.unwrap(), tree);
    assert!(notes[0].contains("as the last time"), "{notes:?}");

    let configured = world.path("work");
    let (taken, notes) = world.obtain(&Source::Auto, Some(&configured));
    assert_eq!(taken.unwrap(), configured);
    assert!(notes[0].starts_with("taking the configured tree "), "{notes:?}");
    let wrong = world.obtain(&Source::Auto, Some(Path::new("/nonexistent"))).0.unwrap_err().to_string();
    assert!(wrong.starts_with("the configured tree: /nonexistent is not a kernel tree"), "{wrong}");

    fake_tree(&world.path(""));
    let (taken, notes) = world.obtain(&Source::Auto, Some(&configured));
    assert_eq!(taken.unwrap(), world.path("").canonicalize().unwrap());
    insta::assert_snapshot!(notes.join("\n"), @"taking the current directory, a kernel tree of version 6.12.7-rc1");
}
