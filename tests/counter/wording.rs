//! What it is told: variables, the file `.env`, and what is wrong in them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::{counter, numbers, start_in};
use crate::harness::{Testero, binary};
use crate::process::{fails_with, run};

/// A folder with a `.env`.
fn folder_with(dot_env: &str) -> Arc<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), dot_env).unwrap();
    Arc::new(folder)
}

/// Asserts that it is wrong usage, in one line without the password that is in it.
fn is_wrong(folder: &Path, arguments: &[&str], variables: &[(&str, &str)], words: &[&str]) {
    let mut command = counter(folder, arguments, variables);
    // If it came to that, it would listen on any port.
    if !variables.iter().any(|(name, _)| *name == "SERVICE_PORT") {
        command.env("PORT", "0");
    }
    fails_with(2, &mut command, words);
    let said = String::from_utf8(run(&mut command).stderr).unwrap();
    assert!(!said.contains("hunter2") && said.lines().count() == 1, "{variables:?}: {said}");
}

#[test]
fn what_is_wrong_is_said_in_one_line_and_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    for (variables, words) in [
        (&[("REDIS_URL", "http://me:hunter2@host:6379")][..], &["REDIS_URL"][..]),
        (&[("REDIS_URL", "redis://me:hunter2@host:x")], &["REDIS_URL"]),
        (&[("REDIS_URL", "redis://me:hunter2@host:99999")], &["REDIS_URL"]),
        (&[("REDIS_URL", "redis://me:hunter2@host/x")], &["REDIS_URL"]),
        (&[("REDIS_URL", "redis://me:hunter2@")], &["REDIS_URL"]),
        (&[("REDIS_URL", "me:hunter2@host")], &["REDIS_URL"]),
        (&[("REDIS_URL", "hunter2")], &["REDIS_URL"]),
        (&[("REDIS_URL", "redis://me:hunter2@[::]")], &["REDIS_URL"]),
        (&[("REDIS_URL", "redis://me:hunter2@host?protocol=4")], &["REDIS_URL"]),
        (&[("REDIS_URL", "unix:hunter2")], &["REDIS_URL"]),
        (&[("REDIS_URL", "unix://hunter2/socket")], &["REDIS_URL"]),
        (&[("REDIS_URL", "unix:///socket?db=x&pass=hunter2")], &["REDIS_URL"]),
        // There is no TLS.
        (&[("REDIS_URL", "rediss://me:hunter2@host")], &["REDIS_URL"]),
        (&[("CONTAINER_DB_PORT", "6379")], &["CONTAINER_DB_PORT", "CONTAINER_DB_HOST"]),
        (&[("ContainerDBport", "6379")], &["ContainerDBport"]),
        (&[("CONTAINER_DB_HOST", "x"), ("CONTAINER_DB_PORT", "redis")], &["CONTAINER_DB_PORT", "redis", "tcp://"]),
        (&[("CONTAINER_DB_HOST", "x"), ("CONTAINER_DB_PORT", "65536")], &["CONTAINER_DB_PORT", "65536"]),
        (&[("CONTAINER_DB_HOST", "x"), ("CONTAINER_DB_PORT", "-1")], &["CONTAINER_DB_PORT", "-1"]),
        (&[("CONTAINER_DB_PORT", "tcp://10.0.0.1")], &["CONTAINER_DB_PORT", "tcp://10.0.0.1"]),
        (&[("CONTAINER_DB_PORT", "tcp://10.0.0.1:")], &["CONTAINER_DB_PORT"]),
        (&[("CONTAINER_DB_PORT", "udp://10.0.0.1:6379")], &["CONTAINER_DB_PORT", "udp"]),
        (&[("SERVICE_PORT", "x")], &["SERVICE_PORT", "x"]),
        (&[("SERVICE_PORT", "65536")], &["SERVICE_PORT", "65536"]),
        (&[("IP", "localhost")], &["IP", "localhost"]),
        (&[("SHUTDOWNDELAY", "soon")], &["SHUTDOWNDELAY", "soon"]),
    ] {
        is_wrong(folder.path(), &[], variables, words);
    }
    for (arguments, words) in [
        (&["--redis-url", "http://me:hunter2@host"][..], "--redis-url"),
        (&["--redis-url"], "needs a value"),
        (&["--mem-limit", "1"], "--mem-limit"),
        (&["now"], "now"),
        (&["--listen", "8083"], "--listen"),
    ] {
        is_wrong(folder.path(), arguments, &[], &[words]);
    }
}

#[test]
fn where_it_cannot_count_it_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    fails_with(1, &mut counter(folder.path(), &["--listen=127.0.0.1:0", "--data-dir=none"], &[]), &["DATADIR", "none"]);
    fs::write(folder.path().join("total_count"), "many").unwrap();
    fails_with(1, &mut counter(folder.path(), &["--listen=127.0.0.1:0"], &[]), &["total_count", "something else"]);
    assert_eq!(fs::read_to_string(folder.path().join("total_count")).unwrap(), "many");
}

