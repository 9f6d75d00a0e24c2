//! What the words of the command line name: commits, or mails.

use super::{Args, Place};
use crate::commands::context::Context;
use crate::error::{Error, IoContext, Result};
use crate::process::quote;
use crate::series::input::{self, Commits};
use crate::series::verdict::GIVEN;
use crate::series::{Loaded, load};
use std::io::Read;
use std::iter;
use std::path::{Path, PathBuf};

/// More than this is no series, in bytes.
const LARGEST: u64 = 64 << 20;

/// Finds the series, and brings it into our own repository.
pub(super) fn load(args: &Args, context: &Context, place: &Place) -> Result<Loaded> {
    let mut loaded = match &args.input[..] {
        [] => commits(args, place, input::on_top(&place.git, "HEAD")?, "on top of the base")?,
        [one] if one != "-" && !context.absolute(Path::new(one)).exists() => {
            let branch = format!("refs/heads/{one}");
            let b4 =
                one.starts_with("b4/") && place.git.ask(["rev-parse", "--verify", "-q", &branch]).is_some();
            let found = if b4 { input::on_top(&place.git, one)? } else { input::range(&place.git, one)? };
            commits(args, place, found, one)?
        }
        words => mails(args, place, &files(words, context)?)?,
    };
    if let Some(text) = &args.subject_prefix {
        loaded.series.prefix = Some(input::prefix_of(text));
    }
    let mut words = args.input.clone();
    for (flag, value) in [("--onto", &args.onto), ("--subject-prefix", &args.subject_prefix)] {
        words.extend(value.iter().flat_map(|value| [flag.to_owned(), value.clone()]));
    }
    let words = words.iter().map(quote);
    loaded.series.again = iter::once(String::new()).chain(words).collect::<Vec<_>>().join(" ");
    Ok(loaded)
}

fn commits(args: &Args, place: &Place, found: Commits, input: &str) -> Result<Loaded> {
    if args.onto.is_some() {
        return Err(Error::usage("--onto is for mails: commits are where they are")
            .hint("name the range instead: vmptcp validate BASE..TIP"));
    }
    load::commits(&place.workspace, found, input.to_owned())
}

fn mails(args: &Args, place: &Place, files: &[(String, Vec<u8>)]) -> Result<Loaded> {
    let mails = input::mails(files)?;
    let mut bases = Vec::new();
    if let Some(onto) = &args.onto {
        bases.push((place.git.commit(onto)?, Some(GIVEN.to_owned())));
    } else {
        let named = mails.base.as_ref().and_then(|base| place.git.commit(base).ok());
        bases.extend(named.map(|base| (base, Some("the base-commit of a mail".to_owned()))));
        // Who sends from a branch has the patches on it already.
        bases.extend(input::on_top(&place.git, "HEAD").ok().map(|found| (found.base, None)));
        bases.push((place.git.commit("HEAD")?, None));
    }
    let input = files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ");
    load::mails(&place.workspace, &mails, &bases, &input)
}

/// The files that are named, with those of directories that are.
fn files(words: &[String], context: &Context) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for word in words {
        if word == "-" {
            let mut text = Vec::new();
            let mut stdin = std::io::stdin().lock().take(LARGEST);
            stdin.read_to_end(&mut text).doing("read", "standard input")?;
            files.push(("standard input".to_owned(), text));
            continue;
        }
        let path = context.absolute(Path::new(word));
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
    if data.is_dir() || data.is_file() && data.len() > LARGEST {
        return wrong(format!("{} is no series: it is too large", file.display()));
    }
    let mut text = Vec::new();
    let opened = std::fs::File::open(file).doing("read", file)?;
    opened.take(LARGEST).read_to_end(&mut text).doing("read", file)?;
    Ok(text)
}
