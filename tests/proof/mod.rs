//! What the proofs share: how much is to be tried, by which choices, and the table of what came of it.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::print_stderr, reason = "a proof says what it has shown")]

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::OnceLock;

/// A row of the table.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub name: String,
    /// Kills, errors, power cuts, or steps of a model.
    pub faults: u64,
    /// How often everything was looked at.
    pub states: u64,
    pub lost: u64,
    pub doubled: u64,
    pub half: u64,
    pub note: String,
}

impl Row {
    /// With nothing in it yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Says it, and enters it in the file `IMPORTERD_TABLE`.
    pub fn enter(&self) {
        let Self { name, faults, states, lost, doubled, half, note } = self;
        enter(&format!("{name}\t{faults}\t{states}\t{lost}\t{doubled}\t{half}\t{note}"));
    }
}

/// A negative control: something was spoilt on purpose, and must have been found.
pub fn control(name: &str, faults: u64, states: u64, caught: bool) {
    let note = if caught { "caught" } else { "NOT CAUGHT" };
    let row = Row { faults, states, note: note.to_owned(), ..Row::new(format!("control: {name}")) };
    row.enter();
    assert!(caught, "{name}: nothing was found, so the proof proves nothing");
}

/// One write, so that proofs that run at the same time share the file.
fn enter(line: &str) {
    eprintln!("{line}");
    let Some(path) = std::env::var_os("IMPORTERD_TABLE") else { return };
    let mut table = OpenOptions::new().create(true).append(true).open(path).expect("open the table");
    table.write_all(format!("{line}\n").as_bytes()).expect("write the table");
}

/// Whether everything is to be tried (`IMPORTERD_PROOF=full`), or a sample that CI has time for.
pub fn is_full() -> bool {
    std::env::var("IMPORTERD_PROOF").is_ok_and(|proof| proof == "full")
}

/// `IMPORTERD_SEED` repeats the choices of a run. Otherwise a sample makes the same ones each time, so that it fails for
/// what was changed and not by chance; a full run makes new ones.
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    let chosen = || std::env::var("IMPORTERD_SEED").ok().map(|seed| seed.parse().expect("a number"));
    *SEED.get_or_init(|| chosen().unwrap_or_else(|| if is_full() { fastrand::u64(..) } else { 1 }))
}
