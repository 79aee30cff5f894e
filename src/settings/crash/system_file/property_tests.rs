//! Any good file is read as what it says, any mistake is found, and nothing makes it panic.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::tests::{GOOD, loaded};
use crate::settings::crash::system::{
    EndConfig, FaultConfig, FaultHow, FileConfig, HttpLoadConfig, LedgerOrder, LineSource, LoadConfig, PartConfig,
    PodsConfig, ProbeConfig, Promise, ReadyConfig, SystemConfig, TimeRange, VerifyConfig,
};

/// A text without places.
const TEXT: &str = "[a-zA-Z0-9 ./:=_é-]{0,12}";

fn time() -> impl Strategy<Value = Duration> {
    (1u64..10_000_000).prop_map(Duration::from_millis)
}

fn text_of(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

fn range() -> impl Strategy<Value = TimeRange> {
    (time(), time()).prop_map(|(one, other)| TimeRange(one.min(other), one.max(other)))
}

fn text_of_range(TimeRange(least, most): TimeRange) -> String {
    if least == most { text_of(least) } else { format!("{}..{}", text_of(least), text_of(most)) }
}

fn command() -> impl Strategy<Value = Vec<String>> {
    (
        "\\./[a-z]{1,5}",
        prop::collection::vec(TEXT, 0..3),
        prop::sample::select(&["", "{dir}", "{testero} {port.p0}"][..]),
    )
        .prop_map(|(program, mut rest, place)| {
            rest.insert(0, program);
            rest.push(place.to_owned());
            rest
        })
}

fn part() -> impl Strategy<Value = PartConfig> {
    let ready = prop_oneof![
        TEXT.prop_map(|path| ProbeConfig::Http(format!("http://127.0.0.1:{{port}}/{}", path.replace(' ', "")))),
        Just(ProbeConfig::Tcp(String::from("localhost:{port}"))),
        command().prop_map(ProbeConfig::Command),
        TEXT.prop_map(|text| ProbeConfig::Log(text + "{n}")),
    ];
    let ready = (ready, time()).prop_map(|(probe, within)| ReadyConfig { probe, within });
    let env = prop::collection::vec(TEXT, 0..3);
    (command(), 1u32..=64, env, prop::option::of(ready)).prop_map(|(command, copies, env, ready)| {
        let env = env.into_iter().enumerate().map(|(number, value)| (format!("V{number}"), value)).collect();
        PartConfig { name: String::new(), command, copies, env, ready }
    })
}

fn pods() -> impl Strategy<Value = PodsConfig> {
    let text = || prop::option::of("[a-z]{1,8}");
    let scale = prop::option::of("deployment/[a-z]{1,8}");
    (text(), text(), "[a-z]{1,5}=[a-z]{1,5}", scale, time()).prop_map(
        |(context, namespace, selector, scale, within)| PodsConfig {
            name: String::new(),
            context,
            namespace,
            selector,
            scale,
            within,
        },
    )
}

fn load() -> impl Strategy<Value = LoadConfig> {
    let http = ("[a-z0-9/?]{0,9}", 1u32..=256, prop::option::of(1u64..=1_000_000), time());
    prop_oneof![
        command().prop_map(LoadConfig::Command),
        http.prop_map(|(path, clients, rate, timeout)| LoadConfig::Http(HttpLoadConfig {
            url: format!("http://[::1]:{{port.p0}}/{path}"),
            clients,
            out: String::from("{dir}/answers"),
            rate,
            timeout,
        })),
    ]
}

fn source() -> impl Strategy<Value = LineSource> {
    prop_oneof![command().prop_map(LineSource::Command), "[a-z{]{1,9}".prop_map(LineSource::File)]
}

fn promise() -> impl Strategy<Value = Promise> {
    let order = prop::sample::select(&[LedgerOrder::None, LedgerOrder::PerKey, LedgerOrder::Total][..]);
    prop_oneof![
        ("[a-z]{1,9}", "[a-z]{1,9}", 0..1000_u64).prop_map(|(input, output, revocable)| Promise::Prefix {
            input,
            output,
            revocable
        }),
        (source(), source(), source(), order, any::<bool>()).prop_map(|(sent, acked, got, order, duplicates)| {
            Promise::Ledger { sent, acked, got, order, duplicates }
        }),
        ("[a-z]{1,9}", prop::option::of("[a-z]{1,9}"), 0u64..1_000_000)
            .prop_map(|(file, member, missing)| Promise::Numbers { file, member, missing }),
        ("[a-z]{1,9}", 100u16..600).prop_map(|(file, status)| Promise::Answers { file, status }),
        (command(), time(), time()).prop_map(|(run, every, within)| Promise::Command { run, every, within }),
        (source(), time()).prop_map(|(source, within)| Promise::Progress { source, within }),
    ]
}

/// Whom, what, how often, and what else there is to say of it.
type AnyFault = (prop::sample::Index, prop::sample::Index, TimeRange, TimeRange, Vec<String>, (u32, u32));

/// A fault that this system can have.
fn fault(system: &SystemConfig, (whom, what, every, other, command, copies): AnyFault) -> FaultConfig {
    let mut fitting = vec![];
    for part in &system.parts {
        let copy = match part.copies {
            1 => part.name.clone(),
            copies => format!("{}.{}", part.name, copies - 1),
        };
        for how in [FaultHow::Kill, FaultHow::Term, FaultHow::Pause, FaultHow::Command] {
            fitting.extend([(part.name.clone(), how), (copy.clone(), how)]);
        }
        fitting.push((part.name.clone(), FaultHow::Scale));
    }
    for pods in &system.pods {
        fitting.extend([FaultHow::DeletePod, FaultHow::Command].map(|how| (pods.name.clone(), how)));
        fitting.extend(pods.scale.as_ref().map(|_| (pods.name.clone(), FaultHow::Scale)));
    }
    let first = whom.index(fitting.len());
    fitting.rotate_left(first);
    let (target, how) = what.get(&fitting).clone();
    let or = |is: bool, default: TimeRange| if is { other } else { default };
    FaultConfig {
        target,
        how,
        every,
        down: or(matches!(how, FaultHow::Kill | FaultHow::Term), TimeRange::seconds(0, 4)),
        length: or(how == FaultHow::Pause, TimeRange::seconds(1, 5)),
        command: if how == FaultHow::Command { command } else { Vec::new() },
        copies: if how == FaultHow::Scale { (copies.0.min(copies.1), copies.0.max(copies.1)) } else { (1, 1) },
    }
}

fn system() -> impl Strategy<Value = SystemConfig> {
    let faults = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), range(), range(), command());
    let faults = (faults, (1u32..=64, 1u32..=64)).prop_map(|((a, b, c, d, e), f)| (a, b, c, d, e, f));
    (
        prop::collection::vec(TEXT, 0..3),
        prop::collection::vec(part(), 1..5),
        prop::collection::vec(pods(), 0..3),
        prop::option::of(load()),
        prop::collection::vec(faults, 0..6),
        prop::collection::vec(promise(), 1..6),
        (time(), time()),
    )
        .prop_map(|(files, parts, pods, load, faults, promises, (after, settle))| {
            let file = |(number, text)| FileConfig { path: format!("{{dir}}/{number}"), text };
            let mut system = SystemConfig {
                base: std::env::temp_dir(),
                files: files.into_iter().enumerate().map(file).collect(),
                parts,
                pods,
                load,
                faults: Vec::new(),
                verify: Vec::new(),
                end: EndConfig { after: Some(after), settle },
                require: Vec::new(),
            };
            system.parts.iter_mut().enumerate().for_each(|(number, part)| part.name = format!("p{number}"));
            system.pods.iter_mut().enumerate().for_each(|(number, pods)| pods.name = format!("w-{number}"));
            system.faults = faults.into_iter().map(|any| fault(&system, any)).collect();
            for how in system.faults.iter().map(|fault| fault.how) {
                if !system.require.iter().any(|(known, _)| *known == how) {
                    system.require.push((how, 3));
                }
            }
            for promise in promises {
                let word = as_json(&promise).0;
                let same = system.verify.iter().filter(|verify| verify.check.starts_with(word)).count();
                let check = if same == 0 { word } else { format!("{word}-{}", same + 1).leak() };
                system.verify.push(VerifyConfig { check, promise });
            }
            system
        })
}

