//! `vmptcp shard-template`: tests on several machines, as the definition that a system for that takes.

use super::context::Context;
use crate::error::{Error, ExitCode, Result};
use crate::process::quote;
use crate::report::console;
use crate::text::is_hidden;
use clap::ValueEnum;
use std::num::NonZero;

/// Print a definition that runs tests on several machines
///
/// The kernel is packed once; each machine unpacks it and runs its part with --shard K/N; at the end vmptcp merge makes one run of
/// them, also where a machine died, and names what is missing. What is printed is a beginning: names of machines, queues,
/// images and limits are yours.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp shard-template github > .github/workflows/mptcp.yml
  vmptcp shard-template gitlab --shards 8 > .gitlab-ci.yml
  vmptcp shard-template slurm --uml > shards.sh     then, in the kernel tree: bash shards.sh
  vmptcp shard-template kubernetes --uml -- --profile full")]
pub struct Args {
    /// What runs it
    #[arg(value_name = "SYSTEM")]
    system: System,
    /// The number of machines
    #[arg(long, value_name = "N", default_value = "4")]
    shards: NonZero<u16>,
    /// Test user-mode Linux
    #[arg(long)]
    uml: bool,
    /// Test the kernel of this variant: normal, debug, btf
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
    /// Arguments for vmptcp test on each machine
    #[arg(last = true, value_name = "ARGS", allow_hyphen_values = true)]
    tests: Vec<String>,
}

/// What runs jobs on several machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum System {
    /// GitHub Actions: a matrix.
    Github,
    /// GitLab CI: a job in parallel.
    Gitlab,
    /// Slurm: a job array.
    Slurm,
    /// Kubernetes: an Indexed Job.
    Kubernetes,
}

impl System {
    fn template(self) -> &'static str {
        match self {
            Self::Github => include_str!("shard_template/github.yml"),
            Self::Gitlab => include_str!("shard_template/gitlab.yml"),
            Self::Slurm => include_str!("shard_template/slurm.sh"),
            Self::Kubernetes => include_str!("shard_template/kubernetes.yml"),
        }
    }
}

/// Runs the command.
pub fn run(args: &Args, _: &Context) -> Result<u8> {
    console::out(&text(args)?)?;
    Ok(ExitCode::Passed as u8)
}

/// The definition.
fn text(args: &Args) -> Result<String> {
    let shards = args.shards.get();
    let mut kernel: Vec<&str> = args.uml.then_some("--uml").into_iter().collect();
    if let Some(variant) = &args.variant {
        kernel.extend(["--variant", variant.as_str()]);
    }
    let tests: Vec<&str> = args.tests.iter().map(String::as_str).collect();
    let numbers: Vec<String> = (1..=shards).map(|number| number.to_string()).collect();
    Ok(args
        .system
        .template()
        .replace("@SHARDS@", &shards.to_string())
        .replace("@NUMBERS@", &format!("[{}]", numbers.join(", ")))
        .replace("@KERNEL@", &words(&kernel, args.system)?)
        .replace("@TESTS@", &words(&tests, args.system)?))
}

