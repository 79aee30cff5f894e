//! Files, for real: where they are, how many, and that none is left.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::harness::{Testero, binary, eventually, names, skip};
use super::process::{Reaped, program};

/// The five sizes of files.
const SIZES: [u64; 5] = [524_288, 2_097_152, 8_388_608, 33_554_432, 134_217_728];
/// More than any test asks for: for limits that the user sets and means.
const PLENTY: &str = "1000000000";
/// What getact says when a folder cannot be read.
const UNREADABLE: &str = "Error getting files information\n";

/// A file system mounted for a test. Unmounted when dropped, so it has to be declared before the testero on it.
pub(crate) struct Mount {
    target: CString,
}

impl Mount {
    /// Mounts a tmpfs, unless this is not root's test run: then the test says so and is skipped.
    pub(crate) fn tmpfs(target: &Path, flags: libc::c_ulong, options: &str) -> Option<Self> {
        if !is_root() {
            return None;
        }
        let target = CString::new(target.as_os_str().as_bytes()).unwrap();
        let options = CString::new(options).unwrap();
        let (source, kind) = (c"testero-test", c"tmpfs");
        // SAFETY: all four strings are NUL-terminated and live as long as the call, and tmpfs takes its options as one.
        let result = unsafe {
            libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast::<libc::c_void>())
        };
        if result != 0 {
            skip(&format!("root may not mount here: {}", std::io::Error::last_os_error()));
            return None;
        }
        Some(Self { target })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // SAFETY: the path is NUL-terminated and lives as long as the call.
        unsafe { libc::umount2(self.target.as_ptr(), libc::MNT_DETACH) };
    }
}

/// Whether the tests run as root; says so where they do not.
pub(crate) fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        skip("this test needs root");
    }
    root
}

/// The one folder of seven lowercase letters in a data folder.
pub(crate) fn folder(testero: &Testero) -> PathBuf {
    let names = testero.names();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].len() == 7 && names[0].bytes().all(|b| b.is_ascii_lowercase()), "{names:?}");
    testero.data.path().join(&names[0])
}

/// Asks for so many bytes and waits for the work to be done. Returns the id.
fn set(testero: &Testero, bytes: u64) -> u64 {
    let answer = testero.get(&format!("/api/disk/set?size={bytes}"));
    let start = format!("File data request sent for {bytes} bytes, with id#: ");
    let id = answer.strip_prefix(&start).and_then(|rest| rest.strip_suffix(", check /api/disk/getact\n"));
    let id = id.unwrap_or_else(|| panic!("{answer}")).parse().unwrap();
    // Settled work of ours, not of the request before.
    eventually("the work has been done", || testero.settled("disk").contains(&format!("ID: {id}\n")));
    id
}

/// What getact says of these counts.
fn held(id: u64, counts: [u64; 5]) -> String {
    let lines: String = SIZES.iter().zip(counts).map(|(s, c)| format!("Files of size: {s}, Count: {c}\n")).collect();
    let total: u64 = SIZES.iter().zip(counts).map(|(s, c)| s * c).sum();
    format!("Last request ID: {id}\n{lines}Total size: {total} bytes.\n")
}

/// The names and sizes in a class folder.
fn files(testero: &Testero, size: u64) -> Vec<(String, u64)> {
    let class = folder(testero).join(format!("d-{size}"));
    names(&class).into_iter().map(|name| (name.clone(), fs::metadata(class.join(name)).unwrap().len())).collect()
}

fn class_names(testero: &Testero, size: u64) -> Vec<String> {
    files(testero, size).into_iter().map(|(name, _)| name).collect()
}

/// The bytes that getact says are held.
fn total(held: &str) -> u64 {
    held.split_once("Total size: ").unwrap().1.split(' ').next().unwrap().parse().unwrap()
}

/// The bytes in files below a folder, as far as they can be read: it may change meanwhile.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .fold(0, |sum, (path, metadata)| sum + if metadata.is_dir() { bytes_below(&path) } else { metadata.len() })
}