fn source_as_json(source: &LineSource) -> Json {
    match source {
        LineSource::File(file) => json!(file),
        LineSource::Command(words) => json!(words),
    }
}

/// The word of a promise, and what stands behind it.
fn as_json(promise: &Promise) -> (&'static str, Json) {
    match promise {
        Promise::Prefix { input, output, revocable } => {
            ("prefix", json!({"input": input, "output": output, "revocable": revocable}))
        }
        Promise::Ledger { sent, acked, got, order, duplicates } => {
            let [sent, acked, got] = [sent, acked, got].map(source_as_json);
            let order = ["none", "per-key", "total"][*order as usize];
            let duplicates = if *duplicates { json!("yes") } else { json!(false) };
            let ledger = json!({"sent": sent, "acked": acked, "got": got, "order": order, "duplicates": duplicates});
            ("ledger", ledger)
        }
        Promise::Numbers { file, member, missing } => {
            ("numbers", json!({"file": file, "member": member, "missing": missing}))
        }
        Promise::Answers { file, status } => ("answers", json!({"file": file, "status": status})),
        Promise::Command { run, every, within } => {
            ("command", json!({"run": run, "every": text_of(*every), "within": text_of(*within)}))
        }
        Promise::Progress { source: LineSource::File(file), within } => {
            ("progress", json!({"file": file, "within": text_of(*within)}))
        }
        Promise::Progress { source: LineSource::Command(words), within } => {
            ("progress", json!({"command": words, "within": text_of(*within)}))
        }
    }
}

