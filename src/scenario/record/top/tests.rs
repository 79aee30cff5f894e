//! Outputs of kubectl, good and bad.

use proptest::prelude::*;

use super::*;

fn top(text: &str, every: Option<f64>, pod: Option<&str>) -> Result<TopRecording, String> {
    read(&mut text.as_bytes(), &TopChoice { every, pod }).map_err(|fault| fault.to_string())
}

fn table(text: &str, every: Option<f64>, pod: Option<&str>) -> (String, String) {
    let recording = top(text, every, pod).unwrap();
    (recording.text.lines().skip(1).collect::<Vec<_>>().join(" "), recording.lines.summary())
}

#[test]
fn samples_have_the_times_of_date() {
    let text = "1795910160\nNAME    CPU(cores)   MEMORY(bytes)   \nweb-0   250m         128Mi           \n\
                1795910175\nNAME    CPU(cores)   MEMORY(bytes)   \nweb-0   1            1Gi\n\
                1795910190\nerror: Metrics API not available\n\
                1795910205.5\nNAME    CPU(cores)   MEMORY(bytes)   \nweb-0   0m         0Mi\n";
    let recording = top(text, None, None).unwrap();
    assert_eq!(recording.text, "seconds,memory_bytes,cpu_cores\n0,134217728,0.25\n15,1073741824,1\n45.5,0,0\n");
    let summary = "3 points, 45.5 s, 1 gap; at most memory_bytes 1073741824, cpu_cores 1";
    assert_eq!((recording.lines.summary().as_str(), recording.pods), (summary, 1));
    // Nothing is said, and nothing is there.
    let silent = text.replace("error: Metrics API not available\n", "");
    assert_eq!(table(&silent, None, None), table(text, None, None));
}

#[test]
fn samples_without_times_are_as_far_apart_as_is_said() {
    let named = "NAME CPU(cores) MEMORY(bytes)\nweb-0 1m 1Ki\n\nNAME CPU(cores) MEMORY(bytes)\nweb-1 2m 2Ki\n";
    assert_eq!(table(named, None, None).0, "0,1024,0.001 15,2048,0.002");
    let bare = "web-0 1m 1Ki\nweb-0 2m 2Ki\nError from server (NotFound): pods \"web-0\" not found\nweb-0 3m 3Ki\n";
    let (rows, summary) = table(bare, Some(10.0), None);
    assert_eq!(rows, "0,1024,0.001 10,2048,0.002 30,3072,0.003");
    assert!(summary.contains("1 gap;"), "{summary}");
    let (rows, summary) = table(&format!("error: no metrics\n{named}No resources found in a namespace.\n"), None, None);
    assert_eq!(rows, "0,1024,0.001 15,2048,0.002");
    assert!(summary.contains("0 gaps"), "{summary}");
}

