//! How a sample ended: by what its programs did, and what their connections were.

use super::super::guest_set::TaskEnd;
use super::ScenarioEnd;
use super::network::unmet;
use super::prepare::Program;
use crate::event::Outcome;
use crate::event::connections::Connections;
use crate::guest::protocol::Exit;
use crate::suite::Pattern;
use crate::suite::sample::Expect;

/// What the programs did.
pub(super) struct Ran {
    /// How the client ended by itself, if it did.
    pub client: Option<TaskEnd>,
    /// The same for the server.
    pub server: Option<TaskEnd>,
    /// What they said.
    pub client_said: String,
    pub server_said: String,
}

/// What the programs did, and what their connections were, against what they should.
pub(super) fn judge(program: &Program, expect: &[Expect], ran: &Ran, observed: &Connections) -> ScenarioEnd {
    let verdict = by_exit(program, ran).unwrap_or_else(|| {
        let reason = by_output(program, ran).or_else(|| by_connections(program, expect, ran, observed));
        let outcome = if reason.is_some() { Outcome::Fail } else { Outcome::Pass };
        ScenarioEnd { outcome, reason, exit_code: exit_code(ran), spoiled: false }
    });
    let said = [&ran.client_said, &ran.server_said];
    match verdict {
        ScenarioEnd { outcome: Outcome::Fail, reason: Some(reason), .. } => {
            ScenarioEnd { reason: Some(with_hint(reason, &said.map(String::as_str))), ..verdict }
        }
        other => other,
    }
}

fn exit_code(ran: &Ran) -> Option<i32> {
    match ran.client.as_ref().and_then(|ended| ended.exit) {
        Some(Exit::Code(code)) => Some(code),
        _ => None,
    }
}

/// The verdict that the ends of the programs leave no doubt of.
fn by_exit(program: &Program, ran: &Ran) -> Option<ScenarioEnd> {
    let declared = &program.declared;
    let fail = |reason: String| ScenarioEnd { exit_code: exit_code(ran), ..ScenarioEnd::fail(reason) };
    let server_failed = ran
        .server
        .as_ref()
        .filter(|ended| !ended.is_good())
        .and_then(|ended| ended.exit.map(|exit| format!("the server: {}", how(exit, &ended.output))));
    match &ran.client {
        Some(TaskEnd { exit: None, output }) => {
            return Some(ScenarioEnd::new(Outcome::Error, output.clone()));
        }
        Some(TaskEnd { exit: Some(Exit::Code(4)), output }) if declared.exit.is_none() => {
            let why = last_line(output).unwrap_or("it says so");
            return Some(ScenarioEnd { exit_code: Some(4), ..ScenarioEnd::new(Outcome::Skip, why) });
        }
        Some(TaskEnd { exit: Some(exit), output }) if *exit != Exit::Code(declared.exit.unwrap_or(0)) => {
            // What the client could not do, a server that failed explains.
            let client_failed = format!("the client: {}", how(*exit, output));
            return Some(fail(match server_failed {
                Some(server_failed) => format!("{server_failed}; {client_failed}"),
                None => client_failed,
            }));
        }
        None if declared.exit.is_some() => {
            return Some(fail("the client timed out".to_owned()));
        }
        _ => {}
    }
    server_failed.map(fail)
}

/// Why the client's output is not what it has to be.
fn by_output(program: &Program, ran: &Ran) -> Option<String> {
    let output = program.declared.output.as_ref()?;
    let pattern = Pattern::new(output).ok()?;
    let there = ran.client_said.lines().any(|line| pattern.matches(line.trim()));
    (!there).then(|| format!("no line of the client's output matches {output:?}"))
}

/// Why the connections are not what they have to be.
fn by_connections(program: &Program, expect: &[Expect], ran: &Ran, observed: &Connections) -> Option<String> {
    let by_mptcpize = expect.is_empty() && program.declared.mptcpize;
    let expect = if by_mptcpize { &[Expect::Mptcp][..] } else { expect };
    let why = unmet(expect, observed);
    if why.is_some() || observed.made() > 0 || expect.contains(&Expect::None) {
        return why;
    }
    if program.server.is_some() {
        return Some(match observed.attempts {
            0 => "no connection was made".to_owned(),
            attempts => format!("no connection was made, though a program tried {attempts} times"),
        });
    }
    // Who neither ends, nor speaks, nor connects, has shown nothing.
    let silent = ran.client.is_none() && ran.client_said.is_empty() && ran.server_said.is_empty();
    silent.then(|| "the program said nothing in its time, and made no connection".to_owned())
}

/// What programs say that look up a name, in lower case: libc's resolver, Python, Rust, Go, Node, curl, busybox.
const UNRESOLVED: [&str; 11] = [
    "temporary failure in name resolution",
    "name or service not known",
    "nodename nor servname",
    "eai_again",
    "eai_noname",
    "gaierror",
    "failed to lookup address",
    "no such host",
    "could not resolve host",
    "enotfound",
    "bad address '",
];

/// A reason, with a hint if what the programs said shows that they looked up a name.
pub(super) fn with_hint(reason: String, said: &[&str]) -> String {
    let unresolved = |text: &&str| {
        UNRESOLVED
            .iter()
            .any(|words| text.to_lowercase().contains(words) || reason.to_lowercase().contains(words))
    };
    if said.iter().any(unresolved) {
        return format!(
            "{reason} (a guest resolves no names: use the addresses {{server}} and {{client}}, or VMPTCP_SERVER and \
             VMPTCP_CLIENT of the environment)"
        );
    }
    reason
}

