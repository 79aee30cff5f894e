//! Run folders with a right log, and then with one thing wrong, against the model.

use std::fs::{self, File};

use proptest::prelude::*;

use super::model::{Edit, KEY, Run, generated, id, run};
use super::{DifferenceClass, Verifier, verify_once};
use crate::crash::folder::RunFolder;
use crate::crash::pipeline::sink_log::Said;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_right_passes_in_whatever_pieces_the_log_comes(run in run(), cuts in any::<[prop::sample::Index; 4]>()) {
        let log = run.log.concat().into_bytes();
        fs::remove_file(run.folder.transactions(KEY)).unwrap();
        let mut verifier = Verifier::new(&run.folder, &[KEY]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(log.len() + 1)).collect();
        cuts.extend([0, log.len()]);
        cuts.sort_unstable();
        let mut fresh = 0;
        for pair in cuts.windows(2) {
            run.append_log(&log[pair[0]..pair[1]]);
            let round = verifier.round().unwrap();
            prop_assert_eq!(round.findings, vec![]);
            fresh += round.fresh;
        }
        prop_assert_eq!((fresh, verifier.verified(KEY)), (run.committed as u64, run.committed as u64));
        prop_assert_eq!(verifier.full().unwrap().findings, vec![]);
        let verified = verify_once(&run.folder, KEY).unwrap().unwrap();
        prop_assert_eq!(verified.transactions, run.pieces.len() as u64);
        prop_assert_eq!((verified.verified, verified.input), (run.committed as u64, run.input.len() as u64));

        let at_end = verifier.at_end().unwrap().findings;
        let is_all = run.committed == run.input.len();
        prop_assert_eq!(at_end.iter().map(|found| (found.check, found.class)).collect::<Vec<_>>(),
            if is_all { vec![] } else { vec![("eof", Some(DifferenceClass::Short))] });
    }

    #[test]
    fn what_is_wrong_is_found_and_named(mut run in run(), edit in Edit::any(), places in any::<(prop::sample::Index, prop::sample::Index)>()) {
        edit.apply(&mut run, places);
        let found = run.found();
        run.check("prefix", found.as_ref())?;
    }

    #[test]
    fn what_gets_wrong_after_it_was_right_is_found_again(
        mut run in run(), edit in Edit::any(), places in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let mut verifier = Verifier::new(&run.folder, &[KEY]);
        prop_assert_eq!(verifier.round().unwrap().findings, vec![]);
        edit.apply(&mut run, places);
        run.write();
        let found = verifier.full().unwrap().findings;
        run.check("stable", found.first())?;
        prop_assert_eq!(verifier.full().unwrap().findings.len(), 0, "it is said once");
    }

    #[test]
    fn what_does_not_count_may_be_anything(mut run in run(), junk in proptest::collection::vec(any::<u8>(), 1..100)) {
        run.output.truncate(run.committed);
        run.output.extend(&junk);
        prop_assert_eq!(run.found(), None);
        let found = Verifier::new(&run.folder, &[KEY]).at_end().unwrap().findings;
        let is_short = run.committed < run.input.len();
        prop_assert_eq!((found[0].check, found[0].byte), ("eof", run.committed as u64));
        prop_assert_eq!(found[0].class == Some(DifferenceClass::Short), is_short);
    }

    #[test]
    fn a_log_of_noise_does_no_harm(noise in proptest::collection::vec(any::<u8>(), 0..400), json in r#"([\[\]0-9,".]|1-ok|2-ok|A:1:1|\n){0,60}"#) {
        let run = Run::new(generated(3), &[], 0);
        for bytes in [noise.as_slice(), json.as_bytes()] {
            fs::write(run.folder.transactions(KEY), bytes).unwrap();
            let _ = verify_once(&run.folder, KEY).unwrap();
        }
    }

    #[test]
    fn a_log_with_a_changed_byte_does_no_harm(run in run(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut log = run.log.concat().into_bytes();
        let at = at.index(log.len());
        log[at] = byte;
        fs::write(run.folder.transactions(KEY), &log).unwrap();
        let _ = verify_once(&run.folder, KEY).unwrap();
    }
}

