//! clearpoint-sync keeps a SQL copy of a ClearPoint Strategy account true, and tells its operators
//! before an API key lapses.
//!
//! The data's journey, and this crate's map:
//!
//! ```text
//! config ─▶ schedule ─▶ door ─▶ pull ─▶ snapshot ─▶ reconcile ─▶ plan ─▶ limits ─▶ store
//!                        │ key refused, account changed                              │
//!                        └──▶ watch ─▶ warning ─▶ log, targets                       └──▶ board ─▶ server, status
//! ```
//!
//! A module may use modules on lower floors only; floor-0 words may name each other; edges never use
//! edges. `tests/tidy.rs` reads the comments below and names each offence.

// Floor 0: words. Plain data: no I/O, and nobody reads a clock but `clock`.
pub mod board;
pub mod causes;
pub mod clock;
pub mod element;
pub mod fingerprint;
pub mod key;
pub mod kind;
pub mod memory;
pub mod name;
pub mod network;
pub mod plan;
pub mod run;
pub mod snapshot;
pub mod stamp;
pub mod status;
pub mod target;
pub mod traffic;
pub mod version;
pub mod warning;

// Floor 1: rules. Pure functions: `now` and random numbers are arguments.
pub mod expiry;
pub mod gate;
pub mod limits;
pub mod quiet;
pub mod reconcile;
pub mod retry;
pub mod rotation;
pub mod schedule;
pub mod tolerate;
pub mod trust;
pub mod values;

// Floor 2: settings and scratch.
pub mod config;
pub mod file;
pub mod https;
pub mod spool;
pub mod task;

// Floor 3: edges. Each wraps one outside thing and never uses another.
pub mod metrics;
pub mod notify;
pub mod pull;
pub mod secrets;
pub mod store;
pub mod systemd;
pub mod telemetry;

// Floor 4: jobs. One pass, start to end.
pub mod cycle;
pub mod deliver;
pub mod probe;
pub mod publish;
pub mod survey;
pub mod watch;

// Floor 5: services.
pub mod daemon;
pub mod server;
pub mod simulator;

// Floor 6: assembly.
pub mod app;
pub mod cli;
