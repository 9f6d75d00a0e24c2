use super::*;
use crate::fragment::Fragment;
use crate::lang::{Architecture, read};
use crate::{Parsed, merge, render};

const KCONFIG: &str = r#"
config MODULES
	bool "modules"
menu "Tracing"
	depends on FTRACE
config KPROBE_EVENTS
	bool "kprobe events"
	depends on KPROBES && (X86 || ARM64) && !TINY
config BPF_EVENTS
	def_bool y
	depends on KPROBE_EVENTS
endmenu
config FTRACE
	bool "ftrace"
config KPROBES
	bool "kprobes"
config X86
	def_bool y
config TINY
	bool "tiny"
config NETLINK
	tristate
config LOG
	tristate "log"
	select NETLINK if X86
config CRC
	tristate "crc"
config USER
	tristate "user"
	depends on CRC
choice
	prompt "Model"
config NONE
	bool "none"
config VOLUNTARY
	bool "voluntary"
endchoice
config CPUS
	int "cpus"
	range 2 64 if X86
config CONSOLE
	bool "console" if EXPERT
	default y if X86
config EXPERT
	bool "expert"
config ODD
	bool "odd"
config CC_IS_GCC
	def_bool $(success,test "$(cc-name)" = GCC)
config GCC_VERSION
	int
	default $(cc-version) if CC_IS_GCC
	default 0
config CC_VERSION_TEXT
	string
	default "$(CC_VERSION_TEXT)"
config CC_ODD
	def_bool y if GCC_VERSION >= 100000
config LD_OLD
	def_bool CC_ODD && X86
config TEXT
	string "text"
	depends on EXPERT
config PROBED
	bool "probed"
	depends on $(cc-option,-fodd)
"#;

/// Fragments t and v are the tree's and vmptcp's, all others the user's.
fn asker(name: char) -> Asker {
    match name {
        't' => Asker::Tree,
        'v' => Asker::Tool,
        _ => Asker::User,
    }
}

/// What becomes of fragments a, b, … whose result is `config`, as text and as data.
fn proof(fragments: &[&str], config: &str, expect: &Expectations) -> Proof {
    proof_from('a', fragments, config, expect)
}

fn proof_from(first: char, fragments: &[&str], config: &str, expect: &Expectations) -> Proof {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Kconfig"), KCONFIG).unwrap();
    let kconfig = read(dir.path(), &Architecture::of_build([]));
    let mut all = Parsed::default();
    for (text, name) in fragments.iter().zip(first..) {
        let parsed =
            Fragment { by: asker(name), label: name.to_string(), text: (*text).into() }.parse().unwrap();
        all.requests.extend(parsed.requests);
        all.waivers.extend(parsed.waivers);
    }
    let expect = Expectations { waivers: &all.waivers, ..*expect };
    verify(&merge(all.requests), &DotConfig::parse(config), &kconfig, &expect)
}

fn shown(fragments: &[&str], config: &str) -> String {
    render(&proof(fragments, config, &Expectations::default()).mismatches)
}

fn severities(fragments: &[&str], config: &str, expect: &Expectations) -> Vec<(String, Severity)> {
    let mismatches = proof(fragments, config, expect).mismatches;
    mismatches.into_iter().map(|mismatch| (mismatch.request.symbol, mismatch.severity)).collect()
}

#[test]
fn what_took_is_counted_and_absent_is_off() {
    let proof = proof(
        &["CONFIG_FTRACE=y\nCONFIG_CPUS=0x10\n# CONFIG_TINY is not set"],
        "CONFIG_FTRACE=y\nCONFIG_CPUS=16",
        &Expectations::default(),
    );
    assert_eq!((proof.requested, proof.granted, proof.mismatches.len()), (3, 3, 0));
    assert!(proof.errors().is_empty());
}

