//! Linters for Python and YAML: their new findings. No configuration counts but ours: it could come with the series.

use super::{Tools, files, looked, program};
use crate::error::Result;
use crate::process::find;
use crate::series::judgement::Judgement;
use crate::series::model::AppliedPatch;
use crate::series::news::Remark;

/// The linters for Python that will do, the best first.
pub(super) const PYTHON: [&str; 3] = ["ruff", "pyflakes3", "pyflakes"];

/// The rules for YAML: those that find mistakes, and none of taste. Specifications of netlink begin without `---`.
const YAML: &str = "{extends: default, rules: {document-start: disable, line-length: {max: 100}, indentation: \
{indent-sequences: whatever}, comments: disable, comments-indentation: disable, truthy: disable, braces: disable, \
brackets: disable, empty-lines: disable}}";

pub(super) fn python(tools: &Tools<'_>, patch: AppliedPatch<'_>) -> Result<Judgement> {
    let sources = files(patch.patch, |change| change.ends_with(&[".py"]));
    if sources.is_empty() {
        return Ok(Judgement::not_applicable("no Python file is touched"));
    }
    let Some(name) = PYTHON.into_iter().find(|name| find(name).is_ok()) else {
        return Ok(Judgement::skip(
            "neither ruff nor pyflakes is installed: vmptcp doctor names their packages",
        ));
    };
    let linter = match program(name) {
        Ok(linter) if name == "ruff" => {
            linter.args(["check", "--isolated", "--no-cache", "--quiet", "--output-format=concise"])
        }
        Ok(linter) => linter,
        Err(missing) => return Ok(missing),
    };
    tools.compare(patch, &sources, |file, path| {
        let output = looked(&linter.clone().arg(file))?;
        Ok(read(&(output.stdout + &output.stderr), &file.display().to_string(), path))
    })
}

pub(super) fn yaml(tools: &Tools<'_>, patch: AppliedPatch<'_>) -> Result<Judgement> {
    let sources = files(patch.patch, |change| change.ends_with(&[".yaml", ".yml"]));
    if sources.is_empty() {
        return Ok(Judgement::not_applicable("no YAML file is touched"));
    }
    let yamllint = match program("yamllint") {
        Ok(yamllint) => yamllint.args(["--format", "parsable", "--config-data", YAML]),
        Err(missing) => return Ok(missing),
    };
    tools.compare(patch, &sources, |file, path| {
        let output = looked(&yamllint.clone().arg(file))?;
        Ok(read(&output.stdout, &file.display().to_string(), path))
    })
}

/// Reads `/dir/x.py:12:5: undefined name 'y'` and `/dir/x.yaml:3:1: [error] syntax error`.
fn read(text: &str, file: &str, path: &str) -> Vec<Remark> {
    let remark = |line: &str| {
        let rest = line.strip_prefix(file)?.strip_prefix(':')?;
        let (number, rest) = rest.split_once(':')?;
        let (column, text) = rest.split_once(' ').unwrap_or(("", rest));
        let text =
            if column.trim_end_matches(':').bytes().all(|byte| byte.is_ascii_digit()) { text } else { rest };
        let error = text.starts_with("[error]");
        Some(Remark {
            file: path.to_owned(),
            line: number.parse().ok()?,
            text: text.trim().to_owned(),
            error,
        })
    };
    text.lines().filter_map(remark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linters_are_read() {
        let text = "/t/x.py:12:5: undefined name 'y'\n/t/x.py:3:1: [error] syntax error\n/t/x.py:9:1: F401 `os` imported\nAll done\n";
        let said: Vec<String> = read(text, "/t/x.py", "a/x.py")
            .iter()
            .map(|one| format!("{} {} {}", one.line, one.error, one.text))
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r"
        12 false undefined name 'y'
        3 true [error] syntax error
        9 false F401 `os` imported
        ");
    }
}
