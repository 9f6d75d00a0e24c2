//! The house stays as drawn: `docs/architecture.md` says which room may know what, and this holds the code to it.
//!
//! The order of the rooms is that of `src/lib.rs`. Where a rule has an exception, it stands here, with its reason.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

#[path = "house/circles.rs"]
mod circles;
#[path = "house/scan.rs"]
mod scan;

use scan::{Source, is_within, rooms_sources, sources};

/// A file has at most so many lines.
const LONGEST: usize = 500;

/// These look at nothing but their arguments.
const PURE: &[&str] = &[
    "text::hash",
    "arch",
    "event",
    "connections",
    "topology",
    "ktap",
    "shown",
    "kconfig::dotconfig",
    "kconfig::explain",
    "kconfig::fragment",
    "kconfig::merge",
    "kconfig::proof",
    "kconfig::render",
    "kconfig::solve",
    "kconfig::verify",
    "agent::protocol",
    "suite",
    "plan",
    "vm::spec",
    "vm::machine",
    "vm::message",
    "vm::link",
    "vm::backend::virtme::command",
    "vm::console",
    "results",
    "history::entry",
    "history::flakes",
    "history::public",
    "series::judgement",
    "series::model",
    "series::diff",
    "series::mail",
    "series::message",
    "series::raw",
    "series::subject",
    "series::thread",
    "series::safety",
    "series::check",
    "series::news",
    "validate::compare",
    "validate::impact",
    "validate::outcomes",
    "validate::blame",
    "validate::merge",
    "validate::seeded",
    "validate::options",
];

/// What a pure module must not name.
const IO: [&str; 13] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::os::unix::net",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::thread",
    "nix",
    "tempfile",
    "crate::text::file",
    "crate::process",
    "crate::store",
];

/// What looks like it and is data: an address goes nowhere by itself.
const DATA: [&str; 4] =
    ["crate::process::Cmd", "std::net::IpAddr", "std::net::Ipv4Addr", "std::net::Ipv6Addr"];

/// Methods of `Path` that look at the disk.
const LOOKS: [&str; 9] = [
    ".exists()",
    ".try_exists()",
    ".is_file()",
    ".is_dir()",
    ".is_symlink()",
    ".metadata()",
    ".canonicalize()",
    ".read_dir()",
    ".read_link()",
];

/// What everybody may import.
const FOR_ALL: [&str; 5] = ["error", "text", "arch", "event", "process"];

/// Rooms that know few others: room, and what it may import besides itself.
const FEW: &[(&str, &[&str])] = &[
    ("text", &["error"]),
    ("arch", &[]),
    ("event", &[]),
    ("connections", &["event"]),
    ("topology", &[]),
    ("suite", &["error", "text", "event"]),
    ("kernel", &FOR_ALL),
    ("series", &FOR_ALL),
    ("vm", &["error", "text", "event", "process", "arch", "guest::protocol", "guest::stream"]),
    ("doctor", &["error", "text", "process", "arch", "vm"]),
    ("image", &["error", "text", "arch", "process", "kernel::lock", "vm::root"]),
    ("store", &["error", "text", "event"]),
    ("results", &["error", "event"]),
    // What of a splat tells most is known where splats are read.
    ("report", &["error", "text", "event", "vm::console", "results", "history"]),
    ("history", &["error", "text", "event", "process", "store", "results"]),
    ("settings", &["error", "text", "topology", "suite::sample", "suite::KnownFlake"]),
    // A value that is left open means the same wherever it is.
    ("plan", &["text", "event", "process", "arch", "topology", "suite", "kernel", "vm", "settings::Auto"]),
    (
        "runner",
        &[
            "error",
            "text",
            "event",
            "process",
            "guest",
            "connections",
            "topology",
            "suite",
            "kernel",
            "vm",
            "doctor",
            "store",
            "results",
            "plan",
            "settings::Auto",
        ],
    ),
    // What can be tested is known of a kernel by its variant.
    (
        "validate",
        &[
            "error",
            "text",
            "event",
            "process",
            "kernel::Variant",
            "series",
            "store",
            "results",
            "settings",
            "runner::Journal",
        ],
    ),
];

