//! Ctrl-C while something is waited for.

use std::io::{self, IsTerminal, Write};

use crate::client::complain;
use crate::kernel::shutdown::Caught;
use crate::sync::spawn;

/// The stack of the thread that waits for Ctrl-C.
const STACK_BYTES: usize = 128 * 1024;

/// Ctrl-C ends the waiting, and nothing else: `words` say what goes on, and what ends it. It does so at once, also while a
/// pod is asked that does not answer.
pub(super) fn leave_on_signal(words: String) {
    let Ok(mut caught) = Caught::start() else { return };
    let is_terminal = io::stdout().is_terminal();
    let wait = move || {
        let signal = caught.wait(|_| false);
        if is_terminal {
            let _ = writeln!(io::stdout());
        }
        complain(&words);
        std::process::exit(if signal.is_term() { 143 } else { 130 });
    };
    // Without the thread a signal would be lost; then nobody is there to be told either.
    if spawn("signals", STACK_BYTES, Box::new(wait)).is_err() {
        complain("Ctrl-C does not work here: there is no thread for it");
    }
}
