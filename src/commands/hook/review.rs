//! `vmptcp hook run b4-review`: what b4 asks of a check when a series is reviewed. It gives one mail, and takes JSON.

use super::super::context::Context;
use super::super::validate;
use super::repository;
use crate::error::{Error, IoContext, Result};
use crate::series::git::Git;
use crate::series::input;
use crate::series::subject;
use crate::text::{decode, file};
use mailparse::{MailHeaderMap, parse_headers};
use std::io::Read;
use std::path::Path;

/// Validates the mail on standard input: a patch, or a cover letter and with it the series that is checked out.
pub fn run(context: &Context) -> Result<u8> {
    let mut mail = Vec::new();
    std::io::stdin().lock().read_to_end(&mut mail).doing("read", "standard input")?;
    let (_, repository) = repository(context)?;
    if decode(&mail).lines().any(|line| line.starts_with("diff --git ") || line.starts_with("--- a/")) {
        return of_patch(context, &repository.git, &mail);
    }
    let (headers, _) = parse_headers(&mail).map_err(|_| no_mail())?;
    let subject = headers.get_first_value("Subject").ok_or_else(no_mail)?;
    let stated = subject::split(&subject).0.and_then(|prefix| prefix.count);
    let found = input::on_top(&repository.git, "HEAD")?.commits.len();
    if let Some((_, expected)) = stated.filter(|(_, count)| *count != found) {
        return Err(Error::usage(format!("the series has {expected} patches, and {found} are checked out"))
            .hint("check the series out, then run the check again"));
    }
    validate::run(&validate::Args::of_review(Vec::new()), context)
}

fn no_mail() -> Error {
    Error::usage("there is no mail with a subject on standard input").hint("vmptcp hook run b4-review < MAIL")
}

/// A patch: as it is checked out, or else on top of what it can be applied to.
fn of_patch(context: &Context, git: &Git, mail: &[u8]) -> Result<u8> {
    let mails = input::mails(&[("standard input".to_owned(), mail.to_vec())])?;
    let subject = mails.patches.first().map(|patch| patch.subject.clone());
    let commits = input::on_top(git, "HEAD").map(|found| found.commits).unwrap_or_default();
    let same = |commit: &&String| git.ask(["show", "-s", "--format=%s", commit]) == subject;
    if let Some(commit) = commits.iter().find(same) {
        return validate::run(&validate::Args::of_review(vec![format!("{commit}~1..{commit}")]), context);
    }
    let dir = tempfile::tempdir().doing("create a directory in", Path::new("/tmp"))?;
    let path = dir.path().join("patch.eml");
    file::replace(&path, mail)?;
    validate::run(&validate::Args::of_review(vec![path.display().to_string()]), context)
}
