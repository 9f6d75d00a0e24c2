use super::*;
use std::fs;
use std::time::Duration;
use toml::Value;

/// A home, a tree, and an environment that knows them.
struct Sandbox {
    dir: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Sandbox {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("home/.config/vmptcp")).unwrap();
        fs::create_dir_all(dir.path().join("tree ü")).unwrap();
        Self { dir, variables: Vec::new() }
    }

    fn user(self, text: &str) -> Self {
        fs::write(self.dir.path().join("home/.config/vmptcp/config.toml"), text).unwrap();
        self
    }

    fn in_tree(self, text: &str) -> Self {
        fs::write(self.tree().join(TREE_FILE), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn tree(&self) -> PathBuf {
        self.dir.path().join("tree ü")
    }

    fn environment(&self) -> Environment {
        let home = ("HOME".to_owned(), self.dir.path().join("home").to_str().unwrap().to_owned());
        Environment::new(self.variables.iter().cloned().chain([home])).in_dir(self.dir.path())
    }

    fn load(&self, overrides: &[Override]) -> Result<Loaded> {
        load(&self.environment(), Some(&self.tree()), overrides)
    }

    /// The error's text, without the directory that is another one each time.
    fn wrong(&self) -> String {
        let error = self.load(&[]).unwrap_err();
        assert_eq!(error.kind(), error::Kind::Usage);
        error.to_string().replace(self.dir.path().to_str().unwrap(), "")
    }
}

fn cpus(count: i64) -> Vec<Override> {
    vec![Override { key: "vm.cpus", value: Value::Integer(count), flag: format!("--cpus {count}") }]
}

#[test]
fn the_built_in_layer_has_every_key_and_nothing_wrong() {
    let file = File { layer: Layer::BuiltIn, path: Path::new("/x"), home: None };
    let (leaves, problems) = file.parse(DEFAULTS.as_bytes());
    assert_eq!(problems, Vec::<String>::new());
    let names: Vec<&str> = leaves.iter().map(|leaf| leaf.key.as_str()).collect();
    let known: Vec<&str> = keys::KEYS.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(names[..known.len()], known);
    let open = ["profile.", "topology."];
    assert!(names[known.len()..].iter().all(|name| open.iter().any(|start| name.starts_with(start))));
}

#[test]
fn every_key_is_documented() {
    // Topologies have their documentation in front of the first.
    let (keys, _) = DEFAULTS.split_once("[topology.").unwrap();
    let lines: Vec<&str> = keys.lines().collect();
    for pair in lines.windows(2) {
        let is_key = pair[1].contains(" = ") && !pair[1].starts_with('#');
        let in_profile = pair[1].starts_with("tests") || pair[1].starts_with("description");
        assert!(!is_key || in_profile || pair[0].starts_with('#'), "no comment above {}", pair[1]);
    }
}

#[test]
fn the_built_in_values_are_what_the_types_say() {
    let settings = load(&Environment::default(), None, &[]).unwrap().settings;
    assert_eq!(settings.kernel.tree, None);
    assert_eq!(settings.kernel.base, Base::Minimal);
    assert_eq!(settings.kernel.jobs, None);
    assert_eq!(settings.vm.memory, Auto::Auto);
    assert_eq!(settings.vm.root, Root::Dir("/".into()));
    assert_eq!(settings.test.repeat.get(), 1);
    assert_eq!(settings.results.keep.unwrap().get(), 20);
    assert_eq!(settings.profile["full"].tests, ["*"]);
}

#[test]
fn every_word_of_a_key_has_a_type_for_it() {
    for (key, shape) in keys::KEYS.iter() {
        let words = match shape {
            Shape::Word(words) => words,
            Shape::Base => Base::WORDS,
            Shape::AutoSeconds | Shape::AutoMemory => &["auto"],
            _ => continue,
        };
        for word in words {
            let given = Override { key, value: Value::from(*word), flag: "--x".to_owned() };
            assert!(load(&Environment::default(), None, &[given]).is_ok(), "{key} = {word}");
        }
    }
}

#[test]
fn a_later_layer_wins() {
    let sandbox = Sandbox::new();
    let value = |sandbox: &Sandbox, overrides: &[Override]| {
        let loaded = sandbox.load(overrides).unwrap();
        let origin = loaded.origin("vm.cpus").unwrap();
        let shown = origin.to_string().replace(sandbox.dir.path().to_str().unwrap(), "");
        (loaded.settings.vm.cpus.map_or(0, std::num::NonZero::get), origin.layer(), shown)
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(value(&sandbox, &[]), (0, Layer::BuiltIn, text("built-in")));
    let sandbox = sandbox.user("[vm]\n\ncpus = 1\n");
    assert_eq!(value(&sandbox, &[]), (1, Layer::User, text("/home/.config/vmptcp/config.toml:3")));
    let sandbox = sandbox.in_tree("vm.cpus = 2");
    assert_eq!(value(&sandbox, &[]), (2, Layer::Tree, text("/tree ü/vmptcp.toml:1")));
    let sandbox = sandbox.variable("VMPTCP_VM_CPUS", "3");
    assert_eq!(value(&sandbox, &[]), (3, Layer::Environment, text("VMPTCP_VM_CPUS")));
    assert_eq!(value(&sandbox, &cpus(4)), (4, Layer::Flags, text("--cpus 4")));
}

#[test]
fn values_arrive_typed() {
    let user = "
        [vm]
        memory = '3G'
        boot-timeout = 90
        [kernel]
        base = '~/my.config'
        [test]
        env = { A = '1', B = '1' }";
    let tree = "
        [kernel]
        fragments = ['a b.config', '/abs']
        work-dir = 'w'
        [test.env]
        B = '2'
        [profile.smoke]
        tests = ['diag']";
    let sandbox = Sandbox::new().user(user).in_tree(tree).variable("VMPTCP_RESULTS_DIR", "runs");
    let settings = sandbox.load(&[]).unwrap().settings;
    let at = |path: &str| sandbox.dir.path().join(path);
    assert_eq!(settings.vm.memory, Auto::Given(Size::from_mib(3072)));
    assert_eq!(settings.vm.boot_timeout, Auto::Given(Duration::from_secs(90)));
    assert_eq!(settings.kernel.base, Base::File(at("home/my.config")));
    assert_eq!(settings.kernel.fragments, [at("tree ü/a b.config"), PathBuf::from("/abs")]);
    assert_eq!(settings.kernel.work_dir, Some(at("tree ü/w")));
    assert_eq!(settings.results.dir, Some(at("runs")));
    assert_eq!(settings.test.env["A"], "1");
    assert_eq!(settings.test.env["B"], "2");
    assert_eq!(settings.profile["smoke"].tests, ["diag"]);
}

#[test]
fn the_tree_is_asked_for_before_its_file_is_read() {
    let sandbox = Sandbox::new().user("kernel.tree = '~/linux'").in_tree("not toml");
    let tree = configured_tree(&sandbox.environment(), &[]).unwrap();
    assert_eq!(tree, Some(sandbox.dir.path().join("home/linux")));
    let given = Override { key: "kernel.tree", value: Value::from("there"), flag: "--tree there".to_owned() };
    let tree = configured_tree(&sandbox.environment(), &[given]).unwrap();
    assert_eq!(tree, Some(sandbox.dir.path().join("there")));
    assert_eq!(configured_tree(&Environment::default(), &[]).unwrap(), None);
}

#[test]
fn all_layers_tell_what_is_wrong_together() {
    let sandbox = Sandbox::new()
        .user("vm.cpu = 1\ntest.timeout = 0")
        .in_tree("kernel.tree = '.'\nvm memory\n")
        .variable("VMPTCP_VM_MEMORY", "much");
    insta::assert_snapshot!(sandbox.wrong(), @r#"
    4 settings are wrong:
      /home/.config/vmptcp/config.toml:1:4: unknown setting vm.cpu: the nearest is vm.cpus
      /home/.config/vmptcp/config.toml:2:6: test.timeout = 0: expected auto or a time above 0: 90 (seconds), 90s, 30m or 2h
      cannot read /tree ü/vmptcp.toml:2:4: key with no value, expected `=`
      2 | vm memory
             ^
      VMPTCP_VM_MEMORY: vm.memory = "much": expected auto or a size of at least 64M, such as 512M or 2G
    "#);
    insta::assert_snapshot!(Sandbox::new().in_tree("kernel.tree = '.'").wrong(), @"/tree ü/vmptcp.toml:1:8: kernel.tree cannot be set in a tree's own file: set it in the user's, or with VMPTCP_KERNEL_TREE");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.tree().join(TREE_FILE)).unwrap();
    insta::assert_snapshot!(sandbox.wrong(), @"cannot read /tree ü/vmptcp.toml: it is not a regular file");
}

#[test]
fn an_unknown_profile_names_the_nearest() {
    let sandbox =
        Sandbox::new().in_tree("[profile.slow]\ntests = ['join']").variable("VMPTCP_TEST_PROFILE", "slo");
    let loaded = sandbox.load(&[]).unwrap();
    let error = loaded.profile().unwrap_err();
    insta::assert_snapshot!(format!("{error}\n{}", error.remedy().unwrap()), @r"
    VMPTCP_TEST_PROFILE: unknown profile slo: the nearest is slow
    use one of full, slow, smoke, or add a section [profile.slo] to vmptcp.toml
    ");
    let loaded = Sandbox::new().load(&[]).unwrap();
    let (name, profile) = loaded.profile().unwrap();
    assert_eq!((name, profile.tests.len()), ("smoke", 4));
}

#[test]
fn the_listing_shows_every_value_and_its_origin() {
    let sandbox = Sandbox::new()
        .user("\n[test.env]\nA = \"x\\u001b[31m\"\n[vm]\nappend = ['a=\"b\"']")
        .variable("VMPTCP_KERNEL_JOBS", "7");
    let loaded = sandbox.load(&cpus(4)).unwrap();
    insta::assert_snapshot!(loaded.to_text(sandbox.environment().home()), @r#"
    kernel.tree = ""                                      built-in
    kernel.work-dir = ""                                  built-in
    kernel.base = "minimal"                               built-in
    kernel.variant = "normal"                             built-in
    kernel.gcov = false                                   built-in
    kernel.clang = false                                  built-in
    kernel.uml = false                                    built-in
    kernel.fragments = []                                 built-in
    kernel.symbols = []                                   built-in
    kernel.selftests = ""                                 built-in
    kernel.strict = false                                 built-in
    kernel.jobs = 7                                       VMPTCP_KERNEL_JOBS
    kernel.ccache = "auto"                                built-in
    source.url = "https://github.com/multipath-tcp/mptcp_net-next.git"  built-in
    source.branch = "export"                              built-in
    vm.accelerator = "auto"                               built-in
    vm.count = 0                                          built-in
    vm.cpus = 4                                           --cpus 4
    vm.memory = "auto"                                    built-in
    vm.boot-timeout = "auto"                              built-in
    vm.boots = 5                                          built-in
    vm.boot-splat = "note"                                built-in
    vm.after-splat = "replace"                            built-in
    vm.lean = true                                        built-in
    vm.filesystem = "auto"                                built-in
    vm.time = "auto"                                      built-in
    vm.root = "/"                                         built-in
    vm.allow-unconfined = false                           built-in
    vm.rw = []                                            built-in
    vm.append = ["a=\"b\""]                               ~/.config/vmptcp/config.toml:5
    vm.qemu-args = []                                     built-in
    image.mirror = ""                                     built-in
    test.profile = "smoke"                                built-in
    test.timeout = "auto"                                 built-in
    test.slow = "auto"                                    built-in
    test.fail-fast = false                                built-in
    test.repeat = 1                                       built-in
    test.seeds = "1"                                      built-in
    test.vary = []                                        built-in
    test.confirm-seeds = 20                               built-in
    test.shards = true                                    built-in
    test.fresh-vm = false                                 built-in
    test.confirm = 1                                      built-in
    test.until-fail = false                               built-in
    test.stress = false                                   built-in
    test.env.A = "x\u001B[31m"                            ~/.config/vmptcp/config.toml:3
    test.known-flakes = []                                built-in
    test.ignore-flaky = true                              built-in
    test.all-features = false                             built-in
    packetdrill.source = ""                               built-in
    packetdrill.scripts = ""                              built-in
    packetdrill.tolerance = 0                             built-in
    packetdrill.debug-flaky = true                        built-in
    results.dir = ""                                      built-in
    results.keep = 20                                     built-in
    results.keep-days = 180                               built-in
    profile.full.description = "every test of the suite"  built-in
    profile.full.tests = ["*"]                            built-in
    profile.smoke.description = "the quick ones, together a sign of life of every part"  built-in
    profile.smoke.tests = ["pm_netlink", "mptcp_sockopt", "userspace_pm", "diag"]  built-in
    topology.lan = { description = "two hosts with two interfaces each, all in one network", host = { client = { add-addr-accepted = 2, endpoint = [{ address = "192.168.3.11", flags = ["subflow"] }], subflows = 2 }, server = { add-addr-accepted = 2, endpoint = [{ address = "192.168.3.21", flags = ["signal"] }], subflows = 2 } }, link = [{ ends = [{ address = ["192.168.3.10/24"], host = "client" }, { address = ["192.168.3.11/24"], host = "client" }, { address = ["192.168.3.20/24"], host = "server" }, { address = ["192.168.3.21/24"], host = "server" }] }] }  built-in
    topology.pair = { description = "a client and a server, over two links", host = { client = { add-addr-accepted = 2, endpoint = [{ address = "10.0.2.1", flags = ["subflow"] }, { address = "fd00:2::1", flags = ["subflow"] }], subflows = 2 }, server = { add-addr-accepted = 2, subflows = 2 } }, link = [{ delay = "5ms", ends = [{ address = ["10.0.1.1/24", "fd00:1::1/64"], host = "client" }, { address = ["10.0.1.2/24", "fd00:1::2/64"], host = "server" }], rate = "10mbit" }, { delay = "5ms", ends = [{ address = ["10.0.2.1/24", "fd00:2::1/64"], host = "client" }, { address = ["10.0.2.2/24", "fd00:2::2/64"], host = "server" }], rate = "10mbit" }] }  built-in
    "#);
    let json = loaded.to_json();
    assert_eq!(json["vm.cpus"], serde_json::json!({ "value": 4, "layer": "flags", "source": "--cpus 4" }));
    assert_eq!(json["vm.rw"], serde_json::json!({ "value": [], "layer": "built-in", "source": "built-in" }));
    assert_eq!(json["test.env.A"]["value"], "x\u{1b}[31m");
    assert_eq!(json.as_object().unwrap().keys().next().unwrap(), "kernel.tree");
}
