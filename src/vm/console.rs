//! Splats: what a kernel prints on its console when something went wrong. Pure.
//!
//! The first lines are those that the kernel's own code prints: `lib/bug.c`, `mm/kasan/report.c`,
//! `kernel/locking/lockdep.c`, `kernel/rcu/tree_stall.h`, `kernel/hung_task.c`, `lib/refcount.c`, `lib/ref_tracker.c`,
//! `mm/kmemleak.c`, `arch/*/kernel/dumpstack.c` and `arch/*/mm/fault.c`.

pub mod splat;

use serde::{Deserialize, Serialize};

/// How many lines of one splat are kept. The console log has them all.
const LINES_LIMIT: usize = 200;

/// How a kernel message begins that is, or opens, a splat.
const OPENINGS: &[&str] = &[
    "WARNING: ",
    "BUG: ",
    "kernel BUG at ",
    "Oops: ",
    "Oops - ",
    "general protection fault",
    "stack segment",
    "double fault",
    "divide error",
    "invalid opcode",
    "int3: ",
    "Unable to handle kernel ",
    "Internal error: ",
    "Kernel panic - not syncing",
    "INFO: rcu",
    "rcu: INFO: ",
    "INFO: task ",
    "INFO: possible ",
    "INFO: suspicious RCU usage",
    "UBSAN: ",
    "KFENCE: ",
    "KCSAN: ",
    "refcount_t: ",
    "ref_tracker: ",
    "unreferenced object 0x",
    "kmemleak: ",
    "unregister_netdevice: waiting for ",
    "ODEBUG: ",
    "list_add corruption",
    "list_del corruption",
    "watchdog: BUG: soft lockup",
    "NMI watchdog: ",
    "Call Trace:",
];

/// Messages that begin like a splat and are none.
const HARMLESS: &[&str] = &[
    "NMI watchdog: Enabled",
    "NMI watchdog: Perf",
    "kmemleak: Kernel memory leak detector",
    "kmemleak: Automatic memory scanning thread",
    "kmemleak: Memory pool empty",
    "WARNING: CPU features",
];

/// Something went wrong in the guest's kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splat {
    /// Its first telling line, without the time.
    pub title: String,
    /// All of its lines, the first 200 at most, as they were printed.
    pub lines: Vec<String>,
}

impl Splat {
    /// What it shares with other splats of the same cause: its first functions.
    pub fn fingerprint(&self) -> String {
        super::fingerprint::of(&self.title, &self.lines)
    }
}

/// Finds splats in the lines of a console, one line after the other, with bounded memory.
#[derive(Debug, Default)]
pub struct Detector {
    open: Option<Splat>,
    /// The stack trace of the open splat is over; only registers and the like may follow.
    closing: bool,
}

impl Detector {
    /// Takes one line of the console, without its line feed. Returns a splat when this line shows that it is whole.
    pub fn line(&mut self, line: &str) -> Option<Splat> {
        let line = line.trim_end();
        let Some(message) = message(line) else {
            // Not from the kernel: user space prints to the same console.
            return None;
        };
        let opening = is_opening(message);
        match &mut self.open {
            None if opening => {
                self.open = Some(Splat { title: message.to_owned(), lines: vec![line.to_owned()] });
                self.closing = is_single_line(message);
                None
            }
            None => None,
            Some(_) if self.closing && !is_trailer(message) => {
                let whole = self.flush();
                // The line belongs to nobody yet: it may open the next one.
                let next = self.line(line);
                debug_assert!(next.is_none(), "a single line never completes a splat that it opens");
                whole
            }
            Some(splat) => {
                if splat.lines.len() < LINES_LIMIT {
                    splat.lines.push(line.to_owned());
                }
                let message = message.trim_start();
                if message.starts_with("---[ end trace") || message.starts_with("---[ end Kernel panic") {
                    return self.flush();
                }
                self.closing |= message.starts_with("</TASK>") || splat.lines.len() >= LINES_LIMIT;
                None
            }
        }
    }

    /// Nothing more of the open splat is to be expected: returns what there is of it.
    pub fn flush(&mut self) -> Option<Splat> {
        self.closing = false;
        self.open.take()
    }
}

/// The text of a kernel message, without `[   12.345678]` and an optional `[  T123]` in front.
fn message(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix('[')?;
    let (time, rest) = rest.split_once(']')?;
    let time = time.trim();
    if time.is_empty() || !time.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((caller, rest)) if caller.trim_start().starts_with(['T', 'C']) => {
            Some(rest.trim_start_matches(' '))
        }
        _ => Some(rest),
    }
}

fn is_opening(message: &str) -> bool {
    (OPENINGS.iter().any(|opening| message.starts_with(opening)) || message.contains(" invoked oom-killer: "))
        && !HARMLESS.iter().any(|harmless| message.starts_with(harmless))
}

/// Reports of one line, after which nothing follows that belongs to them.
fn is_single_line(message: &str) -> bool {
    ["unregister_netdevice: ", "kmemleak: ", "NMI watchdog: "].iter().any(|start| message.starts_with(start))
}

