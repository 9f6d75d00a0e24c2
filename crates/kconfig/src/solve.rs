//! What has to be asked for so that a symbol takes, as far as the Kconfig files tell: a proposal, for kconfig to try.

use crate::explain::{Explainer, conditions, has_no_prompt, is_bool};
use crate::fragment::Value;
use crate::lang::{Definition, Expr, Operator, Symbol, Tristate, Values};
use std::cell::Cell;
use std::collections::HashMap;

/// How far a chain of dependencies is followed.
const DEPTH_LIMIT: usize = 10;

/// How many symbols are looked at in one search: some of them have hundreds of selectors.
const LOOK_LIMIT: u32 = 3000;

/// How many of a symbol's selectors are tried.
const SELECTORS_LIMIT: usize = 24;

/// Never turned off: without it it would be a kernel for another machine.
const MACHINE: &str = "64BIT";

/// What to ask for, in this order.
pub type Asks = Vec<(String, Value)>;

/// A search for what a symbol needs, from the configuration that an [`Explainer`] knows.
pub struct Solver<'a> {
    explainer: &'a Explainer<'a>,
    /// True for what may not be changed to this value.
    refuses: &'a dyn Fn(&str, &Value) -> bool,
    looks: Cell<u32>,
}

/// Requests so far, and what they change.
#[derive(Clone, Default)]
struct Plan {
    asks: Asks,
    values: HashMap<String, Tristate>,
    /// What is being reached: a symbol cannot be its own condition.
    open: Vec<String>,
}

/// The configuration as a plan would have it.
struct View<'a>(&'a Explainer<'a>, &'a Plan);

impl Values for View<'_> {
    fn tristate(&self, symbol: &str) -> Tristate {
        self.1.values.get(symbol).copied().unwrap_or_else(|| self.0.tristate(symbol))
    }

    fn text(&self, symbol: &str) -> String {
        self.1.values.get(symbol).map_or_else(|| self.0.text(symbol), ToString::to_string)
    }
}

impl<'a> Solver<'a> {
    /// A search that leaves alone whatever `refuses` holds of: symbol, and the value that it would get.
    pub fn new(explainer: &'a Explainer<'a>, refuses: &'a dyn Fn(&str, &Value) -> bool) -> Self {
        Self { explainer, refuses, looks: Cell::new(0) }
    }

    /// What to ask for so that `name` is at least `needed`.
    pub fn reach(&self, name: &str, needed: Tristate) -> Option<Asks> {
        self.raise(&Plan::default(), name, needed, DEPTH_LIMIT).map(|plan| plan.asks)
    }

    /// What to ask for so that a number or a string can have this value: by its prompt, or where it follows from others.
    pub fn give(&self, name: &str, value: &Value) -> Option<Asks> {
        let symbol = self.explainer.kconfig.symbol(name)?;
        let start = Plan::default();
        let plans = symbol.definitions.iter().filter_map(|definition| {
            if definition.prompt.is_some() {
                return self.all(&start, conditions(definition), Tristate::Module, DEPTH_LIMIT);
            }
            let wanted = |expr: &Expr| match (expr, value) {
                (Expr::Constant(text), Value::Str(wanted)) => text == wanted,
                (Expr::Symbol(text), Value::Num(_)) => {
                    Value::parse(text).is_some_and(|text| text.same(value))
                }
                _ => false,
            };
            let default = definition.defaults.iter().find(|default| wanted(&default.value))?;
            let needed = definition.depends.iter().map(AsRef::as_ref).chain(&default.condition);
            self.all(&start, needed, Tristate::Module, DEPTH_LIMIT)
        });
        plans.min_by_key(|plan| plan.asks.len()).map(|plan| plan.asks).filter(|asks| !asks.is_empty())
    }

