//! One part of memory: a private mapping of its own.
//!
//! Releasing it is `munmap`, so the kernel has it back at once, whatever an allocator would have kept.

use std::io;
use std::ptr::{self, NonNull};

/// Parts of this size and more are aligned to it and may be huge pages.
pub const HUGE_PAGE: usize = 2 << 20;

/// Anonymous private memory, readable and writable. Unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a mapping is plain memory that this value alone refers to; it can be used and unmapped from any thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `length` bytes, a multiple of the page size. Nothing is resident yet.
    ///
    /// From [`HUGE_PAGE`] on, the mapping is aligned and advised for huge pages. Smaller ones are advised against
    /// them: neighbours that shared a huge page could not be given back one by one.
    ///
    /// # Errors
    /// When the kernel has no address space, or no promise of memory, left for us.
    pub fn new(length: usize) -> io::Result<Self> {
        let huge = length >= HUGE_PAGE;
        let mapping = if huge { Self::aligned(length)? } else { Self::anywhere(length)? };
        let advice = if huge { libc::MADV_HUGEPAGE } else { libc::MADV_NOHUGEPAGE };
        // A kernel without huge pages refuses the advice, and is right to.
        let _ = mapping.advise(0, length, advice);
        Ok(mapping)
    }

    fn anywhere(length: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no memory in use.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("the kernel mapped page 0"))?;
        Ok(Self { start, length })
    }

    /// A mapping that starts at a multiple of [`HUGE_PAGE`]: one is made too long, and both ends are cut off.
    fn aligned(length: usize) -> io::Result<Self> {
        let mut whole = Self::anywhere(length + HUGE_PAGE)?;
        let before = whole.start.as_ptr().align_offset(HUGE_PAGE);
        whole.cut_back(before + length)?;
        whole.cut_front(before)?;
        Ok(whole)
    }

    /// Unmaps all but the first `length` bytes.
    fn cut_back(&mut self, length: usize) -> io::Result<()> {
        self.unmap(length, self.length - length)?;
        self.length = length;
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

    /// Makes a piece resident, in one call instead of a fault a page.
    ///
    /// # Errors
    /// When the kernel has no memory for it. Kernels before 5.14, which do not know the call, leave the pages to be
    /// faulted in by writing.
    pub fn populate(&mut self, offset: usize, length: usize) -> io::Result<()> {
        match self.advise(offset, length, libc::MADV_POPULATE_WRITE) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EAGAIN | libc::EINTR)) => Ok(()),
            result => result,
        }
    }

    fn advise(&self, offset: usize, length: usize, advice: i32) -> io::Result<()> {
        assert!(offset.checked_add(length).is_some_and(|end| end <= self.length));
        // SAFETY: the offset is within the mapping.
        let from = unsafe { self.start.add(offset) };
        // SAFETY: the piece lies within our own mapping, and none of the advices used here changes what it holds.
        if unsafe { libc::madvise(from.as_ptr().cast(), length, advice) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// The bytes of the mapping.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is `length` readable and writable bytes, zero until written, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
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

    #[test]
    fn large_parts_are_aligned_and_all_can_be_written() {
        for length in [4096, 256 << 10, 1 << 20, 4 << 20, 16 << 20] {
            let mut mapping = Mapping::new(length).unwrap();
            assert_eq!(mapping.bytes_mut().len(), length);
            if length >= HUGE_PAGE {
                assert_eq!(mapping.start.as_ptr().align_offset(HUGE_PAGE), 0);
            }
            mapping.populate(0, length).unwrap();
            let bytes = mapping.bytes_mut();
            bytes[0] = 1;
            bytes[length - 1] = 2;
            assert_eq!(bytes[length / 2], 0);
        }
    }

    #[test]
    fn too_much_is_an_error() {
        assert_eq!(Mapping::new(1 << 60).unwrap_err().raw_os_error(), Some(libc::ENOMEM));
    }
}