#[test]
fn a_redis_need_not_be_there_for_a_start() {
    for (variables, place) in [
        (("CONTAINER_DB_PORT", "tcp://[::1]:7"), "the Redis at ::1:7, database 0"),
        (("CONTAINER_DB_PORT", "tcp://127.0.0.1:1"), "the Redis at 127.0.0.1:1, database 0"),
        (("CONTAINER_DB_HOST", "localhost"), "the Redis at localhost:6379, database 0"),
        (("REDIS_URL", "redis://me:hunter2@127.0.0.1:1/3"), "the Redis at 127.0.0.1:1, database 3"),
        (("REDIS_URL", "redis://[::1]:7"), "the Redis at ::1:7, database 0"),
        (("REDIS_URL", "unix:///no/such/socket"), "the Redis at /no/such/socket, database 0"),
        (("REDIS_URL", "unix:/no/such%20socket?db=2&pass=hunter2"), "the Redis at /no/such socket, database 2"),
        // As it is mounted from a Secret, whose file ends with a line feed.
        (("REDIS_URL", "redis://me:hunter2@db/1\n"), "the Redis at db:6379, database 1"),
        // A host that is no part of a URL is taken as it is.
        (("CONTAINER_DB_HOST", "0.0.0.0"), "the Redis at 0.0.0.0:6379, database 0"),
        (("CONTAINER_DB_HOST", "a b"), "the Redis at a b:6379, database 0"),
    ] {
        let testero = super::start(&[variables]);
        let log = testero.log();
        assert!(log.contains(place) && !log.contains("hunter2"), "{place}: {log}");
        assert_eq!(testero.get("/readyz"), "ok\n");
    }
}

#[test]
fn a_file_says_what_the_environment_does_not() {
    let folder = folder_with(
        "# What the original reads.\n\nSERVICE_HOST=localhost\nexport SERVICE_PORT=\"0\"\nIP='127.0.0.1'\nDATADIR=sub\n\
         SOMETHING_ELSE=7\n",
    );
    fs::create_dir(folder.path().join("sub")).unwrap();
    let testero = Testero::spawn(counter(folder.path(), &[], &[]), Arc::clone(&folder));
    assert_eq!(numbers(&testero), (1, 1));
    assert!(testero.address.ip().is_loopback() && testero.address.port() != 8083);
    assert!(folder.path().join("sub/total_count").exists());
    // The environment wins, and a flag over both.
    let other = tempfile::tempdir().unwrap();
    let testero = start_in(&folder, &[("DATADIR", other.path().to_str().unwrap())]);
    assert_eq!(numbers(&testero), (1, 1));
    assert!(other.path().join("total_count").exists());
    // It is only read where it works.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("in")).unwrap();
    fs::write(elsewhere.path().join(".env"), "DATADIR=nowhere\n").unwrap();
    let command = counter(&elsewhere.path().join("in"), &["--listen=127.0.0.1:0"], &[]);
    assert_eq!(numbers(&Testero::spawn(command, Arc::new(elsewhere))), (1, 1));
}

#[test]
fn a_file_of_the_original_is_read_as_the_original_reads_it() {
    // Written on Windows, with values that have blanks; the last of two lines counts.
    let folder = folder_with(
        "\u{feff}APP_NAME=My App\r\nSERVICE_PORT=1\r\nSERVICE_PORT: 0 # any\r\nIP=127.0.0.1\r\nSUB=a folder\r\n\
         DATADIR=\"./${SUB}\"\r\n",
    );
    fs::create_dir(folder.path().join("a folder")).unwrap();
    let testero = Testero::spawn(counter(folder.path(), &[], &[]), Arc::clone(&folder));
    assert_eq!(numbers(&testero), (1, 1));
    assert!(folder.path().join("a folder/total_count").exists());
}

#[test]
fn a_file_names_a_redis() {
    let Some(redis) = super::database::Redis::start(&[]) else { return };
    let (ip, port) = (redis.address.ip(), redis.address.port());
    let folder = folder_with(&format!("ContainerDBhost={ip}\nContainerDBport={port}\n"));
    assert_eq!(numbers(&start_in(&folder, &[])), (1, 1));
    let folder = folder_with("REDIS_URL=redis://127.0.0.1:1\n");
    assert_eq!(numbers(&start_in(&folder, &[("REDIS_URL", &redis.url())])), (1, 2));
}

#[test]
fn the_environment_wins_whichever_of_two_names_it_uses() {
    let folder = folder_with("ContainerDBhost=127.0.0.2\nContainerDBport=2\n");
    let variables = [("CONTAINER_DB_HOST", "127.0.0.1"), ("CONTAINER_DB_PORT", "1")];
    let log = start_in(&folder, &variables).log();
    assert!(log.contains("the Redis at 127.0.0.1:1,"), "{log}");
}

#[test]
fn a_line_that_is_none_is_an_error_and_not_said_again() {
    for (text, word) in [
        ("DATADIR=.\nREDIS_URL redis://me:hunter2@host\n", ".env"),
        ("REDIS_URL=\"redis://me:hunter2@host\n", ".env"),
        ("REDIS_URL='redis://me:hunter2@host\nIP=127.0.0.1\n", ".env"),
        ("just words\n", ".env"),
        ("=hunter2\n", ".env"),
    ] {
        is_wrong(folder_with(text).path(), &[], &[], &[word]);
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(".env")).unwrap();
    is_wrong(folder.path(), &[], &[], &[".env"]);
    fs::remove_dir(folder.path().join(".env")).unwrap();
    fs::write(folder.path().join(".env"), [0xff, 0xfe, b'\n']).unwrap();
    is_wrong(folder.path(), &[], &[], &[".env"]);
}

#[test]
fn other_roles_do_not_read_the_file() {
    let folder = folder_with("nonsense\n");
    let mut command = std::process::Command::new(binary());
    command.args(["--listen", "127.0.0.1:0"]).current_dir(folder.path());
    Testero::spawn(command, folder).get("/healthz");
}
