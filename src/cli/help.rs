//! The list of commands in the help, in groups of what they are for.

use clap::Command;
use std::fmt::Write as _;

/// Each command once, those that are needed most first.
pub const GROUPS: [(&str, &[&str]); 4] = [
    (
        "Everyday",
        &[
            "run",
            "test",
            "ci",
            "matrix",
            "hunt",
            "flakes",
            "compare",
            "report",
            "merge",
            "shard-template",
            "history",
        ],
    ),
    ("Series", &["validate", "hook", "bisect"]),
    (
        "Guests",
        &["exec", "shell", "ps", "attach", "gdb", "dump", "stop", "sample", "module", "topology", "mptcp"],
    ),
    (
        "Set-up",
        &[
            "source",
            "config",
            "build",
            "pack",
            "unpack",
            "doctor",
            "image",
            "settings",
            "completions",
            "man",
            "help",
        ],
    ),
];

/// The command line, whose help lists the commands in these groups.
pub fn grouped(command: Command) -> Command {
    let mut list = String::new();
    let header = command.get_styles().get_header().to_owned();
    let literal = command.get_styles().get_literal().to_owned();
    for (group, names) in GROUPS {
        let _ = writeln!(list, "{header}{group}:{header:#}");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            let about = about.unwrap_or_else(|| "Show the help of a command".to_owned());
            let _ = writeln!(list, "  {literal}{name:<14}{literal:#}  {about}");
        }
        list.push('\n');
    }
    let template = format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}{{options}}{{after-help}}"
    );
    command.help_template(template)
}
