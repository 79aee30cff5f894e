//! `--wait`: progress, and what becomes of the work.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;

use super::terminal::on_terminal;
use super::{asking, ended, says, shape, url};
use crate::disk::is_root;
use crate::harness::{Testero, binary, skip};
use crate::process::{Reaped, fails_with};

/// A command that is waiting, and has told of progress once.
struct Waiting {
    child: Reaped,
    lines: BufReader<ChildStdout>,
}

impl Waiting {
    fn of(testero: &Testero, words: &str) -> Self {
        let mut command = asking(testero, words);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut waiting = Self { child: Reaped(child), lines };
        assert!(waiting.line().contains(" %"));
        waiting
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    /// Its exit code, and what it complains of.
    fn ended(mut self) -> (i32, String) {
        let status = self.child.ended();
        let mut why = String::new();
        self.child.0.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        (status.code().unwrap(), why)
    }
}

#[test]
fn progress_is_plain_lines_where_there_is_no_terminal() {
    let testero = Testero::start();
    let said = says(&testero, "mem set 8Mi --exact --over 2s --wait");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() >= 3 && !said.contains(['\r', '\x1b']), "{said}");
    assert!(lines[0].contains(" %  ") && lines[0].contains(" of 8.0 MiB"), "{said}");
    assert!(lines.iter().any(|line| line.contains(" to go")), "{said}");
    assert!(lines[lines.len() - 2].starts_with("100 %  8.0 MiB of 8.0 MiB"), "{said}");
    assert_eq!(lines[lines.len() - 1], "memory: 8.0 MiB held");
    assert_eq!(testero.group("mem").number("held"), f64::from(8 << 20));
}

#[test]
fn progress_goes_down_as_it_goes_up() {
    let testero = Testero::start();
    says(&testero, "mem set 24Mi --exact --wait");
    // At once, and slowly.
    let said = says(&testero, "mem set 20Mi --exact --wait");
    let last = said.lines().rev().nth(1).unwrap();
    assert!(last.starts_with("100 %  20.0 MiB") && last.ends_with(" 20.0 MiB"), "{said}");
    assert!(said.ends_with("\nmemory: 20.0 MiB held\n") && !said.contains("GiB/s"), "{said}");
    let said = says(&testero, "mem set 8Mi --exact --over 2s --wait");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() >= 4, "{said}");
    let down = |line: &&str| line.contains(" MiB → 8.0 MiB") && !line.contains(" of ");
    assert!(lines[..lines.len() - 1].iter().all(down), "{said}");
    let percents: Vec<u64> = lines[..lines.len() - 1].iter().map(|line| line[..3].trim().parse().unwrap()).collect();
    assert!(percents.is_sorted() && percents[0] < 50 && percents.ends_with(&[100]), "{said}");
    assert!(lines.iter().any(|line| line.contains("iB/s  ") && line.contains(" to go")), "{said}");
    let said = says(&testero, "mem release --over 1s --wait");
    assert!(said.contains(" MiB → 0 B") && said.ends_with("\nmemory: nothing is held\n"), "{said}");
    assert!(said.lines().rev().nth(1).unwrap().starts_with("100 %  0 B → 0 B"), "{said}");
}

#[test]
fn a_load_is_waited_for_as_long_as_it_lasts() {
    let testero = Testero::start();
    testero.get("/api/disk/set?amount=1Mi&wait=true");
    for (words, form) in [("cpu load --cpu 100m --time 1s --wait", "#m of #m"), ("io load --time 1s --wait", "#")] {
        let said = says(&testero, words);
        assert!(
            said.ends_with(": the load is over, nothing runs\n")
                && shape(&said).contains(form)
                && said.contains(" to go"),
            "{said}"
        );
        assert_eq!(testero.group(words.split(' ').next().unwrap()).text("state"), "idle");
    }
}

#[test]
fn on_a_terminal_there_is_a_bar() {
    let testero = Testero::start();
    let (code, drawn) = on_terminal(&mut asking(&testero, "mem set 8Mi --exact --over 2s --wait"), 200);
    assert_eq!(code, 0, "{drawn}");
    let bars: Vec<&str> = drawn.split('\r').filter(|bar| bar.starts_with('[')).collect();
    assert!(bars.len() >= 3, "{drawn:?}");
    let width = |bar: &str| bar.find(']').unwrap();
    assert!(bars.iter().all(|bar| width(bar) == width(bars[0]) && bar.contains("of 8.0 MiB")), "{drawn:?}");
    assert!(bars.iter().any(|bar| bar.contains("MiB/s  ") || bar.contains("KiB/s  ")), "{drawn:?}");
    assert!(bars.iter().any(|bar| bar.contains(" to go")), "{drawn:?}");
    let full = |bar: &str| bar.matches('#').count();
    assert!(bars.windows(2).all(|two| full(two[0]) <= full(two[1])), "{drawn:?}");
    assert_eq!(full(bars[bars.len() - 1]), width(bars[0]) - 1, "{drawn:?}");
    // The bar stays; what follows is below it.
    assert!(drawn.ends_with("\r\nmemory: 8.0 MiB held\r\n"), "{drawn:?}");
}

