//! `vmptcp ci mail`: the results of a series as an answer to its cover letter.

use super::curl::{Curl, quoted};
use super::letter::Letter;
use crate::commands::context::Context;
use crate::commands::report as report_command;
use crate::error::{Error, ExitCode, Result};
use crate::report::{Exporter, Markdown, console};
use crate::results::Summary;
use crate::store::LATEST;
use crate::text::is_hidden;
use mailparse::addrparse;
use std::path::PathBuf;

/// Print the answer to a series, or send it
///
/// The author gets it, and all who got the series have a copy. Nothing is sent without --send, which takes the password of your
/// account from the variable `SMTP_PASSWORD`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp ci mail --cover cover.eml --from 'MPTCP CI <ci@example.org>'      print it
  vmptcp ci mail --cover cover.eml --from ci@example.org --server smtps://mail.example.org --send")]
pub struct Args {
    /// The run or validation: its name, a unique beginning of it, or its directory
    #[arg(value_name = "RUN", default_value = LATEST)]
    run: String,
    /// The mail of the cover letter, or of the only patch
    #[arg(long, value_name = "FILE")]
    cover: PathBuf,
    /// Who sends it
    #[arg(long, value_name = "ADDRESS")]
    from: String,
    /// Where the results can be read
    #[arg(long, value_name = "URL")]
    target_url: Option<String>,
    /// The mail server, as in `smtps://HOST`
    #[arg(long, value_name = "URL", requires = "send")]
    server: Option<String>,
    /// Send it
    #[arg(long, requires = "server")]
    send: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let letter = Letter::read(&context.absolute(&args.cover))?;
    let replay = report_command::find(context, &args.run)?;
    let mail = mail(args, &letter, &Summary::of(&replay.records))?;
    match args.server.as_ref().filter(|_| args.send) {
        None => {
            console::out(&mail)?;
            console::note("nothing was sent: --send does that");
        }
        Some(server) => send(args, &letter, server, &mail, context)?,
    }
    Ok(ExitCode::Passed as u8)
}

/// The mail, with lines that end as those of files do.
fn mail(args: &Args, letter: &Letter, summary: &Summary) -> Result<String> {
    addresses(&args.from)?;
    let subject = letter.subject.trim_start_matches("Re: ");
    let references = format!("{} {}", letter.references, letter.id);
    let mut headers = vec![
        ("From", args.from.clone()),
        ("To", letter.from.clone()),
        ("Cc", letter.copies.join(",\n ")),
        ("Subject", format!("Re: {subject}")),
        ("Date", jiff::Zoned::now().strftime("%a, %d %b %Y %H:%M:%S %z").to_string()),
        ("In-Reply-To", letter.id.clone()),
        ("References", references.trim().replace(' ', "\n ")),
        ("MIME-Version", "1.0".to_owned()),
        ("Content-Type", "text/plain; charset=utf-8".to_owned()),
        ("Content-Transfer-Encoding", "8bit".to_owned()),
        ("Auto-Submitted", "auto-generated".to_owned()),
    ];
    headers.retain(|(_, value)| !value.is_empty());
    let headers = headers.iter().fold(String::new(), |all, (name, value)| all + name + ": " + value + "\n");
    let place = args.target_url.as_ref().map(|url| format!("\nAll results: {url}\n")).unwrap_or_default();
    Ok(format!("{headers}\n{}{place}", Markdown.render(summary)))
}

/// The plain addresses in a header.
fn addresses(text: &str) -> Result<Vec<String>> {
    let wrong = || Error::usage(format!("{text:?} is no address")).hint("as in 'MPTCP CI <ci@example.org>'");
    let parsed = addrparse(text).map_err(|_| wrong())?;
    let mut found = Vec::new();
    for address in parsed.iter() {
        match address {
            mailparse::MailAddr::Single(one) => found.push(one.addr.clone()),
            mailparse::MailAddr::Group(group) => found.extend(group.addrs.iter().map(|one| one.addr.clone())),
        }
    }
    let plain = |address: &String| {
        address.contains('@')
            && !address.contains(|char: char| char.is_whitespace() || is_hidden(char) || "<>".contains(char))
    };
    if found.is_empty() || text.contains(is_hidden) || !found.iter().all(plain) {
        return Err(wrong());
    }
    Ok(found)
}

fn send(args: &Args, letter: &Letter, server: &str, mail: &str, context: &Context) -> Result<()> {
    if !["smtp://", "smtps://"].iter().any(|kind| server.starts_with(kind)) {
        return Err(Error::usage(format!("{server} is no mail server")).hint("--server smtps://HOST"));
    }
    let [from] = &addresses(&args.from)?[..] else {
        return Err(Error::usage("--from has several addresses").hint("give the one that sends it"));
    };
    let password = context.environment.smtp_password().ok_or_else(|| {
        Error::usage("cannot send a mail without a password")
            .hint("set SMTP_PASSWORD, of the account of --from")
    })?;
    let user = quoted(&format!("{from}:{password}"));
    let user = user.ok_or_else(|| Error::usage("SMTP_PASSWORD has a line feed").hint("set it again"))?;
    let curl = Curl::new(&format!("user = {user}\n"))?;
    let lines = mail.replace('\n', "\r\n");
    let mut request = curl.command().arg("--url").arg(server).arg("--mail-from").arg(from);
    let mut to = addresses(&letter.from)?;
    for copy in &letter.copies {
        to.extend(addresses(copy)?);
    }
    for address in &to {
        request = request.arg("--mail-rcpt").arg(address);
    }
    let file = curl.file("mail", lines.as_bytes())?;
    Curl::ask(&request.arg("--upload-file").arg(file), "send the mail")?;
    console::note(&format!("sent to {} addresses", to.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_goes_where_the_series_went() {
        let letter = Letter {
            id: "<1@x>".to_owned(),
            subject: "[PATCH mptcp-next 0/2] mptcp: x".to_owned(),
            from: "Ann <a@x>".to_owned(),
            copies: vec!["mptcp@lists.linux.dev".to_owned(), "b@x, c@x".to_owned()],
            references: "<0@x>".to_owned(),
        };
        let args = Args {
            run: LATEST.to_owned(),
            cover: PathBuf::new(),
            from: "CI <ci@x>".to_owned(),
            target_url: Some("https://x/1".to_owned()),
            server: None,
            send: false,
        };
        let text = mail(&args, &letter, &Summary::default()).unwrap();
        for line in [
            "From: CI <ci@x>\nTo: Ann <a@x>\nCc: mptcp@lists.linux.dev,\n b@x, c@x\nSubject: Re: [PATCH mptcp-next 0/2] mptcp: x\n",
            "\nIn-Reply-To: <1@x>\nReferences: <0@x>\n <1@x>\n",
            "\n\nTested with vmptcp",
            "\nAll results: https://x/1\n",
        ] {
            assert!(text.contains(line), "{line:?} is missing:\n{text}");
        }
        assert_eq!(addresses("Ann <a@x>, b@x").unwrap(), ["a@x", "b@x"]);
        for wrong in ["", "nothing", "a@x\nBcc: b@x"] {
            assert!(addresses(wrong).is_err(), "{wrong:?}");
        }
    }
}
