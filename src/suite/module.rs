//! Kernel modules that are built out of the tree: what their Makefile says, and in which order they are loaded.

use crate::text::is_hidden;

/// The modules that a Makefile builds: the words of `obj-m` that end with `.o`, without it, in its order. In recipes, and
/// behind conditions, nothing is evaluated: what names a module counts.
pub fn names(makefile: &str) -> Vec<String> {
    let joined = makefile.replace("\\\n", " ");
    let mut names: Vec<String> = Vec::new();
    for line in joined.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some((left, value)) = line.split_once('=') else { continue };
        if left.trim_end_matches([':', '+', '?']).trim() != "obj-m" {
            continue;
        }
        let modules = value.split_whitespace().filter_map(|word| word.strip_suffix(".o"));
        for module in modules.filter(|name| is_plain(name)) {
            if !names.iter().any(|known| known == module) {
                names.push(module.to_owned());
            }
        }
    }
    names
}

/// A name that can be joined to a path, and be an argument.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// The modules in the order in which they are loaded: servers before clients, all others between them as they stand.
pub fn load_order(mut names: Vec<String>) -> Vec<String> {
    names.sort_by_key(|name| {
        let name = name.to_lowercase();
        match (name.contains("server"), name.contains("client")) {
            (true, false) => 0,
            (false, true) => 2,
            _ => 1,
        }
    });
    names
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
    fn modules_are_those_of_obj_m() {
        let makefile = "KDIR ?= /lib/modules/$(shell uname -r)/build\nifneq ($(KERNELRELEASE),)\nobj-m := my-client.o \\\n\
            \tmy-server.o # x.o\nendif\nobj-m += third.o my-client.o ../evil.o\nthird-objs := a.o b.o\n\nall:\n\tmake -C $(KDIR)\n";
        assert_eq!(names(makefile), ["my-client", "my-server", "third"]);
        assert_eq!(load_order(names(makefile)), ["my-server", "third", "my-client"]);
        assert!(names("all: x.o\n").is_empty());
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