#[test]
fn a_bar_is_one_line() {
    let testero = Testero::start();
    for columns in [60, 40] {
        let (_, drawn) = on_terminal(&mut asking(&testero, "mem set 101Mi --over 2s --wait"), columns);
        says(&testero, "mem release --wait");
        for bar in drawn.split('\r').filter(|bar| bar.starts_with('[')) {
            let bar = bar.trim_end_matches("\x1b[K");
            assert!(bar.chars().count() < usize::from(columns), "{bar}");
        }
    }
}

#[test]
fn a_refusal_draws_no_bar() {
    let testero = Testero::start_with(&["--mem-limit", "10000000"], &[]);
    let (code, drawn) = on_terminal(&mut asking(&testero, "mem set 1Gi --wait"), 80);
    assert_eq!((code, drawn.as_str()), (1, ""));
}

#[test]
fn work_that_fails_is_told_with_exit_1() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut command = Command::new("sh");
    // Room for the smallest files alone, in whatever blocks the shell counts.
    command.args(["-c", "ulimit -f 1024 && exec \"$0\" \"$@\"", binary(), "--listen", "127.0.0.1:0"]);
    command.args(["--disk-limit", "1000000000", "--data-dir"]).arg(data.path());
    let testero = Testero::spawn(command, Arc::clone(&data));
    let (code, said, why) = ended(&mut asking(&testero, "disk set 20Mi --wait"));
    assert_eq!(code, 1, "{said} {why}");
    assert!(why.contains("File too large") && why.lines().count() == 1 && !said.contains("held\n"), "{said} {why}");
}

#[test]
fn a_full_file_system_is_told_with_exit_1() {
    if !is_root() {
        return;
    }
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut command = Command::new("unshare");
    let mount = "mount -t tmpfs -o size=8m testero-test \"$1\" || exit 77; exec \"$0\" --listen 127.0.0.1:0 \
                 --disk-limit 1000000000 --mem-limit 1000000000 --data-dir \"$1\"";
    if !mounts_here() {
        return;
    }
    command.args(["--mount", "sh", "-c", mount, binary()]).arg(data.path());
    let testero = Testero::spawn(command, Arc::clone(&data));
    let (code, said, why) = ended(&mut asking(&testero, "disk set 20Mi --force --wait"));
    assert_eq!(code, 1, "{said} {why}");
    assert!(why.contains("No space left") && !said.contains("held\n"), "{said} {why}");
    // What was done stays, and can be given back.
    assert!(says(&testero, "disk release --wait").ends_with("disk: nothing is held\n"));
}

/// Whether root may have mounts of its own here; says so where not.
pub(crate) fn mounts_here() -> bool {
    let mut command = Command::new("unshare");
    let may = crate::process::run(command.args(["--mount", "mount", "-t", "tmpfs", "none", "/mnt"])).status.success();
    if !may {
        skip("root may not mount here");
    }
    may
}

#[test]
fn the_release_of_everything_can_be_waited_for() {
    let testero = Testero::start();
    says(&testero, "mem set 64Mi --wait");
    says(&testero, "fd set 20 --wait");
    assert_eq!(says(&testero, "release --wait"), "everything is released\n");
    assert_eq!([testero.group("mem").number("held"), testero.group("fd").number("held")], [0.0, 0.0]);
    // The service tells its state, which who asks for JSON has.
    assert!(says(&testero, "release -w --json").contains("\"uptime_seconds\""));
}

#[test]
fn work_that_somebody_else_cancels_is_told_with_exit_1() {
    let testero = Testero::start();
    for (words, end) in [
        ("mem set 1Gi --over 1h --wait", "mem release"),
        ("fd set 1000 --over 1h --wait", "release"),
        ("cpu load --cpu 10m --time 1h --wait", "cpu stop"),
    ] {
        let waiting = Waiting::of(&testero, words);
        says(&testero, end);
        let (code, why) = waiting.ended();
        assert_eq!(code, 1, "{words}: {why}");
        assert!(why.starts_with("testero: ") && why.lines().count() == 1, "{words}: {why}");
    }
}

