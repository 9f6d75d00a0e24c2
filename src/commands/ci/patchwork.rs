//! `vmptcp ci patchwork`: the results of a series as checks of Patchwork.

use super::curl::{Curl, quoted};
use super::letter::{Letter, is_id};
use crate::commands::context::Context;
use crate::commands::report as report_command;
use crate::error::{Error, ExitCode, Result};
use crate::process::Cmd;
use crate::report::{Check, checks, clean, console};
use crate::results::Summary;
use crate::store::LATEST;
use serde::Deserialize;
use std::path::PathBuf;

/// Print the checks of a series for Patchwork, or send them
///
/// Of a validation, each check is one on its patch, or on the last patch if it is about the whole series; of a run of tests, its
/// verdict is one. Nothing is sent without --send, which takes the token of your account from the variable `PATCHWORK_TOKEN`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp ci patchwork --dry-run                            the checks of the newest run, as JSON
  vmptcp ci patchwork 20261122-131500-4711 --message-id 1@example.org --send
  vmptcp ci patchwork --cover cover.eml --target-url https://ci.example.org/1 --send")]
pub struct Args {
    /// The run or validation: its name, a unique beginning of it, or its directory
    #[arg(value_name = "RUN", default_value = LATEST)]
    run: String,
    /// The Message-Id of the cover letter, or of the only patch
    #[arg(long, value_name = "ID", conflicts_with = "cover")]
    message_id: Option<String>,
    /// The mail of the cover letter, or of the only patch
    #[arg(long, value_name = "FILE")]
    cover: Option<PathBuf>,
    /// The server
    #[arg(long, value_name = "URL", default_value = "https://patchwork.kernel.org")]
    url: String,
    /// Where the results can be read
    #[arg(long, value_name = "URL")]
    target_url: Option<String>,
    /// Print what would be sent; that is what happens without --send, too
    #[arg(long, conflicts_with = "send")]
    dry_run: bool,
    /// Send it
    #[arg(long)]
    send: bool,
}

/// A patch or a cover letter, as Patchwork lists it.
#[derive(Debug, Deserialize)]
struct Found {
    #[serde(default)]
    series: Vec<Id>,
}

#[derive(Debug, Deserialize)]
struct Id {
    id: u64,
}

/// A series of Patchwork's.
#[derive(Debug, Deserialize)]
struct Series {
    patches: Vec<Patch>,
}

#[derive(Debug, Deserialize)]
struct Patch {
    id: u64,
    name: String,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let replay = report_command::find(context, &args.run)?;
    let summary = Summary::of(&replay.records);
    let checks = checks(&summary);
    if !args.send {
        let listed: Vec<_> = checks.iter().map(|check| document(check, args)).collect();
        let text = serde_json::to_string_pretty(&listed).unwrap_or_default();
        console::out(&(crate::text::json(&text) + "\n"))?;
        console::note("nothing was sent: --send does that");
        return Ok(ExitCode::Passed as u8);
    }
    let id = message_id(args, context)?;
    let token = context
        .environment
        .patchwork_token()
        .and_then(|token| quoted(&format!("Authorization: Token {token}")));
    let token = token.ok_or_else(|| {
        Error::usage("cannot send checks without a token")
            .hint("set PATCHWORK_TOKEN, from your profile on the server")
    })?;
    if !args.url.starts_with("http://") && !args.url.starts_with("https://") {
        return Err(
            Error::usage(format!("{} is no address of a server", args.url)).hint("--url https://HOST")
        );
    }
    let server =
        Server { url: args.url.trim_end_matches('/'), curl: Curl::new(&format!("header = {token}\n"))? };
    let series = server.series(&id)?;
    same_series(&summary, &series, &id)?;
    for check in &checks {
        let at = check.patch.unwrap_or(series.patches.len());
        let Some(patch) = at.checked_sub(1).and_then(|at| series.patches.get(at)) else { continue };
        server.post(patch.id, &document(check, args).to_string())?;
    }
    console::note(&format!("sent {} checks on {} patches", checks.len(), series.patches.len()));
    Ok(ExitCode::Passed as u8)
}

