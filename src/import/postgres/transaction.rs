//! A transaction of one Processor.
//!
//! **Loads of one folder, and loads into one table, come one after another**: whether a file is a duplicate is asked and
//! answered in one transaction, and PostgreSQL doesn't show it what another has not committed yet. Within this process
//! they take turns; what an earlier process left is waited for before the first (see [`super::doubt`]).
//!
//! **A COMMIT without an answer is not repeated.** The server is asked anew, over a new connection, once the old
//! transaction is decided: the load markers say whether it is in.

use std::sync::Arc;

use super::super::header::LINEAGE;
use super::super::layout::Layout;
use super::super::marker::Marker;
use super::super::table::{Table, identifier};
use super::super::target::{Insert, Markers, Transaction, Yielding};
use super::Database;
use super::copy::{Copying, Refused};
use super::fault::During;
use super::markers::{self, Connected};
use super::references::{self, Sure};
use super::session::Session;
use super::table::{self, Read, qualified};
use super::turns::{Turn, Turns};
use crate::fault::{Fault, Reason};
use crate::file::FileId;

/// A transaction that is open.
pub struct Open<'d> {
    database: &'d Database,
    /// `None`: it was committed.
    session: Option<Session>,
    turn: Turn<'d>,
    /// The table that was asked for last, as this transaction sees it.
    seen: Option<(String, Option<Arc<Read>>)>,
    /// The markers that were entered, and how many of them when the savepoint was set.
    entered: Vec<FileId>,
    before_savepoint: usize,
    /// Rows of the load in hand.
    refused: Refused,
}

impl<'d> Open<'d> {
    /// Waits for its turn, and for transactions of which nobody knows how they ended.
    pub fn begin(database: &'d Database, folder: &str, table: &str) -> Result<Self, Fault> {
        let turn = database.turns.take(Turns::of(folder, table));
        database.settle(turn.names())?;
        let session = database.begin(turn.names())?;
        Ok(Self {
            database,
            session: Some(session),
            turn,
            seen: None,
            entered: Vec::new(),
            before_savepoint: 0,
            refused: Refused::default(),
        })
    }

    fn known(&mut self, name: &str) -> Result<Option<Arc<Read>>, Fault> {
        if let Some((_, known)) = self.seen.as_ref().filter(|(seen, _)| seen == name) {
            return Ok(known.clone());
        }
        let session = self.session();
        let sql = "SELECT to_regclass($1) IS NOT NULL";
        if session.query_one(sql, &[&qualified(name)])?.get::<_, bool>(0) {
            // Its columns stay as they are read now.
            session.run(&format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE", qualified(name)))?;
        }
        let known = table::read(session, &self.database.place, name)?.map(|read| self.database.known(name, read));
        self.seen = Some((name.to_owned(), known.clone()));
        Ok(known)
    }

    /// Deletes or selects rows that give way, and says how many.
    fn take(&self, verb: &str, table: &Table, rows: Yielding, end: &str) -> Result<u64, Fault> {
        let those = match rows {
            Yielding::All => String::new(),
            Yielding::Of(file) => format!(" WHERE {} = {}", identifier(LINEAGE[0]), file.0),
        };
        let sql = format!("{verb} FROM {}{those}{end}", qualified(table.name()));
        self.session().execute_anew(During::Removal, &sql)
    }

    /// Nobody knows whether the COMMIT was carried out: the markers do, once the server can be asked. Where none was
    /// entered, as of files that are forgotten, it is to be repeated.
    fn look_up(&self, lost: &Fault) -> Result<(), Fault> {
        self.database.doubt.raise(self.turn.names());
        let Some(entered) = self.entered.last() else { return Err(lost.clone()) };
        let marker = self.database.reading(self.turn.names()).and_then(|reading| Markers::by_id(&reading, *entered));
        let (code, more, hint) = match marker {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => (lost.reason().code, "nothing of it is in".to_owned(), lost.reason().hint.clone()),
            Err(why) => {
                let more = format!("whether it was committed is looked up later, and can't be now: {why}");
                ("commit_unknown", more, why.reason().hint.clone())
            }
        };
        let text = format!("{}: the connection broke at the COMMIT; {more}", lost.reason().text);
        Err(Fault::World(Reason { hint, ..Reason::new(code, text) }))
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && session.undo("ROLLBACK").is_ok()
        {
            self.database.put_back(session);
        }
    }
}

impl Connected for Open<'_> {
    fn session(&self) -> &Session {
        self.session.as_ref().expect("until it is committed")
    }

