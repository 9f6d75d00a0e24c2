//! Kconfig files to a [`Kconfig`].

use super::expr::Expr;
use super::lexer::{Statements, Token, tokens};
use super::model::{Choice, Default, Definition, Kconfig, Place, Prompt, Select, SymbolType};
use shown::decode;
use std::collections::HashSet;
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

/// What the tree calls the architecture that it is built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    /// `$(ARCH)`
    pub arch: String,
    /// `$(SRCARCH)`: the directory below `arch/`.
    pub srcarch: String,
}

impl Architecture {
    /// The one that a build has: an `ARCH=` among make's variables, else this machine's.
    pub fn of_build<'a>(variables: impl IntoIterator<Item = &'a str>) -> Self {
        let given = variables.into_iter().filter_map(|variable| variable.strip_prefix("ARCH=")).last();
        let arch = given.unwrap_or(machine());
        let srcarch = match arch {
            "i386" | "x86_64" => "x86",
            "sparc32" | "sparc64" => "sparc",
            "parisc64" => "parisc",
            other => other,
        };
        Self { arch: arch.to_owned(), srcarch: srcarch.to_owned() }
    }

    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "ARCH" => Some(self.arch.clone()),
            "SRCARCH" => Some(self.srcarch.clone()),
            // Of user-mode Linux: whose registers and headers it has.
            "HEADER_ARCH" if self.srcarch != "um" => Some(self.srcarch.clone()),
            "HEADER_ARCH" | "SUBARCH" => Some(machine().to_owned()),
            _ => None,
        }
    }
}

/// This machine's architecture, as the directories below `arch/` are called.
fn machine() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x86",
        "aarch64" => "arm64",
        "riscv64" => "riscv",
        "loongarch64" => "loongarch",
        "powerpc64" => "powerpc",
        "s390x" => "s390",
        other => other,
    }
}

/// How deep files may include each other before we give up: far deeper than in any tree.
const DEPTH_LIMIT: usize = 32;

/// How many files may be read: some ten times what a tree has.
const FILE_LIMIT: usize = 20_000;

/// No statement of a tree has nearly as many tokens; without a limit, a hostile one nests as deep as it is long.
const TOKEN_LIMIT: usize = 1024;

/// Reads the Kconfig files of `tree`, beginning with its `Kconfig`. Whatever cannot be read or understood is left out;
/// files that cannot be read are listed in [`Kconfig::unread`].
pub fn read(tree: &Path, architecture: &Architecture) -> Kconfig {
    read_from(&|name| std::fs::read(tree.join(name)), architecture)
}

/// [`read`], of files that are somewhere else: `content` gives that of each, by its path relative to the tree.
pub fn read_from(content: &dyn Fn(&Path) -> io::Result<Vec<u8>>, architecture: &Architecture) -> Kconfig {
    let mut reader = Reader {
        content,
        architecture,
        kconfig: Kconfig::default(),
        frames: Vec::new(),
        entry: Entry::None,
        open: Vec::new(),
        seen: HashSet::new(),
        reads: 0,
    };
    reader.file("Kconfig", "the tree's own");
    reader.kconfig
}

/// What `menu`, `if` and `choice` impose on all inside of them.
#[derive(Default)]
struct Frame {
    keyword: &'static str,
    depends: Vec<Arc<Expr>>,
    visible: Vec<Arc<Expr>>,
    choice: Option<usize>,
}

/// The entry that attributes such as `depends on` belong to.
enum Entry {
    None,
    Definition {
        symbol: String,
        definition: usize,
    },
    /// The innermost menu or choice.
    Frame,
}

struct Reader<'a> {
    content: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    architecture: &'a Architecture,
    kconfig: Kconfig,
    frames: Vec<Frame>,
    entry: Entry,
    open: Vec<String>,
    seen: HashSet<String>,
    reads: usize,
}

