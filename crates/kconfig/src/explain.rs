//! Why a symbol did not take the value that was asked for.

use crate::dotconfig::DotConfig;
use crate::fragment::{Request, Value, number};
use crate::lang::{Definition, Expr, Kconfig, Symbol, SymbolType, Tristate, Values};
use crate::merge::Merged;
use crate::proof::{Reason, Selector, Settable, SymbolState, Unmet};
use std::collections::{HashMap, HashSet};

/// How far a value is followed to the compiler's answer: in the trees it is two or three steps.
const COMPUTED_DEPTH: usize = 5;

/// All that an explanation draws on.
pub struct Explainer<'a> {
    config: &'a DotConfig,
    pub(crate) kconfig: &'a Kconfig,
    /// The request that holds for a symbol, and its place among all that hold.
    pub(crate) asked: HashMap<&'a str, (&'a Request, usize)>,
}

impl Values for Explainer<'_> {
    fn tristate(&self, symbol: &str) -> Tristate {
        self.config.get(symbol).and_then(tristate).unwrap_or(Tristate::No)
    }

    fn text(&self, symbol: &str) -> String {
        match (self.config.get(symbol), self.kconfig.symbol(symbol).map(|symbol| symbol.kind)) {
            (Some(Value::Str(text)), _) => text.clone(),
            (Some(value), _) => value.to_string(),
            (None, Some(Some(SymbolType::Bool | SymbolType::Tristate))) => "n".to_owned(),
            (None, Some(_)) => String::new(),
            (None, None) => symbol.to_owned(),
        }
    }
}

/// All that the value of a symbol depends on: its dependencies, its defaults, and their conditions.
fn values_and_conditions(symbol: &Symbol) -> impl Iterator<Item = &Expr> {
    symbol.definitions.iter().flat_map(|definition| {
        let defaults = definition.defaults.iter();
        let defaults = defaults.flat_map(|default| default.condition.iter().chain([&default.value]));
        definition.depends.iter().map(AsRef::as_ref).chain(defaults)
    })
}

/// How much of a symbol a value is; `None` for a number or a string.
pub fn tristate(value: &Value) -> Option<Tristate> {
    match value {
        Value::No => Some(Tristate::No),
        Value::Module => Some(Tristate::Module),
        Value::Yes => Some(Tristate::Yes),
        Value::Str(_) | Value::Num(_) => None,
    }
}

impl<'a> Explainer<'a> {
    /// From what was asked for, what came of it, and what the tree has.
    pub fn new(merged: &'a Merged, config: &'a DotConfig, kconfig: &'a Kconfig) -> Self {
        let asked = merged.requests.iter().enumerate();
        let asked = asked.map(|(order, request)| (request.symbol.as_str(), (request, order))).collect();
        Self { config, kconfig, asked }
    }

    /// Why `request` came out as `actual`, which is not what it asked for.
    pub fn reason(&self, request: &Request, actual: &Value) -> Reason {
        let name = request.symbol.as_str();
        let Some(symbol) = self.kconfig.symbol(name) else {
            return Reason::Unknown { nearest: self.kconfig.nearest(name).map(str::to_owned) };
        };
        if let Some(kind) = symbol.kind.filter(|kind| !fits(*kind, &request.value)) {
            return Reason::WrongType { type_name: kind.as_str().to_owned() };
        }
        match (tristate(&request.value), tristate(actual)) {
            (Some(asked), Some(actual)) if actual > asked => self.why_stronger(name, symbol, asked),
            (asked, _) => self.why_weaker(request, symbol, asked),
        }
    }

