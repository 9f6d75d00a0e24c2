//! shellcheck on scripts of the selftests: its new findings.

use super::{Tools, files, looked, program};
use crate::error::Result;
use crate::series::diff::Change;
use crate::series::judgement::Judgement;
use crate::series::model::AppliedPatch;
use crate::series::news::Remark;
use serde::Deserialize;

#[derive(Deserialize)]
struct Comment {
    line: u32,
    level: String,
    code: u32,
    message: String,
}

pub(super) fn check(tools: &Tools<'_>, patch: AppliedPatch<'_>) -> Result<Judgement> {
    let script = |change: &Change| {
        change.ends_with(&[".sh"]) && change.path.starts_with("tools/testing/selftests/net/")
    };
    let scripts = files(patch.patch, script);
    if scripts.is_empty() {
        return Ok(Judgement::not_applicable("no script of the selftests is touched"));
    }
    let shellcheck = match program("shellcheck") {
        Ok(shellcheck) => shellcheck,
        Err(missing) => return Ok(missing),
    };
    tools.compare(patch, &scripts, |file, path| {
        // What a script sources is not there: that it cannot be followed is no finding.
        let cmd = shellcheck.clone().args(["--norc", "--format=json", "--exclude=SC1090,SC1091"]);
        Ok(read(&looked(&cmd.arg(file))?.stdout, path))
    })
}

fn read(text: &str, path: &str) -> Vec<Remark> {
    let comments: Vec<Comment> = serde_json::from_str(text).unwrap_or_default();
    comments
        .into_iter()
        .map(|Comment { line, level, code, message }| Remark {
            file: path.to_owned(),
            line,
            text: format!("SC{code}: {message}"),
            error: level == "error",
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_read() {
        let said = r#"[{"file":"x","line":3,"endLine":3,"column":1,"level":"info","code":2086,"message":"Quote","fix":null}]"#;
        let read = read(said, "a.sh");
        assert_eq!((read[0].line, &read[0].text[..], read[0].error), (3, "SC2086: Quote", false));
        assert_eq!(super::read("", "a.sh"), []);
    }
}