    fn raise(&self, plan: &Plan, name: &str, needed: Tristate, depth: usize) -> Option<Plan> {
        if View(self.explainer, plan).tristate(name) >= needed {
            return Some(plan.clone());
        }
        let depth = depth.checked_sub(1)?;
        self.looks.set(self.looks.get() + 1);
        let symbol = self.explainer.kconfig.symbol(name)?;
        if self.looks.get() > LOOK_LIMIT || plan.open.iter().any(|open| open == name) {
            return None;
        }
        let mut plan = plan.clone();
        plan.open.push(name.to_owned());
        let by_prompt = self.by_prompt(&plan, name, symbol, needed, depth);
        // What is not asked of anybody is dear: a way with no more than the symbol itself cannot be beaten.
        let found = match by_prompt {
            Some(found) if found.asks.len() <= plan.asks.len() + 1 => Some(found),
            found => [found, self.by_default(&plan, symbol, depth), self.by_select(&plan, name, depth)]
                .into_iter()
                .flatten()
                .min_by_key(|found| found.asks.len()),
        };
        let mut found = found?;
        found.open.pop();
        found.values.insert(name.to_owned(), if is_bool(symbol) { Tristate::Yes } else { needed });
        Some(found)
    }

    fn by_prompt(
        &self,
        plan: &Plan,
        name: &str,
        symbol: &Symbol,
        needed: Tristate,
        depth: usize,
    ) -> Option<Plan> {
        let value = if needed == Tristate::Module && !is_bool(symbol) { Value::Module } else { Value::Yes };
        if (self.refuses)(name, &value) {
            return None;
        }
        // A bool cannot be m: what depends on a module can be built in.
        let level = if is_bool(symbol) { Tristate::Module } else { needed };
        let prompted = symbol.definitions.iter().filter(|definition| definition.prompt.is_some());
        let plans = prompted.filter_map(|definition| self.all(plan, conditions(definition), level, depth));
        let mut plan = plans.min_by_key(|plan| plan.asks.len())?;
        let others = self.rivals(name, symbol);
        let asked = self.explainer.asked.get(name).is_some_and(|(held, _)| held.value.meets(&value));
        let lost = others.iter().any(|other| self.is_later(other, name));
        let others: Vec<String> = others.into_iter().map(str::to_owned).collect();
        plan.values.extend(others.into_iter().map(|other| (other, Tristate::No)));
        if !asked || lost {
            plan.asks.push((name.to_owned(), value));
        }
        Some(plan)
    }

    /// True if `other` was asked for after `name`.
    fn is_later(&self, other: &str, name: &str) -> bool {
        let order = |name: &str| self.explainer.asked.get(name).map(|(_, order)| *order);
        order(other).zip(order(name)).is_some_and(|(other, this)| other > this)
    }

    /// The other members of a symbol's choice.
    fn rivals(&self, name: &str, symbol: &Symbol) -> Vec<&str> {
        let choice = symbol.definitions.iter().find_map(|definition| definition.choice);
        let choice = choice.and_then(|choice| self.explainer.kconfig.choices.get(choice));
        let members = choice.into_iter().flat_map(|choice| &choice.members);
        members.map(String::as_str).filter(|member| *member != name).collect()
    }

    fn by_default(&self, plan: &Plan, symbol: &Symbol, depth: usize) -> Option<Plan> {
        let defaults = symbol
            .definitions
            .iter()
            .flat_map(|definition| definition.defaults.iter().map(move |default| (definition, default)));
        let plans = defaults.filter_map(|(definition, default)| {
            let needed = definition.depends.iter().map(AsRef::as_ref).chain(&default.condition);
            self.all(plan, needed.chain([&default.value]), Tristate::Module, depth)
        });
        plans.min_by_key(|plan| plan.asks.len())
    }

    fn by_select(&self, plan: &Plan, name: &str, depth: usize) -> Option<Plan> {
        let mut selects: Vec<_> = self.explainer.kconfig.selects_of(name).iter().collect();
        // Those that somebody asked for already are the likeliest.
        selects.sort_by_key(|select| !self.explainer.asked.contains_key(select.by.as_str()));
        let plans = selects.into_iter().take(SELECTORS_LIMIT).filter_map(|select| {
            let plan = self.raise(plan, &select.by, Tristate::Yes, depth)?;
            self.all(&plan, select.condition.iter(), Tristate::Module, depth)
        });
        plans.min_by_key(|plan| plan.asks.len())
    }

