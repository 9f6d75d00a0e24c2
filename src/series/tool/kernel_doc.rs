//! The tree's own `scripts/kernel-doc`: its new warnings.

use super::{Tools, files, program};
use crate::error::Result;
use crate::series::judgement::Judgement;
use crate::series::model::AppliedPatch;
use crate::series::news::Remark;
use crate::text::decode;

pub(super) fn check(tools: &Tools<'_>, patch: AppliedPatch<'_>) -> Result<Judgement> {
    let sources = files(patch.patch, |change| {
        change.ends_with(&[".c", ".h"]) && !change.path.starts_with("tools/testing/")
    });
    if sources.is_empty() {
        return Ok(Judgement::not_applicable("no source file is touched"));
    }
    let docs = tools.root.join("tools/docs/kernel-doc");
    let Some(script) = tools.script("kernel-doc").or_else(|| docs.is_file().then_some(docs)) else {
        return Ok(Judgement::skip("the base has no scripts/kernel-doc"));
    };
    // It was Perl, and became Python.
    let first = std::fs::read(&script).unwrap_or_default();
    let first = decode(first.split(|&byte| byte == b'\n').next().unwrap_or_default()).into_owned();
    let language = if first.contains("python") { "python3" } else { "perl" };
    let interpreter = match program(language) {
        Ok(interpreter) => interpreter,
        Err(missing) => return Ok(missing),
    };
    tools.compare(patch, &sources, |file, path| {
        let cmd =
            interpreter.clone().env("PYTHONDONTWRITEBYTECODE", "1").arg(&script).args(["-none", "-Wall"]);
        let output = cmd.arg(file).cwd(&tools.root).output()?;
        Ok(read(&output.stderr, &file.display().to_string(), path))
    })
}

/// Reads `/dir/pm.c:12: warning: Function parameter or member 'x' not described in 'f'`, in the orders in which the words
/// have come over the years.
fn read(text: &str, file: &str, path: &str) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches("Warning: ").trim_start_matches("WARNING: ");
        let Some((_, rest)) = line.split_once(file) else { continue };
        let Some((number, text)) = rest.trim_start_matches(':').split_once([':', ' ']) else { continue };
        let Ok(line) = number.parse() else { continue };
        let text = text.trim().trim_start_matches("warning: ").trim_start_matches("error: ");
        remarks.push(Remark { file: path.to_owned(), line, text: text.to_owned(), error: false });
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ages_of_kernel_doc_are_read() {
        let text = "/t/pm.c:12: warning: Function parameter or struct member 'x' not described in 'f'\n\
            Warning: /t/pm.c:20 No description found for return value of 'g'\n1 warnings\n";
        let read = read(text, "/t/pm.c", "net/mptcp/pm.c");
        let said: Vec<String> =
            read.iter().map(|one| format!("{}:{} {}", one.file, one.line, one.text)).collect();
        insta::assert_snapshot!(said.join("\n"), @r"
        net/mptcp/pm.c:12 Function parameter or struct member 'x' not described in 'f'
        net/mptcp/pm.c:20 No description found for return value of 'g'
        ");
    }
}
