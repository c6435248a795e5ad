//! Tells the compiler which commit is built, for `src/version.rs`, and the linker how small it may write the
//! program. Asks `git` anew only when the commit changes; whether files differ from it is not asked.
//!
//! Where there is no repository (a container build, a tarball), `CLEARPOINT_SYNC_COMMIT` says it as
//! `git show -s --format='%h %cs'` does: `1a2b3c4 2026-11-23`. With neither, the version stands alone.

#![expect(clippy::disallowed_methods, reason = "cargo tells a build script everything by variables")]

use std::env;
use std::path::Path;
use std::process::Command;

const OVERRIDE: &str = "CLEARPOINT_SYNC_COMMIT";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={OVERRIDE}");
    let told = env::var(OVERRIDE).ok().filter(|told| !told.trim().is_empty());
    let commit = told.or_else(commit_of_repository).unwrap_or_default();
    // The date is the commit's, not today's: the same commit always builds the same program.
    let (hash, date) = commit.trim().split_once(' ').unwrap_or((commit.trim(), ""));
    println!("cargo::rustc-env=BUILD_COMMIT={hash}");
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    let version = match (hash, date) {
        ("", _) => version,
        (hash, "") => format!("{version} ({hash})"),
        (hash, date) => format!("{version} ({hash} {date})"),
    };
    println!("cargo::rustc-env=BUILD_VERSION={version}");
    if knows_packed_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether the C library that the program will run with, or that is linked in, reads relocations packed,
/// which take a megabyte less: glibc from 2.36 on. An older one would not start the program.
fn knows_packed_relocations() -> bool {
    let is_for_here = env::var("HOST") == env::var("TARGET");
    let version = output(Command::new("getconf").arg("GNU_LIBC_VERSION")).filter(|_| is_for_here);
    version.is_some_and(|version| {
        let numbers = version.trim_start_matches("glibc ").split('.').map(|number| number.parse().ok());
        numbers.collect::<Option<Vec<u32>>>() >= Some(vec![2, 36])
    })
}

/// The short hash and date of the commit that is checked out; `None` where this is not its repository.
fn commit_of_repository() -> Option<String> {
    let root = git(&["rev-parse", "--show-toplevel"])?;
    // An unpacked tarball may lie inside another project's repository.
    if Path::new(&root).canonicalize().ok()? != Path::new(".").canonicalize().ok()? {
        return None;
    }
    // The reflog tells a new commit where `HEAD` goes on naming the same branch. A file that is not
    // there would make cargo ask again at every build.
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["show", "-s", "--format=%h %cs", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    output(Command::new("git").args(arguments))
}

/// What a command that succeeds prints.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
