//! Completions, as the shells themselves make use of them.

use std::process::{Command, Stdio};

use testero::client::commands::{COMMANDS, SHELLS};
use testero::client::flags::Takes;

use super::{nobody, plain, well};
use crate::harness::{Testero, binary, skip};
use crate::process::run;

/// What is to be offered when a line ends like this, sorted.
const OFFERS: [(&str, &str); 41] = [
    ("testero me", "mem"),
    ("testero re", "ready release"),
    ("testero sp", "spread"),
    ("testero co", "completions consumer counter"),
    ("testero mem ", "get release set"),
    ("testero disk s", "set"),
    ("testero inode ", "get release set"),
    ("testero pid ", "get release set"),
    ("testero fd ", "get release set"),
    ("testero cpu ", "get load stop"),
    ("testero io ", "get load stop"),
    ("testero ready ", "disable enable"),
    ("testero health ", "disable enable show"),
    ("testero completions ", "bash fish zsh"),
    ("testero mem set 1Gi --t", "--token --token-file --touch --ttl"),
    ("testero mem set 1Gi --k", "--kind"),
    ("testero mem set 1Gi --kind ", "anon file shm"),
    ("testero mem release --w", "--wait"),
    ("testero disk set 1Gi --f", "--force --fsync"),
    ("testero status --w", "--watch"),
    ("testero cpu load --ti", "--time"),
    ("testero spread mem 1Gi --by ", "available even"),
    ("testero ht", "http"),
    ("testero http P", "POST PUT"),
    ("testero http /metrics --t", "--timeout --token --token-file"),
    ("testero http POST /x --u", "--url"),
    ("testero http POST /m", "/metrics"),
    ("testero --url http://x mem s", "set"),
    ("testero mem --wait set --ttl 5m --tt", ""),
    ("testero fault end d", "delay"),
    ("testero spread release ", "--color --json --output --quiet --service --token --token-file --url cpu disk mem"),
    ("testero mem get -o ", "json name wide yaml"),
    ("testero mem get --output w", "wide"),
    ("testero help sp", "spread"),
    ("testero --mem", "--mem-limit"),
    ("testero proxy --ch", "--check"),
    ("testero fibonacci --limit", "--limit-digits"),
    ("testero crash --st", "--store"),
    ("testero scenario s", "schema status stop"),
    ("testero scenario examples d", "day day.csv"),
    ("testero top --so", "--sort-by"),
];

fn sorted(words: &str) -> String {
    let mut words: Vec<&str> = words.split_whitespace().collect();
    words.sort_unstable();
    words.join(" ")
}

/// Whether the shell is here; says so where not.
fn has(shell: &str) -> bool {
    let found = Command::new(shell).args(["-c", "exit 0"]).stdin(Stdio::null()).status();
    let has = found.is_ok_and(|status| status.success());
    if !has {
        skip(&format!("there is no {shell} here"));
    }
    has
}

/// What bash offers at the end of each line.
fn in_bash(lines: &[&str]) -> Vec<String> {
    let script = r#"source <("$0" completions bash); complete -p testero >&2; for line in "$@"; do
        COMP_WORDS=($line); [[ $line == *" " ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        COMPREPLY=(); _testero; echo "${COMPREPLY[@]}"; done"#;
    let mut command = Command::new("bash");
    let output = run(with_path(command.args(["--noprofile", "--norc", "-c", script, binary()]).args(lines)));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "complete -F _testero testero\n");
    String::from_utf8(output.stdout).unwrap().lines().map(sorted).collect()
}

/// What fish offers at the end of each line.
fn in_fish(lines: &[&str]) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("fish");
    let script = "$argv[1] completions fish | source; for line in $argv[2..]; complete -C $line; echo .; end";
    command.args(["--no-config", "-c", script, binary()]).args(lines).current_dir(home.path()).env("HOME", home.path());
    with_path(&mut command);
    let output = run(command.env("XDG_CONFIG_HOME", home.path()).env("XDG_DATA_HOME", home.path()));
    assert!(output.stderr.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let mut all = Vec::new();
    for offers in said.split(".\n") {
        // Behind a tab stands what it is for.
        let words: Vec<&str> = offers.lines().map(|line| line.split('\t').next().unwrap()).collect();
        all.push(sorted(&words.join(" ")));
    }
    all.pop();
    all
}

/// Where the program is found by its name.
fn with_path(command: &mut Command) -> &mut Command {
    let folder = std::path::Path::new(binary()).parent().unwrap().display().to_string();
    command.env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap_or_default()))
}

/// All lines that the program's own table of words has an end for, and what is to be offered there.
fn whole_table() -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for command in COMMANDS {
        let seconds: Vec<&str> = command.verbs.iter().map(|verb| verb.word).filter(|word| !word.is_empty()).collect();
        if !seconds.is_empty() {
            lines.push((format!("testero {} ", command.name), sorted(&seconds.join(" "))));
        }
        for verb in command.verbs.iter().filter(|verb| !verb.word.is_empty() || command.verbs.len() == 1) {
            let amount = if verb.takes_amount() { "1 " } else { "" };
            let line = format!("testero {} {} {amount}", command.name, verb.word).replace("  ", " ");
            let names: Vec<String> = verb.flags().map(|flag| format!("--{}", flag.name)).collect();
            lines.push((format!("{line}--"), sorted(&names.join(" "))));
            if verb.takes_amount() {
                lines.push((line.clone(), sorted(&names.join(" "))));
            }
            for flag in verb.flags() {
                if let Takes::OneOf(values) = flag.takes {
                    lines.push((format!("{line}--{} ", flag.name), sorted(&values.join(" "))));
                }
            }
        }
    }
    lines
}