impl Reader<'_> {
    fn file(&mut self, name: &str, from: &str) {
        let inside =
            Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let looping = self.open.iter().any(|open| open == name);
        self.reads += 1;
        let bytes = if !inside || name.contains('$') {
            Err("not a path inside of the tree".to_owned())
        } else if looping || self.open.len() >= DEPTH_LIMIT || self.reads > FILE_LIMIT {
            Err("files include each other without end".to_owned())
        } else {
            (self.content)(Path::new(name)).map_err(|error| error.to_string())
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(why) => return self.kconfig.unread.push(format!("{from}: {name}: {why}")),
        };
        if self.seen.insert(name.to_owned()) {
            self.kconfig.files.push(name.into());
        }
        self.open.push(name.to_owned());
        let outer = self.frames.len();
        self.text(&Arc::from(name), &decode(&bytes));
        // What a file leaves open ends with it.
        self.frames.truncate(outer);
        self.open.pop();
    }

    fn text(&mut self, file: &Arc<str>, text: &str) {
        let mut statements = Statements::new(text);
        while let Some((line, number)) = statements.next() {
            let tokens = tokens(&line, &|name| self.architecture.variable(name));
            let Some((Token::Word(keyword), rest)) = tokens.split_first() else { continue };
            if tokens.len() > TOKEN_LIMIT || matches!(rest.first(), Some(Token::Op("=" | ":=" | "+="))) {
                continue;
            }
            if keyword == "help" || line.trim() == "---help---" {
                statements.skip_help();
            } else {
                self.statement(keyword, rest, &Place { file: Arc::clone(file), line: number });
            }
        }
    }

    fn statement(&mut self, keyword: &str, rest: &[Token], place: &Place) {
        match keyword {
            "config" | "menuconfig" => self.definition(rest, place),
            "menu" => self.open_frame("menu", None),
            "choice" => {
                self.kconfig.choices.push(Choice {
                    prompt: String::new(),
                    place: place.clone(),
                    members: Vec::new(),
                });
                let choice = self.kconfig.choices.len() - 1;
                self.open_frame("choice", Some(choice));
            }
            "if" => {
                self.open_frame("if", None);
                self.depends_on(rest);
                self.entry = Entry::None;
            }
            "endif" => self.close_frame("if"),
            "endmenu" => self.close_frame("menu"),
            "endchoice" => self.close_frame("choice"),
            "comment" | "mainmenu" => self.entry = Entry::None,
            "source" => {
                self.entry = Entry::None;
                if let Some(Token::Quoted(name) | Token::Word(name)) = rest.first() {
                    self.file(name, &place.to_string());
                }
            }
            "depends" => {
                if let [Token::Word(on), rest @ ..] = rest
                    && on == "on"
                {
                    self.depends_on(rest);
                }
            }
            "visible" => {
                if let (Entry::Frame, Some(frame), Some(condition)) =
                    (&self.entry, self.frames.last_mut(), condition(rest))
                {
                    frame.visible.push(Arc::new(condition));
                }
            }
            _ => self.attribute(keyword, rest, place),
        }
    }

    fn open_frame(&mut self, keyword: &'static str, choice: Option<usize>) {
        self.frames.push(Frame { keyword, choice, ..Frame::default() });
        self.entry = Entry::Frame;
    }

    /// Closes the innermost frame of this kind, and what was left open inside of it.
    fn close_frame(&mut self, keyword: &str) {
        self.entry = Entry::None;
        if let Some(at) = self.frames.iter().rposition(|frame| frame.keyword == keyword) {
            self.frames.truncate(at);
        }
    }

    fn definition(&mut self, rest: &[Token], place: &Place) {
        self.entry = Entry::None;
        let Some(Token::Word(name)) = rest.first() else { return };
        let all = |of: fn(&Frame) -> &Vec<Arc<Expr>>| self.frames.iter().flat_map(of).cloned().collect();
        let choice = self.frames.iter().rev().find_map(|frame| frame.choice);
        let definition = Definition {
            place: place.clone(),
            prompt: None,
            depends: all(|frame| &frame.depends),
            visible: all(|frame| &frame.visible),
            defaults: Vec::new(),
            choice,
        };
        if let Some(choice) = choice.and_then(|choice| self.kconfig.choices.get_mut(choice))
            && !choice.members.contains(name)
        {
            choice.members.push(name.clone());
        }
        let symbol = self.kconfig.symbols.entry(name.clone()).or_default();
        symbol.definitions.push(definition);
        self.entry = Entry::Definition { symbol: name.clone(), definition: symbol.definitions.len() - 1 };
    }

    /// `depends on a`, and since 6.19 also `depends on a if b`, which means `a || !b`.
    fn depends_on(&mut self, mut rest: &[Token]) {
        let Some(expr) = Expr::parse(&mut rest) else { return };
        let expr = match condition(rest) {
            Some(condition) => Expr::Or(Box::new(expr), Box::new(Expr::Not(Box::new(condition)))),
            None => expr,
        };
        let expr = Arc::new(expr);
        match &self.entry {
            Entry::Definition { symbol, definition } => {
                let symbol = self.kconfig.symbols.get_mut(symbol);
                if let Some(definition) = symbol.and_then(|symbol| symbol.definitions.get_mut(*definition)) {
                    definition.depends.push(expr);
                }
            }
            Entry::Frame => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.depends.push(expr);
                }
            }
            Entry::None => {}
        }
    }

    fn attribute(&mut self, keyword: &str, rest: &[Token], place: &Place) {
        match &self.entry {
            Entry::None => {}
            Entry::Frame => self.attribute_of_choice(keyword, rest),
            Entry::Definition { symbol, definition } => {
                let (name, definition) = (symbol.clone(), *definition);
                self.attribute_of_symbol(&name, definition, keyword, rest, place);
            }
        }
    }

    fn attribute_of_choice(&mut self, keyword: &str, rest: &[Token]) {
        let Some(frame) = self.frames.last_mut() else { return };
        let Some(choice) = frame.choice.and_then(|choice| self.kconfig.choices.get_mut(choice)) else {
            return;
        };
        if let ("prompt" | "bool" | "tristate", Some(prompt)) = (keyword, prompt(rest)) {
            // The members can be chosen only where the choice itself is shown.
            frame.depends.extend(prompt.condition.map(Arc::new));
            choice.prompt = prompt.text;
        }
    }

    fn attribute_of_symbol(
        &mut self,
        name: &str,
        at: usize,
        keyword: &str,
        mut rest: &[Token],
        place: &Place,
    ) {
        if keyword == "select" {
            if let Some((Token::Word(target), rest)) = rest.split_first() {
                let select = Select {
                    by: name.to_owned(),
                    definition: at,
                    condition: condition(rest),
                    place: place.clone(),
                };
                self.kconfig.selects.entry(target.clone()).or_default().push(select);
            }
            return;
        }
        let Some(symbol) = self.kconfig.symbols.get_mut(name) else { return };
        let kind = match keyword {
            "bool" | "def_bool" => Some(SymbolType::Bool),
            "tristate" | "def_tristate" => Some(SymbolType::Tristate),
            "int" => Some(SymbolType::Int),
            "hex" => Some(SymbolType::Hex),
            "string" => Some(SymbolType::String),
            _ => None,
        };
        symbol.kind = symbol.kind.or(kind);
        match keyword {
            "default" | "def_bool" | "def_tristate" => {
                if let (Some(value), Some(definition)) =
                    (Expr::parse(&mut rest), symbol.definitions.get_mut(at))
                {
                    definition.defaults.push(Default {
                        value,
                        condition: condition(rest),
                        place: place.clone(),
                    });
                }
            }
            "range" => {
                if let [low, high, rest @ ..] = rest
                    && let (Some(low), Some(high)) = (
                        Expr::parse(&mut std::slice::from_ref(low)),
                        Expr::parse(&mut std::slice::from_ref(high)),
                    )
                {
                    symbol.ranges.push((low, high, condition(rest)));
                }
            }
            "prompt" | "bool" | "tristate" | "int" | "hex" | "string" => {
                if let (Some(prompt), Some(definition)) = (prompt(rest), symbol.definitions.get_mut(at)) {
                    definition.prompt = Some(prompt);
                }
            }
            // `imply` only changes a default; `modules`, `option`, `optional`, `transitional` do not change what depends
            // on what.
            _ => {}
        }
    }
}

