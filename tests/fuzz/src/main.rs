//! Files and settings as nobody would write them, made by libFuzzer from those that are kept in `tests/data/fuzz`: what is taken
//! of them must be what another reader sees, and nothing may panic, hang or take much memory.
//!
//! `IMPORTERD_FUZZ` says which target; `IMPORTERD_FUZZ_PLANT` spoils what importerd read, which must be noticed.

#![no_main]

mod csv;
mod input;
mod json;
mod literal;
mod packed;
mod settings;
mod table;
mod text;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

type Look = fn(&[u8]);

/// The targets by name.
const TARGETS: [(&str, Look); 8] = [
    ("csv", csv::look),
    ("json", json::look_at_document),
    ("literal", literal::look),
    ("ndjson", json::look_at_lines),
    ("packed", packed::look),
    ("settings", settings::look),
    ("table", table::look),
    ("text", text::look),
];

static TARGET: LazyLock<Look> = LazyLock::new(|| {
    let name = std::env::var("IMPORTERD_FUZZ").expect("IMPORTERD_FUZZ names a target");
    TARGETS.iter().find(|(target, _)| *target == name).unwrap_or_else(|| panic!("no target {name}")).1
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