#[test]
fn unmet_dependencies_come_with_every_symbol_and_its_value() {
    insta::assert_snapshot!(shown(&["CONFIG_KPROBE_EVENTS=y\nCONFIG_TINY=y"], "CONFIG_FTRACE=y\nCONFIG_X86=y\nCONFIG_TINY=y"), @r#"
        warning: CONFIG_KPROBE_EVENTS is n, y was asked for (a:1)
          why     its dependencies are not met (Kconfig:6): FTRACE && KPROBES && (X86 || ARM64) && !TINY
                    KPROBES=n must be on
                    TINY=y must be off; asked for in a:2
                    the others: FTRACE=y X86=y ARM64=n
          remedy  drop the request, or waive it in a fragment: #? CONFIG_KPROBE_EVENTS: why it may be missing
        "#);
}

#[test]
fn what_has_no_prompt_or_hangs_on_a_macro_says_so() {
    insta::assert_snapshot!(shown(&["CONFIG_BPF_EVENTS=y\nCONFIG_PROBED=y"], "CONFIG_FTRACE=y\nCONFIG_X86=y"), @r#"
        warning: CONFIG_BPF_EVENTS is n, y was asked for (a:1)
          why     it has no prompt (Kconfig:9): it cannot be set, it follows from others
                    by default: y
                  its dependencies are not met (Kconfig:9): FTRACE && KPROBE_EVENTS
                    KPROBE_EVENTS=n must be on; its own dependencies are not met
                    the others: FTRACE=y
          remedy  drop the request, or waive it in a fragment: #? CONFIG_BPF_EVENTS: why it may be missing
        warning: CONFIG_PROBED is n, y was asked for (a:2)
          why     its dependencies are not met (Kconfig:64): $(cc-option,-fodd)
                    what does not hold: $(cc-option,-fodd)
          remedy  drop the request, or waive it in a fragment: #? CONFIG_PROBED: why it may be missing
        "#);
}

#[test]
fn a_dependency_that_is_a_module_makes_no_more_than_a_module() {
    insta::assert_snapshot!(shown(&["CONFIG_USER=y\nCONFIG_CRC=m"], "CONFIG_MODULES=y\nCONFIG_CRC=m\nCONFIG_USER=m"), @r#"
        warning: CONFIG_USER is m, y was asked for (a:1)
          why     its dependencies are not met (Kconfig:28): CRC
                    CRC=m must be y; asked for in a:2
          remedy  drop the request, or waive it in a fragment: #? CONFIG_USER: why it may be missing
        "#);
}

#[test]
fn selected_chosen_defaulted_and_out_of_range() {
    let asked =
        "CONFIG_NETLINK=m\nCONFIG_VOLUNTARY=y\nCONFIG_NONE=y\nCONFIG_CPUS=1\n# CONFIG_CONSOLE is not set";
    let config = "CONFIG_MODULES=y\nCONFIG_LOG=y\nCONFIG_X86=y\nCONFIG_NETLINK=y\nCONFIG_NONE=y\nCONFIG_CPUS=2\nCONFIG_CONSOLE=y";
    insta::assert_snapshot!(shown(&[asked], config), @r#"
        warning: CONFIG_VOLUNTARY is n, y was asked for (a:2)
          why     only one member of the choice "Model" (Kconfig:31) can be on: CONFIG_NONE is, asked for in a:3
          remedy  drop the request, or waive it in a fragment: #? CONFIG_VOLUNTARY: why it may be missing
        warning: CONFIG_CPUS is 2, 1 was asked for (a:4)
          why     its range is 2 to 64
          remedy  drop the request, or waive it in a fragment: #? CONFIG_CPUS: why it may be missing
        note: CONFIG_NETLINK is y, m was asked for (a:1)
          why     selected by LOG=y if X86 (Kconfig:25)
        note: CONFIG_CONSOLE is y, n was asked for (a:5)
          why     its prompt is not shown, so its default holds: y if X86 (Kconfig:43)
                  to show it takes (Kconfig:41): EXPERT
                    EXPERT=n must be on
        "#);
}

#[test]
fn what_cannot_be_as_it_was_asked_for() {
    let asked = "CONFIG_KPROBE=y\nCONFIG_NOWHERE_NEAR=y\nCONFIG_FTRACE=m\nCONFIG_CRC=m\nCONFIG_ODD=y\nCONFIG_NETLINK=y";
    insta::assert_snapshot!(shown(&[asked], "CONFIG_CRC=y"), @r#"
        warning: CONFIG_KPROBE is n, y was asked for (a:1)
          why     this tree has no such symbol for this architecture
          remedy  did you mean CONFIG_KPROBES?
                  drop the request, or waive it in a fragment: #? CONFIG_KPROBE: why it may be missing
        warning: CONFIG_NOWHERE_NEAR is n, y was asked for (a:2)
          why     this tree has no such symbol for this architecture
          remedy  drop the request, or waive it in a fragment: #? CONFIG_NOWHERE_NEAR: why it may be missing
        warning: CONFIG_FTRACE is n, m was asked for (a:3)
          why     it is of type bool, which cannot be m
          remedy  drop the request, or waive it in a fragment: #? CONFIG_FTRACE: why it may be missing
        warning: CONFIG_ODD is n, y was asked for (a:5)
          why     its dependencies seem to be met; see its definition (Kconfig:46)
          remedy  drop the request, or waive it in a fragment: #? CONFIG_ODD: why it may be missing
        warning: CONFIG_NETLINK is n, y was asked for (a:6)
          why     it has no prompt (Kconfig:21): it cannot be set, it follows from others
                    selected by: LOG=n if X86 (Kconfig:25)
          remedy  drop the request, or waive it in a fragment: #? CONFIG_NETLINK: why it may be missing
        note: CONFIG_CRC is y, m was asked for (a:4)
          why     this kernel has no modules
        "#);
}

#[test]
fn overridden_waived_and_turned_off_on_purpose_are_notes_with_their_reason() {
    let fragments = [
        "CONFIG_FTRACE=y\nCONFIG_KPROBE_EVENTS=y\nCONFIG_BPF_EVENTS=y\nCONFIG_GONE=y",
        "# CONFIG_FTRACE is not set\n#? CONFIG_GONE: gone since 6.17",
    ];
    insta::assert_snapshot!(shown(&fragments, "CONFIG_X86=y\nCONFIG_KPROBES=y"), @r#"
        note: CONFIG_KPROBE_EVENTS is n, y was asked for (a:2)
          why     its dependencies are not met (Kconfig:6): FTRACE && KPROBES && (X86 || ARM64) && !TINY
                    FTRACE=n must be on; turned off in b:1
                    the others: KPROBES=y X86=y ARM64=n TINY=n
          fine    a later request ruled it out
        note: CONFIG_BPF_EVENTS is n, y was asked for (a:3)
          why     it has no prompt (Kconfig:9): it cannot be set, it follows from others
                    by default: y
                  its dependencies are not met (Kconfig:9): FTRACE && KPROBE_EVENTS
                    FTRACE=n must be on; turned off in b:1
                    KPROBE_EVENTS=n must be on; though y was asked for in a:2; its own dependencies are not met
          fine    a later request ruled it out
        note: CONFIG_GONE is n, y was asked for (a:4)
          why     this tree has no such symbol for this architecture
          waived  gone since 6.17 (b:2)
        note: CONFIG_FTRACE=y (a:1) is overridden: n (b:1)
        "#);
}

#[test]
fn an_earlier_no_does_not_excuse_a_later_yes() {
    let fragments = ["# CONFIG_FTRACE is not set", "CONFIG_KPROBE_EVENTS=y"];
    let found = severities(&fragments, "CONFIG_X86=y\nCONFIG_KPROBES=y", &Expectations::default());
    assert_eq!(found, [("KPROBE_EVENTS".to_owned(), Severity::Warning)]);
}

#[test]
fn required_symbols_make_errors_and_strictness_makes_more() {
    let required = demands("CONFIG_ODD=y\nCONFIG_NETLINK=m\nCONFIG_TINY=y");
    let expect = Expectations { required: &required, ..Expectations::default() };
    let fragments = ["CONFIG_EXPERT=y\nCONFIG_ODD=y\nCONFIG_NETLINK=m\nCONFIG_TINY=y", "CONFIG_TINY=n"];
    let of = |expect: &Expectations| {
        severities(&fragments, "CONFIG_NETLINK=y", expect)
            .into_iter()
            .map(|(symbol, severity)| format!("{symbol} {severity:?}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&expect), ["ODD Error", "EXPERT Warning", "TINY Warning", "NETLINK Note"]);
    let strict = Expectations { strict: true, ..expect };
    assert_eq!(of(&strict), ["EXPERT Error", "ODD Error", "TINY Error", "NETLINK Note"]);
    assert_eq!(proof(&fragments, "CONFIG_NETLINK=y", &expect).errors(), ["CONFIG_ODD"]);
}

fn demands(text: &str) -> Vec<Request> {
    let fragment = Fragment { by: Asker::Tree, label: "tree".into(), text: text.into() };
    fragment.parse().unwrap().requests
}

#[test]
fn what_is_required_is_what_the_tree_asks_for_not_what_vmptcp_raised_it_to() {
    let required = demands("CONFIG_CRC=m\nCONFIG_USER=m\nCONFIG_LOG=m");
    let expect = Expectations { required: &required, ..Expectations::default() };
    let fragments = |user: &'static str| -> Vec<(String, Severity)> {
        // t, u, v, w: the tree's, none, vmptcp's, the user's.
        let all = ["CONFIG_CRC=m\nCONFIG_USER=m\nCONFIG_LOG=m", "", "CONFIG_CRC=y\nCONFIG_USER=y", user];
        let config = match user {
            "CONFIG_CRC=m" => "CONFIG_MODULES=y\nCONFIG_CRC=m\nCONFIG_USER=m\nCONFIG_LOG=m",
            _ => "CONFIG_MODULES=y\nCONFIG_CRC=y\nCONFIG_USER=m",
        };
        let mismatches = proof_from('t', &all, config, &expect).mismatches;
        mismatches.into_iter().map(|mismatch| (mismatch.request.symbol, mismatch.severity)).collect()
    };
    // A module is what the tree wants, and all that depends on it.
    assert!(fragments("CONFIG_CRC=m").iter().all(|(_, severity)| *severity == Severity::Note));
    // Less than the tree wants is an error, also where the user wants more than both.
    let found = fragments("CONFIG_USER=y");
    assert_eq!(found[0], ("LOG".to_owned(), Severity::Error));
    assert!(found.contains(&("USER".to_owned(), Severity::Warning)), "requested by the user: {found:?}");
}

#[test]
fn a_whole_config_of_another_machine_is_no_source_of_warnings() {
    let asked = "CONFIG_CC_IS_GCC=y\nCONFIG_CC_VERSION_TEXT=\"gcc 10\"\nCONFIG_GCC_VERSION=100200\nCONFIG_CC_ODD=y\n\
                 CONFIG_TEXT=\"\"\nCONFIG_NOWHERE=\"\"\nCONFIG_LD_OLD=y";
    let config = "CONFIG_CC_VERSION_TEXT=\"clang 19\"\nCONFIG_GCC_VERSION=0\nCONFIG_X86=y";
    let proof = proof(&[asked], config, &Expectations { strict: true, ..Expectations::default() });
    assert!(proof.of(Severity::Warning).chain(proof.of(Severity::Error)).next().is_none(), "{proof:?}");
    assert_eq!((proof.requested, proof.granted), (7, 2));
    insta::assert_snapshot!(render(proof.mismatches.iter().take(1)), @r#"
        note: CONFIG_CC_IS_GCC is n, y was asked for (a:1)
          why     it follows from the compiler, the tools or the environment (Kconfig:48)
        "#);
    // What is a number in this tree is off at 0.
    assert_eq!(severities(&["CONFIG_CPUS=n"], "CONFIG_CPUS=0", &Expectations::default()), []);
    // A plain symbol without a prompt is not the compiler's business.
    assert_eq!(severities(&["CONFIG_BPF_EVENTS=y"], "", &Expectations::default())[0].1, Severity::Warning);
}

#[test]
fn a_later_choice_of_another_member_is_on_purpose() {
    let chosen = |fragments: &[&str]| severities(fragments, "CONFIG_VOLUNTARY=y", &Expectations::default());
    let none = "NONE".to_owned();
    assert_eq!(chosen(&["CONFIG_NONE=y", "CONFIG_VOLUNTARY=y"]), [(none.clone(), Severity::Note)]);
    assert_eq!(chosen(&["CONFIG_VOLUNTARY=y", "CONFIG_NONE=y"]), [(none, Severity::Warning)]);
}

#[test]
fn a_proof_survives_being_written_down() {
    let proof = proof(
        &["CONFIG_KPROBE_EVENTS=y\nCONFIG_CPUS=1\nCONFIG_KPROBE=y"],
        "CONFIG_CPUS=2",
        &Expectations::default(),
    );
    let json = serde_json::to_value(&proof).unwrap();
    assert_eq!(json["mismatches"][0]["symbol"], "KPROBE_EVENTS");
    assert_eq!(json["mismatches"][0]["value"], "y");
    assert_eq!(json["mismatches"][0]["reason"]["kind"], "unmet");
    assert_eq!(serde_json::from_value::<Proof>(json).unwrap(), proof);
}

#[test]
fn text_of_the_tree_cannot_command_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Kconfig"), "config A\n\tbool \"a\"\n\tdepends on \"\x1b[2J\" = \"b\"\n")
        .unwrap();
    let kconfig = read(dir.path(), &Architecture::of_build([]));
    let requests = Fragment { by: Asker::User, label: "a\x1b".into(), text: "CONFIG_A=y".into() }
        .parse()
        .unwrap()
        .requests;
    let proof = verify(&merge(requests), &DotConfig::default(), &kconfig, &Expectations::default());
    let text = render(&proof.mismatches);
    assert!(text.contains("\\u{1b}[2J") && !text.contains('\x1b'), "{text}");
}

#[test]
fn symbols_that_all_depend_on_each_other_are_looked_at_once() {
    let names: Vec<String> = (0..60).map(|number| format!("S{number}")).collect();
    let all = names.join(" && ");
    let entries: Vec<String> =
        names.iter().map(|name| format!("config {name}\n\tbool\n\tdefault y if {all}\n")).collect();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Kconfig"), entries.concat()).unwrap();
    let kconfig = read(dir.path(), &Architecture::of_build([]));
    let parsed =
        Fragment { by: Asker::User, label: "a".into(), text: "CONFIG_S0=y\n".into() }.parse().unwrap();
    let proof = verify(&merge(parsed.requests), &DotConfig::parse(""), &kconfig, &Expectations::default());
    assert_eq!(proof.mismatches.len(), 1);
}
