//! Where rows go: which database, opened once however many folders import into it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::bounds::Bounds;
use super::contract::Contract;
use super::lock;
use super::table::{Maker, Table};
use super::target::{Markers, Target};
use super::value::Type;
use super::{postgres, postgres::Hindrance, sqlite};
use crate::fault::Fault;
use crate::file::FileId;
use crate::settings::{self, postgres::Address};

/// Which database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A SQLite file, by its absolute path.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Box<Address>),
}

impl Place {
    /// Whether it is a file, and there is none.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Sqlite(path) if path.try_exists().is_ok_and(|is_there| !is_there))
    }

    /// Its load markers, for somebody who only looks: nothing is made or changed. `None`: no file was ever imported into
    /// it.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: it can't be read.
    pub fn look(&self) -> Result<Option<Box<dyn Markers>>, Fault> {
        match self {
            Self::Sqlite(path) => {
                let Some(looked) = sqlite::Looked::open(path)? else { return Ok(None) };
                Ok(if looked.has_markers()? { Some(Box::new(looked)) } else { None })
            }
            Self::Postgres(address) => {
                let looked = postgres::Looked::open(address)?;
                Ok(if looked.has_markers()? { Some(Box::new(looked)) } else { None })
            }
        }
    }

    /// Whether the load markers are gone where there were some; an empty SQLite file is one to begin with.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: it can't be read.
    pub fn is_emptied(&self) -> Result<bool, Fault> {
        match self {
            Self::Sqlite(path) => sqlite::Looked::open(path)?.map_or(Ok(false), |looked| looked.is_emptied()),
            Self::Postgres(address) => Ok(!postgres::Looked::open(address)?.has_markers()?),
        }
    }

    /// The files that the table has rows of, whether or not they have load markers. `None`: it doesn't say whose its rows are.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: it can't be read.
    pub fn files_with_rows(&self, table: &str) -> Result<Option<HashSet<FileId>>, Fault> {
        match self.table(table)? {
            None => Ok(Some(HashSet::new())),
            Some(table) if !table.lineage() => Ok(None),
            Some(table) => match self {
                Self::Sqlite(path) => {
                    sqlite::Looked::open(path)?.map(|looked| looked.files_with_rows(table.name())).transpose()
                }
                Self::Postgres(address) => postgres::Looked::open(address)?.files_with_rows(table.name()).map(Some),
            },
        }
    }

    /// The table of this name, for somebody who only looks. `None`: it isn't there.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: it can't be read.
    pub(super) fn table(&self, name: &str) -> Result<Option<Arc<Table>>, Fault> {
        match self {
            Self::Sqlite(path) => sqlite::Looked::open(path)?.map_or(Ok(None), |looked| looked.table(name)),
            Self::Postgres(address) => postgres::Looked::open(address)?.table(name),
        }
    }

    /// What the table of this name says beyond its types, for somebody who only looks. `None`: it isn't there.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: it can't be read.
    pub(super) fn contract(&self, name: &str) -> Result<Option<Contract>, Fault> {
        match self {
            Self::Sqlite(path) => match sqlite::Looked::open(path)? {
                Some(looked) if looked.table(name)?.is_some() => looked.contract(name).map(Some),
                _ => Ok(None),
            },
            Self::Postgres(address) => postgres::Looked::open(address)?.contract(name),
        }
    }

    /// The tables that lose rows, or what these refer to, with the rows of this one.
    ///
    /// # Errors
    ///
    /// It can't be read.
    pub fn losing_with(&self, name: &str) -> Result<Vec<String>, Fault> {
        match self {
            Self::Sqlite(path) => match sqlite::Looked::open(path)? {
                Some(looked) => looked.losing_with(name),
                None => Ok(Vec::new()),
            },
            Self::Postgres(address) => postgres::Looked::open(address)?.losing_with(name),
        }
    }

    /// What a server doesn't let us do and files of this folder need. What may be done with a database file, its directory says.
    ///
    /// # Errors
    ///
    /// It can't be asked.
    pub fn missing_rights(&self, import: &settings::Import) -> Result<Vec<Hindrance>, Fault> {
        match self {
            Self::Sqlite(_) => Ok(Vec::new()),
            Self::Postgres(address) => postgres::Looked::open(address)?.missing_rights(import),
        }
    }

    /// The statement that would make the table there.
    pub(super) fn create_sql(&self, table: &Table) -> String {
        match self {
            Self::Sqlite(_) => sqlite::create_sql(table),
            Self::Postgres(_) => postgres::create_sql(table),
        }
    }

    /// Whether such a table can be there.
    ///
    /// # Errors
    ///
    /// [`Fault::Permanent`]: not with these columns. [`Fault::World`]: not with this name.
    pub(super) fn check_possible(&self, table: &Table) -> Result<(), Fault> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(_) => postgres::check_possible(table),
        }
    }

    /// How a table that is made there declares a column of this type.
    pub(super) fn declared(&self, kind: Type) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite::declared(kind),
            Self::Postgres(_) => postgres::declared(kind),
        }
    }

    /// Whether it has this table; for somebody who only looks.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: it can't be read.
    pub fn has_table(&self, name: &str) -> Result<bool, Fault> {
        self.table(name).map(|table| table.is_some())
    }
}

