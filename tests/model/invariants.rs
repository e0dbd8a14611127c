//! What always holds, and how everything ends.

use stateright::Property;

use crate::carry::ATTEMPTS_MAX;
use crate::disk::{Directory, Output};
use crate::ledger::{Marker, Row, State};
use crate::protocol::{Action, Protocol};
use crate::scenario::{Duplicates, Kind, Work};
use crate::world::World;

/// No run without faults takes as many steps.
const STEPS_MAX: usize = 400;

pub const NOTHING_LOST: &str = "no file is lost";
pub const ROWS_ONCE: &str = "rows are there once or not at all";
pub const ROWS_MARKED: &str = "rows and load marker are there together";
pub const RESULTS_ONCE: &str = "results are published once, and never half a file";
pub const NUMBERS_ONCE: &str = "no number is given to two files";
pub const ARCHIVED_DONE: &str = "only what is done is archived";
pub const REFUSED_ENTERED: &str = "only what the ledger calls refused is quarantined";
pub const TOLD_STAYS: &str = "what was told to be committed stays so";
pub const ONE_HAND: &str = "no file is in two hands";
pub const WHOLE: &str = "only whole files are committed";
pub const ENDS_WELL: &str = "where nothing more happens, all is done once";
pub const RECOVERS: &str = "a start without faults brings all to its end";

/// An example, not a promise.
pub const SOME_END: &str = "all comes to its end";

/// All of them.
pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(NOTHING_LOST, |_: &Protocol, world: &World| {
            world.disk.files().all(|file| !world.disk.is_in(file, Directory::Lost))
        }),
        Property::always(ROWS_ONCE, rows_once),
        Property::always(ROWS_MARKED, |_: &Protocol, world: &World| world.target.rows == world.target.markers),
        Property::always(RESULTS_ONCE, results_once),
        Property::always(NUMBERS_ONCE, |_: &Protocol, world: &World| !world.given_twice),
        Property::always(ARCHIVED_DONE, archived_done),
        Property::always(REFUSED_ENTERED, |_: &Protocol, world: &World| {
            let is_entered = |file| world.ledger.now().rows().iter().any(|row| is_of(*row, file, State::Quarantined));
            world.disk.names(Directory::Quarantine).into_iter().all(is_entered)
        }),
        Property::always(TOLD_STAYS, told_stays),
        Property::always(ONE_HAND, |_: &Protocol, world: &World| world.disk.files().all(|file| world.hands(file) <= 1)),
        Property::always(WHOLE, |_: &Protocol, world: &World| !world.torn),
        Property::always(ENDS_WELL, |protocol: &Protocol, world: &World| {
            let mut actions = Vec::new();
            protocol.undisturbed(world, &mut actions);
            !actions.is_empty() || is_well(protocol, world)
        }),
        Property::always(RECOVERS, recovers),
        Property::sometimes(SOME_END, |protocol: &Protocol, world: &World| {
            world.disk.files().all(|file| ends_well(protocol, world, file))
        }),
    ]
}

fn is_of(row: Row, file: u8, state: State) -> bool {
    row.file == file && row.state == state
}

fn rows_once(protocol: &Protocol, world: &World) -> bool {
    let rows = &world.target.rows;
    let is_alone = |at: usize, row: Marker| rows[at + 1..].iter().all(|other| !is_same(protocol, row, *other));
    rows.iter().enumerate().all(|(at, row)| is_alone(at, *row))
}

/// Whether only one of the two may have rows.
fn is_same(protocol: &Protocol, one: Marker, other: Marker) -> bool {
    are_same(protocol, (one.file, one.version), (other.file, other.version))
}

fn are_same(protocol: &Protocol, one: (u8, u8), other: (u8, u8)) -> bool {
    let content = |(file, version)| World::content(&protocol.scenario, file, version);
    one == other || (protocol.scenario.duplicates == Duplicates::ByContent && content(one) == content(other))
}

fn results_once(protocol: &Protocol, world: &World) -> bool {
    let published: Vec<&Output> = world.disk.outputs.iter().filter(|output| output.is_published()).collect();
    let is_alone = |at: usize, one: &Output| {
        published[at + 1..]
            .iter()
            .all(|other| !are_same(protocol, (one.file, one.version), (other.file, other.version)))
    };
    published.iter().enumerate().all(|(at, output)| !output.is_half && is_alone(at, output))
}

/// Its rows are in, or those of the same bytes; a command's results are entered.
fn archived_done(protocol: &Protocol, world: &World) -> bool {
    world.disk.names(Directory::Archive).into_iter().all(|file| {
        let bytes = (file, world.version(file));
        match protocol.scenario.work {
            Work::Import => world.target.markers.iter().any(|m| are_same(protocol, (m.file, m.version), bytes)),
            Work::Run => world.ledger.now().rows().iter().any(|row| {
                (row.file, row.version) == bytes && !matches!(row.state, State::Deferred | State::Quarantined)
            }),
        }
    })
}

fn told_stays(protocol: &Protocol, world: &World) -> bool {
    world.told.iter().all(|&(file, version)| match protocol.scenario.work {
        Work::Import => world.target.marker(file, version).is_some(),
        Work::Run => world.ledger.now().rows().iter().any(|row| {
            (row.file, row.version) == (file, version) && matches!(row.state, State::Committed | State::Archived)
        }),
    })
}

/// Every file lies where it should, with its rows or results, which are whole.
fn is_well(protocol: &Protocol, world: &World) -> bool {
    let is_whole = world.disk.outputs.iter().all(|output| !output.is_published() || output.is_whole());
    is_whole && world.disk.files().all(|file| ends_well(protocol, world, file))
}

fn ends_well(protocol: &Protocol, world: &World, file: u8) -> bool {
    let is_refused = world.disk.is_in(file, Directory::Quarantine);
    match World::kind(&protocol.scenario, file) {
        Kind::Bad | Kind::Failing => is_refused,
        Kind::Good if is_refused => charges(protocol, world) >= ATTEMPTS_MAX,
        Kind::Flaky if is_refused => charges(protocol, world) + 1 >= ATTEMPTS_MAX,
        Kind::Good | Kind::Flaky => world.disk.is_in(file, Directory::Archive) && is_done(protocol, world, file),
    }
}

/// How many attempts may have been charged to a file for what others did: a panic, and for a command a writer.
fn charges(protocol: &Protocol, world: &World) -> u8 {
    let (had, left) = (protocol.scenario.faults, world.faults_left);
    let writers = if protocol.scenario.work == Work::Run { had.writers - left.writers } else { 0 };
    writers + had.panics - left.panics
}

/// Its rows or results are there, or those of the same bytes.
fn is_done(protocol: &Protocol, world: &World, file: u8) -> bool {
    let is_its = |of, version| are_same(protocol, (of, version), (file, world.version(file)));
    match protocol.scenario.work {
        Work::Import => world.target.rows.iter().any(|row| is_its(row.file, row.version)),
        Work::Run => {
            let outputs = &world.disk.outputs;
            outputs.iter().any(|output| output.is_whole() && is_its(output.file, output.version))
        }
    }
}

/// From where nothing runs, the first of what can happen is done again and again: neither stuck nor for ever.
fn recovers(protocol: &Protocol, world: &World) -> bool {
    if world.daemons.iter().any(Option::is_some) {
        return true;
    }
    let mut world = world.clone();
    let mut actions: Vec<Action> = Vec::new();
    for _ in 0..STEPS_MAX {
        actions.clear();
        protocol.undisturbed(&world, &mut actions);
        let Some(action) = actions.pop() else { return is_well(protocol, &world) };
        world = protocol.after(&world, &action);
    }
    false
}
