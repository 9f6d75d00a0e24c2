//! The layers that are not files: the environment and the flags. Pure.

use super::environment::Environment;
use super::keys::{self, KEYS, Name};
use super::layers::{Leaf, Origin};
use super::render::{escaped, shown};
use super::shape::{Anchor, Shape};
use std::ffi::OsStr;
use toml::Value;

/// A setting of the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// Which one: a key such as `vm.cpus`.
    pub key: &'static str,
    /// Its value. A text is read like a variable's: `"4"` is a number where one is expected, lists are split at commas.
    pub value: Value,
    /// What was typed: `--cpus 4`.
    pub flag: String,
}

/// The values of the variables, and what is wrong with the others.
pub(super) fn from_environment(environment: &Environment) -> (Vec<Leaf>, Vec<String>) {
    let anchor = Anchor { dir: environment.current_dir(), home: environment.home() };
    let llvm = environment.llvm().then(|| {
        let origin = Origin::Environment("LLVM".to_owned());
        Ok(Leaf { key: "kernel.clang".to_owned(), value: Value::Boolean(true), origin })
    });
    let own = environment.settings().map(|(name, value)| from_variable(name, value, anchor));
    sorted_out(llvm.into_iter().chain(own))
}

/// The values of the flags, and what is wrong with the others.
pub(super) fn from_flags(overrides: &[Override], environment: &Environment) -> (Vec<Leaf>, Vec<String>) {
    let anchor = Anchor { dir: environment.current_dir(), home: environment.home() };
    sorted_out(overrides.iter().map(|given| from_flag(given, anchor)))
}

fn sorted_out(leaves: impl Iterator<Item = Result<Leaf, String>>) -> (Vec<Leaf>, Vec<String>) {
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for leaf in leaves {
        match leaf {
            Ok(leaf) => good.push(leaf),
            Err(problem) => wrong.push(problem),
        }
    }
    (good, wrong)
}

fn from_variable(name: &OsStr, value: &OsStr, anchor: Anchor) -> Result<Leaf, String> {
    let name = escaped(&name.to_string_lossy());
    let mut known = KEYS.iter().map(|(key, shape)| (keys::variable(key), key.as_str(), *shape));
    let Some((_, key, shape)) = known.find(|(variable, ..)| *variable == name) else {
        if name.strip_prefix(keys::PREFIX).is_some_and(|rest| rest.starts_with("PROFILE_")) {
            return Err(format!("{name}: profiles cannot be set by a variable: add them to a settings file"));
        }
        return Err(format!("unknown variable {name}: the nearest is {}", keys::nearest_variable(&name)));
    };
    let Some(text) = value.to_str() else {
        return Err(format!("{name}: {key}: the value is not UTF-8"));
    };
    let value = read(key, shape, text, anchor).map_err(|problem| format!("{name}: {problem}"))?;
    Ok(Leaf { key: key.to_owned(), value, origin: Origin::Environment(name) })
}

fn from_flag(given: &Override, anchor: Anchor) -> Result<Leaf, String> {
    let Override { key, value, flag } = given;
    let read = match (keys::lookup(key), value) {
        (Name::Key(shape), Value::String(text)) => read(key, shape, text, anchor),
        (Name::Key(shape), value) => {
            shape.accept(value.clone(), anchor).ok_or_else(|| unexpected(key, value, shape))
        }
        _ => Err(format!("unknown setting {key}: the nearest is {}", keys::nearest_key(key))),
    };
    let value = read.map_err(|problem| format!("{}: {problem}", escaped(flag)))?;
    Ok(Leaf { key: (*key).to_owned(), value, origin: Origin::Flag(flag.clone()) })
}

fn read(key: &str, shape: Shape, text: &str, anchor: Anchor) -> Result<Value, String> {
    let value = shape.parse(text).and_then(|value| shape.accept(value, anchor));
    value.ok_or_else(|| unexpected(key, &Value::from(text), shape))
}

