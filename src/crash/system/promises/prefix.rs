//! `prefix`: what came out is how what went in begins, byte for byte; when all is through, it is all of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::crash::report::text::grouped;
use crate::crash::system::promises::judgement::{Judgement, LookTime, PromiseKeeper};
use crate::crash::verify::Finding;
use crate::crash::verify::compare::{Comparer, Comparison, open_if_there};
use crate::crash::verify::diagnosis::Evidence;

/// So many looks, and all is compared again.
const FULL_EVERY: u64 = 60;
/// As much is compared between two looks at the clock, in bytes.
const STEP_BYTES: u64 = 8 << 20;
/// What a finding begins with.
const CHECK: &str = "prefix";

/// Compares what is new of two files, and now and then all of them again. A file that is not there is empty.
///
/// An input may end within a line, since its writer fills a buffer: what the output has behind that is compared once the input
/// is there. At the end nothing more comes, and an output must not have more.
#[derive(Debug)]
pub(super) struct PrefixKeeper {
    input: PathBuf,
    output: PathBuf,
    comparer: Comparer,
    /// How many bytes at the end may vanish again.
    revocable: u64,
    /// Up to where the output was right.
    verified: u64,
    /// Up to where it was compared again in the pass that is going on.
    again: Option<u64>,
    looks: u64,
}

/// Both files as they are at a look; an output may be made anew.
struct FilePair {
    input: Option<File>,
    output: Option<File>,
    made: u64,
    fed: u64,
}

impl PrefixKeeper {
    /// For what goes in, and what comes out.
    pub(super) fn new(input: &str, output: &str, revocable: u64) -> Self {
        let (input, output) = (input.into(), output.into());
        Self { input, output, revocable, comparer: Comparer::new(), verified: 0, again: None, looks: 0 }
    }

    fn compare(&mut self, when: LookTime, deadline: Instant) -> io::Result<Judgement> {
        let files = FilePair::open(&self.input, &self.output)?;
        let is_end = matches!(when, LookTime::End { .. });
        if (files.made..=files.made.saturating_add(self.revocable)).contains(&self.verified) {
            self.verified = files.made;
        }
        if let Some(gone) = self.gone(&files)? {
            return Ok(gone);
        }
        if is_end || self.looks.is_multiple_of(FULL_EVERY) {
            self.again.get_or_insert(0);
        }
        let (Some(input), Some(output)) = (&files.input, &files.output) else { return Ok(self.without(&files, when)) };
        // What is there is compared to its end, before or after the input's.
        let is_unfinished = !is_end && files.fed < files.made && files.fed > 0 && !ends_line(input, files.fed)?;
        let end = if is_unfinished { files.fed } else { files.made };
        while let Some(at) = self.next(end) {
            let is_new = at == self.verified;
            let to = (at + STEP_BYTES).min(if is_new { end } else { self.verified });
            match self.comparer.compare(input, output, at..to)? {
                Comparison::Same if is_new => self.verified = to,
                Comparison::Same => self.again = Some(to),
                Comparison::Differs(byte) => {
                    let mut finding = files.evidence(input).difference(CHECK, byte)?;
                    if !is_new {
                        finding
                            .notes
                            .push(String::from("it was right when it was compared before: it was changed since"));
                    }
                    return Ok(self.broken(finding));
                }
                // It was cut since it was opened; the next look tells.
                Comparison::Short(at) => {
                    return Ok(Judgement::Unknown(format!("{} was cut at byte {at}", self.output.display())));
                }
            }
            if Instant::now() >= deadline && self.next(end).is_some() {
                let (verified, made) = (grouped(self.again.unwrap_or(self.verified)), grouped(end));
                return Ok(Judgement::Unknown(format!("{verified} of {made} bytes were compared in time")));
            }
        }
        if when == (LookTime::End { is_complete: true }) && self.verified < files.fed {
            let (verified, fed) = (grouped(self.verified), grouped(files.fed));
            let note = format!("{verified} of {fed} bytes are there at the end");
            return Ok(self.broken(files.evidence(input).short(CHECK, self.verified, note)?));
        }
        Ok(self.without(&files, when))
    }

