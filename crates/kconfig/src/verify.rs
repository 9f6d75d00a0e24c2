//! Compares what was asked for with what the tree's kconfig made of it.

use crate::dotconfig::DotConfig;
use crate::explain::Explainer;
use crate::fragment::{Asker, Request, Value, Waiver};
use crate::lang::Kconfig;
use crate::merge::Merged;
use crate::proof::{Mismatch, Proof, Reason, Severity};

/// What matters how much.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expectations<'a> {
    /// What must take: it is an error if one of these symbols ends up with less than is asked here, whatever others ask.
    pub required: &'a [Request],
    /// Symbols that may fail.
    pub waivers: &'a [Waiver],
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

fn compare(asked: &Value, actual: Option<&Value>) -> Compared {
    // A string that is not there is an empty one.
    let empty = actual.is_none() && *asked == Value::Str(String::new());
    let actual = actual.unwrap_or(&Value::No);
    // What was a bool in one tree is a number in another.
    let zero = *asked == Value::No && actual.same(&Value::Num("0".to_owned()));
    if empty || zero || asked.same(actual) {
        Compared::Same
    } else if actual.meets(asked) {
        Compared::Stronger
    } else {
        Compared::Weaker
    }
}

/// True if `config` has exactly what is asked for.
pub fn is_granted(request: &Request, config: &DotConfig) -> bool {
    compare(&request.value, config.get(&request.symbol)) == Compared::Same
}

/// True if `config` has at least what is asked for.
pub fn is_met(request: &Request, config: &DotConfig) -> bool {
    compare(&request.value, config.get(&request.symbol)) != Compared::Weaker
}

/// Compares every request with `config`, and explains each that did not take with the tree's own Kconfig files.
pub fn verify(merged: &Merged, config: &DotConfig, kconfig: &Kconfig, expect: &Expectations) -> Proof {
    let judge = Judge { explainer: Explainer::new(merged, config, kconfig), config, expect };
    let mut mismatches = Vec::new();
    let mut granted = 0;
    for request in &merged.requests {
        let actual = config.get(&request.symbol);
        match compare(&request.value, actual) {
            Compared::Same => granted += 1,
            compared => {
                let reason = judge.explainer.reason(request, actual.unwrap_or(&Value::No));
                mismatches.push(judge.mismatch(request, reason, compared));
            }
        }
    }
    for pair in &merged.overrides {
        match compare(&pair.earlier.value, config.get(&pair.earlier.symbol)) {
            Compared::Same => {}
            compared => {
                let reason = Reason::Overridden { by: pair.by.clone() };
                mismatches.push(judge.mismatch(&pair.earlier, reason, compared));
            }
        }
    }
    mismatches.sort_by_key(|mismatch| std::cmp::Reverse(mismatch.severity));
    Proof { requested: merged.requests.len(), granted, added: Vec::new(), mismatches }
}

struct Judge<'a> {
    explainer: Explainer<'a>,
    config: &'a DotConfig,
    expect: &'a Expectations<'a>,
}

impl Judge<'_> {
    fn mismatch(&self, request: &Request, reason: Reason, compared: Compared) -> Mismatch {
        let waiver = self.expect.waivers.iter().find(|waiver| waiver.symbol == request.symbol);
        let overridden = matches!(reason, Reason::Overridden { .. });
        let on_purpose =
            compared == Compared::Weaker && !overridden && self.explainer.off_on_purpose(request);
        let severity = match self.severity(request, &reason, on_purpose) {
            _ if compared != Compared::Weaker || waiver.is_some() => Severity::Note,
            Severity::Warning if self.expect.strict => Severity::Error,
            severity => severity,
        };
        Mismatch {
            request: request.clone(),
            actual: self.config.get(&request.symbol).cloned().unwrap_or(Value::No),
            severity,
            reason,
            remedy: None,
            waiver: waiver.filter(|_| compared == Compared::Weaker).cloned(),
            on_purpose,
        }
    }

    /// How much it matters that less came out than was asked for.
    fn severity(&self, request: &Request, reason: &Reason, on_purpose: bool) -> Severity {
        let overridden = matches!(reason, Reason::Overridden { .. });
        let demand = self.expect.required.iter().find(|demand| demand.symbol == request.symbol);
        match demand {
            // Somebody took a required symbol back, on purpose: worth more than a note.
            Some(demand) if !is_met(demand, self.config) => {
                if overridden {
                    Severity::Warning
                } else {
                    Severity::Error
                }
            }
            // vmptcp asked for more than the tree does, and the tree got what it asks for.
            Some(_) if request.origin.by != Asker::User => Severity::Note,
            _ if overridden || on_purpose => Severity::Note,
            // Nobody sets these, and whoever gives a whole .config has them in it.
            _ if matches!(reason, Reason::Computed { .. }) => Severity::Note,
            _ => Severity::Warning,
        }
    }
}

#[cfg(test)]
mod tests;
