//! One work's steps on files: cutting and removing what goes, writing what comes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;

use crate::consumer::admission::headroom::Reservation;
use crate::consumer::control::failure::Failure;
use crate::consumer::control::plan::{CLASSES, Plan};
use crate::consumer::control::reconcile::{Steps, Work};
use crate::consumer::disk::files::{Class, Disk, Numbered, counted};
use crate::consumer::fill::Fill;
use crate::kernel::sys::close;
use crate::sync::lock;

/// How much is written at a time.
const PIECE: u64 = 1 << 20;
/// What a ramp moves by at least.
const GRAIN: u64 = 256 << 10;

impl Disk {
    /// Makes the files there are equal to `plan`: removes first, so that never more is held than before or after.
    ///
    /// # Errors
    /// When the kernel refuses or the work is to end; what was done stays done, and no half-written file stays.
    pub fn adjust(
        &self,
        plan: &Plan,
        fsync: bool,
        reservation: &mut Reservation,
        work: &mut Work<'_>,
    ) -> Result<(), Failure> {
        let lists = self.list_all().map_err(Failure::of("reading the folders"))?;
        let held = counted(&lists);
        reservation.keep_back(plan.exchanged(&held));
        work.starts(held.total(), plan.total(), plan.exchanged(&held));
        let mut content = lock(&self.content);
        let mut steps = FileSteps::new(self, plan, lists, &mut content, reservation, fsync);
        let result = work.reconcile(&mut steps);
        steps.abandon();
        drop(steps);
        content.rest();
        result
    }
}

/// One work's steps. A file that is not whole is in no list, and is removed when the work ends early.
struct FileSteps<'d> {
    disk: &'d Disk,
    /// Files that go, the next one last.
    going: Vec<Numbered>,
    /// Files that come: class, size, and the number before the first, by class; the next ones last.
    coming: Vec<Missing>,
    writing: Option<Writing>,
    content: &'d mut Fill,
    reservation: &'d mut Reservation,
    fsync: bool,
}

/// Files of one class that are missing.
struct Missing {
    class: Class,
    size: u64,
    count: u64,
    /// The highest number there is.
    highest: u64,
}

/// A file that is being written.
struct Writing {
    path: PathBuf,
    file: File,
    size: u64,
    written: u64,
}

impl<'d> FileSteps<'d> {
    pub(super) fn new(
        disk: &'d Disk,
        plan: &Plan,
        mut lists: Vec<Vec<Numbered>>,
        content: &'d mut Fill,
        reservation: &'d mut Reservation,
        fsync: bool,
    ) -> Self {
        let (mut going, mut coming) = (Vec::new(), Vec::new());
        let wanted = plan.parts().chain([(plan.odd, u64::from(plan.odd > 0))]);
        for (place, ((size, wanted), files)) in wanted.zip(&mut lists).enumerate() {
            let class = (place < CLASSES).then_some(place);
            let fits = |file: &Numbered| class.is_some() || file.size == size;
            // Class after class, and in each from the highest number down.
            let kept = files.iter().take(wanted as usize).take_while(|file| fits(file)).count();
            let last = files.last().map_or(0, |file| file.number);
            going.push(files.split_off(kept));
            let count = wanted - kept as u64;
            // On a ramp, the old odd file is still there when the new one comes.
            let highest = if class.is_none() { last } else { files.last().map_or(0, |file| file.number) };
            coming.push(Missing { class, size, count, highest });
        }
        going.reverse();
        coming.reverse();
        let going = going.into_iter().flatten().collect();
        Self { disk, going, coming, writing: None, content, reservation, fsync }
    }

    /// Removes what is not whole.
    pub(super) fn abandon(&mut self) {
        if let Some(writing) = self.writing.take() {
            // What matters to the user is why it could not be written; that it is gone already is fine.
            let _ = fs::remove_file(writing.path);
        }
        if let Some(cut) = self.going.pop_if(|file| file.is_cut) {
            let _ = fs::remove_file(cut.path);
        }
    }

    /// Creates the next file that is missing.
    fn create(&mut self) -> Result<Option<Writing>, Failure> {
        while self.coming.pop_if(|missing| missing.count == 0).is_some() {}
        let Some(missing) = self.coming.last_mut() else { return Ok(None) };
        let (class, size) = (missing.class, missing.size);
        let folder = self.disk.class(class);
        let number = missing.highest.checked_add(1).ok_or_else(|| {
            let full = io::Error::other("there is a file with the highest number there is");
            Failure::of(format!("numbering a file in {}", folder.display()))(full)
        })?;
        if class.is_none() {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Failure::of(format!("making {}", folder.display()))(error));
                }
                _ => {}
            }
        }
        let path = folder.join(format!("f-{number}"));
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(Failure::of(format!("creating {}", path.display())))?;
        (missing.count, missing.highest) = (missing.count - 1, number);
        Ok(Some(Writing { path, file, size, written: 0 }))
    }
}

impl Steps for FileSteps<'_> {
    fn grain(&self) -> u64 {
        GRAIN
    }

    fn stride(&self) -> u64 {
        PIECE
    }

    fn release(&mut self, most: u64) -> Result<u64, Failure> {
        let Some(mut file) = self.going.pop() else { return Ok(0) };
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        // What we cut it to counts, not what it is: io load may be writing into it in this moment.
        if most < file.size {
            let left = file.size - most;
            match OpenOptions::new().write(true).open(&file.path).and_then(|there| there.set_len(left)) {
                Ok(()) => {
                    (file.size, file.is_cut) = (left, true);
                    self.going.push(file);
                    return Ok(most);
                }
                Err(error) if gone(&error) => return Ok(file.size),
                Err(error) => return Err(Failure::of(format!("cutting {}", file.path.display()))(error)),
            }
        }
        match fs::remove_file(&file.path) {
            Err(error) if !gone(&error) => Err(Failure::of(format!("removing {}", file.path.display()))(error)),
            // An empty file is a step as well: 0 would say that there are none left.
            _ => Ok(file.size.max(1)),
        }
    }

    fn take(&mut self, most: u64) -> Result<u64, Failure> {
        let mut writing = match self.writing.take() {
            Some(writing) => writing,
            None => match self.create()? {
                Some(writing) => writing,
                None => return Ok(0),
            },
        };
        let now = (writing.size - writing.written).min(most.max(1)).min(PIECE);
        let refused = |verb: &str| Failure::of(format!("{verb} {}", writing.path.display()));
        if let Err(failure) = self.content.write_to(&mut writing.file, now as usize).map_err(refused("writing")) {
            self.writing = Some(writing);
            return Err(failure);
        }
        writing.written += now;
        self.reservation.kept(now);
        if writing.written < writing.size {
            self.writing = Some(writing);
            return Ok(now);
        }
        let synced = if self.fsync { writing.file.sync_all().map_err(refused("syncing")) } else { Ok(()) };
        let Writing { path, file, .. } = writing;
        let done = synced.and_then(|()| close(file).map_err(Failure::of(format!("closing {}", path.display()))));
        if done.is_err() {
            let _ = fs::remove_file(path);
        }
        done.map(|()| now)
    }
}
