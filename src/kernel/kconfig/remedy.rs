//! Flags that help a request that did not take. They are proposed from the Kconfig files, and named only after the tree's
//! own kconfig has shown that they do.

use crate::error::Result;
use crate::process::quote;
use kconfig::explain::{Explainer, tristate};
use kconfig::fragment::number;
use kconfig::lang::{Kconfig, SymbolType, Tristate};
use kconfig::solve::{Asks, Solver};
use kconfig::{
    Asker, DotConfig, Merged, Mismatch, Origin, Proof, Reason, Remedy, Request, Severity, Value, is_granted,
    is_met, merge,
};

/// How often a proposal is mended with what kconfig made of it.
const ROUNDS: usize = 3;

/// How many requests have their remedies tried one by one; those of more are tried together, as each trial takes seconds.
const ONE_BY_ONE: usize = 4;

/// A configuration that was resolved.
pub(super) struct Resolved<'a> {
    /// What was asked for.
    pub merged: &'a Merged,
    /// What came of it.
    pub config: &'a DotConfig,
    /// The tree's Kconfig files.
    pub kconfig: &'a Kconfig,
    /// What the tree must have.
    pub required: &'a [Request],
}

/// Lets the tree's kconfig resolve requests.
pub(super) type Try<'t> = dyn FnMut(&Merged) -> Result<DotConfig> + 't;

/// What is proposed for one request.
struct Proposal {
    /// Which of the proof's mismatches it is for.
    at: usize,
    request: Request,
    flags: Vec<Request>,
    /// True if the flags stand in the request's place.
    instead: bool,
}

/// Finds remedies for all warnings and errors of a proof. Fails if kconfig could not be run.
pub(super) fn find(proof: &mut Proof, resolved: &Resolved, attempt: &mut Try) -> Result<()> {
    let matters = |mismatch: &Mismatch| mismatch.severity > Severity::Note;
    let proposals: Vec<Proposal> = proof
        .mismatches
        .iter()
        .enumerate()
        .filter(|(_, mismatch)| matters(mismatch))
        .filter_map(|(at, mismatch)| propose(at, mismatch, resolved))
        .collect();
    if proposals.len() > ONE_BY_ONE {
        let config = attempt(&with(resolved, &proposals.iter().collect::<Vec<_>>()))?;
        for proposal in proposals.into_iter().filter(|proposal| holds(proposal, &config, resolved)) {
            proof.mismatches[proposal.at].remedy = Some(proposal.remedy());
        }
        return Ok(());
    }
    for mut proposal in proposals {
        for _ in 0..ROUNDS {
            let merged = with(resolved, &[&proposal]);
            let config = attempt(&merged)?;
            if holds(&proposal, &config, resolved) {
                proof.mismatches[proposal.at].remedy = Some(proposal.remedy());
                break;
            }
            let now = Resolved { merged: &merged, config: &config, ..*resolved };
            match solve(&proposal.request, &now).filter(|more| !more.is_empty()) {
                Some(more) if !proposal.instead => proposal.flags.extend(more.into_iter().map(flag)),
                _ => break,
            }
        }
    }
    Ok(())
}

impl Proposal {
    fn remedy(&self) -> Remedy {
        Remedy { flags: self.flags.iter().map(typed).collect(), instead: self.instead }
    }
}

fn propose(at: usize, mismatch: &Mismatch, resolved: &Resolved) -> Option<Proposal> {
    let request = &mismatch.request;
    let name = request.symbol.as_str();
    let in_place = |value: Value| Some((vec![(name.to_owned(), value)], true));
    let (asks, instead) = match &mismatch.reason {
        Reason::Overridden { .. } | Reason::Computed { .. } | Reason::Selected { .. } => None,
        Reason::Range { low, high } => in_place(Value::Num(nearest(&request.value, low, high)?.to_owned())),
        Reason::WrongType { type_name } => match (&request.value, type_name.as_str()) {
            (Value::Num(text), kind) if kind == SymbolType::String.as_str() => {
                in_place(Value::Str(text.clone()))
            }
            (Value::Str(text), kind) if kind != SymbolType::String.as_str() => {
                in_place(Value::parse(text).filter(|value| !matches!(value, Value::Str(_)))?)
            }
            (Value::Module, _) => {
                let yes = Request { value: Value::Yes, ..request.clone() };
                Some((solve_again(&yes, resolved)?, true))
            }
            _ => None,
        },
        Reason::Unknown { nearest } => {
            let meant = Request { symbol: nearest.clone()?, ..request.clone() };
            Some((solve_again(&meant, resolved)?, true))
        }
        // It follows from others: to ask for it as well is of no use.
        Reason::NoPrompt { .. } => Some((solve(request, resolved)?, true)),
        _ => Some((solve(request, resolved)?, false)),
    }?;
    let flags: Vec<Request> = asks.into_iter().map(flag).collect();
    (!flags.is_empty()).then(|| Proposal { at, request: request.clone(), flags, instead })
}

