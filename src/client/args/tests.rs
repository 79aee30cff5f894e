//! What words become.

use super::*;

fn understood(words: &[&str]) -> Result<Understood, String> {
    let none = |_: &str| None;
    read(words[0], Parser::from_args(&words[1..]), &none, &|| Ok(String::from("http://127.0.0.1:8080")))
}

fn job(words: &[&str]) -> Result<ClientCommand, String> {
    understood(words).map(|words| match words {
        Understood::Do(job) => *job,
        Understood::Help(text) => panic!("{text}"),
    })
}

fn target(words: &[&str]) -> (&'static str, String) {
    match job(words).unwrap().what {
        Action::Call(call) => (call.method, call.target()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn commands_become_requests() {
    for (words, method, path) in [
        ("mem set 512Mi", "POST", "/api/mem/set?format=json&amount=512Mi&exact=true"),
        ("mem set 512 MiB", "POST", "/api/mem/set?format=json&amount=512%20MiB&exact=true"),
        ("mem set 512Mi --rounded", "POST", "/api/mem/set?format=json&amount=512Mi"),
        ("disk set 50 % -w", "POST", "/api/disk/set?format=json&amount=50%20%25&exact=true&follow=true"),
        ("fault delay 200ms --for 1m", "POST", "/fault/delay?format=json&for=1m&ms=200"),
        ("fault status 503 --percent 10", "POST", "/fault/status?format=json&percent=10&code=503"),
        ("fault log 1000 --rate 500", "POST", "/fault/log?format=json&rate=500&lines=1000"),
        ("fault term --ignore", "POST", "/fault/term?format=json&ignore=true"),
        ("fault exit --code 3 --after 5s", "POST", "/fault/exit?format=json&code=3&after=5s"),
        ("fault end", "DELETE", "/fault?format=json"),
        ("fault end delay", "DELETE", "/fault/delay?format=json"),
        ("disk set max-1Gi --wait", "POST", "/api/disk/set?format=json&amount=max-1Gi&exact=true&follow=true"),
        (
            "mem set 50% --ttl 5m --over=30s --exact",
            "POST",
            "/api/mem/set?format=json&amount=50%25&ttl=5m&over=30s&exact=true",
        ),
        ("pid set 10 --dry-run", "POST", "/api/pid/set?format=json&amount=10&dry_run=true"),
        ("mem release", "DELETE", "/api/mem?format=json"),
        ("fd release --over 3s --wait", "DELETE", "/api/fd?format=json&over=3s&follow=true"),
        ("cpu load --cpu 1500m --time 90s", "POST", "/api/cpu/load?format=json&duration=90s&cpu=1500m"),
        (
            "io load --rate 5Mi --time 1m --replace",
            "POST",
            "/api/io/load?format=json&duration=1m&rate=5Mi&replace=true",
        ),
        ("cpu load", "POST", "/api/cpu/load?format=json&duration=60s"),
        ("cpu load 0.5 --time 9s", "POST", "/api/cpu/load?format=json&duration=9s&cpu=0.5"),
        ("io load 5Mi", "POST", "/api/io/load?format=json&duration=60s&rate=5Mi"),
        ("cpu stop", "DELETE", "/api/cpu?format=json"),
        ("release", "DELETE", "/api?format=json"),
        ("ready disable --for 30s", "POST", "/readyz/disable?format=json&for=30s"),
        ("health enable", "POST", "/healthz/enable?format=json"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        assert_eq!(target(&words), (method, path.to_owned()), "{words:?}");
    }
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    for (words, says) in [
        ("mem", "set, get, release"),
        ("mem take", "set, get, release"),
        ("mem set", "how much"),
        ("mem set lots", "lots"),
        ("mem set 1Gi 2Gi", "2Gi"),
        ("mem set 1Gi --ttl soon", "soon"),
        ("mem set 1Gi --fsync", "fsync"),
        ("mem set 1Gi --kind gold", "anon, file, shm"),
        ("mem set 1Gi --rate fast", "fast"),
        ("mem set 1Gi --bogus", "--bogus"),
        ("mem set 1Gi --tll 5s", "unknown option '--tll'; did you mean '--ttl'?"),
        ("cpu load 1 2", "what is '2'"),
        ("cpu load 1 --cpu 2", "'1' and --cpu say the same"),
        ("cpu load much", "much"),
        ("mem set 1Gi --ttl", "needs a value"),
        ("mem set 1Gi --url localhost", "http://"),
        ("mem get --wait", "--wait"),
        ("cpu load --time 5s --cpu much", "much"),
        ("status now", "now"),
        ("spread mem 1Gi", "--service"),
        ("spread gold 1 --service a", "mem, disk, cpu"),
        ("spread mem 1Gi --service a --by luck", "even, available"),
        ("http", "which path"),
        ("http metrics", "begin with /"),
        ("http /metrics --timeout soon", "soon"),
        ("http /metrics --wait", "--wait"),
        ("mem get --timeout 5s", "--timeout"),
        ("mem sett 5Mi", "did you mean 'testero mem set'?"),
        ("mem set 1Gi -x", "unknown option '-x'"),
        ("mem set 1Gi -o", "'-o' needs a value"),
        ("mem set 1Gi -o xml", "json, yaml, name, wide"),
        ("mem set 1Gi --exact --rounded", "which one counts"),
        ("mem set 1Gi --over 3s --rate 1Mi", "--over and --rate"),
        ("fault dela", "did you mean 'testero fault delay'?"),
        ("fault delay", "which TIME? As in testero fault delay 200ms"),
        ("fault delay soon", "soon"),
        ("fault delay 0s", "1ms to 60s"),
        ("fault status 200", "400 to 599"),
        ("fault end exot", "did you mean 'testero fault end exit'?"),
        ("fault hang now", "now"),
        ("spread release gold --service a", "mem, disk or cpu"),
        ("spread status", "--service"),
        ("ready enabel", "did you mean 'testero ready enable'?"),
        ("completions", "bash, zsh, fish"),
        ("completions tcsh", "bash, zsh, fish"),
    ] {
        let error = job(&words.split(' ').collect::<Vec<_>>()).unwrap_err();
        assert!(error.contains(says) && error.lines().count() == 1, "{words}: {error}");
    }
}

#[test]
fn the_url_and_the_token_are_looked_for_in_their_order() {
    let known = |name: &str| match name {
        "TESTERO_URL" => Some(OsString::from("http://a:1")),
        "TOKEN" => Some(OsString::from("secret")),
        _ => None,
    };
    let read = |words: &[&str]| {
        let read = read("status", Parser::from_args(words), &known, &|| unreachable!()).unwrap();
        let Understood::Do(job) = read else { panic!("help") };
        (job.url, job.token)
    };
    assert_eq!(read(&[]), (String::from("http://a:1"), Some(TokenSource::Value(String::from("secret")))));
    let words = ["--url", "http://b/x", "--token-file", "/t"];
    assert_eq!(read(&words), (String::from("http://b/x"), Some(TokenSource::File(PathBuf::from("/t")))));
    assert_eq!(read(&["--token=t"]).1, Some(TokenSource::Value(String::from("t"))));
}

proptest::proptest! {
    #[test]
    fn no_words_make_it_panic(
        command in proptest::sample::select(COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>()),
        words in proptest::collection::vec("(--)?[a-z=:.0-9-]{0,10}", 0..5),
    ) {
        let words: Vec<&str> = [command].into_iter().chain(words.iter().map(String::as_str)).collect();
        let _ = understood(&words);
    }
}

#[test]
fn the_form_of_the_answer_is_said_in_two_ways() {
    use crate::client::output::AnswerForm;
    let output = |words: &str| job(&words.split(' ').collect::<Vec<_>>()).unwrap().output;
    assert_eq!(output("mem get").form, AnswerForm::Words);
    for words in
        ["mem get --json", "mem get -o json", "mem get -ojson", "mem get --output=json", "mem set 1Mi -qo json"]
    {
        assert_eq!(output(words).form, AnswerForm::Json, "{words}");
    }
    assert_eq!((output("mem get -o wide").form, output("release -o yaml").form), (AnswerForm::Wide, AnswerForm::Yaml));
    assert_eq!((output("mem set 1Mi -wq").quiet, output("mem get").quiet), (true, false));
    assert_eq!((output("status --color never").colors, output("status --color auto").colors), (Some(false), None));
}

#[test]
fn help_is_that_of_the_verb_that_is_said() {
    let text = |words: &str| match understood(&words.split(' ').collect::<Vec<_>>()) {
        Ok(Understood::Help(text)) => text,
        other => panic!("{other:?}"),
    };
    for (words, begins) in [
        ("mem --help", "testero mem: "),
        ("mem set -h", "testero mem set: "),
        ("mem set 5Mi --help", "testero mem set: "),
        ("status -h", "testero status: "),
        ("completions --help", "testero completions: "),
    ] {
        assert!(text(words).starts_with(begins), "{words}");
    }
}

#[test]
fn whom_a_line_is_about_is_read_as_far_as_it_is_written() {
    for (line, url, file) in [
        ("--url http : //x : 8080 fault end ", Some("http://x:8080"), None),
        ("fault --token-file=t end --url = http : //x --ttl 5", Some("http://x"), Some("t")),
        ("fault end --url", Some(""), None),
        ("fault end ", None, None),
    ] {
        let said = of_connection(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!((said.value("url"), said.value("token-file")), (url, file), "{line}");
    }
}
