//! `testero spread`: one amount over several services, which listen at addresses of this host with the same port.

use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use super::terminal::on_terminal;
use super::waits::mounts_here;
use super::{ended, nobody, plain, well};
use crate::disk::is_root;
use crate::harness::{Testero, binary, skip};
use crate::process::{Reaped, fails_with};

/// Services at 127.0.0.2 and what follows, all with the same port, each with its arguments.
pub(crate) fn pods(each: &[&[&str]]) -> Vec<Testero> {
    loop {
        let first = Testero::start_with(&[&["--listen", "127.0.0.2:0"], each[0]].concat(), &[]);
        let address = |place: usize| format!("127.0.0.{}:{}", place + 2, first.address.port());
        if (1..each.len()).any(|place| TcpListener::bind(address(place)).is_err()) {
            continue;
        }
        let others = each.iter().enumerate().skip(1);
        let others: Vec<Testero> = others
            .map(|(place, arguments)| Testero::start_with(&[&["--listen", &address(place)], *arguments].concat(), &[]))
            .collect();
        return [first].into_iter().chain(others).collect();
    }
}

/// Where they are, as a user says it.
fn behind(pods: &[Testero]) -> String {
    pods.iter().map(|pod| pod.address.to_string()).collect::<Vec<_>>().join(",")
}

fn spread(words: &str, service: &str) -> Command {
    let words: Vec<&str> = ["spread"].into_iter().chain(words.split(' ')).chain(["--service", service]).collect();
    plain(&words)
}

fn held(pods: &[Testero], group: &str) -> Vec<u64> {
    pods.iter().map(|pod| pod.group(group).number("held") as u64).collect()
}

