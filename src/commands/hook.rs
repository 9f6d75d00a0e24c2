//! `vmptcp hook`: validation in the way of sending. git calls `sendemail-validate` for each mail, b4 its per-patch command.

mod review;

use super::context::Context;
use super::validate;
use crate::error::{Error, ExitCode, IoContext, Result};
use crate::kernel::Tree;
use crate::report::console;
use crate::series::git::Git;
use crate::series::input;
use crate::text::{decode, file, is_hidden};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The hook's name.
const HOOK: &str = "sendemail-validate";

/// What a hook that was there before is called from now on.
const CHAINED: &str = "sendemail-validate.before-vmptcp";

/// The line that tells our hook from others.
const MARK: &str = "# installed by: vmptcp hook install";

/// What b4 runs in reviews.
const REVIEW: &str = "b4-review";

/// b4's setting for the command that looks at each patch.
const B4: &str = "b4.prep-perpatch-check-cmd";

/// Validate what git send-email and b4 are about to send
///
/// `git send-email --no-validate` sends without it.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp hook install                  from now on, git send-email and b4 prep --check ask vmptcp
  vmptcp hook install --quick          only what takes seconds, also for the whole series
  vmptcp hook remove                   as it was before
  vmptcp hook run sendemail-validate FILE
  vmptcp hook run b4 < PATCH
  vmptcp hook run b4-review < MAIL     what b4.review-perpatch-check-cmd and review-series-check-cmd take")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// Set the hook up in the tree's repository; one that is there is kept, and asked first
    Install {
        /// Nothing that builds or boots, also for the whole series
        #[arg(long)]
        quick: bool,
        /// Build, but boot nothing
        #[arg(long)]
        no_tests: bool,
    },
    /// Undo that
    Remove,
    /// Do what the hook does
    Run {
        /// Whose hook: sendemail-validate, b4 or b4-review
        #[arg(value_name = "HOOK", value_parser = [HOOK, "b4", REVIEW])]
        hook: String,
        /// What git gives it: the mail, and a file with its headers
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Nothing that builds or boots, also for the whole series
        #[arg(long)]
        quick: bool,
        /// Build, but boot nothing
        #[arg(long)]
        no_tests: bool,
    },
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    match &args.action {
        Action::Install { quick, no_tests } => install(context, *quick, *no_tests),
        Action::Remove => remove(context),
        Action::Run { hook, files, quick, no_tests } if hook == HOOK => {
            let [mail, rest @ ..] = &files[..] else {
                return Err(Error::usage("the hook needs the mail's file")
                    .hint(format!("vmptcp hook run {HOOK} FILE [HEADERS]")));
            };
            of_mail(context, mail, rest.first().map(PathBuf::as_path), *quick, *no_tests)
        }
        Action::Run { hook, .. } if hook == REVIEW => review::run(context),
        Action::Run { .. } => of_b4(context),
    }
}

/// The repository that hooks are set up in.
struct Repository {
    git: Git,
    hooks: PathBuf,
}

fn repository(context: &Context) -> Result<(Tree, Repository)> {
    let tree = context.tree()?;
    let git = Git::of_tree(tree.root())?;
    // Where git itself looks, `core.hooksPath` included: ours is switched off only for our own calls.
    let hooks =
        process::Cmd::new("git").arg("-C").arg(tree.root()).args(["rev-parse", "--git-path", "hooks"]);
    let hooks = tree.root().join(hooks.read()?.trim());
    Ok((tree, Repository { git, hooks }))
}

fn install(context: &Context, quick: bool, no_tests: bool) -> Result<u8> {
    let (_, Repository { git, hooks }) = repository(context)?;
    let (hook, chained) = (hooks.join(HOOK), hooks.join(CHAINED));
    fs::create_dir_all(&hooks).doing("create", &hooks)?;
    if hook.exists() && !is_ours(&hook) {
        if chained.exists() {
            return Err(Error::usage(format!(
                "cannot keep {}: {} is there already",
                hook.display(),
                chained.display()
            ))
            .hint("look at both, and remove the one that is not needed"));
        }
        fs::rename(&hook, &chained).doing("rename", &hook)?;
        console::note(&format!("the hook that was there is kept, and asked first: {}", chained.display()));
    }
    let exe = std::env::current_exe().doing("find the path of", "this executable")?;
    let flags = [(quick, " --quick"), (no_tests, " --no-tests")];
    let flags: String = flags.iter().filter(|(on, _)| *on).map(|(_, flag)| *flag).collect();
    let text = script(&exe, &flags)?;
    file::replace(&hook, text.as_bytes())?;
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).doing("make executable", &hook)?;
    console::note(&format!("installed {}", hook.display()));
    let command = b4_command(&exe)?;
    match git.ask(["config", "--local", "--get", B4]) {
        Some(other) if other != command => {
            console::note(&format!("{B4} is set already, and left as it is: {other}"));
        }
        _ => {
            git.read(["config", "--local", B4, &command])?;
            console::note(&format!("set {B4}: b4 prep --check asks vmptcp"));
        }
    }
    Ok(ExitCode::Passed as u8)
}

