//! Tells systemd how the service is: `sd_notify` datagrams to the socket it named. Does nothing where
//! there is none. Never fails a run: a lost datagram costs a status line at most, and the next pat
//! comes in time.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager's ear.
#[derive(Debug)]
pub struct Systemd {
    ear: Option<(UnixDatagram, SocketAddr)>,
    pat_every: Option<Duration>,
}

impl Systemd {
    /// Speaks to the socket in `NOTIFY_SOCKET`, whose value the caller read from the environment; to
    /// nobody without one.
    #[must_use]
    pub fn new(notify_socket: Option<OsString>) -> Self {
        let ear = notify_socket.and_then(|name| {
            let socket = UnixDatagram::unbound().ok()?;
            // A manager that stopped reading must not stop the daemon.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address(&name)?))
        });
        Self { ear, pat_every: None }
    }

    /// Keeps to a watchdog, by `WATCHDOG_USEC` and `WATCHDOG_PID`, whose values the caller read from the
    /// environment of the process `own_pid`.
    #[must_use]
    pub fn watched(self, usec: Option<OsString>, pid: Option<OsString>, own_pid: u32) -> Self {
        let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
        // Children inherit the variables; who is watched is named.
        let is_own = pid.is_none_or(|pid| number(pid) == Some(own_pid.into()));
        let usec = usec.and_then(number).filter(|usec| *usec > 0 && is_own);
        Self { pat_every: usec.map(|usec| Duration::from_micros(usec) / 2), ..self }
    }

    /// The longest that may pass between two pats: half of the time after which the manager takes the service
    /// for hung; `None`: nobody watches.
    #[must_use]
    pub fn pat_every(&self) -> Option<Duration> {
        self.pat_every
    }

    /// Start-up is finished: the configuration is read, the store open, the signals registered.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// One line for people, as `systemctl status` shows it.
    pub fn status(&self, line: &str) {
        self.send(&format!("STATUS={}", line.replace('\n', " ")));
    }

    /// The scheduler still turns.
    pub fn pat_watchdog(&self) {
        self.send("WATCHDOG=1");
    }

    /// The drain has begun.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    fn send(&self, state: &str) {
        if let Some((socket, address)) = &self.ear {
            // Nobody could act on a failure here; see the head of this file.
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}

/// A path, or an abstract name written with a leading `@`.
fn address(name: &OsString) -> Option<SocketAddr> {
    match name.as_bytes().split_first() {
        #[cfg(target_os = "linux")]
        Some((b'@', rest)) => {
            use std::os::linux::net::SocketAddrExt as _;
            SocketAddr::from_abstract_name(rest).ok()
        }
        Some((b'/', _)) => SocketAddr::from_pathname(name).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(ear: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = ear.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_socket_with_a_path_hears_each_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ear = UnixDatagram::bind(&path).unwrap();
        let systemd = Systemd::new(Some(path.into_os_string()));
        systemd.ready();
        systemd.status("next run\nat 02:30");
        systemd.pat_watchdog();
        systemd.stopping();
        let states = [(); 4].map(|()| heard(&ear));
        assert_eq!(states, ["READY=1", "STATUS=next run at 02:30", "WATCHDOG=1", "STOPPING=1"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_socket_hears_too() {
        use std::os::linux::net::SocketAddrExt as _;
        let name = format!("clearpoint-sync-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let ear = UnixDatagram::bind_addr(&address).unwrap();
        Systemd::new(Some(format!("@{name}").into())).ready();
        assert_eq!(heard(&ear), "READY=1");
    }

    #[test]
    fn a_watchdog_is_patted_twice_in_its_time_by_the_process_that_it_watches() {
        let every = |usec: &str, pid: Option<&str>| {
            Systemd::new(None).watched(Some(usec.into()), pid.map(Into::into), 42).pat_every()
        };
        assert_eq!(every("20000000", Some("42")), Some(Duration::from_secs(10)));
        assert_eq!(every("20000000", None), Some(Duration::from_secs(10)));
        assert_eq!(every("20000000", Some("41")), None);
        assert_eq!(every("0", None), None);
        assert_eq!(every("soon", None), None);
        assert_eq!(Systemd::new(None).watched(None, Some("42".into()), 42).pat_every(), None);
    }

    #[test]
    fn without_a_socket_nothing_happens() {
        Systemd::new(None).ready();
        Systemd::new(Some("".into())).ready();
        Systemd::new(Some("/no/such/socket".into())).ready();
    }
}
