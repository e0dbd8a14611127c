//! `importerd`: a supervised drop-folder service.
//!
//! A file's way, and who knows how each stage is done:
//!
//! ```text
//! inbox/ ──settle──▶ claim ──▶ active/ ──process──▶ commit ──▶ rows or results ──archive──▶ archive/
//!        folder::inbox   folder::claim   import | run                        folder::archive
//! ```
//!
//! *When* a stage runs is decided in the crate `importerd-actors`; this crate knows *how*.

pub mod events;
pub mod exit;
pub mod fault;
pub mod file;
pub mod pattern;
pub mod settings;

pub mod folder;
pub mod import;
pub mod ledger;
pub mod rebuild;
pub mod run;
pub mod stages;

pub mod cli;
pub mod control;
pub mod daemon;
pub mod log;
pub mod pulse;
pub mod room;
pub mod systemd;
pub mod write_back;