/// How a program ended, with the last that it said.
pub(super) fn how(exit: Exit, output: &str) -> String {
    let how = match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
    };
    last_line(output).map_or(how.clone(), |line| format!("{how}: {line}"))
}

fn last_line(output: &str) -> Option<&str> {
    output.lines().rev().map(str::trim).find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::sample::Declared;

    fn judged(client: Option<(i32, &str)>, observed: &Connections, change: fn(&mut Program)) -> String {
        judged_with(None, client, &[], observed, change)
    }

    fn judged_with(
        server: Option<(i32, &str)>,
        client: Option<(i32, &str)>,
        expect: &[Expect],
        observed: &Connections,
        change: fn(&mut Program),
    ) -> String {
        let mut program = Program {
            declared: Declared::default(),
            dir: "/".into(),
            home: "/".into(),
            server: Some(vec!["./server".to_owned()]),
            client: vec!["./client".to_owned()],
            literals: Vec::new(),
            is_told_addresses: false,
        };
        change(&mut program);
        let ended =
            |(code, said): (i32, &str)| TaskEnd { exit: Some(Exit::Code(code)), output: said.to_owned() };
        let said = client.map_or("", |(_, said)| said).to_owned();
        let ran = Ran {
            client: client.map(ended),
            server: server.map(ended),
            client_said: said,
            server_said: String::new(),
        };
        let ScenarioEnd { outcome, reason, .. } = judge(&program, expect, &ran, observed);
        format!("{outcome}: {}", reason.unwrap_or_default())
    }

    #[test]
    fn programs_are_judged_by_what_they_did() {
        let mptcp = Connections { mptcp: 1, asked: 1, ..Connections::default() };
        let none = |_: &mut Program| ();
        insta::assert_snapshot!(
            [
                judged(Some((0, "done")), &mptcp, none),
                judged(Some((1, "connect: refused\n\n")), &mptcp, none),
                judged_with(Some((1, "bind: in use")), Some((1, "connect: refused")), &[], &mptcp, none),
                judged_with(Some((1, "recv: reset")), Some((0, "done")), &[], &mptcp, none),
                judged(Some((4, "no clang")), &mptcp, none),
                judged(None, &mptcp, |program| program.declared.exit = Some(0)),
                judged(Some((0, "a b c")), &mptcp, |program| program.declared.output = Some("x*".to_owned())),
                judged(Some((0, "a b c")), &mptcp, |program| program.declared.output = Some("a*c".to_owned())),
            ]
            .join("\n"),
            @r#"
        pass: 
        fail: the client: exit code 1: connect: refused
        fail: the server: exit code 1: bind: in use; the client: exit code 1: connect: refused
        fail: the server: exit code 1: recv: reset
        skip: no clang
        fail: the client timed out
        fail: no line of the client's output matches "x*"
        pass:
        "#);
    }

    #[test]
    fn connections_are_judged_by_what_the_programs_asked_for() {
        let mptcp = Connections { mptcp: 1, asked: 1, ..Connections::default() };
        let tcp = Connections { tcp: 1, plain: 1, ..Connections::default() };
        let fell_back = Connections { tcp: 1, asked: 1, ..Connections::default() };
        let counters = [("server".to_owned(), [("MPCapableFallbackACK".to_owned(), 1)].into())].into();
        let mixed = Connections { counters, ..tcp.clone() };
        let tried = Connections { attempts: 3, ..Connections::default() };
        let none = |_: &mut Program| ();
        let alone = |program: &mut Program| program.server = None;
        let done = Some((0, ""));
        insta::assert_snapshot!(
            [
                judged(done, &tcp, none),
                judged(done, &fell_back, none),
                judged(done, &mixed, none),
                judged_with(None, done, &[Expect::Tcp], &mixed, none),
                judged(done, &tcp, |program| program.declared.mptcpize = true),
                // Silent, and never ends.
                judged(None, &mptcp, none),
                judged_with(None, None, &[Expect::Mptcp], &mptcp, none),
                judged(None, &Connections::default(), none),
                judged(None, &tried, none),
                judged(None, &Connections::default(), alone),
                judged_with(None, None, &[Expect::None], &Connections::default(), none),
                judged_with(None, done, &[Expect::None], &tcp, none),
                judged_with(None, done, &[Expect::None], &tried, alone),
            ]
            .join("\n"),
            @"
        pass: 
        fail: expected mptcp, but it fell back to TCP, and no counter says why
        fail: expected mptcp, but the client asked for TCP, and the server listens for MPTCP
        pass: 
        fail: expected mptcp, but the client asked for TCP
        pass: 
        pass: 
        fail: no connection was made
        fail: no connection was made, though a program tried 3 times
        fail: the program said nothing in its time, and made no connection
        pass: 
        fail: expected none, but there was 1 connection
        fail: expected none, but 3 connects failed
        ");
    }

    #[test]
    fn who_looks_up_a_name_gets_a_hint() {
        for said in [
            "socket.gaierror: [Errno -3] Temporary failure in name resolution",
            "Error: failed to lookup address information: Temporary failure",
            "dial tcp: lookup server.example: no such host",
            "getaddrinfo: Name or service not known",
        ] {
            let reason = judged(Some((1, said)), &Connections::default(), |_| ());
            assert!(reason.contains("a guest resolves no names: use the addresses {server}"), "{reason}");
        }
        let reason = judged(Some((1, "connect: Connection refused")), &Connections::default(), |_| ());
        assert!(!reason.contains("resolves"), "{reason}");
    }
}
