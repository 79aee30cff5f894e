use super::*;
use crate::crash::report::examples;
use std::path::Path;
use std::time::Duration;

/// The most bytes of a page.
const PAGE_BYTES: usize = 1 << 20;

/// The names of the elements that a page begins, as a reader of HTML finds them.
fn elements(page: &str) -> Vec<&str> {
    let begins = page.split('<').skip(1).filter(|piece| piece.starts_with(|c: char| c.is_ascii_alphabetic()));
    begins.map(|piece| piece.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("")).collect()
}

#[test]
fn a_page_needs_nothing_else() {
    for report in [examples::passed(), examples::failed(), examples::empty(), examples::hostile()] {
        let page = html(&report);
        assert!(page.contains("default-src 'none'"));
        for element in elements(&page) {
            assert!(!["script", "img", "iframe", "object", "embed", "base", "form"].contains(&element), "{element}");
        }
        // The one name space is no address that is asked.
        assert_eq!(page.matches("http").count(), 2, "http-equiv and the name space of SVG");
        assert!(!page.contains("@import") && !page.contains("src=\""));
        assert_eq!(page.matches("url(").count(), page.matches("url(#").count());
    }
}

#[test]
fn a_verdict_is_a_word_and_a_colour() {
    for (report, tone, word) in [
        (examples::passed(), "verdict good", "<b>passed</b>"),
        (examples::failed(), "verdict bad", "<b>data wrong</b>"),
        (examples::empty(), "verdict warn", "<b>cannot tell</b>"),
    ] {
        let page = html(&report);
        assert!(page.contains(tone) && page.contains(word), "{word}");
    }
}

