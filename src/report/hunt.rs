//! What a hunt found: seeds by outcome, and how to see a failure again.

use super::Exporter;
use super::style::{clean, colour_of, paint};
use super::text::verdict;
use crate::event::Outcome;
use crate::results::{Stretch, Summary, Test, stretches};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Failures that are shown each with its command. The table has all of them.
const MAX_COMMANDS: usize = 3;

/// The seeds of a hunt, by outcome.
#[derive(Debug, Clone)]
pub struct ByOutcome {
    /// The first seed and the last.
    pub seeds: (u64, u64),
    /// The command that runs the test once, without its seed.
    pub command: String,
    /// For a program, not for a person.
    pub json: bool,
    /// With colours.
    pub colour: bool,
}

impl Exporter for ByOutcome {
    fn render(&self, summary: &Summary) -> String {
        let (first, last) = self.seeds;
        let stretches = stretches(summary, first, last);
        if self.json { self.json(summary, &stretches) } else { self.text(summary, &stretches) }
    }
}

impl ByOutcome {
    fn text(&self, summary: &Summary, stretches: &[Stretch]) -> String {
        let rows: Vec<(String, &Stretch)> =
            stretches.iter().map(|stretch| (range(stretch), stretch)).collect();
        let width = rows.iter().map(|(range, _)| range.len()).max().unwrap_or_default().max("seed".len());
        let mut text = format!("{:width$}  outcome\n", "seed");
        for (range, Stretch { outcome, why, .. }) in &rows {
            let why = if why.is_empty() { String::new() } else { format!("  {}", clean(why)) };
            let word = match outcome {
                Outcome::NotRun => "not tried",
                outcome => outcome.as_str(),
            };
            let _ = writeln!(text, "{range:width$}  {}{why}", paint(self.colour, colour_of(*outcome), word));
        }
        let failed = failed(summary);
        for (seed, test) in failed.iter().take(MAX_COMMANDS) {
            let _ = writeln!(text, "\n{} with seed {seed}; the same again:", test.result.outcome);
            let _ = writeln!(text, "  {}", clean(&self.again(*seed)));
        }
        let _ = writeln!(text, "\n{}", count(failed.len(), tried(summary)));
        let _ = writeln!(text, "{}", verdict(summary, self.colour));
        text
    }

    fn json(&self, summary: &Summary, stretches: &[Stretch]) -> String {
        let failure = |(seed, test): &(u64, &Test)| {
            let subtests: Vec<&str> =
                test.result.failed_subtests().map(|subtest| subtest.name.as_str()).collect();
            json!({
                "seed": seed,
                "outcome": test.result.outcome,
                "reason": test.result.reason,
                "subtests": subtests,
                "command": self.again(*seed),
            })
        };
        let stretch = |stretch: &Stretch| json!({ "first": stretch.first, "last": stretch.last, "outcome": stretch.outcome, "why": stretch.why });
        let failed = failed(summary);
        let value = json!({
            "test": summary.tests.iter().next().map(Test::label),
            "first": self.seeds.0,
            "last": self.seeds.1,
            "tried": tried(summary),
            "failed": failed.iter().map(failure).collect::<Vec<Value>>(),
            "seeds": stretches.iter().map(stretch).collect::<Vec<Value>>(),
            "verdict": summary.verdict,
            "exit_code": summary.exit_code,
        });
        crate::text::json(&value.to_string()) + "\n"
    }

    fn again(&self, seed: u64) -> String {
        format!("{} --seed {seed}", self.command)
    }
}

/// `4`, or `5..17`.
fn range(stretch: &Stretch) -> String {
    let Stretch { first, last, .. } = stretch;
    if first == last { first.to_string() } else { format!("{first}..{last}") }
}

/// The seeds with which the test did not pass, the smallest first.
fn failed(summary: &Summary) -> Vec<(u64, &Test)> {
    let failed = summary.tests.iter().filter(|test| test.failed());
    let mut failed: Vec<(u64, &Test)> = failed.filter_map(|test| Some((test.result.seed?, test))).collect();
    failed.sort_by_key(|(seed, _)| *seed);
    failed
}

fn tried(summary: &Summary) -> usize {
    summary.tests.iter().filter(|test| test.result.ended()).count()
}

fn count(failed: usize, tried: usize) -> String {
    match failed {
        0 => format!("no failure with {tried} seeds"),
        _ => format!("fails with {failed} of {tried} seeds"),
    }
}

#[cfg(test)]
mod tests;
