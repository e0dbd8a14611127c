//! Archive: done files move to where they stay, and the ledger says where.
//!
//! A crash between leaves a file that is in no slot, and that the ledger has as committed, or learns from its load marker:
//! recovery finds it in the archive by what it is. One that was not moved yet it finds in its slot, and comes back here.

use std::io;
use std::sync::Arc;

use importerd_actors::Halt;

use super::carrier::{Carrier, halt};
use super::file::{Done, SlotDirectory};
use crate::events::{Event, Kind};
use crate::fault::Fault;
use crate::folder::archive::Day;
use crate::ledger::{Archived, Entry, State, TAKEN_AWAY};
use crate::log::escape;

/// Where a file lies now, relative to its folder. `None`: its command has taken it away.
type Place = Option<String>;

impl Carrier {
    /// Moves done files to the archive, durably, then enters where they are, with all of them that is not entered yet.
    pub(super) fn archive_all(&self, folder: usize, files: &[Done]) -> Result<(), Halt> {
        let unentered = &self.folders[folder].unentered;
        let without_entry = files.iter().filter(|file| file.unentered.is_some());
        unentered.begin(self.slot, without_entry.map(|file| file.claimed.id).min());
        let (places, moved) = self.move_all(folder, files);
        // Those behind the last could not be moved; of them it is entered that they are committed.
        let places = places.iter().map(Some).chain(std::iter::repeat(None));
        let stories: Vec<_> = files.iter().zip(places).map(|(file, place)| Story::of(file, place)).collect();
        let entries: Vec<_> = stories.iter().filter_map(Story::entry).collect();
        let news = self.ledger.archived(&entries).map_err(|fault| halt(&fault))?;
        unentered.end(self.slot);
        self.journal.tell_all_entered(&news.into_iter().flatten().cloned().collect::<Vec<_>>());
        moved
    }

    /// Where the first of them lie now, as many as could be moved: all, unless something is said to be wrong.
    fn move_all(&self, folder: usize, files: &[Done]) -> (Vec<Place>, Result<(), Halt>) {
        let places = &self.folders[folder].places;
        let failed = |error| halt(&Fault::io(places.path.join("archive").display(), &error));
        let day = match Day::open(places) {
            Ok(day) => day,
            Err(error) => return (Vec::new(), Err(failed(error))),
        };
        let mut put = Vec::with_capacity(files.len());
        let moved = files.iter().try_for_each(|Done { claimed, .. }| {
            let place = day.put(&claimed.slot.descriptor, &claimed.name).map_err(|error| {
                halt(&Fault::io(format_args!("{}: archive {}", places.path.display(), escape(&claimed.name)), &error))
            })?;
            put.push(place.map(|place| escape(&place)));
            Ok(())
        });
        // Only a move that no power cut can undo is entered as done, and told. The old names first: btrfs would else
        // bring up files with both.
        match self.flush_markers(folder).and_then(|()| flush_slots(files)).and_then(|()| day.flush()) {
            Ok(()) => (put, moved),
            Err(error) => (Vec::new(), Err(failed(error))),
        }
    }
}

/// What became of a file. `place`: where it was moved, if it was.
struct Story<'f> {
    file: &'f Done,
    place: Option<&'f Place>,
    events: Vec<Event>,
}

impl<'f> Story<'f> {
    fn of(file: &'f Done, place: Option<&'f Place>) -> Self {
        let committed = file.unentered.as_ref().map(|account| account.event(&file.claimed));
        let archived = place.map(|place| {
            let event = file.claimed.event(Kind::FileArchived, "archive");
            match place {
                Some(place) => event.with("moved_to", place.as_str()),
                None => event.with("reason", "its command has moved or removed it"),
            }
        });
        Self { file, place, events: committed.into_iter().chain(archived).collect() }
    }

    /// `None`: there is nothing to enter.
    fn entry(&self) -> Option<Archived<'_>> {
        let Done { claimed, unentered } = self.file;
        let place = self.place.map(|place| place.as_deref().unwrap_or(TAKEN_AWAY));
        let entry = unentered.as_ref().map(|account| {
            let committed = account.entry(claimed);
            let state = if self.place.is_some() { State::Archived } else { committed.state };
            Entry { state, place: place.map(str::to_owned), ..committed }
        });
        let told = if entry.is_some() { claimed.told.as_slice() } else { &[] };
        (!self.events.is_empty()).then_some(Archived { id: claimed.id, place, entry, told, events: &self.events })
    }
}

/// The directories that the files were moved out of.
fn flush_slots(files: &[Done]) -> io::Result<()> {
    let mut last: Option<&Arc<SlotDirectory>> = None;
    for Done { claimed, .. } in files {
        if last.is_none_or(|last| !Arc::ptr_eq(last, &claimed.slot)) {
            rustix::fs::fsync(&claimed.slot.descriptor)?;
            last = Some(&claimed.slot);
        }
    }
    Ok(())
}