#[test]
fn what_came_of_a_run_is_there() {
    let report = examples::failed();
    let page = html(&report);
    for part in [
        "<dd>42</dd>",
        "<span>testero</span> <span>crash</span> <span>3</span> <span>crash1</span>",
        "First violation: prefix <span>at 0:37.250</span>",
        "expected  A0045001 1f2e",
        "<td class=warn>? unknown",
        "<td class=soft>– left out",
        "<dd class=never>never happened</dd>",
        "class=wrong",
        "✗ prefix 0:37.250",
        "<title>down 0:09.600 – ",
        "<b class=warn>no effect</b>",
        "class=verified",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let (violation, checks) = (page.find("<pre>").unwrap(), page.find("<h2>Checks").unwrap());
    assert!(violation < checks);
    assert!(!page.contains("<details>"), "few faults are not folded");
    assert!(!page.contains("{{"));
}

#[test]
fn hostile_texts_stay_texts() {
    let (calm, page) = (html(&examples::failed()), html(&examples::hostile()));
    let kinds = |page| elements(page).into_iter().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(kinds(&page), kinds(&calm));
    assert_eq!(page.matches("</pre>").count(), 1);
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(page.contains("&lt;script&gt;alert(1)"));
    assert!(page.contains("{{faults}}"), "what is filled in is not looked at again");
    assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
}

#[test]
fn a_page_of_hours_is_below_a_mebibyte() {
    let hours = 8 * 3_600_000;
    let keys: String = ('A'..='Z').chain('a'..='z').chain('0'..='9').collect();
    for (keys, workers) in [("ABCDEFGHIJ", 10), (keys.as_str(), 10), ("A", 1), ("A", 400)] {
        let page = html(&examples::of_length(hours / (workers / 40 + 1), keys, workers));
        assert!(page.len() < PAGE_BYTES, "{} keys, {workers} workers: {} bytes", keys.len(), page.len());
        assert!(page.contains("<details>") || workers == 1);
        assert!(page.contains("before them are in the JSON report") || workers == 1);
    }
}

#[test]
fn a_page_is_below_a_mebibyte_whatever_there_is() {
    let keys: String = ('A'..='Z').chain('a'..='z').chain('0'..='9').collect();
    let mut report = examples::of_length(4 * 3_600_000, &keys, 80);
    for (place, fault) in report.faults.iter_mut().enumerate() {
        let text = "'".repeat(1 << (place % 10));
        (fault.before, fault.after, fault.effect) = (text.clone(), text.clone(), Some(text));
    }
    for lane in &mut report.lanes {
        lane.name.push_str(&"'".repeat(1000));
    }
    for (place, sample) in report.samples.iter_mut().enumerate() {
        let wild = |factor: u64| place as u64 * factor % 12_250_000;
        let offsets = &mut sample.progress.offsets;
        (offsets.fed, offsets.made, offsets.acknowledged) = (wild(7_368_787), wild(5_368_789), wild(3_368_791));
        sample.progress.verified = wild(1_368_793);
    }
    report.checks = report.checks.iter().cycle().take(100).cloned().collect();
    for check in &mut report.checks {
        check.detail = "'".repeat(100_000);
    }
    let diagnosis = "'".repeat(10 << 20);
    report.violation = Some(crate::crash::report::Violation { at: Duration::ZERO, check: "prefix", diagnosis });
    let page = html(&report);
    assert!(page.len() < PAGE_BYTES, "{} bytes", page.len());
}

#[test]
fn a_run_of_many_processes_says_what_is_not_drawn() {
    let page = html(&examples::of_length(5000, "AB", 100));
    assert!(page.contains("Not drawn: 23 more processes, 0 more keys."));
}

/// How bright a colour `#rrggbb` or `#rgb` is (WCAG 2, relative luminance).
fn brightness(colour: &str) -> f64 {
    let digits: Vec<f64> = colour.chars().skip(1).map(|digit| f64::from(digit.to_digit(16).unwrap())).collect();
    let parts: Vec<f64> = match digits[..] {
        [r, g, b] => [r, g, b].map(|digit| digit * 17.0).to_vec(),
        _ => digits.chunks(2).map(|two| two[0] * 16.0 + two[1]).collect(),
    };
    let linear = |part: &f64| match part / 255.0 {
        part if part <= 0.03928 => part / 12.92,
        part => ((part + 0.055) / 1.055).powf(2.4),
    };
    parts.iter().zip([0.2126, 0.7152, 0.0722]).map(|(part, weight)| linear(part) * weight).sum()
}

#[test]
fn text_and_lines_stand_out_in_both_schemes() {
    let page = unpacked_text(PAGE);
    let mut schemes = page.split("prefers-color-scheme: dark");
    for scheme in [schemes.next().unwrap(), schemes.next().unwrap()] {
        let of = |name: &str| {
            let (_, behind) = scheme.split_once(&format!("--{name}: ")).unwrap();
            brightness(behind.split(';').next().unwrap())
        };
        let contrast = |one: f64, other: f64| (one.max(other) + 0.05) / (one.min(other) + 0.05);
        for (names, grounds, least) in [
            (&["ink", "soft", "good", "warn", "bad"][..], &["back", "card", "well"][..], 4.5),
            (&["good", "warn", "bad"], &["on"], 4.5),
            (&["ready", "starting", "paused", "down"], &["card"], 3.0),
            (&["fed", "out", "acked", "verified", "soft"], &["well"], 3.0),
        ] {
            for (name, ground) in names.iter().flat_map(|name| grounds.iter().map(move |ground| (name, ground))) {
                let contrast = contrast(of(name), of(ground));
                assert!(contrast >= least, "{name} on {ground}: {contrast:.2}");
            }
        }
    }
}

/// Writes pages to look at: kept where `CARGO_TARGET_TMPDIR` says.
#[test]
fn pages_to_look_at() {
    let own = tempfile::tempdir().unwrap();
    let folder = std::env::var("CARGO_TARGET_TMPDIR").map_or_else(|_| own.path().to_owned(), Into::into);
    let folder: &Path = &folder.join("testero-crash-reports");
    std::fs::create_dir_all(folder).unwrap();
    let hour = 3_600_000;
    for (name, report) in [
        ("passed", examples::passed()),
        ("failed", examples::failed()),
        ("empty", examples::empty()),
        ("hostile", examples::hostile()),
        ("long", examples::of_length(6 * hour, "ABCDEFGHIJ", 10)),
    ] {
        let paths = crate::settings::crash::ReportPaths {
            json: Some(folder.join(name).with_extension("json")),
            junit: Some(folder.join(name).with_extension("xml")),
            html: Some(folder.join(name).with_extension("html")),
        };
        report.write(&paths).unwrap();
        let text = crate::crash::report::terminal::summary(&report, Some(folder), &paths, false);
        std::fs::write(folder.join(name).with_extension("txt"), text).unwrap();
    }
}
