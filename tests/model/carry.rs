//! Claim, process, commit, archive: the steps of `stages::{carrier, process, commit, aside}`.

use crate::disk::{Directory, Moved, Output, Place, Staging};
use crate::ledger::{Durability, Marker, Row, State};
use crate::scenario::{Duplicates, Kind, Scenario, Work, Wrong};
use crate::step::{At, Step};
use crate::world::{Claimed, Daemon, Deferral, Outcome, World};

/// `Folder::attempts_max`, small.
pub const ATTEMPTS_MAX: u8 = 2;
/// `ids::BLOCK`, small.
const BLOCK: u8 = 8;

type Files = Vec<(Claimed, Outcome)>;

pub fn step(at: &mut At<'_>, step: Step) {
    match step {
        Step::Seal(file) => seal(at, file),
        Step::GiveBack(file) => at.world.disk.rename_numbered(file, Directory::Inbox),
        Step::Work(file) => work(at, file),
        Step::EnterDeferred(file) => enter_deferred(at, file),
        Step::PutBack(file) => put_back(at, file),
        Step::EnterQuarantined(file) => enter(at, file, State::Quarantined, Durability::Flushed),
        Step::MoveToQuarantine(file) => at.world.disk.rename_numbered(file.file, Directory::Quarantine),
        Step::FlushQuarantine => flush_with_slot(at, Directory::Quarantine),
        Step::Commit => commit(at),
        Step::CommitRows(files) => commit_rows(at, files),
        Step::CommitMarkers(files) => commit_markers(at, &files),
        Step::Judge(files) => judge(at, files),
        Step::EnterCommitted(durability, files, unentered) => enter_committed(at, durability, files, &unentered),
        Step::Publish(number, result) => publish(at, number, result),
        Step::FlushResults => at.world.disk.flush_results(),
        Step::Discard(number) => at.world.disk.discard(number),
        // `archive::Day::put`
        Step::MoveToArchive(file) => at.world.disk.rename_numbered(file.file, Directory::Archive),
        // `archive::Day::flush` and `carrier::flush_slots`
        Step::FlushArchive => flush_with_slot(at, Directory::Archive),
        Step::EnterArchived(known, unentered) => enter_archived(at, &known, &unentered),
        other => unreachable!("a step of recovery: {other:?}"),
    }
}

/// `folder::claim::claim`: the rename. The name may be another file's by now, or be taken in the slot.
pub fn claim(at: &mut At<'_>, file: u8) {
    let name = at.world.disk.place(file).expect("it was dropped").name;
    let place = Place { directory: Directory::Slot(at.slot), name };
    if at.scenario.wrong == Wrong::ClaimReplaces {
        at.world.disk.replace(file, place);
    } else if !at.world.disk.rename(file, place) {
        return;
    }
    at.first([Step::Seal(file)]);
}

/// Whether the Scanner offers it, and `claim` would take it.
pub fn is_claimable(scenario: &Scenario, world: &World, daemon: &Daemon, slot: u8, file: u8) -> bool {
    let Some(place) = world.disk.place(file) else { return false };
    let is_free = || world.disk.at(Place { directory: Directory::Slot(slot), ..place }).is_none();
    let waits = || daemon.deferrals.iter().any(|known| known.file == file) && !world.is_due(file);
    place.directory == Directory::Inbox
        && !world.is_written(file)
        && !waits()
        && (scenario.wrong == Wrong::ClaimReplaces || is_free())
}

/// `folder::claim::seal`, then `Carrier::claimed`.
fn seal(at: &mut At<'_>, file: u8) {
    if at.world.is_written(file) {
        return at.first([Step::GiveBack(file)]);
    }
    let claimed = claimed(at, file);
    at.first([Step::Work(claimed)]);
}

/// `Carrier::claimed`: with the number that it has or gets.
pub fn claimed(at: &mut At<'_>, file: u8) -> Claimed {
    let name = at.world.disk.place(file).expect("it was dropped").name;
    let version = at.world.version(file);
    let known = at.memory().deferrals.iter().position(|known| known.file == file);
    if let Some(known) = known {
        let Deferral { number, attempts, .. } = at.memory().deferrals.remove(known);
        return Claimed { number, file, version, name, attempts };
    }
    Claimed { number: next_number(at, file), file, version, name, attempts: 0 }
}