/// What only some may name: the paths, those who may, and why.
const RESERVED: [(&[&str], &[&str], &str); 7] = [
    (&["ktap"], &["runner"], "only the runner reads what tests print"),
    (&["std::process::Command", "duct", "nix::unistd::fork"], &["process"], "only `process` spawns"),
    (&["indicatif"], &["report::terminal"], "only `report::terminal` draws"),
    (
        &["std::env::var", "std::env::var_os", "std::env::vars", "std::env::vars_os", "std::env::temp_dir"],
        // `PATH` is the affair of the room that starts programs.
        &["settings", "process::tool"],
        "only `settings` reads the environment",
    ),
    (
        &["toml", "toml_edit"],
        // The list of packages is a data file of the doctor's own, a recipe one of the images', and neither is a setting.
        &["settings", "doctor::packages", "image::recipe"],
        "only `settings` reads TOML",
    ),
    (&["clap"], &["cli", "commands", "main"], "only the command line knows clap"),
    (
        &["std::process::exit", "std::process::abort", "nix::libc::_exit", "libc::_exit"],
        // The supervisor is a forked process of its own.
        &["main", "process::supervise"],
        "only `main` exits",
    ),
];

/// Fails with everything that is wrong, a line each.
fn all_right(rule: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{rule}:\n  {}\n", wrong.join("\n  "));
}

/// The rooms, in the order of `src/lib.rs`.
fn rooms() -> Vec<String> {
    let map = include_str!("../src/lib.rs").lines();
    map.filter_map(|line| {
        // A crate is a room as well: `pub use ::agent as guest;`.
        let name = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("pub use ::"))?;
        let name = name.trim_end_matches(';');
        Some(name.rsplit(" as ").next().unwrap_or(name).to_owned())
    })
    .collect()
}

/// Every path within this crate that a source names: line, and the path without `crate::`.
fn imports(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    source.mentions.iter().filter_map(|mention| Some((mention.line, mention.path.strip_prefix("crate::")?)))
}

#[test]
fn imports_go_down() {
    let rooms = rooms();
    let place = |name: &str| rooms.iter().position(|room| room == name);
    let mut wrong = Vec::new();
    for source in rooms_sources() {
        // `main` stands above all.
        let Some(own) = place(source.room()) else { continue };
        for (line, path) in imports(source) {
            let room = path.split("::").next().unwrap_or_default();
            match place(room) {
                Some(other) if other > own => {
                    wrong.push(format!(
                        "{}: {} stands below {room} and imports {path}",
                        source.at(line),
                        source.room()
                    ));
                }
                Some(_) => {}
                None => wrong.push(format!("{}: {path} is no room of src/lib.rs", source.at(line))),
            }
        }
    }
    all_right("a room imports only those above it in src/lib.rs", &wrong);
}

#[test]
fn every_room_stands_in_the_map() {
    let rooms = rooms();
    let unknown: Vec<String> = rooms_sources()
        .filter(|source| !source.room().is_empty() && source.room() != "main")
        .filter(|source| !rooms.iter().any(|room| room == source.room()))
        .map(|source| source.file.clone())
        .collect();
    all_right("a file belongs to no room of src/lib.rs", &unknown);
    assert!(rooms.len() > 10, "src/lib.rs was not understood: {rooms:?}");
}

#[test]
fn the_lower_rooms_know_few_others() {
    let mut wrong = Vec::new();
    for source in rooms_sources() {
        let Some((_, few)) = FEW.iter().find(|(room, _)| *room == source.room()) else { continue };
        for (line, path) in imports(source) {
            let allowed = is_within(path, source.room()) || few.iter().any(|room| is_within(path, room));
            if !allowed {
                wrong.push(format!("{}: {} imports {path}", source.at(line), source.room()));
            }
        }
    }
    all_right("a room imports what it should not know", &wrong);
}

#[test]
fn pure_modules_do_no_io() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(pure) = PURE.iter().find(|module| source.is_within(module)) else { continue };
        for mention in source.mentions.iter().filter(|mention| !mention.in_test) {
            let io = IO.iter().any(|io| is_within(&mention.path, io));
            if io && !DATA.iter().any(|data| is_within(&mention.path, data)) {
                wrong.push(format!("{}: {pure} is pure and names {}", source.at(mention.line), mention.path));
            }
        }
        for (line, text) in &source.code {
            for look in LOOKS.iter().filter(|look| text.contains(*look)) {
                wrong.push(format!("{}: {pure} is pure and looks at the disk: {look}", source.at(*line)));
            }
        }
    }
    all_right("a pure module does I/O", &wrong);
}

