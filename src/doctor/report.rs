//! What was found, for a person and for a program. Pure.

use super::{Diagnosis, Finding, Need, Status};
use crate::error::{Error, Result};
use crate::text::Shown;
use std::fmt::Write;

/// A table of all findings with a verdict below it.
pub(super) fn text(diagnosis: &Diagnosis) -> String {
    let mut out = format!("{}\n\n", plain(&diagnosis.distribution));
    let width = |of: fn(&Finding) -> usize, least: usize| {
        diagnosis.findings.iter().map(of).max().unwrap_or(0).max(least)
    };
    let name = width(|finding| finding.name.chars().count(), 4);
    let version = width(|finding| version(finding).chars().count(), 7);
    for finding in &diagnosis.findings {
        let status = match (finding.status, finding.need) {
            // Nothing to worry about: it was not asked for.
            (Status::Missing | Status::TooOld, Need::Extra) => "-",
            (status, _) => status.as_str(),
        };
        let line = format!(
            "{status:<10}  {:<name$}  {:<version$}  {}",
            plain(&finding.name),
            version_or_dash(finding),
            plain(&finding.purpose)
        );
        let _ = writeln!(out, "{}", line.trim_end());
        let indent = name + version + 16;
        if let Some(note) = &finding.note {
            let _ = writeln!(out, "{:indent$}{}", "", plain(note));
        }
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(out, "{:indent$}-> {}", "", plain(remedy));
        }
    }
    out.push('\n');
    out.push_str(&verdict(diagnosis));
    out
}

fn verdict(diagnosis: &Diagnosis) -> String {
    let unusable = |need: Need| -> Vec<&str> {
        diagnosis
            .findings
            .iter()
            .filter(|finding| finding.need == need && !finding.status.is_usable())
            .map(|finding| finding.name.as_str())
            .collect()
    };
    if diagnosis.root.is_some() {
        return verdict_on_root(&unusable(Need::Required), &unusable(Need::Optional));
    }
    let mut out = if diagnosis.can_run {
        "the main job can run\n".to_owned()
    } else {
        format!("the main job cannot run: {}\n", unusable(Need::Required).join(", "))
    };
    let optional = unusable(Need::Optional);
    if !optional.is_empty() {
        let _ = writeln!(out, "some things are slower, or skipped, for want of {}", optional.join(", "));
    }
    if let Some(command) = &diagnosis.remedy {
        let _ = writeln!(out, "to install what is missing: vmptcp doctor --fix");
        let _ = writeln!(out, "or by hand, as root: {command}");
    } else if !diagnosis.can_run {
        let _ = writeln!(out, "to install what can be installed: vmptcp doctor --fix");
    }
    out
}

fn verdict_on_root(required: &[&str], optional: &[&str]) -> String {
    let mut out = if required.is_empty() {
        "the suites find all that they cannot do without\n".to_owned()
    } else {
        format!("the suites cannot run with this root filesystem: it has no usable {}\n", required.join(", "))
    };
    if !optional.is_empty() {
        let _ = writeln!(out, "some things are skipped for want of {}", optional.join(", "));
    }
    out
}

fn version(finding: &Finding) -> &str {
    finding.version.as_deref().unwrap_or_default()
}

fn version_or_dash(finding: &Finding) -> String {
    if version(finding).is_empty() { "-".to_owned() } else { plain(version(finding)) }
}

/// What a tool printed must not steer the terminal.
fn plain(text: &str) -> String {
    Shown::line(text).to_string()
}

/// One object with all findings; its fields are those of [`Diagnosis`].
pub(super) fn json(diagnosis: &Diagnosis) -> Result<String> {
    serde_json::to_string_pretty(diagnosis)
        .map(|text| crate::text::json(&text) + "\n")
        .map_err(|error| Error::cannot_run(format!("cannot write the findings as JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Diagnosis {
        let finding =
            |name: &str, status, need, version: Option<&str>, note: Option<&str>, remedy: Option<&str>| {
                Finding {
                    name: name.to_owned(),
                    status,
                    need,
                    purpose: format!("what {name} is for"),
                    version: version.map(str::to_owned),
                    path: None,
                    packages: vec![format!("{name}-package")],
                    note: note.map(str::to_owned),
                    remedy: remedy.map(str::to_owned),
                }
            };
        let fix = Some("vmptcp doctor --fix");
        Diagnosis {
            root: None,
            can_run: false,
            distribution: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            family: Some("debian".to_owned()),
            remedy: Some("apt-get install -y rsync-package".to_owned()),
            findings: vec![
                finding("gcc", Status::Ok, Need::Required, Some("12.2.0"), None, None),
                finding("rsync", Status::Missing, Need::Required, None, Some("no rsync"), fix),
                finding("pahole", Status::Missing, Need::Optional, None, Some("no pahole"), fix),
                finding(
                    "virtiofsd",
                    Status::TooOld,
                    Need::Extra,
                    Some("7.2.22"),
                    Some("9p\x1b[2J is used"),
                    None,
                ),
                finding("memory", Status::TooLittle, Need::Required, Some("0.5 GiB available"), None, None),
            ],
        }
    }

    #[test]
    fn the_table_says_what_is_wrong_and_what_to_do() {
        insta::assert_snapshot!(text(&sample()), @r"
        Debian GNU/Linux 12 (bookworm)

        ok          gcc        12.2.0             what gcc is for
        missing     rsync      -                  what rsync is for
                                                  no rsync
                                                  -> vmptcp doctor --fix
        missing     pahole     -                  what pahole is for
                                                  no pahole
                                                  -> vmptcp doctor --fix
        -           virtiofsd  7.2.22             what virtiofsd is for
                                                  9p\u{1b}[2J is used
        too little  memory     0.5 GiB available  what memory is for

        the main job cannot run: rsync, memory
        some things are slower, or skipped, for want of pahole
        to install what is missing: vmptcp doctor --fix
        or by hand, as root: apt-get install -y rsync-package
        ");
    }

    #[test]
    fn a_machine_in_order_gets_one_line_of_verdict() {
        let mut diagnosis = sample();
        diagnosis.findings.truncate(1);
        diagnosis.can_run = true;
        diagnosis.remedy = None;
        insta::assert_snapshot!(text(&diagnosis), @r"
        Debian GNU/Linux 12 (bookworm)

        ok          gcc   12.2.0   what gcc is for

        the main job can run
        ");
    }

    #[test]
    fn the_json_has_the_documented_words() {
        let mut diagnosis = sample();
        diagnosis.findings.drain(..3);
        diagnosis.findings.truncate(1);
        insta::assert_snapshot!(json(&diagnosis).unwrap(), @r#"
        {
          "can_run": false,
          "distribution": "Debian GNU/Linux 12 (bookworm)",
          "family": "debian",
          "remedy": "apt-get install -y rsync-package",
          "findings": [
            {
              "name": "virtiofsd",
              "status": "too-old",
              "need": "extra",
              "for": "what virtiofsd is for",
              "version": "7.2.22",
              "path": null,
              "packages": [
                "virtiofsd-package"
              ],
              "note": "9p\u001b[2J is used",
              "remedy": null
            }
          ]
        }
        "#);
    }
}