    /// Where the next comparison begins; `None` when there is none.
    fn next(&mut self, end: u64) -> Option<u64> {
        // What is new comes first, so that there is an end to it however little time there is.
        if self.verified < end {
            return Some(self.verified);
        }
        self.again = self.again.filter(|at| *at < self.verified);
        self.again
    }

    /// What was right must be there still.
    fn gone(&self, files: &FilePair) -> io::Result<Option<Judgement>> {
        let (input, output, verified) = (self.input.display(), self.output.display(), grouped(self.verified));
        if files.fed < self.verified {
            let fed = grouped(files.fed);
            let why = format!("{input} has {fed} bytes left of {verified} that {output} was compared with");
            return Ok(Some(Judgement::Unknown(why)));
        }
        let Some(input) = files.input.as_ref().filter(|_| files.made < self.verified) else { return Ok(None) };
        let note = format!("{verified} bytes had been right before, and {} are left", grouped(files.made));
        let finding = files.evidence(input).short(CHECK, files.made, note)?;
        Ok(Some(self.broken(finding)))
    }

    /// What there is, where nothing is wrong.
    fn without(&self, files: &FilePair, when: LookTime) -> Judgement {
        let (input, output) = (self.input.display(), self.output.display());
        let (verified, fed) = (grouped(self.verified), grouped(files.fed));
        match when {
            _ if files.made > 0 && files.input.is_none() => {
                Judgement::Unknown(format!("{output} has bytes, and {input} is not there to compare them with"))
            }
            _ if files.fed == 0 => Judgement::Unknown(format!("{input} is empty")),
            LookTime::End { is_complete: true } if self.verified < files.fed => {
                Judgement::Broken(format!("SHORT: {output} has none of the {fed} bytes of {input}"))
            }
            _ if self.verified == 0 => Judgement::Unknown(format!("{output} is empty")),
            _ => Judgement::Holds(format!("{verified} of {fed} bytes of {input} are in {output}")),
        }
    }

    fn broken(&self, finding: Finding) -> Judgement {
        let told = finding.to_string();
        // The check is told by who looks; here it is the file.
        let told = told.split_once(": ").map_or(told.as_str(), |(_, told)| told);
        Judgement::Broken(format!("{}: {told}", self.output.display()))
    }
}

impl FilePair {
    fn open(input: &Path, output: &Path) -> io::Result<Self> {
        // In this order: an input may grow meanwhile.
        let output = open_if_there(output)?;
        let made = output.as_ref().map_or(Ok(0), |file| file.metadata().map(|file| file.len()))?;
        let input = open_if_there(input)?;
        let fed = input.as_ref().map_or(Ok(0), |file| file.metadata().map(|file| file.len()))?;
        Ok(Self { input, output, made, fed })
    }

    fn evidence<'f>(&'f self, input: &'f File) -> Evidence<'f> {
        Evidence { key: None, input, output: self.output.as_ref() }
    }
}

/// Whether a file has the end of a line before an offset.
fn ends_line(file: &File, end: u64) -> io::Result<bool> {
    let mut last = [0];
    file.read_exact_at(&mut last, end - 1)?;
    Ok(last == *b"\n")
}

