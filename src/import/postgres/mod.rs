//! A PostgreSQL database that rows go into.
//!
//! ```text
//! Processor ─ turn ─ transaction ─ session ═ driver's thread ═ server
//!                    │  markers, table, copy (column: numeric, time)
//!                    └─ commit: no answer? a new session looks the marker up
//! ```
//!
//! Nothing is connected before it is needed, so the daemon starts, and goes on, where the server is down.

mod column;
mod contract;
mod copy;
mod doubt;
mod driver;
mod fault;
mod lines;
mod markers;
mod merge;
mod numeric;
mod references;
mod rejects;
mod rights;
mod schema;
mod session;
mod table;
mod time;
mod tls;
mod transaction;
mod turns;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::bounds::Bounds;
use super::contract::Contract;
use super::header::LINEAGE;
use super::lately::Lately;
use super::lock;
use super::marker::emptied;
use super::table::{Maker, Table, identifier};
use super::target::{Markers, Target, Transaction, Yielding};
use super::value::Type;
use crate::fault::Fault;
use crate::file::FileId;
use crate::settings::Import;
use crate::settings::postgres::Address;
use doubt::Doubt;
use driver::{Driver, patience};
use fault::LOCK_WAIT_SECS;
use markers::Connected;
use references::Sure;
pub use rights::Hindrance;
use session::Session;
use table::{Read, qualified};
pub use table::{add_column_sql, as_made, check_possible, create_sql, declared};
use transaction::Open;
use turns::Turns;

/// A database, with as many connections as Processors use at once.
pub struct Database {
    address: Address,
    place: String,
    driver: Driver,
    idle: Mutex<Vec<Session>>,
    /// Connecting came to nothing.
    unreached: Lately,
    turns: Turns,
    doubt: Doubt,
    /// Files count as imported into it: the table of markers isn't made anew.
    expects_markers: AtomicBool,
    /// The table of markers was seen.
    has_markers: AtomicBool,
    /// All of our own tables were.
    is_prepared: AtomicBool,
    /// The tables as they were seen last: while one stays as it is, so do the layouts of its files.
    tables: Mutex<HashMap<String, Arc<Read>>>,
}

impl Database {
    /// Connects nowhere yet.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: no thread can be started.
    pub fn new(address: &Address) -> Result<Self, Fault> {
        Ok(Self {
            address: address.clone(),
            place: place(address),
            driver: Driver::start().map_err(|error| Fault::io("start a thread for PostgreSQL", &error))?,
            idle: Mutex::default(),
            unreached: Lately::default(),
            turns: Turns::default(),
            doubt: Doubt::default(),
            expects_markers: AtomicBool::new(false),
            has_markers: AtomicBool::new(false),
            is_prepared: AtomicBool::new(false),
            tables: Mutex::default(),
        })
    }

    /// From now on it is held where it has no load markers.
    pub fn expect_markers(&self) {
        self.expects_markers.store(true, Ordering::Relaxed);
    }

    /// What it is without load markers, where there must be some.
    fn emptied(&self) -> Option<Fault> {
        self.expects_markers.load(Ordering::Relaxed).then(|| emptied(&self.place))
    }

    /// A connection that nobody uses, or a new one.
    fn session(&self) -> Result<Session, Fault> {
        let idle = lock(&self.idle).pop().filter(|session| !session.is_lost());
        idle.map_or_else(|| self.connect(), Ok)
    }

    /// A new connection, unless there was none just now.
    fn connect(&self) -> Result<Session, Fault> {
        self.unreached.attempt(|| Session::open(&self.driver, &self.address, true))
    }

    /// Keeps a session for who wants one next. Where the world was at fault, none: a session keeps the settings and the
    /// host that it began with, and only a new one finds that all is well again.
    fn put_back(&self, session: Session) {
        if session.has_met_the_world() {
            lock(&self.idle).clear();
        } else if !session.is_lost() && !session.has_failed() {
            lock(&self.idle).push(session);
        }
    }

    /// A session for which the server has answered just now: one that was idle may have lost its server, and only
    /// finds out when it asks. With the table of markers.
    fn ask(&self, first: impl Fn(&Session) -> Result<(), Fault>) -> Result<Session, Fault> {
        // The first word may wait for a lock.
        let long = patience(&self.address.config) + Duration::from_secs(LOCK_WAIT_SECS);
        let soon = |session: &Session| session.soon(long, || first(session));
        let session = self.session()?;
        let session = match soon(&session) {
            Ok(()) => session,
            Err(_) if session.is_lost() && !session.is_silent() => {
                lock(&self.idle).clear();
                let fresh = self.connect()?;
                soon(&fresh)?;
                fresh
            }
            Err(fault) => {
                self.put_back(session);
                return Err(fault);
            }
        };
        Ok(session)
    }

    /// Waits, once, for transactions of these names of which nobody knows how they ended.
    fn settle(&self, names: &[String]) -> Result<(), Fault> {
        self.doubt.settle(names, |name| {
            let session = self.ask(|session| doubt::wait_for_others(session, &self.place, name))?;
            self.put_back(session);
            Ok(())
        })
    }

