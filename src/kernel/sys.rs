//! Calls on files that the standard library has no safe name for.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::IntoRawFd;
use std::path::Path;

use rustix::fs::{Advice, CWD, RenameFlags, fadvise, renameat_with};
use rustix::io::Errno;
use rustix::process::setpriority_process;

/// Closes a file and says whether that went well: some file systems tell only then that there was no space.
///
/// # Errors
/// What close(2) says; the descriptor is gone in any case.
pub(crate) fn close(file: File) -> io::Result<()> {
    // SAFETY: the descriptor was this file's alone, and is nobody's from here on.
    if unsafe { libc::close(file.into_raw_fd()) } != 0 {
        let error = io::Error::last_os_error();
        // Linux closes the descriptor before it says EINTR.
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(())
}

/// Has the page cache forget a piece of a file, so that reading it asks the disk. A file system that does not care
/// (tmpfs) is right not to.
pub(crate) fn forget_cached(file: &File, offset: u64, length: u64) {
    let _ = fadvise(file, offset, NonZeroU64::new(length), Advice::DontNeed);
}

/// Renames `from` to `to`, which must not exist: rename(2) alone would replace an empty folder.
///
/// # Errors
/// `AlreadyExists`, and what renameat2(2) says.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems (NFS) cannot promise it. The name is one of eight thousand million, so looking first will do.
        Err(Errno::INVAL | Errno::NOSYS) => {}
        done => return Ok(done?),
    }
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(from, to)
}

/// How much this thread steps back behind those that serve: ten steps of niceness are a tenth of the weight.
const NICENESS: i32 = 10;

/// Makes this thread give way to the others of this process, which are to answer while it uses all the CPU there is.
///
/// Between containers nothing changes: there the weight of the cgroup counts, not the niceness of its threads.
pub fn give_way() {
    // On Linux, "this process" is the calling thread alone. Lowering is always allowed.
    let _ = setpriority_process(None, NICENESS);
}

/// How many columns the terminal has that stdout is.
#[cfg(any(feature = "client", feature = "crash", feature = "scenario"))]
pub fn terminal_columns() -> Option<usize> {
    let columns = usize::from(rustix::termios::tcgetwinsize(io::stdout()).ok()?.ws_col);
    (columns > 0).then_some(columns)
}

/// The host's name, as uname(2) has it: in a pod, the pod's name.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| String::from("localhost"), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renaming_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::create_dir(&from).unwrap();
        std::fs::create_dir(&to).unwrap();
        assert_eq!(rename_new(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        std::fs::remove_dir(&to).unwrap();
        rename_new(&from, &to).unwrap();
        assert!(to.is_dir() && !from.exists());
    }

    #[test]
    fn closing_tells_errors() {
        use std::os::fd::FromRawFd;
        close(tempfile::tempfile().unwrap()).unwrap();
        // SAFETY: no process has that many descriptors (fs.nr_open bounds them), so nobody's file is closed.
        let never_open = unsafe { File::from_raw_fd(i32::MAX) };
        assert_eq!(close(never_open).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }
}
