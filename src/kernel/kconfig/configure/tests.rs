use super::super::verdict;
use super::*;
use crate::kernel::MakeEnvironment;
use kconfig::Fragment;
use std::os::unix::fs::MetadataExt;

/// A tree whose kconfig grants all that it is asked, but for DENIED; and counts how often it ran.
const MAKEFILE: &str = "\
allnoconfig:\n\tgrep -v DENIED $(O)/$(KCONFIG_ALLCONFIG) > $(O)/$(KCONFIG_CONFIG); echo >> $(O)/runs\n\
olddefconfig:\n\tgrep -v DENIED $(O)/$(KCONFIG_CONFIG) > $(O)/t; mv $(O)/t $(O)/$(KCONFIG_CONFIG); echo >> $(O)/runs\n\
defconfig:\n\techo CONFIG_FROM_BASE=y > $(O)/$(KCONFIG_CONFIG); echo CONFIG_A=n >> $(O)/$(KCONFIG_CONFIG)\n";

const KCONFIG: &str =
    "config A\n\tbool \"a\"\nconfig DENIED\n\tbool \"d\"\n\tdepends on NOWHERE\nconfig B\n\tbool \"b\"\n";

struct Sandbox {
    _dir: tempfile::TempDir,
    request: ConfigureRequest,
}

impl Sandbox {
    fn new(fragment: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        std::fs::write(tree.join("Makefile"), MAKEFILE).unwrap();
        std::fs::write(tree.join("Kconfig"), KCONFIG).unwrap();
        let request = ConfigureRequest {
            out: dir.path().join("out"),
            cache: dir.path().join("cache"),
            base: Base::Minimal,
            sources: vec![Source::Fragment(Fragment {
                by: Asker::User,
                label: "a.config".into(),
                text: fragment.into(),
            })],
            required: Vec::new(),
            make_variables: Vec::new(),
            environment: MakeEnvironment::default(),
            strict: false,
            tree,
        };
        Self { _dir: dir, request }
    }

    fn configure(&self) -> Outcome {
        configure(&self.request, &mut |_| ()).unwrap()
    }

    fn fails(&self) -> Error {
        configure(&self.request, &mut |_| ()).unwrap_err()
    }

    fn config(&self) -> String {
        std::fs::read_to_string(self.request.out.join(".config")).unwrap()
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.request.out.join("runs")).unwrap().len()
    }

    fn written(&self) -> (u64, i64) {
        let data = std::fs::metadata(self.request.out.join(".config")).unwrap();
        (data.ino(), data.mtime_nsec())
    }
}

#[test]
fn what_did_not_change_is_known_without_make_and_keeps_its_proof() {
    let mut sandbox = Sandbox::new("CONFIG_A=y\nCONFIG_DENIED=y\n");
    sandbox.request.required.push(Request::from_flag("-e", "DENIED", Value::Yes).unwrap());
    let first = sandbox.configure();
    assert!(first.changed && first.resolved);
    assert_eq!((first.proof.requested, first.proof.granted), (2, 1));
    assert!(verdict(&first.proof).unwrap_err().to_string().contains("CONFIG_DENIED"));
    let again = sandbox.configure();
    assert_eq!(again, Outcome { changed: false, resolved: false, ..first });
    assert_eq!(sandbox.runs(), 1);
}

#[test]
fn the_file_is_untouched_if_its_content_stays_the_same() {
    let mut sandbox = Sandbox::new("CONFIG_A=y\n");
    sandbox.configure();
    let written = sandbox.written();
    sandbox.request.sources.push(Source::Symbol(Request::from_flag("-e", "A", Value::Yes).unwrap()));
    let outcome = sandbox.configure();
    assert!(outcome.resolved && !outcome.changed);
    assert_eq!((sandbox.runs(), sandbox.written()), (2, written));
    assert!(!sandbox.request.out.join(SCRATCH).exists());
}

#[test]
fn a_changed_tree_or_an_edited_result_is_resolved_again() {
    let sandbox = Sandbox::new("CONFIG_A=y\n");
    sandbox.configure();
    std::fs::write(sandbox.request.tree.join("Kconfig"), format!("{KCONFIG}config C\n\tbool\n")).unwrap();
    assert!(sandbox.configure().resolved);
    std::fs::write(sandbox.request.out.join(".config"), "CONFIG_EDITED=y\n").unwrap();
    assert!(sandbox.configure().changed);
    assert_eq!((sandbox.config().as_str(), sandbox.runs()), ("CONFIG_A=y\n", 3));
}