    fn all<'e>(
        &self,
        plan: &Plan,
        exprs: impl Iterator<Item = &'e Expr>,
        needed: Tristate,
        depth: usize,
    ) -> Option<Plan> {
        let mut plan = plan.clone();
        for expr in exprs {
            plan = self.satisfy(&plan, expr, needed, depth)?;
        }
        Some(plan)
    }

    /// Makes an expression at least `needed`. What hangs on a macro is taken for met: kconfig will say.
    fn satisfy(&self, plan: &Plan, expr: &Expr, needed: Tristate, depth: usize) -> Option<Plan> {
        if expr.evaluate(&View(self.explainer, plan)).is_none_or(|value| value >= needed) {
            return Some(plan.clone());
        }
        match expr {
            Expr::Symbol(name) => self.raise(plan, name, Tristate::Yes, depth),
            Expr::Not(inner) => self.refute(plan, inner, depth),
            Expr::And(a, b) => {
                let plan = self.satisfy(plan, a, needed, depth)?;
                self.satisfy(&plan, b, needed, depth)
            }
            Expr::Or(a, b) => {
                fewest(self.satisfy(plan, a, needed, depth), self.satisfy(plan, b, needed, depth))
            }
            Expr::Compare(operator, a, b) => self.compare(plan, *operator, a, b, depth),
            Expr::Constant(_) | Expr::Macro(_) => None,
        }
    }

    /// Makes an expression n.
    fn refute(&self, plan: &Plan, expr: &Expr, depth: usize) -> Option<Plan> {
        if expr.evaluate(&View(self.explainer, plan)).is_none_or(|value| value == Tristate::No) {
            return Some(plan.clone());
        }
        match expr {
            Expr::Symbol(name) => self.lower(plan, name, depth),
            Expr::Not(inner) => self.satisfy(plan, inner, Tristate::Yes, depth),
            Expr::And(a, b) => fewest(self.refute(plan, a, depth), self.refute(plan, b, depth)),
            Expr::Or(a, b) => {
                let plan = self.refute(plan, a, depth)?;
                self.refute(&plan, b, depth)
            }
            Expr::Compare(Operator::Equal, a, b) => self.compare(plan, Operator::Unequal, a, b, depth),
            Expr::Compare(Operator::Unequal, a, b) => self.compare(plan, Operator::Equal, a, b, depth),
            Expr::Compare(..) | Expr::Constant(_) | Expr::Macro(_) => None,
        }
    }

    /// Makes a comparison of a symbol with y, m or n hold.
    fn compare(&self, plan: &Plan, operator: Operator, a: &Expr, b: &Expr, depth: usize) -> Option<Plan> {
        let (Expr::Symbol(name), Expr::Symbol(value)) = (a, b) else { return None };
        match (operator, value.as_str()) {
            (Operator::Equal, "y") | (Operator::Unequal, "n") => self.raise(plan, name, Tristate::Yes, depth),
            (Operator::Equal, "n") | (Operator::Unequal, "y") => self.lower(plan, name, depth),
            _ => None,
        }
    }

    /// Turns a symbol off, and those that select it.
    fn lower(&self, plan: &Plan, name: &str, depth: usize) -> Option<Plan> {
        let depth = depth.checked_sub(1)?;
        let symbol = self.explainer.kconfig.symbol(name)?;
        if name == MACHINE || (self.refuses)(name, &Value::No) || !self.rivals(name, symbol).is_empty() {
            return None;
        }
        let mut plan = plan.clone();
        for select in self.explainer.selectors(name, |strength| strength > Tristate::No) {
            if View(self.explainer, &plan).tristate(&select.symbol) > Tristate::No {
                plan = self.lower(&plan, &select.symbol, depth)?;
            }
        }
        if !has_no_prompt(symbol) {
            plan.asks.push((name.to_owned(), Value::No));
        } else if symbol.definitions.iter().any(|definition: &Definition| !definition.defaults.is_empty()) {
            return None;
        }
        plan.values.insert(name.to_owned(), Tristate::No);
        Some(plan)
    }
}

fn fewest(a: Option<Plan>, b: Option<Plan>) -> Option<Plan> {
    [a, b].into_iter().flatten().min_by_key(|plan| plan.asks.len())
}