impl Maker for Place {
    fn as_made(&self, kind: Type) -> (Type, Bounds) {
        match self {
            Self::Sqlite(_) => (sqlite::as_made(kind), Bounds::Open),
            Self::Postgres(_) => postgres::as_made(kind),
        }
    }

    fn add_column_sql(&self, table: &Table, wider: &Table) -> Vec<String> {
        match self {
            Self::Sqlite(_) => sqlite::add_column_sql(table, wider).collect(),
            Self::Postgres(_) => postgres::add_column_sql(table, wider).collect(),
        }
    }
}

/// As an operator knows it: a path, or a URL without its password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

/// The databases in use.
#[derive(Default)]
pub struct Targets {
    files: Mutex<HashMap<PathBuf, Arc<sqlite::Database>>>,
    servers: Mutex<Vec<(Address, Arc<postgres::Database>)>>,
}

impl Targets {
    /// The database at this place; on first use a file is opened, and made when missing. A server is not asked yet, and
    /// a file that can't be opened now, and perhaps soon, is opened when it is wanted.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: it may not be written, or is no SQLite database.
    pub fn open(&self, place: &Place) -> Result<Arc<dyn Target>, Fault> {
        match place {
            Place::Sqlite(path) => Ok(self.opened(path, false, Fault::may_pass)?),
            Place::Postgres(address) => Ok(self.server(address)?),
        }
    }

    /// As [`Self::open`]; but files were imported into it: a file that is missing is waited for, and so are load markers.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn open_again(&self, place: &Place) -> Result<Arc<dyn Target>, Fault> {
        match place {
            Place::Sqlite(path) => Ok(self.opened(path, true, Fault::may_pass)?),
            Place::Postgres(address) => {
                let database = self.server(address)?;
                database.expect_markers();
                Ok(database)
            }
        }
    }

    fn server(&self, address: &Address) -> Result<Arc<postgres::Database>, Fault> {
        let mut servers = lock(&self.servers);
        if let Some((_, database)) = servers.iter().find(|(known, _)| known == address) {
            return Ok(Arc::clone(database));
        }
        let database = Arc::new(postgres::Database::new(address)?);
        servers.push((address.clone(), Arc::clone(&database)));
        Ok(database)
    }

    /// A SQLite file, opened.
    #[cfg(test)]
    pub(super) fn file(&self, path: &Path) -> Result<Arc<sqlite::Database>, Fault> {
        self.opened(path, false, |_| false)
    }

    /// A SQLite file, opened, or kept from it by something that is borne. `was_had`: nothing of it is made anew.
    fn opened(
        &self,
        path: &Path,
        was_had: bool,
        is_borne: impl Fn(&Fault) -> bool,
    ) -> Result<Arc<sqlite::Database>, Fault> {
        let mut files = lock(&self.files);
        if let Some(database) = files.get(path) {
            return Ok(Arc::clone(database));
        }
        let database = Arc::new(sqlite::Database::closed(path)?);
        if was_had {
            database.expect_markers();
        }
        database.open().or_else(|fault| {
            // A file that is there and can't be opened has what it has: taken away to be mended, it isn't made anew.
            if !path.try_exists().is_ok_and(|is_there| !is_there) {
                database.keep_from_being_made();
            }
            if is_borne(&fault) { Ok(()) } else { Err(fault) }
        })?;
        // Another path may lead to the same file.
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let database = Arc::clone(files.entry(real).or_insert(database));
        files.insert(path.to_owned(), Arc::clone(&database));
        Ok(database)
    }
}
