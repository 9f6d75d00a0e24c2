//! Which splats are the same? Those whose first functions are, without those by which the kernel reports anything.

/// How many functions tell a splat from others.
const TELLING: usize = 5;

/// Functions that stand in many stacks because they print them, or brought the CPU there.
const NOISE: &[&str] = &[
    "__warn",
    "asm_",
    "check_bytes_and_report",
    "check_preemption_disabled",
    "die",
    "do_error_trap",
    "do_user_addr_fault",
    "dump_stack",
    "exc_",
    "fault_in_kernel_space",
    "fixup_exception",
    "handle_bug",
    "kasan_",
    "kcsan_",
    "kmsan_",
    "lockdep_",
    "oops_end",
    "page_fault_oops",
    "panic",
    "print_",
    "report_bug",
    "sched_show_task",
    "show_stack",
    "show_trace",
    "ubsan_",
    "__ubsan_",
    "warn_slowpath",
    "__asan_",
    "__kasan_",
    "__die",
    "__schedule_bug",
    "__might_resched",
    "__might_sleep",
];

/// The first functions of a splat's stack, innermost first; of one without a stack, its title without its numbers.
pub(super) fn of(title: &str, lines: &[String]) -> String {
    let mut functions: Vec<&str> = Vec::new();
    for line in lines {
        let Some(function) = function(line).filter(|function| !is_noise(function)) else { continue };
        if functions.len() < TELLING && functions.last() != Some(&function) {
            functions.push(function);
        }
    }
    if functions.is_empty() {
        return title.split_whitespace().filter(|word| !has_number(word)).collect::<Vec<_>>().join(" ");
    }
    functions.join(" < ")
}

/// The function of a line of a stack, `name+0x10/0x20` or `RIP: 0010:name+0x10/0x20`; not one that the kernel is unsure of.
pub(super) fn function(line: &str) -> Option<&str> {
    let words = || line.split_whitespace();
    if words().any(|word| word == "?") {
        return None;
    }
    let place = words().find(|word| word.contains("+0x") && word.contains("/0x"))?;
    // A report's first line names the place as well: the stack begins with it too.
    if line.contains("WARNING: ") || line.contains("BUG: ") {
        return None;
    }
    let (name, _) = place.split_once("+0x")?;
    // Neither the segment of an instruction pointer nor what the compiler appended belongs to the name.
    let name = name.rsplit_once(':').map_or(name, |(_, name)| name);
    Some(name.split('.').next().unwrap_or(name))
}

pub(super) fn is_noise(function: &str) -> bool {
    NOISE.iter().any(|noise| function.starts_with(noise))
}

fn has_number(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    const WARNING: &str = "\
[    2.0] WARNING: CPU: 0 PID: 7 at net/mptcp/protocol.c:1234 mptcp_recvmsg+0x10/0x20
[    2.1] RIP: 0010:mptcp_recvmsg+0x10/0x20
[    2.2] Call Trace:
[    2.3]  <TASK>
[    2.4]  ? __warn+0x81/0x130
[    2.5]  report_bug+0x171/0x1a0
[    2.6]  asm_exc_invalid_op+0x1a/0x20
[    2.7]  inet_recvmsg.constprop.0+0x42/0xd0
[    2.8]  sock_recvmsg+0x9d/0xa0
[    2.9]  __sys_recvfrom+0xb3/0x130
[    3.0]  do_syscall_64+0x5d/0x90
[    3.1]  entry_SYSCALL_64_after_hwframe+0x6e/0xd8";

    #[test]
    fn the_same_splat_at_another_time_and_on_another_cpu_is_the_same() {
        let one = of("x", &lines(WARNING));
        assert_eq!(one, "mptcp_recvmsg < inet_recvmsg < sock_recvmsg < __sys_recvfrom < do_syscall_64");
        let other = WARNING.replace("CPU: 0 PID: 7", "CPU: 1 PID: 99").replace("+0x42/", "+0x45/");
        assert_eq!(of("y", &lines(&other)), one);
        assert_ne!(of("x", &lines(&WARNING.replace("sock_recvmsg", "sock_sendmsg"))), one);
    }

    #[test]
    fn a_splat_without_a_stack_is_known_by_its_words() {
        let title = "unregister_netdevice: waiting for lo to become free. Usage count = 2";
        assert_eq!(of(title, &[]), "unregister_netdevice: waiting for lo to become free. Usage count =");
    }
}
