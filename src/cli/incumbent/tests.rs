use super::*;
use crate::cli::{Cli, command};
use clap::Parser;

fn rewritten(line: &str, inputs: &[(&str, &str)]) -> Option<Rewritten> {
    let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    rewrite(&words, &Environment::new(inputs.iter().copied()), &command()).unwrap()
}

fn new_line(text: &str, inputs: &[(&str, &str)]) -> String {
    line(&rewritten(text, inputs).unwrap().words)
}

#[test]
fn a_mode_becomes_a_command() {
    for (old, new) in [
        ("auto-normal", "test --profile full"),
        ("auto-btf-debug -e FOO", "test --profile full --variant debug-btf -e FOO"),
        ("manual-debug --set-val NR_CPUS 4", "shell --build --variant debug --set NR_CPUS=4"),
        ("defconfig debug my.config", "config --variant debug --fragment my.config"),
        ("build debug", "build --variant debug"),
        ("vm-auto btf-normal", "test --profile full --variant btf"),
        ("auto-normal --tree /src/linux -u BAR", "test --profile full --tree /src/linux --disable BAR"),
        ("auto-normal x.config -- -f file", "test --profile full --fragment x.config -- -f file"),
    ] {
        assert_eq!(new_line(old, &[]), new);
    }
    assert_eq!(line(&rewritten("normal --set-str A b", &[]).unwrap().words), "shell --build --set 'A=\"b\"'");
}

#[test]
fn commands_of_ours_stay_as_they_are() {
    for line in ["test diag", "build", "build --clang", "--help", "source --git", "no-such-mode", ""] {
        assert_eq!(rewritten(line, &[("INPUT_CPUS", "4")]), None, "{line}");
    }
    let names =
        MODES.iter().flat_map(|mode| mode.names).chain(ELSEWHERE.iter().flat_map(|(names, _)| *names));
    let ours: Vec<_> = names.filter(|name| command().find_subcommand(name).is_some()).collect();
    assert_eq!(ours, [&"build"]);
}

#[test]
fn every_new_spelling_is_understood() {
    let all = INPUTS.iter().map(|(name, _)| (format!("INPUT_{name}"), "1".to_owned()));
    let all = Environment::new(all.collect::<Vec<_>>());
    for name in MODES.iter().flat_map(|mode| mode.names) {
        let kinds = VARIANTS.iter().map(|(names, _)| names[0]);
        let mode = MODES.iter().find(|mode| mode.names.contains(name)).unwrap();
        for kind in kinds.filter(|_| mode.variant).chain([""].into_iter().filter(|_| !mode.variant)) {
            let words: Vec<OsString> =
                [*name, kind].iter().filter(|word| !word.is_empty()).map(OsString::from).collect();
            let words = rewrite(&words, &all, &command()).unwrap().unwrap().words;
            let parsed = Cli::try_parse_from([OsString::from("vmptcp")].into_iter().chain(words.clone()));
            assert!(parsed.is_ok(), "{name} {kind}: {words:?}: {parsed:?}");
        }
    }
}

#[test]
fn variables_become_flags_and_are_reported() {
    let inputs = [
        ("INPUT_CPUS", "4"),
        ("INPUT_CLANG", "0"),
        ("INPUT_NO_BLOCK", "1"),
        ("INPUT_RUN_TESTS_EXCEPT", "selftest_diag kunit"),
        ("INPUT_OF_ANOTHER", "1"),
    ];
    let new = rewritten("auto-debug", &inputs).unwrap();
    assert_eq!(
        new.notes,
        [
            "INPUT_CPUS=4 is now: --cpus 4",
            "INPUT_NO_BLOCK=1 is not read: nothing waits for Enter",
            "INPUT_RUN_TESTS_EXCEPT=selftest_diag kunit is now: --except selftest_diag --except kunit",
            "auto-debug is now: vmptcp test --profile full --variant debug --cpus 4 --except selftest_diag --except kunit",
        ]
    );
    let only = [("INPUT_RUN_TESTS_ONLY", "selftest_mptcp_join"), ("INPUT_MODE", "auto-normal")];
    assert_eq!(new_line("", &only), "test selftest_mptcp_join");
    // A configuration starts no guest.
    assert_eq!(new_line("defconfig", &inputs), "config");
}

#[test]
fn a_mode_without_a_command_says_what_to_do() {
    let error = rewrite(&["make".into()], &Environment::default(), &command()).unwrap_err();
    assert_eq!(error.to_string(), "no command here for the mode make");
    assert!(error.remedy().unwrap().contains("O=.vmptcp/build/normal"));
}