impl PromiseKeeper for PrefixKeeper {
    fn look(&mut self, when: LookTime, deadline: Instant) -> Judgement {
        self.looks += 1;
        self.compare(when, deadline).unwrap_or_else(|error| Judgement::Unknown(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::time::Duration;

    const RUNNING: LookTime = LookTime::Running;
    const END: LookTime = LookTime::End { is_complete: false };
    const ALL: LookTime = LookTime::End { is_complete: true };

    struct Files {
        _folder: tempfile::TempDir,
        keeper: PrefixKeeper,
    }

    impl Files {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = |name| folder.path().join(name).display().to_string();
            let keeper = PrefixKeeper::new(&path("in"), &path("out"), 0);
            Self { _folder: folder, keeper }
        }

        fn look(&mut self, input: &[u8], output: &[u8], when: LookTime) -> Judgement {
            fs::write(&self.keeper.input, input).unwrap();
            fs::write(&self.keeper.output, output).unwrap();
            self.again(when)
        }

        fn again(&mut self, when: LookTime) -> Judgement {
            self.keeper.look(when, Instant::now() + Duration::from_secs(60))
        }
    }

    fn is_broken(judgement: &Judgement, text: &str) -> bool {
        matches!(judgement, Judgement::Broken(why) if why.contains(text))
    }

    #[test]
    fn files_need_not_be_there_yet() {
        let mut files = Files::new();
        assert!(matches!(files.again(RUNNING), Judgement::Unknown(_)));
        fs::write(&files.keeper.input, "a\nb\n").unwrap();
        assert!(matches!(files.again(RUNNING), Judgement::Unknown(_)));
        assert!(matches!(files.again(END), Judgement::Unknown(_)));
        assert!(is_broken(&files.again(ALL), "SHORT"));
        let mut files = Files::new();
        fs::write(&files.keeper.output, "a\n").unwrap();
        assert!(matches!(files.again(RUNNING), Judgement::Unknown(why) if why.contains("is not there to compare")));
    }

    #[test]
    fn what_nobody_was_promised_may_be_taken_back() {
        let mut files = Files::new();
        files.keeper.revocable = 2;
        assert!(matches!(files.look(b"a\nb\nc\n", b"a\nb\n", RUNNING), Judgement::Holds(_)));
        assert!(matches!(files.look(b"a\nb\nc\n", b"a\n", RUNNING), Judgement::Holds(_)));
        // What comes instead is compared as well, and more may not vanish at a time.
        assert!(is_broken(&files.look(b"a\nb\nc\n", b"a\nx\n", RUNNING), "byte 2"));
        assert!(matches!(files.look(b"a\nb\nc\n", b"a\nb\n", RUNNING), Judgement::Holds(_)));
        assert!(is_broken(&files.look(b"a\nb\nc\n", b"a", RUNNING), "SHORT at byte 1"));
    }

    #[test]
    fn a_beginning_holds_and_at_the_end_it_is_all() {
        let mut files = Files::new();
        assert!(
            matches!(files.look(b"a\nb\n", b"a", RUNNING), Judgement::Holds(why) if why.starts_with("1 of 4 bytes of "))
        );
        assert!(matches!(files.look(b"a\nb\n", b"a\nb", END), Judgement::Holds(_)));
        let short = files.again(ALL);
        assert!(
            is_broken(&short, "out: SHORT at byte 3 (line 2, byte 2 of it)\n  expected \"b\\n\"\n  found    \"b\""),
            "{short:?}"
        );
        assert!(is_broken(&short, "3 of 4 bytes are there at the end"));
        assert!(matches!(files.look(b"a\nb\n", b"a\nb\n", ALL), Judgement::Holds(_)));
        assert!(is_broken(&files.look(b"a\nb\n", b"a\nb\na\n", ALL), "DUP at byte 4 (line 3"));
    }

    #[test]
    fn behind_a_line_of_the_input_that_is_not_finished_it_waits() {
        let mut files = Files::new();
        assert!(
            matches!(files.look(b"a\nbb", b"a\nbbb\nc", RUNNING), Judgement::Holds(why) if why.starts_with("4 of 4"))
        );
        assert!(is_broken(&files.look(b"a\nbb", b"a\nbbb\nc", END), "at byte 4"));
        assert!(
            matches!(files.look(b"a\nbbb\ncc\n", b"a\nbbb\nc", RUNNING), Judgement::Holds(why) if why.starts_with("7 of 9"))
        );
        let mut files = Files::new();
        assert!(is_broken(&files.look(b"a\nbbb\n", b"a\nbbb\nc", RUNNING), "TORN at byte 6"));
    }

    #[test]
    fn what_was_right_must_not_change_nor_vanish() {
        let mut files = Files::new();
        assert!(matches!(files.look(b"a\nb\n", b"a\nb\n", RUNNING), Judgement::Holds(_)));
        for _ in 0..FULL_EVERY - 2 {
            assert!(matches!(files.look(b"a\nb\n", b"x\nb\n", RUNNING), Judgement::Holds(_)));
        }
        let changed = files.look(b"a\nb\n", b"x\nb\n", RUNNING);
        assert!(is_broken(&changed, "TORN at byte 0") && is_broken(&changed, "it was changed since"), "{changed:?}");
        assert!(is_broken(&files.look(b"a\nb\n", b"a\n", RUNNING), "SHORT at byte 2"));
        assert!(is_broken(&files.look(b"a\nb\n", b"x\nb\n", END), "TORN at byte 0"));
        assert!(
            matches!(files.look(b"a\n", b"a\nb\n", RUNNING), Judgement::Unknown(why) if why.contains("has 2 bytes left of 4"))
        );
        fs::remove_file(&files.keeper.output).unwrap();
        fs::write(&files.keeper.input, "a\nb\n").unwrap();
        assert!(is_broken(&files.again(RUNNING), "SHORT at byte 0"));
    }

    #[test]
    fn a_look_costs_what_is_new_and_stops_in_time() {
        let mut files = Files::new();
        let line = [vec![b'x'; 1023], vec![b'\n']].concat();
        let input = line.repeat(20 * 1024);
        files.look(&input, &input[..1024], RUNNING);
        let before = files.keeper.comparer.read;
        files.look(&input, &input[..3072], RUNNING);
        assert_eq!(files.keeper.comparer.read - before, 2 * 2048);
        fs::write(&files.keeper.output, &input).unwrap();
        let mut late = 0;
        while let Judgement::Unknown(why) = files.keeper.look(END, Instant::now()) {
            assert!(why.ends_with("bytes were compared in time"), "{why}");
            late += 1;
        }
        assert!(late >= 2);
        assert!(matches!(files.again(ALL), Judgement::Holds(_)));
    }

    proptest! {
        #[test]
        fn any_difference_is_found_at_its_byte(
            lines in 1usize..20, seed in any::<u64>(), kind in 0usize..6, places in any::<(prop::sample::Index, prop::sample::Index)>(),
            cut in any::<prop::sample::Index>(), when in prop_oneof![Just(RUNNING), Just(END), Just(ALL)],
        ) {
            let mut random = fastrand::Rng::with_seed(seed);
            let all: Vec<String> = (0..lines).map(|n| format!("{n}.{}\n", "x".repeat(random.usize(..9)))).collect();
            let input = all.concat().into_bytes();
            let (one, other) = (places.0.index(input.len()), places.1.index(input.len()));
            let (from, to) = (one.min(other), one.max(other) + 1);
            let (first, second) = (places.0.index(lines), places.1.index(lines));
            let mut made = all.clone();
            let mut output = input.clone();
            match kind {
                0 => drop(output.drain(from..to)),
                1 => output[one] ^= 1 + places.1.index(255) as u8,
                2 => drop(output.splice(to..to, input[from..to].iter().copied())),
                3 => made.swap(first, second),
                4 => made.insert(first.max(second), all[first.min(second)].clone()),
                _ => output.truncate(one),
            }
            if made != all {
                output = made.concat().into_bytes();
            }
            let same = output.iter().zip(&input).take_while(|(made, fed)| made == fed).count();
            let mut files = Files::new();
            // What was looked at before makes no difference.
            files.look(&input, &output[..cut.index(same + 1)], RUNNING);
            let said = files.look(&input, &output, when);
            let is_prefix = same == output.len();
            if is_prefix && (when != ALL || same == input.len()) {
                prop_assert!(!is_broken(&said, ""), "{said:?}");
            } else if same > 0 || !output.is_empty() {
                prop_assert!(is_broken(&said, &format!("at byte {same} ")), "{said:?} and not {same}");
            } else {
                prop_assert!(is_broken(&said, "SHORT"), "{said:?}");
            }
        }
    }
}
