//! The journal's native protocol: an entry is one datagram of fields, so that `journalctl EVENT=…
//! CONNECTION=…` finds it. See "Native Journal Protocol" and `systemd.journal-fields(7)`.

use std::fs::File;
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix};
use serde_json::Value;
use tracing::{Level, Metadata};

use super::fields::Fields;
use super::line;

/// Where the journal listens, on every machine that has one.
const SOCKET: &str = "/run/systemd/journal/socket";

/// A journal that hangs is waited for so long: whoever logs may be the daemon's loop, which would hang too.
const PATIENCE: Duration = Duration::from_secs(1);

/// Names that the journal or the head of an [`Entry`] gives a meaning of their own.
const TAKEN: [&str; 9] = [
    "MESSAGE",
    "MESSAGE_ID",
    "PRIORITY",
    "ERRNO",
    "DOCUMENTATION",
    "TID",
    "UNIT",
    "USER_UNIT",
    "INVOCATION_ID",
];
/// And what such names begin with.
const TAKEN_BEGINNINGS: [&str; 5] = ["SYSLOG_", "CODE_", "OBJECT_", "COREDUMP_", "USER_INVOCATION_"];

/// The journal's ear.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// The journal of this machine; `None` where no socket can be had to speak with. Whether it listens
    /// shows at each [`Journal::send`]: it may come and go.
    pub(super) fn open() -> Option<Self> {
        Self::at(SOCKET)
    }

    /// The journal that listens at `path`.
    pub(super) fn at(path: impl Into<PathBuf>) -> Option<Self> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_write_timeout(Some(PATIENCE)).ok()?;
        Some(Self { socket, path: path.into() })
    }

    /// Hands an entry over.
    ///
    /// # Errors
    /// Nobody took it; the caller says it elsewhere.
    pub(super) fn send(&self, entry: &Entry) -> io::Result<()> {
        let Entry { bytes } = entry;
        // By path each time: a journal that was started anew listens on a new socket.
        match self.socket.send_to(bytes, &self.path) {
            Ok(_) => Ok(()),
            Err(error) if is_too_large(&error) => self.send_as_file(bytes),
            Err(error) => Err(error),
        }
    }

    /// What is too large for a datagram goes into a sealed file in memory, and the datagram brings that.
    fn send_as_file(&self, bytes: &[u8]) -> io::Result<()> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(rustix::fs::memfd_create("journal-entry", flags)?);
        file.write_all(bytes)?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        let files = [file.as_fd()];
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut message = SendAncillaryBuffer::new(&mut room);
        message.push(SendAncillaryMessage::ScmRights(&files));
        let address = SocketAddrUnix::new(&self.path)?;
        rustix::net::sendmsg_addr(&self.socket, &address, &[], &mut message, SendFlags::empty())?;
        Ok(())
    }
}

fn is_too_large(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    matches!(code, Some(rustix::io::Errno::MSGSIZE | rustix::io::Errno::NOBUFS))
}

/// One entry, ready to be sent.
#[derive(Debug)]
pub(super) struct Entry {
    bytes: Vec<u8>,
}

impl Entry {
    /// An entry with what every entry has.
    pub(super) fn new(message: &str, level: Level) -> Self {
        let mut entry = Self { bytes: Vec::new() };
        entry.write("MESSAGE", message);
        entry.write("PRIORITY", &priority(level).to_string());
        entry.write("SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
        entry
    }

    /// An event: its whole line for people as the message, and each of its fields.
    pub(super) fn of_event(metadata: &Metadata<'_>, fields: &Fields) -> Self {
        let level = *metadata.level();
        let mut entry = Self::new(&line::text(level.as_str(), fields), level);
        // Not TARGET, as others write it: that is our name of a place which is told of warnings.
        entry.write("CODE_MODULE", metadata.target());
        if let (Some(file), Some(line)) = (metadata.file(), metadata.line()) {
            entry.write("CODE_FILE", file);
            entry.write("CODE_LINE", &line.to_string());
        }
        for (name, value) in &fields.list {
            match value {
                Value::String(text) => entry.put(name, text),
                other => entry.put(name, &other.to_string()),
            }
        }
        entry
    }

    /// Adds a field of ours: `days_left` becomes `DAYS_LEFT`.
    pub(super) fn put(&mut self, name: &str, value: &str) {
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .skip_while(|c| !c.is_ascii_uppercase())
            .collect();
        let is_taken = TAKEN.contains(&name.as_str())
            || TAKEN_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning));
        if is_taken {
            self.write(&format!("F_{name}"), value);
        } else if !name.is_empty() {
            self.write(&name, value);
        }
    }

    /// `NAME=value`, or the form that no value can break: the name, how many bytes, and those.
    fn write(&mut self, name: &str, value: &str) {
        self.bytes.extend(name.as_bytes());
        if value.contains('\n') {
            self.bytes.push(b'\n');
            self.bytes.extend((value.len() as u64).to_le_bytes());
        } else {
            self.bytes.push(b'=');
        }
        self.bytes.extend(value.as_bytes());
        self.bytes.push(b'\n');
    }
}

