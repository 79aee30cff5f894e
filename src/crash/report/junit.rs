//! A report for continuous integration: JUnit's XML, a test case a check.
//!
//! The elements and attributes are those that Jenkins' and GitLab's readers agree on. What cannot be told is an error, what
//! was left out is skipped.

use std::fmt::Write as _;
use std::time::Duration;

use crate::crash::report::RunReport;
use crate::crash::report::text::Escaped;
use crate::crash::report::verdict::{Check, CheckKind, CheckOutcome, Verdict};
use crate::kernel::clock::utc_stamp;

/// The report.
pub fn junit(report: &RunReport) -> String {
    let count = |outcome| report.checks.iter().filter(|check| check.outcome == outcome).count();
    let (failures, mut errors) = (count(CheckOutcome::Failed), count(CheckOutcome::Unknown));
    // Without a case that failed the run would be taken for a success.
    let is_told = report.verdict == Verdict::Passed || failures + errors > 0;
    errors += usize::from(!is_told);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite");
    attribute(&mut out, "name", "testero crash");
    attribute(&mut out, "tests", &(report.checks.len() + usize::from(!is_told)).to_string());
    attribute(&mut out, "failures", &failures.to_string());
    attribute(&mut out, "errors", &errors.to_string());
    attribute(&mut out, "skipped", &count(CheckOutcome::LeftOut).to_string());
    attribute(&mut out, "time", &decimal(report.took));
    attribute(&mut out, "timestamp", utc_stamp(report.began).trim_end_matches('Z'));
    out.push_str(">\n<properties>\n");
    for (name, value) in [
        ("version", env!("CARGO_PKG_VERSION")),
        ("seed", &report.seed.to_string()),
        ("command", &report.command()),
        ("verdict", &report.verdict_line()),
    ] {
        out.push_str("<property");
        attribute(&mut out, "name", name);
        attribute(&mut out, "value", value);
        out.push_str("/>\n");
    }
    out.push_str("</properties>\n");
    let diagnosis = report.violation.as_ref().map(|violation| violation.diagnosis.as_str());
    let violated = report.violated();
    for check in &report.checks {
        let is_violated = violated.is_some_and(|violated| std::ptr::eq(violated, check));
        case(&mut out, check, diagnosis.filter(|_| is_violated));
    }
    if !is_told {
        out.push_str("<testcase classname=\"crash.run\" name=\"verdict\" time=\"0\">\n");
        outcome(&mut out, "error", &report.verdict_line(), "");
        out.push_str("</testcase>\n");
    }
    if let (Some(diagnosis), None) = (diagnosis, violated) {
        element(&mut out, "system-out", diagnosis);
    }
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}

/// A check. What its time would be is not known: all are done side by side.
fn case(out: &mut String, check: &Check, diagnosis: Option<&str>) {
    let class = match check.kind {
        CheckKind::Data => "crash.data",
        CheckKind::Liveness => "crash.liveness",
        CheckKind::Alive => "crash.alive",
        CheckKind::Effect => "crash.effect",
    };
    out.push_str("<testcase");
    attribute(out, "classname", class);
    attribute(out, "name", check.name);
    out.push_str(" time=\"0\">\n");
    let first = check.detail.lines().next().unwrap_or_default();
    match check.outcome {
        CheckOutcome::Passed => {}
        CheckOutcome::Failed => outcome(out, "failure", first, &check.detail),
        CheckOutcome::Unknown => outcome(out, "error", first, &check.detail),
        CheckOutcome::LeftOut => outcome(out, "skipped", first, ""),
    }
    if let Some(diagnosis) = diagnosis {
        element(out, "system-out", diagnosis);
    }
    out.push_str("</testcase>\n");
}

fn outcome(out: &mut String, name: &str, message: &str, text: &str) {
    _ = write!(out, "<{name}");
    attribute(out, "message", message);
    _ = writeln!(out, ">{}</{name}>", Escaped(text));
}

fn element(out: &mut String, name: &str, text: &str) {
    _ = writeln!(out, "<{name}>{}</{name}>", Escaped(text));
}

