use super::*;
use kconfig::lang::{Architecture, read};
use kconfig::{Expectations, Fragment, verify};

const KCONFIG: &str = r#"
config MODULES
	bool "modules"
config FTRACE
	bool "ftrace"
config KPROBES
	bool "kprobes"
	depends on !TINY
config TINY
	bool "tiny"
config PROBE_EVENTS
	bool "probe events"
	depends on FTRACE && (KPROBES || SLOW)
config SLOW
	bool "slow"
	depends on KPROBES && NEVER
choice
	prompt "Information"
config NONE
	bool "none"
config DWARF
	bool "dwarf"
	select INFO
endchoice
config INFO
	bool
config BTF
	bool "btf"
	depends on INFO
choice
	prompt "Rate"
config RATE_100
	bool "100"
config RATE_1000
	bool "1000"
endchoice
config RATE
	int
	default 100 if RATE_100
	default 1000 if RATE_1000
config CPUS
	int "cpus"
	range 2 512
config LINE
	string "line" if EXPERT
config EXPERT
	bool "expert"
config CRC
	tristate "crc"
config USER
	tristate "user"
	depends on CRC
config 64BIT
	bool "64 bits"
config HIGH
	bool "high"
	depends on !64BIT
config BROKEN
	bool "broken"
	depends on $(never)
"#;

/// A kconfig in small: what is asked for takes where its dependencies hold; in a choice the last one wins; `BROKEN` never
/// takes.
fn resolve(merged: &Merged, kconfig: &Kconfig) -> DotConfig {
    let mut config = DotConfig::default();
    for _ in 0..8 {
        let explainer = Explainer::new(merged, &config, kconfig);
        let mut values: Vec<(&str, Value)> = Vec::new();
        for request in &merged.requests {
            let Some(symbol) = kconfig.symbol(&request.symbol) else { continue };
            let visible = explainer.visibility(symbol).unwrap_or(Tristate::No);
            let Some(value) = taken(&request.value, symbol.kind, visible) else { continue };
            if let Some(choice) = symbol.definitions[0].choice {
                values
                    .retain(|(name, _)| !kconfig.choices[choice].members.iter().any(|member| member == name));
            }
            values.push((&request.symbol, value));
        }
        for (by, name, value) in
            [("DWARF", "INFO", "y"), ("RATE_100", "RATE", "100"), ("RATE_1000", "RATE", "1000")]
        {
            if values.contains(&(by, Value::Yes)) {
                values.push((name, Value::parse(value).unwrap()));
            }
        }
        let lines: Vec<String> = values.iter().map(|(name, value)| value.line(name)).collect();
        config = DotConfig::parse(&lines.join("\n"));
    }
    config
}

/// What a symbol of this type makes of a value.
fn taken(asked: &Value, kind: Option<SymbolType>, visible: Tristate) -> Option<Value> {
    match (asked, kind?) {
        _ if visible == Tristate::No => None,
        (Value::Num(text), SymbolType::Int) => match number(text)? {
            ..2 => Value::parse("2"),
            513.. => Value::parse("512"),
            _ => Some(asked.clone()),
        },
        (Value::Num(_), _) | (Value::Str(_), SymbolType::Int) | (Value::Module, SymbolType::Bool) => None,
        (Value::Yes, SymbolType::Tristate) if visible == Tristate::Module => Some(Value::Module),
        (value, _) => Some(value.clone()),
    }
}