/// The system as a file says it.
fn written(system: &SystemConfig) -> Json {
    let mut json = json!({"version": 1, "end": {"after": text_of(system.end.after.unwrap()), "settle": text_of(system.end.settle)}});
    let pairs = |pairs: Vec<(&str, Json)>| Json::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect());
    json["files"] = pairs(system.files.iter().map(|file| (file.path.as_str(), json!(file.text))).collect());
    let part = |part: &PartConfig| {
        let env = pairs(part.env.iter().map(|(name, value)| (name.as_str(), json!(value))).collect());
        let mut said = json!({"name": part.name, "command": part.command, "copies": part.copies, "env": env});
        if let Some(ReadyConfig { probe, within }) = &part.ready {
            let (word, value) = match probe {
                ProbeConfig::Http(url) => ("http", json!(url)),
                ProbeConfig::Tcp(place) => ("tcp", json!(place)),
                ProbeConfig::Command(words) => ("command", json!(words)),
                ProbeConfig::Log(text) => ("log", json!(text)),
            };
            said["ready"] = pairs(vec![(word, value), ("within", json!(text_of(*within)))]);
        }
        said
    };
    json["run"] = system.parts.iter().map(part).collect();
    let pods = |pods: &PodsConfig| {
        let PodsConfig { name, context, namespace, selector, scale, within } = pods;
        let within = text_of(*within);
        json!({"name": name, "context": context, "namespace": namespace, "selector": selector, "scale": scale, "within": within})
    };
    json["pods"] = system.pods.iter().map(pods).collect();
    match &system.load {
        None => {}
        Some(LoadConfig::Command(words)) => json["load"] = json!({"command": words}),
        Some(LoadConfig::Http(HttpLoadConfig { url, clients, out, rate, timeout })) => {
            let timeout = text_of(*timeout);
            json["load"] =
                json!({"http": {"url": url, "clients": clients, "out": out, "rate": rate, "timeout": timeout}});
        }
    }
    let fault = |fault: &FaultConfig| {
        let every = text_of_range(fault.every);
        let mut said = json!({"target": fault.target, "how": fault.how.word(), "every": every});
        match fault.how {
            FaultHow::Kill | FaultHow::Term => said["down"] = json!(text_of_range(fault.down)),
            FaultHow::Pause => said["for"] = json!(text_of_range(fault.length)),
            FaultHow::Command => said["command"] = json!(fault.command),
            FaultHow::Scale => said["copies"] = json!(format!("{}..{}", fault.copies.0, fault.copies.1)),
            FaultHow::DeletePod => {}
        }
        said
    };
    json["faults"] = system.faults.iter().map(fault).collect();
    json["verify"] = system.verify.iter().map(|verify| pairs(vec![as_json(&verify.promise)])).collect();
    json["require"] = pairs(system.require.iter().map(|(how, number)| (how.word(), json!(number))).collect());
    json
}

