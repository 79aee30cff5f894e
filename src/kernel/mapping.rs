//! One part of memory: a mapping of its own, private, shared, or of a file.
//!
//! Releasing it is `munmap`, so the kernel has it back at once, whatever an allocator would have kept.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::ptr::{self, NonNull};

/// Parts of this size and more are aligned to it and may be huge pages.
pub const HUGE_PAGE: usize = 2 << 20;

/// How much is written into a file at a time: little enough for an allocator to give it back.
const FILE_BUFFER: usize = 64 << 10;

/// What is behind a mapping.
#[derive(Debug)]
pub enum Backing {
    /// Nothing: pages of our own.
    Private,
    /// Nothing on a disk: shared memory, of which we are the only user.
    Shared,
    /// A file that has no name any more. Its pages are written through the file and only read through the mapping:
    /// writing into a mapping of a full disk would be a SIGBUS.
    File(File),
}

/// Memory that is mapped. Unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    length: usize,
    backing: Backing,
}

// SAFETY: a mapping is plain memory that this value alone refers to; it can be used and unmapped from any thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `length` bytes of a kind, a multiple of the page size. Nothing is resident yet.
    ///
    /// From [`HUGE_PAGE`] on, the mapping is aligned and advised for huge pages. Smaller ones are advised against
    /// them: neighbours that shared a huge page could not be given back one by one.
    ///
    /// # Errors
    /// When the kernel has no address space, or no promise of memory, left for us.
    pub fn new(length: usize, backing: Backing) -> io::Result<Self> {
        if let Backing::File(file) = &backing {
            file.set_len(length as u64)?;
        }
        let huge = length >= HUGE_PAGE && matches!(backing, Backing::Private);
        let mapping = if huge { Self::aligned(length)? } else { Self::anywhere(length, backing)? };
        let advice = if huge { libc::MADV_HUGEPAGE } else { libc::MADV_NOHUGEPAGE };
        // A kernel without huge pages refuses the advice, and is right to.
        let _ = mapping.advise(0, length, advice);
        Ok(mapping)
    }

    fn anywhere(length: usize, backing: Backing) -> io::Result<Self> {
        let writable = libc::PROT_READ | libc::PROT_WRITE;
        let (protection, flags, descriptor) = match &backing {
            Backing::Private => (writable, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
            Backing::Shared => (writable, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1),
            Backing::File(file) => (libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd()),
        };
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory in use.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, descriptor, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("the kernel mapped page 0"))?;
        Ok(Self { start, length, backing })
    }

    /// A mapping that starts at a multiple of [`HUGE_PAGE`]: one is made too long, and both ends are cut off.
    fn aligned(length: usize) -> io::Result<Self> {
        let mut whole = Self::anywhere(length + HUGE_PAGE, Backing::Private)?;
        let before = whole.start.as_ptr().align_offset(HUGE_PAGE);
        whole.cut_back(before + length)?;
        whole.cut_front(before)?;
        Ok(whole)
    }

    /// How many bytes are mapped.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing is mapped any more.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Gives back all but the first `length` bytes, a multiple of the page size.
    ///
    /// # Errors
    /// When the kernel refuses, which it does only when it has no room to note that there are two pieces.
    pub fn cut_back(&mut self, length: usize) -> io::Result<()> {
        if let Backing::Shared = self.backing {
            // Its pages live as long as any piece of it is mapped, unless they are punched out.
            self.advise(length, self.length - length, libc::MADV_REMOVE)?;
        }
        self.unmap(length, self.length - length)?;
        self.length = length;
        if let Backing::File(file) = &self.backing {
            file.set_len(length as u64)?;
        }
        Ok(())
    }

    /// Unmaps the first `length` bytes.
    fn cut_front(&mut self, length: usize) -> io::Result<()> {
        self.unmap(0, length)?;
        // SAFETY: `length` is within the mapping.
        self.start = unsafe { self.start.add(length) };
        self.length -= length;
        Ok(())
    }

    /// Unmaps a piece; the caller sees to what the mapping is after it.
    fn unmap(&mut self, offset: usize, length: usize) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        assert!(offset.checked_add(length).is_some_and(|end| end <= self.length));
        // SAFETY: the offset is within the mapping.
        let from = unsafe { self.start.add(offset) };
        // SAFETY: the piece lies within our own mapping, and no reference to it exists: `self` is borrowed mutably.
        if unsafe { libc::munmap(from.as_ptr().cast(), length) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Makes a piece resident and writes what `content` makes of it.
    ///
    /// # Errors
    /// When the kernel has no memory or no space for it.
    pub fn write(
        &mut self,
        offset: usize,
        length: usize,
        content: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if let Backing::File(file) = &self.backing {
            let mut buffer = vec![0; length.min(FILE_BUFFER)];
            for place in (0..length).step_by(FILE_BUFFER) {
                let piece = &mut buffer[..FILE_BUFFER.min(length - place)];
                content(piece)?;
                file.write_all_at(piece, (offset + place) as u64)?;
            }
            // Kernels before 5.14 do not know the call; there the pages are in the page cache, and not mapped.
            return match self.advise(offset, length, libc::MADV_POPULATE_READ) {
                Err(error) if error.raw_os_error() != Some(libc::EINVAL) => Err(error),
                _ => Ok(()),
            };
        }
        self.populate(offset, length)?;
        content(&mut self.bytes_mut()[offset..offset + length])
    }

    /// Makes a piece resident, in one call instead of a fault a page. Kernels before 5.14, which do not know the call,
    /// leave the pages to be faulted in by writing.
    fn populate(&mut self, offset: usize, length: usize) -> io::Result<()> {
        match self.advise(offset, length, libc::MADV_POPULATE_WRITE) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EAGAIN | libc::EINTR)) => Ok(()),
            result => result,
        }
    }

    fn advise(&self, offset: usize, length: usize, advice: i32) -> io::Result<()> {
        assert!(offset.checked_add(length).is_some_and(|end| end <= self.length));
        // SAFETY: the offset is within the mapping.
        let from = unsafe { self.start.add(offset) };
        // SAFETY: the piece lies within our own mapping, and no advice used here changes what anybody still refers to:
        // MADV_REMOVE is given only for what is unmapped next, in `cut_back`, which borrows the mapping mutably.
        if unsafe { libc::madvise(from.as_ptr().cast(), length, advice) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// The bytes of the mapping.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is `length` readable bytes, zero until written, and borrowed.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// The bytes of the mapping, which is no file's.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is `length` readable and writable bytes, zero until written, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

/// The size of a page, in bytes.
pub fn page_size() -> u64 {
    // SAFETY: sysconf takes no pointers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096).max(4096)
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if let Err(error) = self.unmap(0, self.length) {
            log::error!("Cannot unmap {} bytes: {error}", self.length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backings() -> [Backing; 3] {
        [Backing::Private, Backing::Shared, Backing::File(tempfile::tempfile().unwrap())]
    }

    fn filled_with(byte: u8) -> impl FnMut(&mut [u8]) -> io::Result<()> {
        move |bytes| {
            bytes.fill(byte);
            Ok(())
        }
    }

    fn byte(mapping: &Mapping, offset: usize) -> u8 {
        assert!(offset < mapping.length);
        // SAFETY: the offset is within the mapping.
        let place = unsafe { mapping.start.add(offset) };
        // SAFETY: the mapping is readable there.
        unsafe { place.read_volatile() }
    }

    #[test]
    fn large_parts_are_aligned_and_all_can_be_written() {
        for length in [4096, 256 << 10, 1 << 20, 4 << 20, 16 << 20] {
            for backing in backings() {
                let private = matches!(backing, Backing::Private);
                let mut mapping = Mapping::new(length, backing).unwrap();
                assert_eq!(mapping.len(), length);
                if length >= HUGE_PAGE && private {
                    assert_eq!(mapping.start.as_ptr().align_offset(HUGE_PAGE), 0);
                }
                mapping.write(0, length, &mut filled_with(2)).unwrap();
                assert_eq!((byte(&mapping, 0), byte(&mapping, length - 1)), (2, 2));
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_given_back_and_the_rest_stays() {
        for backing in backings() {
            let mut mapping = Mapping::new(4 << 20, backing).unwrap();
            mapping.write(0, 4 << 20, &mut filled_with(b'x')).unwrap();
            mapping.cut_back(1 << 20).unwrap();
            assert_eq!((mapping.len(), byte(&mapping, (1 << 20) - 1)), (1 << 20, b'x'));
            if let Backing::File(file) = &mapping.backing {
                assert_eq!(file.metadata().unwrap().len(), 1 << 20);
            }
            mapping.cut_back(0).unwrap();
            assert!(mapping.is_empty());
        }
    }

    #[test]
    fn too_much_is_an_error() {
        assert_eq!(Mapping::new(1 << 60, Backing::Private).unwrap_err().raw_os_error(), Some(libc::ENOMEM));
    }
}