/// `Ledger::next_id`
fn next_number(at: &mut At<'_>, file: u8) -> u8 {
    let (next, end) = at.memory().numbers;
    let (next, end) = if next < end {
        (next, end)
    } else {
        let lazily = at.scenario.wrong == Wrong::NumbersReservedLazily;
        let durability = if lazily { Durability::Lazy } else { Durability::Flushed };
        let first = at.world.ledger.write(durability, |page| page.reserve(BLOCK));
        (first, first + BLOCK)
    };
    at.memory().numbers = (next + 1, end);
    let world = &mut *at.world;
    world.given_twice |= world.given.iter().any(|given| given.0 == next && given.1 != file);
    if !world.given.contains(&(next, file)) {
        world.given.push((next, file));
    }
    next
}

/// `Carrier::process_one`
fn work(at: &mut At<'_>, file: Claimed) {
    let is_run = at.scenario.work == Work::Run;
    if is_run && done_before(at, file) {
        return at.me().ready.push((file, Outcome::Duplicate));
    }
    let fails = match World::kind(at.scenario, file.file) {
        Kind::Good => false,
        Kind::Bad => return refuse(at, file),
        Kind::Flaky => file.attempts == 0,
        Kind::Failing => true,
    };
    if !is_whole(at, file) {
        return if is_run { defer(at, file) } else { at.first([Step::PutBack(file)]) };
    }
    if fails {
        return defer(at, file);
    }
    if is_run {
        let (slot, number) = (at.slot, file.number);
        at.world.disk.make_room(number);
        let output = Output {
            number,
            file: file.file,
            version: file.version,
            slot,
            staging: Staging::There,
            sealed: false,
            is_half: false,
            moved: [Moved::No; 2],
        };
        at.world.disk.outputs.push(output);
    }
    at.me().ready.push((file, if is_run { Outcome::Produced } else { Outcome::Checked }));
}

/// `Sealed::is_whole`: the lease was not broken.
fn is_whole(at: &At<'_>, file: Claimed) -> bool {
    at.scenario.wrong == Wrong::LeaseGivenUp || !at.world.is_written(file.file)
}

/// `Carrier::defer`
pub fn defer(at: &mut At<'_>, file: Claimed) {
    if file.attempts + 1 >= ATTEMPTS_MAX {
        return refuse(at, file);
    }
    at.first([Step::EnterDeferred(Claimed { attempts: file.attempts + 1, ..file })]);
}

fn enter_deferred(at: &mut At<'_>, file: Claimed) {
    enter(at, file, State::Deferred, Durability::Flushed);
    at.world.due[usize::from(file.file)] = false;
    at.first([Step::PutBack(file)]);
}

/// `aside::put_back`: first the wait, then the move.
fn put_back(at: &mut At<'_>, file: Claimed) {
    let deferral = Deferral { file: file.file, number: file.number, attempts: file.attempts };
    at.memory().deferrals.push(deferral);
    at.memory().deferrals.sort_by_key(|known| known.file);
    at.world.disk.rename_numbered(file.file, Directory::Inbox);
}

/// `Carrier::quarantine`
fn refuse(at: &mut At<'_>, file: Claimed) {
    let (enter, go) = (Step::EnterQuarantined(file), Step::MoveToQuarantine(file));
    if at.scenario.wrong == Wrong::QuarantinedBeforeEntered {
        at.first([go, Step::FlushQuarantine, enter]);
    } else {
        at.first([enter, go, Step::FlushQuarantine]);
    }
}

fn enter(at: &mut At<'_>, file: Claimed, state: State, durability: Durability) {
    let row = row(file, state, state == State::Quarantined);
    at.world.ledger.write(durability, |page| page.enter(row));
}

fn row(file: Claimed, state: State, is_placed: bool) -> Row {
    let Claimed { number, file, version, name, attempts } = file;
    Row { number, file, version, name, state, attempts, is_placed }
}

fn flush_with_slot(at: &mut At<'_>, directory: Directory) {
    at.world.disk.flush(directory);
    at.world.disk.flush(Directory::Slot(at.slot));
}

