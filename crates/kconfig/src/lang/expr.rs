//! Expressions over symbols, with the three values of kconfig: n < m < y.

use super::lexer::Token;
use std::fmt;

/// A value of a bool or tristate, in kconfig's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tristate {
    /// n
    No,
    /// m
    Module,
    /// y
    Yes,
}

impl fmt::Display for Tristate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "n",
            Self::Module => "m",
            Self::Yes => "y",
        })
    }
}

/// How two operands are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

impl Operator {
    fn from_token(token: Option<&Token>) -> Option<Self> {
        match token {
            Some(Token::Op("=")) => Some(Self::Equal),
            Some(Token::Op("!=")) => Some(Self::Unequal),
            Some(Token::Op("<")) => Some(Self::Less),
            Some(Token::Op("<=")) => Some(Self::LessEqual),
            Some(Token::Op(">")) => Some(Self::Greater),
            Some(Token::Op(">=")) => Some(Self::GreaterEqual),
            _ => None,
        }
    }

    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterEqual => order.is_ge(),
        }
    }
}

/// An expression as it stands behind `depends on`, `if`, `default`, ….
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// A symbol, a number, or one of the constants `y`, `m`, `n`.
    Symbol(String),
    /// A quoted constant.
    Constant(String),
    /// A macro call, which only the tree's own kconfig can evaluate.
    Macro(String),
    /// `!a`
    Not(Box<Expr>),
    /// `a && b`
    And(Box<Expr>, Box<Expr>),
    /// `a || b`
    Or(Box<Expr>, Box<Expr>),
    /// `a = b` and its like
    Compare(Operator, Box<Expr>, Box<Expr>),
}

/// What an expression is evaluated against.
pub trait Values {
    /// The value of a bool or tristate symbol; n for a symbol that is off, absent or of another type.
    fn tristate(&self, symbol: &str) -> Tristate;
    /// The value of any symbol as text; the symbol's own name if no such symbol exists, as kconfig has it.
    fn text(&self, symbol: &str) -> String;
}

/// How deep parentheses and negations may nest: the tree is untrusted, our stack is finite.
const DEPTH_LIMIT: usize = 64;

impl Expr {
    /// Parses the expression at the start of `tokens` and moves them past it; `None` if there is none.
    pub(super) fn parse(tokens: &mut &[Token]) -> Option<Self> {
        Self::any(tokens, DEPTH_LIMIT)
    }

    fn any(tokens: &mut &[Token], depth: usize) -> Option<Self> {
        let mut left = Self::all(tokens, depth)?;
        while let [Token::Op("||"), rest @ ..] = tokens {
            *tokens = rest;
            left = Self::Or(Box::new(left), Box::new(Self::all(tokens, depth)?));
        }
        Some(left)
    }

    fn all(tokens: &mut &[Token], depth: usize) -> Option<Self> {
        let mut left = Self::one(tokens, depth)?;
        while let [Token::Op("&&"), rest @ ..] = tokens {
            *tokens = rest;
            left = Self::And(Box::new(left), Box::new(Self::one(tokens, depth)?));
        }
        Some(left)
    }

    fn one(tokens: &mut &[Token], depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        let (first, rest) = tokens.split_first()?;
        *tokens = rest;
        let operand = match first {
            Token::Op("!") => return Some(Self::Not(Box::new(Self::one(tokens, depth)?))),
            Token::Op("(") => {
                let inner = Self::any(tokens, depth)?;
                let (Token::Op(")"), rest) = tokens.split_first()? else { return None };
                *tokens = rest;
                return Some(inner);
            }
            Token::Op(_) => return None,
            operand => Self::operand(operand),
        };
        let Some(operator) = Operator::from_token(tokens.first()) else { return Some(operand) };
        let (right, rest) = tokens[1..].split_first()?;
        *tokens = rest;
        if matches!(right, Token::Op(_)) {
            return None;
        }
        Some(Self::Compare(operator, Box::new(operand), Box::new(Self::operand(right))))
    }