/// Every value below this one: its pointer (RFC 6901), and its path in messages.
fn places(value: &Json, pointer: &str, path: &str, all: &mut Vec<(String, String)>) {
    all.push((pointer.to_owned(), path.to_owned()));
    match value {
        Json::Object(members) => members.iter().for_each(|(key, value)| {
            let is_word = key.chars().all(|c| c.is_alphanumeric() || c == '-');
            let path = if is_word { format!("{path}.{key}") } else { format!("{path}[{key}]") };
            places(value, &format!("{pointer}/{}", key.replace('/', "~1")), path.trim_start_matches('.'), all);
        }),
        Json::Array(items) => items.iter().enumerate().for_each(|(place, value)| {
            places(value, &format!("{pointer}/{place}"), &format!("{path}[{place}]"), all);
        }),
        _ => {}
    }
}

proptest! {
    #[test]
    fn a_good_file_is_read_as_what_it_says(system in system()) {
        let json = written(&system);
        for text in [json.to_string(), serde_json::to_string_pretty(&json).unwrap()] {
            let read = loaded(&text).map_err(|faults| TestCaseError::fail(format!("{faults:?} {text}")))?;
            prop_assert_eq!(&read, &system);
            prop_assert_eq!(read.summary().lines().count(), 1);
        }
    }

    #[test]
    fn a_wrong_value_anywhere_is_found(
        system in system(),
        place in any::<prop::sample::Index>(),
        is_list in any::<bool>(),
    ) {
        let mut json = written(&system);
        let mut all = Vec::new();
        places(&json, "", "", &mut all);
        let (pointer, path) = place.get(&all);
        // No list has a list of nothing in it, and no mapping has this key.
        *json.pointer_mut(pointer).unwrap() = if is_list { json!([[]]) } else { json!({"x": {}}) };
        let faults = loaded(json.to_string()).unwrap_err();
        let path = if path.is_empty() && is_list { "F" } else { path };
        let is_there = |fault: &String| fault.starts_with(path) && fault.contains(" (line 1): ");
        prop_assert!(faults.iter().any(is_there), "{} {:?}", path, faults);
    }

    #[test]
    fn a_key_that_is_unknown_is_found(system in system(), place in any::<prop::sample::Index>()) {
        let mut json = written(&system);
        let mut all = Vec::new();
        places(&json, "", "", &mut all);
        // Variables and files have names of the user's own.
        let is_fixed = |pointer: &str| !["env", "files"].iter().any(|name| pointer.ends_with(name));
        all.retain(|(pointer, _)| json.pointer(pointer).is_some_and(Json::is_object) && is_fixed(pointer));
        let (pointer, path) = place.get(&all);
        let members: &mut Map<String, Json> = json.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        members.insert(String::from("wihtin"), json!(1));
        let faults = loaded(json.to_string()).unwrap_err();
        let path = format!("{path}.wihtin (line 1): unknown ");
        prop_assert!(faults.iter().any(|fault| fault.starts_with(path.trim_start_matches('.'))), "{} {:?}", path, faults);
    }

    #[test]
    fn nothing_in_a_file_makes_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((0usize..GOOD.len(), 0usize..12, "[-\\[\\]{}:,&*!|>'\"#a0. \n]{0,3}"), 0..5),
    ) {
        let mut text = GOOD.to_owned();
        for (at, removed, inserted) in changes {
            let at = at.min(text.len());
            let end = (at + removed).min(text.len());
            text.replace_range(at..end, &inserted);
        }
        for text in [text.into_bytes(), bytes] {
            if let Err(faults) = loaded(&text) {
                prop_assert!(!faults.is_empty() && faults.iter().all(|fault| fault.lines().count() == 1), "{:?}", faults);
            }
        }
    }
}