/// A fragment of the tree's, then one of vmptcp's.
fn ask(sandbox: &mut Sandbox, tree: &str, own: &str) {
    let fragment = |by, text: &str| Fragment { by, label: format!("{by:?}"), text: text.to_owned() };
    let tree = fragment(Asker::Tree, tree);
    sandbox.request.required = tree.parse().unwrap().requests;
    sandbox.request.sources = [tree, fragment(Asker::Tool, own)].into_iter().map(Source::Fragment).collect();
}

#[test]
fn what_the_tree_asks_for_gets_what_it_needs_from_vmptcp_but_not_from_the_user() {
    let mut sandbox = Sandbox::new("");
    let kconfig = "config BLOCK\n\tbool \"b\"\nconfig LOOP\n\ttristate \"l\"\n\tdepends on BLOCK && TARGET\n\
                   config TARGET\n\tbool \"t\"\n";
    std::fs::write(sandbox.request.tree.join("Kconfig"), kconfig).unwrap();
    // LOOP takes only together with what it depends on.
    let makefile = "allnoconfig:\n\techo >> $(O)/runs; cp $(O)/$(KCONFIG_ALLCONFIG) $(O)/$(KCONFIG_CONFIG); \\\n\
        \tgrep -q BLOCK=y $(O)/$(KCONFIG_CONFIG) && grep -q TARGET=y $(O)/$(KCONFIG_CONFIG) || \\\n\
        \tsed -i /LOOP/d $(O)/$(KCONFIG_CONFIG)\n";
    std::fs::write(sandbox.request.tree.join("Makefile"), makefile).unwrap();
    ask(&mut sandbox, "CONFIG_LOOP=m\n", "# CONFIG_BLOCK is not set\n# CONFIG_LOOP is not set\n");
    let proof = sandbox.configure().proof;
    assert_eq!(sandbox.config(), "CONFIG_LOOP=m\nCONFIG_BLOCK=y\nCONFIG_TARGET=y\n");
    assert!(verdict(&proof).is_ok() && sandbox.runs() == 2, "{proof:?}");
    let added: Vec<_> =
        proof.added.iter().map(|added| format!("{}: {}", added.symbol, added.origin)).collect();
    assert_eq!(added, ["BLOCK: CONFIG_LOOP of Tree:1 needs it", "TARGET: CONFIG_LOOP of Tree:1 needs it"]);
    // The user's word is the last one, and the error says so.
    sandbox.request.sources.push(Source::Symbol(Request::from_flag("-d", "BLOCK", Value::No).unwrap()));
    let proof = sandbox.configure().proof;
    assert!(verdict(&proof).unwrap_err().to_string().ends_with("CONFIG_LOOP"));
    assert!(kconfig::render(&proof.mismatches).contains("turned off in -d on the command line"));
}

#[test]
fn a_tree_that_cannot_be_read_whole_is_never_taken_as_unchanged() {
    let sandbox = Sandbox::new("CONFIG_A=y\n");
    std::fs::write(sandbox.request.tree.join("Kconfig"), "source \"$(WHAT)\"\n").unwrap();
    assert!(sandbox.configure().resolved && sandbox.configure().resolved);
}

#[test]
fn requests_go_on_top_of_a_base() {
    let mut sandbox = Sandbox::new("CONFIG_A=y\n");
    sandbox.request.base = Base::Defconfig;
    sandbox.configure();
    assert_eq!(sandbox.config(), "CONFIG_FROM_BASE=y\nCONFIG_A=y\n");
    sandbox.request.base = Base::Existing;
    sandbox.request.sources.push(Source::Symbol(Request::from_assignment("--set", "NR=8").unwrap()));
    sandbox.configure();
    assert_eq!(sandbox.config(), "CONFIG_FROM_BASE=y\nCONFIG_A=y\nCONFIG_NR=8\n");
    let file = sandbox.request.tree.join("my base");
    std::fs::write(&file, "# mine\n# CONFIG_A is not set\nCONFIG_B=m\n").unwrap();
    sandbox.request.base = Base::File(file);
    sandbox.configure();
    assert_eq!(sandbox.config(), "# mine\nCONFIG_B=m\nCONFIG_A=y\nCONFIG_NR=8\n");
}

