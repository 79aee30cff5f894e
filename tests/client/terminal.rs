//! A terminal, as the program sees one.

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::process::{Command, Stdio};
use std::thread;

use crate::process::Reaped;

/// Runs a command to its end on a terminal of so many columns. Returns its exit code, and what was drawn.
pub(crate) fn on_terminal(command: &mut Command, columns: u16) -> (i32, String) {
    let (mut screen, mut child) = start_on_terminal(command, columns);
    let drawn = thread::spawn(move || {
        let (mut drawn, mut buffer) = (Vec::new(), [0; 4096]);
        // When the last that has it open goes, reading fails.
        while let Ok(count @ 1..) = screen.read(&mut buffer) {
            drawn.extend(&buffer[..count]);
        }
        String::from_utf8(drawn).unwrap()
    });
    let status = child.ended();
    (status.code().unwrap(), drawn.join().unwrap())
}

/// Starts a command whose stdout is a terminal. What it draws is read from the file.
pub(super) fn start_on_terminal(command: &mut Command, columns: u16) -> (File, Reaped) {
    let (mut master, mut slave) = (-1, -1);
    let size = libc::winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let none = std::ptr::null_mut();
    // SAFETY: both descriptors and the size are ours and live as long as the call; a name and modes are not asked for.
    let result = unsafe { libc::openpty(&mut master, &mut slave, none, std::ptr::null(), &size) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: it was opened above, and nobody else has it.
    let screen = unsafe { File::from_raw_fd(master) };
    // SAFETY: as above.
    let terminal = unsafe { File::from_raw_fd(slave) };
    let command = command.stdin(Stdio::null()).stdout(terminal).stderr(Stdio::null());
    let child = Reaped(command.spawn().unwrap());
    // It must not stay open here, or reading would not end.
    command.stdout(Stdio::null());
    (screen, child)
}
