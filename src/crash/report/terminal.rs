//! What is printed when a run has ended: plain text of 80 columns, the verdict last.
//!
//! Paths and the command line are not broken, since they are there to be copied.

use std::fmt::Write as _;
use std::path::Path;

use crate::crash::report::RunReport;
use crate::crash::report::summary::{FaultCount, Recovery};
use crate::crash::report::text::{clipped, grouped, moment, percent, seconds, visible};
use crate::crash::report::verdict::{CheckOutcome, Verdict};
use crate::settings::crash::ReportPaths;
use crate::units::duration::in_words;

/// Columns of a line.
const WIDTH: usize = 80;
/// Where the second column begins.
const INDENT: usize = 12;
/// The most bytes of a diagnosis here: a screen or two. The reports have more.
const MOST_DIAGNOSIS: usize = 4 << 10;
/// The most bytes of a check's detail.
const MOST_DETAIL: usize = 1 << 10;
/// Longer names move what stands behind them to the right.
const NAME: usize = 13;

/// SGR numbers of ECMA-48.
const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";

/// The summary of a run whose files are in `folder` if they are kept, and whose reports are at `paths`; with colours if asked for.
pub fn summary(report: &RunReport, folder: Option<&Path>, paths: &ReportPaths, colour: bool) -> String {
    let mut out = String::from("\n");
    let paint = |text: &str, sgr: &str| match colour {
        true => format!("\x1b[{sgr}m{text}\x1b[0m"),
        false => text.to_owned(),
    };
    for check in &report.checks {
        let (word, sgr) = match check.outcome {
            CheckOutcome::Passed => ("PASS", GREEN),
            CheckOutcome::Failed => ("FAIL", RED),
            CheckOutcome::Unknown => ("UNKNOWN", YELLOW),
            CheckOutcome::LeftOut => ("LEFT OUT", YELLOW),
        };
        // Colour would count as width.
        let head = paint(word, sgr) + &" ".repeat(INDENT - word.len());
        let text = format!("{:NAME$} {}", shown(check.name), shown(&clipped(&check.detail, MOST_DETAIL)));
        wrapped(&mut out, &head, INDENT + NAME + 1, &text);
    }
    keys(&mut out, report);
    faults(&mut out, report);
    if let Some(violation) = &report.violation {
        let head = format!("first violation: {} at {}", shown(violation.check), moment(violation.at));
        _ = writeln!(out, "\n{}", paint(&head, RED));
        for line in clipped(&violation.diagnosis, MOST_DIAGNOSIS).lines() {
            wrapped(&mut out, "  ", 4, &shown(line));
        }
    }
    out.push('\n');
    for (name, path) in [
        ("run folder", folder),
        ("json", paths.json.as_deref()),
        ("junit", paths.junit.as_deref()),
        ("html", paths.html.as_deref()),
    ] {
        if let Some(path) = path {
            _ = writeln!(out, "{name:INDENT$}{}", shown(&path.display().to_string()));
        }
    }
    _ = writeln!(out, "{:INDENT$}{}", "again", shown(&report.command()));
    let sgr = match report.verdict {
        Verdict::Passed => GREEN,
        Verdict::CannotTell | Verdict::Interrupted(_) => YELLOW,
        Verdict::DataWrong | Verdict::NotLive | Verdict::PartDied => RED,
    };
    let took = in_words(report.took);
    _ = writeln!(out, "\n{}, after {took}", paint(&format!("verdict: {}", report.verdict_line()), sgr));
    out
}

fn keys(out: &mut String, report: &RunReport) {
    if report.keys.is_empty() {
        return;
    }
    _ = writeln!(
        out,
        "\n{:8}{:>16}{:>9}{:>9}{:>9}{:>9}{:>10}",
        "key", "input, bytes", "fed", "taken", "out", "acked", "verified"
    );
    for progress in &report.keys {
        let (whole, offsets) = (progress.input, &progress.offsets);
        let shares = [offsets.fed, offsets.taken, offsets.made, offsets.acknowledged];
        _ = write!(out, "{:8}{:>16}", shown(&progress.key.to_string()), grouped(whole));
        for share in shares {
            _ = write!(out, "{:>9}", percent(share, whole));
        }
        _ = writeln!(out, "{:>10}", percent(progress.verified, whole));
    }
}

fn faults(out: &mut String, report: &RunReport) {
    out.push('\n');
    let counts = FaultCount::of(&report.faults).into_iter().map(|count| match count.done - count.effective {
        0 => format!("{} {}", grouped(count.done as u64), count.kind),
        without => format!("{} {} ({without} without effect)", grouped(count.done as u64), count.kind),
    });
    let recovery = Recovery::of(&report.faults).map(|times| {
        let (p50, p99, max) = (seconds(times.p50), seconds(times.p99), seconds(times.max));
        format!("p50 {p50}, p99 {p99}, max {max}, of {}", grouped(times.count as u64))
    });
    let (never, did): (Vec<_>, Vec<_>) = report.coverage.iter().partition(|(_, count)| *count == 0);
    let did = did.into_iter().map(|(name, count)| format!("{name} {}", grouped(count)));
    let never = never.into_iter().map(|(name, _)| (*name).to_owned());
    for (name, texts) in [
        ("faults", counts.collect()),
        ("recovery", recovery.into_iter().collect()),
        ("coverage", did.collect()),
        ("never", never.collect::<Vec<_>>()),
    ] {
        match (texts.is_empty(), name) {
            (false, _) => wrapped(out, &format!("{name:INDENT$}"), INDENT, &shown(&texts.join(", "))),
            (true, "faults") => _ = writeln!(out, "{name:INDENT$}none"),
            (true, _) => {}
        }
    }
}