/// Bytes available in the file system of a path.
fn free(path: &Path) -> u64 {
    testero::kernel::filesystem::available(path).unwrap()
}

#[test]
fn folders_exist_from_the_start() {
    let testero = Testero::start();
    let mut expected: Vec<String> = SIZES.iter().map(|size| format!("d-{size}")).collect();
    expected.push(".testero".into());
    expected.sort();
    assert_eq!(names(&folder(&testero)), expected);
    assert_eq!(testero.get("/api/disk/getact"), held(0, [0; 5]));
}

#[test]
fn files_are_where_the_contract_says_and_as_large() {
    let testero = Testero::start();
    let id = set(&testero, 20 << 20);
    assert_eq!(testero.get("/api/disk/getact"), held(id, [28, 3, 0, 0, 0]));
    let expected = |size: u64, count: u64| {
        let mut files: Vec<_> = (1..=count).map(|n| (format!("f-{n}"), size)).collect();
        files.sort();
        files
    };
    for (size, count) in SIZES.into_iter().zip([28, 3, 0, 0, 0]) {
        assert_eq!(files(&testero, size), expected(size, count), "{size}");
    }
    assert!(testero.log().contains(&format!("CreateFiles(): Request {id} completed in ")));
}

#[test]
fn growing_goes_on_after_the_highest_number_and_shrinking_comes_down_from_it() {
    let testero = Testero::start();
    set(&testero, 3 * SIZES[0]);
    assert_eq!(class_names(&testero, SIZES[0]), ["f-1", "f-2", "f-3"]);
    fs::remove_file(folder(&testero).join("d-524288/f-1")).unwrap();
    set(&testero, 4 * SIZES[0]);
    assert_eq!(class_names(&testero, SIZES[0]), ["f-2", "f-3", "f-4", "f-5"]);
    set(&testero, 2 * SIZES[0]);
    assert_eq!(class_names(&testero, SIZES[0]), ["f-2", "f-3"]);
    set(&testero, 0);
    assert!(class_names(&testero, SIZES[0]).is_empty());
}

#[test]
fn getact_counts_what_exists_now_and_getdef_what_was_planned() {
    let testero = Testero::start();
    let id = set(&testero, 2 * SIZES[0]);
    let class = folder(&testero).join("d-524288");
    fs::remove_file(class.join("f-2")).unwrap();
    assert_eq!(testero.get("/api/disk/getact"), held(id, [1, 0, 0, 0, 0]));
    fs::write(class.join("stranger"), "").unwrap();
    fs::write(class.join("f-77"), "").unwrap();
    assert_eq!(testero.get("/api/disk/getact"), held(id, [2, 0, 0, 0, 0]));
    let planned = testero.get("/api/disk/getdef");
    assert!(planned.starts_with("Files of size: 524288, count: 2, total size: 1048576\n"), "{planned}");
    assert!(planned.ends_with("Total size reserved: 1048576 bytes.\n"), "{planned}");
}

#[test]
fn a_file_with_the_highest_number_there_is_does_no_harm() {
    let testero = Testero::start();
    let class = folder(&testero).join("d-524288");
    fs::write(class.join(format!("f-{}", u64::MAX)), "").unwrap();
    testero.get(&format!("/api/disk/set?size={}", 3 * SIZES[0]));
    let told = testero.settled("disk");
    assert!(!told.contains("panic") && !testero.log().contains("Panic"), "{told}{}", testero.log());
    fs::remove_file(class.join(format!("f-{}", u64::MAX))).unwrap();
    let id = set(&testero, 2 * SIZES[0]);
    assert_eq!(testero.settled("disk"), held(id, [2, 0, 0, 0, 0]));
}