/// The syslog number of a level.
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Read as _, Seek as _};

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
    use tempfile::TempDir;

    use super::*;

    /// A socket where the journal's would be.
    pub(in crate::telemetry) struct Ear {
        socket: UnixDatagram,
        /// Where the socket lies.
        _folder: TempDir,
    }

    impl Ear {
        pub(in crate::telemetry) fn listening() -> (Self, Journal) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("socket");
            let socket = UnixDatagram::bind(&path).unwrap();
            (Self { socket, _folder: folder }, Journal::at(path).unwrap())
        }

        /// The next entry.
        pub(in crate::telemetry) fn hear(&self) -> String {
            String::from_utf8(self.hear_bytes()).unwrap()
        }

        fn hear_bytes(&self) -> Vec<u8> {
            let mut bytes = vec![0; 1 << 16];
            let length = self.socket.recv(&mut bytes).unwrap();
            bytes.truncate(length);
            bytes
        }

        /// The next entry, which came as a file.
        fn hear_file(&self) -> File {
            let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut message = RecvAncillaryBuffer::new(&mut room);
            rustix::net::recvmsg(&self.socket, &mut [], &mut message, RecvFlags::empty()).unwrap();
            let mut files = message.drain().filter_map(|part| match part {
                RecvAncillaryMessage::ScmRights(files) => Some(files),
                _ => None,
            });
            File::from(files.next().unwrap().next().unwrap())
        }
    }

    fn entry(fields: &[(&str, &str)]) -> Entry {
        let mut entry = Entry::new("said", Level::WARN);
        fields.iter().for_each(|(name, value)| entry.put(name, value));
        entry
    }

    const HEAD: &str = "MESSAGE=said\nPRIORITY=4\nSYSLOG_IDENTIFIER=clearpoint-sync\n";

    #[test]
    fn names_are_what_the_journal_takes_and_never_its_own() {
        let (ear, journal) = Ear::listening();
        let names = ["days_left", "message", "priority", "code_line", "_pid", "http.status", "7th", "_"];
        journal.send(&entry(&names.map(|name| (name, "x")))).unwrap();
        let names = ["DAYS_LEFT", "F_MESSAGE", "F_PRIORITY", "F_CODE_LINE", "PID", "HTTP_STATUS", "TH"];
        assert_eq!(ear.hear(), HEAD.to_owned() + &names.map(|name| format!("{name}=x\n")).concat());
    }

    #[test]
    fn a_value_of_several_lines_forges_no_field() {
        let (ear, journal) = Ear::listening();
        journal.send(&entry(&[("error", "bad\nPRIORITY=0")])).unwrap();
        let safe = [HEAD.as_bytes(), b"ERROR\n\x0e\0\0\0\0\0\0\0bad\nPRIORITY=0\n"].concat();
        assert_eq!(ear.hear_bytes(), safe);
    }

    #[test]
    fn what_is_too_large_for_a_datagram_comes_as_a_sealed_file() {
        let (ear, journal) = Ear::listening();
        let long = "x".repeat(1 << 20);
        journal.send(&entry(&[("error", &long)])).unwrap();
        let mut file = ear.hear_file();
        let mut text = String::new();
        // It is read from its start, wherever the writer left off.
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("{HEAD}ERROR={long}\n"));
        assert!(file.write_all(b"more").is_err(), "what was handed over cannot be changed");
    }

    #[test]
    fn a_journal_that_started_anew_is_heard_again() {
        let (ear, journal) = Ear::listening();
        std::fs::remove_file(&journal.path).unwrap();
        assert!(journal.send(&entry(&[])).is_err());
        let ear = Ear { socket: UnixDatagram::bind(&journal.path).unwrap(), ..ear };
        journal.send(&entry(&[])).unwrap();
        assert_eq!(ear.hear(), HEAD);
    }

    #[test]
    fn a_journal_that_takes_nothing_more_keeps_nobody_waiting_for_ever() {
        let (_ear, journal) = Ear::listening();
        let (told, refused) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            while journal.send(&entry(&[])).is_ok() {}
            told.send(())
        });
        refused.recv_timeout(Duration::from_secs(120)).unwrap();
    }
}
