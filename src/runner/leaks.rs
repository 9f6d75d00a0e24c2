//! Memory leaks: what kmemleak of a guest reports when it is asked, and the functions of modules that are gone again.
//!
//! An object is a suspect if two scans, five seconds apart, found nothing that refers to it (`mm/kmemleak.c`). Left to
//! itself the kernel scans a minute after its boot and then every ten minutes: no test runs so long. So the agent clears
//! what there was when the guest came up, and the guest is asked when nothing more runs in it.

use super::watch::About;
use crate::error::Result;
use crate::event::TestId;
use crate::guest::protocol::{self, Io, JobId};
use crate::plan::GuestRules;
use crate::process::Cmd;
use crate::text::decode;
use crate::vm::console::Splat;
use std::path::Path;
use std::time::Duration;

/// The number of the agent's job that asks.
pub(super) const JOB: JobId = JobId::MAX - 2;

/// How long a guest may take to answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(12);

/// How much of the answer is kept, in bytes.
const KEPT: usize = 1 << 20;

/// The second scan begins five seconds after the first one, however long that took.
const ASK: &str = "\
leaks=/sys/kernel/debug/kmemleak
sleep 5 &
echo scan > $leaks
wait
echo scan > $leaks
exec cat $leaks
";

/// Functions by which memory is allocated: whoever called them may have lost it.
const ALLOCATORS: &[&str] = &[
    "__alloc_skb",
    "__build_skb",
    "__kmalloc",
    "__kmem_cache",
    "__kvmalloc",
    "__vmalloc",
    "alloc_skb",
    "kmalloc",
    "kmem_cache_alloc",
    "kmemdup",
    "kmemleak_",
    "krealloc",
    "kstrdup",
    "kvmalloc",
    "kzalloc",
    "slab_post_alloc",
    "vmalloc",
    "vzalloc",
];

/// The job that asks.
pub(super) fn job() -> protocol::Job {
    let argv = ["sh", "-c", ASK].map(str::to_owned).to_vec();
    protocol::Job { id: JOB, argv, cwd: "/".to_owned(), env: Vec::new(), io: Io::Merged }
}

/// A guest's answer, as it comes.
#[derive(Debug, Default)]
pub(super) struct Answer(Vec<u8>);

impl Answer {
    /// Takes more of it. Of very much the end is dropped.
    pub fn take(&mut self, bytes: &[u8]) {
        let room = KEPT - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The leaks in it.
    pub fn leaks(&self, modules: &[Module]) -> Vec<Leak> {
        leaks(&decode(&self.0), modules)
    }
}

/// An object that nothing refers to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Leak {
    /// When it was allocated, in jiffies, where that is said.
    pub allocated: Option<u64>,
    /// What is said of it. The title names the function that allocated it.
    pub splat: Splat,
}

impl Leak {
    /// Whom it is about: of several tests nobody can say which. What was allocated before the agent was up, came with the
    /// boot.
    pub fn about(&self, since: Option<u64>, tests: &[TestId], rules: GuestRules) -> About {
        match (self.allocated, since) {
            (Some(allocated), Some(since)) if allocated < since => About::boot(rules),
            _ => About { tests: tests.to_vec(), ..About::default() },
        }
    }
}

fn leaks(report: &str, modules: &[Module]) -> Vec<Leak> {
    let mut blocks: Vec<Vec<String>> = Vec::new();
    for line in report.lines() {
        if line.starts_with("unreferenced object ") {
            blocks.push(Vec::new());
        }
        // What comes before the first object is an error of the shell.
        if let Some(block) = blocks.last_mut() {
            block.push(named(line.trim_end(), modules));
        }
    }
    blocks.into_iter().map(leak).collect()
}

