//! What the tree's own requests need, and what vmptcp gives up for them. Pure.

use super::remedy::Resolved;
use kconfig::explain::{Explainer, tristate};
use kconfig::lang::Tristate;
use kconfig::solve::Solver;
use kconfig::{Asker, Origin, Request, Value, is_met};

/// Requests that would let what `required` asks for take, where it did not: dependencies that nobody asked for, or that a
/// fragment of vmptcp's turned off. What the user or the tree asks for otherwise stays as it is.
pub(super) fn needs(resolved: &Resolved) -> Vec<Request> {
    let explainer = Explainer::new(resolved.merged, resolved.config, resolved.kconfig);
    let mut all: Vec<Request> = Vec::new();
    for demand in resolved.required.iter().filter(|demand| !is_met(demand, resolved.config)) {
        let held = explainer.asked(&demand.symbol);
        let wanted = held.map_or(&demand.value, |held| &held.value);
        let taken_back = !wanted.meets(&demand.value);
        let Some(needed) = tristate(wanted).filter(|needed| *needed > Tristate::No && !taken_back) else {
            continue;
        };
        let refuses = |name: &str, value: &Value| {
            let held = explainer.asked(name);
            held.is_some_and(|held| held.origin.by != Asker::Tool && !held.value.same(value))
        };
        let found = Solver::new(&explainer, &refuses).reach(&demand.symbol, needed).unwrap_or_default();
        for (symbol, value) in found {
            if !all.iter().any(|request| request.symbol == symbol) {
                let label = format!("CONFIG_{} of {} needs it", demand.symbol, demand.origin);
                let origin = Origin { by: Asker::Tool, label, line: None };
                all.push(Request { symbol, value, origin });
            }
        }
    }
    all
}
