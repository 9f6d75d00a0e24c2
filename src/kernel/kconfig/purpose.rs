//! Whether a request came to nothing because a later one turned off what it needs: then that was on purpose.

use super::explain::{Explainer, conditions};
use super::fragment::{Request, Value};
use super::lang::{Definition, Expr, Tristate, Values};
use std::collections::HashMap;

/// How far a chain of dependencies is followed.
const CHAIN_LIMIT: usize = 12;

/// A search for what turned a symbol off.
struct Search<'a> {
    explainer: &'a Explainer<'a>,
    /// The place of the request among all: only those behind it count.
    order: usize,
    /// What was found out already.
    known: HashMap<&'a str, bool>,
}

impl Explainer<'_> {
    /// True if `request` cannot take because a request that was made later turned off what it needs.
    pub(super) fn off_on_purpose(&self, request: &Request) -> bool {
        let Some((held, order)) = self.asked.get(request.symbol.as_str()) else { return false };
        Search { explainer: self, order: *order, known: HashMap::new() }.impossible(&held.symbol, CHAIN_LIMIT)
    }
}

impl<'a> Search<'a> {
    /// True if every definition of a symbol has a dependency that is off on purpose.
    fn impossible(&mut self, name: &'a str, depth: usize) -> bool {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        // Until it is known otherwise: a symbol that depends on itself is not what turned it off.
        self.known.insert(name, false);
        let (Some(depth), Some(symbol)) = (depth.checked_sub(1), self.explainer.kconfig.symbol(name)) else {
            return false;
        };
        let mut off =
            |definition: &'a Definition| conditions(definition).any(|expr| self.ruled_out(expr, depth));
        let impossible = symbol.definitions.iter().all(&mut off);
        self.known.insert(name, impossible);
        impossible
    }

    /// True if an expression is off because of requests that were made later.
    fn ruled_out(&mut self, expr: &'a Expr, depth: usize) -> bool {
        match expr {
            Expr::Symbol(name) if self.explainer.tristate(name) == Tristate::No => {
                let asked = self.explainer.asked.get(name.as_str());
                asked.is_some_and(|(request, order)| request.value == Value::No && *order > self.order)
                    || self.impossible(name, depth)
            }
            Expr::And(a, b) => self.ruled_out(a, depth) || self.ruled_out(b, depth),
            Expr::Or(a, b) => self.ruled_out(a, depth) && self.ruled_out(b, depth),
            _ => false,
        }
    }
}
