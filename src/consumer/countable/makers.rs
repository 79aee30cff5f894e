//! What is made one by one: empty files (inodes), parked threads (pids), open descriptors.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::consumer::countable::{Maker, Names};
use crate::consumer::workdir::DataFolder;
use crate::kernel::{Kernel, filesystem, rlimit};
use crate::sync::{lock, spawn};

/// Inodes that are left to the service itself: its folders, its marker, its note, a file of each size.
const INODE_RESERVE: u64 = 64;
/// A parked thread's stack: it needs next to nothing, and what it does not touch costs nothing.
const PARKED_STACK_BYTES: usize = 16 * 1024;

/// Empty files in our folder.
pub struct Inodes {
    folder: Arc<DataFolder>,
    next: AtomicU64,
    numbers: Mutex<Vec<u64>>,
}

impl Inodes {
    /// In this folder.
    pub fn new(folder: Arc<DataFolder>) -> Self {
        Self { folder, next: AtomicU64::new(1), numbers: Mutex::default() }
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
    fn names(&self) -> &'static Names {
        &Names { name: "inode", work: "CreateInodes()", limit: "HIGHINODELIM", cost: 1700 }
    }

    fn mend(&self) -> Result<(), String> {
        self.folder.mend()
    }

    fn held(&self) -> u64 {
        lock(&self.numbers).len() as u64
    }

    fn make(&self) -> io::Result<()> {
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
        lock(&self.numbers).push(number);
        Ok(())
    }

    fn discard(&self, count: u64) -> io::Result<()> {
        let going = youngest(&mut lock(&self.numbers), count);
        for &number in going.iter().rev() {
            match fs::remove_file(self.path(number)?) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // Folders count as well. One that still has files stays, and says so.
        for number in [going.last(), going.first()].into_iter().flatten() {
            if let Some(folder) = self.path(*number)?.parent() {
                let _ = fs::remove_dir(folder);
            }
        }
        Ok(())
    }

    fn room(&self) -> Result<(u64, String), String> {
        let folder = self.folder.parent();
        let free = filesystem::inodes(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let source =
            format!("the file system of {}, less {INODE_RESERVE} inodes kept for the service itself", folder.display());
        // Some file systems make inodes as they are needed, and say that there are none.
        Ok(free.map_or((u64::MAX, source.clone()), |free| (free.saturating_sub(INODE_RESERVE), source)))
    }
}

/// Takes the last of them out, and gives back the room for all when none is left.
fn youngest<T>(all: &mut Vec<T>, count: u64) -> Vec<T> {
    let kept = all.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
    let going = all.split_off(kept);
    if kept == 0 {
        all.shrink_to_fit();
    }
    going
}

/// Threads that sleep.
pub struct Pids {
    kernel: Kernel,
    /// Threads that the service may still need for itself.
    reserve: u64,
    parked: Mutex<Vec<Parked>>,
}

impl Pids {
    /// As `kernel` has room for, with `reserve` threads left to the service.
    pub fn new(kernel: Kernel, reserve: u64) -> Self {
        Self { kernel, reserve, parked: Mutex::default() }
    }
}

/// A thread that sleeps until it is woken.
struct Parked {
    thread: JoinHandle<()>,
    woken: Arc<AtomicBool>,
}

impl Maker for Pids {
    fn names(&self) -> &'static Names {
        &Names { name: "pid", work: "CreatePids()", limit: "HIGHPIDLIM", cost: 40 * 1024 }
    }

    fn held(&self) -> u64 {
        lock(&self.parked).len() as u64
    }

    fn make(&self) -> io::Result<()> {
        let woken = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&woken);
        let sleep = move || {
            while !flag.load(Ordering::Acquire) {
                thread::park();
            }
        };
        let thread = spawn("parked", PARKED_STACK_BYTES, Box::new(sleep))?;
        lock(&self.parked).push(Parked { thread, woken });
        Ok(())
    }

    fn make_way(&self) -> io::Result<u64> {
        // The pod's limit is above our cgroup namespace, and the node's is nobody's: neither can be seen from here.
        let back = self.reserve.min(self.held());
        self.discard(back).map(|()| back)
    }

    fn discard(&self, count: u64) -> io::Result<()> {
        let going = youngest(&mut lock(&self.parked), count);
        for parked in &going {
            parked.woken.store(true, Ordering::Release);
            parked.thread.thread().unpark();
        }
        for parked in going {
            // It has nothing to panic about.
            let _ = parked.thread.join();
        }
        Ok(())
    }

    fn room(&self) -> Result<(u64, String), String> {
        let room = self.kernel.threads();
        let source = format!("{}, less {} threads kept for the service itself", room.source, self.reserve);
        Ok((room.left.saturating_sub(self.reserve), source))
    }
}

/// Open descriptors.
pub struct Descriptors {
    kernel: Kernel,
    /// Descriptors that the service may still need for itself.
    reserve: u64,
    files: Mutex<Vec<File>>,
}

impl Descriptors {
    /// As RLIMIT_NOFILE has room for, with `reserve` descriptors left to the service.
    pub fn new(kernel: Kernel, reserve: u64) -> Self {
        Self { kernel, reserve, files: Mutex::default() }
    }
}

impl Maker for Descriptors {
    fn names(&self) -> &'static Names {
        &Names { name: "fd", work: "OpenDescriptors()", limit: "HIGHFDLIM", cost: 512 }
    }

    fn held(&self) -> u64 {
        lock(&self.files).len() as u64
    }

    fn make(&self) -> io::Result<()> {
        // An open file of its own, which counts in the system's file-max as well; the root is in every image.
        let file = File::open("/")?;
        lock(&self.files).push(file);
        Ok(())
    }

    fn discard(&self, count: u64) -> io::Result<()> {
        drop(youngest(&mut lock(&self.files), count));
        Ok(())
    }

    fn room(&self) -> Result<(u64, String), String> {
        let most = rlimit::descriptors().unwrap_or(u64::MAX);
        let open = self.kernel.descriptors_open().map_err(|error| format!("/proc/self/fd: {error}"))?;
        let source = format!("RLIMIT_NOFILE, less {} descriptors kept for the service itself", self.reserve);
        Ok((most.saturating_sub(open + self.reserve), source))
    }
}