#[test]
fn a_removed_folder_is_told_and_made_again_at_the_next_request() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
    fs::remove_dir(folder(&testero).join("d-8388608")).unwrap();
    assert_eq!(testero.get("/api/disk/getact"), UNREADABLE);
    let id = set(&testero, SIZES[0]);
    assert_eq!(testero.settled("disk"), held(id, [1, 0, 0, 0, 0]));
    fs::remove_dir_all(folder(&testero)).unwrap();
    assert_eq!(testero.get("/api/disk/getact"), UNREADABLE);
    assert!(testero.get("/api/mem/set?size=1").starts_with("Memory data request sent"));
    let id = set(&testero, 2 * SIZES[0]);
    assert_eq!(testero.settled("disk"), held(id, [2, 0, 0, 0, 0]));
    testero.signal(libc::SIGTERM);
    let (status, _, log) = testero.wait();
    assert!(status.success(), "{status} {log}");
    assert!(names(data.path()).is_empty());
}

#[test]
fn without_a_data_folder_files_go_where_it_is_started() {
    let here = Arc::new(tempfile::tempdir().unwrap());
    let mut command = program(&[], &[]);
    command.current_dir(here.path()).env_remove("DATADIR");
    let testero = Testero::spawn(command, here);
    assert!(testero.log().contains(" DATADIR set to: .\n"), "{}", testero.log());
    folder(&testero);
}

#[test]
fn a_variable_that_is_not_utf8_is_not_passed_over_in_silence() {
    let here = tempfile::tempdir().unwrap();
    let there = here.path().join(OsStr::from_bytes(b"d\xffta"));
    fs::create_dir(&there).unwrap();
    let mut command = program(&[], &[]);
    command.env("DATADIR", &there).current_dir(here.path()).stderr(Stdio::null());
    let mut child = Reaped(command.spawn().unwrap());
    // Right is either to use it or to say what is wrong with it.
    let mut status = None;
    eventually("it has chosen", || {
        status = child.0.try_wait().unwrap();
        status.is_some() || !names_lossy(here.path()).is_empty() || !names_lossy(&there).is_empty()
    });
    let refused = status.is_some_and(|status| status.code() == Some(2));
    assert!(refused || !names_lossy(&there).is_empty(), "it wrote to {:?}", names_lossy(here.path()));
}

/// What stands in a folder, names of UTF-8 only.
fn names_lossy(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok()).collect()
}

#[test]
fn a_full_file_system_leaves_no_half_written_file_and_is_told_until_a_request_succeeds() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let Some(_mount) = Mount::tmpfs(data.path(), 0, "size=8m") else { return };
    let limits = [("HIGHFILELIM", PLENTY), ("HIGHMEMLIM", PLENTY)];
    let testero = Testero::start_in(Arc::clone(&data), &[], &limits);
    let id = set(&testero, 20 << 20);
    let told = testero.settled("disk");
    let count = files(&testero, SIZES[0]).len() as u64;
    assert!((10..16).contains(&count), "{count}");
    let reason = told.strip_prefix(&held(id, [count, 0, 0, 0, 0])).unwrap_or_else(|| panic!("{told}"));
    let next = folder(&testero).join(format!("d-524288/f-{}", count + 1));
    let expected = format!("writing {}: No space left on device (os error 28)\n", next.display());
    assert_eq!(reason, format!("Last request failed: {expected}"));
    let line = testero.log().lines().find(|line| line.contains("CreateFiles()")).unwrap().to_owned();
    assert!(line.contains(&format!("CreateFiles(): Request {id} failed after ")), "{line}");
    assert!(line.ends_with(expected.trim_end()), "{line}");
    assert!(files(&testero, SIZES[0]).iter().all(|(_, length)| *length == SIZES[0]));

    let id = set(&testero, SIZES[1]);
    assert_eq!(testero.settled("disk"), held(id, [4, 0, 0, 0, 0]));
}

#[test]
fn a_data_folder_without_a_byte_free_leaves_memory_working() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let Some(_mount) = Mount::tmpfs(data.path(), 0, "size=1m") else { return };
    let mut filler = fs::File::create(data.path().join("filler")).unwrap();
    while filler.write_all(&[b'x'; 4096]).is_ok() {}
    let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
    assert!(testero.get("/api/disk/set?size=1").starts_with("Could not compute file distribution: "));
    assert!(testero.get("/api/mem/set?size=1").starts_with("Memory data request sent"));
    testero.signal(libc::SIGTERM);
    let (status, _, log) = testero.wait();
    assert!(status.success(), "{status} {log}");
    assert_eq!(names(data.path()), ["filler"]);
}

