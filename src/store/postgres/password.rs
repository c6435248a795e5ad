//! Finds the password for a server: what the settings give, else the fitting line of a password file, read by
//! the rules of PostgreSQL's own clients.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::fault::{Trouble, chain};
use super::settings::{Host, Settings};

/// More bytes than any password file has.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The password to give to a server, if there is one.
pub(super) fn of(settings: &Settings, host: &Host, port: u16) -> Result<Option<SecretString>, Trouble> {
    if let Some(password) = &settings.password {
        return password.read().map(Some).map_err(|fault| Trouble::Refused(chain(&*fault)));
    }
    let Some(path) = &settings.password_file else { return Ok(None) };
    let Some(text) = read(path)? else { return Ok(None) };
    let folder = match host {
        Host::Socket(folder) => Some(folder.to_string_lossy()),
        Host::Name(_) => None,
    };
    let asked = |host: &str| find(&text, [host, &port.to_string(), &settings.database, &settings.user]);
    Ok(match (host, folder) {
        (Host::Name(name), _) => asked(name),
        // A line for a socket names its folder, or this machine.
        (Host::Socket(_), folder) => folder.and_then(|folder| asked(&folder)).or_else(|| asked("localhost")),
    })
}

/// The text of the file; `None`: there is none.
fn read(path: &Path) -> Result<Option<Zeroizing<String>>, Trouble> {
    let refused = |reason: &dyn std::fmt::Display| Trouble::Refused(format!("{} {reason}", path.display()));
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(&format_args!("cannot be read: {error}"))),
    };
    let found = file.metadata().map_err(|error| refused(&format_args!("cannot be read: {error}")))?;
    if !found.is_file() {
        return Err(refused(&"is no plain file; put the passwords into one"));
    }
    if found.mode() & 0o077 != 0 {
        let text = format!("can be read by others, so it is not used; run: chmod 0600 {}", path.display());
        return Err(refused(&text));
    }
    // Room for all from the start: a buffer that grows leaves unwiped copies behind.
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX));
    let read = (&mut file).take(FILE_BYTES_MAX as u64).read_to_string(&mut text);
    read.map_err(|error| refused(&format_args!("cannot be read: {error}")))?;
    Ok(Some(text))
}

/// The password of the first line whose fields fit host, port, database and user.
fn find(text: &str, asked: [&str; 4]) -> Option<SecretString> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| fitting(line, asked))
}

fn fitting(line: &str, asked: [&str; 4]) -> Option<SecretString> {
    let mut rest = line;
    for value in asked {
        let end = field_end(rest).filter(|end| *end < rest.len())?;
        let (field, after) = rest.split_at(end);
        if field != "*" && !unescaped(field).eq(value.chars()) {
            return None;
        }
        rest = &after[1..];
    }
    // What stands after one more colon is left for later versions.
    let password = &rest[..field_end(rest)?];
    let mut plain = Zeroizing::new(String::with_capacity(password.len()));
    plain.extend(unescaped(password));
    (!plain.is_empty()).then(|| SecretString::from(plain.as_str()))
}

/// Where the field ends that `rest` begins with: at a colon without a backslash before it, or with the line.
fn field_end(rest: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ':' => return Some(at),
            _ => {}
        }
    }
    Some(rest.len())
}

/// The characters of a field: a backslash stands for the character after it.
fn unescaped(field: &str) -> impl Iterator<Item = char> {
    let mut chars = field.chars();
    std::iter::from_fn(move || match chars.next()? {
        '\\' => chars.next(),
        c => Some(c),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let found = find(text, ["db1", "5432", "cle:ar", "sync"]);
        assert_eq!(found.as_ref().map(|found| found.expose_secret()), expected, "{text}");
    }

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        check("db1:5432:cle\\:ar:sync:one", Some("one"));
        check("db1:5432:*:sync:two", Some("two"));
        check("*:*:*:*:three\n*:*:*:*:four", Some("three"));
        check("db2:*:*:*:no\n#*:*:*:*:no\n*:*:*:other:no\n*:*:*:sync:five", Some("five"));
        check("db2:5432:*:sync:no\n\nnonsense\n", None);
        check("*:*:*:*:", None);
        check("*:*:*:*", None);
    }

    #[test]
    fn backslashes_and_colons_are_escaped() {
        check(r"*:*:*:*:a\:b\\c\d", Some(r"a:b\cd"));
        check("*:*:*:*:a:b", Some("a"));
        check(r"\*:*:*:*:no", None);
        check("*:*:*:*:grün ", Some("grün "));
    }
}