#[test]
fn each_kind_of_damage_has_its_class() {
    let run = |edit: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut run = Run::new(generated(20), &[(490, 1, false, 1), (490, 0, true, 2)], 0);
        let mut lines: Vec<Vec<u8>> = run.output.chunks(49).map(<[u8]>::to_vec).collect();
        edit(&mut lines);
        run.output = lines.concat();
        let found = run.found().unwrap();
        (found.class.unwrap().name(), found.line, found.worker.unwrap())
    };
    assert_eq!(run(&|lines| lines.truncate(15)), ("SHORT", 16, 2));
    assert_eq!(run(&|lines| drop(lines.remove(4))), ("LOST", 5, 1));
    assert_eq!(run(&|lines| lines.swap(4, 12)), ("REORDERED", 5, 1));
    assert_eq!(run(&|lines| lines.insert(12, lines[4].clone())), ("DUP", 13, 2));
    assert_eq!(run(&|lines| lines[12].truncate(30)), ("TORN", 13, 2));
    assert_eq!(run(&|lines| lines[12][20] ^= 1), ("TORN", 13, 2));
    assert_eq!(run(&|lines| lines[12][0] = b'B'), ("FOREIGN", 13, 2));
    assert_eq!(run(&|lines| lines[12][20] = 0), ("FOREIGN", 13, 2));
}

#[test]
fn a_round_costs_what_is_new() {
    let batches = [(4900, 0, false, 1); 200];
    let run = Run::new(generated(20_000), &batches, 0);
    let lines = run.log.clone();
    fs::write(run.folder.transactions(KEY), "").unwrap();
    let mut verifier = Verifier::new(&run.folder, &[KEY]);
    for (index, pair) in lines.chunks(2).enumerate() {
        run.append_log(pair.concat().as_bytes());
        let round = verifier.round().unwrap();
        assert_eq!((round.fresh, round.transactions, round.findings.len()), (4900, 1, 0));
        assert_eq!(round.full, index % 60 == 59);
        if round.full {
            assert!(round.read > 2 * 4900 * index as u64);
        } else {
            // The end of the log that was read is looked at again.
            assert!(round.read <= 2 * 4900 + pair.concat().len() as u64 + 64, "{} in round {index}", round.read);
        }
    }
    assert!(verifier.round().unwrap().read <= 64);
}

#[test]
fn a_range_that_was_rolled_back_and_kept_is_a_repeat() {
    let mut run = Run::new(generated(10), &[(490, 0, false, 1)], 0);
    // The first five lines stay, and come again behind themselves.
    run.output = [&run.input[..245], &run.input[..245]].concat();
    run.log.clear();
    run.prepare(1, 0..245, 1, 1, false);
    run.say(Said::RolledBack { id: id(1), start: 0 });
    run.prepare(2, 245..490, 1, 1, false);
    run.say(Said::Committed { id: id(2), end: 490 });
    run.write();
    let findings = Verifier::new(&run.folder, &[KEY]).round().unwrap().findings;
    let told: Vec<_> = findings.iter().map(|found| (found.check, found.class)).collect();
    assert_eq!(told, [("prefix", Some(DifferenceClass::Dup)), ("contiguous", None)]);
    assert_eq!((findings[0].line, findings[0].transaction), (6, Some(id(2))));
    assert!(findings[1].to_string().contains("begins at byte 245, and what counts ended at byte 0"), "{}", findings[1]);
}

#[test]
fn a_record_before_its_bytes_is_short() {
    let mut run = Run::new(generated(10), &[(100, 0, false, 1), (390, 0, false, 2)], 0);
    run.output.truncate(150);
    let found = run.found().unwrap();
    assert_eq!((found.check, found.class, found.byte), ("prefix", Some(DifferenceClass::Short), 150));
    assert_eq!((found.transaction, found.worker, found.line), (Some(id(2)), Some(2), 4));
    fs::remove_file(run.folder.output(KEY)).unwrap();
    let found = verify_once(&run.folder, KEY).unwrap().unwrap_err();
    assert_eq!((found.class, found.byte, found.found), (Some(DifferenceClass::Short), 0, None));
}