/// What may follow the end of a stack trace and still belongs to the same splat.
fn is_trailer(message: &str) -> bool {
    const TRAILERS: &[&str] = &[
        "Modules linked in",
        "CR2:",
        "---[ end",
        "RIP:",
        "RSP:",
        "RAX:",
        "RDX:",
        "RBP:",
        "R10:",
        "R13:",
        "Code:",
        "FS:",
        "CS:",
        "CR0:",
        "DR0:",
        "DR3:",
        "PKRU:",
        "note:",
        "Kernel panic",
        "Kernel Offset",
        "irq event stamp",
        "hardirqs",
        "softirqs",
        "Allocated by",
        "Freed by",
        "The buggy address",
        "Memory state",
        ">",
        "=====",
        "Showing all locks",
        "Rebooting in",
        // A report with the stacks of several processors, as of an RCU stall.
        "Call Trace:",
        "<TASK>",
        "CPU: ",
        "Hardware name:",
    ];
    let message = message.trim_start();
    TRAILERS.iter().any(|trailer| message.starts_with(trailer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splats(console: &str) -> Vec<Splat> {
        let mut detector = Detector::default();
        let mut found: Vec<Splat> = console.lines().filter_map(|line| detector.line(line)).collect();
        found.extend(detector.flush());
        found
    }

    #[test]
    fn a_warning_is_one_splat_from_its_first_line_to_its_end_trace() {
        let console = "\
[    1.000000] TCP: Hash tables configured
[    2.000000] ------------[ cut here ]------------
[    2.000001] WARNING: CPU: 0 PID: 7 at net/mptcp/protocol.c:1234 mptcp_recvmsg+0x10/0x20
[    2.000002] Modules linked in: veth
[    2.000003] Call Trace:
[    2.000004]  <TASK>
[    2.000005]  sock_recvmsg+0x1/0x2
[    2.000006]  </TASK>
[    2.000007] ---[ end trace 0000000000000000 ]---
[    3.000000] all is well";
        let found = splats(console);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].title,
            "WARNING: CPU: 0 PID: 7 at net/mptcp/protocol.c:1234 mptcp_recvmsg+0x10/0x20"
        );
        assert_eq!(found[0].lines.len(), 7);
    }

    #[test]
    fn two_reports_in_a_row_are_two_splats() {
        let console = "\
[    2.0][   T10] BUG: sleeping function called from invalid context at x.c:1
[    2.1][   T10] Call Trace:
[    2.2][   T10]  </TASK>
[    2.3][   T11] INFO: task foo:12 blocked for more than 122 seconds.
[    2.4][   T11] Call Trace:
[    2.5][   T11]  </TASK>
[    9.9][    T1] eth0: link up";
        let titles: Vec<String> = splats(console).into_iter().map(|splat| splat.title).collect();
        assert_eq!(
            titles,
            [
                "BUG: sleeping function called from invalid context at x.c:1",
                "INFO: task foo:12 blocked for more than 122 seconds."
            ]
        );
    }

    #[test]
    fn registers_and_the_panic_after_an_oops_belong_to_it() {
        let console = "\
[    5.0] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    5.1] Call Trace:
[    5.2]  </TASK>
[    5.3] CR2: 0000000000000008
[    5.4] ---[ end trace 0 ]---
[    5.5] Kernel panic - not syncing: Fatal exception
[    5.6] Kernel Offset: disabled";
        let found = splats(console);
        assert_eq!(
            found.iter().map(|splat| &splat.title[..12]).collect::<Vec<_>>(),
            ["BUG: kernel ", "Kernel panic"]
        );
    }

    #[test]
    fn user_space_and_harmless_messages_are_no_splats() {
        let console = "\
BUG: this is a program's output
[    0.1] Spectre V2 : WARNING: Unprivileged eBPF is enabled
[    0.2] NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.
[    0.3] kmemleak: Kernel memory leak detector initialized";
        assert_eq!(splats(console), []);
    }

    #[test]
    fn the_second_stack_of_a_stall_is_no_splat_of_its_own() {
        let console = "\
[    9.0] rcu: INFO: rcu_sched self-detected stall on CPU
[    9.1] Call Trace:
[    9.2]  </TASK>
[    9.3] CPU: 1 UID: 0 PID: 1 Comm: init
[    9.4] Call Trace:
[    9.5]  <TASK>
[    9.6]  schedule+0x1/0x2
[    9.7]  </TASK>
[    9.8] eth0: link up";
        assert_eq!(splats(console).len(), 1);
    }

    #[test]
    fn an_endless_splat_keeps_its_first_lines_only() {
        let mut detector = Detector::default();
        detector.line("[    1.0] BUG: soft");
        for _ in 0..10_000 {
            detector.line("[    1.1] RIP: 0010:somewhere");
        }
        assert_eq!(detector.flush().unwrap().lines.len(), LINES_LIMIT);
    }
}
