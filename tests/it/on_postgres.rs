//! The promises of the program that the store has a part in, kept in a database on a real PostgreSQL: the same
//! tests, at a bench with another store.

#![allow(clippy::duplicate_mod, reason = "the same tests, at another bench")]

#[path = "alike.rs"]
mod alike;
#[path = "crash.rs"]
mod crash;
#[path = "evidence.rs"]
mod evidence;
#[path = "failing.rs"]
mod failing;
#[expect(dead_code, reason = "some of it is for tests that stay with a file")]
#[path = "harness.rs"]
mod harness;
#[path = "held.rs"]
mod held;
#[path = "incremental.rs"]
mod incremental;
#[path = "kill.rs"]
mod kill;
#[path = "mirror.rs"]
mod mirror;
#[path = "odd.rs"]
mod odd;
#[path = "worlds.rs"]
mod worlds;
