//! What a developer looks for in a splat: what it is about, where the CPU was, and who called. Pure.

use super::message;
use crate::vm::fingerprint;

/// How many frames of the call trace are shown.
const FRAMES: usize = 7;

/// How many frames are shown of the stack on which something was allocated or freed.
const FURTHER_FRAMES: usize = 2;

/// How many lines are shown of a splat of which nothing else is understood.
const LINES: usize = 12;

/// What a checker says below its headline: KASAN, KFENCE, kmemleak.
const DETAILS: &[&str] = &["Read of size ", "Write of size ", "Free of addr ", "Invalid free of ", "comm \""];

/// What lockdep says before it names a lock, which is in the next line.
const LOCKS: &[&str] = &["is trying to acquire lock:", "but task is already holding lock:"];

/// Where the CPU was, on x86 and on arm64.
const POINTERS: &[&str] = &["RIP: ", "pc : "];

/// Where the stack begins: of an oops or a warning, of kmemleak.
const STACKS: &[&str] = &["Call Trace:", "Call trace:", "backtrace"];

/// Where the stack of another task begins that tells more.
const FURTHER_STACKS: &[&str] = &["Allocated by task", "Freed by task"];

/// The telling lines of a splat, without its headline and without times. A splat of which nothing is understood is shown
/// from its beginning.
pub fn excerpt(lines: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let (mut pointer, mut stack, mut lock, mut budget) = (false, false, false, 0);
    for line in lines.iter().skip(1) {
        let text = message(line).unwrap_or(line).trim();
        let is = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
        let names_lock = LOCKS.iter().any(|end| text.ends_with(end));
        let keep = if lock || names_lock {
            true
        } else if is(POINTERS) {
            // The second is where user space was.
            !std::mem::replace(&mut pointer, true)
        } else if is(STACKS) {
            // Further ones are of other tasks, or say the same again.
            budget = if stack { 0 } else { FRAMES };
            !std::mem::replace(&mut stack, true)
        } else if is(FURTHER_STACKS) {
            budget = FURTHER_FRAMES;
            true
        } else if let Some(function) = fingerprint::function(text) {
            let wanted = budget > 0 && !fingerprint::is_noise(function);
            budget -= usize::from(wanted);
            wanted
        } else {
            if !text.contains("+0x") && text != "<TASK>" && text != "<IRQ>" {
                budget = 0;
            }
            is(DETAILS)
        };
        lock = names_lock;
        if keep {
            kept.push(text.to_owned());
        }
    }
    if pointer || stack {
        return kept;
    }
    lines.iter().skip(1).take(LINES).map(|line| message(line).unwrap_or(line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        excerpt(&text.lines().map(str::to_owned).collect::<Vec<_>>()).join("\n")
    }

    #[test]
    fn an_oops_shows_where_it_was_and_who_called_and_no_registers() {
        let oops = "\
[    5.1] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    5.1] #PF: supervisor write access in kernel mode
[    5.1] Oops: Oops: 0002 [#1] PREEMPT SMP
[    5.1] CPU: 0 UID: 0 PID: 99 Comm: insmod Tainted: G           O       6.12.1 #1
[    5.1] RIP: 0010:bad_init+0x5/0xff0 [bad]
[    5.1] Code: Unable to access opcode bytes at 0xffffffffc0000fdb.
[    5.1] RSP: 0018:ffffc900001b7c48 EFLAGS: 00010246
[    5.1] RAX: 0000000000000000 RBX: ffffffffc0001010 RCX: 0000000000000000
[    5.1] Call Trace:
[    5.1]  <TASK>
[    5.1]  ? __die_body+0x1b/0x60
[    5.1]  ? asm_exc_page_fault+0x26/0x30
[    5.1]  do_one_initcall+0x5b/0x310
[    5.1]  do_init_module+0x60/0x220
[    5.1]  </TASK>
[    5.1] RIP: 0033:0x7f1c
[    5.1] Modules linked in: bad(O+)
[    5.1] CR2: 0000000000000008";
        insta::assert_snapshot!(shown(oops), @r"
        RIP: 0010:bad_init+0x5/0xff0 [bad]
        Call Trace:
        do_one_initcall+0x5b/0x310
        do_init_module+0x60/0x220
        ");
    }

    #[test]
    fn kasan_shows_what_was_read_and_who_allocated_it() {
        let kasan = "\
[    9.1] BUG: KASAN: slab-out-of-bounds in one_init+0x40/0xff0 [one]
[    9.1] Read of size 1 at addr ffff888004a3b808 by task insmod/99
[    9.1] 
[    9.1] CPU: 0 UID: 0 PID: 99 Comm: insmod
[    9.1] Call Trace:
[    9.1]  <TASK>
[    9.1]  dump_stack_lvl+0x4a/0x80
[    9.1]  print_report+0xd0/0x620
[    9.1]  kasan_report+0xbd/0xf0
[    9.1]  one_init+0x40/0xff0 [one]
[    9.1]  do_one_initcall+0x5b/0x310
[    9.1]  </TASK>
[    9.1] 
[    9.1] Allocated by task 99:
[    9.1]  kasan_save_stack+0x1c/0x40
[    9.1]  __kasan_kmalloc+0x8b/0x90
[    9.1]  one_init+0x25/0xff0 [one]
[    9.1]  do_one_initcall+0x5b/0x310
[    9.1]  do_init_module+0x60/0x220
[    9.1] 
[    9.1] The buggy address belongs to the object at ffff888004a3b800";
        insta::assert_snapshot!(shown(kasan), @r"
        Read of size 1 at addr ffff888004a3b808 by task insmod/99
        Call Trace:
        one_init+0x40/0xff0 [one]
        do_one_initcall+0x5b/0x310
        Allocated by task 99:
        one_init+0x25/0xff0 [one]
        do_one_initcall+0x5b/0x310
        ");
    }

    #[test]
    fn lockdep_shows_both_locks() {
        let lockdep = "\
[    3.1] WARNING: possible circular locking dependency detected
[    3.1] 6.12.1 #1 Tainted: G           O
[    3.1] ------------------------------------------------------
[    3.1] insmod/71 is trying to acquire lock:
[    3.1] ffffffffc0003020 (one_a){+.+.}-{3:3}, at: one_init+0x60/0xff0 [one]
[    3.1] 
[    3.1] but task is already holding lock:
[    3.1] ffffffffc0003080 (one_b){+.+.}-{3:3}, at: one_init+0x54/0xff0 [one]
[    3.1] 
[    3.1] the existing dependency chain (in reverse order) is:
[    3.1] 
[    3.1] -> #1 (one_b){+.+.}-{3:3}:
[    3.1]        __mutex_lock+0xa5/0xc00
[    3.1]        one_init+0x30/0xff0 [one]
[    3.1] stack backtrace:
[    3.1] Call Trace:
[    3.1]  <TASK>
[    3.1]  one_init+0x60/0xff0 [one]";
        insta::assert_snapshot!(shown(lockdep), @r"
        insmod/71 is trying to acquire lock:
        ffffffffc0003020 (one_a){+.+.}-{3:3}, at: one_init+0x60/0xff0 [one]
        but task is already holding lock:
        ffffffffc0003080 (one_b){+.+.}-{3:3}, at: one_init+0x54/0xff0 [one]
        Call Trace:
        one_init+0x60/0xff0 [one]
        ");
    }

    #[test]
    fn what_is_not_understood_is_shown_from_its_beginning() {
        assert_eq!(shown("[    1.0] BUG: odd\n[    1.1] this\n[    1.2] and that"), "this\nand that");
    }
}
