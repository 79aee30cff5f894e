//! What files come to.

use super::*;
use crate::settings::crash::examples::{EXAMPLES, example};
use crate::settings::crash::system::{
    FileConfig, HttpLoadConfig, LedgerOrder, LineSource, PartConfig, PodsConfig, ProbeConfig, Promise, ReadyConfig,
    TimeRange,
};

/// Loads a file with this in it. Its name is `F` in what is said.
pub(super) fn loaded(text: impl AsRef<[u8]>) -> Result<SystemConfig, Vec<String>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let name = file.path().to_str().unwrap();
    load(&SystemSource::Path(file.path().to_owned()))
        .map_err(|faults| faults.iter().map(|line| line.replace(name, "F")).collect())
}

pub(super) const GOOD: &str = r#"version: 1
files:
  "{dir}/proxy.yaml": |
    to: {port: {port.db.3}}
run:
  - name: db
    command: [./db, --port, "{port}", -n, 3, "{n} {log} {port.db.1}"]
    copies: 3
    env: {MODE: test, LEVEL: 3, FAST: true, PEER: "{port.db}", NOTHING: ""}
    ready: {http: "http://127.0.0.1:{port}/readyz", within: 20s}
  - {name: a-1, command: [./a], ready: {tcp: "127.0.0.1:{port}"}}
  - {name: b, command: [./b], ready: {command: [./b, ready, "{n}"]}}
  - {name: c, command: [./c], ready: {log: "{log}: listening"}}
pods:
  - {name: web, context: kind, namespace: shop, selector: app=web, scale: deployment/web, within: 90s}
  - {name: rest, selector: app=rest}
load:
  command: [./load, "{dir}/sent"]
faults:
  - {target: db, how: kill, every: 4s..8s, down: 0s..4s}
  - {target: db.1, how: pause, for: 1s .. 5s, every: 20s}
  - {target: web, how: delete-pod, every: 30s}
  - {target: db, how: scale, copies: 1..4, every: 10s}
  - {target: web, how: scale, copies: 2}
  - {target: rest, how: command, command: [./hurt, "{dir}"], every: 500ms..1m30s}
  - {target: a-1, how: term}
verify:
  - prefix: {input: in.txt, output: out.txt}
  - ledger: {sent: tried.txt, acked: acked.txt, got: [./dump], order: per-key, duplicates: no}
  - ledger: {sent: tried.txt, acked: [./acked], got: got.txt, order: total, duplicates: true}
  - ledger: {sent: a, acked: b, got: c}
  - numbers: {file: "{dir}/answers", member: Position, missing: 4}
  - answers: {file: "{dir}/answers", status: 204}
  - command: {run: [./check], every: 2s, within: 3s}
  - progress: {file: acked.txt, within: 50s}
  - progress: {command: [./count]}
end: {after: 5m, settle: 40s}
require: {kill: 5, pause: 2}
"#;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn file(name: &str) -> LineSource {
    LineSource::File(name.to_owned())
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn parts_pods_and_load_are_read() {
    let system = loaded(GOOD).unwrap();
    assert_eq!(system.base, std::env::temp_dir());
    let text = String::from("to: {port: {port.db.3}}\n");
    assert_eq!(system.files, [FileConfig { path: String::from("{dir}/proxy.yaml"), text }]);
    let part = |name: &str, probe| PartConfig {
        name: name.to_owned(),
        command: vec![format!("./{}", &name[..1])],
        copies: 1,
        env: Vec::new(),
        ready: Some(ReadyConfig { probe, within: seconds(30) }),
    };
    let env = [("MODE", "test"), ("LEVEL", "3"), ("FAST", "true"), ("PEER", "{port.db}"), ("NOTHING", "")];
    let probe = ProbeConfig::Http(String::from("http://127.0.0.1:{port}/readyz"));
    let db = PartConfig {
        name: String::from("db"),
        command: words(&["./db", "--port", "{port}", "-n", "3", "{n} {log} {port.db.1}"]),
        copies: 3,
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ready: Some(ReadyConfig { probe, within: seconds(20) }),
    };
    assert_eq!(
        system.parts,
        [
            db,
            part("a-1", ProbeConfig::Tcp(String::from("127.0.0.1:{port}"))),
            part("b", ProbeConfig::Command(words(&["./b", "ready", "{n}"]))),
            part("c", ProbeConfig::Log(String::from("{log}: listening"))),
        ]
    );
    let web = PodsConfig {
        name: String::from("web"),
        context: Some(String::from("kind")),
        namespace: Some(String::from("shop")),
        selector: String::from("app=web"),
        scale: Some(String::from("deployment/web")),
        within: seconds(90),
    };
    let (name, selector) = (String::from("rest"), String::from("app=rest"));
    let rest = PodsConfig { name, context: None, namespace: None, selector, scale: None, within: seconds(60) };
    assert_eq!(system.pods, [web, rest]);
    assert_eq!(system.load, Some(LoadConfig::Command(words(&["./load", "{dir}/sent"]))));
    assert_eq!(system.end, EndConfig { after: Some(seconds(300)), settle: seconds(40) });
    assert_eq!(system.require, [(FaultHow::Kill, 5), (FaultHow::Pause, 2)]);
    assert_eq!(system.summary(), "1 file, 4 parts, 2 groups of pods, 7 faults, 9 promises, for 5 m 0 s");
}

