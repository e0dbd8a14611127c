//! The import by hand with what a promise takes beside its rows: each file is claimed by a rename before it is read, a load marker with its
//! indexes goes in with the rows, and a ledger in a database of its own has an entry and three events of it. Still without leases, hashes,
//! recovery, settings or a log; by one thread, or by three that hand files on, as where watching, judging and working are apart.

use std::ffi::CString;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rusqlite::Connection;
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, mkdirat, renameat, statx};

use super::import::{self, INSERT, Record};
use super::spool::{Spool, if_there};
use crate::Outcome;

/// So many files share a transaction.
const BATCH: usize = 256;

const MARKERS: &str =
    "CREATE TABLE IF NOT EXISTS markers (id INTEGER PRIMARY KEY, folder TEXT, name TEXT, size INTEGER, hash TEXT,
    rows INTEGER, at TEXT, device INTEGER, inode INTEGER, born_ns INTEGER, mtime_ns INTEGER);
    CREATE INDEX IF NOT EXISTS markers_identity ON markers (folder, inode, born_ns);
    CREATE INDEX IF NOT EXISTS markers_name ON markers (folder, name)";

const MARK: &str =
    "INSERT INTO markers VALUES (?, 'orders', ?, ?, 'of sixty-four digits, which are not worked out here, but written',
    1, '2026-11-22T03:04:05.678Z', ?, ?, ?, ?)";

const LEDGER: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS file (id INTEGER PRIMARY KEY, folder TEXT, name TEXT, state TEXT, size INTEGER, inode INTEGER,
        born_ns INTEGER, at_us INTEGER);
    CREATE INDEX IF NOT EXISTS file_name ON file (folder, name);
    CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, at_us INTEGER, kind TEXT, file_id INTEGER, json TEXT);
    CREATE INDEX IF NOT EXISTS event_file ON event (file_id)";

const ENTER: &str = "INSERT INTO file VALUES (?, 'orders', ?, 'archived', ?, ?, ?, 1)";

const TELL: &str = "INSERT INTO event (at_us, kind, file_id, json) VALUES (1, ?, ?, '{\"file\":\"of about a hundred bytes, as they are told\"}')";

const FLAGS: AtFlags = AtFlags::SYMLINK_NOFOLLOW;

/// What is there.
pub fn backlog(root: &Path) -> Outcome<()> {
    let (spool, mut keeper) = (Spool::open(root)?, Keeper::open(root)?);
    spool.names()?.chunks(BATCH).try_for_each(|names| keeper.take(&spool, names))
}

/// What comes, by one thread.
pub fn live(root: &Path) -> Outcome<()> {
    let (spool, mut keeper) = (Spool::open(root)?, Keeper::open(root)?);
    spool.live(root, |names: &[CString]| names.chunks(BATCH).try_for_each(|names| keeper.take(&spool, names)))
}

/// What comes, heard of by one thread, looked at by another, worked on by a third.
pub fn handed(root: &Path) -> Outcome<()> {
    let spool = Spool::open(root)?;
    let (heard, hear) = channel::<Vec<CString>>();
    let (offered, offers) = channel::<Vec<CString>>();
    thread::scope(|scope| {
        let looks = scope.spawn(move || look(root, &hear, &offered).map_err(|error| error.to_string()));
        let works = scope.spawn(move || work(root, &offers).map_err(|error| error.to_string()));
        let told = spool.live(root, |names: &[CString]| Ok(heard.send(names.to_vec())?));
        drop(heard);
        let ended = |result: thread::Result<Result<(), String>>| result.unwrap_or_else(|_| Err("panicked".to_owned()));
        ended(looks.join())?;
        ended(works.join())?;
        told
    })
}

fn look(root: &Path, hear: &Receiver<Vec<CString>>, offered: &Sender<Vec<CString>>) -> Outcome<()> {
    let spool = Spool::open(root)?;
    for mut names in hear {
        names.retain(|name| statx(&spool.inbox, name, FLAGS, StatxFlags::BASIC_STATS).is_ok());
        offered.send(names)?;
    }
    Ok(())
}

fn work(root: &Path, offers: &Receiver<Vec<CString>>) -> Outcome<()> {
    let (spool, mut keeper) = (Spool::open(root)?, Keeper::open(root)?);
    for mut names in offers {
        names.extend(offers.try_iter().flatten());
        names.chunks(BATCH).try_for_each(|names| keeper.take(&spool, names))?;
    }
    Ok(())
}

/// A file that is in: its number, name, size, inode and time of birth.
type Done<'n> = (i64, &'n CString, i64, i64, i64);

struct Keeper {
    rows: Connection,
    ledger: Connection,
    /// Of the files that are claimed.
    slot: Spool,
    files: i64,
    content: Vec<u8>,
    record: Record,
}

impl Keeper {
    fn open(root: &Path) -> Outcome<Self> {
        let rows = import::open(&root.join("state/rows.db"))?;
        rows.execute_batch(MARKERS)?;
        let ledger = Connection::open(root.join("state/ledger.db"))?;
        ledger.execute_batch(LEDGER)?;
        let directory = |path: &Path| rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
        mkdirat(directory(root)?, "slot", Mode::RWXU)?;
        let slot = Spool { inbox: directory(&root.join("slot"))?, ..Spool::open(root)? };
        Ok(Self { rows, ledger, slot, files: 0, content: Vec::new(), record: Record::default() })
    }

    fn take(&mut self, spool: &Spool, names: &[CString]) -> Outcome<()> {
        let mut done: Vec<Done> = Vec::with_capacity(names.len());
        let transaction = self.rows.transaction()?;
        let mut insert = transaction.prepare_cached(INSERT)?;
        let mut mark = transaction.prepare_cached(MARK)?;
        for name in names {
            if if_there(renameat(&spool.inbox, name, &self.slot.inbox, name))?.is_none() {
                continue;
            }
            self.slot.read(name, &mut self.content)?;
            let stat = statx(&self.slot.inbox, name, FLAGS, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?;
            let (size, inode) = (stat.stx_size.cast_signed(), stat.stx_ino.cast_signed());
            let born = stat.stx_btime.tv_sec * 1_000_000_000 + i64::from(stat.stx_btime.tv_nsec);
            let changed = stat.stx_mtime.tv_sec * 1_000_000_000 + i64::from(stat.stx_mtime.tv_nsec);
            self.files += 1;
            let (file, mut line) = (self.files, 1);
            mark.execute((file, name.to_str()?, size, stat.stx_dev_minor, inode, born, changed))?;
            self.record.each(&self.content, |fields| {
                line += 1;
                import::bind(&mut insert, file, line, fields)
            })?;
            done.push((file, name, size, inode, born));
        }
        drop((insert, mark));
        transaction.commit()?;
        done.iter().try_for_each(|(_, name, ..)| self.slot.archive(name))?;
        self.enter(&done)?;
        Ok(self.slot.flush()?)
    }

    /// Behind the archive: nobody waits for it.
    fn enter(&mut self, done: &[Done]) -> Outcome<()> {
        let transaction = self.ledger.transaction()?;
        for (file, name, size, inode, born) in done {
            transaction.prepare_cached(ENTER)?.execute((file, name.to_str()?, size, inode, born))?;
            for kind in ["file.claimed", "file.committed", "file.archived"] {
                transaction.prepare_cached(TELL)?.execute((kind, file))?;
            }
        }
        Ok(transaction.commit()?)
    }
}