/// `"text"`, then perhaps a condition.
fn prompt(rest: &[Token]) -> Option<Prompt> {
    match rest.split_first() {
        Some((Token::Quoted(text), rest)) => Some(Prompt { text: text.clone(), condition: condition(rest) }),
        _ => None,
    }
}

/// `if expression`
fn condition(rest: &[Token]) -> Option<Expr> {
    match rest.split_first() {
        Some((Token::Word(word), mut rest)) if word == "if" => Expr::parse(&mut rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &[u8])]) -> Kconfig {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        read(dir.path(), &Architecture::of_build(["LLVM=1", "ARCH=x86_64"]))
    }

    fn depends(kconfig: &Kconfig, symbol: &str) -> Vec<String> {
        let symbol = kconfig.symbol(symbol).unwrap();
        symbol.definitions.iter().flat_map(|d| &d.depends).map(ToString::to_string).collect()
    }

    #[test]
    fn dependencies_of_everything_around_a_symbol_add_up() {
        let kconfig = tree(&[(
            "Kconfig",
            b"mainmenu \"Linux/$(ARCH)\"\nnet-flag := $(cc-option,-x)\n$(error-if,$(x),y)\nmenu \"Net\"\n\tdepends on NET\n\
              \tvisible if EXPERT\nif INET && \\\n   !S390\ncomment \"c\"\n\tdepends on NEVER\nmenuconfig MPTCP\n\tbool \"MPTCP\" if USER\n\
              \tdepends on IPV6 if MODULES\n\tselect CRYPTO if A=y\n\t---help---\n\t  config NOT_HERE\nendif\nendmenu\n\
              config FREE\n\tint \"n\"\n\trange 1 64 if SMP\n\tdefault 4\n",
        )]);
        assert_eq!(depends(&kconfig, "MPTCP"), ["NET", "INET && !S390", "IPV6 || !MODULES"]);
        let mptcp = &kconfig.symbol("MPTCP").unwrap().definitions[0];
        assert_eq!(mptcp.visible[0].to_string(), "EXPERT");
        assert_eq!(mptcp.prompt.as_ref().unwrap().condition.as_ref().unwrap().to_string(), "USER");
        assert_eq!(mptcp.place.to_string(), "Kconfig:11");
        let select = &kconfig.selects_of("CRYPTO")[0];
        assert_eq!(
            (select.by.as_str(), select.condition.as_ref().unwrap().to_string()),
            ("MPTCP", "A = y".into())
        );
        assert!(depends(&kconfig, "FREE").is_empty() && kconfig.symbol("NOT_HERE").is_none());
        assert_eq!(kconfig.symbol("FREE").unwrap().kind, Some(SymbolType::Int));
        assert_eq!(kconfig.symbol("FREE").unwrap().ranges.len(), 1);
        assert_eq!(kconfig.unread, [""; 0]);
    }

    #[test]
    fn members_of_a_choice_depend_on_it() {
        let kconfig = tree(&[(
            "Kconfig",
            b"choice\n\tprompt \"Model\" if EXPERT\n\tdepends on SMP\n\tdefault A\nconfig A\n\tbool \"a\"\nconfig B\n\tbool \"b\"\nendchoice\nconfig C\n\tbool \"c\"\n",
        )]);
        assert_eq!(depends(&kconfig, "B"), ["EXPERT", "SMP"]);
        assert_eq!((kconfig.choices[0].prompt.as_str(), kconfig.choices[0].members.len()), ("Model", 2));
        assert!(depends(&kconfig, "C").is_empty());
    }

    #[test]
    fn files_are_followed_within_the_tree_only() {
        let kconfig = tree(&[
            ("Kconfig", b"source \"arch/$(SRCARCH)/Kconfig\"\nsource \"missing\"\nsource \"../../etc/passwd\"\nsource \"/etc/passwd\"\nsource \"$(X)/a\"\nconfig LAST\n\tbool\n"),
            ("arch/x86/Kconfig", b"if A\nconfig \xff\xfe\nconfig X86\n\tdef_bool y\nsource \"Kconfig\"\n"),
        ]);
        assert_eq!(kconfig.files, [Path::new("Kconfig"), Path::new("arch/x86/Kconfig")]);
        assert_eq!(kconfig.unread.len(), 5, "{:?}", kconfig.unread);
        assert_eq!(depends(&kconfig, "X86"), ["A"]);
        // What a file leaves open does not reach beyond it.
        assert!(depends(&kconfig, "LAST").is_empty());
    }

    #[test]
    fn rubbish_is_passed_over() {
        let mut rubbish: Vec<u8> = (0..=255).cycle().take(4096).collect();
        rubbish.extend(b"\nendif\nendmenu\ndepends on\ndepends\nselect\nrange 1\nconfig\nchoice\nprompt\nif\nif (\n\"\nsource\nhelp");
        rubbish.extend(b"\nconfig A\n\tdepends on ".iter().chain(b"B||(".repeat(9000).iter()));
        assert!(tree(&[("Kconfig", &rubbish)]).unread.is_empty());
        assert_eq!(tree(&[]).unread.len(), 1);
    }

    #[test]
    fn architectures_have_a_directory() {
        let srcarch = |variables: &[&str]| Architecture::of_build(variables.iter().copied()).srcarch;
        assert_eq!(srcarch(&["ARCH=i386"]), "x86");
        assert_eq!(srcarch(&["ARCH=arm64", "LLVM=1"]), "arm64");
    }

    #[test]
    fn user_mode_linux_is_an_architecture_on_top_of_this_machines() {
        let dir = tempfile::tempdir().unwrap();
        let own = Path::new("arch").join(machine()).join("um");
        std::fs::create_dir_all(dir.path().join(&own)).unwrap();
        std::fs::write(dir.path().join("Kconfig"), "source \"arch/$(HEADER_ARCH)/um/Kconfig\"\n").unwrap();
        let text = format!("config 64BIT\n\tbool \"64\" if \"$(SUBARCH)\" = \"{}\"\n", machine());
        std::fs::write(dir.path().join(&own).join("Kconfig"), text).unwrap();
        let kconfig = read(dir.path(), &Architecture::of_build(["ARCH=um"]));
        assert_eq!(kconfig.unread, [""; 0]);
        let prompt = kconfig.symbol("64BIT").unwrap().definitions[0].prompt.as_ref().unwrap();
        let expected = format!("\"{0}\" = \"{0}\"", machine());
        assert_eq!(prompt.condition.as_ref().unwrap().to_string(), expected);
    }
}
