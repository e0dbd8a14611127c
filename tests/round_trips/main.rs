//! Random rows → file → import → the same rows, on the same lines: in every format with every encoding and every compression,
//! in the dialects of CSV, with values on which readers fail.
//!
//! A sample makes the same choices each time; `IMPORTERD_SEED` makes others, and `IMPORTERD_PROOF=full` many.

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../harness/loader.rs"]
mod loader;
#[path = "../proof/mod.rs"]
mod proof;

mod case;
mod cells;
mod csv;
mod database;
mod expected;
mod json;
mod plants;
mod text;
mod variant;

use case::{Case, Plant};
use database::Database;
use plants::PLANTS;
use variant::VARIANTS;

/// How many seeds a full run tries.
const ROUNDS: usize = 20;

/// How many cases share a database: what is done with many tables in it takes long.
const FEW: usize = 20;

/// A step through the variants that meets every format, packing and encoding soon.
const STEP: usize = 37;

/// Every case of these numbers, until one isn't as it must be.
fn first_difference(
    numbers: impl Iterator<Item = usize>,
    database: &mut Database,
    plant: Option<Plant>,
) -> Option<String> {
    for number in numbers {
        let case = Case::draw(number, proof::seed());
        let variant = case.variant;
        if let Err(why) = case.run(&format!("t{number}"), database, plant) {
            return Some(format!("IMPORTERD_SEED={}, case {number}, {variant:?}: {why}", proof::seed()));
        }
    }
    None
}

/// faults 47, 48, 52, 53, 56, 58, 59, 62
#[test]
fn rows_come_back_as_they_were_written() {
    let rounds = if proof::is_full() { ROUNDS } else { 1 };
    for round in 0..rounds {
        for few in 0..VARIANTS / FEW {
            let start = round * VARIANTS + few * FEW;
            assert_eq!(first_difference(start..start + FEW, &mut Database::sqlite(), None), None);
        }
    }
}

/// faults 47, 48, 56, 58, 59, 62
#[test]
fn rows_come_back_from_postgresql() {
    let Some(mut database) = Database::postgresql() else { return };
    let count = if proof::is_full() { VARIANTS } else { VARIANTS / 10 };
    assert_eq!(first_difference((0..count).map(|number| number * STEP), &mut database, None), None);
}

#[test]
fn what_readers_do_wrongly_is_noticed() {
    for (mistake, plant) in PLANTS {
        let found = first_difference(0..VARIANTS, &mut Database::sqlite(), Some(plant));
        assert!(found.is_some(), "{mistake}: nothing was noticed");
    }
}
