//! The tree's own `scripts/checkpatch.pl`.

use super::Tools;
use crate::error::{Error, Result};
use crate::event::{Finding, Severity};
use crate::process::Cmd;
use crate::series::judgement::Judgement;
use crate::series::model::Patch;
use std::path::PathBuf;

/// What has a check of its own here, which knows more.
const OURS: &str = "MISSING_SIGN_OFF,NO_AUTHOR_SIGN_OFF,BAD_FIXES_TAG,MISSING_FIXES_TAG,GERRIT_CHANGE_ID,COMMIT_MESSAGE,\
COMMIT_LOG_LONG_LINE,BAD_STABLE_ADDRESS_STYLE";

/// How it is asked.
const OPTIONS: [&str; 6] =
    ["--strict", "--max-line-length=80", "--show-types", "--no-summary", "--color=never", "--quiet"];

pub(super) fn check(tools: &Tools<'_>, patch: &Patch) -> Result<Judgement> {
    let arguments = |perl: Cmd| {
        let perl = tools.workspace.git().lend(perl).arg(format!("--root={}", tools.root.display()));
        let perl = perl.args(OPTIONS).args(["--ignore", OURS]);
        match dictionary() {
            Some(dictionary) => perl.arg("--codespell").arg("--codespellfile").arg(dictionary),
            None => perl,
        }
    };
    let output = match tools.run_perl("checkpatch.pl", patch, arguments)? {
        Ok(output) => output,
        Err(judgement) => return Ok(judgement),
    };
    let mut found = read(&output.stdout);
    if found.is_empty() && !output.status.success() {
        let why = output.stderr.lines().chain(output.stdout.lines()).find(|line| !line.trim().is_empty());
        return Err(Error::cannot_run(format!(
            "checkpatch failed: {}",
            why.unwrap_or("it does not say why")
        )));
    }
    // That there is no such commit the check `fixes` says already.
    let fixed: Vec<String> = patch.message.values("Fixes");
    let known =
        |text: &str| fixed.iter().filter_map(|value| value.split(' ').next()).any(|hash| text.contains(hash));
    found.retain(|finding| !(finding.text.starts_with("UNKNOWN_COMMIT_ID") && known(&finding.text)));
    Ok(Judgement::Done(found))
}

/// Where codespell's list of misspellings is.
pub(super) fn dictionary() -> Option<PathBuf> {
    let places = [
        "/usr/share/codespell/dictionary.txt",
        "/usr/lib/python3/dist-packages/codespell_lib/data/dictionary.txt",
    ];
    places.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// Reads blocks such as
///
/// ```text
/// WARNING:LONG_LINE: line length of 90 exceeds 80 columns
/// #24: FILE: net/mptcp/pm.c:12:
/// +the line
/// ```
fn read(text: &str) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for line in text.lines() {
        let kinds =
            [("ERROR:", Severity::Error), ("WARNING:", Severity::Warning), ("CHECK:", Severity::Warning)];
        let kind = kinds.iter().find_map(|(word, severity)| Some((line.strip_prefix(word)?, *severity)));
        if let Some((text, severity)) = kind {
            found.push(Finding { severity, ..Finding::error(text) });
        } else if let Some((_, place)) = line.split_once("FILE: ").filter(|_| line.starts_with('#'))
            && let Some(last) = found.last_mut().filter(|last| last.file.is_none())
            && let Some((file, number)) = place.trim_end_matches(':').rsplit_once(':')
        {
            last.file = Some(file.to_owned());
            last.line = number.parse().ok();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_checkpatch_says_is_read() {
        let said = "ERROR:TRAILING_WHITESPACE: trailing whitespace\n#24: FILE: net/mptcp/pm.c:12:\n+\tx $\n\n\
            CHECK:LINE_SPACING: Please don't use multiple blank lines\n#25: FILE: net/mptcp/pm.c:13:\n+\n\n\
            WARNING:TYPO_SPELLING: 'teh' may be misspelled - perhaps 'the'?\n#6: \nFix teh bug\n";
        let shown: Vec<String> = read(said)
            .iter()
            .map(|found| format!("{:?} {:?} {}", found.severity, found.place(), found.text))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        Error Some("net/mptcp/pm.c:12") TRAILING_WHITESPACE: trailing whitespace
        Warning Some("net/mptcp/pm.c:13") LINE_SPACING: Please don't use multiple blank lines
        Warning None TYPO_SPELLING: 'teh' may be misspelled - perhaps 'the'?
        "#);
    }
}
