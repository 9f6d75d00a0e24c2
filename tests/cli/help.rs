//! What the command says of itself.

use super::sandbox::Sandbox;
use vmptcp::error::ExitCode;

/// The commands that are no secret.
pub fn commands() -> Vec<String> {
    let command = vmptcp::cli::command();
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn the_help_names_the_commands_and_the_exit_codes() {
    let run = Sandbox::empty().run(["--help"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(run.stdout, @r"
    From a kernel tree to an MPTCP verdict with one command

    Merges the MPTCP kconfig fragments, builds the kernel, boots it with virtme-ng, and runs the MPTCP
    selftests inside.

    Usage: vmptcp [OPTIONS] <COMMAND>

    Everyday:
      run             Build the kernel, boot it and run the tests
      test            Run tests in a guest; builds first what changed
      ci              Run tests as a CI system does, and tell others of the results
      matrix          Run the same tests on several kernels
      hunt            Find the seeds with which a test fails
      flakes          List what fails at times: how often, since when
      compare         Compare two runs
      report          Show an earlier run again
      merge           Merge the runs of all shards into one run with one report
      shard-template  Print a definition that runs tests on several machines
      history         Add the public CI's results to the history, or rebuild it

    Series:
      validate        Validate a series of patches before it is sent
      hook            Validate what git send-email and b4 are about to send
      bisect          Find the commit that broke a test

    Guests:
      exec            Run a command in a guest
      shell           Open a terminal in a guest
      ps              List the guests that you are running
      attach          Open a terminal, or run a command, in a guest that is running
      gdb             Attach gdb to the kernel of a guest that is running
      dump            Write the memory of a guest that is running into a file
      stop            Stop a guest, and the invocation that it runs for
      sample          Build and run sample programs in a network, and show which protocol they used
      module          Build kernel modules, load them, watch them, and unload them
      topology        List the networks that programs can run in, or draw one
      mptcp           Show MPTCP sysctls, limits and endpoints of a guest, or of a network's hosts

    Set-up:
      source          Obtain a kernel tree
      config          Configure the kernel, and prove that each symbol is set
      build           Build the kernel, its modules, headers and the MPTCP selftests
      pack            Pack a built kernel, to test it on other machines
      unpack          Unpack a kernel that was built elsewhere
      doctor          Check every tool and the machine, and say what is missing
      image           Make, list and remove root filesystems for guests
      settings        Show every setting, and where its value comes from
      completions     Print what makes a shell complete commands, flags and names
      man             Write the manual pages
      help            Show the help of a command

          --tree <DIR>
              The kernel tree [default: the current directory, the configured one, or what `vmptcp
              source` obtained]

      -v, --verbose
              Show every subtest and every VM

      -q, --quiet
              Show only what went wrong, and the verdict

          --color <WHEN>
              When to use colours

              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Always
              - never:  Never
              
              [default: auto]

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Examples:
      vmptcp run                           from a tree to the verdict of the default profile
      vmptcp test                          build what changed, then run that profile
      vmptcp test mptcp_join -- -f         one script, with an argument of its own
      vmptcp test mptcp_join:subflows      only these groups of its subtests
      vmptcp hunt simult_flows             a test that fails now and then: the seed with which it does
      vmptcp validate                      the patches on top of the tree, before they are sent
      vmptcp config -e NET_SCH_CAKE        configure, and report whether each symbol is set
      vmptcp sample c-echo                 a sample program, and the protocol that it used
      vmptcp module ~/src/my-modules       kernel modules: built, loaded, watched, unloaded
      vmptcp exec -- ip mptcp limits       one command in a guest
      vmptcp shell                         a terminal in a guest
      vmptcp ps                            which guests run; vmptcp attach, vmptcp stop
      vmptcp doctor --fix                  see what is missing, and install it

    Exit codes:
        0  passed                          4  the kernel could not be configured or built
        1  a test failed or timed out      5  could not run: something is missing or broken
        2  usage: bad input                130  interrupted
        3  a guest crashed, or its kernel printed a splat
      `vmptcp exec` and `vmptcp shell` pass the guest's exit code through.

    The modes of mptcp-upstream-virtme-docker work too: vmptcp help incumbent.
    ");
}

#[test]
fn the_help_lists_every_command_once_and_fits_a_screen() {
    let help = Sandbox::empty().run(["-h"]).stdout;
    for command in commands() {
        let lines = help
            .lines()
            .filter(|line| line.split_whitespace().next() == Some(&command) && line.starts_with("  "));
        assert_eq!(lines.count(), 1, "{command}:\n{help}");
    }
    assert!(help.lines().count() <= 60, "{help}");
}

#[test]
fn every_command_has_a_purpose_and_examples() {
    let sandbox = Sandbox::empty();
    let commands = commands();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in &commands {
        let run = sandbox.run([command, "--help"]);
        assert_eq!(run.code, 0, "{command}");
        assert!(run.stdout.contains("\nExamples:\n  "), "{command} has no examples");
        let shown =
            run.stdout.lines().any(|line| line.trim_start().starts_with(&format!("vmptcp {command}")));
        assert!(shown, "no example of {command} shows it");
        let short = sandbox.run([command, "-h"]);
        assert_eq!(short.code, 0, "{command}");
    }
}

#[test]
fn the_exit_codes_are_distinct_and_all_in_the_help() {
    use ExitCode::{BuildFailed, CannotRun, Crashed, Interrupted, Passed, TestsFailed, Usage};
    let help = Sandbox::empty().run(["--help"]).stdout;
    let (_, told) = help.split_once("Exit codes:").unwrap();
    let words: Vec<&str> = told.split_whitespace().collect();
    let mut seen = Vec::new();
    for code in [Passed, TestsFailed, Usage, Crashed, BuildFailed, CannotRun, Interrupted] {
        let number = (code as u8).to_string();
        assert!(words.contains(&number.as_str()), "{code:?} ({number}) is not in the help");
        assert!(!seen.contains(&number), "{number} has two meanings");
        seen.push(number);
    }
}

#[test]
fn without_a_command_the_help_goes_to_standard_error() {
    let run = Sandbox::empty().run([""; 0]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("Usage: vmptcp"), "{}", run.stderr);
}

#[test]
fn the_inside_of_a_guest_is_not_advertised() {
    let help = Sandbox::empty().run(["--help"]).stdout;
    assert!(!help.contains("\n  agent"));
}