#[test]
fn each_privilege_has_its_room() {
    let mut wrong = Vec::new();
    for source in sources() {
        for mention in source.mentions.iter().filter(|mention| !mention.in_test) {
            for (paths, rooms, rule) in &RESERVED {
                let named = paths.iter().any(|path| is_within(&mention.path, path));
                if named && !rooms.iter().any(|room| source.is_within(room)) {
                    wrong.push(format!("{}: {}: {rule}", source.at(mention.line), mention.path));
                }
            }
        }
    }
    all_right("a module does what is another's to do", &wrong);
}

#[test]
fn every_privilege_is_used() {
    let sources = sources();
    let mut idle = Vec::new();
    for (paths, rooms, rule) in &RESERVED {
        for room in *rooms {
            let used = sources.iter().filter(|source| source.is_within(room)).any(|source| {
                source.mentions.iter().any(|mention| paths.iter().any(|path| is_within(&mention.path, path)))
            });
            if !used {
                idle.push(format!("{room}: {rule}"));
            }
        }
    }
    // That `main` may exit is a promise, not a need: it returns its code.
    idle.retain(|privilege| privilege != "main: only `main` exits");
    all_right("a module may do what it does not do (any more)", &idle);
}

#[test]
fn only_the_report_prints() {
    const MACROS: [&str; 5] = ["println!", "eprintln!", "print!", "eprint!", "dbg!"];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_within("report")) {
        for (line, text) in &source.code {
            for name in MACROS {
                let named = text
                    .match_indices(name)
                    .any(|(at, _)| !text[..at].ends_with(|char: char| char.is_alphanumeric() || char == '_'));
                if named {
                    wrong.push(format!("{}: {name}", source.at(*line)));
                }
            }
        }
    }
    all_right("only `report` prints", &wrong);
}

#[test]
fn untrusted_text_is_shown_in_one_way() {
    const OTHER_WAYS: [&str; 6] = [
        "is_control",
        "is_ascii_control",
        "escape_debug",
        "escape_default",
        "escape_ascii",
        "from_utf8_lossy",
    ];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_within("shown")) {
        for (line, text) in &source.code {
            for way in OTHER_WAYS.iter().filter(|way| text.contains(**way)) {
                wrong.push(format!("{}: {way}", source.at(*line)));
            }
        }
    }
    all_right("text that is not trusted is shown by Shown, and decoded by decode", &wrong);
}

/// What replaces a file, and those who may do so without `text::file`: module, call, and why nobody else meets it.
const WRITES: [&str; 4] = ["fs::write(", "fs::rename(", "NamedTempFile", ".persist("];
const OWN_FILES: &[(&str, &str, &str)] = &[
    ("text::file", "", "the one way"),
    ("agent::agent", "fs::write(", "a device: the kernel's log"),
    ("agent::cgroup", "fs::write(", "files of the kernel's"),
    ("agent::kmemleak", "fs::write(", "a file of the kernel's"),
    ("kernel::source", "fs::rename(", "a directory, under the lock of the cache"),
    ("kernel::program", "fs::rename(", "a directory, under the lock of the programs"),
    ("kernel::kconfig::configure", "fs::rename(", "what kconfig wrote, under the lock of the variant"),
    ("kernel::pack::read", "fs::rename(", "a directory gets its name"),
    ("series::import", "fs::write(", "a repository that is being made"),
    ("series::import", "fs::rename(", "a directory gets its name"),
    ("series::apply", "fs::write(", "a directory of this series alone"),
    ("series::mailbox", "fs::write(", "a directory of this reading alone"),
    ("series::partial", "fs::write(", "a directory of this fetch alone"),
    ("series::tool", "fs::write(", "a directory of this check alone"),
    ("series::workspace", "NamedTempFile", "an archive that git writes and tar reads"),
    ("image", "fs::rename(", "a directory, under the lock of its name"),
    ("image::finish", "fs::write(", "a directory that is being made"),
    ("store", "fs::rename(", "a directory gets its name"),
    ("runner::decode", "fs::write(", "a directory of this run alone"),
    ("runner::lab::build", "fs::write(", "a home of this scenario alone"),
    ("runner::fixture", "fs::write(", "a directory of this test alone"),
    ("runner::packets", "fs::rename(", "a directory of this run alone"),
    ("commands::hook", "fs::rename(", "the user's own hook goes aside, and back"),
];

