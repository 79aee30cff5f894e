//! What the command line and the environment come to.

use super::*;
use crate::settings::consumer::DEFAULT_NUMBER;
use crate::settings::{CpuLimit, EvictionReserve, Number};

fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Command, String> {
    let look_up = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| v.into());
    Command::read(arguments.iter().map(OsString::from).collect(), &look_up)
}

fn settings(arguments: &[&str], variables: &[(&str, &str)]) -> ConsumerSettings {
    match read(arguments, variables) {
        Ok(Command::Consume(settings)) => *settings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_said_means_the_defaults() {
    let meant = settings(&[], &[("HIGHMEMLIM", ""), ("PORT", "")]);
    assert_eq!(meant.listen.to_string(), "0.0.0.0:8080");
    assert_eq!((meant.memory_limit, meant.disk_limit), (None, None));
    assert_eq!((meant.data_dir.to_str(), meant.cpu_limit), (Some("."), CpuLimit::Default));
    assert_eq!(meant.number, Number { value: DEFAULT_NUMBER, set_by_user: false });
    assert!(meant.warnings.is_empty());
}

#[test]
fn flags_win_over_variables() {
    let variables = [
        ("HIGHMEMLIM", "1"),
        ("HIGHFILELIM", "2"),
        ("DATADIR", "/a"),
        ("NUMTOFACTOR", "3"),
        ("HIGHCPULIM", "4"),
        ("IP", "127.0.0.1"),
        ("PORT", "5"),
    ];
    let meant = settings(&[], &variables);
    assert_eq!((meant.memory_limit, meant.disk_limit), (Some(1), Some(2)));
    assert_eq!((meant.cpu_limit, meant.number.value), (CpuLimit::Seconds(4), 3));
    assert_eq!(meant.listen.to_string(), "127.0.0.1:5");
    let flags = ["--mem-limit=10", "--disk-limit", "20", "--data-dir", "/b", "--number=30", "--cpu-limit=0"];
    let meant = settings(&[&flags[..], &["--listen", "[::]:50"]].concat(), &variables);
    assert_eq!((meant.memory_limit, meant.disk_limit), (Some(10), Some(20)));
    assert_eq!((meant.cpu_limit, meant.number.value), (CpuLimit::Unlimited, 30));
    assert_eq!((meant.listen.to_string().as_str(), meant.data_dir.to_str()), ("[::]:50", Some("/b")));
}

#[test]
fn the_port_alone_can_be_said() {
    let listen = |arguments: &[&str], variables: &[(&str, &str)]| settings(arguments, variables).listen.to_string();
    assert_eq!(listen(&["--port", "81"], &[("PORT", "82"), ("IP", "::1")]), "[::1]:81");
    assert_eq!(listen(&["--port=81"], &[]), "0.0.0.0:81");
    let error = read(&["--port=81", "--listen=0.0.0.0:80"], &[]).unwrap_err();
    assert!(error.contains("--port") && error.contains("--listen"), "{error}");
}

#[test]
fn as_consumer_it_listens_where_the_resource_consumer_does() {
    let read_as = |program: &str, arguments: &[&str], variables: &[(&str, &str)]| {
        let look_up = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| v.into());
        match Command::read_as(Some(program.into()), arguments.iter().map(OsString::from), look_up) {
            Ok(Command::Consume(settings)) => settings.listen.to_string(),
            other => panic!("{other:?}"),
        }
    };
    // On every address of the host; Linux has IPv6 or it has not.
    let every = if Kernel::default().has_ipv6() { "[::]" } else { "0.0.0.0" };
    assert_eq!(read_as("/consumer", &[], &[]), format!("{every}:8080"));
    assert_eq!(read_as("./consumer", &["-port=8081"], &[]), format!("{every}:8081"));
    assert_eq!(read_as("consumer", &["-port", "8081", "-faults=on"], &[("IP", "127.0.0.1")]), "127.0.0.1:8081");
    for program in ["/testero", "/consumer2", "/consumer/testero"] {
        assert_eq!(read_as(program, &["--port", "8081"], &[]), "0.0.0.0:8081", "{program}");
    }
}

#[test]
fn limits_that_are_no_numbers_are_logged_where_the_contract_has_it_and_zero_means_the_default() {
    let meant = settings(&[], &[("HIGHMEMLIM", "12Gi"), ("HIGHFILELIM", "0"), ("HIGHPIDLIM", "0")]);
    assert_eq!((meant.memory_limit, meant.disk_limit, meant.pid_limit), (None, None, None));
    assert_eq!(meant.warnings.len(), 1);
    assert!(meant.warnings[0].contains("HIGHMEMLIM") && meant.warnings[0].contains("12Gi"));
    let meant = settings(&["--fd-limit", "2k"], &[("HIGHPIDLIM", "10k"), ("HIGHCPULIM", "90"), ("CONNECTIONS", "4")]);
    assert_eq!((meant.pid_limit, meant.fd_limit, meant.connections), (Some(10_000), Some(2000), Some(4)));
    assert_eq!(meant.cpu_limit, CpuLimit::Seconds(90));
    for (name, text) in
        [("HIGHCPULIM", "-1"), ("HIGHPIDLIM", "lots"), ("CONNECTIONS", "257"), ("START_DISK", "1,ttl=0")]
    {
        let error = read(&[], &[(name, text)]).unwrap_err();
        assert!(error.contains(name) && error.contains(text) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn a_reserve_is_taken_off_the_limit_of_files() {
    let meant = settings(&[], &[("HIGHFILELIM", "1073741824"), ("DISKRESERVE", "64Mi")]);
    assert_eq!(meant.disk_limit, Some(960 << 20));
    let meant = settings(&["--disk-reserve=0", "--disk-limit=5"], &[("DISKRESERVE", "64Mi")]);
    assert_eq!(meant.disk_limit, Some(5));
    for lost in [&[("DISKRESERVE", "1")][..], &[("DISKRESERVE", "1"), ("HIGHFILELIM", "0")]] {
        let meant = settings(&[], lost);
        assert_eq!(meant.disk_limit, None);
        assert!(meant.warnings[0].contains("HIGHFILELIM"), "{:?}", meant.warnings);
    }
    for (reserve, words) in [("5", "leaves nothing"), ("50pct", "50pct"), ("much", "much")] {
        let error = read(&["--disk-limit=5"], &[("DISKRESERVE", reserve)]).unwrap_err();
        assert!(error.contains(words) && error.contains("DISKRESERVE"), "{error}");
    }
}

#[test]
fn what_the_kubelet_keeps_free_is_an_amount_or_a_share_of_each() {
    use crate::units::quantity::Amount::{Exactly, Share};
    assert_eq!(settings(&[], &[]).eviction_reserve, EvictionReserve::NONE);
    for (text, memory, disk) in [
        ("memory=100Mi,disk=10pct", Exactly(100 << 20), Share(100_000)),
        ("disk=5%, memory=1.5pct", Share(15_000), Share(50_000)),
        ("disk=1G", Exactly(0), Exactly(1_000_000_000)),
    ] {
        let expected = EvictionReserve { memory, disk };
        assert_eq!(settings(&[], &[("EVICTIONRESERVE", text)]).eviction_reserve, expected, "{text}");
        assert_eq!(settings(&["--eviction-reserve", text], &[]).eviction_reserve, expected, "{text}");
    }
    for text in ["100Mi", "memory", "memory=", "memory=much", "memory=max", "cpu=1", "disk=10pct,", "memory<100Mi"] {
        let error = read(&[], &[("EVICTIONRESERVE", text)]).unwrap_err();
        assert!(error.starts_with("EVICTIONRESERVE: '") && error.contains("memory=100Mi,disk=10pct"), "{error}");
    }
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    for (arguments, words) in [
        (&["--bogus"][..], "--bogus"),
        (&["-x"], "-x"),
        (&["serve"], "serve"),
        (&["--mem-limit"], "needs a value"),
        (&["--mem-limit", "many"], "many"),
        (&["--listen", "8080"], "0.0.0.0:8080"),
        (&["--number", "0"], "positive"),
        (&["--number", "+5"], "positive"),
        (&["--number", "340282366920938463463374607431768211456"], "2^128"),
        (&["health", "--listen", "x"], "--listen"),
        (&["--help=x"], "help"),
    ] {
        let error = match read(arguments, &[]) {
            Err(error) => error,
            // `--help=x` is help all the same.
            Ok(Command::Help(_)) => continue,
            other => panic!("{arguments:?}: {other:?}"),
        };
        assert!(error.contains(words) && error.lines().count() == 1, "{arguments:?}: {error}");
    }
    for (name, value) in [("NUMTOFACTOR", "0"), ("NUMTOFACTOR", "abc"), ("PORT", "65536"), ("IP", "localhost")] {
        let error = read(&[], &[(name, value)]).unwrap_err();
        assert!(error.contains(name) && error.contains(value), "{error}");
    }
}

#[test]
fn the_largest_number_is_accepted() {
    let number = settings(&["--number", "340282366920938463463374607431768211455"], &[]).number;
    assert_eq!((number.value, number.set_by_user), (u128::MAX, true));
}

#[test]
fn health_asks_where_the_service_listens() {
    let url = |arguments: &[&str], variables: &[(&str, &str)]| match read(arguments, variables) {
        Ok(Command::Health(url, None)) => url,
        other => panic!("{other:?}"),
    };
    assert_eq!(url(&["health"], &[]), "http://127.0.0.1:8080/healthz");
    assert_eq!(url(&["health"], &[("IP", "::"), ("PORT", "90")]), "http://127.0.0.1:90/healthz");
    assert_eq!(url(&["health"], &[("IP", "::1")]), "http://[::1]:8080/healthz");
    assert_eq!(url(&["health", "--url", "http://x/y"], &[]), "http://x/y");
}

#[cfg(feature = "client")]
#[test]
fn a_command_comes_before_or_after_its_flags() {
    for words in [
        "status --url http://h:1",
        "--url http://h:1 status",
        "--url=http://h:1 status --json",
        "--json status --url http://h:1",
    ] {
        match read(&words.split(' ').collect::<Vec<_>>(), &[]) {
            Ok(Command::Ask(job)) => assert_eq!(job.url, "http://h:1", "{words}"),
            other => panic!("{words}: {other:?}"),
        }
    }
    match read(&["--url", "http://h/x", "health"], &[]) {
        Ok(Command::Health(url, None)) => assert_eq!(url, "http://h/x"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(read(&["--url", "http://h", "health", "disable"], &[]), Ok(Command::Ask(_))));
    assert!(matches!(read(&["--listen", "127.0.0.1:0", "--token-file", "health"], &[]), Ok(Command::Consume(_))));
    for (words, says) in [
        ("--url http://h", "of which command"),
        ("--listen 127.0.0.1:0 status", "--listen"),
        ("--url http://h stats", "'stats'"),
        ("--url http://h counter", "--url"),
        ("--bogus status", "--bogus"),
    ] {
        let error = read(&words.split(' ').collect::<Vec<_>>(), &[]).unwrap_err();
        assert!(error.contains(says), "{words}: {error}");
    }
}

#[test]
fn a_load_is_capped_where_the_contract_says() {
    let default = Number { value: DEFAULT_NUMBER, set_by_user: false };
    let own = Number { value: 7, set_by_user: true };
    let seconds =
        |limit: CpuLimit, number: &Number, is_contract| limit.most(number, is_contract).map(|most| most.as_secs());
    assert_eq!(seconds(CpuLimit::Default, &default, true), Some(1500));
    assert_eq!(seconds(CpuLimit::Default, &default, false), None);
    assert_eq!(seconds(CpuLimit::Default, &own, true), None);
    assert_eq!(seconds(CpuLimit::Seconds(5), &own, false), Some(5));
    assert_eq!(seconds(CpuLimit::Unlimited, &default, true), None);
}

proptest::proptest! {
    #[test]
    fn no_words_make_it_panic(words in proptest::collection::vec("(--)?[a-z=:.\\[\\]0-9-]{0,12}", 0..4)) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Err(error) = read(&words, &[]) {
            proptest::prop_assert!(!error.is_empty());
        }
    }
}

#[cfg(feature = "client")]
#[test]
fn help_and_version_are_words_as_well() {
    let text = |words: &[&str]| match read(words, &[]) {
        Ok(Command::Help(text)) => text,
        other => panic!("{words:?}: {other:?}"),
    };
    let of = |command, verb| client::help::of(command, verb).unwrap();
    assert_eq!((text(&["help"]), text(&["help", "mem"])), (Help::Consumer.text(), of("mem", None)));
    assert_eq!(text(&["help", "mem", "set"]), of("mem", Some("set")));
    assert_eq!(
        (text(&["mem", "set", "-h"]), text(&["help", "status", "now"])),
        (of("mem", Some("set")), of("status", None))
    );
    assert_eq!(
        (text(&["health", "--help"]), text(&["help", "health", "show"])),
        (of("health", None), of("health", Some("show")))
    );
    assert_eq!((text(&["help", "version"]), text(&["help", "help"])), (Help::Consumer.text(), Help::Consumer.text()));
    assert!(read(&["help", "mem", "sett"], &[]).unwrap_err().contains("did you mean 'testero mem set'?"));
    assert!(matches!(read(&["version"], &[]), Ok(Command::Version)));
}

#[cfg(feature = "client")]
#[test]
fn what_was_meant_is_said_and_where_help_is() {
    for (words, problem, help) in [
        (&["men", "set", "5Mi"][..], "unknown command 'men'; did you mean 'testero mem set'?", "testero --help"),
        (&["statsu"], "unknown command 'statsu'; did you mean 'testero status'?", "testero --help"),
        (&["fibonaci"], "unknown command 'fibonaci'; did you mean 'testero fibonacci'?", "testero --help"),
        (&["xyzzy"], "unknown command 'xyzzy'", "testero --help"),
        (&["set", "mem", "5Mi"], "unknown command 'set'; did you mean 'testero mem set'?", "testero mem --help"),
        (&["load", "5"], "load what? What it is about comes first; did you mean 'testero cpu load'?", "testero --help"),
        (
            &["mem", "set", "5Mi", "--tll", "5s"],
            "unknown option '--tll'; did you mean '--ttl'?",
            "testero mem set --help",
        ),
        (&["--url", "http://x", "cpu", "load", "much"], "", "testero cpu load --help"),
        (&["help", "xyzzy"], "unknown command 'xyzzy'", "testero --help"),
    ] {
        let error = read(words, &[]).unwrap_err();
        assert!(error == problem || problem.is_empty(), "{error}");
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        assert_eq!(Command::help_for(&words), help);
    }
}
