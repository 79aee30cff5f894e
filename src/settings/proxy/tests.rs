//! What the proxy's words come to.

use super::*;

fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<ProxySettings, String> {
    let look_up = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
    match words(Parser::from_args(arguments), &look_up)? {
        Words::Given(said) => ProxySettings::mean(&said),
        Words::Help(text) => Err(text),
        Words::Version => Err(String::from("version")),
    }
}

fn settings(arguments: &[&str]) -> ProxySettings {
    read(arguments, &[]).unwrap_or_else(|problem| panic!("{arguments:?}: {problem}"))
}

#[test]
fn nothing_said_means_the_defaults() {
    let expected = ProxySettings {
        file: PathBuf::from("config.yaml"),
        log_level: LevelFilter::Info,
        metrics_port: 8000,
        next_port: false,
        dry_run: false,
        listen_all: false,
        timeout: Duration::from_secs(10),
        check: false,
        shutdown_delay: Duration::ZERO,
        drain: Duration::from_secs(30),
        threads: None,
        json_log: false,
        identity: Identity::default(),
    };
    assert_eq!(settings(&[]), expected);
    // Where it listens is in the file, whatever other roles are told.
    let others = [("PORT", "x"), ("IP", "y"), ("DATADIR", "/z"), ("TOKEN", ""), ("LOGFORMAT", "")];
    assert_eq!(read(&[], &others), Ok(expected));
}

#[test]
fn every_flag_is_read_in_each_of_its_spellings() {
    for words in [
        "-f a.yaml -l debug -p 9 -n -d -a -t 3",
        "-fa.yaml -ldebug -p9 -nda -t3",
        "-f=a.yaml -l=debug -p=9 -dan -t=3",
        "-dant3 -lerror -ldebug -p 8 -p9 -f b -f a.yaml",
        "--file a.yaml --log-level debug --prometheus-port 9 --next-port --dry-run --listen-all-addr --timeout 3",
        "--file=a.yaml --log-level=debug --prometheus-port=9 --next-port --dry-run --listen-all-addr --timeout=3",
    ] {
        let meant = settings(&words.split(' ').collect::<Vec<_>>());
        assert_eq!((meant.file.to_str(), meant.log_level), (Some("a.yaml"), LevelFilter::Debug), "{words}");
        assert_eq!((meant.metrics_port, meant.timeout.as_secs()), (9, 3), "{words}");
        assert!(meant.next_port && meant.dry_run && meant.listen_all && !meant.check, "{words}");
    }
    let ours = "--check --shutdown-delay 5s --drain=1m --threads 4 --log-format json";
    let meant = settings(&ours.split(' ').collect::<Vec<_>>());
    assert_eq!((meant.shutdown_delay.as_secs(), meant.drain.as_secs(), meant.threads), (5, 60, Some(4)));
    assert!(meant.check && meant.json_log);
    for (word, level) in [("info", LevelFilter::Info), ("warn", LevelFilter::Warn), ("error", LevelFilter::Error)] {
        assert_eq!(settings(&["-l", word]).log_level, level);
    }
    assert_eq!((settings(&["-p0"]).metrics_port, settings(&["--drain", "0"]).drain), (0, Duration::ZERO));
}

#[test]
fn it_knows_the_variables_that_every_role_knows() {
    let variables = [("SHUTDOWNDELAY", "7"), ("LOGFORMAT", "json"), ("POD_NAME", "p"), ("NODE_NAME", "n")];
    let meant = read(&[], &variables).unwrap();
    assert_eq!((meant.shutdown_delay.as_secs(), meant.json_log), (7, true));
    assert_eq!((meant.identity.pod.as_deref(), meant.identity.node.as_deref()), (Some("p"), Some("n")));
    let meant = read(&["--shutdown-delay=1", "--log-format=text"], &variables).unwrap();
    assert_eq!((meant.shutdown_delay.as_secs(), meant.json_log), (1, false));
}

#[test]
fn what_is_wrong_names_the_word() {
    for words in [
        "-x",
        "-dax",
        "--bogus",
        "--fil a",
        "--listen 1.2.3.4:5",
        "--port 80",
        "stray",
        "-d stray",
        "-- stray",
        "-",
        "--dry-run=yes",
        "-d=yes",
        "-f",
        "-l",
        "-t",
        "--threads",
        "-l INFO",
        "-l Info",
        "-l warning",
        "-l trace",
        "-p x",
        "-p -1",
        "-p 65536",
        "-p +80",
        "-p 80.0",
        "-t 0",
        "-t -1",
        "-t 1.5",
        "-t 10s",
        "-t +1",
        "-t 1_0",
        "-t 99999999999999999999",
        "-t 316224001",
        "--threads 0",
        "--threads 1025",
        "--threads x",
        "--drain x",
        "--shutdown-delay -1s",
        "--log-format yaml",
    ] {
        let error = read(&words.split(' ').collect::<Vec<_>>(), &[]).unwrap_err();
        let last = words.rsplit([' ', '=']).next().unwrap().trim_start_matches('-');
        let last = if words == "-dax" { "x" } else { last };
        let last = match last {
            "f" => "--file",
            "l" => "--log-level",
            "t" => "--timeout",
            last => last,
        };
        // Of what is no flag of ours, the flag is named.
        let last = words.strip_prefix("--fil ").map_or(last, |_| "--fil");
        let last = ["--listen", "--port"].into_iter().find(|flag| words.starts_with(*flag)).unwrap_or(last);
        assert!(error.contains(last) && error.lines().count() == 1, "{words}: {error}");
    }
}

#[test]
fn help_and_version_come_first() {
    for words in [&["-h"][..], &["--help"], &["-dh"], &["-d", "--help", "--bogus"]] {
        let help = read(words, &[]).unwrap_err();
        assert!(help.starts_with("testero proxy "), "{words:?}: {help}");
        for (_, name, has_value) in FLAGS {
            assert!(help.contains(&format!("--{name}{}", if has_value { " " } else { "" })), "{name}: {help}");
        }
    }
    assert_eq!(read(&["-V"], &[]).unwrap_err(), "version");
}

proptest::proptest! {
    #[test]
    fn no_words_make_it_panic(words in proptest::collection::vec("-{0,2}[a-z0-9=]{0,8}", 0..5)) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Err(error) = read(&words, &[]) {
            proptest::prop_assert!(!error.is_empty());
        }
    }
}
