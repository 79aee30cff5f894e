//! Flags and exit codes.

use super::ended::ended;

/// A file with a mistake: it is found after all flags are.
const WRONG: (&str, &str) = ("config.yaml", "proxy: 1");

#[test]
fn a_wrong_word_ends_it_with_2_and_is_named() {
    for (words, named) in [
        ("-x", "'-x'"),
        ("-dnx", "'-x'"),
        ("--bogus", "'--bogus'"),
        ("--listen 127.0.0.1:1", "'--listen'"),
        ("--port 1", "'--port'"),
        ("stray", "'stray'"),
        ("-d -n stray", "'stray'"),
        ("health", "'health'"),
        ("-f", "--file"),
        ("-l loud", "'loud'"),
        ("-l INFO", "'INFO'"),
        ("--log-level=Debug", "'Debug'"),
        ("-p x", "'x'"),
        ("-p 65536", "'65536'"),
        ("-p -1", "'-1'"),
        ("-t 0", "'0'"),
        ("-t -5", "'-5'"),
        ("-t 1.5", "'1.5'"),
        ("--timeout=ten", "'ten'"),
        ("--threads 0", "'0'"),
        ("--drain soon", "soon"),
        ("--shutdown-delay x", "\"x\""),
        ("--log-format xml", "'xml'"),
        ("--next-port=1", "1"),
    ] {
        let end = ended(&[WRONG], &words.split(' ').collect::<Vec<_>>(), &[]);
        assert_eq!((end.code, end.stdout.as_str()), (Some(2), ""), "{words}: {end:?}");
        assert!(end.stderr.contains(named) && end.stderr.lines().count() == 1, "{words}: {end:?}");
    }
    let end = ended(&[WRONG], &[], &[("LOGFORMAT", "xml")]);
    assert!(end.code == Some(2) && end.stderr.contains("LOGFORMAT 'xml'"), "{end:?}");
}

#[test]
fn good_words_are_understood_together_and_apart() {
    for words in [
        "-dan",
        "-d -a -n",
        "-nadt5 -p 0 -l warn",
        "--dry-run --listen-all-addr --next-port --timeout 5 --prometheus-port=1 --log-level error",
        "--drain 5s --shutdown-delay=1m --threads 2 --log-format text",
        "-f config.yaml",
        "-fconfig.yaml",
        "--file=config.yaml",
    ] {
        // Then it is the file that is wrong.
        let end = ended(&[WRONG], &words.split(' ').collect::<Vec<_>>(), &[("PORT", "x"), ("IP", "y")]);
        assert_eq!(end.code, Some(1), "{words}: {end:?}");
        assert!(end.stderr.contains("proxy (line 1): expected a dict, instead got 1"), "{words}: {end:?}");
    }
}

#[test]
fn a_file_may_have_the_name_of_a_command() {
    for name in ["status", "health", "mem", "consumer"] {
        let end = ended(&[(name, "proxy: 1")], &["-f", name, "--check"], &[]);
        assert!(end.code == Some(1) && end.stderr.contains("proxy (line 1)"), "{name}: {end:?}");
    }
}

#[test]
fn help_is_no_failure() {
    for words in [&["-h"][..], &["--help"], &["-dah"], &["-f", "missing", "--help"]] {
        let end = ended(&[], words, &[]);
        assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{words:?}: {end:?}");
        assert!(end.stdout.contains("--prometheus-port N") && end.stdout.contains("--check"), "{words:?}: {end:?}");
    }
    let end = ended(&[], &["--version"], &[]);
    assert!(end.code == Some(0) && end.stdout.starts_with("testero "), "{end:?}");
}