fn remove(context: &Context) -> Result<u8> {
    let (_, Repository { git, hooks }) = repository(context)?;
    let (hook, chained) = (hooks.join(HOOK), hooks.join(CHAINED));
    if is_ours(&hook) {
        fs::remove_file(&hook).doing("remove", &hook)?;
        console::note(&format!("removed {}", hook.display()));
        if chained.exists() {
            fs::rename(&chained, &hook).doing("rename", &chained)?;
            console::note(&format!("the hook that was there before is back: {}", hook.display()));
        }
    } else {
        console::note(&format!("there is no hook of vmptcp's in {}", hooks.display()));
    }
    if git.ask(["config", "--local", "--get", B4]).is_some_and(|command| command.ends_with(B4_WORDS)) {
        git.read(["config", "--local", "--unset", B4])?;
        console::note(&format!("unset {B4}"));
    }
    Ok(ExitCode::Passed as u8)
}

fn is_ours(hook: &Path) -> bool {
    fs::read(hook).is_ok_and(|text| decode(&text).lines().any(|line| line == MARK))
}

/// The words that b4 is given, after the program.
const B4_WORDS: &str = " hook run b4";

fn b4_command(exe: &Path) -> Result<String> {
    Ok(format!("{}{B4_WORDS}", quoted(exe)?))
}

/// The path as a word of a shell: git runs hooks as scripts, and b4 splits its command like one.
fn quoted(exe: &Path) -> Result<String> {
    let text = exe.to_str().filter(|text| !text.contains(is_hidden));
    let text = text.ok_or_else(|| {
        Error::cannot_run(format!("the path {} cannot be written in a shell script", exe.display()))
    })?;
    Ok(shlex::try_quote(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned))
}

fn script(exe: &Path, flags: &str) -> Result<String> {
    Ok(format!(
        "#!/bin/sh\n{MARK}\n\
         # Sends nothing that `vmptcp validate` has something against. Undo: vmptcp hook remove\n\
         chained=$(dirname \"$0\")/{CHAINED}\n\
         if [ -x \"$chained\" ]; then\n\t\"$chained\" \"$@\" || exit\nfi\n\
         exec {} hook run {HOOK}{flags} -- \"$@\"\n",
        quoted(exe)?
    ))
}

/// One mail of git send-email: the quick checks for each, and with the last all of them for the series.
fn of_mail(
    context: &Context,
    mail: &Path,
    headers: Option<&Path>,
    quick: bool,
    no_tests: bool,
) -> Result<u8> {
    let tree = context.tree()?;
    let loaded = context.settings(Some(&tree), super::overrides::Overrides::default())?;
    let work = context.work_dir(&tree, &loaded)?;
    work.create()?;
    let (counter, total) = context.environment.sendemail();
    let outgoing = work.root().join("outgoing");
    if counter == 1 && outgoing.exists() {
        fs::remove_dir_all(&outgoing).doing("remove", &outgoing)?;
    }
    fs::create_dir_all(&outgoing).doing("create", &outgoing)?;
    let mail = context.absolute(mail);
    let text = fs::read(&mail).doing("read", &mail)?;
    // The file is what format-patch wrote: to whom it goes git adds only while it sends.
    let text = match headers.map(|headers| fs::read(context.absolute(headers))) {
        Some(Ok(headers)) => with_recipients(&text, &headers),
        _ => text,
    };
    let kept = outgoing.join(format!("{counter:04}.eml"));
    file::replace(&kept, &text)?;
    if counter < total {
        // Those before it are there as well: it applies on top of them.
        let patches = in_outgoing(&outgoing)?;
        if patches.last() != Some(&kept) {
            return Ok(ExitCode::Passed as u8);
        }
        let args =
            validate::Args::of_hook(vec![outgoing.display().to_string()], Some(patches.len()), true, true);
        return validate::run(&args, context);
    }
    let args = validate::Args::of_hook(vec![outgoing.display().to_string()], None, quick, no_tests);
    validate::run(&args, context)
}