fn attribute(out: &mut String, name: &str, value: &str) {
    _ = write!(out, " {name}=\"{}\"", Escaped(value));
}

/// Seconds, as XML Schema writes a decimal.
fn decimal(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::report::examples;
    use crate::crash::report::text::visible;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// A real parser's view: a line of JSON an element, with its name, attributes and text.
    const READER: &str = "
import json, sys, xml.etree.ElementTree as tree
for element in tree.fromstring(sys.stdin.buffer.read()).iter():
    print(json.dumps([element.tag, element.attrib, element.text or '']))
";

    /// What a real parser reads; `None`, loudly, where there is none.
    fn parsed(text: &str) -> Option<Vec<(String, serde_json::Value, String)>> {
        let child = Command::new("python3").args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            eprintln!("NOT TESTED: there is no python3 whose XML parser could read a report");
            return None;
        };
        let mut stdin = child.stdin.take().unwrap();
        let bytes = text.as_bytes().to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success(), "python3 does not read this: {text}");
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap());
        Some(lines.collect())
    }

    fn shown(text: &str) -> String {
        text.chars().map(visible).collect()
    }

    #[test]
    fn a_check_is_a_case() {
        let report = examples::failed();
        let Some(elements) = parsed(&junit(&report)) else { return };
        let suite = &elements[1];
        let count = |name: &str| elements.iter().filter(|(tag, ..)| tag == name).count();
        assert_eq!(suite.0, "testsuite");
        for (tag, name) in [("testcase", "tests"), ("failure", "failures"), ("error", "errors"), ("skipped", "skipped")]
        {
            assert_eq!(suite.1[name], count(tag).to_string(), "{name}");
            assert!(count(tag) > 0, "{tag}");
        }
        assert_eq!(suite.1["timestamp"], "2026-11-28T20:00:00");
        let out = elements.iter().position(|(tag, ..)| tag == "system-out").unwrap();
        assert_eq!(elements[out].2, report.violation.as_ref().unwrap().diagnosis);
        let case = elements[..out].iter().rfind(|(tag, ..)| tag == "testcase").unwrap();
        assert_eq!(case.1["name"], "prefix");
        assert_eq!(case.1["classname"], "crash.data");
    }

    #[test]
    fn hostile_texts_stay_texts() {
        let report = examples::hostile();
        let Some(elements) = parsed(&junit(&report)) else { return };
        let text = |name: &str| &elements.iter().find(|(tag, ..)| tag == name).unwrap().2;
        assert_eq!(*text("system-out"), shown(&report.violation.as_ref().unwrap().diagnosis));
        assert_eq!(*text("failure"), shown(&report.checks[0].detail));
        let command = elements.iter().find(|(_, attributes, _)| attributes["name"] == "command").unwrap();
        assert_eq!(command.1["value"], shown(&report.command()));
    }

    #[test]
    fn a_violation_of_no_check_is_told_by_the_suite() {
        let mut report = examples::failed();
        report.checks.clear();
        let Some(elements) = parsed(&junit(&report)) else { return };
        let tags: Vec<&str> = elements.iter().map(|(tag, ..)| tag.as_str()).collect();
        assert_eq!(tags[tags.len() - 3..], ["testcase", "error", "system-out"]);
    }

    #[test]
    fn no_run_that_did_not_pass_is_a_success() {
        let mut report = examples::passed();
        assert!(junit(&report).contains("errors=\"0\""));
        report.verdict = Verdict::Interrupted(2);
        let text = junit(&report);
        assert!(text.contains("errors=\"1\"") && text.contains("interrupted by signal 2 (exit code 130)"), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_has_what_xml_forbids(text: String) {
            let mut report = examples::failed();
            report.checks[0].detail = text.clone();
            let written = junit(&report);
            let is_allowed = |c: char| matches!(c, '\n' | ' '..='\u{7e}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
            proptest::prop_assert!(written.chars().all(is_allowed), "{written:?}");
            proptest::prop_assert!(!written.contains("]]>"));
        }
    }
}
