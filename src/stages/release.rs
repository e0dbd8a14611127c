//! The way back into the inbox, by an operator's word: the ledger first, durably; then the file moves.
//!
//! A row that is `deferred` and has a place is of a file on its way: it lies there, or in the inbox already. Whoever
//! comes by finishes that: the order itself, the next one, or recovery.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use super::folder::Folder;
use crate::events::Event;
use crate::fault::Fault;
use crate::file::{FileId, Identity};
use crate::folder::release::Way;
use crate::ledger::{Ledger, Row, State};
use crate::log::escape;

/// Nobody takes a file from the inbox before its move is durable; should that come to nothing, it is due after this.
const HELD_BACK: Duration = Duration::from_mins(10);

/// A file's way back.
#[derive(Debug)]
pub enum Back {
    /// It lies in the inbox, under this name, and is due.
    InInbox(OsString),
    /// It has come there before, and goes its way.
    Before,
    /// It does not lie where it was put; nothing was entered.
    Gone,
    /// It is still where it was put, for this reason; whoever comes by next finishes it.
    Held(Fault),
}

/// What became of files that were released.
#[derive(Debug)]
pub struct Released {
    /// How each fared; those that were on their way before are among them.
    pub backs: Vec<(FileId, Back)>,
    /// What the ledger has been told.
    pub events: Vec<Event>,
}

impl Folder {
    /// Has refused files tried again from the beginning, each under its own number: what lies where it was put goes
    /// back into the inbox. `event` tells of each.
    ///
    /// # Errors
    /// A fault of the world, or the ledger can't be written. Nothing is lost: what was entered is finished later.
    pub fn release(&self, ledger: &Ledger, rows: &[Row], event: impl Fn(&Row) -> Event) -> Result<Released, Fault> {
        let mut way = Way::open(&self.places);
        let (mut entered, mut released) = (Vec::new(), Released { backs: Vec::new(), events: Vec::new() });
        for row in rows.iter().filter(|row| row.state == State::Quarantined) {
            match self.lying(&way, row)? {
                Some(identity) => {
                    entered.push((row.id, identity));
                    released.events.push(event(row));
                }
                None => released.backs.push((row.id, Back::Gone)),
            }
        }
        if !entered.is_empty() {
            ledger.release(&entered, &released.events)?;
        }
        released.backs.extend(self.finish(&mut way, ledger)?);
        Ok(released)
    }

    /// Whether a file lies where the ledger says that it was put.
    ///
    /// # Errors
    /// What the system says.
    pub fn lies_where_it_was_put(&self, row: &Row) -> Result<bool, Fault> {
        Ok(self.lying(&Way::open(&self.places), row)?.is_some())
    }

    fn lying(&self, way: &Way<'_>, row: &Row) -> Result<Option<Identity>, Fault> {
        let lying = row.place().map(|place| way.lying_at(&place)).transpose();
        Ok(lying.map_err(|error| self.lost(row, &error))?.flatten())
    }

    /// Finishes every way back that the ledger speaks of. Returns why some files are where they were; they hold nobody
    /// else up.
    ///
    /// # Errors
    /// A fault of the world, or the ledger can't be written.
    pub fn finish_releases(&self, ledger: &Ledger) -> Result<Vec<Fault>, Fault> {
        // Asked without the lock first: it is nearly always nothing.
        if ledger.releasing(&self.name)?.is_empty() {
            return Ok(Vec::new());
        }
        let backs = self.finish(&mut Way::open(&self.places), ledger)?.into_iter();
        Ok(backs.filter_map(|(_, back)| if let Back::Held(fault) = back { Some(fault) } else { None }).collect())
    }

    fn finish(&self, way: &mut Way<'_>, ledger: &Ledger) -> Result<Vec<(FileId, Back)>, Fault> {
        let rows = ledger.releasing(&self.name)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.places.refresh()?;
        // What lies in none of the places of another folder has not come back here.
        self.check_belonging(ledger)?;
        let (mut outcomes, mut come) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            // It may have been mended since its way back was cut short.
            let identity = match way.lying_at(&row.place().unwrap_or_default()) {
                Ok(Some(lying)) if lying.key() == row.identity.key() => lying,
                _ => row.identity,
            };
            let row = Row { identity, ..row };
            let back = match self.move_back(way, &row) {
                Ok(back) => back,
                Err(error) => Back::Held(self.lost(&row, &error)),
            };
            outcomes.push((row.id, back));
            if !matches!(outcomes.last(), Some((_, Back::Held(_)))) {
                come.push(row);
            }
        }
        let flushed = way.flush();
        flushed.map_err(|error| Fault::io(format_args!("{}: flush the inbox", self.places.path.display()), &error))?;
        for row in &come {
            // One that can't be removed does no harm: its name stays taken.
            let _ = row.place().map(|place| way.remove_reason(&place));
        }
        ledger.released(&come.iter().map(|row| (row.id, row.identity)).collect::<Vec<_>>())?;
        for row in come {
            self.deferrals.make_due(&row.identity);
        }
        self.gate.wake();
        Ok(outcomes)
    }

    /// First the wait, then the move: the Scanner may see the name at once.
    fn move_back(&self, way: &mut Way<'_>, row: &Row) -> io::Result<Back> {
        let place = row.place().unwrap_or_default();
        let is_there = way.lying_at(&place)?.is_some_and(|lying| lying.key() == row.identity.key());
        self.remember_as(row, row.name.clone(), HELD_BACK);
        if !is_there {
            return Ok(Back::Before);
        }
        let back = way.move_back(&place, &row.name).inspect_err(|_| drop(self.deferrals.take(&row.identity)))?;
        if back != row.name {
            self.remember_as(row, back.clone(), HELD_BACK);
        }
        Ok(Back::InInbox(back))
    }

    fn lost(&self, row: &Row, error: &io::Error) -> Fault {
        let name = escape(&row.name);
        Fault::io(format_args!("{}: put {name} back into the inbox", self.places.path.display()), error)
    }

    /// Makes deferred files due now: those of them that wait.
    ///
    /// # Errors
    /// The ledger can't be written; nothing has changed then.
    pub fn make_due(&self, ledger: &Ledger, rows: &[&Row], events: &[Event]) -> Result<(), Fault> {
        ledger.make_due(&rows.iter().map(|row| row.id).collect::<Vec<_>>(), events)?;
        for row in rows {
            self.deferrals.make_due(&row.identity);
        }
        self.gate.wake();
        Ok(())
    }
}