/// The mails so far that have a patch, in order. One without is the cover letter.
fn in_outgoing(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).doing("read", dir)?.flatten() {
        let text = fs::read(entry.path()).doing("read", entry.path())?;
        let text = decode(&text);
        if text.lines().any(|line| line.starts_with("diff --git ") || line.starts_with("--- a/")) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// The mail with the To and Cc that git will send it with.
fn with_recipients(mail: &[u8], headers: &[u8]) -> Vec<u8> {
    let envelope = if mail.starts_with(b"From ") { line_end(mail) } else { 0 };
    let (envelope, rest) = mail.split_at(envelope);
    let head = rest.windows(2).position(|pair| pair == b"\n\n").map_or(rest.len(), |at| at + 1);
    let (head, body) = rest.split_at(head);
    let kept = fields(head).into_iter().filter(|field| !is_recipient(field));
    let wanted = fields(headers).into_iter().filter(|field| is_recipient(field));
    let mut text = [envelope].into_iter().chain(kept).chain(wanted).collect::<Vec<_>>().concat();
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(body);
    text
}

/// The fields of a header, each with the lines that it goes on in.
fn fields(mut head: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    while !head.is_empty() {
        let mut end = line_end(head);
        while matches!(head.get(end), Some(b' ' | b'\t')) {
            end += line_end(&head[end..]);
        }
        let (field, rest) = head.split_at(end);
        fields.push(field);
        head = rest;
    }
    fields
}

/// Behind the first line feed.
fn line_end(text: &[u8]) -> usize {
    text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| at + 1)
}

fn is_recipient(field: &[u8]) -> bool {
    let key = field.split(|&byte| byte == b':').next().unwrap_or_default();
    key.eq_ignore_ascii_case(b"to") || key.eq_ignore_ascii_case(b"cc")
}

/// One patch of b4's, on standard input.
fn of_b4(context: &Context) -> Result<u8> {
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text).doing("read", "standard input")?;
    let mails = input::mails(&[("standard input".to_owned(), text)])?;
    let subject = &mails.patches[0].subject;
    // b4 gives the patch alone; where it applies, only its branch tells.
    let (_, Repository { git, .. }) = repository(context)?;
    let found = input::on_top(&git, "HEAD")?;
    let same = |commit: &&String| git.ask(["show", "-s", "--format=%s", commit]).as_ref() == Some(subject);
    let Some(commit) = found.commits.iter().find(same) else {
        return Err(Error::usage("no commit of this branch has the subject of the patch")
            .hint("check the branch as a whole: vmptcp validate --quick"));
    };
    validate::run(&validate::Args::of_b4(commit), context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_those_that_git_will_use() {
        let mail = b"From 1 Mon Sep 17 00:00:00 2001\nFrom: A <a@b>\nTo: old@x\n folded@x\nSubject: y\n\nTo: stays\n";
        let headers = b"From: A <a@b>\nTo: mptcp@lists.linux.dev\nCc: b@c,\n d@e\nX-Mailer: z\n";
        let text = String::from_utf8(with_recipients(mail, headers)).unwrap();
        insta::assert_snapshot!(text, @r"
        From 1 Mon Sep 17 00:00:00 2001
        From: A <a@b>
        Subject: y
        To: mptcp@lists.linux.dev
        Cc: b@c,
         d@e

        To: stays
        ");
    }

    #[test]
    fn a_mail_keeps_its_bytes() {
        let mail = b"From: A <a@b>\nSubject: y\n\n+\t/* caf\xe9 */\r\n";
        let expected = b"From: A <a@b>\nSubject: y\nCc: \xfc@c\n\n+\t/* caf\xe9 */\r\n";
        assert_eq!(with_recipients(mail, b"Cc: \xfc@c"), expected);
    }

    #[test]
    fn the_script_asks_the_earlier_hook_first() {
        insta::assert_snapshot!(script(Path::new("/opt/my tools/vmptcp"), " --quick").unwrap(), @r#"
        #!/bin/sh
        # installed by: vmptcp hook install
        # Sends nothing that `vmptcp validate` has something against. Undo: vmptcp hook remove
        chained=$(dirname "$0")/sendemail-validate.before-vmptcp
        if [ -x "$chained" ]; then
        	"$chained" "$@" || exit
        fi
        exec '/opt/my tools/vmptcp' hook run sendemail-validate --quick -- "$@"
        "#);
    }
}
