//! Recover: the steps of `stages::{reconcile, recover}`.

use crate::carry::{archive_all, claimed, defer, publish_all};
use crate::disk::{Directory, Place, Staging};
use crate::ledger::{Durability, Marker, Row, State};
use crate::scenario::{Scenario, Work, Wrong};
use crate::step::{At, Step};
use crate::world::Claimed;

/// `Carrier::recover_slot`: reconcile, then what is in the slot.
pub fn steps(scenario: &Scenario) -> Vec<Step> {
    let asks = scenario.work == Work::Import && scenario.wrong != Wrong::TargetNotAsked;
    let learn = asks.then_some(Step::LearnMarkers);
    let rest = [
        Step::FinishUnplaced(State::Committed),
        Step::FinishUnplaced(State::Duplicate),
        Step::UndoAttempts,
        Step::List,
        Step::ArchiveDone,
        Step::EndRecovery,
        Step::CarryAgain,
    ];
    learn.into_iter().chain(rest).collect()
}

pub fn step(at: &mut At<'_>, step: Step) {
    match step {
        Step::LearnMarkers => learn_markers(at),
        Step::NeverAgain(number) => never_again(at, number),
        Step::Learn(marker) => learn(at, marker),
        Step::FinishUnplaced(state) => finish_unplaced(at, state),
        Step::Look(row) => look(at, row),
        Step::TakeFromInbox(row) => take_from_inbox(at, row),
        Step::EnterMoved => {
            let moved = std::mem::take(&mut at.me().moved);
            let flushes = !moved.is_empty() && at.scenario.wrong != Wrong::FoundArchivedUnflushed;
            let flush = flushes.then_some(Step::FlushFound);
            at.first(flush.into_iter().chain(moved.into_iter().map(Step::EnterFound)));
        }
        // `archive::flush`, and each slot
        Step::FlushFound => at.world.disk.flush(Directory::Archive),
        // `Ledger::found_archived`
        Step::EnterFound(number) => at.world.ledger.write(Durability::Lazy, |page| page.archived(number, true)),
        Step::UndoAttempts => undo_attempts(at),
        Step::List => list(at),
        Step::Find(file) => find(at, file),
        Step::FindKnown(file, row) => find_known(at, file, row),
        Step::ArchiveDone => {
            let done = std::mem::take(&mut at.me().done);
            let archive = archive_all(at, &done, &[]);
            at.first(archive);
        }
        Step::EndRecovery => end(at),
        Step::CarryAgain => {
            let again = std::mem::take(&mut at.me().again);
            let commit = (!again.is_empty()).then_some(Step::Commit);
            at.first(again.into_iter().map(Step::Work).chain(commit));
        }
        other => unreachable!("a step of carrying: {other:?}"),
    }
}

/// `Carrier::learn_markers`
fn learn_markers(at: &mut At<'_>) {
    let page = at.world.ledger.now();
    let ended = |marker: &Marker| page.by_number(marker.number).is_some_and(|row| row.state != State::Deferred);
    let news: Vec<Marker> = at.world.target.markers.iter().filter(|marker| !ended(marker)).copied().collect();
    let newest = news.iter().map(|marker| marker.number).max();
    let skip = newest.map(Step::NeverAgain);
    at.first(skip.into_iter().chain(news.into_iter().map(Step::Learn)));
}

/// `Ledger::never_again`
fn never_again(at: &mut At<'_>, number: u8) {
    if at.scenario.wrong == Wrong::NumbersReservedLazily {
        return;
    }
    at.world.ledger.write(Durability::Flushed, |page| page.skip_past(number));
    let (next, end) = at.memory().numbers;
    at.memory().numbers = (next.max(number + 1).min(end.max(next)), end);
}

/// `Carrier::learn`
fn learn(at: &mut At<'_>, marker: Marker) {
    let Marker { number, file, version, name } = marker;
    let row = Row { number, file, version, name, state: State::Committed, attempts: 0, is_placed: false };
    let is_news = at.world.ledger.write(Durability::Lazy, |page| {
        let is_news = page.by_number(number).is_none_or(|row| row.state == State::Deferred);
        if is_news {
            page.enter(row);
        }
        is_news
    });
    if is_news {
        at.world.tell(file, version);
    }
}

/// `Carrier::finish_unplaced`
fn finish_unplaced(at: &mut At<'_>, state: State) {
    let rows = at.world.ledger.now().unplaced(state);
    at.first(rows.into_iter().map(Step::Look).chain([Step::EnterMoved, Step::ArchiveDone]));
}

/// `reconcile::is_there`
fn is_there(at: &At<'_>, directory: Directory, row: Row) -> Option<u8> {
    let found = at.world.disk.at(Place { directory, name: row.name })?;
    let is_it = (found, at.world.version(found)) == (row.file, row.version) || at.scenario.wrong == Wrong::KnownByName;
    is_it.then_some(found)
}

/// `Carrier::slot_of`, `publish_again`; then `take_from_inbox`, or it was moved.
fn look(at: &mut At<'_>, row: Row) {
    let slot = (0..at.scenario.processors).find(|slot| is_there(at, Directory::Slot(*slot), row).is_some());
    let publish = publish_again(at, row);
    match slot {
        None => at.first(publish.into_iter().chain([Step::TakeFromInbox(row)])),
        Some(slot) if slot == at.slot && at.scenario.wrong != Wrong::PublishedWithItsFile => at.first(publish),
        Some(_) => {}
    }
}