#[test]
fn what_cannot_be_done_says_what_to_do() {
    let mut sandbox = Sandbox::new("CONFIG_A=y\n");
    sandbox.request.base = Base::Existing;
    assert!(sandbox.fails().remedy().unwrap().contains("--base minimal"));
    sandbox.request.base = Base::Minimal;
    std::fs::write(sandbox.request.tree.join("Makefile"), "allnoconfig:\n\t@echo the reason; exit 3\n")
        .unwrap();
    let error = sandbox.fails();
    assert!(error.kind() == Kind::Build && error.to_string().contains("the reason"), "{error}");
    std::fs::write(sandbox.request.tree.join(".config"), "").unwrap();
    let error = sandbox.fails();
    assert!(
        error.to_string().contains("built inside itself") && error.remedy().unwrap().contains("mrproper")
    );
    std::fs::remove_file(sandbox.request.tree.join("Kconfig")).unwrap();
    assert_eq!(sandbox.fails().kind(), Kind::Usage);
    for blank in ["-a b", "\t"] {
        let version = Request::from_assignment("--set", &format!("LOCALVERSION={blank}")).unwrap();
        sandbox.request.sources = vec![Source::Symbol(version)];
        let said = sandbox.fails().to_string();
        assert!(said.contains("(--set on the command line): a kernel's version has no blanks"), "{said}");
    }
    sandbox.request.sources =
        vec![Source::Fragment(Fragment { by: Asker::User, label: "b".into(), text: "bad".into() })];
    assert!(sandbox.fails().to_string().starts_with("b:1: "));
}

/// Configures a real tree: `VMPTCP_TREE=… VMPTCP_VIRTME=…/virtme-configkernel
/// VMPTCP_FRAGMENTS=a:b VMPTCP_OUT=… cargo test real_tree -- --ignored --nocapture`.
/// It prints what a user would see.
#[test]
#[ignore = "needs a kernel tree"]
fn real_tree() {
    let variable = |name: &str| std::env::var_os(name).unwrap_or_default();
    let paths = variable("VMPTCP_FRAGMENTS");
    let fragments = std::env::split_paths(&paths).map(|path| {
        let label = path.file_name().unwrap().to_string_lossy().into_owned();
        Source::Fragment(Fragment { by: Asker::Tool, label, text: std::fs::read_to_string(path).unwrap() })
    });
    let tree = PathBuf::from(variable("VMPTCP_TREE"));
    let selftests = tree.join("tools/testing/selftests/net/mptcp/config");
    let selftests = std::fs::read_to_string(selftests).unwrap();
    let selftests = Fragment { by: Asker::Tree, label: "selftests".into(), text: selftests };
    let required = selftests.parse().unwrap().requests;
    let virtme = super::super::virtme_symbols(Path::new(&variable("VMPTCP_VIRTME")), &tree).unwrap();
    let sources = [virtme, selftests].into_iter().map(Source::Fragment).chain(fragments).collect();
    let request = ConfigureRequest {
        base: match variable("VMPTCP_BASE").to_str() {
            Some("defconfig") => Base::Defconfig,
            Some("existing") => Base::Existing,
            Some("" | "minimal") | None => Base::Minimal,
            Some(file) => Base::File(file.into()),
        },
        cache: PathBuf::from(variable("VMPTCP_OUT")).join("cache"),
        out: PathBuf::from(variable("VMPTCP_OUT")).join("out"),
        make_variables: Vec::new(),
        environment: MakeEnvironment::default(),
        required,
        sources,
        strict: false,
        tree,
    };
    for _ in 0..2 {
        let start = std::time::Instant::now();
        let outcome = configure(&request, &mut |_| ()).unwrap();
        let (changed, resolved) = (outcome.changed, outcome.resolved);
        println!("changed {changed}, resolved {resolved}, {:?}", start.elapsed());
        println!("{} of {} granted", outcome.proof.granted, outcome.proof.requested);
        if resolved {
            println!("{}", kconfig::render(&outcome.proof.mismatches));
        }
    }
    let start = std::time::Instant::now();
    let kconfig = read(&request.tree, &Architecture::of_build([]));
    println!("{} symbols, {} files in {:?}", kconfig.len(), kconfig.files.len(), start.elapsed());
    println!("{:?}", kconfig.unread);
}
