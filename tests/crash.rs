//! The crash tester: its own pipeline under faults, the bugs that it must find, steps by hand, and
//! files of systems.

mod bugs;
mod files;
mod runs;
mod steps;
mod systems;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{binary, skip};

/// A run with a report.
struct Run {
    code: i32,
    output: String,
    report: Value,
}

impl Run {
    /// Runs in a folder, to the end.
    fn of(folder: &Path, words: &[&str]) -> Self {
        let json = folder.join("report.json");
        let mut command = crash(words);
        command.arg("--dir").arg(folder.join("run")).arg("--json").arg(&json);
        let Output { status, stdout, stderr } = command.output().unwrap();
        let output = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
        let report = std::fs::read(&json).unwrap_or_else(|error| panic!("no report, {error}: {output}"));
        let report = serde_json::from_slice(&report).unwrap();
        Self { code: status.code().unwrap(), output, report }
    }

    /// What came of a check.
    fn outcome(&self, check: &str) -> &str {
        let checks = self.report["checks"].as_array().unwrap();
        let check = checks.iter().find(|found| found["name"] == check).unwrap();
        check["outcome"].as_str().unwrap()
    }
}

fn crash(words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg("crash").args(words).env_remove("CRASH_DIR").env_remove("MULTIPLE_KEYS_LIST");
    command
}

fn has_redis() -> bool {
    let there = Command::new("redis-server").arg("--version").output().is_ok();
    if !there {
        skip("there is no redis-server on this machine, so the crash tester's Redis store is NOT tested");
    }
    there
}