/// `Carrier::still_whole`, then `commit_rows` or `commit_results`.
fn commit(at: &mut At<'_>) {
    let ready = std::mem::take(&mut at.me().ready);
    let (whole, broken): (Files, Files) = ready.into_iter().partition(|(file, _)| is_whole(at, *file));
    if !whole.is_empty() {
        let next = match at.scenario.work {
            Work::Import => Step::CommitRows(whole),
            Work::Run => Step::Judge(whole),
        };
        at.first([next]);
    }
    for (file, outcome) in broken {
        match outcome {
            // `Carrier::redo`: the command may be the one who writes.
            Outcome::Produced => {
                at.world.disk.discard(file.number);
                defer(at, file);
            }
            Outcome::Checked | Outcome::Duplicate => at.first([Step::PutBack(file)]),
        }
    }
}

/// `Import::commit_together`: one transaction for the batch.
fn commit_rows(at: &mut At<'_>, mut files: Files) {
    for (file, outcome) in &mut files {
        let Claimed { number, file: which, version, name, .. } = *file;
        let marker = Marker { number, file: which, version, name };
        let content = World::content(at.scenario, which, version);
        let is_same = |other: &Marker| World::content(at.scenario, other.file, other.version) == content;
        let target = &at.world.target;
        if target.markers.iter().any(|there| there.number == number) {
            continue;
        }
        if at.scenario.duplicates == Duplicates::ByContent && target.markers.iter().any(is_same) {
            *outcome = Outcome::Duplicate;
            continue;
        }
        at.world.torn |= at.world.version(which) != version;
        at.world.target.rows.push(marker);
        if at.scenario.wrong != Wrong::MarkerApart {
            at.world.target.markers.push(marker);
        }
    }
    let apart = (at.scenario.wrong == Wrong::MarkerApart).then_some(Step::CommitMarkers(files.clone()));
    let rest = enter_rows(at, files);
    at.first(apart.into_iter().chain(rest));
}

/// `Carrier::enter_rows`: what recovery would learn from its marker alone is entered when it is archived.
fn enter_rows(at: &At<'_>, files: Files) -> Vec<Step> {
    let is_entered = |file: &Claimed| at.world.ledger.now().by_number(file.number).is_some();
    let (now, later): (Files, Files) =
        files.into_iter().partition(|(file, outcome)| *outcome == Outcome::Duplicate || is_entered(file));
    let later: Vec<Claimed> = later.into_iter().map(|(file, _)| file).collect();
    if now.is_empty() {
        return archive_all(at, &[], &later);
    }
    let has_duplicates = now.iter().any(|(_, outcome)| *outcome == Outcome::Duplicate);
    let durability = if has_duplicates { Durability::Flushed } else { Durability::Lazy };
    vec![Step::EnterCommitted(durability, now, later)]
}

fn commit_markers(at: &mut At<'_>, files: &Files) {
    for (file, outcome) in files {
        if *outcome == Outcome::Checked {
            let Claimed { number, file, version, name, .. } = *file;
            at.world.target.markers.push(Marker { number, file, version, name });
        }
    }
}

/// `Folder::done_before`
fn done_before(at: &At<'_>, file: Claimed) -> bool {
    let content = World::content(at.scenario, file.file, file.version);
    let is_done = |row: &Row| {
        matches!(row.state, State::Committed | State::Archived)
            && row.number != file.number
            && World::content(at.scenario, row.file, row.version) == content
    };
    at.scenario.duplicates == Duplicates::ByContent && at.world.ledger.now().rows().iter().any(is_done)
}

