//! What others are told of a validation: checks of Patchwork, and an answer by mail, to servers on the loopback interface.

use super::sandbox::{Run, Sandbox};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// The mail with which the series came.
const COVER: &str = "From: Ann <ann@example.org>\nTo: mptcp@example.org\nCc: bob@example.org\n\
    Subject: [PATCH mptcp-next 0/2] mptcp: two\nMessage-Id: <1@example.org>\n\nx\n";

/// A sandbox whose newest run is the validation of two patches: sparse has something against the second one.
fn validated() -> Sandbox {
    let sandbox = Sandbox::new();
    let patch = |number: u32, subject: &str| json!({ "number": number, "subject": subject, "commit": "c".repeat(40) });
    let series = json!({ "event": "series",
        "input": "base..", "again": "", "base": "b".repeat(40), "base_by": null, "strict": false, "partial": false,
        "patches": [patch(1, "mptcp: one"), patch(2, "mptcp: two")],
    });
    let result = |check: &str, patch: Option<u32>, status: &str, findings: Value| {
        json!({
            "event": "check-ended", "check": check, "patch": patch, "status": status, "findings": findings,
            "note": null, "seconds": 1.0, "cached": false,
        })
    };
    let finding =
        json!([{ "severity": "error", "text": "context imbalance", "file": "net/mptcp/pm.c", "line": 12 }]);
    let events = [
        json!({ "event": "run-started", "schema": 1, "version": "0.1.0", "argv": ["vmptcp", "validate"], "steps": ["mails"], "kind": "validation" }),
        series,
        result("build", Some(1), "pass", json!([])),
        result("sparse", Some(2), "fail", finding),
        result("cover", None, "pass", json!([])),
        json!({ "event": "run-ended", "exit_code": 1, "error": null, "hint": null }),
    ];
    let stamp = |(at, event): (usize, &Value)| {
        let mut record = json!({ "time": format!("2026-01-02T03:04:{at:02}Z"), "at_ms": at });
        record.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        format!("{record}\n")
    };
    let log: String = events.iter().enumerate().map(stamp).collect();
    sandbox.write("tree/.vmptcp/runs/20260102-030405-6/events.jsonl", log);
    std::os::unix::fs::symlink("20260102-030405-6", sandbox.tree().join(".vmptcp/runs/latest")).unwrap();
    sandbox.write("tree/cover.eml", COVER);
    sandbox
}

/// Runs `vmptcp` with these variables.
fn run(sandbox: &Sandbox, words: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = sandbox.command(words);
    command.envs(variables.iter().copied());
    sandbox.finish(command)
}

/// A server that talks to each client by `talk`; its port, and what was told to it.
fn server(talk: impl Fn(&TcpStream) -> Option<String> + Send + 'static) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for said in listener.incoming().flatten().filter_map(|stream| talk(&stream)) {
            if sender.send(said).is_err() {
                break;
            }
        }
    });
    (port, receiver)
}

/// Answers a request as Patchwork does, whose series 9 has the patches 71 and 72; returns the request.
fn patchwork(mut stream: &TcpStream, second: &str) -> Option<String> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = match head.split(' ').nth(1)?.split('?').next()? {
        "/api/covers/" => json!([{ "id": 5, "series": [{ "id": 9 }] }]),
        "/api/series/9/" => json!({ "patches": [
            { "id": 71, "name": "[mptcp-next,1/2] mptcp: one" }, { "id": 72, "name": second },
        ] }),
        _ => json!({}),
    };
    let answer = answer.to_string();
    let head_of = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
    stream.write_all((head_of + &answer).as_bytes()).ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}

#[test]
fn checks_are_printed_and_nothing_is_sent_unless_it_is_asked_for() {
    let sandbox = validated();
    let printed = run(&sandbox, &["ci", "patchwork", "--dry-run"], &[("PATCHWORK_TOKEN", "t0ken")]);
    let checks: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(checks[1]["context"], "vmptcp-sparse");
    assert_eq!((checks[1]["patch"].as_u64(), checks[1]["state"].as_str()), (Some(2), Some("fail")));
    assert!(printed.stderr.contains("nothing was sent") && !printed.all().contains("t0ken"));
    let refused = run(&sandbox, &["ci", "patchwork", "--send", "--cover", "cover.eml"], &[]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("PATCHWORK_TOKEN"), "{}", refused.stderr);
}