/// What to ask for besides, so that a request takes.
fn solve(request: &Request, resolved: &Resolved) -> Option<Asks> {
    let explainer = Explainer::new(resolved.merged, resolved.config, resolved.kconfig);
    // Not what the tree must have, not what vmptcp has on, and not what the request itself is.
    let refuses = |name: &str, value: &Value| {
        let held = explainer.asked(name);
        let ours = held.is_some_and(|held| held.origin.by != Asker::User && !value.meets(&held.value));
        (ours && *value == Value::No)
            || resolved.required.iter().any(|demand| demand.symbol == name && !value.meets(&demand.value))
            || (name == request.symbol && !value.meets(&request.value))
    };
    let solver = Solver::new(&explainer, &refuses);
    match tristate(&request.value) {
        Some(Tristate::No) => None,
        Some(needed) => solver.reach(&request.symbol, needed),
        None => solver.give(&request.symbol, &request.value),
    }
}

/// [`solve`] for what nobody has asked for yet: the asks have the symbol itself.
fn solve_again(request: &Request, resolved: &Resolved) -> Option<Asks> {
    if resolved.config.get(&request.symbol).is_some_and(|value| value.meets(&request.value)) {
        return Some(vec![(request.symbol.clone(), request.value.clone())]);
    }
    let mut asks = solve(request, resolved)?;
    if !asks.iter().any(|(name, _)| *name == request.symbol) {
        asks.push((request.symbol.clone(), request.value.clone()));
    }
    Some(asks)
}

/// The bound that a number is nearest to.
fn nearest<'b>(value: &Value, low: &'b str, high: &'b str) -> Option<&'b str> {
    let Value::Num(text) = value else { return None };
    Some(if number(text)? > number(high)? { high } else { low })
}

fn flag((symbol, value): (String, Value)) -> Request {
    let origin = Origin { by: Asker::User, label: "the remedy".to_owned(), line: None };
    Request { symbol, value, origin }
}

/// As it is typed.
fn typed(flag: &Request) -> String {
    let symbol = &flag.symbol;
    match &flag.value {
        Value::Yes => format!("-e {symbol}"),
        Value::Module => format!("-m {symbol}"),
        Value::No => format!("-d {symbol}"),
        value => format!("--set {}", quote(format!("{symbol}={value}"))),
    }
}

/// What is asked for with the flags of these proposals.
fn with(resolved: &Resolved, proposals: &[&Proposal]) -> Merged {
    let replaced = |request: &Request| {
        proposals.iter().any(|proposal| proposal.instead && proposal.request.symbol == request.symbol)
    };
    let kept = resolved.merged.requests.iter().filter(|request| !replaced(request)).cloned();
    merge(kept.chain(proposals.iter().flat_map(|proposal| proposal.flags.clone())))
}

/// True if with a proposal's flags the request takes, the flags do, and nothing that was asked for is lost.
fn holds(proposal: &Proposal, config: &DotConfig, resolved: &Resolved) -> bool {
    let follows =
        proposal.instead && proposal.flags.iter().all(|flag| flag.symbol != proposal.request.symbol);
    let renamed = resolved.kconfig.symbol(&proposal.request.symbol).is_none();
    let takes =
        if proposal.instead && (!follows || renamed) { true } else { is_met(&proposal.request, config) };
    let lost = |request: &Request| is_met(request, resolved.config) && !is_met(request, config);
    let changed = |request: &Request| proposal.flags.iter().any(|flag| flag.symbol == request.symbol);
    let users = resolved.merged.requests.iter().filter(|request| request.origin.by == Asker::User);
    takes
        && proposal.flags.iter().all(|flag| is_granted(flag, config))
        && !resolved.required.iter().any(lost)
        && !users.filter(|request| !changed(request)).any(lost)
}

#[cfg(test)]
mod tests;