#[test]
fn a_file_size_limit_is_an_ordinary_failure() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let testero = Testero::spawn(with_file_size_limit(data.path(), &["--disk-limit", PLENTY]), Arc::clone(&data));
    let id = set(&testero, 20 << 20);
    let failed = folder(&testero).join("d-2097152/f-1");
    let reason = format!("Last request failed: writing {}: File too large (os error 27)\n", failed.display());
    assert_eq!(testero.settled("disk"), held(id, [28, 0, 0, 0, 0]) + &reason);
    assert!(!failed.exists());
    let id = set(&testero, SIZES[0]);
    assert_eq!(testero.settled("disk"), held(id, [1, 0, 0, 0, 0]));
}

#[test]
fn a_file_size_limit_bounds_the_default_limit() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let testero = Testero::spawn(with_file_size_limit(data.path(), &[]), Arc::clone(&data));
    // 25 files of the one size that is allowed.
    assert!(testero.log().contains("HIGHFILELIM set to: 13107200 bytes."), "{}", testero.log());
    assert_eq!(
        testero.get("/api/disk/set?size=13107201"),
        "Could not compute file distribution: Size requested is over the limit: requested 13107201 bytes, limit: \
         13107200 bytes.\n"
    );
    let id = set(&testero, 13_107_200);
    assert_eq!(testero.settled("disk"), held(id, [25, 0, 0, 0, 0]));
}

/// 1024 blocks: 512 KiB in one shell, 1 MiB in another, so only the smallest files can be written.
fn with_file_size_limit(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 1024 && exec \"$0\" \"$@\"", binary(), "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data).args(arguments);
    command
}

#[test]
fn a_read_only_data_folder_stops_nothing_but_files() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let Some(_mount) = Mount::tmpfs(data.path(), libc::MS_RDONLY, "size=1m") else { return };
    let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
    assert!(testero.log().contains("Read-only file system"), "{}", testero.log());
    let refused = testero.get("/api/disk/set?size=1");
    assert!(refused.starts_with("Could not compute file distribution: "), "{refused}");
    assert!(refused.contains("Read-only file system"), "{refused}");
    assert_eq!(testero.get("/api/disk/getact"), UNREADABLE);
    assert!(testero.get("/api/disk/getdef").ends_with("Total size reserved: 0 bytes.\n"));
    assert!(testero.get("/api/mem/set?size=1000000").starts_with("Memory data request sent"));
    assert_eq!(total(&testero.settled("mem")), 1_048_576);
    assert!(testero.get("/api/cpu/load?time=1").starts_with("CPU load requested"));
    testero.signal(libc::SIGTERM);
    let (status, _, log) = testero.wait();
    assert!(status.success(), "{status} {log}");
}

#[test]
fn what_a_killed_testero_left_is_swept_at_the_next_start() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let killed = Testero::start_in(Arc::clone(&data), &[], &[]);
    set(&killed, 3 << 20);
    let left = folder(&killed);
    killed.signal(libc::SIGKILL);
    killed.wait();
    assert!(left.join("d-524288/f-1").exists());
    let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
    assert!(!left.exists());
    assert_ne!(folder(&testero), left);
    assert!(testero.log().contains(&format!("Removed {}", left.display())), "{}", testero.log());
}

#[test]
fn living_owners_and_strangers_are_left_alone() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let stranger = data.path().join("strange");
    fs::create_dir(&stranger).unwrap();
    fs::write(stranger.join("precious"), "x").unwrap();
    fs::write(data.path().join("letters"), "x").unwrap();
    let one = Testero::start_in(Arc::clone(&data), &[], &[]);
    let id = set(&one, 1 << 20);
    let two = Testero::start_in(Arc::clone(&data), &[], &[]);
    assert_eq!(names(data.path()).len(), 4);
    assert_eq!(one.get("/api/disk/getact"), held(id, [2, 0, 0, 0, 0]));
    for testero in [two, one] {
        testero.signal(libc::SIGTERM);
        assert!(testero.wait().0.success());
    }
    assert_eq!(names(data.path()), ["letters", "strange"]);
    assert_eq!(names(&stranger), ["precious"]);
}