#[test]
fn an_amount_is_divided_evenly_to_the_last_byte() {
    let pods = pods(&[&[], &[], &[]]);
    let said = well(&mut spread("disk 10000001 --exact", &behind(&pods)));
    assert_eq!(held(&pods, "disk"), [3_333_334, 3_333_334, 3_333_333]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    for (pod, line) in pods.iter().zip(&lines) {
        assert!(line.starts_with(&pod.address.to_string()) && line.ends_with("  3.1 MiB"), "{said}");
    }
    assert!(lines[3].starts_with("sum ") && lines[3].ends_with("9.5 MiB of 9.5 MiB held by 3 of 3 pods"), "{said}");
    // Amounts are below each other.
    let column = |line: &str| line.rfind("  ").unwrap();
    assert_eq!(column(lines[0]), column(lines[3]), "{said}");

    well(&mut spread("mem 12Mi --exact --ttl 1h", &behind(&pods)));
    assert_eq!(held(&pods, "mem"), [4 << 20; 3]);
    assert!(pods.iter().all(|pod| pod.group("mem").number("expires_in_seconds") > 3000.0));
    well(&mut spread("mem 0", &behind(&pods)));
    assert_eq!(held(&pods, "mem"), [0; 3]);
}

#[test]
fn an_amount_is_divided_by_what_there_is_room_for() {
    let pods = pods(&[&["--disk-limit", "10000000"], &["--disk-limit", "30000000"]]);
    for total in ["20000000", "4000000"] {
        // What is held already counts as room the second time.
        let words = format!("disk {total} --exact --by available");
        well(&mut spread(&words, &behind(&pods)));
        let total: u64 = total.parse().unwrap();
        assert_eq!(held(&pods, "disk"), [total / 4, total / 4 * 3]);
    }
    assert_eq!(ended(&mut spread("disk 40000100 --exact --by available", &behind(&pods))).0, 1);
}

#[test]
fn what_is_relative_is_each_ones_own() {
    let pods = pods(&[&["--disk-limit", "10000000"], &["--disk-limit", "30000000"]]);
    let said = well(&mut spread("disk 50pct --exact", &behind(&pods)));
    assert_eq!(held(&pods, "disk"), [5_000_000, 15_000_000]);
    assert!(said.lines().last().unwrap().ends_with("19.0 MiB held by 2 of 2 pods"), "{said}");
    well(&mut spread("disk max --exact", &behind(&pods)));
    assert_eq!(held(&pods, "disk"), [10_000_000, 30_000_000]);
}

#[test]
fn a_refusal_is_told_pod_by_pod() {
    let pods = pods(&[&[], &["--disk-limit", "1000000"], &[]]);
    let (code, said, why) = ended(&mut spread("disk 9000000 --exact", &behind(&pods)));
    assert_eq!((code, why.as_str()), (1, "testero: 1 of 3 pods did not do it\n"), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[1].starts_with("127.0.0.3:") && lines[1].contains("refused: 2.8 MiB is over the limit"), "{said}");
    assert!(lines[0].ends_with("  2.8 MiB") && lines[2].ends_with("  2.8 MiB"), "{said}");
    assert!(lines[3].ends_with("5.7 MiB of 8.5 MiB held by 2 of 3 pods"), "{said}");
    assert_eq!(held(&pods, "disk"), [3_000_000, 0, 3_000_000]);
}

#[test]
fn who_refuses_more_still_holds_what_it_held() {
    let limits = ["--disk-limit", "10000000", "--mem-limit", "10000000"];
    let pods = pods(&[&limits, &limits, &limits]);
    let all = behind(&pods);
    well(&mut spread("disk 6000000 --exact", &all));
    let (code, said, why) = ended(&mut spread("disk 10Gi", &all));
    assert_eq!((code, why.as_str()), (1, "testero: 3 of 3 pods did not do it\n"), "{said}");
    assert!(said.lines().last().unwrap().ends_with("  5.7 MiB of 10.0 GiB held by 3 of 3 pods"), "{said}");
    let refused = |line: &str| line.contains("refused: ") && line.ends_with("; 1.9 MiB held");
    assert!(said.lines().take(3).all(refused), "{said}");
    assert_eq!(held(&pods, "disk"), [2_000_000; 3]);
    // Some do, one does not.
    pods[1].get("/api/disk/set?amount=0&wait=true");
    pods[1].get("/api/disk/set?amount=9000000&exact=true&wait=true");
    let (code, said, _) = ended(&mut spread("disk 36000000 --exact --by available", &all));
    assert_eq!(code, 1, "{said}");
    let sum = held(&pods, "disk").iter().sum::<u64>() as f64 / f64::from(1 << 20);
    let sum = (sum * 10.0).floor() / 10.0;
    assert!(said.lines().last().unwrap().contains(&format!("  {sum:.1} MiB of 34.3 MiB held by 3 of 3")), "{said}");

    well(&mut spread("cpu 90m --time 1h", &all));
    let (code, said, _) = ended(&mut spread("cpu 300m --time 1h", &all));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("; 30m used\n") && said.contains("  90m of 300m used by 3 of 3 pods"), "{said}");
}