    fn has_markers(&self) -> Result<bool, Fault> {
        Ok(true)
    }
}

impl Transaction for Open<'_> {
    fn set_savepoint(&mut self) -> Result<(), Fault> {
        self.before_savepoint = self.entered.len();
        self.refused = Refused::default();
        self.session().run("SAVEPOINT load")
    }

    fn roll_back(&mut self) -> Result<(), Fault> {
        self.entered.truncate(self.before_savepoint);
        self.seen = None;
        self.session().undo("ROLLBACK TO SAVEPOINT load")
    }

    fn release_savepoint(&mut self) -> Result<(), Fault> {
        self.session().run("RELEASE SAVEPOINT load")
    }

    fn is_wiser(&mut self) -> bool {
        self.refused.is_news()
    }

    fn is_open(&self) -> bool {
        !self.session().is_lost()
    }

    fn enter(&mut self, folder: &str, marker: &Marker) -> Result<bool, Fault> {
        let is_new = markers::enter(self.session(), folder, marker)?;
        if is_new {
            self.entered.push(marker.id);
        }
        Ok(is_new)
    }

    fn amend(&mut self, marker: &Marker) -> Result<(), Fault> {
        markers::amend(self.session(), marker)
    }

    fn remove(&mut self, id: FileId) -> Result<(), Fault> {
        markers::remove(self.session(), id)
    }

    fn forget(&mut self, folder: &str, id: FileId, now: &str) -> Result<(), Fault> {
        markers::forget(self.session(), folder, id, now)
    }

    fn table(&mut self, name: &str) -> Result<Option<Arc<Table>>, Fault> {
        Ok(self.known(name)?.map(|known| Arc::clone(&known.table)))
    }

    fn make(&mut self, table: &Table) -> Result<(), Fault> {
        self.seen = None;
        table::check_possible(table)?;
        self.session().define(&table::create_sql(table))
    }

    fn widen(&mut self, table: &Table, wider: &Table) -> Result<(), Fault> {
        self.seen = None;
        table::check_possible(wider)?;
        table::add_column_sql(table, wider).try_for_each(|sql| self.session().define(&sql))
    }

    fn delete(&mut self, table: &Table, rows: Yielding) -> Result<u64, Fault> {
        self.session().run("SET CONSTRAINTS ALL DEFERRED")?;
        self.take("DELETE", table, rows, "")
    }

    /// Where all go, others may have come meanwhile: they go as well, and what stays then is kept.
    fn keeps(&mut self, table: &Table, rows: Yielding) -> Result<bool, Fault> {
        let are_there = self.take("SELECT", table, rows, " LIMIT 1")? > 0;
        Ok(are_there && (rows != Yielding::All || self.delete(table, rows)? == 0))
    }

    fn losing_with(&mut self, table: &Table, of: FileId) -> Result<Vec<String>, Fault> {
        references::losing_with(self.session(), table.name(), Yielding::Of(of), Sure::ToTheEnd)
    }

    fn insert<'t>(&'t mut self, layout: &Layout, id: FileId) -> Result<Box<dyn Insert + 't>, Fault> {
        let name = layout.table().name();
        let known = self.known(name)?.ok_or_else(|| {
            Fault::world("target_missing", format!("{}: {} is gone", self.database.place, qualified(name)))
        })?;
        Ok(Box::new(Copying::begin(self.session(), &self.refused, &known, layout, id)?))
    }

    fn commit(mut self: Box<Self>) -> Result<(), Fault> {
        let session = self.session();
        if session.has_failed() {
            return Err(Fault::fatal(
                "target",
                format!("{}: a failed transaction was to be committed", self.database.place),
            ));
        }
        match session.commit() {
            Ok(()) => {
                self.database.put_back(self.session.take().expect("until now"));
                Ok(())
            }
            Err(fault) if session.is_lost() => {
                self.session = None;
                self.look_up(&fault)
            }
            Err(fault) => Err(fault),
        }
    }
}
