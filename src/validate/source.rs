//! What the words of the command line name: commits, or mails.

use crate::error::{Error, IoContext, Result};
use crate::event::GIVEN;
use crate::process::quote;
use crate::series::git::Git;
use crate::series::input::{self, Commits};
use crate::series::{Loaded, Workspace, load as loading};
use std::io::Read;
use std::iter;
use std::path::{Path, PathBuf};

/// More than this is no series, in bytes.
const MAX_SIZE: u64 = 64 << 20;

/// What names a series, and where it is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Input<'i> {
    /// A range, a b4 branch, mails, mailboxes, directories of them, or `-`; empty for what is on top of the base.
    pub words: &'i [String],
    /// The commit that mails are applied to.
    pub onto: Option<&'i str>,
    /// What the subjects will have in brackets.
    pub subject_prefix: Option<&'i str>,
    /// Where relative paths begin.
    pub dir: &'i Path,
    /// The repository of the tree.
    pub git: &'i Git,
    /// Our own, which gets the series.
    pub workspace: &'i Workspace,
}

/// Finds the series, and brings it into our own repository.
pub fn load(asked: Input<'_>) -> Result<Loaded> {
    let Input { words, git, .. } = asked;
    let mut loaded = match words {
        [] => commits(asked, input::on_top(git, "HEAD")?, "on top of the base")?,
        [one] if one != "-" && !asked.dir.join(one).exists() => {
            let branch = format!("refs/heads/{one}");
            let b4 = one.starts_with("b4/") && git.ask(["rev-parse", "--verify", "-q", &branch]).is_some();
            let found = if b4 { input::on_top(git, one)? } else { input::range(git, one)? };
            commits(asked, found, one)?
        }
        words => mails(asked, &files(words, asked.dir)?)?,
    };
    if let Some(text) = asked.subject_prefix {
        loaded.series.prefix = Some(input::prefix_of(text));
    }
    let mut words = words.to_vec();
    for (flag, value) in [("--onto", asked.onto), ("--subject-prefix", asked.subject_prefix)] {
        words.extend(value.iter().flat_map(|value| [flag.to_owned(), (*value).to_owned()]));
    }
    let words = words.iter().map(quote);
    loaded.series.again = iter::once(String::new()).chain(words).collect::<Vec<_>>().join(" ");
    Ok(loaded)
}

fn commits(asked: Input<'_>, found: Commits, name: &str) -> Result<Loaded> {
    if asked.onto.is_some() {
        return Err(Error::usage("--onto is for mails: commits are where they are")
            .hint("name the range instead: vmptcp validate BASE..TIP"));
    }
    loading::commits(asked.workspace, found, name.to_owned())
}

fn mails(Input { onto, git, workspace, .. }: Input<'_>, files: &[(String, Vec<u8>)]) -> Result<Loaded> {
    let mails = input::mails(files)?;
    let mut bases = Vec::new();
    if let Some(onto) = onto {
        bases.push((git.commit(onto)?, Some(GIVEN.to_owned())));
    } else {
        let named = mails.base.as_ref().and_then(|base| git.commit(base).ok());
        bases.extend(named.map(|base| (base, Some("the base-commit of a mail".to_owned()))));
        // Who sends from a branch has the patches on it already.
        bases.extend(input::on_top(git, "HEAD").ok().map(|found| (found.base, None)));
        bases.push((git.commit("HEAD")?, None));
    }
    let names = files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ");
    loading::mails(workspace, &mails, &bases, &names)
}

/// The files that are named, with those of directories that are.
fn files(words: &[String], dir: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for word in words {
        if word == "-" {
            let mut text = Vec::new();
            let mut stdin = std::io::stdin().lock().take(MAX_SIZE);
            stdin.read_to_end(&mut text).doing("read", "standard input")?;
            files.push(("standard input".to_owned(), text));
            continue;
        }
        let path = dir.join(word);
        for file in if path.is_dir() { in_directory(&path)? } else { vec![path] } {
            files.push((file.display().to_string(), read(&file)?));
        }
    }
    Ok(files)
}

fn in_directory(dir: &Path) -> Result<Vec<PathBuf>> {
    let mails = ["patch", "eml", "mbox", "mbx"];
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .doing("read", dir)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| mails.iter().any(|mail| ending == *mail)))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Error::usage(format!(
            "{} has no patches: no *.patch, *.eml, *.mbox there",
            dir.display()
        ))
        .hint("git format-patch -o DIR BASE.."));
    }
    Ok(files)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let wrong =
        |why: String| Err(Error::usage(why).hint("give a range, files of git format-patch, or a mailbox"));
    let data = match file.metadata() {
        Ok(data) => data,
        Err(error) => return wrong(format!("cannot read {}: {error}", file.display())),
    };
    // A pipe, as in <(b4 am -o- …), has no size.
    if data.is_dir() || data.is_file() && data.len() > MAX_SIZE {
        return wrong(format!("{} is no series: it is too large", file.display()));
    }
    let mut text = Vec::new();
    let opened = std::fs::File::open(file).doing("read", file)?;
    opened.take(MAX_SIZE).read_to_end(&mut text).doing("read", file)?;
    Ok(text)
}
