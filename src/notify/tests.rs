//! What targets receive.
