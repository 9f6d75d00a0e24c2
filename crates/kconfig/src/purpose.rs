//! Whether a request came to nothing because a later one ruled it out: then that was on purpose.

use crate::explain::{Explainer, conditions, is_bool, tristate};
use crate::fragment::Request;
use crate::lang::{Definition, Expr, Symbol, Tristate, Values};
use std::collections::HashMap;

/// How far a chain of dependencies is followed.
const CHAIN_LIMIT: usize = 12;

/// A search for what keeps a symbol down.
struct Search<'a> {
    explainer: &'a Explainer<'a>,
    /// The request.
    request: &'a Request,
    /// Its place among all: only those behind it count.
    order: usize,
    /// What was found out already.
    known: HashMap<(&'a str, Tristate), bool>,
}

impl Explainer<'_> {
    /// True if `request` cannot take because a request that was made later turned off what it needs, made a module of it,
    /// or chose another member of its choice.
    pub(crate) fn off_on_purpose(&self, request: &Request) -> bool {
        let Some((held, order)) = self.asked.get(request.symbol.as_str()) else { return false };
        let Some(asked) = tristate(&held.value).filter(|asked| *asked > Tristate::No) else { return false };
        let mut search = Search { explainer: self, request, order: *order, known: HashMap::new() };
        search.impossible(&held.symbol, asked, CHAIN_LIMIT)
    }
}

impl<'a> Search<'a> {
    /// True if each of a symbol's definitions has a dependency that is less than `needed` on purpose.
    fn impossible(&mut self, name: &'a str, needed: Tristate, depth: usize) -> bool {
        if let Some(known) = self.known.get(&(name, needed)) {
            return *known;
        }
        // Until it is known otherwise: a symbol that depends on itself is not what turned it off.
        self.known.insert((name, needed), false);
        let (Some(depth), Some(symbol)) = (depth.checked_sub(1), self.explainer.kconfig.symbol(name)) else {
            return false;
        };
        // A bool cannot be m: what depends on a module can be built in.
        let needed = if is_bool(symbol) { Tristate::Module } else { needed };
        let mut off = |definition: &'a Definition| {
            conditions(definition).any(|expr| self.ruled_out(expr, needed, depth))
        };
        let impossible = symbol.definitions.iter().all(&mut off) || self.chosen_otherwise(symbol);
        self.known.insert((name, needed), impossible);
        impossible
    }

    /// True if a symbol is a member of a choice of which another was asked for later.
    fn chosen_otherwise(&self, symbol: &Symbol) -> bool {
        let choice = symbol.definitions.iter().find_map(|definition| definition.choice);
        let choice = choice.and_then(|choice| self.explainer.kconfig.choices.get(choice));
        choice.is_some_and(|choice| {
            choice.members.iter().any(|member| {
                let asked = self.explainer.asked.get(member.as_str());
                self.explainer.tristate(member) == Tristate::Yes
                    && asked.is_some_and(|(other, order)| *order > self.order && self.is_apart(other))
            })
        })
    }

    /// True if another request is not from the same place: within one place, two that exclude each other are a mistake.
    fn is_apart(&self, other: &Request) -> bool {
        other.origin.label != self.request.origin.label
    }

    /// True if an expression is less than `needed` because of requests that were made later.
    fn ruled_out(&mut self, expr: &'a Expr, needed: Tristate, depth: usize) -> bool {
        match expr {
            Expr::Symbol(name) if self.explainer.tristate(name) < needed => {
                let asked = self.explainer.asked.get(name.as_str());
                asked.is_some_and(|(request, order)| {
                    let less = tristate(&request.value).filter(|asked| *asked < needed);
                    let meant = |less| less == Tristate::No || self.is_apart(request);
                    *order > self.order && less.is_some_and(meant)
                }) || self.impossible(name, needed, depth)
            }
            Expr::And(a, b) => self.ruled_out(a, needed, depth) || self.ruled_out(b, needed, depth),
            Expr::Or(a, b) => self.ruled_out(a, needed, depth) && self.ruled_out(b, needed, depth),
            _ => false,
        }
    }
}
