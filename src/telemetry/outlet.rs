//! Stderr, as long as somebody reads it. Who stops reading a pipe or a terminal (a pager that waits, a log driver
//! that hangs) would otherwise hold up whoever logs, and that may be the daemon's loop.

use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// A reader is waited for so long; once it has let a line go by, no longer at all until it reads again.
const PATIENCE: Duration = Duration::from_secs(1);
/// What a pipe takes at once whenever it can be written (`PIPE_BUF`).
const PIECE_BYTES: usize = 4096;

/// Where lines are written to, or counted where they cannot be.
#[derive(Debug)]
pub(super) struct Outlet<F> {
    file: F,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Lines that nobody took, since the last one that was taken.
    lost: u64,
    /// The last of them was taken in part.
    is_torn: bool,
}

impl<F: AsFd> Outlet<F> {
    pub(super) fn new(file: F) -> Self {
        Self { file, state: Mutex::default() }
    }

    /// Writes a finished line; before it, if lines were lost, the one that says how many.
    pub(super) fn write(&self, line: &str, lost_line: impl FnOnce(u64) -> String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { lost, is_torn } = *state;
        let mut text = String::new();
        if is_torn {
            text.push('\n');
        }
        if lost > 0 {
            text += &lost_line(lost);
        }
        text += line;
        let patience = if lost == 0 { PATIENCE } else { Duration::ZERO };
        let taken = self.push(text.as_bytes(), patience);
        *state = match taken == text.len() {
            true => State::default(),
            false => State { lost: lost + 1, is_torn: is_torn || taken > 0 },
        };
    }

    /// Writes what is taken while the reader is waited for no longer than `patience` at a time; gives how much.
    fn push(&self, bytes: &[u8], patience: Duration) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.can_be_written(patience) {
            let piece = &bytes[taken..bytes.len().min(taken + PIECE_BYTES)];
            match rustix::io::write(&self.file, piece) {
                Ok(written) => taken += written,
                Err(Errno::INTR | Errno::AGAIN) => {}
                // A log that cannot be written has nobody to tell.
                Err(_) => break,
            }
        }
        taken
    }

    fn can_be_written(&self, patience: Duration) -> bool {
        let patience = Timespec::try_from(patience).ok();
        let mut wanted = [PollFd::new(&self.file, PollFlags::OUT)];
        loop {
            match poll(&mut wanted, patience.as_ref()) {
                Err(Errno::INTR) => {}
                // What is wrong with it the write says.
                ready => return ready.is_ok_and(|count| count > 0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _, Write as _};
    use std::time::Instant;

    use super::*;

    fn lost_line(count: u64) -> String {
        format!("{count} lost\n")
    }

    #[test]
    fn a_reader_that_stops_costs_one_moment_and_is_told_what_it_missed() {
        let (mut reader, writer) = io::pipe().unwrap();
        let outlet = Outlet::new(writer);
        let page = "x".repeat(PIECE_BYTES - 1) + "\n";
        let start = Instant::now();
        // Far more than a pipe takes.
        (0..1000).for_each(|_| outlet.write(&page, lost_line));
        assert!(start.elapsed() < 60 * PATIENCE, "{:?}", start.elapsed());
        let lost = outlet.state.lock().unwrap().lost;
        assert!((1..1000).contains(&lost));
        let mut taken = vec![0; PIECE_BYTES * usize::try_from(1000 - lost).unwrap()];
        reader.read_exact(&mut taken).unwrap();
        assert_eq!(taken, page.repeat(taken.len() / PIECE_BYTES).as_bytes());

        outlet.write("and on\n", lost_line);
        drop(outlet);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, format!("{lost} lost\nand on\n"));
    }

    #[test]
    fn a_line_that_was_torn_is_ended_before_the_next() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let outlet = Outlet::new(writer.try_clone().unwrap());
        outlet.write(&"x".repeat(1 << 20), lost_line);
        let torn = outlet.push(b"y", Duration::ZERO);
        assert_eq!(torn, 0, "it is full");
        let mut first = vec![0; 1 << 16];
        reader.read_exact(&mut first).unwrap();
        outlet.write("on\n", lost_line);
        writer.write_all(b"end").unwrap();
        drop((outlet, writer));
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("\n1 lost\non\nend"), "{rest}");
    }

    #[test]
    fn what_cannot_be_written_at_all_is_lost_at_once() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let outlet = Outlet::new(full);
        outlet.write("line\n", lost_line);
        assert_eq!(outlet.state.lock().unwrap().lost, 1);
    }
}
