//! Reads what compilers and sparse say. Pure.

use crate::series::news::Remark;

/// What was said in a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// By the compiler.
    pub compiler: Vec<Remark>,
    /// By sparse.
    pub sparse: Vec<Remark>,
    /// Objects that this configuration does not have.
    pub absent: Vec<String>,
    /// What went wrong that names no place in a file: a linker's, or make's.
    pub other: Vec<String>,
}

/// Reads the output of make, in a tree at `tree`, that was asked for `targets`. With `sparse`, remarks that do not end with
/// the option of a compiler are sparse's.
pub fn read<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    tree: &str,
    targets: &[String],
    sparse: bool,
) -> Said {
    let mut said = Said::default();
    for line in lines {
        if let Some(target) = no_rule(line) {
            if targets.iter().any(|known| known == target) {
                said.absent.push(target.to_owned());
            } else {
                said.other.push(line.to_owned());
            }
        } else if let Some(remark) = remark(line, tree) {
            let of_compiler = remark.text.ends_with(']') && remark.text.contains("[-W");
            if sparse && !of_compiler { said.sparse.push(remark) } else { said.compiler.push(remark) }
        } else if let Some(text) = of_make(line) {
            said.other.push(text.to_owned());
        } else if is_linker(line) {
            said.other.push(line.trim().to_owned());
        }
    }
    said
}

/// `make[4]: *** No rule to make target 'net/mptcp/x.o'.  Stop.`, for the target itself.
fn no_rule(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("*** No rule to make target '")?;
    let (target, rest) = rest.split_once('\'')?;
    (!rest.contains("needed by")).then_some(target)
}

/// What make itself objects to: `net/mptcp/Makefile:3: *** missing separator.  Stop.`. That a command failed tells nothing.
fn of_make(line: &str) -> Option<&str> {
    let (_, text) = line.split_once("*** ")?;
    let idle = ["[", "Waiting for ", "Deleting "].iter().any(|word| text.starts_with(word));
    (!idle && !text.contains("] Error ")).then_some(text)
}

fn is_linker(line: &str) -> bool {
    let linker = ["ld: ", "ld.lld: ", "ld.bfd: "].iter().any(|name| line.contains(name));
    let missing = line.contains("undefined reference to ") || line.contains("undefined symbol: ");
    let modpost = line.starts_with("ERROR: modpost: ") || line.starts_with("WARNING: modpost: ");
    let objtool = line.contains(": warning: objtool: ") || line.starts_with("error: ");
    (linker && line.contains("rror")) || missing || modpost || objtool
}

/// `net/mptcp/pm.c:12:3: warning: unused variable 'x' [-Wunused-variable]`.
fn remark(line: &str, tree: &str) -> Option<Remark> {
    let (place, text, error) = [(": warning: ", false), (": error: ", true), (": fatal error: ", true)]
        .iter()
        .find_map(|(word, error)| line.split_once(word).map(|(place, text)| (place, text, *error)))?;
    let mut parts = place.split(':');
    let (file, number) = (parts.next()?, parts.next()?.parse().ok()?);
    let file = file.strip_prefix(tree).map_or(file, |rest| rest.trim_start_matches('/'));
    let file = file.trim_start_matches("./");
    // From the build directory kbuild reaches the tree by `../`, or by that and the end of the tree's path.
    let file =
        if file.starts_with("../") { below(file.rsplit("../").next().unwrap_or(file), tree) } else { file };
    Some(Remark { file: exported(file), line: number, text: text.trim().to_owned(), error })
}

/// Where a header comes from that was installed for programs, and is compiled alone there (`UAPI_HEADER_TEST`).
fn exported(file: &str) -> String {
    match file.strip_prefix("usr/include/") {
        Some(header) if header.starts_with("asm/") => format!("arch/x86/include/uapi/{header}"),
        Some(header) => format!("include/uapi/{header}"),
        None => file.to_owned(),
    }
}

/// What is left of a path that begins with the end of `tree`: `net/x.c` of `tree/net/x.c`, for `/w/tree`.
fn below<'p>(path: &'p str, tree: &str) -> &'p str {
    let mut ends = tree.match_indices('/').map(|(at, _)| &tree[at + 1..]);
    ends.find_map(|end| path.strip_prefix(end)?.strip_prefix('/')).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_remark_is_its_tools() {
        let text = "\
  CC      net/mptcp/pm.o
/w/tree/net/mptcp/pm.c: In function 'f':
/w/tree/net/mptcp/pm.c:12:3: warning: unused variable 'x' [-Wunused-variable]
   12 |  int x;
/w/tree/net/mptcp/pm.c:20:1: warning: context imbalance in 'g' - wrong count at exit
/w/tree/net/mptcp/pm.c:22:1: error: incompatible types
../net/mptcp/pm.c:30:1: error: 'y' undeclared (first use in this function)
../../tree/include/net/mptcp.h:7:1: error: redefinition of 'z'
./usr/include/linux/mptcp.h:9:2: error: unknown type name 'size_t'
make[4]: *** No rule to make target 'net/mptcp/bpf.o'.  Stop.
make[4]: *** [scripts/Makefile.build:234: net/mptcp/pm.o] Error 1
make[4]: *** No rule to make target 'x.h', needed by 'net/mptcp/a.o'.  Stop.
ld: net/mptcp/pm.o: in function `f': undefined reference to `__udivdi3'
";
        let targets = ["net/mptcp/pm.o".to_owned(), "net/mptcp/bpf.o".to_owned()];
        let said = read(text.lines(), "/w/tree", &targets, true);
        let show = |remarks: &[Remark]| {
            remarks.iter().map(|one| format!("{}:{} {}", one.file, one.line, one.text)).collect::<Vec<_>>()
        };
        assert_eq!(show(&said.compiler), ["net/mptcp/pm.c:12 unused variable 'x' [-Wunused-variable]"]);
        assert_eq!(said.sparse.len(), 5);
        assert_eq!(said.sparse[2].file, "net/mptcp/pm.c");
        assert_eq!(said.sparse[3].file, "include/net/mptcp.h");
        assert_eq!(said.sparse[4].file, "include/uapi/linux/mptcp.h");
        assert_eq!(said.absent, ["net/mptcp/bpf.o"]);
        assert_eq!(said.other[0], "No rule to make target 'x.h', needed by 'net/mptcp/a.o'.  Stop.");
        assert_eq!(said.other.len(), 2);
        assert_eq!(read(text.lines(), "/w/tree", &targets, false).compiler.len(), 6);
    }
}
