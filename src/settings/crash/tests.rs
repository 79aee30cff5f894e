use super::*;

fn read(words: &[&str]) -> Result<CrashSettings, String> {
    read_with(words, "")
}

fn read_with(words: &[&str], keys: &str) -> Result<CrashSettings, String> {
    let variable = |name: &str| (name == "MULTIPLE_KEYS_LIST").then(|| keys.into());
    match CrashSettings::read(Parser::from_args(words), &variable)? {
        CrashWords::Do(settings) => Ok(*settings),
        other => panic!("{other:?}"),
    }
}

fn words_of(words: &[&str]) -> Vec<Word> {
    match read(words).unwrap().action {
        CrashAction::Run { words, .. } => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_is_a_number_and_words() {
    assert_eq!(read(&["3"]).unwrap().action, CrashAction::Run { workers: 3, words: Vec::new() });
    let words =
        words_of(&["3", "crash0", "crash2.slow", "pause1", "crash-sink", "no-registry-progress", "run_custom4"]);
    assert_eq!(
        words,
        [
            Word::Crash { worker: 0, slow: false },
            Word::Crash { worker: 2, slow: true },
            Word::Pause(1),
            Word::CrashSink,
            Word::NoRegistry,
            Word::Custom(Scenario::ShrinkOwners),
        ]
    );
}

#[test]
fn what_is_unknown_is_refused_with_the_nearest() {
    for (words, part) in [
        (&["3", "crashsink"][..], "unknown word 'crashsink'; the nearest is 'crash-sink'"),
        (&["3", "crash12"], "the nearest is 'crash1'"),
        (&["3", "grow_and_shrink"], "the nearest is 'grow-and-shrink'"),
        (&["0"], "0 workers: there are 1 to 10"),
        (&["99999999999"], "there are 1 to 10"),
        (&[], "how many workers?"),
        (&["verfy", "A"], "the nearest is 'verify'; a run begins with the number of its workers"),
        (&["3", "--lins", "3"], "unknown option '--lins'; the nearest is '--lines'"),
        (&["3", "--break", "ackfirst"], "the nearest is 'ack-first'"),
        (&["3", "--break", "no-fence"], "needs --store redis"),
        (&["3", "--store", "redis", "--break", "no-tail-cut"], "needs --store files"),
        (&["3", "--store", "floppy"], "none of files, redis"),
        (&["3", "--lines", "0"], "--lines '0' is not a whole number from 1 to 10000000"),
        (&["3", "--rate", "fast"], "or max"),
        (&["3", "--lease", "1ms"], "--lease is shorter than 100 ms"),
        (&["3", "--keys", "A B A"], "A is there twice"),
        (&["3", "--keys", "AB"], "'AB' is no key"),
        (&["3", "--keys", " "], "names no key"),
        (&["feed", "--dir", "d"], "feed needs a key, as in: feed A"),
        (&["feed", "A", "x", "--dir", "d"], "'x' is no number of bytes a second"),
        (&["verify", "A", "B", "--dir", "d"], "unexpected word 'B'"),
        (&["start-worker", "10", "--dir", "d"], "numbered 0 to 9"),
        (&["shrink-worker", "0", "--dir", "d"], "worker 0 neither joins nor leaves"),
        (&["poll-ready", "1"], "needs its run folder"),
    ] {
        let problem = read(words).unwrap_err();
        assert!(problem.contains(part), "{words:?}: {problem}");
    }
}

#[test]
fn options_say_the_same_to_a_part() {
    let settings = read(&[
        "3",
        "--keys",
        "A,b 7",
        "--lines=12",
        "--rate",
        "max",
        "--store",
        "unix:/x",
        "--lease",
        "2s",
        "--seed",
        "9",
        "--abort-every",
        "4",
        "--break",
        "stall",
    ]);
    let settings = settings.unwrap().pipeline;
    assert_eq!(settings.keys, b"Ab7");
    let mut words = vec![String::from("sink"), String::from("--dir=d")];
    words.extend(settings.options());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(read(&words).unwrap().pipeline, settings);
}

#[test]
fn keys_come_from_the_option_or_the_variable_or_are_ten() {
    assert_eq!(read(&["1"]).unwrap().pipeline.keys, b"ABCDEFGHIJ");
    assert_eq!(read_with(&["1"], "X Y").unwrap().pipeline.keys, b"XY");
    assert_eq!(read_with(&["1", "--keys=Z"], "X Y").unwrap().pipeline.keys, b"Z");
}

#[test]
fn steps_take_their_operands_and_options() {
    let step = |words: &[&str]| match read(words).unwrap().action {
        CrashAction::Step(step) => step,
        other => panic!("{other:?}"),
    };
    let wait = Duration::from_secs(2);
    assert_eq!(
        step(&["poll-ready", "-v", "-w", "2", "0", "--dir", "d"]),
        ManualStep::PollReady { worker: 0, verbose: true, wait }
    );
    assert_eq!(step(&["start-worker", "-n", "4", "3", "--dir", "d"]), ManualStep::StartWorker(3));
    assert_eq!(step(&["feed", "A", "21222", "--dir", "d"]), ManualStep::Feed { key: b'A', rate: Some(21_222) });
    assert_eq!(
        step(&["poll-all-ready", "--dir", "d"]),
        ManualStep::PollAllReady { verbose: false, wait: Duration::from_secs(15) }
    );
}

/// A file that is good, for as long as the temporary file is there.
fn good_file() -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), examples::example("fibonacci").unwrap()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    (file, path)
}