#[test]
fn the_crc_of_phase_1_is_that_of_the_bytes() {
    let mut run = Run::new(generated(4), &[(196, 0, false, 1)], 0);
    let crc = crate::checksum::hash(&run.output).to_string();
    run.log[0] = run.log[0].replace(&crc, "17");
    let found = run.found().unwrap();
    assert_eq!((found.check, found.class), ("contiguous", None));
    assert!(found.to_string().contains("phase 1 told 17"), "{found}");
    // It tells whether the bytes were wrong already when they were prepared.
    let mut run = Run::new(generated(4), &[(196, 0, false, 1)], 0);
    run.output[60] = b'!';
    assert!(run.found().unwrap().to_string().contains("the file changed since"));
    run.log[0] = run.log[0].replace(&crc, &crate::checksum::hash(&run.output).to_string());
    assert!(run.found().unwrap().to_string().contains("came so from the outbox"));
}

#[test]
fn an_epoch_that_falls_is_told_with_both_workers() {
    let mut run = Run::new(generated(4), &[], 0);
    run.output = run.input.clone();
    for (number, worker, epoch) in [(1, 2, 5), (2, 1, 4)] {
        let start = (number - 1) * 98;
        run.prepare(number as u64, start..start + 98, worker, epoch, false);
        run.say(Said::Committed { id: id(number as u64), end: start as u64 + 98 });
    }
    let found = run.found().unwrap();
    assert_eq!((found.check, found.byte, found.worker, found.epoch), ("owner", 98, Some(1), Some(4)));
    assert!(found.to_string().contains("after worker 2 had with epoch 5"), "{found}");
}

#[test]
fn a_log_may_lose_a_torn_line_and_no_whole_one() {
    let run = Run::new(generated(10), &[(245, 0, false, 1), (245, 0, false, 1)], 0);
    let mut verifier = Verifier::new(&run.folder, &[KEY]);
    run.append_log(b"[1.5,\"1-o");
    assert_eq!(verifier.round().unwrap().findings, []);
    run.write();
    assert_eq!(verifier.round().unwrap().findings, []);
    let log = File::options().write(true).open(run.folder.transactions(KEY)).unwrap();
    log.set_len(run.log.concat().len() as u64 - 1).unwrap();
    let found = verifier.round().unwrap().findings;
    assert_eq!((found[0].check, found[0].class), ("stable", None));
    assert!(found[0].to_string().contains("had 4 lines"), "{}", found[0]);
}

#[test]
fn a_line_that_is_no_record_is_told_with_its_number() {
    let mut run = Run::new(generated(4), &[(196, 0, false, 1)], 0);
    run.log.push(format!("{}\n", "[".repeat(900_000)));
    let found = run.found().unwrap();
    assert_eq!((found.check, found.byte), ("contiguous", 196));
    assert!(found.to_string().contains("line 3 of the log of transactions"), "{found}");
    assert!(found.to_string().len() < 2000);
    run.log.push("x".repeat(2_000_000));
    run.log.remove(2);
    assert!(run.found().unwrap().to_string().contains("line 3 of the log of transactions: it is longer"));
}

#[test]
fn there_need_be_no_output_yet_but_an_input() {
    let folder = tempfile::tempdir().unwrap();
    let folder = RunFolder::at(folder.path());
    let error = verify_once(&folder, KEY).unwrap_err();
    assert!(error.to_string().contains("input-file.A.txt"), "{error}");
    crate::crash::input::write(&folder.input(KEY), 1, KEY, 3).unwrap();
    assert_eq!(verify_once(&folder, KEY).unwrap().unwrap().verified, 0);
    let at_end = Verifier::new(&folder, &[KEY]).at_end().unwrap().findings;
    assert_eq!((at_end[0].check, at_end[0].class), ("eof", Some(DifferenceClass::Short)));
}