/// A text as one line, in which nothing moves the cursor.
fn shown(text: &str) -> String {
    text.trim_end().chars().map(|character| if character == '\n' { ' ' } else { visible(character) }).collect()
}

/// Writes a text in lines of [`WIDTH`] columns: the first one behind `head`, which ends in the column [`INDENT`] or where it
/// is, the others behind `indent` blanks. Words are broken only where they are longer than a line.
fn wrapped(out: &mut String, head: &str, indent: usize, text: &str) {
    out.push_str(head);
    let mut column = if head.trim().is_empty() { head.len() } else { INDENT };
    let mut is_first = true;
    for word in text.split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        if !is_first && column + length > WIDTH {
            next_line(out, indent);
            column = indent;
        }
        for character in word.chars() {
            if column >= WIDTH && character != ' ' {
                next_line(out, indent);
                column = indent;
            }
            out.push(character);
            column += 1;
        }
        is_first = false;
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

fn next_line(out: &mut String, indent: usize) {
    out.truncate(out.trim_end_matches(' ').len());
    _ = write!(out, "\n{:indent$}", "");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::report::examples;

    fn plain(report: &RunReport) -> String {
        let paths = ReportPaths { json: Some("/tmp/r.json".into()), ..ReportPaths::default() };
        summary(report, Some(Path::new("/tmp/run")), &paths, false)
    }

    #[test]
    fn the_last_line_is_the_verdict() {
        for (report, line) in [
            (examples::passed(), "verdict: passed (exit code 0), after 1 m 35 s"),
            (examples::failed(), "verdict: data wrong (exit code 1), after 0 m 41 s"),
            (examples::empty(), "verdict: cannot tell (exit code 4), after 0 s"),
        ] {
            let line = line.replace("0 m 41 s", "41 s");
            assert_eq!(plain(&report).lines().last(), Some(line.as_str()));
        }
    }

    #[test]
    fn what_came_of_a_run_is_told() {
        let text = plain(&examples::failed());
        for part in [
            "\nFAIL        prefix        ",
            "\nUNKNOWN     effect        ",
            "\nLEFT OUT    registry      ",
            "\nPASS        contiguous    ",
            "\nfaults      ",
            "\nrecovery    p50 ",
            "\ncoverage    crashes in doubt 4",
            "\nnever       torn tails cut",
            "\nfirst violation: prefix at 0:37.250\n",
            "\nrun folder  /tmp/run\n",
            "\njson        /tmp/r.json\n",
            "\nagain       testero crash 3 ",
            "\nA             12,250,000   43.1 %   42.0 %   42.0 %   40.9 %    39.7 %\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        assert!(!text.contains("junit"), "{text}");
        assert!(plain(&examples::empty()).contains("\nfaults      none\n"));
    }

    #[test]
    fn lines_have_80_columns_but_for_what_is_copied() {
        for report in [examples::passed(), examples::failed(), examples::hostile(), examples::empty()] {
            for line in plain(&report).lines().filter(|line| !line.starts_with("again ")) {
                assert!(line.chars().count() <= WIDTH, "{line}");
                assert_eq!(line.trim_end(), line);
            }
        }
    }

    #[test]
    fn no_text_acts_on_the_terminal() {
        let text = plain(&examples::hostile());
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
        assert!(text.contains("␛[2J"), "{text}");
    }

    #[test]
    fn colour_is_there_when_asked_for() {
        let text = summary(&examples::failed(), Some(Path::new("/")), &ReportPaths::default(), true);
        assert!(text.contains("\x1b[31mFAIL\x1b[0m        prefix"), "{text:?}");
        assert!(text.contains("\n\x1b[31mverdict: data wrong (exit code 1)\x1b[0m, after"), "{text:?}");
        assert!(!plain(&examples::failed()).contains('\x1b'));
    }

    #[test]
    fn words_are_broken_only_when_they_must_be() {
        let mut out = String::new();
        let text = format!("{} {} end", "a".repeat(60), "b".repeat(150));
        wrapped(&mut out, "PASS        ", 14, &text);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[0], format!("PASS        {}", "a".repeat(60)));
        assert_eq!(lines[1], format!("{:14}{}", "", "b".repeat(66)));
        assert_eq!(lines.last().unwrap().trim(), format!("{} end", "b".repeat(18)));
    }
}
