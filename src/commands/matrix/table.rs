//! The table of a matrix: a line a test, a column a kernel.

use super::Column;
use crate::error::{Error, Result};
use crate::report::clean;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The columns for a program.
pub(super) fn json(columns: &[Column]) -> Result<String> {
    let text = serde_json::to_string_pretty(columns)
        .map_err(|error| Error::cannot_run(format!("cannot print the table: {error}")))?;
    Ok(crate::text::json(&text) + "\n")
}

/// The table for a person.
pub(super) fn text(columns: &[Column]) -> String {
    let names: BTreeSet<&String> = columns.iter().flat_map(|column| column.tests.keys()).collect();
    let of = |column: &Column, name: &String| column.tests.get(name).map_or("-", String::as_str).to_owned();
    let mut lines = vec![line("test", columns, |column| title(column, columns))];
    lines.extend(names.iter().map(|name| line(name, columns, |column| of(column, name))));
    lines.push(line("verdict", columns, |column| column.verdict.clone()));
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..=columns.len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    for column in columns {
        if let Some(run) = &column.run {
            let _ = writeln!(out, "{}: {}", column.kernel, clean(&run.display().to_string()));
        }
    }
    out
}

/// A line: its name, and a cell a kernel.
fn line(name: &str, columns: &[Column], cell: impl Fn(&Column) -> String) -> Vec<String> {
    let cells = columns.iter().map(|column| clean(&cell(column)));
    std::iter::once(clean(name)).chain(cells).collect()
}

/// The version of the kernel, and its name where several have that version.
fn title(column: &Column, columns: &[Column]) -> String {
    match &column.version {
        None => column.kernel.clone(),
        Some(version) if columns.iter().filter(|other| other.version == column.version).count() > 1 => {
            format!("{version} ({})", column.kernel)
        }
        Some(version) => version.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kernel: &str, version: Option<&str>, verdict: &str, tests: &[(&str, &str)]) -> Column {
        Column {
            kernel: kernel.to_owned(),
            version: version.map(str::to_owned),
            exit_code: 0,
            verdict: verdict.to_owned(),
            run: version.map(|_| format!("/runs/{kernel}").into()),
            error: None,
            tests: tests.iter().map(|(name, cell)| ((*name).to_owned(), (*cell).to_owned())).collect(),
        }
    }

    #[test]
    fn a_line_is_a_test_and_a_column_a_kernel() {
        let old = column("6.1", Some("6.1.192"), "failed", &[("diag", "fail, 2 of 29")]);
        let new = column("../net", Some("6.19.0-rc1"), "passed", &[("diag", "pass"), ("pm_netlink", "pass")]);
        let none = column("7.2", None, "could not run", &[]);
        let twice = column("./x", Some("6.1.192"), "passed", &[]);
        insta::assert_snapshot!(text(&[old, new, none, twice]), @r"
        test        6.1.192 (6.1)  6.19.0-rc1  7.2            6.1.192 (./x)
        diag        fail, 2 of 29  pass        -              -
        pm_netlink  -              pass        -              -
        verdict     failed         passed      could not run  passed
        6.1: /runs/6.1
        ../net: /runs/../net
        ./x: /runs/./x
        ");
    }
}