fn unexpected(key: &str, value: &Value, shape: Shape) -> String {
    format!("{key} = {}: expected {}", shown(value), shape.expected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    fn variables(pairs: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let environment = Environment::new(pairs.iter().copied()).in_dir("/d");
        let (leaves, problems) = from_environment(&environment);
        (
            leaves.iter().map(|leaf| format!("{} = {} @ {}", leaf.key, leaf.value, leaf.origin)).collect(),
            problems,
        )
    }

    #[test]
    fn a_variable_is_read_by_the_type_of_its_key() {
        let (leaves, problems) = variables(&[
            ("VMPTCP_VM_CPUS", "4"),
            ("VMPTCP_VM_BOOT_TIMEOUT", "auto"),
            ("VMPTCP_KERNEL_GCOV", "yes"),
            ("VMPTCP_KERNEL_TREE", "linux"),
            ("VMPTCP_TEST_PROFILE", "4"),
            ("VMPTCP_TEST_ENV", "A=1,B=2"),
            ("VMPTCP_VM_APPEND", "quiet,panic=1"),
            ("VMPTCP_VM_MEMORY", ""),
            ("LLVM", "1"),
            ("OTHER_VMPTCP_", "x"),
        ]);
        assert_eq!(problems, Vec::<String>::new());
        insta::assert_snapshot!(leaves.join("\n"), @r#"
        kernel.clang = true @ LLVM
        kernel.gcov = true @ VMPTCP_KERNEL_GCOV
        kernel.tree = "/d/linux" @ VMPTCP_KERNEL_TREE
        test.env = { A = "1", B = "2" } @ VMPTCP_TEST_ENV
        test.profile = "4" @ VMPTCP_TEST_PROFILE
        vm.append = ["quiet", "panic=1"] @ VMPTCP_VM_APPEND
        vm.boot-timeout = "auto" @ VMPTCP_VM_BOOT_TIMEOUT
        vm.cpus = 4 @ VMPTCP_VM_CPUS
        "#);
    }

    #[test]
    fn a_wrong_variable_names_itself_and_what_is_expected() {
        let (leaves, problems) = variables(&[
            ("VMPTCP_VM_CPU", "4"),
            ("VMPTCP_VM_CPUS", "four\u{1b}"),
            ("VMPTCP_TEST_TIMEOUT", "0"),
            ("VMPTCP_PROFILE_X_TESTS", "a"),
            ("VMPTCP_TES_TIMOUT", "a"),
        ]);
        assert!(leaves.is_empty());
        insta::assert_snapshot!(problems.join("\n"), @r#"
        VMPTCP_PROFILE_X_TESTS: profiles cannot be set by a variable: add them to a settings file
        VMPTCP_TEST_TIMEOUT: test.timeout = "0": expected auto or a time above 0: 90 (seconds), 90s, 30m or 2h
        unknown variable VMPTCP_TES_TIMOUT: the nearest is VMPTCP_TEST_TIMEOUT
        unknown variable VMPTCP_VM_CPU: the nearest is VMPTCP_VM_CPUS
        VMPTCP_VM_CPUS: vm.cpus = "four\u001B": expected a whole number from 0 to 1024
        "#);
    }

    #[test]
    fn what_is_not_utf_8_is_told() {
        let raw = |text: &[u8]| OsString::from_vec(text.to_vec());
        let pairs = [
            (raw(b"VMPTCP_KERNEL_TREE"), raw(b"/\xff")),
            (raw(b"VMPTCP_\xff"), raw(b"x")),
            (raw(b"\xff"), raw(b"\xff")),
        ];
        let (leaves, problems) = from_environment(&Environment::new(pairs));
        assert!(leaves.is_empty());
        assert_eq!(problems[0], "VMPTCP_KERNEL_TREE: kernel.tree: the value is not UTF-8");
        assert!(problems[1].starts_with("unknown variable VMPTCP_\u{fffd}: the nearest is VMPTCP_"));
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn a_flag_may_be_text_or_typed() {
        let flag = |value: Value| [Override { key: "vm.cpus", value, flag: "--cpus x".to_owned() }];
        let environment = Environment::default();
        assert_eq!(from_flags(&flag(Value::from("4")), &environment).0[0].value, Value::Integer(4));
        assert_eq!(from_flags(&flag(Value::from(4)), &environment).0[0].value, Value::Integer(4));
        assert_eq!(
            from_flags(&flag(Value::from(-1)), &environment).1,
            ["--cpus x: vm.cpus = -1: expected a whole number from 0 to 1024"]
        );
    }
}
