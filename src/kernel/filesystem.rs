//! What a file system has left, and of what kind it is (statvfs(3), statfs(2)).

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{statfs, statvfs};

/// Where files of a file system live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystemKind {
    /// On a disk of this machine, as far as we can tell.
    Local,
    /// In memory (tmpfs, ramfs): files count as memory.
    Memory,
    /// Maybe on another machine, shared with processes there.
    Network,
}

/// Whether both are of one file, whatever its name.
pub fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Bytes available to this user in the file system of `path`: what statvfs calls `f_bavail`.
///
/// # Errors
/// When the path is gone or the file system does not answer.
pub fn available(path: &Path) -> io::Result<u64> {
    let answer = statvfs(path)?;
    Ok(answer.f_bavail.saturating_mul(answer.f_frsize))
}

/// The size in bytes of the file system of `path` (`f_blocks`).
///
/// # Errors
/// When the path is gone or the file system does not answer.
pub fn size(path: &Path) -> io::Result<u64> {
    let answer = statvfs(path)?;
    Ok(answer.f_blocks.saturating_mul(answer.f_frsize))
}

/// Inodes available to this user in the file system of `path` (`f_favail`); `None` where it makes them as they are
/// needed.
///
/// # Errors
/// When the path is gone or the file system does not answer.
pub fn inodes(path: &Path) -> io::Result<Option<u64>> {
    let answer = statvfs(path)?;
    Ok((answer.f_files > 0).then_some(answer.f_favail))
}

/// The kind of the file system of `path`.
///
/// # Errors
/// When the path is gone or the file system does not answer.
pub fn kind(path: &Path) -> io::Result<FileSystemKind> {
    Ok(kind_of(statfs(path)?.f_type as u32))
}

/// Magic numbers from statfs(2) and the kernel's `include/uapi/linux/magic.h`.
fn kind_of(magic: u32) -> FileSystemKind {
    match magic {
        0x0102_1994 | 0x8584_58f6 => FileSystemKind::Memory, // tmpfs, ramfs
        0x6969             // NFS
        | 0xff53_4d42      // CIFS
        | 0xfe53_4d42      // SMB2
        | 0x517b           // SMB
        | 0x00c3_6400      // Ceph
        | 0x6573_5546      // FUSE: sshfs, GlusterFS and others may be behind it
        | 0x0102_1997      // 9P
        | 0x5346_414f      // AFS
        | 0x6b41_4653      // AFS, the kernel's own
        | 0x0bd0_0bd0      // Lustre
        | 0x4750_4653      // GPFS
        | 0x7375_7245      // Coda
        | 0x7461_636f      // OCFS2
        | 0x0116_1970      // GFS2
        => FileSystemKind::Network,
        _ => FileSystemKind::Local,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_answers() {
        let folder = tempfile::tempdir().unwrap();
        let free = available(folder.path()).unwrap();
        assert!(free > 0 && size(folder.path()).unwrap() >= free);
        assert_eq!(available(Path::new("/does/not/exist")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(kind(folder.path()).is_ok());
    }

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(kind_of(0x0102_1994), FileSystemKind::Memory);
        assert_eq!(kind_of(0x6969), FileSystemKind::Network);
        assert_eq!(kind_of(0xef53), FileSystemKind::Local);
    }
}
