//! The terminal that a person sits at: its size, its keys, and a screen of its own that is given back on every way out.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, Once};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::read;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::sync::lock;

/// The other screen, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// How the terminal was before; nothing where no screen is open.
static BEFORE: Mutex<Option<BeforeScreen>> = Mutex::new(None);

struct BeforeScreen {
    /// Where keys are read.
    modes: Option<Termios>,
}

/// How many columns and rows the terminal has that stdout is.
pub fn terminal_size() -> Option<(usize, usize)> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then(|| (usize::from(size.ws_col), usize::from(size.ws_row).max(2)))
}

/// The whole terminal, until this is dropped; after a panic as well.
pub struct WholeScreen {
    has_keys: bool,
}

impl WholeScreen {
    /// Takes it, where stdout is one.
    pub fn open() -> Option<Self> {
        static HOOK: Once = Once::new();
        if !io::stdout().is_terminal() {
            return None;
        }
        // What a panic says is for the screen that stays.
        HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back_now();
                next(panic);
            }));
        });
        let modes = tcgetattr(io::stdin()).ok();
        let has_keys = modes.as_ref().is_some_and(|modes| {
            let mut raw = modes.clone();
            // Ctrl-C and Ctrl-Z are keys: nothing else may end or stop us with the screen as it is.
            raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
            tcsetattr(io::stdin(), OptionalActions::Now, &raw).is_ok()
        });
        *lock(&BEFORE) = Some(BeforeScreen { modes });
        put(ENTER);
        Some(Self { has_keys })
    }

    /// A key, if one comes in so much time.
    pub fn key(&self, wait: Duration) -> Option<u8> {
        let stdin = io::stdin();
        let (stdin, mut key) = (stdin.as_fd(), [0]);
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        if !self.has_keys {
            let _ = poll(&mut [], Some(&wait));
            return None;
        }
        let count = poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&wait)).unwrap_or(0);
        match if count > 0 { read(stdin, &mut key) } else { return None } {
            Ok(1) => Some(key[0]),
            // The terminal has gone away: as good as Ctrl-C.
            _ => Some(3),
        }
    }

    /// The terminal is as it was before, from now on.
    pub fn give_back(&self) {
        give_back_now();
    }

    /// Draws these lines, and nothing else. They are no longer than the terminal is wide.
    pub fn draw(&self, lines: &[String]) {
        let mut text = String::from("\x1b[H");
        for (place, line) in lines.iter().enumerate() {
            text += &format!("{}{line}\x1b[K", if place == 0 { "" } else { "\n" });
        }
        put(&(text + "\x1b[J"));
    }
}

impl Drop for WholeScreen {
    fn drop(&mut self) {
        give_back_now();
    }
}

/// The terminal is as it was before.
fn give_back_now() {
    if let Some(before) = lock(&BEFORE).take() {
        put(LEAVE);
        if let Some(modes) = before.modes {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
        }
    }
}

/// Writes to stdout, whether or not somebody is there to see it.
pub fn put(text: &str) {
    // A terminal that has gone away needs nothing.
    let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
}