    /// The request that holds for a symbol.
    pub fn asked(&self, symbol: &str) -> Option<&'a Request> {
        self.asked.get(symbol).map(|(request, _)| *request)
    }

    fn why_stronger(&self, name: &str, symbol: &Symbol, asked: Tristate) -> Reason {
        let by = self.selectors(name, |strength| strength > asked);
        if !by.is_empty() {
            return Reason::Selected { by };
        }
        if asked == Tristate::Module && self.tristate("MODULES") == Tristate::No {
            return Reason::ModulesOff;
        }
        if let Some(reason) = self.choice(symbol) {
            return reason;
        }
        let applies = |condition: &Option<Expr>| self.holds(condition.as_ref());
        let default =
            symbol.definitions.iter().filter(|definition| self.met(definition)).find_map(|definition| {
                definition.defaults.iter().find(|default| applies(&default.condition))
            });
        match default {
            Some(default) if self.visibility(symbol) != Some(Tristate::Yes) => Reason::Default {
                default: written(default),
                place: default.place.to_string(),
                unmet: self.unmet_prompts(symbol, Tristate::Module),
            },
            _ => unclear(symbol),
        }
    }

    fn why_weaker(&self, request: &Request, symbol: &Symbol, asked: Option<Tristate>) -> Reason {
        if has_no_prompt(symbol) {
            if self.is_computed(&request.symbol) {
                return Reason::Computed { place: first_place(symbol) };
            }
            return self.no_prompt(&request.symbol, symbol, asked);
        }
        let visibility = self.visibility(symbol);
        if visibility.is_none_or(|visible| visible < asked.unwrap_or(Tristate::Module)) {
            let needed = asked.unwrap_or(Tristate::Module);
            let needed = if is_bool(symbol) { Tristate::Module } else { needed };
            return Reason::Unmet { definitions: self.unmet_prompts(symbol, needed) };
        }
        if let Some(reason) = self.choice(symbol) {
            return reason;
        }
        if let (Value::Num(asked), Some((low, high))) = (&request.value, self.range(symbol))
            && let (Some(asked), Some(smallest), Some(largest)) = (number(asked), number(&low), number(&high))
            && !(smallest..=largest).contains(&asked)
        {
            return Reason::Range { low, high };
        }
        unclear(symbol)
    }

    fn no_prompt(&self, name: &str, symbol: &Symbol, asked: Option<Tristate>) -> Reason {
        Reason::NoPrompt {
            place: first_place(symbol),
            selectable_by: self.selectors(name, |strength| asked.is_none_or(|asked| strength < asked)),
            defaults: symbol
                .definitions
                .iter()
                .flat_map(|definition| &definition.defaults)
                .map(written)
                .collect(),
            unmet: symbol
                .definitions
                .iter()
                .filter(|definition| !definition.defaults.is_empty() && !self.met(definition))
                .map(|definition| self.unmet(definition, Tristate::Module))
                .collect(),
        }
    }

    /// True if nobody sets a symbol: it has no prompt, nothing selects it, and what it is hangs on what the compiler, the
    /// other tools or the environment answer. Each symbol on the way is looked at once, however often it is named.
    fn is_computed<'n>(&'n self, name: &'n str) -> bool {
        let mut seen = HashSet::from([name]);
        let mut level = vec![name];
        for _ in 0..COMPUTED_DEPTH {
            let unset = |name: &&str| self.kconfig.selects_of(name).is_empty();
            let symbols =
                level.iter().filter(|name| unset(name)).filter_map(|name| self.kconfig.symbol(name));
            let mut next = Vec::new();
            for expr in symbols.filter(|symbol| has_no_prompt(symbol)).flat_map(values_and_conditions) {
                if expr.has_macro() {
                    return true;
                }
                expr.for_each_symbol(&mut |name| {
                    if seen.insert(name) {
                        next.push(name);
                    }
                });
            }
            level = next;
        }
        false
    }

    fn choice(&self, symbol: &Symbol) -> Option<Reason> {
        let choice = symbol.definitions.iter().find_map(|definition| definition.choice)?;
        let choice = self.kconfig.choices.get(choice)?;
        let winner = choice.members.iter().find(|member| self.tristate(member) == Tristate::Yes);
        let request = winner.and_then(|winner| self.asked.get(winner.as_str())).map(|(request, _)| *request);
        let request = request.filter(|request| request.value == Value::Yes);
        Some(Reason::Choice {
            prompt: choice.prompt.clone(),
            place: choice.place.to_string(),
            winner: winner.cloned(),
            winner_origin: request.map(|request| request.origin.clone()),
        })
    }

    pub(crate) fn range(&self, symbol: &Symbol) -> Option<(String, String)> {
        let (low, high, _) = symbol.ranges.iter().find(|(_, _, condition)| self.holds(condition.as_ref()))?;
        let bound = |bound: &Expr| match bound {
            Expr::Symbol(name) => self.text(name),
            other => other.to_string(),
        };
        Some((bound(low), bound(high)))
    }

    fn holds(&self, condition: Option<&Expr>) -> bool {
        condition.is_none_or(|condition| condition.evaluate(self) != Some(Tristate::No))
    }

    fn met(&self, definition: &Definition) -> bool {
        definition.depends.iter().all(|expr| self.holds(Some(expr)))
    }

    /// How far the prompt of any of its definitions lets it be set; `None` if that hangs on a macro.
    pub fn visibility(&self, symbol: &Symbol) -> Option<Tristate> {
        let mut best = Some(Tristate::No);
        for definition in symbol.definitions.iter().filter(|definition| definition.prompt.is_some()) {
            let visible = and(conditions(definition).map(|expr| expr.evaluate(self)));
            best = match (best, visible) {
                (Some(Tristate::Yes), _) | (_, Some(Tristate::Yes)) => Some(Tristate::Yes),
                (a, b) => a.zip(b).map(|(a, b)| a.max(b)),
            };
        }
        // A bool cannot be m: what depends on a module can be built in.
        best.map(|best| if best == Tristate::Module && is_bool(symbol) { Tristate::Yes } else { best })
    }

    /// Those who select `name` with a strength that `wanted` accepts.
    pub(crate) fn selectors(&self, name: &str, wanted: impl Fn(Tristate) -> bool) -> Vec<Selector> {
        let strength = |select: &&crate::lang::Select| {
            let symbol = self.kconfig.symbol(&select.by);
            let definition = symbol.and_then(|symbol| symbol.definitions.get(select.definition));
            let conditions =
                definition.into_iter().flat_map(|definition| definition.depends.iter().map(AsRef::as_ref));
            and(conditions.chain(&select.condition).map(|expr| expr.evaluate(self)))
                .unwrap_or(Tristate::Yes)
                .min(self.tristate(&select.by))
        };
        self.kconfig
            .selects_of(name)
            .iter()
            .filter(|select| wanted(strength(select)))
            .map(|select| Selector {
                symbol: select.by.clone(),
                value: self.tristate(&select.by).to_string(),
                condition: select.condition.as_ref().map(ToString::to_string),
                place: select.place.to_string(),
            })
            .collect()
    }

    /// What its definitions with a prompt lack to be set to `needed`.
    fn unmet_prompts(&self, symbol: &Symbol, needed: Tristate) -> Vec<Unmet> {
        let definitions = symbol.definitions.iter().filter(|definition| definition.prompt.is_some());
        definitions.map(|definition| self.unmet(definition, needed)).collect()
    }

    fn unmet(&self, definition: &Definition, needed: Tristate) -> Unmet {
        let parts: Vec<&Expr> = conditions(definition).flat_map(Expr::conjuncts).collect();
        let fails = |expr: &Expr| expr.evaluate(self).is_none_or(|value| value < needed);
        let failing: Vec<&Expr> = parts.iter().copied().filter(|part| fails(part)).collect();
        let mut culprits = HashMap::new();
        for part in &failing {
            self.blame(part, needed, true, &mut culprits);
        }
        let mut symbols: Vec<SymbolState> = Vec::new();
        for part in &parts {
            part.for_each_symbol(&mut |name| {
                if !symbols.iter().any(|state| state.symbol == name) {
                    symbols.push(self.state(name, culprits.get(name).copied()));
                }
            });
        }
        Unmet {
            place: definition.place.to_string(),
            expression: joined(&parts),
            failing: failing.iter().map(ToString::to_string).collect(),
            symbols,
        }
    }

    /// Finds the symbols that keep `expr` from being at least `needed` (or, if not `wanted`, from being off), with the
    /// value that each would need.
    fn blame<'e>(
        &self,
        expr: &'e Expr,
        needed: Tristate,
        wanted: bool,
        found: &mut HashMap<&'e str, Tristate>,
    ) {
        let value = expr.evaluate(self);
        let fine = if wanted { value >= Some(needed) } else { value == Some(Tristate::No) };
        if fine {
            return;
        }
        match expr {
            Expr::Symbol(name) => _ = found.insert(name, if wanted { needed } else { Tristate::No }),
            Expr::Not(inner) => self.blame(inner, needed, !wanted, found),
            Expr::And(a, b) | Expr::Or(a, b) => {
                self.blame(a, needed, wanted, found);
                self.blame(b, needed, wanted, found);
            }
            // What the other side is decides which value would do: shown, not computed.
            Expr::Compare(..) | Expr::Constant(_) | Expr::Macro(_) => {}
        }
    }

    fn state(&self, name: &str, needed: Option<Tristate>) -> SymbolState {
        let settable = match self.kconfig.symbol(name) {
            None => Settable::Unknown,
            Some(symbol) if has_no_prompt(symbol) => Settable::NoPrompt,
            Some(symbol) if self.visibility(symbol) == Some(Tristate::No) => Settable::UnmetDependencies,
            Some(_) => Settable::Yes,
        };
        let value = match self.config.get(name) {
            Some(value) => value.to_string(),
            None => "n".to_owned(),
        };
        let asked = self.asked.get(name).map(|(request, _)| (*request).clone());
        let selects = if settable == Settable::NoPrompt && needed.is_some() {
            self.kconfig.selects_of(name)
        } else {
            &[]
        };
        let selectable_by = selects.iter().map(|select| select.by.clone()).collect();
        let needed = needed.map(|needed| needed.to_string());
        SymbolState { symbol: name.to_owned(), value, needed, settable, asked, selectable_by }
    }
}

