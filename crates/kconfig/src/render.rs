//! Mismatches as text for a person.

use crate::fragment::{Asker, Request, Value};
use crate::proof::{Mismatch, Reason, Remedy, Selector, Settable, Severity, SymbolState, Unmet};
use shown::Shown;
use std::fmt::Write;

/// How many symbols are listed where there may be hundreds.
const LISTED: usize = 6;

/// Explains mismatches: for each what was asked for and where, what came of it, why, and what can be done.
pub fn render<'a>(mismatches: impl IntoIterator<Item = &'a Mismatch>) -> String {
    let mut text = String::new();
    for mismatch in mismatches {
        // Writing to a string cannot fail.
        let _ = one(&mut text, mismatch);
    }
    // Expressions and prompts come from the tree: what they say, but nothing that a terminal would obey.
    Shown::lines(&text).to_string()
}

fn one(text: &mut String, mismatch: &Mismatch) -> std::fmt::Result {
    let severity = match mismatch.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let request = &mismatch.request;
    let (symbol, asked, origin) = (&request.symbol, &request.value, &request.origin);
    if let Reason::Overridden { by } = &mismatch.reason {
        writeln!(
            text,
            "{severity}: CONFIG_{symbol}={asked} ({origin}) is overridden: {} ({})",
            by.value, by.origin
        )?;
    } else {
        writeln!(
            text,
            "{severity}: CONFIG_{symbol} is {}, {asked} was asked for ({origin})",
            mismatch.actual
        )?;
        labelled(text, "why", &why(&mismatch.reason, request))?;
        labelled(text, "remedy", &remedy(mismatch))?;
    }
    match &mismatch.waiver {
        Some(waiver) => labelled(text, "waived", &[format!("{} ({})", waiver.reason, waiver.origin)]),
        None if mismatch.on_purpose && mismatch.severity == Severity::Note => {
            labelled(text, "fine", &["a later request ruled it out".to_owned()])
        }
        None => Ok(()),
    }
}

fn labelled(text: &mut String, label: &str, lines: &[String]) -> std::fmt::Result {
    for (line, label) in lines.iter().zip(std::iter::once(label).chain(std::iter::repeat(""))) {
        writeln!(text, "  {label:<7} {line}")?;
    }
    Ok(())
}

/// Why: lines.
fn why(reason: &Reason, request: &Request) -> Vec<String> {
    match reason {
        Reason::Unknown { .. } => vec!["this tree has no such symbol for this architecture".to_owned()],
        Reason::Overridden { .. } => Vec::new(),
        Reason::WrongType { type_name } => {
            vec![format!("it is of type {type_name}, which cannot be {}", request.value)]
        }
        Reason::Unmet { definitions } => definitions.iter().flat_map(unmet).collect(),
        Reason::Selected { by } => vec![format!("selected by {}", selectors(by))],
        Reason::NoPrompt { place, selectable_by, defaults, unmet } => {
            no_prompt(place, selectable_by, defaults, unmet)
        }
        Reason::Computed { place } => {
            vec![format!("it follows from the compiler, the tools or the environment ({place})")]
        }
        Reason::Choice { prompt, place, winner, winner_origin } => {
            let place = format!("the choice \"{prompt}\" ({place})");
            let asked =
                winner_origin.as_ref().map(|origin| format!(", asked for in {origin}")).unwrap_or_default();
            vec![match winner {
                Some(winner) if *winner == request.symbol => {
                    format!("{place} has to have one member, and no other was asked for")
                }
                Some(winner) => format!("only one member of {place} can be on: CONFIG_{winner} is{asked}"),
                None => format!("{place} has no member that is on"),
            }]
        }
        Reason::Default { default, place, unmet } => {
            let mut why = vec![format!("its prompt is not shown, so its default holds: {default} ({place})")];
            why.extend(unmet.iter().flat_map(|unmet| lacking("to show it takes", unmet)));
            why
        }
        Reason::ModulesOff => vec!["this kernel has no modules".to_owned()],
        Reason::Range { low, high } => vec![format!("its range is {low} to {high}")],
        Reason::Unclear { place } => {
            vec![format!("its dependencies seem to be met; see its definition ({place})")]
        }
    }
}