    fn operand(token: &Token) -> Self {
        match token {
            Token::Word(word) => Self::Symbol(word.clone()),
            Token::Quoted(text) => Self::Constant(text.clone()),
            Token::Macro(call) => Self::Macro(call.clone()),
            Token::Op(op) => Self::Constant((*op).to_owned()),
        }
    }

    /// Its value; `None` if it hangs on a macro.
    pub fn evaluate(&self, values: &impl Values) -> Option<Tristate> {
        match self {
            Self::Symbol(name) | Self::Constant(name) => Some(match name.as_str() {
                "y" => Tristate::Yes,
                "m" => values.tristate("MODULES").min(Tristate::Module),
                "n" => Tristate::No,
                _ if matches!(self, Self::Constant(_)) => Tristate::No,
                _ => values.tristate(name),
            }),
            Self::Macro(_) => None,
            Self::Not(inner) => inner.evaluate(values).map(|value| match value {
                Tristate::No => Tristate::Yes,
                Tristate::Module => Tristate::Module,
                Tristate::Yes => Tristate::No,
            }),
            Self::And(a, b) => match (a.evaluate(values), b.evaluate(values)) {
                (Some(Tristate::No), _) | (_, Some(Tristate::No)) => Some(Tristate::No),
                (a, b) => Some(a?.min(b?)),
            },
            Self::Or(a, b) => match (a.evaluate(values), b.evaluate(values)) {
                (Some(Tristate::Yes), _) | (_, Some(Tristate::Yes)) => Some(Tristate::Yes),
                (a, b) => Some(a?.max(b?)),
            },
            Self::Compare(operator, a, b) => {
                let (a, b) = (a.operand_text(values)?, b.operand_text(values)?);
                let order = match (number(&a), number(&b)) {
                    (Some(a), Some(b)) => a.cmp(&b),
                    _ => a.cmp(&b),
                };
                Some(if operator.holds(order) { Tristate::Yes } else { Tristate::No })
            }
        }
    }