fn all_offered(shell: fn(&[&str]) -> Vec<String>, mut table: Vec<(String, String)>) {
    table.extend(OFFERS.map(|(line, offers)| (line.to_owned(), offers.to_owned())));
    let lines: Vec<&str> = table.iter().map(|(line, _)| line.as_str()).collect();
    let offered = shell(&lines);
    assert_eq!(offered.len(), lines.len());
    for ((line, offers), offered) in table.iter().zip(offered) {
        assert_eq!(offered, *offers, "{line}");
    }
}

#[test]
fn bash_offers_all_there_is() {
    if !has("bash") {
        return;
    }
    all_offered(in_bash, whole_table());
    let firsts = COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(" ");
    let others = "consumer fibonacci counter proxy crash scenario completions help version --help --version";
    assert_eq!(in_bash(&["testero "]), [sorted(&format!("{firsts} {others}"))]);
    assert_eq!(in_bash(&["testero --h", "testero status --token-file /etc/host"]), ["--help".to_owned(), hosts()]);
}

#[test]
fn bash_has_equals_signs_and_colons_as_words() {
    if has("bash") {
        let lines = ["testero mem set --kind = a", "testero mem set --kind =", "testero mem set --kind = shm --ki"];
        assert_eq!(in_bash(&lines), ["anon", "anon file shm", ""]);
        let lines = ["testero --url http : //127.0.0.1 : 8080 mem s", "testero mem --url = http : //x : 80 re"];
        assert_eq!(in_bash(&lines), ["set", "release"]);
    }
}

#[test]
fn faults_that_are_active_are_offered() {
    let testero = Testero::start_with(&["--faults", "on"], &[]);
    testero.ask("POST", "/fault/delay?ms=20&for=1h");
    let url = format!("http://{}", testero.address);
    let offered = |url: &str| well(&mut plain(&["__complete", "--url", url, "fault", "end", ""]));
    let lines = offered(&url);
    assert!(lines.starts_with("delay\t") && lines.contains("20 ms") && !lines.contains("hang"), "{lines}");
    // Where nobody answers, or has no token to, it is all there are.
    assert!(offered(&format!("http://{}", nobody())).contains("hang\t"));
    let words = ["__complete", "--token-file", "/nowhere", "fault", "end", "h"];
    assert!(well(&mut plain(&words)).contains("hang\t"));
}

/// What there is in /etc that begins like this.
fn hosts() -> String {
    let names = std::fs::read_dir("/etc").unwrap().map(|entry| entry.unwrap().path().display().to_string());
    sorted(&names.filter(|name| name.starts_with("/etc/host")).collect::<Vec<_>>().join(" "))
}

#[test]
fn fish_offers_all_there_is() {
    if !has("fish") {
        return;
    }
    all_offered(in_fish, whole_table());
    assert!(in_fish(&["testero status --token-file /etc/host"])[0].contains("/etc/hosts"));
    assert_eq!(in_fish(&["testero mem set --kind=a"]), ["--kind=anon"]);
}

/// What zsh draws when TAB is pressed twice at the end of this line, with the script loaded in this way.
fn in_zsh(load: &str, line: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let driver = r#"
        zmodload zsh/zpty; zpty z "ZDOTDIR=$HOME TERM=dumb zsh -f -i"
        typeset seen= chunk=
        wait_for() { repeat 600; do while zpty -r -t z chunk; do seen+=$chunk; done; [[ $seen == *$1* ]] && return
            sleep 0.05; done; print -r "waited in vain: ${(q)seen}"; exit 1 }
        zpty -w z "PS1=; unsetopt zle_bracketed_paste; fpath=($HOME \$fpath); autoload -U compinit; compinit -u -D"
        zpty -w z "$2; setopt no_list_beep; stty columns 200; print LOADED\$((1+1))"
        wait_for LOADED2; seen=
        zpty -n -w z "$3"$'\t'; sleep 0.3; zpty -n -w z $'\t'; sleep 0.3
        zpty -n -w z $'\x15'; zpty -w z "print DRAWN\$((1+1))"; wait_for DRAWN2
        print -r -- "${seen%%DRAWN*}"; zpty -d z"#;
    let driver = driver.replace("$2", load).replace("$3", line);
    let mut command = Command::new("zsh");
    with_path(command.args(["-f", "-c", &driver]).env("HOME", home.path()));
    let script = well(&mut plain(&["completions", "zsh"]));
    std::fs::write(home.path().join("_testero"), script).unwrap();
    let output = run(&mut command);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn zsh_offers_what_there_is() {
    if !has("zsh") {
        return;
    }
    let load = format!("source <({} completions zsh)", binary());
    for (line, offers) in
        [OFFERS[4], OFFERS[9], OFFERS[13], OFFERS[16], OFFERS[23], OFFERS[24], ("testero spread ", "cpu disk mem")]
    {
        let drawn = in_zsh(&load, line);
        assert!(offers.split(' ').all(|word| drawn.contains(word)), "{line}: {drawn:?}");
    }
    let drawn = in_zsh(&load, "testero mem ");
    assert!(drawn.contains("hold so much memory in all"), "{drawn:?}");
}

#[test]
fn zsh_finds_it_by_its_name() {
    if has("zsh") {
        let drawn = in_zsh("true", "testero completions b");
        assert!(drawn.contains("testero completions bash"), "{drawn:?}");
    }
}

#[test]
fn scripts_are_for_the_shells_to_read() {
    for shell in SHELLS {
        let script = well(&mut plain(&["completions", shell]));
        assert!(script.ends_with('\n') && script.contains("testero"));
        if has(shell) {
            let mut command = Command::new(shell);
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(&file, script).unwrap();
            assert!(run(command.arg("-n").arg(file.path())).status.success(), "{shell}");
        }
    }
}