/// What to do: flags that were tried, or that there are none. What came out stronger than asked, or on purpose, needs
/// nothing.
fn remedy(mismatch: &Mismatch) -> Vec<String> {
    let meant = match &mismatch.reason {
        Reason::Unknown { nearest: Some(nearest) } => format!("did you mean CONFIG_{nearest}? "),
        _ => String::new(),
    };
    match &mismatch.remedy {
        Some(Remedy { flags, instead: true }) => vec![format!("{meant}{} instead", flags.join(" "))],
        Some(Remedy { flags, .. }) => vec![format!("add {}", flags.join(" "))],
        None if mismatch.severity == Severity::Note => Vec::new(),
        None if !meant.is_empty() => vec![meant.trim_end().to_owned(), drop_or_excuse(&mismatch.request)],
        None => vec![drop_or_excuse(&mismatch.request)],
    }
}

fn drop_or_excuse(request: &Request) -> String {
    let waiver = format!("waive it in a fragment: #? CONFIG_{}: why it may be missing", request.symbol);
    // The requests of others cannot be dropped.
    if request.origin.by == Asker::User { format!("drop the request, or {waiver}") } else { waiver }
}

fn unmet(unmet: &Unmet) -> Vec<String> {
    lacking("its dependencies are not met", unmet)
}

fn lacking(what: &str, unmet: &Unmet) -> Vec<String> {
    let mut lines = vec![format!("{what} ({}): {}", unmet.place, unmet.expression)];
    let (culprits, others): (Vec<_>, Vec<_>) = unmet.symbols.iter().partition(|state| state.needed.is_some());
    lines.extend(culprits.into_iter().map(culprit));
    if unmet.symbols.iter().all(|state| state.needed.is_none()) {
        lines.push(format!("  what does not hold: {}", unmet.failing.join(", ")));
    }
    if !others.is_empty() {
        let values: Vec<String> =
            others.iter().map(|state| format!("{}={}", state.symbol, state.value)).collect();
        lines.push(format!("  the others: {}", values.join(" ")));
    }
    lines
}

fn culprit(state: &SymbolState) -> String {
    let needed = match state.needed.as_deref() {
        Some("n") => "must be off",
        Some("m") => "must be on",
        _ => "must be y",
    };
    let mut line = format!("  {}={} {needed}", state.symbol, state.value);
    if let Some(asked) = state.asked.as_ref() {
        let _ = match &asked.value {
            Value::No if state.value == "n" => write!(line, "; turned off in {}", asked.origin),
            value if value.to_string() == state.value => write!(line, "; asked for in {}", asked.origin),
            value => write!(line, "; though {value} was asked for in {}", asked.origin),
        };
    }
    line += match state.settable {
        Settable::Yes => "",
        Settable::UnmetDependencies => "; its own dependencies are not met",
        Settable::NoPrompt => "; it has no prompt, it follows from others",
        Settable::Unknown => "; this tree does not have it for this architecture",
    };
    if !state.selectable_by.is_empty() {
        let _ = write!(line, "; selected by {}", listed(state.selectable_by.iter().cloned()));
    }
    line
}

fn no_prompt(place: &str, selectable_by: &[Selector], defaults: &[String], unmet: &[Unmet]) -> Vec<String> {
    let mut why = vec![format!("it has no prompt ({place}): it cannot be set, it follows from others")];
    if !defaults.is_empty() {
        why.push(format!("  by default: {}", listed(defaults.iter().cloned())));
    }
    if !selectable_by.is_empty() {
        why.push(format!("  selected by: {}", selectors(selectable_by)));
    }
    why.extend(unmet.iter().flat_map(|definition| lacking("its dependencies are not met", definition)));
    why
}

fn selectors(by: &[Selector]) -> String {
    listed(by.iter().map(|selector| {
        let condition =
            selector.condition.as_ref().map(|condition| format!(" if {condition}")).unwrap_or_default();
        format!("{}={}{condition} ({})", selector.symbol, selector.value, selector.place)
    }))
}

/// The first few, and how many more there are.
fn listed(items: impl ExactSizeIterator<Item = String>) -> String {
    let more = items.len().saturating_sub(LISTED);
    let mut texts: Vec<String> = items.take(LISTED).collect();
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    texts.join(", ")
}