/// Takes connections for several services, each for the next of them, as a Service's cluster address does.
fn balancer(pods: &[Testero], listener: TcpListener) {
    let addresses: Vec<_> = pods.iter().map(|pod| pod.address).collect();
    thread::spawn(move || {
        for (here, address) in listener.incoming().zip(addresses.into_iter().cycle()) {
            let (here, there) = (here.unwrap(), TcpStream::connect(address).unwrap());
            for (mut from, mut to) in [(here.try_clone().unwrap(), there.try_clone().unwrap()), (there, here)] {
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
}

/// A name with one address, on any machine: in numbers and dots, but not as an address is written.
const ONE_ADDRESS: &str = "127.1";

#[test]
fn several_pods_at_one_address_are_told() {
    let names = ["testero-a", "testero-b", "testero-c"];
    let pods = names.map(|name| Testero::start_with(&[], &[("POD_NAME", name)]));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    balancer(&pods, listener);
    for place in ["127.0.0.1", ONE_ADDRESS].map(|host| format!("{host}:{port}")) {
        let (code, said, why) = ended(&mut spread("mem 1Mi --exact", &place));
        assert_eq!(code, 0, "{said} {why}");
        assert!(why.starts_with(&format!("testero: {place}: ")) && why.lines().count() == 1, "{why}");
        assert!(names.iter().all(|name| why.contains(name)) && why.contains("headless"), "{why}");
        // Which of them did it is not known.
        assert!(said.starts_with(&format!("127.0.0.1:{port}  1.0 MiB\n")), "{said}");
    }
}

#[test]
fn pods_without_names_at_one_address_are_told_apart() {
    let pods = pods(&[&[], &[]]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    balancer(&pods, listener);
    let (code, said, why) = ended(&mut spread("mem 1Mi --exact", &place.to_string()));
    assert_eq!(code, 0, "{said} {why}");
    let processes = pods.iter().map(|pod| format!("pid {} since ", pod.pid()));
    assert!(why.contains("several pods answer at one address"), "{why}");
    assert!(processes.into_iter().all(|process| why.contains(&process)), "{why}");
}

#[test]
fn a_name_with_one_address_may_have_several_pods() {
    let pod = Testero::start_with(&[], &[("POD_NAME", "testero-a")]);
    let place = format!("{ONE_ADDRESS}:{}", pod.address.port());
    let (code, said, why) = ended(&mut spread("mem 1Mi --exact", &place));
    assert_eq!(code, 0, "{said} {why}");
    assert!(said.contains("held by 1 of "), "{said}");
    assert!(why.starts_with(&format!("testero: {place}: one address")) && why.contains("headless"), "{why}");
    assert_eq!(why.lines().count(), 1, "{why}");
    // An address is what it is.
    well(&mut spread("mem 1Mi --exact", &pod.address.to_string()));
}

#[test]
fn a_pod_that_is_gone_is_told_and_its_part_is_missing() {
    let mut pods = pods(&[&[], &[], &[]]);
    let all = behind(&pods);
    pods.remove(1);
    let (code, said, _) = ended(&mut spread("disk 9000000 --exact", &all));
    assert_eq!(code, 1, "{said}");
    assert!(said.lines().nth(1).unwrap().contains("unreachable: "), "{said}");
    assert_eq!(held(&pods, "disk"), [3_000_000; 2]);
    // By room, those that are there take it all.
    let (code, said, _) = ended(&mut spread("disk 8000000 --exact --by available", &all));
    assert_eq!((code, held(&pods, "disk").iter().sum()), (1, 8_000_000), "{said}");

    pods.clear();
    let (code, said, why) = ended(&mut spread("disk 9000000", &all));
    assert_eq!((code, why.as_str()), (3, "testero: no pod answers\n"), "{said}");
    assert!(said.contains("held by 0 of 3 pods"), "{said}");
    let (code, said, why) = ended(&mut spread("mem 1Gi", "no.such.name.invalid:8080"));
    assert!(code == 3 && said.is_empty() && why.contains("no.such.name.invalid"), "{code} {said} {why}");
}

#[test]
fn cpu_is_divided_too() {
    let pods = pods(&[&[], &[]]);
    let said = well(&mut spread("cpu 101m --time 1h", &behind(&pods)));
    let wanted: Vec<f64> = pods.iter().map(|pod| pod.group("cpu").number("wanted_millicores")).collect();
    assert_eq!(wanted, [51.0, 50.0], "{said}");
    assert!(said.contains("  51m\n") && said.contains("101m of 101m used by 2 of 2 pods"), "{said}");
    // They run, so another is refused.
    assert_eq!(ended(&mut spread("cpu 100m --time 1h", &behind(&pods))).0, 1);
    let said = well(&mut spread("cpu 20m --time 1s --replace --wait", &behind(&pods)));
    assert!(said.contains("20m of 20m used by 2 of 2 pods"), "{said}");
    assert!(pods.iter().all(|pod| pod.group("cpu").text("state") == "idle"));
}

#[test]
fn what_all_hold_is_told_and_given_back() {
    let pods = pods(&[&[], &[], &[]]);
    let all = behind(&pods);
    well(&mut spread("mem 12Mi", &all));
    well(&mut spread("disk 3Mi", &all));
    let said = well(&mut spread("status", &all));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 5 && lines[0].starts_with("POD ") && lines[0].contains("MEMORY"), "{said}");
    assert!(lines[1..4].iter().all(|line| line.contains("  ready ") && line.contains("  4.0 MiB  ")), "{said}");
    assert!(
        lines[4].starts_with("sum ") && lines[4].contains("3 of 3  12.0 MiB") && lines[4].contains("  3.0 MiB"),
        "{said}"
    );
    let json = well(&mut spread("status -o json", &all));
    assert_eq!(json.matches("\"memory_held\":4194304").count(), 3, "{json}");

    let said = well(&mut spread("release mem", &all));
    assert!(said.lines().take(3).all(|line| line.ends_with("  released")), "{said}");
    assert!(said.ends_with("  released by 3 of 3 pods\n"), "{said}");
    assert_eq!((held(&pods, "mem"), held(&pods, "disk")), (vec![0; 3], vec![1 << 20; 3]));
    well(&mut spread("release", &all));
    assert_eq!(held(&pods, "disk"), [0; 3]);
    let (code, said, _) = ended(&mut spread("release", &format!("{all},{}", nobody())));
    assert!(code == 1 && said.contains("unreachable: ") && said.contains("by 3 of 4 pods"), "{said}");
    assert_eq!(ended(&mut spread("status", &nobody())).0, 3);
}

#[test]
fn top_has_who_holds_most_first() {
    let pods = pods(&[&[], &[], &[]]);
    for (pod, amount) in pods.iter().zip(["2Mi", "9Mi", "5Mi"]) {
        pod.get(&format!("/api/mem/set?amount={amount}&exact=true&wait=true"));
    }
    pods[0].get("/api/cpu/load?duration=1h&cpu=200m");
    let top = |words: &str| {
        let all = behind(&pods);
        let words: Vec<&str> = ["top"].into_iter().chain(words.split_whitespace()).chain(["--service", &all]).collect();
        well(&mut plain(&words))
    };
    let order = |said: &str| -> Vec<usize> {
        let place = |line: &str| pods.iter().position(|pod| line.starts_with(&format!("{} ", pod.address)));
        said.lines().filter_map(place).collect()
    };
    let said = top("");
    assert_eq!(order(&said), [1, 2, 0], "{said}");
    assert!(said.lines().last().unwrap().contains("  16.0 MiB  "), "{said}");
    assert_eq!(order(&top("--sort-by name")), [0, 1, 2]);
    assert_eq!(top("-o name").lines().filter(|line| line.starts_with("pod/127.0.0.")).count(), 3);
}

#[test]
fn a_row_a_pod_is_drawn_on_a_terminal() {
    let pods = ["testero-a", "testero-b"].map(|name| Testero::start_with(&[], &[("POD_NAME", name)]));
    let (code, drawn) = on_terminal(&mut spread("mem 64Mi --over 3s", &behind(&pods)), 80);
    assert_eq!(code, 0, "{drawn}");
    let frames: Vec<&str> = drawn.split("\x1b[J").collect();
    assert!(frames.len() >= 3 && frames[0].contains("0 of 2 pods are done, "), "{drawn:?}");
    assert!(frames[1..].iter().any(|frame| frame.starts_with("\r\x1b[3A")), "{drawn:?}");
    let working = |frame: &&&str| frame.contains("working") && frame.contains(" of 32.0 MiB");
    assert!(frames.iter().filter(working).count() >= 2, "{drawn:?}");
    // At the end the rows give way to what became of each.
    assert!(drawn.ends_with(" held by 2 of 2 pods\r\n"), "{drawn:?}");
    assert_eq!(held(&pods, "mem"), [32 << 20; 2]);
}

#[test]
fn what_a_terminal_has_no_room_for_is_counted() {
    let pods: Vec<&[&str]> = vec![&[]; 30];
    let pods = self::pods(&pods);
    let (code, drawn) = on_terminal(&mut spread("mem 30Mi --over 3s", &behind(&pods)), 80);
    assert_eq!(code, 0, "{drawn}");
    // 24 rows, of which the last is the cursor's: one for all, 21 for pods, and one for the others.
    assert!(drawn.split("\x1b[J").any(|frame| frame.ends_with("… 9 more\x1b[K\r\n")), "{drawn:?}");
}

#[test]
fn rows_are_drawn_of_pods_that_tell_no_name_too() {
    // Each is named by itself, so a balancer could be at the address: who answers is known by when it started.
    let pods = pods(&[&[], &[]]);
    let (code, drawn) = on_terminal(&mut spread("mem 64Mi --over 3s", &behind(&pods)), 80);
    assert_eq!(code, 0, "{drawn}");
    let working = |frame: &&str| frame.contains("working") && frame.contains(" of 32.0 MiB");
    assert!(drawn.split("\x1b[J").filter(working).count() >= 2, "{drawn:?}");
    assert!(drawn.ends_with(" held by 2 of 2 pods\r\n"), "{drawn:?}");
}

#[test]
fn ctrl_c_says_how_the_work_in_the_pods_is_ended() {
    let pods = pods(&[&[], &[]]);
    let all = behind(&pods);
    let mut command = spread("mem 1Gi --over 1h", &all);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Reaped(child);
    pods.iter().for_each(|pod| _ = pod.in_state("mem", "working"));
    // SAFETY: kill takes no pointers; the pid is that of our own child, which is not reaped yet.
    assert_eq!(unsafe { libc::kill(child.0.id() as i32, libc::SIGINT) }, 0);
    assert_eq!(child.ended().code(), Some(130));
    let mut why = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut why).unwrap();
    assert!(why.contains(&format!("testero spread release mem --service {all} ends it")), "{why}");
}

#[test]
fn work_that_is_released_meanwhile_is_told() {
    let pods = pods(&[&[], &[]]);
    let mut command = spread("mem 1Gi --over 1h", &behind(&pods));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Reaped(child);
    pods.iter().for_each(|pod| _ = pod.in_state("mem", "working"));
    pods.iter().for_each(|pod| _ = pod.ask("DELETE", "/api/mem"));
    assert_eq!(child.ended().code(), Some(1));
    let mut said = String::new();
    child.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("refused: it was released, stopped or replaced").count(), 2, "{said}");
}

#[test]
fn what_is_rounded_is_told_in_the_sum() {
    let pods = pods(&[&[], &[]]);
    let said = well(&mut spread("mem 512Mi --rounded", &behind(&pods)));
    assert!(
        said.contains("514.0 MiB of 512.0 MiB (parts are rounded; without --rounded they are not) held by 2 of 2"),
        "{said}"
    );
}

#[test]
fn each_address_is_counted_once() {
    let pods = pods(&[&[], &[]]);
    let (one, all) = (pods[0].address.to_string(), behind(&pods));
    let said =
        well(spread("disk 1000000 --exact", &all).args(["--service", &one, "--service", &format!("{all},{one}")]));
    assert!(said.contains("held by 2 of 2 pods"), "{said}");
    assert_eq!(held(&pods, "disk"), [500_000; 2]);
}

#[test]
fn each_pod_is_counted_once() {
    if TcpListener::bind("[::1]:0").is_err() {
        skip("this machine has no IPv6");
        return;
    }
    let pod = Testero::start_with(&["--listen", "[::]:0"], &[("POD_NAME", "testero-0")]);
    let port = pod.address.port();
    let said = well(&mut spread("disk 1000000 --exact", &format!("127.0.0.1:{port},[::1]:{port}")));
    assert_eq!(held(&[pod], "disk"), [1_000_000], "{said}");
}

#[test]
fn pods_are_called_by_their_names() {
    let named = Testero::start_with(&[], &[("POD_NAME", "testero-7d9f")]);
    let other = Testero::start();
    let said = well(&mut spread("disk 2000000 --exact", &behind(&[named, other])));
    assert!(said.contains("testero-7d9f (127.0.0.1:"), "{said}");
    let ends = |line: &str| line.find("976.5 KiB").or(line.find("1.9 MiB"));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 3 && lines.iter().all(|line| ends(line) == ends(lines[0])), "{said}");
}

#[test]
fn services_are_named_as_people_name_them() {
    fails_with(3, &mut spread("mem 1Gi", "nobody.invalid"), &["nobody.invalid:8080"]);
    fails_with(2, &mut spread("mem 1Gi", "http://127.0.0.9:8080"), &["--service"]);
}

#[test]
fn the_token_goes_to_each() {
    let admission = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&admission, "correct-horse").unwrap();
    let arguments = ["--token-file", admission.path().to_str().unwrap(), "--token-reads", "on"];
    let pods = pods(&[&arguments, &arguments]);
    let (code, said, _) = ended(&mut spread("disk 2Mi", &behind(&pods)));
    assert_eq!((code, said.matches("refused: ").count()), (1, 2), "{said}");
    assert!(said.lines().take(2).all(|line| line.contains("token")), "{said}");
    let said = well(spread("disk 2000000 --exact", &behind(&pods)).args(["--token", "correct-horse"]));
    assert!(said.contains("held by 2 of 2 pods") && !said.contains("correct-horse"), "{said}");
}

