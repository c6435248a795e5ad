//! Several daemons on one database: they share the work, and one that dies, stands still or is cut off
//! neither keeps it nor spoils it.

mod a_real_postgres;
mod forwarder;
