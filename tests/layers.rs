//! The shape of the source: no module reaches upward, no files use each other in a circle, and no two types share a name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Modules by height: each uses only those below it.
const LAYERS: [&[&str]; 7] = [
    &["checksum", "packed", "parameters", "sorting", "sync", "units", "yaml"],
    &["kernel", "scenario"],
    &["http", "redis"],
    &["settings"],
    &["service"],
    &["client", "consumer", "counter", "crash", "fibonacci", "proxy"],
    &["command", "main"],
];

/// What is alike in kind and not in use: the models and simulations that tests are made of.
fn is_for_tests(path: &str) -> bool {
    ["tests.rs", "model.rs", "powercut.rs"].iter().any(|end| path.ends_with(end))
}

/// The code of each file, by its module's path: without comments, and without the tests at its bottom.
fn sources() -> BTreeMap<String, String> {
    fn walk(folder: &Path, all: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, all);
            } else if path.extension().is_some_and(|end| end == "rs") && !is_for_tests(path.to_str().unwrap()) {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let relative = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
                let name = relative.with_extension("").to_str().unwrap().replace('/', "::");
                let name = name.strip_suffix("::mod").unwrap_or(&name).to_owned();
                all.insert(name, code.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut all);
    all
}

/// The paths below `crate::` that code names, with the braces of `use` multiplied out, and those of children as theirs.
fn paths(own: &str, code: &str) -> BTreeSet<String> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut found = BTreeSet::new();
    for (place, _) in code.match_indices("crate::") {
        // `pub(in crate::consumer)` uses nothing.
        if code[..place].ends_with("in ") || code[..place].ends_with('$') {
            continue;
        }
        let rest = &code[place + "crate::".len()..];
        let end = rest.find(|c| !is_path(c)).unwrap_or(rest.len());
        let path = rest[..end].trim_end_matches(':').to_owned();
        if rest[end..].starts_with('{') {
            let inside = rest[end + 1..].split('}').next().unwrap();
            let names = inside.split([',', '{']).map(str::trim);
            found.extend(names.map(|name| format!("{path}::{}", name.split([' ', ':']).next().unwrap())));
        }
        found.insert(path);
    }
    for line in code.lines().filter_map(|line| line.strip_prefix("use ")) {
        found.insert(format!("{own}::{}", line.split([':', ';', ' ']).next().unwrap()));
    }
    found
}

/// The files that each file uses.
fn uses(sources: &BTreeMap<String, String>) -> BTreeMap<&str, BTreeSet<&str>> {
    let file_of = |path: &str| {
        let mut path = path.trim_start_matches(':');
        loop {
            match (sources.get_key_value(path), path.rsplit_once("::")) {
                (Some((file, _)), _) => return Some(file.as_str()),
                (None, Some((above, _))) => path = above,
                (None, None) => return None,
            }
        }
    };
    let of = |(own, code): (&String, &String)| {
        let own_paths = if own == "main" || own == "lib" { "" } else { own.as_str() };
        let all = paths(own_paths, code);
        all.iter().filter_map(|path| file_of(path)).filter(|file| file != own).collect()
    };
    sources.iter().map(|(own, code)| (own.as_str(), of((own, code)))).collect()
}

#[test]
fn no_module_uses_one_above_it_or_beside_it() {
    let sources = sources();
    let top = |module: &str| module.split("::").next().unwrap().to_owned();
    let height = |module: &str| LAYERS.iter().position(|layer| layer.contains(&top(module).as_str()));
    let mut seen = 0;
    for (own, used) in uses(&sources) {
        assert!(own == "lib" || height(own).is_some(), "{own} has no place among the layers");
        for other in used {
            seen += 1;
            let is_below = height(other) < height(own) || top(other) == top(own);
            assert!(is_below || own == "lib", "{own} uses {other}, which is not below it");
        }
    }
    assert!(seen > 300, "only {seen} uses were found");
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let sources = sources();
    let mut uses = uses(&sources);
    // What uses nothing that is left is in no circle.
    loop {
        let done: Vec<&str> = uses.iter().filter(|(_, used)| used.is_empty()).map(|(own, _)| *own).collect();
        if done.is_empty() {
            break;
        }
        uses.retain(|own, _| !done.contains(own));
        uses.values_mut().for_each(|used| used.retain(|other| !done.contains(other)));
    }
    assert!(uses.is_empty(), "these stand in a circle, or above one: {uses:#?}");
}

#[test]
fn no_two_types_share_a_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (module, code) in sources() {
        for line in code.lines().filter(|line| !line.starts_with("    ")) {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
            if words.any(|word| ["struct", "enum", "trait", "type"].contains(&word)) && line.contains(['{', ';', '(']) {
                places.entry(words.next().unwrap_or_default().to_owned()).or_default().push(module.clone());
            }
        }
    }
    assert!(places.len() > 150, "only {} types were found", places.len());
    // One that stands twice in a file is there for one target or the other.
    places.values_mut().for_each(Vec::dedup);
    let twins: Vec<_> = places.iter().filter(|(_, modules)| modules.len() > 1).collect();
    assert!(twins.is_empty(), "{twins:#?}");
}