fn leak(lines: Vec<String>) -> Leak {
    let after = |line: &str, word: &str| {
        let rest = line.split_once(word)?.1;
        let digits = rest.split(|char: char| !char.is_ascii_digit()).next()?;
        digits.parse::<u64>().ok()
    };
    let size = lines.first().and_then(|line| after(line, "(size ")).unwrap_or(0);
    let allocated = lines.iter().find_map(|line| after(line, ", jiffies "));
    let stack = lines.iter().skip_while(|line| !line.trim_start().starts_with("backtrace")).skip(1);
    let frames = stack.map(|line| frame(line).1);
    let by = |frame: &&str| !ALLOCATORS.iter().any(|allocator| frame.starts_with(allocator));
    let by = frames.clone().find(by).or_else(|| frames.clone().next()).map_or_else(String::new, |frame| {
        let (function, place) = frame.split_once('+').unwrap_or((frame, ""));
        let module = place.split_once(" [").map_or_else(String::new, |(_, module)| format!(" [{module}"));
        format!(", allocated in {function}{module}")
    });
    let title = format!("memory leak: {size} bytes{by}");
    Leak { allocated, splat: Splat { title, lines } }
}

/// A module that was loaded, and where its sections were. When it is gone the kernel knows no names for its addresses any
/// more, and for those of its `__init` functions not even while it is there.
#[derive(Debug, Clone, Default)]
pub(super) struct Module {
    /// As the kernel calls it.
    pub name: String,
    /// The functions of its file: section, offset, size, name.
    functions: Vec<Function>,
    /// Where the kernel had put its sections.
    sections: Vec<(String, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Function {
    section: String,
    offset: u64,
    size: u64,
    name: String,
}

/// What prints where the sections of a module are, one `NAME ADDRESS` a line.
pub(super) fn ask_for_sections(module: &str) -> Vec<String> {
    let script = "cd \"/sys/module/$1/sections\" && for s in .text .init.text .exit.text; do \
        [ -e $s ] && echo $s $(cat $s); done; true";
    ["sh", "-c", script, "sh", module].map(str::to_owned).to_vec()
}

impl Module {
    /// The module of that file; `sections` is what [`ask_for_sections`] printed.
    pub fn read(name: &str, file: &Path, sections: &str) -> Result<Self> {
        let symbols = Cmd::new("objdump").arg("-t").arg(file).read()?;
        let sections = sections.lines().filter_map(|line| {
            let (name, address) = line.trim().split_once(' ')?;
            Some((name.to_owned(), u64::from_str_radix(address.trim_start_matches("0x"), 16).ok()?))
        });
        Ok(Self { name: name.to_owned(), functions: functions(&symbols), sections: sections.collect() })
    }

    /// The name of an address of it, as the kernel would write it.
    fn name_of(&self, address: u64) -> Option<String> {
        self.functions.iter().find_map(|function| {
            let (_, base) = self.sections.iter().find(|(name, _)| *name == function.section)?;
            // A return address may be the first one after the function.
            let at = address.checked_sub(base.checked_add(function.offset)?)?;
            let inside = at <= function.size && function.size > 0;
            inside.then(|| format!("{}+{at:#x}/{:#x} [{}]", function.name, function.size, self.name))
        })
    }
}

/// The functions in the output of `objdump -t`: `OFFSET FLAGS F SECTION<TAB>SIZE NAME`.
fn functions(symbols: &str) -> Vec<Function> {
    let function = |line: &str| {
        let (before, after) = line.split_once('\t')?;
        let mut before = before.split_whitespace();
        let offset = u64::from_str_radix(before.next()?, 16).ok()?;
        let mut before = before.rev();
        let section = before.next()?.to_owned();
        (before.next()? == "F").then_some(())?;
        let (size, name) = after.trim().split_once(' ')?;
        let size = u64::from_str_radix(size, 16).ok()?;
        let name = name.rsplit(' ').next()?.to_owned();
        Some(Function { section, offset, size, name })
    };
    symbols.lines().filter_map(function).collect()
}

/// A line of a stack with the name of its address, if that is one of a module that is gone.
fn named(line: &str, modules: &[Module]) -> String {
    let address = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let (before, word) = frame(line);
    let name = address(word).and_then(|at| modules.iter().find_map(|module| module.name_of(at)));
    name.map_or_else(|| line.to_owned(), |name| format!("{before}{name}"))
}

/// A line of a stack: what is before the frame, and the frame. Kernels before 6.10 print an address in front of it.
fn frame(line: &str) -> (&str, &str) {
    let start = line.len() - line.trim_start().len();
    let start = match &line[start..] {
        rest if rest.starts_with("[<") => rest.find("] ").map_or(start, |end| start + end + 2),
        _ => start,
    };
    line.split_at(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.12 prints it, and as 6.1 does.
    const REPORT: &str = "\
sh: 1: something odd
unreferenced object 0xffff888004c1a000 (size 4096):
  comm \"insmod\", pid 97, jiffies 4294940325
  hex dump (first 32 bytes):
    6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b  kkkkkkkkkkkkkkkk
  backtrace (crc 4a1f7ac8):
    kmemleak_alloc+0x50/0x90
    __kmalloc_cache_noprof+0x28c/0x350
    mptcp_pm_alloc+0x3d/0x90
    do_one_initcall+0x9b/0x310
unreferenced object 0xffff888004c1b000 (size 64):
  comm \"insmod\", pid 98, jiffies 4294950000 (age 12.345s)
  backtrace:
    [<00000000c5f72a01>] __kmalloc_cache_noprof+0x28c/0x350
    [<000000002d0fbf5c>] 0xffffffffc0005025
    [<0000000060a7a91b>] do_one_initcall+0x9b/0x310
unreferenced object 0xffff888004c1c000 (size 8):
  comm \"rmmod\", pid 99, jiffies 4294951000
  backtrace (crc 0):
    __kmalloc_cache_noprof+0x28c/0x350
    0xffffffffc0005025
    kobject_set_name_vargs+0x21/0x90 [other]
";

    const SYMBOLS: &str = "\
leaky.ko:     file format elf64-x86-64

SYMBOL TABLE:
0000000000000000 l    d  .init.text\t0000000000000000 .init.text
0000000000000000 l     F .init.text\t000000000000003d leaky_init
0000000000000010 g     F .exit.text\t000000000000000a .hidden cleanup_module
0000000000000000         *UND*\t0000000000000000 __kmalloc_cache_noprof
";

    #[test]
    fn a_leak_is_named_by_the_function_that_allocated() {
        let titles: Vec<String> = leaks(REPORT, &[]).into_iter().map(|leak| leak.splat.title).collect();
        assert_eq!(
            titles,
            [
                "memory leak: 4096 bytes, allocated in mptcp_pm_alloc",
                "memory leak: 64 bytes, allocated in 0xffffffffc0005025",
                "memory leak: 8 bytes, allocated in 0xffffffffc0005025",
            ]
        );
    }

    #[test]
    fn a_function_of_a_module_that_is_gone_has_its_name_back() {
        let sections = vec![
            (".text".to_owned(), 0xffff_ffff_c000_1000),
            (".init.text".to_owned(), 0xffff_ffff_c000_5000),
        ];
        let module = Module { name: "leaky".to_owned(), functions: functions(SYMBOLS), sections };
        assert_eq!(
            module.functions.iter().map(|function| &function.name[..]).collect::<Vec<_>>(),
            ["leaky_init", "cleanup_module"]
        );
        let found = leaks(REPORT, &[module]);
        assert_eq!(found[1].splat.title, "memory leak: 64 bytes, allocated in leaky_init [leaky]");
        assert!(found[1].splat.lines[4].ends_with("leaky_init+0x25/0x3d [leaky]"), "{:?}", found[1].splat);
        assert_eq!(found[2].splat.lines[4], "    leaky_init+0x25/0x3d [leaky]");
        assert_eq!(found[1].allocated, Some(4_294_950_000));
    }

    #[test]
    fn no_answer_is_no_leak_and_a_long_one_is_cut() {
        assert_eq!(leaks("sh: cannot create /sys/kernel/debug/kmemleak\n", &[]), []);
        let mut answer = Answer::default();
        for _ in 0..200 {
            answer.take(&[b'x'; 10_000]);
        }
        assert_eq!(answer.0.len(), KEPT);
    }
}
