//! Runs of the program that end by themselves.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::harness::binary;

/// Every variable it reads, and those of other roles that must mean nothing to it.
const VARIABLES: [&str; 9] =
    ["SHUTDOWNDELAY", "LOGFORMAT", "POD_NAME", "NODE_NAME", "POD_NAMESPACE", "RUST_LOG", "PORT", "IP", "TZ"];

/// The program as a proxy in this folder.
pub(super) fn proxy(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.arg("proxy").args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// A run that came to its end.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    pub(super) fn of(mut command: Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

/// Runs it to its end in a folder that has these files.
pub(super) fn ended(files: &[(&str, &str)], arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut command = proxy(folder.path(), arguments);
    command.envs(variables.iter().copied());
    Ended::of(command)
}