#[test]
fn pods_are_chosen_or_added_up() {
    let text = "NAME CPU(cores) MEMORY(bytes)\na 1m 1Ki\nb 10m 10Ki\n____ ____\n11m 11Ki\n\
                NAME CPU(cores) MEMORY(bytes)\nb 20m 20Ki\nNAME CPU(cores) MEMORY(bytes)\na 3m 3Ki\nb 30m 30Ki\n";
    assert_eq!(table(text, None, None).0, "0,11264,0.011 15,20480,0.02 30,33792,0.033");
    let (rows, summary) = table(text, None, Some("a"));
    assert_eq!(rows, "0,1024,0.001 30,3072,0.003");
    assert!(summary.contains("1 gap;"), "{summary}");
    assert_eq!(top(text, None, None).unwrap().pods, 2);
    let why = top(text, None, Some("c")).unwrap_err();
    assert!(why.ends_with("no pod is named c; there are a, b"), "{why}");
    // Containers, of which the name comes after that of their pod, and namespaces.
    let containers = "web-0 app 1m 1Ki\nweb-0 proxy 2m 2Ki\nweb-1 app 4m 4Ki\nweb-0 app 8m 8Ki\n";
    assert_eq!(table(containers, None, None).0, "0,7168,0.007 15,8192,0.008");
    assert_eq!(table(containers, None, Some("web-0")).0, "0,3072,0.003 15,8192,0.008");
    let all = "NAMESPACE NAME CPU(cores) MEMORY(bytes)\none web-0 1m 1Ki\ntwo web-0 2m 2Ki\n";
    assert_eq!(table(all, None, Some("two/web-0")).0, "0,2048,0.002");
    let all =
        "NAMESPACE POD NAME CPU(cores) MEMORY(bytes)\none web-0 a 1m 1Ki\none web-0 b 2m 2Ki\ntwo web-0 a 4m 4Ki\n";
    assert_eq!(table(all, None, Some("one/web-0")).0, "0,3072,0.003");
    let more = "NAME CPU(cores) CPU(%) MEMORY(bytes) MEMORY(%)\nweb-0 250m 1% 1Ki 2%\n";
    assert_eq!(table(more, None, None).0, "0,1024,0.25");
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, why) in [
        ("", "line 1: there is no sample: expected NAME"),
        ("1795910160\n\n", "line 3: there is no sample"),
        ("web-0 1m\n", "line 1: it has 2 fields: expected NAME"),
        ("Sun Nov 29 11:30:32 UTC 2026\n", "line 1: it has 6 fields: expected"),
        ("web-0 1m 1Ki\nweb-0 app 1m 1Ki\n", "line 2: it has 4 fields, and lines before it 3"),
        ("web-0 many 1Ki\n", "line 1: CPU many: it does not begin with a number; it is written like 250m"),
        ("web-0 1m <unknown>\n", "line 1: memory <unknown>: it does not"),
        ("web-0 1m 5m\n", "line 1: memory 5m: m is for CPU"),
        ("5\nweb-0 1m 1Ki\nweb-0 1m 1Ki\n", "line 3: web-0 is there twice at one time: a line of date"),
        ("5\nweb-0 1m 1Ki\n4\n", "line 3: time runs backwards, by 1 s"),
        ("web-0 1m 1Ki\n5\n", "line 2: it is a time, and the samples before it have none"),
        ("1795910160000\n", "line 1: 1795910160000 is no time in seconds"),
        ("NAME CPU(cores)\n", "line 1: it is no line with the names"),
    ] {
        let fault = top(text, None, None).unwrap_err();
        assert!(fault.starts_with(why), "{text}: {fault}");
    }
    assert!(top("5\nweb-0 1m 1Ki\n", Some(5.0), None).unwrap_err().contains("--every"));
    let fault = read(&mut &b"web-0 1m \xff\n"[..], &TopChoice::default()).unwrap_err();
    assert_eq!(fault.to_string(), "line 1: it is not UTF-8");
    let many: String = (0..=MOST_ROWS).map(|row| format!("web-{row} 1m 1Ki\n")).collect();
    assert!(top(&many, None, None).unwrap_err().starts_with("line 1025: a sample has more than 1024 rows"));
    let endless = read(&mut std::io::repeat(b'\n'), &TopChoice::default()).unwrap_err();
    assert_eq!(endless.text, "it has more than 4194304 lines");
}

proptest! {
    #[test]
    fn any_bytes_are_samples_or_are_told(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&mut bytes.as_slice(), &TopChoice::default());
        let _ = read(&mut [b"5\nweb-0 1m 1Ki\n", bytes.as_slice()].concat().as_slice(), &TopChoice::default());
    }

    #[test]
    fn any_lines_are_samples_or_are_told(
        text in "(NAME CPU\\(cores\\) MEMORY\\(bytes\\)\n|[0-9]{1,3}\n|[ab] [0-9]{1,20}m? [0-9]{1,20}(Mi|Ei)?\n|_ _\n|error:\n|[^\n]{0,9}\n){0,12}",
        pod in prop::option::of("[ab]"),
    ) {
        if let Ok(recording) = top(&text, None, pod.as_deref()) {
            prop_assert_eq!(recording.text.lines().count(), recording.lines.points() as usize + 1);
        }
    }

    #[test]
    fn what_kubectl_prints_is_what_is_recorded(samples in prop::collection::vec((0u32..64_000, 0u64..1 << 20), 1..40)) {
        let mut text = String::new();
        for (place, (millicores, mebibytes)) in samples.iter().enumerate() {
            text += &format!("{}\nNAME CPU(cores) MEMORY(bytes)\nweb-0 {millicores}m {mebibytes}Mi\n", 1000 + place * 30);
        }
        let rows = table(&text, None, None).0;
        for (place, (row, (millicores, mebibytes))) in rows.split(' ').zip(&samples).enumerate() {
            let fields: Vec<f64> = row.split(',').map(|field| field.parse().unwrap()).collect();
            prop_assert_eq!(&fields, &[place as f64 * 30.0, (mebibytes << 20) as f64, f64::from(*millicores) / 1e3]);
        }
    }
}