/// `Carrier::first_of_its_kind` for each, under `Folder::planned`, then `results::seal`. The lock is given back when
/// the ledger has it.
fn judge(at: &mut At<'_>, mut files: Files) {
    for index in 0..files.len() {
        let (file, outcome) = files[index];
        let content = |file: &Claimed| World::content(at.scenario, file.file, file.version);
        let in_batch = at.scenario.duplicates == Duplicates::ByContent
            && files[..index]
                .iter()
                .any(|(first, made)| *made == Outcome::Produced && content(first) == content(&file));
        if outcome == Outcome::Produced && (in_batch || done_before(at, file)) {
            at.world.disk.discard(file.number);
            files[index].1 = Outcome::Duplicate;
        }
    }
    for (file, outcome) in &files {
        if *outcome == Outcome::Produced {
            at.world.torn |= at.world.version(file.file) != file.version;
            if let Some(output) = at.world.disk.output(file.number) {
                output.sealed = at.scenario.wrong != Wrong::ResultsNotSealed;
            }
        }
    }
    if at.scenario.wrong != Wrong::JudgedTogether {
        at.memory().planned = Some(at.slot);
    }
    let lazily = at.scenario.wrong == Wrong::ResultsEnteredLazily;
    let durability = if lazily { Durability::Lazy } else { Durability::Flushed };
    let before = if at.scenario.wrong == Wrong::PublishedBeforeEntered { publications(&files) } else { Vec::new() };
    at.first(before.into_iter().chain([Step::EnterCommitted(durability, files, Vec::new())]));
}

/// `results::publish`: each result, one flush, then staging is removed.
fn publications(files: &Files) -> Vec<Step> {
    let made: Vec<u8> =
        files.iter().filter(|(_, outcome)| *outcome == Outcome::Produced).map(|(file, _)| file.number).collect();
    publish_all(&made)
}

pub fn publish_all(numbers: &[u8]) -> Vec<Step> {
    if numbers.is_empty() {
        return Vec::new();
    }
    let publish = numbers.iter().flat_map(|number| [0, 1].map(|result| Step::Publish(*number, result)));
    publish.chain([Step::FlushResults]).chain(numbers.iter().map(|number| Step::Discard(*number))).collect()
}

/// `Planned::publish`: what is gone from staging was moved before.
fn publish(at: &mut At<'_>, number: u8, result: usize) {
    if let Some(output) = at.world.disk.output(number)
        && output.staging == Staging::There
        && output.moved[result] == Moved::No
    {
        output.moved[result] = Moved::Unflushed;
    }
}

/// `Carrier::enter`: the ledger, then whoever hears of it.
fn enter_committed(at: &mut At<'_>, durability: Durability, files: Files, unentered: &[Claimed]) {
    let entered = |(file, outcome): &(Claimed, Outcome)| match outcome {
        Outcome::Duplicate => row(*file, State::Duplicate, false),
        Outcome::Checked | Outcome::Produced => row(*file, State::Committed, false),
    };
    at.world.ledger.write(durability, |page| files.iter().map(entered).for_each(|row| page.enter(row)));
    let slot = at.slot;
    at.memory().planned.take_if(|holder| *holder == slot);
    for (file, outcome) in &files {
        if *outcome != Outcome::Duplicate {
            at.world.tell(file.file, file.version);
        }
    }
    let published = at.scenario.wrong == Wrong::PublishedBeforeEntered;
    let publish = if published { Vec::new() } else { publications(&files) };
    let files: Vec<Claimed> = files.into_iter().map(|(file, _)| file).collect();
    let archive = archive_all(at, &files, unentered);
    at.first(publish.into_iter().chain(archive));
}

/// `Carrier::archive_all`
pub fn archive_all(at: &At<'_>, known: &[Claimed], unentered: &[Claimed]) -> Vec<Step> {
    if known.is_empty() && unentered.is_empty() {
        return Vec::new();
    }
    let moves = known.iter().chain(unentered).map(|file| Step::MoveToArchive(*file));
    let enter = Step::EnterArchived(known.to_vec(), unentered.to_vec());
    let rest = if at.scenario.wrong == Wrong::ArchivedBeforeFlushed {
        [enter, Step::FlushArchive]
    } else {
        [Step::FlushArchive, enter]
    };
    moves.chain(rest).collect()
}

fn enter_archived(at: &mut At<'_>, known: &[Claimed], unentered: &[Claimed]) {
    at.world.ledger.write(Durability::Lazy, |page| {
        for file in unentered {
            page.enter(row(*file, State::Archived, true));
        }
        for file in known {
            page.archived(file.number, false);
        }
    });
    for file in unentered {
        at.world.tell(file.file, file.version);
    }
}
