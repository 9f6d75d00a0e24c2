//! What can be asked of QEMU by QMP, `docs/interop/qmp-spec` of QEMU: by the owner of a guest, and by others of its user.

use super::socket::connect;
use crate::error::{Error, Result};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long QEMU may take to answer a short question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long it may take to write all of a guest's memory.
const DUMP_TIMEOUT: Duration = Duration::from_secs(1800);

/// The name of the socket for other processes, from that of the agent's.
pub(super) fn tools_of(socket: &str) -> String {
    format!("{socket}-tools")
}

/// Takes a new connection of QEMU's into use.
pub(super) fn hello(stream: &mut UnixStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    ask(stream, &mut reader, &json!({ "execute": "qmp_capabilities" })).map(drop)
}

/// Asks one question; events and the greeting that come in between are passed over.
pub(super) fn ask(writer: &mut impl Write, reader: &mut impl BufRead, command: &Value) -> io::Result<Value> {
    writeln!(writer, "{command}")?;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Ok(mut message) = serde_json::from_str::<Value>(&line) else { continue };
        if let Some(error) = message.get("error") {
            let why = error["desc"].as_str().map_or_else(|| error.to_string(), str::to_owned);
            return Err(io::Error::other(why));
        }
        if let Some(answer) = message.get_mut("return") {
            return Ok(answer.take());
        }
    }
}

/// The monitor of a guest that another process started.
#[derive(Debug)]
pub struct Tools {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Tools {
    /// Connects to the monitor of the guest of that socket.
    pub fn connect(socket: &str) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::cannot_run(format!("cannot talk to the process that runs the guest: {error}"))
                .hint("see which guests there are: vmptcp ps")
        };
        let stream = connect(&tools_of(socket)).map_err(failed)?;
        let reader = BufReader::new(stream.try_clone().map_err(failed)?);
        Ok(Self { stream, reader })
    }

    /// What a command for a person prints.
    pub fn command(&mut self, line: &str) -> Result<String> {
        let arguments = json!({ "command-line": line });
        let command = json!({ "execute": "human-monitor-command", "arguments": arguments });
        let answer = self.ask(&command, ANSWER_TIMEOUT)?;
        Ok(answer.as_str().unwrap_or_default().replace('\r', "").trim().to_owned())
    }

    /// Writes the guest's memory into the file `path`, compressed as `crash` reads it. The guest stands still meanwhile.
    pub fn dump(&mut self, path: &Path) -> Result<()> {
        let path = path.to_str().ok_or_else(|| {
            Error::usage(format!("QEMU cannot take the path {}", path.display())).hint("name a file in UTF-8")
        })?;
        let arguments =
            json!({ "paging": false, "protocol": format!("file:{path}"), "format": "kdump-zlib" });
        let command = json!({ "execute": "dump-guest-memory", "arguments": arguments });
        self.ask(&command, DUMP_TIMEOUT).map(drop)
    }

    fn ask(&mut self, command: &Value, timeout: Duration) -> Result<Value> {
        let failed = |error: io::Error| Error::cannot_run(format!("QEMU does not do that: {error}"));
        self.stream.set_read_timeout(Some(timeout)).map_err(failed)?;
        ask(&mut self.stream, &mut self.reader, command).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_among_events() {
        let said = "{\"QMP\": {}}\n{\"event\": \"STOP\"}\nnoise\n{\"return\": \"x\"}\n";
        let mut asked = Vec::new();
        let answer = ask(&mut asked, &mut said.as_bytes(), &json!({ "execute": "q" })).unwrap();
        assert_eq!(answer, "x");
        assert_eq!(String::from_utf8(asked).unwrap(), "{\"execute\":\"q\"}\n");
        let said = "{\"error\": {\"class\": \"X\", \"desc\": \"no such file\"}}\n";
        assert_eq!(
            ask(&mut Vec::new(), &mut said.as_bytes(), &json!({})).unwrap_err().to_string(),
            "no such file"
        );
        assert!(ask(&mut Vec::new(), &mut "".as_bytes(), &json!({})).is_err());
    }
}