#[test]
fn files_are_replaced_in_one_way() {
    let mut wrong = Vec::new();
    let mut used = [false; OWN_FILES.len()];
    for source in sources() {
        for (line, text) in &source.code {
            for call in WRITES.iter().filter(|call| text.contains(**call)) {
                let may = |(module, what, _): &(&str, &str, &str)| {
                    source.is_within(module) && (what.is_empty() || what == call)
                };
                match OWN_FILES.iter().position(may) {
                    Some(at) => used[at] = true,
                    None => wrong.push(format!("{}: {call}", source.at(*line))),
                }
            }
        }
    }
    all_right("a file that others may see at the same time is written by text::file", &wrong);
    let idle = OWN_FILES.iter().zip(used).filter(|(_, used)| !used);
    let idle: Vec<String> = idle.map(|((module, what, _), _)| format!("{module}: {what}")).collect();
    all_right("a module may write what it does not write (any more)", &idle);
}

#[test]
fn files_stay_small() {
    let long = |source: &&Source| source.length > LONGEST;
    let wrong: Vec<String> = sources()
        .iter()
        .filter(long)
        .map(|source| format!("{}: {} lines", source.file, source.length))
        .collect();
    all_right(&format!("a file has more than {LONGEST} lines"), &wrong);
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources: Vec<&Source> = sources().iter().collect();
    let found = circles::circles(&sources);
    let wrong: Vec<String> =
        found.iter().map(|(module, files)| format!("{module}: {}", files.join(", "))).collect();
    all_right("files import each other in a circle", &wrong);
}

mod of_the_scanner {
    use super::scan::read;

    fn paths(text: &str) -> Vec<(usize, String, bool)> {
        let source = read("src/vm/spec.rs".to_owned(), text);
        source.mentions.into_iter().map(|mention| (mention.line, mention.path, mention.in_test)).collect()
    }

    fn named(text: &str) -> Vec<String> {
        paths(text).into_iter().map(|(_, path, _)| path).collect()
    }

    #[test]
    fn trees_of_imports_are_expanded() {
        let text =
            "use std::process::{self, Command as C, a::{b, c}};\npub(super) use crate::{\n    event,\n};\n";
        let expected = [
            "std::process",
            "std::process::Command",
            "std::process::a::b",
            "std::process::a::c",
            "crate::event",
        ];
        assert_eq!(named(text), expected);
        assert_eq!(paths(text).last().unwrap().0, 2);
    }

    #[test]
    fn paths_upwards_are_followed_to_the_crate() {
        let text = "use super::session;\nuse super::super::kernel;\nmod inner {\n    use super::x;\n}\nfn f() { super::super::g::h() }\n";
        assert_eq!(named(text), ["crate::vm::session", "crate::kernel", "crate::vm::spec::x", "crate::g::h"]);
    }

    #[test]
    fn comments_and_texts_name_nothing() {
        let text = "// std::fs\n/* std::net\nstd::fs */ let a = \"std::env::var \\\" x::y\"; let r = r#\"q\" a::b\"#;\n\
            let c = ':'; let d = '\\''; let e: &'static str = f::g;\n";
        assert_eq!(paths(text), [(4, "f::g".to_owned(), false)]);
    }

    #[test]
    fn circles_are_found_also_through_what_a_module_passes_on_and_not_in_tests() {
        let file = |name: &str, text: &str| read(format!("src/{name}.rs"), text);
        let circles = |three: &str| {
            let sources = [
                file("vm/mod", "mod one;\nmod two;\npub use two::Two;\n"),
                file("vm/one", "use super::Two;\n"),
                file("vm/two", "use crate::vm::three::deep::X;\n"),
                file("vm/three/deep", three),
            ];
            super::circles::circles(&sources.iter().collect::<Vec<_>>())
        };
        let all = ["one", "three", "two"].map(str::to_owned).to_vec();
        assert_eq!(circles("use super::super::one::One;\n"), [("vm".to_owned(), all)]);
        assert_eq!(circles("#[cfg(test)]\nmod tests {\n    use crate::vm::one::One;\n}\n"), []);
        assert_eq!(circles("use crate::store;\n"), []);
    }

    #[test]
    fn tests_are_told_apart() {
        let text = "a::b();\n#[cfg(test)]\nmod tests {\n    use c::d;\n}\nfn f() { e::f() }\n";
        let expected = [("a::b", false), ("c::d", true), ("e::f", false)];
        let found = paths(text);
        let found: Vec<(&str, bool)> = found.iter().map(|(_, path, test)| (path.as_str(), *test)).collect();
        assert_eq!(found, expected);
    }
}
