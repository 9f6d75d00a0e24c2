//! How a sample ended: by what its programs did, and what their connections were.

use super::super::stage::Ended;
use super::Verdict;
use super::network::unmet;
use super::prepare::Program;
use crate::event::Outcome;
use crate::event::wire::Wire;
use crate::guest::protocol::Exit;
use crate::suite::Pattern;
use crate::suite::sample::Expect;

/// What the programs did.
pub(super) struct Acted {
    /// How the client ended by itself, if it did.
    pub client: Option<Ended>,
    /// The same for the server.
    pub server: Option<Ended>,
    /// What they said.
    pub client_said: String,
    pub server_said: String,
}

/// What the programs did, and what their connections were, against what they should.
pub(super) fn judge(program: &Program, expect: &[Expect], acted: &Acted, wire: &Wire) -> Verdict {
    let declared = &program.declared;
    let exit_code = match acted.client.as_ref().and_then(|ended| ended.exit) {
        Some(Exit::Code(code)) => Some(code),
        _ => None,
    };
    let verdict = |reason: Option<String>| Verdict {
        outcome: if reason.is_some() { Outcome::Fail } else { Outcome::Pass },
        reason,
        exit_code,
        spoiled: false,
    };
    let server_failed = acted
        .server
        .as_ref()
        .filter(|ended| !ended.is_good())
        .and_then(|ended| ended.exit.map(|exit| format!("the server: {}", how(exit, &ended.output))));
    match &acted.client {
        Some(Ended { exit: None, output }) => return Verdict::new(Outcome::Error, output.clone()),
        Some(Ended { exit: Some(Exit::Code(4)), output }) if declared.exit.is_none() => {
            let why = last_line(output).unwrap_or("it says so").to_owned();
            return Verdict { outcome: Outcome::Skip, reason: Some(why), exit_code, spoiled: false };
        }
        Some(Ended { exit: Some(exit), output }) if *exit != Exit::Code(declared.exit.unwrap_or(0)) => {
            // What the client could not do, a server that failed explains.
            let client_failed = format!("the client: {}", how(*exit, output));
            return verdict(Some(match server_failed {
                Some(server_failed) => format!("{server_failed}; {client_failed}"),
                None => client_failed,
            }));
        }
        None if declared.exit.is_some() => {
            return verdict(Some("the client did not end in its time".to_owned()));
        }
        _ => {}
    }
    if server_failed.is_some() {
        return verdict(server_failed);
    }
    if let Some(output) = &declared.output
        && let Ok(pattern) = Pattern::new(output)
        && !acted.client_said.lines().any(|line| pattern.matches(line.trim()))
    {
        return verdict(Some(format!("no line of the client's output matches {output:?}")));
    }
    let asked = if expect.is_empty() && program.asks_for_mptcp { &[Expect::Mptcp][..] } else { expect };
    let nothing = wire.mptcp + wire.tcp == 0 && program.server.is_some();
    let why = unmet(asked, wire).or_else(|| nothing.then(|| "no connection was made".to_owned()));
    if why.is_none() && acted.client.is_none() && acted.client_said.is_empty() && acted.server_said.is_empty()
    {
        return verdict(Some("neither program said anything in its time".to_owned()));
    }
    verdict(why)
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

    fn judged(client: Option<(i32, &str)>, wire: &Wire, change: fn(&mut Program)) -> String {
        judged_with_server(None, client, wire, change)
    }

    fn judged_with_server(
        server: Option<(i32, &str)>,
        client: Option<(i32, &str)>,
        wire: &Wire,
        change: fn(&mut Program),
    ) -> String {
        let mut program = Program {
            declared: Declared::default(),
            dir: "/".into(),
            server: Some(vec!["./server".to_owned()]),
            client: vec!["./client".to_owned()],
            literals: Vec::new(),
            asks_for_mptcp: true,
        };
        change(&mut program);
        let ended =
            |(code, said): (i32, &str)| Ended { exit: Some(Exit::Code(code)), output: said.to_owned() };
        let said = client.map_or("tick\n", |(_, said)| said).to_owned();
        let acted = Acted {
            client: client.map(ended),
            server: server.map(ended),
            client_said: said,
            server_said: String::new(),
        };
        let Verdict { outcome, reason, .. } = judge(&program, &[], &acted, wire);
        format!("{outcome}: {}", reason.unwrap_or_default())
    }

    #[test]
    fn programs_are_judged_by_what_they_did() {
        let mptcp = Wire { mptcp: 1, ..Wire::default() };
        let tcp = Wire { tcp: 1, ..Wire::default() };
        let none = |_: &mut Program| ();
        insta::assert_snapshot!(
            [
                judged(Some((0, "done")), &mptcp, none),
                judged(None, &mptcp, none),
                judged(Some((1, "connect: refused\n\n")), &mptcp, none),
                judged_with_server(Some((1, "bind: in use")), Some((1, "connect: refused")), &mptcp, none),
                judged_with_server(Some((1, "recv: reset")), Some((0, "done")), &mptcp, none),
                judged(Some((4, "no clang")), &mptcp, none),
                judged(Some((0, "")), &tcp, none),
                judged(Some((0, "")), &tcp, |program| program.asks_for_mptcp = false),
                judged(Some((0, "")), &Wire::default(), |program| program.asks_for_mptcp = false),
                judged(None, &mptcp, |program| program.declared.exit = Some(0)),
                judged(Some((0, "a b c")), &mptcp, |program| program.declared.output = Some("x*".to_owned())),
                judged(Some((0, "a b c")), &mptcp, |program| program.declared.output = Some("a*c".to_owned())),
            ]
            .join("\n"),
            @r#"
        pass: 
        pass: 
        fail: the client: exit code 1: connect: refused
        fail: the server: exit code 1: bind: in use; the client: exit code 1: connect: refused
        fail: the server: exit code 1: recv: reset
        skip: no clang
        fail: expected mptcp, but it was plain TCP from the beginning: nobody asked for MPTCP
        pass: 
        fail: no connection was made
        fail: the client did not end in its time
        fail: no line of the client's output matches "x*"
        pass:
        "#);
    }
}