#[test]
fn a_file_takes_the_place_of_words() {
    let (_file, path) = good_file();
    // The pipeline's variables say nothing of it, not even what is wrong.
    let settings = read_with(
        &["-f", &path, "--seed", "7", "--for", "90s", "--hold", "--dir", "d", "--json", "j", "--junit=k", "--html=l"],
        "AB",
    );
    let settings = settings.unwrap();
    let CrashAction::System(system) = &settings.action else { panic!("{settings:?}") };
    assert_eq!(system.parts[0].name, "fibonacci");
    assert_eq!(system.end.after, Some(Duration::from_secs(90)));
    assert_eq!((settings.pipeline.seed, settings.hold), (Some(7), true));
    assert_eq!(settings.dir.as_deref(), Some(std::path::Path::new("d")));
    assert_eq!(settings.reports.html.as_deref(), Some(std::path::Path::new("l")));
    let CrashAction::System(system) = read(&["--file", &path]).unwrap().action else { panic!("no system") };
    assert_eq!(system.end.after, Some(Duration::from_secs(60)));
}

#[test]
fn a_file_is_checked_and_what_is_wrong_with_it_is_kept() {
    let (_file, path) = good_file();
    let CrashAction::CheckSystem { name, config } = read(&["--check", "-f", &path]).unwrap().action else {
        panic!("not checked")
    };
    assert_eq!((name, config.parts.len()), (path.clone(), 1));
    std::fs::write(&path, "version: 1\nrun: 3\n").unwrap();
    for words in [&["-f", &path][..], &["-f", &path, "--check"]] {
        let CrashAction::RefuseSystem(mistakes) = read(words).unwrap().action else { panic!("not refused") };
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
        assert_eq!(mistakes[0], "run (line 2): expected a list, instead got 3");
    }
    let CrashAction::RefuseSystem(mistakes) = read(&["-f", "/nowhere.yaml"]).unwrap().action else { panic!("read") };
    assert!(mistakes.len() == 1 && mistakes[0].starts_with("/nowhere.yaml: No such file"), "{mistakes:?}");
}

#[test]
fn a_built_in_file_is_printed() {
    for name in examples::EXAMPLES {
        let text = std::fs::read_to_string(format!("src/settings/crash/examples/{name}.yaml")).unwrap();
        assert_eq!(read(&["--print", name]).unwrap().action, CrashAction::PrintExample(text));
    }
}

#[test]
fn what_does_not_go_with_a_file_is_refused() {
    for (words, part) in [
        (&["-f", "f", "3"][..], "unexpected word '3': with -f, the file says what is started"),
        (&["3", "-f", "f"], "unexpected word '3'"),
        (&["-f", "f", "--lines", "3"], "--lines is for the built-in pipeline"),
        (&["-f", "f", "--break", "stall"], "--break is for the built-in pipeline"),
        (&["-f", "f", "--ack-within", "3"], "--ack-within is for the built-in pipeline"),
        (&["-f", "f", "-v"], "--verbose is for the built-in pipeline"),
        (&["-f", "f", "--for", "soon"], "--for: "),
        (&["-f", ""], "--file is empty"),
        (&["-f"], "option '--file' needs a value"),
        (&["--check"], "--check needs a file: -f FILE"),
        (&["3", "--check"], "--check needs a file: -f FILE"),
        (&["--print", "fibonaci"], "unknown built-in file 'fibonaci'; the nearest is 'fibonacci'"),
        (&["--print", "proxy", "3"], "takes nothing beside it"),
        (&["--print", "proxy", "--seed", "3"], "takes nothing beside it"),
    ] {
        let problem = read(words).unwrap_err();
        assert!(problem.contains(part), "{words:?}: {problem}");
    }
}