#[test]
fn checks_are_sent_to_their_patches_with_the_token() {
    let sandbox = validated();
    let (port, requests) = server(|stream| patchwork(stream, "[mptcp-next,2/2] mptcp: two"));
    let url = format!("http://127.0.0.1:{port}");
    let words =
        ["ci", "patchwork", "--send", "--cover", "cover.eml", "--url", &url, "--target-url", "https://x/1"];
    let sent = run(&sandbox, &words, &[("PATCHWORK_TOKEN", "t0ken")]);
    assert_eq!(sent.code, 0, "{}", sent.all());
    let requests: Vec<String> = requests.try_iter().collect();
    assert!(requests[0].starts_with("GET /api/covers/?msgid=1%40example.org "), "{}", requests[0]);
    let posted: Vec<&str> =
        requests[2..].iter().map(|request| request.split(" HTTP").next().unwrap()).collect();
    assert_eq!(
        posted,
        ["POST /api/patches/71/checks/", "POST /api/patches/72/checks/", "POST /api/patches/72/checks/"]
    );
    let sparse = &requests[3];
    assert!(sparse.contains("Authorization: Token t0ken\r\n"), "{sparse}");
    let body: Value = serde_json::from_str(sparse.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let description = "net/mptcp/pm.c:12: context imbalance";
    let expected = json!({ "state": "fail", "context": "vmptcp-sparse", "description": description, "target_url": "https://x/1" });
    assert_eq!(body, expected);
}

#[test]
fn another_series_of_that_name_gets_no_checks() {
    let sandbox = validated();
    let (port, requests) = server(|stream| patchwork(stream, "[mptcp-next,2/2] mptcp: other"));
    let url = format!("http://127.0.0.1:{port}");
    let words = ["ci", "patchwork", "--send", "--message-id", "1@example.org", "--url", &url];
    let refused = run(&sandbox, &words, &[("PATCHWORK_TOKEN", "t0ken")]);
    assert_eq!(refused.code, 2, "{}", refused.all());
    assert!(refused.stderr.contains("is not the one of this run"), "{}", refused.stderr);
    assert!(!requests.try_iter().any(|request| request.starts_with("POST")));
}

/// Takes a mail as a server does that wants to know who sends it; returns the conversation.
fn smtp(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut said, mut data) = (String::new(), false);
    let tell = |line: &str| (&mut &*stream).write_all(format!("{line}\r\n").as_bytes()).ok();
    tell("220 here")?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return Some(said);
        }
        said.push_str(&line);
        match line.trim_end() {
            "." if data => {
                data = false;
                tell("250 taken")?;
            }
            _ if data => {}
            "DATA" => {
                data = true;
                tell("354 go on")?;
            }
            "QUIT" => {
                tell("221 bye")?;
                return Some(said);
            }
            line if line.starts_with("EHLO") => tell("250-here\r\n250 AUTH PLAIN")?,
            line if line.starts_with("AUTH PLAIN") => {
                tell(if line.len() > 11 { "235 you are" } else { "334 " })?;
            }
            line if line.contains(':') => tell("250 yes")?,
            _ => tell("235 you are")?,
        }
    }
}

#[test]
fn the_answer_is_printed_or_sent_to_all_who_have_the_series() {
    let sandbox = validated();
    let words = ["ci", "mail", "--cover", "cover.eml", "--from", "CI <ci@example.org>"];
    let printed = run(&sandbox, &words, &[]);
    assert_eq!(printed.code, 0, "{}", printed.all());
    for line in [
        "To: Ann <ann@example.org>\n",
        "Subject: Re: [PATCH mptcp-next 0/2] mptcp: two\n",
        "In-Reply-To: <1@example.org>\n",
        "| sparse | fail (patch 2) |",
    ] {
        assert!(printed.stdout.contains(line), "{line:?}: {}", printed.stdout);
    }
    assert!(printed.stderr.contains("nothing was sent"));

    let (port, conversations) = server(smtp);
    let server = format!("smtp://127.0.0.1:{port}");
    let words = [&words[..], &["--server", &server, "--send"]].concat();
    assert_eq!(run(&sandbox, &words, &[]).code, 2, "no password");
    let sent = run(&sandbox, &words, &[("SMTP_PASSWORD", "pass\"word")]);
    assert_eq!(sent.code, 0, "{}", sent.all());
    let said = conversations.recv().unwrap();
    for address in ["ann", "mptcp", "bob"] {
        assert!(said.contains(&format!("RCPT TO:<{address}@example.org>\r\n")), "{said}");
    }
    assert!(
        said.contains("MAIL FROM:<ci@example.org>") && said.contains("In-Reply-To: <1@example.org>\r\n"),
        "{said}"
    );
}
