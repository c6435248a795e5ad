//! A folder with a configuration that tells targets of warnings, and what real servers need: a process
//! that ends with the test, certificates of an authority of its own.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use clearpoint_sync::config::{Config, Target};
use clearpoint_sync::secrets::TargetSecrets;
use tempfile::TempDir;

use crate::program::{Ran, Running};

/// Longer than any server may take to start, or to hand on what it got.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder.
pub(super) struct Office {
    folder: TempDir,
}

impl Office {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file there that nobody else may read.
    pub(super) fn write(&self, name: &str, text: &str) -> &Self {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(self.file(name), text).unwrap();
        std::fs::set_permissions(self.file(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    /// Writes the configuration: one connection, to a port at which nobody answers, and these sections.
    pub(super) fn configure(&self, sections: &str) -> &Self {
        self.write("access-key", "access").write("secret-key", "secret");
        self.write(
            "config.toml",
            &format!(
                "[store.sqlite]\npath = \"clearpoint.db\"\n[log]\nformat = \"json\"\n\
                 [connections.city]\nbase_url = \"http://127.0.0.1:1/api/v1\"\n\
                 [connections.city.key]\nname = \"Integration\"\nexpires = 2099-12-31\n\
                 access_key = {{ file = \"access-key\" }}\nsecret_key = {{ file = \"secret-key\" }}\n{sections}"
            ),
        )
    }

    /// Runs the program to its end.
    pub(super) async fn run(&self, arguments: &[&str]) -> Ran {
        Running::start(&self.file("config.toml"), arguments).end().await
    }

    /// The settings, as the program reads them.
    pub(super) fn config(&self) -> Config {
        let path = self.file("config.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        Config::parse(&text, &path).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The one target, and its secrets.
    pub(super) fn target(&self) -> (Target, TargetSecrets) {
        let target = self.config().warnings.targets.remove(0);
        let secrets = TargetSecrets::read(&target).unwrap();
        (target, secrets)
    }

    /// Makes `ca.pem`, and `server.pem` with `server.key` for this machine, vouched for by it.
    pub(super) fn make_certificates(&self) -> &Self {
        self.write("server.ext", "subjectAltName = DNS:localhost, IP:127.0.0.1\n");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        self.openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=test"));
        self.openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
        self.openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -out server.pem -days 2 -extfile server.ext",
        );
        self
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(self.folder.path());
        let output = command.output().expect("openssl is installed (scripts/test does it)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A server in a process of its own.
pub(super) struct Server {
    child: Child,
    lines: Receiver<String>,
}

impl Server {
    /// Starts it; what it prints can be read line by line.
    pub(super) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/test installs what tests need"));
        let (sender, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let lines = BufReader::new(output).lines().map_while(Result::ok);
                // Nobody reads any more once the test has ended.
                lines.for_each(|line| drop(sender.send(line)));
            });
        }
        Self { child, lines }
    }

    /// Where it listens, once it has said that and all these words, in whatever order.
    #[track_caller]
    pub(super) fn address(&self, words: &[&str]) -> String {
        let (mut address, mut unsaid) = (None, words.to_vec());
        while address.is_none() || !unsaid.is_empty() {
            let line = self.line(|_| true);
            unsaid.retain(|word| !line.contains(word));
            let listens = line.contains("Listening on").then(|| line.split_once("address=")).flatten();
            address = listens.and_then(|(_, rest)| rest.split(' ').next()).map(str::to_owned).or(address);
        }
        address.unwrap()
    }

    /// Waits for the next line that is wanted.
    #[track_caller]
    pub(super) fn line(&self, is_wanted: impl Fn(&str) -> bool) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if is_wanted(&line) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("{error}: {seen:#?}"),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file beside the tests.
pub(super) fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}