/// `Carrier::publish_again`
fn publish_again(at: &mut At<'_>, row: Row) -> Vec<Step> {
    let is_left = at.world.disk.output(row.number).is_some_and(|output| output.staging == Staging::There);
    let publishes = is_left && row.state == State::Committed && at.scenario.wrong != Wrong::NotPublishedAgain;
    if publishes { publish_all(&[row.number]) } else { Vec::new() }
}

fn take_from_inbox(at: &mut At<'_>, row: Row) {
    let Some(file) = is_there(at, Directory::Inbox, row) else {
        return at.me().moved.push(row.number);
    };
    if at.scenario.wrong == Wrong::TakenBackByName
        && at.world.disk.at(Place { directory: Directory::Slot(at.slot), name: row.name }).is_some()
    {
        // The folder is held, and tried again to the same end.
        return at.first([Step::TakeFromInbox(row)]);
    }
    at.world.disk.rename_numbered(file, Directory::Slot(at.slot));
    let name = at.world.disk.place(file).expect("it was dropped").name;
    at.me().done.push(Claimed { file, name, ..from_row(row) });
}

/// `Carrier::undo_attempts`
fn undo_attempts(at: &mut At<'_>) {
    let page = at.world.ledger.now();
    let is_undone = |number| page.by_number(number).is_none_or(|row| row.state != State::Committed);
    let slot = at.slot;
    let outputs = at.world.disk.outputs.iter();
    let left = outputs.filter(|output| output.slot == slot && output.staging == Staging::There);
    let undone: Vec<u8> = left.map(|output| output.number).filter(|number| is_undone(*number)).collect();
    for number in undone {
        at.world.disk.discard(number);
    }
}

fn list(at: &mut At<'_>) {
    let files = at.world.disk.names(Directory::Slot(at.slot));
    at.first(files.into_iter().map(Step::Find));
}

/// `Carrier::found` and `found_open`: what ledger and target know of it, and whether somebody has it open.
fn find(at: &mut At<'_>, file: u8) {
    if !at.world.disk.is_in(file, Directory::Slot(at.slot)) {
        return;
    }
    let version = at.world.version(file);
    let row = at.world.ledger.now().by_identity(file, version);
    let asks = at.scenario.work == Work::Import && at.scenario.wrong != Wrong::TargetNotAsked;
    let marker = at.world.target.marker(file, version).filter(|_| asks);
    let news = marker.filter(|marker| {
        row.is_none_or(|row| {
            marker.number > row.number || (marker.number == row.number && row.state == State::Deferred)
        })
    });
    let is_done = news.is_some()
        || row.is_some_and(|row| matches!(row.state, State::Committed | State::Archived | State::Duplicate));
    if at.world.is_written(file) && (!is_done || at.scenario.wrong == Wrong::GivenBackThoughDone) {
        return at.first([Step::GiveBack(file)]);
    }
    match news {
        Some(marker) => {
            let learned = Row {
                number: marker.number,
                file,
                version,
                name: marker.name,
                state: State::Committed,
                attempts: 0,
                is_placed: false,
            };
            at.first([Step::NeverAgain(marker.number), Step::Learn(marker), Step::FindKnown(file, Some(learned))]);
        }
        None => find_known(at, file, row),
    }
}

/// `Carrier::finish`: what was decided; else it is carried again.
fn find_known(at: &mut At<'_>, file: u8, row: Option<Row>) {
    let Some(row) = row else {
        let file = claimed(at, file);
        return cut_short(at, file);
    };
    let name = at.world.disk.place(file).expect("it was dropped").name;
    let found = Claimed { name, ..from_row(row) };
    match row.state {
        State::Committed => {
            at.me().done.push(found);
            if at.scenario.wrong == Wrong::PublishedWithItsFile {
                let publish = publish_again(at, row);
                at.first(publish);
            }
        }
        State::Archived | State::Duplicate => at.me().done.push(found),
        State::Deferred if at.world.is_due(file) || blames(at, found) => cut_short(at, found),
        State::Deferred => at.first([Step::PutBack(found)]),
        State::Quarantined => at.first([Step::MoveToQuarantine(found), Step::FlushQuarantine]),
    }
}

fn blames(at: &mut At<'_>, file: Claimed) -> bool {
    at.me().blame.is_some_and(|(name, _)| name == file.name)
}

/// `Carrier::cut_short`: only who crashed his Processor is charged.
fn cut_short(at: &mut At<'_>, file: Claimed) {
    match at.me().blame.take_if(|(name, _)| *name == file.name) {
        Some((_, number)) => defer(at, Claimed { number, ..file }),
        None => at.me().again.push(file),
    }
}

/// `recover::from_row`
fn from_row(row: Row) -> Claimed {
    let Row { number, file, version, name, attempts, .. } = row;
    Claimed { number, file, version, name, attempts }
}

/// `Tree::start`: one slot after the other, then the Scanners.
fn end(at: &mut At<'_>) {
    let scenario = at.scenario;
    at.me().is_open = true;
    at.me().blame = None;
    let memory = at.memory();
    match memory.processors.iter_mut().find(|processor| !processor.is_open && processor.todo.is_empty()) {
        Some(next) if !memory.is_ready => next.first(steps(scenario)),
        Some(_) => {}
        None => memory.is_ready = memory.processors.iter().all(|processor| processor.is_open),
    }
}