/// All that must hold for the prompt of a definition to be shown.
pub(crate) fn conditions(definition: &Definition) -> impl Iterator<Item = &Expr> {
    let around = definition.depends.iter().chain(&definition.visible).map(AsRef::as_ref);
    around.chain(definition.prompt.iter().filter_map(|prompt| prompt.condition.as_ref()))
}

/// The least of all values; `None` if that hangs on an unknown one.
fn and(values: impl Iterator<Item = Option<Tristate>>) -> Option<Tristate> {
    let mut all = Some(Tristate::Yes);
    for value in values {
        all = match (all, value) {
            (Some(Tristate::No), _) | (_, Some(Tristate::No)) => return Some(Tristate::No),
            (a, b) => a.zip(b).map(|(a, b)| a.min(b)),
        };
    }
    all
}

fn joined(parts: &[&Expr]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for part in parts {
        let text = if matches!(part, Expr::Or(..)) && parts.len() > 1 {
            format!("({part})")
        } else {
            part.to_string()
        };
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts.join(" && ")
}

fn fits(kind: SymbolType, value: &Value) -> bool {
    match value {
        Value::No => matches!(kind, SymbolType::Bool | SymbolType::Tristate),
        Value::Yes => matches!(kind, SymbolType::Bool | SymbolType::Tristate),
        Value::Module => kind == SymbolType::Tristate,
        Value::Str(_) => kind == SymbolType::String,
        Value::Num(_) => matches!(kind, SymbolType::Int | SymbolType::Hex),
    }
}

/// True if nobody can set a symbol: it follows from others.
pub(crate) fn has_no_prompt(symbol: &Symbol) -> bool {
    symbol.definitions.iter().all(|definition| definition.prompt.is_none())
}

pub(crate) fn is_bool(symbol: &Symbol) -> bool {
    symbol.kind == Some(SymbolType::Bool)
}

fn written(default: &crate::lang::Default) -> String {
    match &default.condition {
        Some(condition) => format!("{} if {condition}", default.value),
        None => default.value.to_string(),
    }
}

fn first_place(symbol: &Symbol) -> String {
    symbol.definitions.first().map(|definition| definition.place.to_string()).unwrap_or_default()
}

fn unclear(symbol: &Symbol) -> Reason {
    Reason::Unclear { place: first_place(symbol) }
}