/// The Message-Id, without its angle brackets.
fn message_id(args: &Args, context: &Context) -> Result<String> {
    let id = match (&args.message_id, &args.cover) {
        (Some(id), _) => format!("<{}>", id.trim_start_matches('<').trim_end_matches('>')),
        (None, Some(file)) => Letter::read(&context.absolute(file))?.id,
        (None, None) => {
            return Err(Error::usage("which series?").hint("name it: --message-id ID, or --cover FILE"));
        }
    };
    if !is_id(&id) {
        return Err(Error::usage(format!("{id} is no Message-Id")).hint("as in --message-id 1@example.org"));
    }
    Ok(id.trim_matches(['<', '>']).to_owned())
}

fn document(check: &Check, args: &Args) -> serde_json::Value {
    let mut document = serde_json::json!({
        "state": check.state,
        "context": check.context,
        "description": check.description,
    });
    if let Some(url) = &args.target_url {
        document["target_url"] = url.as_str().into();
    }
    if !args.send {
        document["patch"] = check.patch.into();
    }
    document
}

/// Fails unless the series of the server is the one that was validated.
fn same_series(summary: &Summary, series: &Series, id: &str) -> Result<()> {
    let differ = |why: String| {
        Err(Error::usage(format!("the series of {id} is not the one of this run: {why}"))
            .hint("name its run: vmptcp report --list"))
    };
    if series.patches.is_empty() {
        return differ("it has no patches".to_owned());
    }
    let Some(validation) = &summary.validation else { return Ok(()) };
    let ours = &validation.series.patches;
    if ours.len() != series.patches.len() {
        return differ(format!("it has {} patches, and the run has {}", series.patches.len(), ours.len()));
    }
    let other = ours.iter().zip(&series.patches).find(|(ours, theirs)| !theirs.name.ends_with(&ours.subject));
    match other {
        None => Ok(()),
        Some((ours, theirs)) => {
            differ(format!("{:?} is there {:?}", clean(&ours.subject), clean(&theirs.name)))
        }
    }
}

struct Server<'a> {
    url: &'a str,
    curl: Curl,
}

impl Server<'_> {
    /// The series to which a message belongs.
    fn series(&self, id: &str) -> Result<Series> {
        for kind in ["covers", "patches"] {
            let request = self.curl.command().arg("--get").arg("--data-urlencode").arg(format!("msgid={id}"));
            let found: Vec<Found> =
                self.read(&request.arg(format!("{}/api/{kind}/", self.url)), "find the series")?;
            if let Some(series) = found.iter().flat_map(|found| &found.series).next() {
                let request = self.curl.command().arg(format!("{}/api/series/{}/", self.url, series.id));
                return self.read(&request, "read the series");
            }
        }
        Err(Error::usage(format!("{} knows no message {id}", self.url))
            .hint("it may take some minutes after it was sent; or is it another server? --url URL"))
    }

    fn read<T: for<'a> Deserialize<'a>>(&self, request: &Cmd, what: &str) -> Result<T> {
        let text = Curl::ask(request, what)?;
        serde_json::from_str(&text).map_err(|error| {
            Error::cannot_run(format!("cannot {what}: {} answers something else: {error}", self.url))
                .hint("is it the address of a Patchwork server? --url URL")
        })
    }

    fn post(&self, patch: u64, check: &str) -> Result<()> {
        let file = self.curl.file("check.json", check.as_bytes())?;
        let mut data = std::ffi::OsString::from("@");
        data.push(file);
        let request =
            self.curl.command().args(["--header", "Content-Type: application/json", "--data-binary"]);
        let request = request.arg(data).arg(format!("{}/api/patches/{patch}/checks/", self.url));
        Curl::ask(&request, "send a check").map(drop)
    }
}
