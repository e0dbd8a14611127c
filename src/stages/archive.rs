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
use crate::ledger::{Entry, State};
use crate::log::escape;

/// Where a file lies now, relative to its folder. `None`: its command has taken it away.
type Place = Option<String>;

impl Carrier {
    /// Moves done files to the archive, durably, then enters where they are, with all of them that is not entered yet.
    pub(super) fn archive_all(&self, folder: usize, files: &[Done]) -> Result<(), Halt> {
        let (places, moved) = self.move_all(folder, files);
        let (archived, left) = files.split_at(places.len());
        let (mut entries, mut known, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for (file, place) in archived.iter().zip(&places) {
            match &file.unentered {
                Some(account) => {
                    let entry = account.entry(&file.claimed);
                    entries.push(Entry { state: State::Archived, place: place.clone(), ..entry });
                    events.push(account.event(&file.claimed));
                }
                None => known.push((file.claimed.id, place.as_deref())),
            }
            events.push(archived_event(file, place.as_deref()));
        }
        for (file, account) in left.iter().filter_map(|file| Some((file, file.unentered.as_ref()?))) {
            entries.push(account.entry(&file.claimed));
            events.push(account.event(&file.claimed));
        }
        let told = files.iter().filter(|file| file.unentered.is_some()).flat_map(|file| &file.claimed.told);
        self.ledger.archived(&known, &entries, told.chain(&events)).map_err(|fault| halt(&fault))?;
        self.journal.tell_all_entered(&events);
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
        match flush_slots(files).and_then(|()| day.flush()) {
            Ok(()) => (put, moved),
            Err(error) => (Vec::new(), Err(failed(error))),
        }
    }
}

fn archived_event(file: &Done, place: Option<&str>) -> Event {
    let event = file.claimed.event(Kind::FileArchived, "archive");
    match place {
        Some(place) => event.with("moved_to", place),
        None => event.with("reason", "its command has moved or removed it"),
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
