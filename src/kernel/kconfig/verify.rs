//! Compares what was asked for with what the tree's kconfig made of it.

use super::dotconfig::DotConfig;
use super::explain::Explainer;
use super::fragment::{Excuse, Value};
use super::lang::Kconfig;
use super::merge::Merged;
use super::proof::{Mismatch, Proof, Reason, Severity};

/// What matters how much.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expectations<'a> {
    /// Symbols, without `CONFIG_`, that must take: it is an error if one ends up weaker than asked.
    pub required: &'a [String],
    /// Symbols that may fail.
    pub excuses: &'a [Excuse],
    /// Makes errors of warnings.
    pub strict: bool,
}

/// How a value compares with the one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    Same,
    /// m or y where less was asked for.
    Stronger,
    /// Less than was asked for, or another number or string.
    Weaker,
}

fn compare(asked: &Value, actual: &Value) -> Compared {
    let rank = |value: &Value| match value {
        Value::No => Some(0),
        Value::Module => Some(1),
        Value::Yes => Some(2),
        Value::Str(_) | Value::Num(_) => None,
    };
    match (rank(asked), rank(actual)) {
        _ if asked.same(actual) => Compared::Same,
        (Some(asked), Some(actual)) if actual > asked => Compared::Stronger,
        _ => Compared::Weaker,
    }
}

/// Compares every request with `config`, and explains each that did not take with the tree's own Kconfig files.
pub fn verify(merged: &Merged, config: &DotConfig, kconfig: &Kconfig, expect: &Expectations) -> Proof {
    let explainer = Explainer::new(merged, config, kconfig);
    let mut mismatches = Vec::new();
    let mut granted = 0;
    let mut report = |request: &super::Request, reason: Reason, compared: Compared| {
        let required = expect.required.contains(&request.symbol);
        let excuse = expect.excuses.iter().find(|excuse| excuse.symbol == request.symbol);
        let overridden = matches!(reason, Reason::Overridden { .. });
        let on_purpose = compared == Compared::Weaker && !overridden && explainer.off_on_purpose(request);
        let severity = match compared {
            Compared::Weaker if excuse.is_some() => Severity::Note,
            Compared::Weaker if on_purpose && !required => Severity::Note,
            Compared::Weaker if required && !overridden => Severity::Error,
            // Somebody took a required symbol back, on purpose: worth more than a note, unless it is excused.
            Compared::Weaker if required || !overridden => Severity::Warning,
            _ => Severity::Note,
        };
        let severity =
            if severity == Severity::Warning && expect.strict { Severity::Error } else { severity };
        let actual = config.get(&request.symbol).cloned().unwrap_or(Value::No);
        mismatches.push(Mismatch {
            request: request.clone(),
            actual,
            severity,
            reason,
            excuse: excuse.filter(|_| compared == Compared::Weaker).cloned(),
            on_purpose,
        });
    };
    for request in &merged.requests {
        let actual = config.get(&request.symbol).unwrap_or(&Value::No);
        match compare(&request.value, actual) {
            Compared::Same => granted += 1,
            compared => report(request, explainer.reason(request, actual), compared),
        }
    }
    for pair in &merged.overrides {
        let actual = config.get(&pair.earlier.symbol).unwrap_or(&Value::No);
        match compare(&pair.earlier.value, actual) {
            Compared::Same => {}
            compared => report(&pair.earlier, Reason::Overridden { by: pair.by.clone() }, compared),
        }
    }
    mismatches.sort_by_key(|mismatch| std::cmp::Reverse(mismatch.severity));
    Proof { requested: merged.requests.len(), granted, mismatches }
}

#[cfg(test)]
mod tests;