    fn operand_text(&self, values: &impl Values) -> Option<String> {
        match self {
            Self::Symbol(name) => Some(values.text(name)),
            Self::Constant(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// Calls `each` with the name of every symbol in it, in order, constants left out.
    pub fn for_each_symbol<'a>(&'a self, each: &mut impl FnMut(&'a str)) {
        match self {
            Self::Symbol(name) if !is_constant(name) => each(name),
            Self::Symbol(_) | Self::Constant(_) | Self::Macro(_) => {}
            Self::Not(inner) => inner.for_each_symbol(each),
            Self::And(a, b) | Self::Or(a, b) | Self::Compare(_, a, b) => {
                a.for_each_symbol(each);
                b.for_each_symbol(each);
            }
        }
    }

    /// True if any part of it is for the tree's own kconfig to work out.
    pub fn has_macro(&self) -> bool {
        match self {
            Self::Macro(_) => true,
            Self::Constant(text) => text.contains('$'),
            Self::Symbol(_) => false,
            Self::Not(inner) => inner.has_macro(),
            Self::And(a, b) | Self::Or(a, b) | Self::Compare(_, a, b) => a.has_macro() || b.has_macro(),
        }
    }

    /// Its parts that are joined by `&&` at the top.
    pub fn conjuncts(&self) -> Vec<&Self> {
        match self {
            Self::And(a, b) => {
                let mut parts = a.conjuncts();
                parts.extend(b.conjuncts());
                parts
            }
            _ => vec![self],
        }
    }

    fn binds(&self) -> u8 {
        match self {
            Self::Or(..) => 0,
            Self::And(..) => 1,
            Self::Compare(..) => 2,
            _ => 3,
        }
    }

    fn fmt_within(&self, f: &mut fmt::Formatter<'_>, binding: u8) -> fmt::Result {
        if self.binds() < binding { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

/// True for what stands for itself: `y`, `m`, `n` and numbers.
fn is_constant(name: &str) -> bool {
    matches!(name, "y" | "m" | "n") || number(name).is_some()
}

/// Kconfig compares as numbers where both sides are numbers.
fn number(text: &str) -> Option<i128> {
    crate::fragment::number(text)
}

/// As in a Kconfig file, with no more parentheses than it needs.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |f: &mut fmt::Formatter<'_>, a: &Self, operator: &str, b: &Self, binding| {
            a.fmt_within(f, binding)?;
            write!(f, " {operator} ")?;
            b.fmt_within(f, binding)
        };
        match self {
            Self::Symbol(name) | Self::Macro(name) => f.write_str(name),
            Self::Constant(text) => write!(f, "\"{text}\""),
            Self::Not(inner) => {
                f.write_str("!")?;
                inner.fmt_within(f, 3)
            }
            Self::Or(a, b) => pair(f, a, "||", b, 0),
            Self::And(a, b) => pair(f, a, "&&", b, 1),
            Self::Compare(operator, a, b) => {
                let operator = match operator {
                    Operator::Equal => "=",
                    Operator::Unequal => "!=",
                    Operator::Less => "<",
                    Operator::LessEqual => "<=",
                    Operator::Greater => ">",
                    Operator::GreaterEqual => ">=",
                };
                pair(f, a, operator, b, 3)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens;
    use super::*;

    struct Few;

    impl Values for Few {
        fn tristate(&self, symbol: &str) -> Tristate {
            match symbol {
                "Y" | "MODULES" => Tristate::Yes,
                "M" => Tristate::Module,
                _ => Tristate::No,
            }
        }

        fn text(&self, symbol: &str) -> String {
            match symbol {
                "GCC_VERSION" => "120200".to_owned(),
                "Y" => "y".to_owned(),
                name => name.to_owned(),
            }
        }
    }

    fn parse(text: &str) -> Option<Expr> {
        let tokens = tokens(text, &|_| None);
        let mut rest = tokens.as_slice();
        Expr::parse(&mut rest).filter(|_| rest.is_empty())
    }

    fn value(text: &str) -> String {
        parse(text).unwrap().evaluate(&Few).map_or("?".to_owned(), |value| value.to_string())
    }

    #[test]
    fn three_values_and_the_unknown() {
        for (text, expected) in [
            ("Y && M", "m"),
            ("Y || M", "y"),
            ("!M", "m"),
            ("!Y || N", "n"),
            ("m && Y", "m"),
            ("N && $(cc-option,-x)", "n"),
            ("Y && $(cc-option,-x)", "?"),
            ("Y || $(cc-option,-x)", "y"),
            ("GCC_VERSION >= 90100", "y"),
            ("GCC_VERSION < 90100", "n"),
            ("Y = y && Y != n", "y"),
            ("\"x86\" = \"x86\"", "y"),
            ("M || Y && N", "m"),
            ("(M || Y) && N", "n"),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn printing_keeps_the_meaning_and_drops_needless_parentheses() {
        for (text, printed) in [
            ("(A && B) || C", "A && B || C"),
            ("A&&(B||C)", "A && (B || C)"),
            ("!(A || B) && !C", "!(A || B) && !C"),
            ("A=y||B!=\"x\"", "A = y || B != \"x\""),
            ("((A))", "A"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn what_is_no_expression_is_refused_without_a_panic() {
        for text in ["", "&& A", "A &&", "(A", "A = ", "A = (", "!", ")"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"(".repeat(100_000)), None);
        assert_eq!(parse(&"!".repeat(100_000)), None);
    }

    #[test]
    fn symbols_are_listed_without_constants() {
        let expr = parse("A && m && (B >= 10 || !C) && D = y").unwrap();
        let mut names = Vec::new();
        expr.for_each_symbol(&mut |name| names.push(name));
        assert_eq!(names, ["A", "B", "C", "D"]);
        assert_eq!(expr.conjuncts().len(), 4);
    }
}
