//! A terminal. It looks as if it could be written while it takes one byte, and then keeps whoever writes more until
//! somebody reads on. So a thread of its own writes, and whoever has something to say waits for it only so long.

use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// What may wait for a reader to come back: as much as a pipe takes.
const ROOM_BYTES: usize = 64 << 10;

/// What is on its way to a terminal. Dropped, it ends once that is there.
#[derive(Debug)]
pub(super) struct Relay(Arc<Desk>);

#[derive(Debug, Default)]
struct Desk {
    pile: Mutex<Pile>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pile {
    waiting: Vec<u8>,
    is_being_written: bool,
    /// Somebody waited for the end of it in vain.
    is_behind: bool,
    is_over: bool,
}

impl Pile {
    fn is_done(&self) -> bool {
        self.waiting.is_empty() && !self.is_being_written
    }
}

impl Relay {
    /// Begins to write to a terminal.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(terminal: impl AsFd + Send + 'static) -> io::Result<Self> {
        let desk = Arc::<Desk>::default();
        let writing = Arc::clone(&desk);
        thread::Builder::new().name("terminal".into()).spawn(move || writing.serve(&terminal))?;
        Ok(Self(desk))
    }

    /// Hands text over, and waits until it is written: for `patience`, and once that was in vain no longer at all
    /// until the reader has caught up. `false`: there is no room for it.
    pub(super) fn push(&self, text: &[u8], patience: Duration) -> bool {
        let mut pile = self.0.pile();
        if pile.waiting.len() + text.len() > ROOM_BYTES && !pile.is_done() {
            return false;
        }
        pile.waiting.extend(text);
        self.0.changed.notify_all();
        if !pile.is_behind {
            self.0.wait(pile, patience);
        }
        true
    }

    /// As [`Relay::push`], for what need not be seen: nothing is done while the reader is behind.
    pub(super) fn push_if_read(&self, text: &[u8], patience: Duration) {
        if !self.0.pile().is_behind {
            self.push(text, patience);
        }
    }

    /// Waits until all is written, no longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        self.0.wait(self.0.pile(), patience);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.pile().is_over = true;
        self.0.changed.notify_all();
    }
}

impl Desk {
    fn pile(&self) -> MutexGuard<'_, Pile> {
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, pile: MutexGuard<'_, Pile>, patience: Duration) {
        let waited = self.changed.wait_timeout_while(pile, patience, |pile| !pile.is_done());
        let (mut pile, _) = waited.unwrap_or_else(PoisonError::into_inner);
        pile.is_behind = !pile.is_done();
    }

    fn serve(&self, terminal: &impl AsFd) {
        loop {
            let pile = self.changed.wait_while(self.pile(), |pile| pile.waiting.is_empty() && !pile.is_over);
            let mut pile = pile.unwrap_or_else(PoisonError::into_inner);
            if pile.waiting.is_empty() {
                return;
            }
            let text = mem::take(&mut pile.waiting);
            pile.is_being_written = true;
            drop(pile);
            write(terminal, &text);
            let mut pile = self.pile();
            pile.is_being_written = false;
            pile.is_behind &= !pile.is_done();
            drop(pile);
            self.changed.notify_all();
        }
    }
}

/// Writes all of it, however long that takes. A terminal that is gone has nobody to tell.
fn write(terminal: &impl AsFd, mut text: &[u8]) {
    while !text.is_empty() {
        match rustix::io::write(terminal, text) {
            Ok(written) => text = &text[written..],
            Err(Errno::INTR) => {}
            // Others have it open too, and may have chosen that nobody waits in a write.
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(terminal, PollFlags::OUT)], None);
            }
            Err(_) => return,
        }
    }
}