#[test]
fn a_load_that_is_replaced_is_told_with_exit_1() {
    let testero = Testero::start();
    let waiting = Waiting::of(&testero, "cpu load --cpu 10m --time 1h --wait");
    says(&testero, "cpu load --cpu 20m --time 1h --replace");
    let (code, why) = waiting.ended();
    assert!(code == 1 && why.lines().count() == 1, "{code} {why}");
}

#[test]
fn what_was_last_told_is_true_where_nothing_else_is() {
    let testero = Testero::start_with(&["--faults", "on"], &[]);
    for (form, ends) in [("", "memory: 8.0 MiB held\n"), (" -o json", "}\n")] {
        let mut command = asking(&testero, &format!("mem set 8Mi --over 2s --wait{form}"));
        let mut child = Reaped(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
        testero.in_state("mem", "working");
        says(&testero, "fault status 500 --for 1h");
        let (status, mut said) = (child.ended(), String::new());
        child.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        says(&testero, "fault end");
        assert!(status.success() && said.ends_with(ends) && !said.contains("done\n"), "{status} {said}");
        says(&testero, "mem release --wait");
    }
}

#[test]
fn what_ends_a_load_is_told_for_the_same_service() {
    let testero = Testero::start();
    says(&testero, "cpu load 10m --time 1h");
    let told = format!("testero cpu stop --url {} ends it", url(&testero));
    fails_with(1, &mut asking(&testero, "cpu load 20m --time 1h"), &[&told]);
}

#[test]
fn a_service_that_is_killed_meanwhile_is_told_with_exit_3() {
    let testero = Testero::start();
    let waiting = Waiting::of(&testero, "mem set 1Gi --over 1h --wait");
    testero.signal(libc::SIGKILL);
    let (code, why) = waiting.ended();
    assert_eq!(code, 3, "{why}");
    assert!(why.contains(&url(&testero)) && why.lines().count() == 1, "{why}");
    assert!(why.contains("the service ended, or the way to it; it held "), "{why}");
}

#[test]
fn a_service_that_stops_meanwhile_has_not_done_it() {
    let testero = Testero::start();
    let waiting = Waiting::of(&testero, "mem set 1Gi --over 1h --wait");
    testero.signal(libc::SIGTERM);
    let (code, why) = waiting.ended();
    assert!(code == 1 || code == 3, "{code} {why}");
    assert!(why.starts_with("testero: ") && why.lines().count() == 1, "{why}");
}

#[test]
fn who_stops_waiting_stops_nothing() {
    let testero = Testero::start();
    let mut waiting = Waiting::of(&testero, "mem set 1Gi --over 1h --wait");
    waiting.child.0.kill().unwrap();
    waiting.child.ended();
    assert_eq!(testero.group("mem").text("state"), "working");
}

#[test]
fn ctrl_c_says_that_the_work_goes_on_and_what_ends_it() {
    let testero = Testero::start();
    for (words, remedy) in [
        ("mem set 1Gi --over 1h --wait", "testero mem release"),
        ("cpu load --cpu 10m --time 1h --wait", "testero cpu stop"),
    ] {
        let waiting = Waiting::of(&testero, words);
        // SAFETY: kill takes no pointers; the pid is that of our own child, which is not reaped yet.
        assert_eq!(unsafe { libc::kill(waiting.child.0.id() as i32, libc::SIGINT) }, 0);
        let (code, why) = waiting.ended();
        assert_eq!(code, 130, "{why}");
        let told = format!("testero: the work goes on in the service; {remedy} --url {} ends it\n", url(&testero));
        assert_eq!(why, told);
        assert_eq!(testero.group(words.split(' ').next().unwrap()).text("state"), "working");
    }
}

#[test]
fn a_release_empties_the_bar() {
    let testero = Testero::start();
    says(&testero, "mem set 24Mi --wait");
    let (code, drawn) = on_terminal(&mut asking(&testero, "mem release --over 2s --wait"), 120);
    assert_eq!(code, 0, "{drawn}");
    let bars: Vec<usize> =
        drawn.split('\r').filter(|bar| bar.starts_with('[')).map(|bar| bar.matches('#').count()).collect();
    assert!(bars.len() >= 3 && bars.windows(2).all(|two| two[0] >= two[1]) && bars.ends_with(&[0]), "{drawn:?}");
}
