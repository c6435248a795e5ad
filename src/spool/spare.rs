//! Memory that is used again: to get a large piece of it fresh from the system, page by page, costs more than
//! to fill it. Once nobody uses any, all of it goes back.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is kept for the next at most, in bytes.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// The largest buffer that is kept: most pages fit it, and a small answer in it wastes little.
const BUFFER_BYTES_MAX: usize = 1 << 20;

/// Buffers that wait to be used again.
#[derive(Debug, Clone, Default)]
pub struct Spares {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    kept: Vec<Vec<u8>>,
    users: usize,
}

/// While it lives, spares are kept.
#[derive(Debug)]
pub struct InUse {
    spares: Spares,
}

/// A buffer in use; kept for the next when dropped.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    in_use: InUse,
}

impl Spares {
    /// Says that buffers will be used again and again.
    #[must_use]
    pub fn in_use(&self) -> InUse {
        self.locked().users += 1;
        InUse { spares: self.clone() }
    }

    /// An empty buffer.
    #[must_use]
    pub fn buffer(&self) -> Buffer {
        let in_use = self.in_use();
        Buffer { bytes: self.locked().kept.pop().unwrap_or_default(), in_use }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut state = self.spares.locked();
        state.users -= 1;
        if state.users == 0 {
            state.kept = Vec::new();
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut state = self.in_use.spares.locked();
        let kept: usize = state.kept.iter().map(Vec::capacity).sum();
        let is_worth_it = (1..=BUFFER_BYTES_MAX).contains(&bytes.capacity());
        if is_worth_it && kept + bytes.capacity() <= KEPT_BYTES_MAX {
            state.kept.push(bytes);
        }
    }
}

impl Buffer {
    /// Makes a place for so many bytes more.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Puts bytes behind those that are there.
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(spares: &Spares, bytes: usize) -> Buffer {
        let mut buffer = spares.buffer();
        buffer.append(&vec![7; bytes]);
        buffer
    }

    #[test]
    fn a_buffer_is_used_again_and_is_empty_then() {
        let spares = Spares::default();
        let (one, _other) = (filled(&spares, 1 << 20), spares.buffer());
        let place = one.as_ptr();
        drop(one);
        let again = spares.buffer();
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[test]
    fn nothing_is_kept_once_none_is_in_use() {
        let spares = Spares::default();
        let (one, other) = (filled(&spares, 1 << 20), filled(&spares, 1 << 20));
        drop((one, other));
        assert_eq!(spares.buffer().bytes.capacity(), 0);
    }

    #[test]
    fn no_more_is_kept_than_is_said() {
        let spares = Spares::default();
        let _in_use = spares.in_use();
        let buffers: Vec<Buffer> = (0..8).map(|_| filled(&spares, 1 << 20)).collect();
        drop(buffers);
        let kept: Vec<Buffer> = (0..8).map(|_| spares.buffer()).collect();
        assert_eq!(kept.iter().filter(|buffer| buffer.bytes.capacity() > 0).count(), 4);
    }

    #[test]
    fn neither_a_very_large_buffer_nor_an_unused_one_is_kept() {
        let spares = Spares::default();
        let _in_use = spares.in_use();
        drop(filled(&spares, 1 << 20));
        drop((filled(&spares, 3 << 20), spares.buffer()));
        let (one, other) = (spares.buffer(), spares.buffer());
        assert_eq!([one, other].map(|buffer| buffer.bytes.capacity()), [0, 0]);
    }
}