#[test]
fn a_mute_pod_holds_up_no_other() {
    let pods = pods(&[&[], &[]]);
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let all = format!("{},{}", mute.local_addr().unwrap(), behind(&pods));
    let (code, said, _) = ended(&mut spread("disk 3000000 --exact", &all));
    assert_eq!((code, held(&pods, "disk")), (1, vec![1_000_000; 2]), "{said}");
    assert!(said.contains("no answer in time"), "{said}");
}

#[test]
fn what_is_no_testero_is_told() {
    let pods = pods(&[&[]]);
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let all = format!("{},{},{}", stranger.local_addr().unwrap(), behind(&pods), nobody());
    thread::spawn(move || stranger.incoming().for_each(drop));
    let (code, said, why) = ended(&mut spread("disk 3000000 --exact", &all));
    assert_eq!((code, why.as_str()), (1, "testero: 2 of 3 pods did not do it\n"), "{said}");
    assert!(said.contains("1 of 3 pods"), "{said}");
}

#[test]
fn a_name_with_several_addresses_is_all_of_them() {
    if !is_root() || !mounts_here() {
        return;
    }
    let pods = pods(&[&[], &[], &[]]);
    let hosts = tempfile::NamedTempFile::new().unwrap();
    let lines: String = pods.iter().map(|pod| format!("{} testero-headless\n", pod.address.ip())).collect();
    std::fs::write(&hosts, format!("127.0.0.1 localhost\n{lines}")).unwrap();
    let mut command = Command::new("unshare");
    let script = "mount --bind \"$1\" /etc/hosts && shift && exec \"$0\" \"$@\"";
    command.args(["--mount", "sh", "-c", script, binary()]).arg(hosts.path());
    let service = format!("testero-headless:{}", pods[0].address.port());
    command.args(["spread", "disk", "3000003", "--exact", "--service", &service]);
    let said = well(&mut command);
    assert!(said.contains("held by 3 of 3 pods"), "{said}");
    assert_eq!(held(&pods, "disk"), [1_000_001; 3]);
}
