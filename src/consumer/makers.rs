//! What is made one by one: empty files (inodes), parked threads (pids), open descriptors.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use super::datafolder::DataFolder;
use super::tokens::Maker;
use crate::limits::{Kernel, filesystem, rlimit};

/// Inodes that are left to the service itself: its folders, its marker, its note, a file of each size.
const INODE_RESERVE: u64 = 64;
/// A parked thread's stack: it needs next to nothing, and what it does not touch costs nothing.
const PARKED_STACK_BYTES: usize = 16 * 1024;

/// Empty files in our folder.
pub struct Inodes {
    folder: Arc<DataFolder>,
    next: AtomicU64,
}

impl Inodes {
    /// In this folder.
    pub fn new(folder: Arc<DataFolder>) -> Self {
        Self { folder, next: AtomicU64::new(1) }
    }
}

/// How many empty files a folder gets: file systems grow slow on folders with millions of names.
const FILES_A_FOLDER: u64 = 10_000;

impl Inodes {
    /// The file of a number. Its folder may be a new one by now; then the file is gone already.
    fn path(&self, number: u64) -> io::Result<PathBuf> {
        let disk = self.folder.disk().map_err(io::Error::other)?;
        Ok(disk.path().join(format!("i-{}", number / FILES_A_FOLDER)).join(format!("e-{number}")))
    }
}

impl Maker for Inodes {
    type Token = u64;

    const NAME: &'static str = "inode";
    const WORK: &'static str = "CreateInodes()";
    const COST: u64 = 1400;
    const LIMIT: &'static str = "HIGHINODELIM";

    fn make(&self) -> io::Result<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path(number)?;
        let create = || OpenOptions::new().write(true).create_new(true).open(&path);
        match (create(), path.parent()) {
            (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(folder)?;
                create()?;
            }
            (result, _) => drop(result?),
        }
        Ok(number)
    }

    fn discard(&self, tokens: Vec<u64>) -> io::Result<()> {
        for &number in tokens.iter().rev() {
            match fs::remove_file(self.path(number)?) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // Folders count as well. One that still has files stays, and says so.
        for number in [tokens.last(), tokens.first()].into_iter().flatten() {
            if let Some(folder) = self.path(*number)?.parent() {
                let _ = fs::remove_dir(folder);
            }
        }
        Ok(())
    }

    fn room(&self) -> Result<(u64, String), String> {
        self.folder.mend()?;
        let folder = self.folder.parent();
        let free = filesystem::inodes(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let source = format!("the file system of {}", folder.display());
        // Some file systems make inodes as they are needed, and say that there are none.
        Ok(free.map_or((u64::MAX, source.clone()), |free| (free.saturating_sub(INODE_RESERVE), source)))
    }
}

/// Threads that sleep.
pub struct Pids {
    kernel: Kernel,
    /// Threads that the service may still need for itself.
    reserve: u64,
}

impl Pids {
    /// As `kernel` has room for, with `reserve` threads left to the service.
    pub fn new(kernel: Kernel, reserve: u64) -> Self {
        Self { kernel, reserve }
    }
}

/// A thread that sleeps until it is woken.
pub struct Parked {
    thread: JoinHandle<()>,
    woken: Arc<AtomicBool>,
}

impl Maker for Pids {
    type Token = Parked;

    const NAME: &'static str = "pid";
    const WORK: &'static str = "CreatePids()";
    const COST: u64 = 32 * 1024;
    const LIMIT: &'static str = "HIGHPIDLIM";

    fn make(&self) -> io::Result<Parked> {
        let woken = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&woken);
        // Without a name, which would be kept twice.
        let thread = thread::Builder::new().stack_size(PARKED_STACK_BYTES).spawn(move || {
            while !flag.load(Ordering::Acquire) {
                thread::park();
            }
        })?;
        Ok(Parked { thread, woken })
    }

    fn discard(&self, tokens: Vec<Parked>) -> io::Result<()> {
        for token in &tokens {
            token.woken.store(true, Ordering::Release);
            token.thread.thread().unpark();
        }
        for token in tokens {
            // It has nothing to panic about.
            let _ = token.thread.join();
        }
        Ok(())
    }

    fn room(&self) -> Result<(u64, String), String> {
        let room = self.kernel.threads();
        Ok((room.left.saturating_sub(self.reserve), room.source))
    }
}

/// Open descriptors.
pub struct Descriptors {
    kernel: Kernel,
    /// Descriptors that the service may still need for itself.
    reserve: u64,
}

impl Descriptors {
    /// As RLIMIT_NOFILE has room for, with `reserve` descriptors left to the service.
    pub fn new(kernel: Kernel, reserve: u64) -> Self {
        Self { kernel, reserve }
    }
}

impl Maker for Descriptors {
    type Token = File;

    const NAME: &'static str = "fd";
    const WORK: &'static str = "OpenDescriptors()";
    const COST: u64 = 512;
    const LIMIT: &'static str = "HIGHFDLIM";

    fn make(&self) -> io::Result<File> {
        // An open file of its own, which counts in the system's file-max as well; the root is in every image.
        File::open("/")
    }

    fn discard(&self, tokens: Vec<File>) -> io::Result<()> {
        drop(tokens);
        Ok(())
    }

    fn room(&self) -> Result<(u64, String), String> {
        let most = rlimit::descriptors().unwrap_or(u64::MAX);
        let open = self.kernel.descriptors_open().map_err(|error| format!("/proc/self/fd: {error}"))?;
        Ok((most.saturating_sub(open + self.reserve), String::from("RLIMIT_NOFILE")))
    }
}
