//! Kconfig text to statements: logical lines, then tokens.

/// A token of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword, a symbol or a number.
    Word(String),
    /// A quoted string, without its quotes, escapes resolved.
    Quoted(String),
    /// A macro call that stays as it is: `$(cc-option,-m64)`.
    Macro(String),
    /// An operator or a parenthesis.
    Op(&'static str),
}

/// The operators, those with a prefix in common longest first.
const OPERATORS: [&str; 14] = ["||", "&&", "!=", "<=", ">=", ":=", "+=", "=", "<", ">", "!", "(", ")", ","];

/// Splits a statement into tokens. A `#` outside of quotes ends it. Characters that no statement has are passed over,
/// as kconfig's own lexer does. `variable` gives the text of `$(NAME)`, where it is known.
pub(super) fn tokens(line: &str, variable: &dyn Fn(&str) -> Option<String>) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if first == '#' {
            break;
        } else if first == '"' || first == '\'' {
            let (text, after) = quoted(&rest[1..], first, variable);
            tokens.push(Token::Quoted(text));
            rest = after;
        } else if first == '$' {
            let (call, after) = call(rest);
            tokens.push(match variable(name_of(call)) {
                Some(text) => Token::Word(text),
                None => Token::Macro(call.to_owned()),
            });
            rest = after;
        } else if is_word(first) {
            let end = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
            tokens.push(Token::Op(operator));
            rest = &rest[operator.len()..];
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    tokens
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-')
}

/// `$(NAME)`, `$(macro,a,$(b))`, `$NAME` or a lone `$` at the start of `text`, and what follows it.
fn call(text: &str) -> (&str, &str) {
    let mut depth = 0usize;
    if text[1..].starts_with('(') {
        for (at, char) in text.char_indices() {
            match char {
                '(' => depth += 1,
                ')' if depth == 1 => return text.split_at(at + 1),
                ')' => depth -= 1,
                _ => {}
            }
        }
        return (text, "");
    }
    let end = text[1..].find(|char| !is_word(char)).map_or(text.len(), |end| end + 1);
    text.split_at(end)
}

/// The name in `$(NAME)` or `$NAME`.
fn name_of(call: &str) -> &str {
    let call = call.strip_prefix('$').unwrap_or(call);
    call.strip_prefix('(').and_then(|call| call.strip_suffix(')')).unwrap_or(call)
}

/// The text up to `quote`, with variables filled in, and what follows the quote.
fn quoted<'a>(
    mut rest: &'a str,
    quote: char,
    variable: &dyn Fn(&str) -> Option<String>,
) -> (String, &'a str) {
    let mut text = String::new();
    while let Some(char) = rest.chars().next() {
        let after = &rest[char.len_utf8()..];
        match char {
            _ if char == quote => return (text, after),
            '\\' => {
                let escaped = after.chars().next();
                text.extend(escaped);
                rest = &after[escaped.map_or(0, char::len_utf8)..];
            }
            '$' => {
                let (call, after) = call(rest);
                match variable(name_of(call)) {
                    Some(value) => text += &value,
                    None => text += call,
                }
                rest = after;
            }
            _ => {
                text.push(char);
                rest = after;
            }
        }
    }
    (text, "")
}

/// The statements of a file: each logical line with the number of its first line, counted from 1. Lines that end in a
/// backslash are joined, help texts left out.
pub(super) struct Statements<'a> {
    lines: std::iter::Peekable<std::iter::Zip<std::str::Lines<'a>, std::ops::RangeFrom<u32>>>,
}

impl<'a> Statements<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { lines: text.lines().zip(1..).peekable() }
    }

    /// Passes over the help text that follows: all lines that are indented at least as far as its first one, and the
    /// empty ones among them.
    pub(super) fn skip_help(&mut self) {
        let mut first = None;
        while let Some((line, _)) = self.lines.peek() {
            if !line.trim().is_empty() {
                let indent = indentation(line);
                if indent == 0 || indent < *first.get_or_insert(indent) {
                    return;
                }
            }
            self.lines.next();
        }
    }
}

impl Iterator for Statements<'_> {
    type Item = (String, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let (line, number) = self.lines.next()?;
        let mut statement = line.to_owned();
        while statement.ends_with('\\') {
            statement.pop();
            match self.lines.next() {
                Some((line, _)) => statement += line,
                None => break,
            }
        }
        Some((statement, number))
    }
}

/// In columns; a tab goes to the next multiple of eight.
fn indentation(line: &str) -> usize {
    line.bytes()
        .map_while(|byte| matches!(byte, b' ' | b'\t').then_some(byte))
        .fold(0, |column, byte| if byte == b'\t' { (column & !7) + 8 } else { column + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lex(line: &str) -> Vec<Token> {
        tokens(line, &|name| (name == "SRCARCH").then(|| "x86".to_owned()))
    }

    #[test]
    fn a_statement_becomes_tokens() {
        let word = |text: &str| Token::Word(text.to_owned());
        assert_eq!(
            lex("\tdepends on !A&&B >= -1 # why"),
            [
                word("depends"),
                word("on"),
                Token::Op("!"),
                word("A"),
                Token::Op("&&"),
                word("B"),
                Token::Op(">="),
                word("-1")
            ]
        );
        assert_eq!(
            lex(r#"source "arch/$(SRCARCH)/K \"q\" $(x)""#),
            [word("source"), Token::Quoted(r#"arch/x86/K "q" $(x)"#.into())]
        );
        assert_eq!(
            lex("def_bool $(success,test \"$(a)\" = b) && C"),
            [
                word("def_bool"),
                Token::Macro("$(success,test \"$(a)\" = b)".into()),
                Token::Op("&&"),
                word("C")
            ]
        );
    }

    #[test]
    fn broken_text_is_lexed_to_its_end() {
        for text in ["\"open", "'", "$", "$(", "$(a", "\\", "é§ A", "\"\\"] {
            lex(text);
        }
        assert_eq!(lex("é§ A"), [Token::Word("A".into())]);
    }

    #[test]
    fn lines_are_joined_and_help_is_skipped() {
        let text =
            "config A\n\tdepends on B && \\\n\t\tC\n\thelp\n\t  Text\n\n\t   config X\n\tbool\nconfig D\n";
        let mut statements = Statements::new(text);
        let mut seen = Vec::new();
        while let Some((line, number)) = statements.next() {
            if line.trim() == "help" {
                statements.skip_help();
            }
            seen.push(format!("{number} {}", line.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
        assert_eq!(seen, ["1 config A", "2 depends on B && C", "4 help", "8 bool", "9 config D"]);
    }
}