#[test]
fn faults_are_read() {
    let fault = |target: &str, how, every| FaultConfig {
        target: target.to_owned(),
        how,
        every,
        down: TimeRange::seconds(0, 4),
        length: TimeRange::seconds(1, 5),
        command: Vec::new(),
        copies: (1, 1),
    };
    let millis = TimeRange(Duration::from_millis(500), seconds(90));
    let hurt = words(&["./hurt", "{dir}"]);
    assert_eq!(
        loaded(GOOD).unwrap().faults,
        [
            fault("db", FaultHow::Kill, TimeRange::seconds(4, 8)),
            fault("db.1", FaultHow::Pause, TimeRange::seconds(20, 20)),
            fault("web", FaultHow::DeletePod, TimeRange::seconds(30, 30)),
            FaultConfig { copies: (1, 4), ..fault("db", FaultHow::Scale, TimeRange::seconds(10, 10)) },
            FaultConfig { copies: (2, 2), ..fault("web", FaultHow::Scale, TimeRange::seconds(5, 10)) },
            FaultConfig { command: hurt, ..fault("rest", FaultHow::Command, millis) },
            fault("a-1", FaultHow::Term, TimeRange::seconds(5, 10)),
        ]
    );
}

#[test]
fn promises_are_read_and_each_has_a_name() {
    let verify = loaded(GOOD).unwrap().verify;
    let names: Vec<&str> = verify.iter().map(|verify| verify.check).collect();
    let expected = "prefix ledger ledger-2 ledger-3 numbers answers command progress progress-2";
    assert_eq!(names.join(" "), expected);
    let dump = LineSource::Command(words(&["./dump"]));
    let ledger =
        |acked, got, order, duplicates| Promise::Ledger { sent: file("tried.txt"), acked, got, order, duplicates };
    let (sent, acked, got) = (file("a"), file("b"), file("c"));
    let acked_by = LineSource::Command(words(&["./acked"]));
    let answers = || String::from("{dir}/answers");
    let promises: Vec<Promise> = verify.into_iter().map(|verify| verify.promise).collect();
    assert_eq!(
        promises,
        [
            Promise::Prefix { input: String::from("in.txt"), output: String::from("out.txt"), revocable: 0 },
            ledger(file("acked.txt"), dump, LedgerOrder::PerKey, false),
            ledger(acked_by, file("got.txt"), LedgerOrder::Total, true),
            Promise::Ledger { sent, acked, got, order: LedgerOrder::None, duplicates: false },
            Promise::Numbers { file: answers(), member: Some(String::from("Position")), missing: 4 },
            Promise::Answers { file: answers(), status: 204 },
            Promise::Command { run: words(&["./check"]), every: seconds(2), within: seconds(3) },
            Promise::Progress { source: file("acked.txt"), within: seconds(50) },
            Promise::Progress { source: LineSource::Command(words(&["./count"])), within: seconds(60) },
        ]
    );
}

#[test]
fn what_is_not_said_has_a_default() {
    let text = "
version: 1
run: [{name: a, command: [./a], ready: }]
load: {http: {url: 'http://[::1]:{port.a}/?q', out: '{dir}/answers'}}
faults: [{target: a, how: kill}]
verify: [numbers: {file: n}, answers: {file: n}, command: {run: [./check]}]
end: {after: 90}
";
    let system = loaded(text).unwrap();
    let part =
        PartConfig { name: String::from("a"), command: words(&["./a"]), copies: 1, env: Vec::new(), ready: None };
    assert_eq!(system.parts, [part]);
    let load = HttpLoadConfig {
        url: String::from("http://[::1]:{port.a}/?q"),
        clients: 4,
        out: String::from("{dir}/answers"),
        rate: None,
        timeout: seconds(10),
    };
    assert_eq!(system.load, Some(LoadConfig::Http(load)));
    let promises: Vec<Promise> = system.verify.into_iter().map(|verify| verify.promise).collect();
    assert_eq!(
        promises,
        [
            Promise::Numbers { file: String::from("n"), member: None, missing: 0 },
            Promise::Answers { file: String::from("n"), status: 200 },
            Promise::Command { run: words(&["./check"]), every: seconds(5), within: seconds(10) },
        ]
    );
    assert_eq!(system.end, EndConfig { after: Some(seconds(90)), settle: seconds(30) });
    assert_eq!((system.files.len(), system.pods.len(), system.require.len()), (0, 0, 0));
}

#[test]
fn a_load_that_ends_needs_no_other_end_and_pods_no_parts() {
    let text = "{version: 1, pods: [{name: a, selector: b}], load: {command: [./a]}, verify: [command: {run: [./b]}]}";
    let system = loaded(text).unwrap();
    assert_eq!(system.end.after, None);
    assert_eq!(system.summary(), "0 parts, 1 group of pods, 0 faults, 1 promise, until the load ends");
}

#[test]
fn every_built_in_file_is_good() {
    for name in EXAMPLES {
        let text: &str = example(name).unwrap().leak();
        let system = load(&SystemSource::Text { name, text }).unwrap_or_else(|faults| panic!("{name}: {faults:#?}"));
        assert!(system.faults.iter().any(|fault| fault.how == FaultHow::Kill), "{name}");
        assert_eq!(system.base, std::env::current_dir().unwrap().join(""));
        // They are read in terminals, too.
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{name}");
    }
}
