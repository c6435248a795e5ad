//! Stderr, as long as somebody reads it. Who stops reading a pipe or a terminal (a pager that waits, a log driver
//! that hangs) would otherwise hold up whoever logs, and that may be the daemon's loop.

use std::io::IsTerminal as _;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::relay::Relay;

/// A reader is waited for so long; once it has let a line go by, no longer at all until it reads again.
const PATIENCE: Duration = Duration::from_secs(1);
/// What a pipe takes at once whenever it can be written (`PIPE_BUF`).
const PIECE_BYTES: usize = 4096;

/// Where lines are written to, or counted where they cannot be.
#[derive(Debug)]
pub(super) struct Outlet<F> {
    sink: Sink<F>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum Sink<F> {
    /// Takes what it has room for, and says whether it has.
    Plain(Arc<F>),
    /// Keeps whoever writes.
    Terminal(Relay),
}

#[derive(Debug, Default)]
struct State {
    /// Lines that nobody took, and that nobody was told of.
    lost: u64,
    /// The last of them was taken in part.
    is_torn: bool,
}

impl<F: AsFd + Send + Sync + 'static> Outlet<F> {
    pub(super) fn new(file: F) -> Self {
        let file = Arc::new(file);
        let relay = file.as_fd().is_terminal().then(|| Relay::start(Arc::clone(&file)).ok()).flatten();
        let sink = relay.map_or(Sink::Plain(file), Sink::Terminal);
        Self { sink, state: Mutex::default() }
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
        let before = text.len();
        text += line;
        let patience = if lost == 0 { PATIENCE } else { Duration::ZERO };
        let taken = self.push(text.as_bytes(), patience);
        *state = if taken == text.len() {
            State::default()
        } else if lost > 0 && taken >= before {
            // Of the others the reader is told.
            State { lost: 1, is_torn: taken > before }
        } else {
            State { lost: lost + 1, is_torn: is_torn || taken > 0 }
        };
    }

    /// Draws on a terminal what need not be seen, and what nobody has to wait for.
    pub(super) fn draw(&self, text: &str) {
        if let Sink::Terminal(relay) = &self.sink {
            relay.push_if_read(text.as_bytes(), PATIENCE);
        }
    }

    /// Lets the reader catch up, if that takes but a moment.
    pub(super) fn flush(&self) {
        if let Sink::Terminal(relay) = &self.sink {
            relay.flush(PATIENCE);
        }
    }

    /// Writes what is taken while the reader is waited for no longer than `patience` at a time; gives how much.
    fn push(&self, bytes: &[u8], patience: Duration) -> usize {
        match &self.sink {
            Sink::Plain(file) => push(file, bytes, patience),
            Sink::Terminal(relay) => usize::from(relay.push(bytes, patience)) * bytes.len(),
        }
    }
}

fn push(file: impl AsFd, bytes: &[u8], patience: Duration) -> usize {
    let mut taken = 0;
    while taken < bytes.len() && can_be_written(&file, patience) {
        let piece = &bytes[taken..bytes.len().min(taken + PIECE_BYTES)];
        match rustix::io::write(&file, piece) {
            Ok(written) => taken += written,
            Err(Errno::INTR | Errno::AGAIN) => {}
            // A log that cannot be written has nobody to tell.
            Err(_) => break,
        }
    }
    taken
}

fn can_be_written(file: impl AsFd, patience: Duration) -> bool {
    let patience = Timespec::try_from(patience).ok();
    let mut wanted = [PollFd::new(&file, PollFlags::OUT)];
    loop {
        match poll(&mut wanted, patience.as_ref()) {
            Err(Errno::INTR) => {}
            // What is wrong with it the write says.
            ready => return ready.is_ok_and(|count| count > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{self, Read as _, Write as _};
    use std::time::Instant;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

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
    fn lines_that_were_lost_are_told_once_also_where_the_line_after_that_is_torn() {
        let (mut reader, writer) = io::pipe().unwrap();
        let outlet = Outlet::new(writer);
        let line = "x".repeat(2 * PIECE_BYTES - 1) + "\n";
        let mut read = String::new();
        let mut written = 0;
        let mut write = || {
            outlet.write(&line, lost_line);
            written += 1;
        };
        (0..20).for_each(|_| write());
        // There is room for what was lost, and for a part of the next.
        let mut pieces = vec![0; 2 * PIECE_BYTES];
        reader.read_exact(&mut pieces).unwrap();
        read += str::from_utf8(&pieces).unwrap();
        write();
        pieces.resize(1 << 16, 0);
        let taken = reader.read(&mut pieces).unwrap();
        read += str::from_utf8(&pieces[..taken]).unwrap();
        write();
        drop(outlet);
        reader.read_to_string(&mut read).unwrap();
        let lost =
            read.lines().filter_map(|line| line.strip_suffix(" lost")?.parse::<usize>().ok()).sum::<usize>();
        let whole = read.split_inclusive('\n').filter(|read| *read == line).count();
        assert!(read.lines().any(|read| read.starts_with('x') && read.len() + 1 < line.len()), "one is torn");
        assert_eq!(whole + lost, written);
    }

    /// A terminal, and the side of it that the program has.
    fn terminal() -> (File, File) {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        (File::from(terminal), File::options().read(true).write(true).open(name).unwrap())
    }

    #[test]
    fn a_terminal_that_nobody_reads_keeps_nobody_and_shows_in_order_what_it_had_room_for() {
        let (mut reader, writer) = terminal();
        let outlet = Arc::new(Outlet::new(writer));
        let page = "x".repeat(998) + "\n";
        let (logging, line) = (Arc::clone(&outlet), page.clone());
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            (0..1000).for_each(|_| logging.write(&line, lost_line));
            tell.send(())
        });
        told.recv_timeout(20 * PATIENCE).expect("it is kept");
        let lost = outlet.state.lock().unwrap().lost;
        assert!((1..1000).contains(&lost), "{lost}");
        // A terminal ends its lines with two characters.
        let mut taken = vec![0; (page.len() + 1) * usize::try_from(1000 - lost).unwrap()];
        reader.read_exact(&mut taken).unwrap();
        assert!(taken.chunks(page.len() + 1).all(|shown| shown[..998] == page.as_bytes()[..998]));
        outlet.write("and on\n", lost_line);
        let rest = format!("{lost} lost\r\nand on\r\n");
        taken.resize(rest.len(), 0);
        reader.read_exact(&mut taken).unwrap();
        assert_eq!(String::from_utf8_lossy(&taken), rest);
    }

    #[test]
    fn what_cannot_be_written_at_all_is_lost_at_once() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let outlet = Outlet::new(full);
        outlet.write("line\n", lost_line);
        assert_eq!(outlet.state.lock().unwrap().lost, 1);
    }
}
