//! Calls on files that the standard library has no safe name for.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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
    // SAFETY: the descriptor is open, and the call takes no pointers.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), offset as i64, length as i64, libc::POSIX_FADV_DONTNEED) };
}

/// Renames `from` to `to`, which must not exist: rename(2) alone would replace an empty folder.
///
/// # Errors
/// `AlreadyExists`, and what renameat2(2) says.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let c_path = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other);
    let (from_c, to_c) = (c_path(from)?, c_path(to)?);
    // SAFETY: both paths are NUL-terminated and live as long as the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            from_c.as_ptr(),
            libc::AT_FDCWD,
            to_c.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    // Some file systems (NFS) cannot promise it. The name is one of eight thousand million, so looking first will do.
    if !matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) {
        return Err(error);
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
    // SAFETY: setpriority takes no pointers; on Linux, 0 is the calling thread alone. Lowering is always allowed.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

/// How many columns the terminal has that stdout is.
#[cfg(feature = "client")]
pub fn terminal_columns() -> Option<usize> {
    let mut size = std::mem::MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: the pointer is to a live winsize, which the call fills in.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, size.as_mut_ptr()) };
    // SAFETY: all zeros is a valid size, and the call leaves a valid one.
    let columns = usize::from(unsafe { size.assume_init() }.ws_col);
    (result == 0 && columns > 0).then_some(columns)
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