#[test]
fn on_tmpfs_the_default_limit_is_what_the_tmpfs_has() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let Some(_mount) = Mount::tmpfs(data.path(), 0, "size=16m") else { return };
    let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
    let log = testero.log();
    let limit = log.split_once("HIGHFILELIM set to: ").unwrap().1.split(' ').next().unwrap();
    assert!((14 << 20..=16 << 20).contains(&limit.parse::<u64>().unwrap()), "{limit}");
    let start = Instant::now();
    assert_eq!(
        testero.get("/api/disk/set?size=100000000"),
        format!(
            "Could not compute file distribution: Size requested is over the limit: requested 100000000 bytes, limit: \
             {limit} bytes.\n"
        )
    );
    assert!(start.elapsed() >= Duration::from_millis(950), "refused without the brake");
}

#[test]
fn what_is_said_to_be_available_can_be_taken_and_not_a_byte_more() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let Some(_mount) = Mount::tmpfs(data.path(), 0, "size=16m") else { return };
    let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
    fs::write(data.path().join("neighbour"), vec![b'x'; 5_000_000]).unwrap();
    let refused = testero.get("/api/disk/set?size=14000000");
    let words = "Could not compute file distribution: Size requested does not fit: requested 14000000 bytes, available \
                 now: ";
    let available = refused.strip_prefix(words).and_then(|rest| rest.strip_suffix(" bytes.\n"));
    let available: u64 = available.unwrap_or_else(|| panic!("{refused}")).parse().unwrap();
    let above = testero.get(&format!("/api/disk/set?size={}", available + 1));
    assert!(above.contains(&format!("does not fit: requested {} bytes", available + 1)), "{above}");
    set(&testero, available);
    let told = testero.settled("disk");
    assert!(total(&told) >= available && !told.contains("failed"), "{told}");
}

#[test]
fn a_stop_in_the_middle_of_writing_leaves_nothing_behind() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let wanted: u64 = match free(data.path()) >> 30 {
        12.. => 4 << 30,
        4.. => 1 << 30,
        _ => return skip("this test needs 4 GiB of free disk"),
    };
    let testero = Testero::start_in(Arc::clone(&data), &[], &[("HIGHFILELIM", "8000000000")]);
    testero.get(&format!("/api/disk/set?size={wanted}"));
    // On a slow disk it is less, and in the middle all the same.
    let start = Instant::now();
    while bytes_below(data.path()) < wanted / 3 * 2 && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let written = bytes_below(data.path());
    let before = start.elapsed();
    testero.signal(libc::SIGTERM);
    let (status, took, log) = testero.wait();
    eprintln!("SIGTERM with {} MiB written in {before:?}, of {} MiB: it took {took:?}", written >> 20, wanted >> 20);
    assert!(status.success(), "{status} {log}");
    assert!(log.contains("failed after") && log.contains("the service stops"), "it had written everything: {log}");
    assert!(names(data.path()).is_empty());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn what_cannot_be_removed_is_said_with_exit_1_and_swept_when_it_can() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let testero = Testero::start_in(Arc::clone(&data), &[], &[]);
    set(&testero, 1_000_000);
    let folder = folder(&testero);
    let busy = folder.join("d-8388608");
    let Some(mount) = Mount::tmpfs(&busy, 0, "size=64k") else { return };
    testero.signal(libc::SIGTERM);
    let (status, _, log) = testero.wait();
    assert_eq!(status.code(), Some(1), "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.starts_with("testero: ") && last.contains("remove") && last.contains("busy"), "{log}");
    assert!(last.contains(busy.to_str().unwrap()), "{log}");
    // Everything else is gone, and what is left can be recognised.
    assert_eq!(names(&folder), [".testero", "d-8388608"]);
    drop(mount);
    let next = Testero::start_in(Arc::clone(&data), &[], &[]);
    assert!(!folder.exists(), "{}", next.log());
}
