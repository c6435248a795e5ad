//! Files that people name in the settings: what one of them is may be a pipe, which nobody may ever write into.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long what is no file is waited for, from `open` to its end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads a file; also what a pipe gives in a few seconds (`--config <(decrypt config.toml)`).
///
/// # Errors
/// It cannot be opened or read, or does not end in time.
pub fn read<T: Send + 'static>(
    path: &Path,
    read: impl FnOnce(File) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    if fs::metadata(path)?.is_file() {
        return read(File::open(path)?);
    }
    let (tell, told) = mpsc::channel();
    let path = path.to_owned();
    // Whoever opens a pipe waits for its other end, for ever: let that be a thread that nobody misses.
    thread::Builder::new().spawn(move || tell.send(File::open(path).and_then(read)))?;
    told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let text = format!("it is no file but a pipe, which gave nothing whole within {PATIENCE:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn pipe(folder: &Path) -> std::path::PathBuf {
        let pipe = folder.join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        pipe
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = pipe(dir.path());
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut writer = OpenOptions::new().write(true).open(&pipe).unwrap();
                writer.write_all(b"first, ").unwrap();
                writer.write_all(b"last").unwrap();
            });
            assert_eq!(read(&pipe, io::read_to_string).unwrap(), "first, last");
        });
    }

    #[test]
    fn a_pipe_that_nobody_writes_into_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let error = read(&pipe(dir.path()), io::read_to_string).unwrap_err();
        assert!(error.to_string().contains("no file but a pipe"), "{error}");
    }

    #[test]
    fn a_folder_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let error = read(dir.path(), io::read_to_string).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory, "{error}");
    }
}
