//! What a directory with a sample holds: how it is built, and which of its programs is the server.

use crate::text::nearest::meant;

/// How a directory is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Build {
    /// By its Makefile.
    Make,
    /// Each of these C or C++ files is a program.
    Compile(Vec<String>),
    /// Not at all.
    Nothing,
}

/// How a directory with these files is built.
pub fn build(files: &[String]) -> Build {
    if files.iter().any(|name| ["GNUmakefile", "makefile", "Makefile"].contains(&name.as_str())) {
        return Build::Make;
    }
    let sources: Vec<String> = files.iter().filter(|name| is_source(name)).cloned().collect();
    if sources.is_empty() { Build::Nothing } else { Build::Compile(sources) }
}

/// Whether a file is compiled into a program where no Makefile says how.
pub fn is_source(name: &str) -> bool {
    ["c", "cc", "cpp", "cxx"].contains(&kind(name))
}

/// The command that makes a program of a source, and its name.
pub fn compile(source: &str) -> Vec<String> {
    let compiler = if kind(source) == "c" { "cc" } else { "c++" };
    let program = source.rsplit_once('.').map_or(source, |(stem, _)| stem);
    let words = [compiler, "-O2", "-g", "-Wall", "-pthread", "-o", program, source];
    words.map(str::to_owned).to_vec()
}

/// The programs of a sample, as file names in its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roles {
    /// One for each host.
    Pair {
        /// Runs on the server's host.
        server: String,
        /// Runs on the client's host.
        client: String,
    },
    /// One alone, on the client's host.
    Single(String),
}

/// Which of the programs is the server, and which the client: by the words in their names.
pub fn roles(programs: &[String]) -> Result<Roles, String> {
    let having = |word: &str| -> Vec<&String> {
        programs.iter().filter(|name| name.to_lowercase().contains(word)).collect()
    };
    let list = || programs.join(", ");
    match (&having("server")[..], &having("client")[..]) {
        ([server], [client]) => Ok(Roles::Pair { server: (*server).clone(), client: (*client).clone() }),
        ([], [_, ..]) => Err(match meant("server", programs.iter().map(String::as_str)) {
            Some(name) if !name.contains("client") => {
                format!("no program is called *server*, among {}; is it {name}?", list())
            }
            _ => format!("no program is called *server*, among {}", list()),
        }),
        ([_, ..], []) => Err(format!("no program is called *client*, among {}", list())),
        ([], []) => match programs {
            [one] => Ok(Roles::Single(one.clone())),
            [] => Err("there is no program in it".to_owned()),
            _ => Err(format!("none of the programs is called *server* or *client*: {}", list())),
        },
        _ => Err(format!("more than one program could be the server or the client: {}", list())),
    }
}

/// The command for a program in the current directory: by its interpreter, where its name tells one.
pub fn command(program: &str) -> Vec<String> {
    let interpreter = match kind(program) {
        "py" => Some("python3"),
        "sh" => Some("sh"),
        "pl" => Some("perl"),
        _ => None,
    };
    interpreter.map(str::to_owned).into_iter().chain([format!("./{program}")]).collect()
}

/// Whether a file that is no executable is a program all the same.
pub fn is_script(name: &str) -> bool {
    ["py", "sh", "pl"].contains(&kind(name))
}

/// What a file is, by the end of its name; empty where that says nothing.
pub fn kind(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn server_and_client_are_found_by_name() {
        let text = |programs: &[&str]| match roles(&strings(programs)) {
            Ok(Roles::Pair { server, client }) => format!("{server} + {client}"),
            Ok(Roles::Single(one)) => one,
            Err(why) => why,
        };
        insta::assert_snapshot!(
            [
                text(&["my_Server", "tcpclient.py"]),
                text(&["demo.sh"]),
                text(&["client", "serve"]),
                text(&["client"]),
                text(&["server"]),
                text(&["a", "b"]),
                text(&["server1", "server2", "client"]),
                text(&[]),
            ]
            .join("\n"),
            @"
        my_Server + tcpclient.py
        demo.sh
        no program is called *server*, among client, serve; is it serve?
        no program is called *server*, among client
        no program is called *client*, among server
        none of the programs is called *server* or *client*: a, b
        more than one program could be the server or the client: server1, server2, client
        there is no program in it
        ");
    }

    #[test]
    fn what_is_built_follows_from_the_files() {
        let files = strings(&["server.c", "client.cc", "README"]);
        assert_eq!(build(&files), Build::Compile(strings(&["server.c", "client.cc"])));
        assert_eq!(build(&strings(&["server.c", "Makefile"])), Build::Make);
        assert_eq!(build(&strings(&["x.py"])), Build::Nothing);
        assert_eq!(
            compile("my.server.cpp").join(" "),
            "c++ -O2 -g -Wall -pthread -o my.server my.server.cpp"
        );
        assert_eq!(compile("x.c")[0], "cc");
        assert_eq!(command("x.py"), ["python3", "./x.py"]);
        assert_eq!(command("x"), ["./x"]);
    }
}