    /// What is committed of these names can be asked for.
    fn reading(&self, names: &[String]) -> Result<Reading<'_>, Fault> {
        self.settle(names)?;
        let session = self.ask(|session| session.run(""))?;
        Ok(Reading { database: self, session: Some(session) })
    }

    /// A session with a transaction of these names.
    fn begin(&self, names: &[String]) -> Result<Session, Fault> {
        self.ask(|session| {
            if !self.is_prepared.load(Ordering::Relaxed) {
                schema::prepare(session, doubt::lock_number(session.schema(), "tables"), self.emptied())
                    .inspect_err(|fault| session.heed(fault))?;
                self.is_prepared.store(true, Ordering::Relaxed);
                self.has_markers.store(true, Ordering::Relaxed);
            }
            session.run(&doubt::begin_sql(session.schema(), names))
        })
    }

    /// The table as it was just read; the same one as before where nothing changed.
    fn known(&self, name: &str, read: Read) -> Arc<Read> {
        let mut tables = lock(&self.tables);
        if let Some(known) = tables.get(name).filter(|known| ***known == read) {
            return Arc::clone(known);
        }
        let known = Arc::new(read);
        tables.insert(name.to_owned(), Arc::clone(&known));
        known
    }
}

/// As it is called in messages.
fn place(address: &Address) -> String {
    format!("the database {address}")
}

impl Maker for Database {
    fn as_made(&self, kind: Type) -> (Type, Bounds) {
        as_made(kind)
    }

    fn add_column_sql(&self, table: &Table, wider: &Table) -> Vec<String> {
        add_column_sql(table, wider).collect()
    }
}

impl Target for Database {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn table(&self, name: &str) -> Result<Option<Arc<Table>>, Fault> {
        let read = std::cell::RefCell::new(None);
        let session = self.ask(|session| {
            *read.borrow_mut() = table::read(session, &self.place, name)?;
            Ok(())
        })?;
        self.put_back(session);
        Ok(read.into_inner().map(|read| Arc::clone(&self.known(name, read).table)))
    }

    fn losing_with(&self, name: &str, of: FileId) -> Result<Vec<String>, Fault> {
        references::losing_with(self.reading(&[])?.session(), name, Yielding::Of(of), Sure::Now)
    }

    fn markers(&self, folder: &str, table: &str) -> Result<Box<dyn Markers + '_>, Fault> {
        Ok(Box::new(self.reading(&Turns::of(folder, table))?))
    }

    fn begin(&self, folder: &str, table: &str, _large: Option<u64>) -> Result<Box<dyn Transaction + '_>, Fault> {
        Ok(Box::new(Open::begin(self, folder, table)?))
    }
}

/// A session that asks for what is committed.
struct Reading<'d> {
    database: &'d Database,
    session: Option<Session>,
}

impl Connected for Reading<'_> {
    fn session(&self) -> &Session {
        self.session.as_ref().expect("until it is dropped")
    }

    fn has_markers(&self) -> Result<bool, Fault> {
        let seen = &self.database.has_markers;
        if !seen.load(Ordering::Relaxed) {
            let are_there = markers::are_there(self.session())?;
            if let Some(fault) = self.database.emptied().filter(|_| !are_there) {
                self.session().heed(&fault);
                return Err(fault);
            }
            seen.store(are_there, Ordering::Relaxed);
        }
        Ok(seen.load(Ordering::Relaxed))
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.database.put_back(session);
        }
    }
}

/// A database opened by somebody who only looks: nothing in it is made or changed.
pub struct Looked {
    session: Session,
    place: String,
    // Behind the session, which needs it.
    _driver: Driver,
}

impl Looked {
    /// Connects.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: it can't be reached.
    pub fn open(address: &Address) -> Result<Self, Fault> {
        let driver = Driver::start().map_err(|error| Fault::io("start a thread for PostgreSQL", &error))?;
        let session = Session::open(&driver, address, false)?;
        Ok(Self { session, place: place(address), _driver: driver })
    }

    /// Whether a file was ever imported into it.
    pub fn has_markers(&self) -> Result<bool, Fault> {
        markers::are_there(&self.session)
    }

    /// What the table of this name says beyond its types. `None`: it isn't there.
    pub fn contract(&self, name: &str) -> Result<Option<Contract>, Fault> {
        contract::read(&self.session, name)
    }

    /// The tables that lose something with the rows of this one.
    pub fn losing_with(&self, name: &str) -> Result<Vec<String>, Fault> {
        references::losing_with(&self.session, name, Yielding::All, Sure::Now)
    }

    /// What this role may not do and files of this folder need.
    pub fn missing_rights(&self, import: &Import) -> Result<Vec<Hindrance>, Fault> {
        rights::missing(&self.session, import)
    }

    /// The files that a table with lineage has rows of.
    pub fn files_with_rows(&self, name: &str) -> Result<HashSet<FileId>, Fault> {
        let (mut files, file_id) = (HashSet::new(), identifier(LINEAGE[0]));
        let sql = format!("SELECT DISTINCT {file_id}::bigint FROM {} WHERE {file_id} IS NOT NULL", qualified(name));
        self.session.each(&sql, &[], &mut |row| {
            files.insert(FileId(row.get(0)));
            Ok(true)
        })?;
        Ok(files)
    }

    /// The table of this name. `None`: it isn't there.
    pub fn table(&self, name: &str) -> Result<Option<Arc<Table>>, Fault> {
        Ok(table::read(&self.session, &self.place, name)?.map(|read| read.table))
    }
}

impl Connected for Looked {
    fn session(&self) -> &Session {
        &self.session
    }

    fn has_markers(&self) -> Result<bool, Fault> {
        markers::are_there(&self.session)
    }
}
