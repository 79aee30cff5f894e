//! Control groups of our own, v1 or v2, whichever has the controller.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::harness::{Testero, binary, skip};

/// Where the memory limit of a group stands.
const MEMORY_V1: &str = "memory.limit_in_bytes";
const MEMORY_V2: &str = "memory.max";

/// A group of one controller. Removed when dropped, which its processes must be gone by then.
pub struct Cgroup {
    path: PathBuf,
    is_v1: bool,
}

impl Cgroup {
    /// Half a core, in periods of 100 ms. `None`, loudly, where we may not.
    pub fn half_a_core(name: &str) -> Option<Self> {
        Self::create(
            "cpu",
            name,
            &[("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "50000")],
            ("cpu.max", "50000 100000"),
        )
    }

    /// So many threads.
    pub fn threads(name: &str, most: u64) -> Option<Self> {
        let most = most.to_string();
        Self::create("pids", name, &[("pids.max", &most)], ("pids.max", &most))
    }

    /// So many bytes of memory.
    pub fn memory(name: &str, bytes: u64) -> Option<Self> {
        let bytes = bytes.to_string();
        Self::create("memory", name, &[(MEMORY_V1, &bytes)], (MEMORY_V2, &bytes))
    }

    fn create(controller: &str, name: &str, v1: &[(&str, &str)], v2: (&str, &str)) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let is_v1 = root.join(controller).join("cgroup.procs").exists();
        let parent = if is_v1 { root.join(controller) } else { root.to_owned() };
        let path = parent.join(format!("testero-{name}-{}", std::process::id()));
        let made = fs::create_dir(&path).and_then(|()| {
            let settings = if is_v1 { v1 } else { &[v2] };
            settings.iter().try_for_each(|(file, value)| {
                // Writing would make the file, were this an ordinary folder.
                let there = path.join(file);
                if there.exists() { fs::write(there, value) } else { Err(io::ErrorKind::NotFound.into()) }
            })
        });
        if let Err(error) = made {
            let _ = fs::remove_dir(&path);
            skip(&format!("no {controller} cgroup can be made at {}: {error}", path.display()));
            return None;
        }
        Some(Self { path, is_v1 })
    }

    /// Starts the program in it.
    pub fn start(&self, data: Arc<tempfile::TempDir>, variables: &[(&str, &str)]) -> Testero {
        let mut command = Command::new(binary());
        command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path()).envs(variables.iter().copied());
        self.spawn(command, data)
    }

    /// Starts a command in it.
    pub fn spawn(&self, mut command: Command, data: Arc<tempfile::TempDir>) -> Testero {
        let procs = self.path.join("cgroup.procs");
        // SAFETY: the closure only writes a file, without locks that another thread of the parent could hold: fs::write
        // of a path made before allocates nothing that malloc would lock for (short paths stay on the stack).
        unsafe { command.pre_exec(move || fs::write(&procs, "0")) };
        Testero::spawn(command, data)
    }

    /// The number in a file, or behind a name in it.
    pub fn number(&self, file: &str, name: Option<&str>) -> u64 {
        let text = fs::read_to_string(self.path.join(file)).unwrap();
        let line = match name {
            None => text.trim(),
            Some(name) => text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap(),
        };
        line.parse().unwrap()
    }

    /// Changes a setting.
    pub fn set(&self, file: &str, value: u64) {
        fs::write(self.path.join(file), value.to_string()).unwrap();
    }

    /// The file of the memory limit.
    pub fn memory_limit(&self) -> &'static str {
        if self.is_v1 { MEMORY_V1 } else { MEMORY_V2 }
    }

    /// Changes how many bytes of memory there are.
    pub fn set_memory(&self, bytes: u64) {
        self.set(self.memory_limit(), bytes);
    }

    /// How often the kernel killed in it for want of memory.
    pub fn oom_kills(&self) -> u64 {
        self.number(if self.is_v1 { "memory.oom_control" } else { "memory.events" }, Some("oom_kill"))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..200 {
            match fs::remove_dir(&self.path) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => return,
            }
        }
    }
}
