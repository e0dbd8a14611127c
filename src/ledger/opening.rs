//! A ledger is opened: made, or known to be ours and well before anything of it is changed; and closed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Weak};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::doubt::Due;
use super::ids::{self, Ids};
use super::refusal::classed;
use super::{Durability, FILE_NAME, Ledger, LedgerId, doubt, identity, schema};
use crate::fault::Fault;
use crate::write_back::Log;

/// How long another program may have the ledger locked.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// A start isn't kept waiting longer than by reading so much: a quarter of a second.
const LOOKED_AT_FIRST_BYTES_MAX: u64 = 256 << 20;

/// The size that the write-ahead log keeps between its checkpoints.
const LOG_BYTES_MAX: i64 = 64 << 20;

impl Ledger {
    /// Opens or makes the ledger.
    ///
    /// # Errors
    /// [`Fault::Fatal`]: a file that is no ledger, is damaged, or was written by a newer version: it is left as it is.
    /// [`Fault::World`]: it can't be opened now, for instance on a full disk.
    pub fn open(state_directory: &Path) -> Result<Self, Fault> {
        Self::open_looking_first(state_directory, LOOKED_AT_FIRST_BYTES_MAX)
    }

    /// One of more bytes than this is looked at later, if that is due: see [`Ledger::is_doubted`].
    pub(super) fn open_looking_first(state_directory: &Path, bytes_max: u64) -> Result<Self, Fault> {
        let path = state_directory.join(FILE_NAME);
        let due = doubt::due(&path, bytes_max);
        let log = Log::default();
        let open = || {
            doubt::refuse_cut(&path)?;
            let mut connection = connect(&path, OpenFlags::default(), due == Due::First)?;
            log.watch(&mut connection)?;
            let has_lost_its_log = doubt::has_lost_its_log(&path, &connection)?;
            Ok((connection, has_lost_its_log))
        };
        let (connection, has_lost_its_log) = open().map_err(|error: rusqlite::Error| classed(&path, &error))?;
        let connection = Mutex::new(connection);
        let [is_worn, is_marked, is_damaged] = [const { AtomicBool::new(false) }; 3];
        let is_doubted = due == Due::Meanwhile;
        Ok(Self {
            path,
            connection,
            log,
            is_worn,
            ids: Ids::default(),
            has_lost_its_log,
            is_marked,
            is_doubted,
            is_damaged,
        })
    }

    /// Whether it has to be looked at from end to end while it is used: [`look_meanwhile`].
    #[must_use]
    pub fn is_doubted(&self) -> bool {
        self.is_doubted
    }

    /// From here on its log is missed, should it be gone at the next start and this end not be a good one.
    ///
    /// # Errors
    /// The state directory can't be written.
    pub fn begin(&self) -> Result<(), Fault> {
        let begun = self.write(Durability::Flushed, |transaction| {
            let sql = "INSERT INTO counter VALUES ('begun', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1
                RETURNING value";
            transaction.query_row(sql, [], |row| row.get(0))
        })?;
        doubt::mark_open(&self.path, begun).map_err(|error| Fault::io(self.path.display(), &error))?;
        self.is_marked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the last entries of a daemon that didn't end well are gone, with the log that held them.
    #[must_use]
    pub fn has_lost_its_log(&self) -> bool {
        self.has_lost_its_log
    }

    /// Whether a state directory has a ledger, in whatever condition; an empty database is none: a daemon may have been
    /// killed while it made it, or its log was deleted.
    #[must_use]
    pub fn is_there(state_directory: &Path) -> bool {
        let path = state_directory.join(FILE_NAME);
        let look = || -> rusqlite::Result<bool> {
            doubt::refuse_cut(&path)?;
            let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            connection.busy_timeout(LOCK_WAIT)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            Ok(schema::version(&connection)? > 0)
        };
        // Who opens it says what is wrong with it.
        std::fs::metadata(&path).is_ok_and(|file| file.len() > 0) && look().unwrap_or(true)
    }

    /// Which ledger it is. `None`: it is of a time when ledgers had no number of their own.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn identity(&self) -> Result<Option<LedgerId>, Fault> {
        self.read(identity::of)
    }

    /// Which ledger it is; one that has no number yet gets one.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn identified(&self) -> Result<LedgerId, Fault> {
        self.write(Durability::Flushed, |transaction| identity::of_or_drawn(transaction))
    }

    /// Every number that was ever given out is below this.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn numbers_below(&self) -> Result<i64, Fault> {
        self.read(ids::reserved_below)
    }
}

/// Looks at a ledger that is doubted, from end to end; that takes its time. Damage ends all use of it: who asks or enters
/// anything hears of it. The ledger isn't kept open by this; who ends before, looks again at the next start.
///
/// # Errors
/// It is damaged.
pub fn look_meanwhile(ledger: &Weak<Ledger>) -> Result<(), Fault> {
    let Some(path) = ledger.upgrade().map(|ledger| ledger.path.clone()) else { return Ok(()) };
    doubt::begin(&path);
    let look = || doubt::look(&Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?);
    match (look(), ledger.upgrade()) {
        (Ok(()), _) => {
            doubt::dismiss(&path);
            Ok(())
        }
        (Err(error), Some(ledger)) => {
            let fault = ledger.fault(&error);
            ledger.is_damaged.store(matches!(fault, Fault::Fatal(_)), Ordering::Relaxed);
            Err(fault)
        }
        (Err(_), None) => Ok(()),
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // A mark that can't be removed does no harm: the ledger knows of it.
        if self.is_marked.load(Ordering::Relaxed) {
            let _ = doubt::mark_closed(&self.path);
        }
    }
}

/// `doubt`: it is looked at from end to end first.
pub(super) fn connect(path: &Path, flags: OpenFlags, doubt: bool) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(LOCK_WAIT)?;
    // A statement is planned once, not anew for each value that it is asked with.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Nothing of it is changed before it is known to be ours and well, not even by a checkpoint.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    schema::version(&connection)?;
    if doubt {
        doubt::look(&connection)?;
        doubt::dismiss(path);
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    // A reader that stays long lets the log grow; afterwards it is cut to this again.
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    schema::check(&mut connection)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(connection)
}