/// What is shown of the warnings about what the user asks for, on top of what vmptcp does.
fn shown(own: &str, user: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Kconfig"), KCONFIG).unwrap();
    let kconfig = read(dir.path(), &Architecture::of_build([]));
    let parse = |by, text: &str| {
        Fragment { by, label: format!("{by:?}"), text: text.into() }.parse().unwrap().requests
    };
    let required = parse(Asker::Tree, "CONFIG_CRC=m");
    let own = format!("CONFIG_MODULES=y\nCONFIG_CRC=m\nCONFIG_NONE=y\nCONFIG_RATE_100=y\n{own}");
    let merged = merge(parse(Asker::Tool, &own).into_iter().chain(parse(Asker::User, user)));
    let config = resolve(&merged, &kconfig);
    let expect = Expectations { required: &required, ..Expectations::default() };
    let mut proof = verify(&merged, &config, &kconfig, &expect);
    let resolved = Resolved { merged: &merged, config: &config, kconfig: &kconfig, required: &required };
    find(&mut proof, &resolved, &mut |merged| Ok(resolve(merged, &kconfig))).unwrap();
    let of = |mismatch: &Mismatch| {
        let remedy = mismatch.remedy.as_ref();
        let text = remedy.map_or("none".to_owned(), |remedy| remedy.flags.join(" "));
        let instead = if remedy.is_some_and(|remedy| remedy.instead) { " instead" } else { "" };
        format!("{}: {text}{instead}", mismatch.request.symbol)
    };
    let all: Vec<String> =
        proof.mismatches.iter().filter(|mismatch| mismatch.severity > Severity::Note).map(of).collect();
    all.join("\n")
}

#[test]
fn flags_are_what_is_missing_and_nothing_else() {
    for (own, user, remedy) in [
        // What the user asks for already is not proposed.
        ("", "CONFIG_PROBE_EVENTS=y\nCONFIG_FTRACE=y", "PROBE_EVENTS: -e KPROBES"),
        // What stands in the way is turned off; of what is joined by || the way that exists is taken.
        ("", "CONFIG_TINY=y\nCONFIG_PROBE_EVENTS=y", "PROBE_EVENTS: -e FTRACE -d TINY -e KPROBES"),
        // But not what vmptcp has on, nor the machine.
        ("CONFIG_TINY=y", "CONFIG_PROBE_EVENTS=y", "PROBE_EVENTS: none"),
        ("", "CONFIG_64BIT=y\nCONFIG_HIGH=y", "HIGH: none"),
        // By a member of a choice that selects it, one and not all.
        ("", "CONFIG_BTF=y", "BTF: -e DWARF"),
        // A module makes no more than a module.
        ("", "CONFIG_USER=y", "USER: -e CRC"),
        ("", "CONFIG_LINE=\"x\"", "LINE: -e EXPERT"),
    ] {
        assert_eq!(shown(own, user), remedy, "{user}");
    }
}

#[test]
fn what_was_meant_stands_instead_of_what_was_typed() {
    for (user, remedy) in [
        ("CONFIG_CPUS=8192", "CPUS: --set CPUS=512 instead"),
        ("CONFIG_CPUS=1", "CPUS: --set CPUS=2 instead"),
        ("CONFIG_CPUS=\"8\"", "CPUS: --set CPUS=8 instead"),
        ("CONFIG_RATE=1000", "RATE: -e RATE_1000 instead"),
        ("CONFIG_RATE=300", "RATE: none"),
        ("CONFIG_INFO=y", "INFO: -e DWARF instead"),
        ("CONFIG_FTRACE=m", "FTRACE: -e FTRACE instead"),
        ("CONFIG_KPROBE=y", "KPROBE: -e KPROBES instead"),
        ("CONFIG_BTFF=y", "BTFF: -e DWARF -e BTF instead"),
    ] {
        assert_eq!(shown("", user), remedy, "{user}");
    }
}

#[test]
fn what_kconfig_does_not_confirm_is_not_named() {
    assert_eq!(shown("", "CONFIG_BROKEN=y\nCONFIG_NOWHERE_NEAR=y"), "BROKEN: none\nNOWHERE_NEAR: none");
    // Not at the price of what the user or the tree asked for.
    assert_eq!(shown("", "CONFIG_KPROBES=y\nCONFIG_TINY=y"), "KPROBES: -d TINY");
}

#[test]
fn many_are_tried_together() {
    let user = "CONFIG_PROBE_EVENTS=y\nCONFIG_BTF=y\nCONFIG_USER=y\nCONFIG_LINE=\"x\"\nCONFIG_CPUS=1\nCONFIG_BROKEN=y";
    let remedies = shown("", user);
    for line in ["BTF: -e DWARF", "LINE: -e EXPERT", "CPUS: --set CPUS=2 instead", "BROKEN: none"] {
        assert!(remedies.lines().any(|found| found == line), "{line}: {remedies}");
    }
}
