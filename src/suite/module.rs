//! Kernel modules that are built out of the tree: their parameters, and the order in which they are loaded.

use super::{Lab, Needs, Suite, Tests};
use crate::text::is_hidden;

/// The row.
pub const SUITE: Suite = Suite {
    id: "modules",
    about: "kernel modules: loaded, watched, and unloaded",
    needs: Needs { guest_programs: &["insmod", "rmmod", "ip", "ss"], ..Suite::PLAIN.needs },
    tests: Tests::Lab(Lab::Modules),
    ..Suite::PLAIN
};

/// A name that can be joined to a path, and be an argument.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// The order in which modules are loaded, as positions: what a module depends on before it; else servers before clients, all
/// others between them as they stand. `modules` are names, and what each depends on.
pub fn load_order(modules: &[(String, Vec<String>)]) -> Vec<usize> {
    let rank = |name: &str| {
        let name = name.to_lowercase();
        match (name.contains("server"), name.contains("client")) {
            (true, false) => 0,
            (false, true) => 2,
            _ => 1,
        }
    };
    let mut left: Vec<usize> = (0..modules.len()).collect();
    left.sort_by_key(|&at| rank(&modules[at].0));
    let mut order = Vec::new();
    while !left.is_empty() {
        let waits = |at: usize| {
            let needed = |other: &usize| {
                modules[at].1.iter().any(|name| in_kernel(name) == in_kernel(&modules[*other].0))
            };
            left.iter().filter(|other| **other != at).any(needed)
        };
        // Of those that depend on each other, the first.
        let next = left.iter().position(|&at| !waits(at)).unwrap_or(0);
        order.push(left.remove(next));
    }
    order
}

/// A value for a module's parameter: `--param MODULE.NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// The module; `-` and `_` are the same in it.
    pub module: String,
    /// The parameter.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Param {
    /// Reads `MODULE.NAME=VALUE`.
    pub fn parse(text: &str) -> Option<Self> {
        let (path, value) = text.split_once('=')?;
        let (module, name) = path.split_once('.')?;
        let plain = !value.contains(|c: char| is_hidden(c) || c == '"');
        (is_plain(module) && is_plain(name) && plain).then(|| Self {
            module: module.to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }

    /// Whether it is for this module.
    pub fn is_for(&self, module: &str) -> bool {
        in_kernel(&self.module) == in_kernel(module)
    }

    /// As insmod(8) takes it.
    pub fn argument(&self) -> String {
        let quoted =
            if self.value.contains(' ') { format!("\"{}\"", self.value) } else { self.value.clone() };
        format!("{}={quoted}", self.name)
    }
}

/// The name that a module has once it is loaded.
pub fn in_kernel(name: &str) -> String {
    name.replace('-', "_")
}

/// The lines of a kernel log that a module printed, as far as that can be told: those that name it, or begin with its name.
pub fn lines_of<'a>(log: impl IntoIterator<Item = &'a str>, modules: &[String]) -> Vec<&'a str> {
    let names: Vec<String> =
        modules.iter().flat_map(|name| [name.replace('_', "-"), in_kernel(name)]).collect();
    log.into_iter().filter(|line| names.iter().any(|name| line.contains(name.as_str()))).collect()
}

/// The modules that a `.ko` depends on.
pub fn depends(bytes: &[u8]) -> Vec<String> {
    let info = info(bytes);
    let named = info.iter().filter(|(name, _)| name == "depends").flat_map(|(_, value)| value.split(','));
    named.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Which module version a `.ko` was built for, and what else `modinfo` says: names and values.
pub fn info(bytes: &[u8]) -> Vec<(String, String)> {
    let texts = bytes.split(|byte| *byte == 0).filter(|text| (6..512).contains(&text.len()));
    let known = ["vermagic", "parm", "parmtype", "license", "description", "depends"];
    texts
        .filter_map(|text| {
            let (name, value) = std::str::from_utf8(text).ok()?.split_once('=')?;
            known.contains(&name).then(|| (name.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_come_before_clients_and_what_is_needed_before_what_needs_it() {
        let ordered = |modules: &[(&str, &str)]| {
            let modules: Vec<(String, Vec<String>)> = modules
                .iter()
                .map(|(name, needs)| ((*name).to_owned(), needs.split(',').map(str::to_owned).collect()))
                .collect();
            load_order(&modules).into_iter().map(|at| modules[at].0.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            ordered(&[("my-client", ""), ("my-server", ""), ("third", "")]),
            "my-server third my-client"
        );
        assert_eq!(ordered(&[("my-server", "my_lib,crc32"), ("my-lib", "")]), "my-lib my-server");
        assert_eq!(ordered(&[("a", "b"), ("b", "a")]), "a b");
        assert_eq!(ordered(&[]), "");
    }

    #[test]
    fn parameters_belong_to_a_module() {
        let param = Param::parse("kernel-socket-server.server_port=5555").unwrap();
        assert!(param.is_for("kernel_socket_server") && !param.is_for("kernel_socket_client"));
        assert_eq!(param.argument(), "server_port=5555");
        assert_eq!(Param::parse("a.b=two words").unwrap().argument(), "b=\"two words\"");
        for bad in ["a", "a.b", "a=b", ".b=1", "a.=1", "a.-b=1", "a.b=\n", "a.b=\""] {
            assert_eq!(Param::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_modules_lines_name_it() {
        let log = ["[1.0] my_server: up", "[1.1] eth0: up", "[1.2] x: my-server says hi"];
        assert_eq!(lines_of(log, &["my-server".to_owned()]), [log[0], log[2]]);
        let binary = b"\x7fELF\0vermagic=6.12.1 SMP\0license=GPL\0parm=port:the port\0junk=1\0";
        assert_eq!(info(binary)[0], ("vermagic".to_owned(), "6.12.1 SMP".to_owned()));
        assert_eq!(info(binary).len(), 3);
    }
}