/// Words for a shell, each with a blank in front.
fn words(words: &[&str], system: System) -> Result<String> {
    let mut line = String::new();
    for word in words {
        // In a block of YAML nothing else has a meaning, but GitHub evaluates this before a shell sees it.
        if word.contains(is_hidden) || system == System::Github && word.contains("${{") {
            return Err(Error::usage(format!("{word:?} cannot stand in a definition"))
                .hint("leave it out here, and add it to what was printed"));
        }
        line.push(' ');
        line.push_str(&quote(word));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Cmd;
    use serde::Deserialize;
    use serde_yaml_ng::{Deserializer, Value};

    fn definition(system: System) -> String {
        let tests = ["diag", "a 'b'"].map(str::to_owned).into();
        let shards = NonZero::new(3).unwrap();
        text(&Args { system, shards, uml: true, variant: Some("debug".to_owned()), tests }).unwrap()
    }

    fn documents(system: System) -> Vec<Value> {
        let text = definition(system);
        assert!(!text.contains('@') || system == System::Github, "{text}");
        Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect()
    }

    /// The shell's text at the end of these keys.
    fn script(value: &Value) -> &str {
        let text = value.as_str().unwrap();
        Cmd::new("sh").args(["-n", "-c", &text.replace("${{ matrix.shard }}", "1")]).read().unwrap();
        text
    }

    const TEST: &str = " --uml --variant debug diag \"a 'b'\"";

    #[test]
    fn github_has_a_matrix() {
        let [workflow] = &documents(System::Github)[..] else { panic!("one document") };
        let jobs = &workflow["jobs"];
        let numbers = &jobs["shard"]["strategy"]["matrix"]["shard"];
        assert_eq!(numbers.as_sequence().unwrap().len(), 3);
        assert!(
            script(&jobs["pack"]["steps"][2]["run"])
                .contains("pack --uml --variant debug packed/kernel.tar.zst")
        );
        let test = script(&jobs["shard"]["steps"][1]["run"]);
        assert!(
            test.contains("--shard ${{ matrix.shard }}/3 ") && test.contains(" --uml --variant debug diag "),
            "{test}"
        );
        assert!(script(&jobs["merge"]["steps"][1]["run"]).contains("merge shard-*/vmptcp"));
        for job in ["pack", "shard", "merge"] {
            assert!(jobs[job]["runs-on"].is_string() && jobs[job]["timeout-minutes"].is_u64(), "{job}");
        }
    }

    #[test]
    fn gitlab_has_a_job_in_parallel() {
        let [pipeline] = &documents(System::Gitlab)[..] else { panic!("one document") };
        assert_eq!(pipeline["shard"]["parallel"].as_u64(), Some(3));
        for job in ["pack", "shard", "merge"] {
            assert_eq!(pipeline[job]["stage"].as_str(), Some(job));
            for line in pipeline[job]["script"].as_sequence().unwrap() {
                script(line);
            }
        }
        let test = script(&pipeline["shard"]["script"][3]);
        assert!(test.contains("$CI_NODE_INDEX/$CI_NODE_TOTAL"), "{test}");
    }

    #[test]
    fn kubernetes_has_an_indexed_job_between_two_others() {
        let jobs = documents(System::Kubernetes);
        let names: Vec<&str> = jobs.iter().map(|job| job["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["vmptcp-pack", "vmptcp-shard", "vmptcp-merge"]);
        for job in &jobs {
            assert_eq!((job["apiVersion"].as_str(), job["kind"].as_str()), (Some("batch/v1"), Some("Job")));
            let pod = &job["spec"]["template"]["spec"];
            assert_eq!(pod["restartPolicy"].as_str(), Some("Never"));
            script(&pod["containers"][0]["command"][2]);
        }
        let spec = &jobs[1]["spec"];
        assert_eq!(spec["completionMode"].as_str(), Some("Indexed"));
        assert_eq!((spec["completions"].as_u64(), spec["parallelism"].as_u64()), (Some(3), Some(3)));
    }

    #[test]
    fn slurm_has_a_script_whose_array_is_as_large_as_its_division() {
        let text = definition(System::Slurm);
        Cmd::new("bash").args(["-n", "-c", &text]).read().unwrap();
        assert!(text.contains("--array=1-3 ") && text.contains("\"$SLURM_ARRAY_TASK_ID/3\""), "{text}");
        assert!(text.contains("vmptcp pack --uml --variant debug "), "{text}");
        assert!(text.contains(TEST), "{text}");
    }

    #[test]
    fn what_would_act_before_a_shell_quotes_it_is_refused() {
        assert!(words(&["a\nb"], System::Slurm).is_err());
        assert!(words(&["${{ secrets.X }}"], System::Github).is_err());
        assert_eq!(words(&["${{ x }}", "$HOME"], System::Slurm).unwrap(), " '${{ x }}' '$HOME'");
    }
}
