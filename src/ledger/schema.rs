//! The ledger's tables and statements.

use std::path::Path;

use rusqlite::{Connection, ffi, params};

use crate::events::Kind;

/// What makes a ledger of each version from one of the version before; the number of the last is written into the
/// file, and a newer one is refused.
const VERSIONS: [&str; 7] = [TABLES, ORDERS, REJECTS, SCALE, BYTES, SHORT, SAID_ONCE];
/// The first with the table of pauses.
pub(super) const VERSION_OF_PAUSES: usize = 2;
/// The first that counts the rows that don't fit.
pub(super) const VERSION_OF_REJECTS: usize = 3;
/// "impd": tells a ledger from another program's database.
const APPLICATION_ID: i64 = 0x696d_7064;

const TABLES: &str = "
CREATE TABLE file (
  id INTEGER PRIMARY KEY,
  folder TEXT NOT NULL,
  name NOT NULL,                -- text, or a blob where it is not UTF-8
  device INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  born_ns INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  blake3 BLOB,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,    -- charged
  deferrals INTEGER NOT NULL,   -- charged or not
  rows INTEGER,
  claimed_at_us INTEGER NOT NULL,
  changed_at_us INTEGER NOT NULL,
  retry_at_us INTEGER,
  place TEXT,                   -- relative to the folder
  reason_code TEXT,
  reason TEXT,
  hint TEXT,
  duplicate_of INTEGER,
  results TEXT                  -- JSON: what a command produced, and under which names it is published
);
CREATE INDEX file_identity ON file(inode, born_ns);
CREATE INDEX file_folder ON file(folder);
CREATE INDEX file_bytes ON file(folder, blake3) WHERE state IN ('committed', 'archived');
CREATE INDEX file_name ON file(name);
CREATE INDEX file_open ON file(folder, state) WHERE state NOT IN ('archived', 'duplicate');
CREATE INDEX file_unplaced ON file(folder, state) WHERE place IS NULL;
CREATE INDEX file_changed ON file(changed_at_us);
CREATE TABLE failure (          -- attempts that came to nothing
  file_id INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  at_us INTEGER NOT NULL,
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  stderr BLOB
);
CREATE INDEX failure_file ON failure(file_id);
CREATE TABLE event (
  id INTEGER PRIMARY KEY,
  at_us INTEGER NOT NULL,
  kind TEXT NOT NULL,
  folder TEXT,
  file_id INTEGER,
  json TEXT NOT NULL             -- since version 7 without what the other columns say
);
CREATE INDEX event_file ON event(file_id) WHERE file_id IS NOT NULL;
CREATE INDEX event_kind ON event(kind) WHERE file_id IS NULL;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counter VALUES ('next_id', 1), ('ledger', random());
";

/// Version 2: what operators order.
const ORDERS: &str = "
CREATE TABLE pause (            -- folders that take nothing until an operator says so
  folder TEXT PRIMARY KEY,
  since_us INTEGER NOT NULL,
  by TEXT NOT NULL
) WITHOUT ROWID;
ALTER TABLE file ADD COLUMN replaces INTEGER;   -- the number whose rows this one takes the place of
CREATE INDEX file_replaces ON file(replaces) WHERE replaces IS NOT NULL;
CREATE INDEX file_let_go ON file(folder) WHERE state = 'forgotten' AND place GLOB 'quarantine/*';
CREATE INDEX file_refused ON file(folder, place) WHERE state = 'quarantined';
CREATE INDEX file_released ON file(folder) WHERE state = 'deferred' AND place IS NOT NULL;
";

/// Version 3: files that went in without some of their rows.
const REJECTS: &str = "
ALTER TABLE file ADD COLUMN rejects INTEGER NOT NULL DEFAULT 0;
CREATE INDEX file_rejects ON file(folder, changed_at_us) WHERE rejects > 0;
";

/// Version 4: questions that a ledger of ten million files answers as quickly as one of ten. What is rare among
/// very much has an index of its own, which costs the rest nothing.
const SCALE: &str = "
DROP INDEX file_changed;
CREATE INDEX file_since ON file(folder, changed_at_us);
CREATE INDEX file_rare ON file(folder, state, changed_at_us) WHERE state IN ('duplicate', 'replaced', 'forgotten');
DROP INDEX event_kind;
CREATE INDEX event_rare ON event(kind) WHERE kind NOT IN ('file.claimed', 'file.committed', 'file.archived');
";

/// Version 5: hashes are asked for only of files that a command is to do, since load markers tell the duplicates of an import.
/// A hash falls anywhere in its index, so each entry there costs a page of its own; and what a file passes through
/// (its state, its place) is no part of it, or the entry would be written anew each time.
const BYTES: &str = "
DROP INDEX file_bytes;
CREATE INDEX file_bytes ON file(folder, blake3) WHERE blake3 IS NOT NULL AND rows IS NULL AND duplicate_of IS NULL;
";

/// Version 6: SQLite makes a temporary tree of a list of more than two, anew for each row that is entered, to ask whether the
/// row is one of an index's.
const SHORT: &str = "
DROP INDEX file_rare;
CREATE INDEX file_rare ON file(folder, state, changed_at_us)
  WHERE state IN ('duplicate', 'replaced') OR state = 'forgotten';
DROP INDEX event_rare;
CREATE INDEX event_rare ON event(kind) WHERE kind NOT IN ('file.claimed', 'file.committed') AND kind <> 'file.archived';
";

/// Version 7: the JSON of an event leaves out what its other columns say. What is there stays as it is, since both are read;
/// but an earlier version would take the new ones for broken.
const SAID_ONCE: &str = "";

/// The terms of `event_rare`, or SQLite wouldn't use it.
pub(super) const IS_RARE_EVENT: &str = "kind NOT IN ('file.claimed', 'file.committed') AND kind <> 'file.archived'";

pub(super) const EVENT: &str = "INSERT INTO event (at_us, kind, folder, file_id, json) VALUES (?, ?, ?, ?, ?)";

/// By who moved it there. It is no news where a recovery has found it there meanwhile.
pub(super) const ARCHIVED: &str = "
UPDATE file SET state = CASE WHEN state IN ('duplicate', 'forgotten') THEN state ELSE 'archived' END, place = ?2
WHERE id = ?1 AND place IS NOT ?2";

/// What recovery found out is no news where somebody has entered more meanwhile.
pub(super) const FOUND_ARCHIVED: &str = "
UPDATE file SET state = CASE WHEN state IN ('duplicate', 'forgotten') THEN state ELSE 'archived' END, place = ?2
WHERE id = ?1 AND place IS NULL";

/// By who found it first: whoever found it as what it was before is behind.
pub(super) const COPIED: &str = "
UPDATE file SET device = ?4, inode = ?5, born_ns = ?6, mtime_ns = ?7
WHERE id = ?1 AND inode = ?2 AND born_ns = ?3 AND state = 'committed' AND place IS NULL";

pub(super) const QUARANTINED_AS: &str = "UPDATE file SET place = ?2 WHERE id = ?1";

pub(super) const PUBLISHED: &str = "UPDATE file SET results = ?2 WHERE id = ?1";

pub(super) const LAST_WORDS: &str = "
SELECT stderr FROM failure WHERE file_id = ? ORDER BY rowid DESC LIMIT 1";

/// In the same transaction as that of the file whose rows took their place.
pub(super) const REPLACED: &str = "
UPDATE file SET state = 'replaced', changed_at_us = ?2 WHERE id = ?1 AND state <> 'replaced'";

pub(super) const FORGOTTEN: &str = "
UPDATE file SET state = 'forgotten', changed_at_us = ?2
WHERE id = ?1 AND state IN ('archived', 'duplicate', 'quarantined')";

/// The last that was to take the place of a file's rows.
pub(super) const REPLAY_OF: &str = "SELECT * FROM file WHERE replaces = ? ORDER BY id DESC LIMIT 1";

pub(super) const STATE: &str = "SELECT state FROM file WHERE id = ?";

pub(super) const BY_IDENTITY: &str = "
SELECT * FROM file WHERE folder = ? AND inode = ? AND born_ns = ? AND size = ? AND mtime_ns = ?
ORDER BY id DESC LIMIT 1";

/// A file that waits is the same when it was written to meanwhile: `Identity::key`.
pub(super) const DEFERRED_BY_KEY: &str = "
SELECT * FROM file WHERE folder = ?1 AND inode = ?2 AND born_ns = ?3 AND (born_ns <> 0 OR mtime_ns = ?4)
  AND state = 'deferred' ORDER BY id DESC LIMIT 1";

pub(super) const BY_ID: &str = "SELECT * FROM file WHERE id = ?";

/// By a command. The terms in the second line are those of the index; a duplicate is never in such a state.
pub(super) const DONE_WITH_BYTES: &str = "
SELECT * FROM file WHERE folder = ? AND blake3 = ? AND state IN ('committed', 'archived')
  AND rows IS NULL AND duplicate_of IS NULL ORDER BY id LIMIT 1";

pub(super) const DONE_WITH_NAME: &str = "
SELECT * FROM file WHERE folder = ? AND name = ? AND state IN ('committed', 'archived') ORDER BY id LIMIT 1";

/// What an operator had tried again begins anew, as the file that lies there now.
pub(super) const RELEASE: &str = "
UPDATE file SET state = 'deferred', attempts = 0, device = ?2, inode = ?3, born_ns = ?4, size = ?5,
  mtime_ns = ?6, changed_at_us = ?7, retry_at_us = ?7 WHERE id = ?1 AND state = 'quarantined'";

/// But for those that stay in the archive until they are claimed.
pub(super) const RELEASING: &str = "
SELECT * FROM file WHERE folder = ? AND state = 'deferred' AND place IS NOT NULL AND place NOT GLOB 'archive/*'
ORDER BY id";

pub(super) const RELEASED: &str = "
UPDATE file SET place = NULL, size = ?2, mtime_ns = ?3 WHERE id = ?1 AND state = 'deferred'";

pub(super) const MAKE_DUE: &str = "
UPDATE file SET retry_at_us = ?2 WHERE id = ?1 AND state = 'deferred' AND place IS NULL";

pub(super) const PAUSE: &str = "INSERT INTO pause (folder, since_us, by) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";

pub(super) const RESUME: &str = "DELETE FROM pause WHERE folder = ?";

pub(super) const PAUSED: &str = "SELECT since_us, by FROM pause WHERE folder = ?";

/// Of the states that a file passes through. The last term is that of the index, or SQLite wouldn't use it.
pub(super) const IN_STATE: &str = "
SELECT * FROM file WHERE folder = ? AND state = ? AND state NOT IN ('archived', 'duplicate') ORDER BY id";

pub(super) const IN_STATE_AFTER: &str = "
SELECT * FROM file WHERE folder = ? AND state = ? AND state NOT IN ('archived', 'duplicate') AND id > ?
ORDER BY id LIMIT ?";

pub(super) const BY_NAME: &str = "SELECT * FROM file WHERE name = ? ORDER BY id DESC LIMIT ?";

pub(super) const QUARANTINED_AT: &str = "
SELECT * FROM file WHERE folder = ? AND place = ? AND state = 'quarantined' ORDER BY id DESC LIMIT 1";

/// Those that lie in quarantine and need nobody.
pub(super) const LET_GO: &str = "
SELECT * FROM file INDEXED BY file_let_go WHERE folder = ? AND state = 'forgotten' AND place GLOB 'quarantine/*'";

pub(super) const IDS_NOT_IN_BELOW: &str = "
SELECT id FROM file WHERE folder = ? AND state IN ('deferred', 'quarantined')
  AND state NOT IN ('archived', 'duplicate') AND id < ?";

/// Of the states that files stay in.
pub(super) const ENDED_AFTER: &str = "
SELECT * FROM file WHERE folder = ? AND state = ? AND id > ? ORDER BY id LIMIT ?";

pub(super) const UNPLACED: &str = "
SELECT * FROM file WHERE folder = ? AND state = ? AND place IS NULL ORDER BY id";

/// Files that recovery finishes, wherever it finds them: committed and in no place yet, or on an operator's word.
pub(super) const UNDER_WAY: &str = "
SELECT max(coalesce(max(id), 0), coalesce((
    SELECT max(id) FROM file WHERE folder = ?1 AND state = 'deferred' AND place IS NOT NULL), 0))
FROM file WHERE folder = ?1 AND state IN ('committed', 'duplicate') AND place IS NULL";

pub(super) const LAST_ID: &str = "SELECT coalesce(max(id), 0) FROM file WHERE folder = ?";

/// Without those of which a target may know more: `State::may_go_in`.
pub(super) const IDS_ENDED_FROM: &str = "
SELECT id FROM file WHERE folder = ? AND id >= ? AND state NOT IN ('deferred', 'quarantined')";

/// Asked only where a database is missing: nearly always the first row answers it.
pub(super) const HAS_IMPORTED: &str = "SELECT 1 FROM file WHERE folder = ? AND rows IS NOT NULL LIMIT 1";

/// Nearly always they are the first that are looked at.
pub(super) const LATEST_IMPORTED: &str = "
SELECT * FROM file WHERE folder = ?1 AND state = ?2 AND rows IS NOT NULL ORDER BY changed_at_us DESC, id DESC LIMIT ?3";

/// Those whose load markers are needed: they say what is not to go in again. What is committed and not archived yet is known by the
/// ledger, and is not done again. Nearly always the first row answers it.
pub(super) const HAS_IN: &str = "
SELECT 1 FROM file WHERE folder = ? AND rows IS NOT NULL AND state = 'archived' LIMIT 1";

pub(super) const HAS_WATCHED: &str = "
SELECT 1 FROM event WHERE kind IN ('folder.watching', 'folder.polling') AND file_id IS NULL AND folder = ?
  AND json ->> 'path' = ? AND kind NOT IN ('file.claimed', 'file.committed') AND kind <> 'file.archived'";

/// Nearly all are: those that are not cost the way past them.
pub(super) const LATEST_ARCHIVED: &str = "
SELECT * FROM file WHERE folder = ?1 AND state = ?2 ORDER BY changed_at_us DESC, id DESC LIMIT ?3";

/// The last term is that of the index.
pub(super) const LATEST_RARE: &str = "
SELECT * FROM file WHERE folder = ?1 AND state = ?2 AND (state IN ('duplicate', 'replaced') OR state = 'forgotten')
ORDER BY changed_at_us DESC, id DESC LIMIT ?3";

/// All of them are looked at: few are open.
pub(super) const LATEST_OPEN: &str = "
SELECT * FROM file INDEXED BY file_open WHERE folder = ?1 AND state = ?2 AND state NOT IN ('archived', 'duplicate')
ORDER BY changed_at_us DESC, id DESC LIMIT ?3";

/// The states are a list in JSON.
pub(super) const LATEST_WITH_REJECTS: &str = "
SELECT * FROM file INDEXED BY file_rejects WHERE folder = ?1 AND state IN (SELECT value FROM json_each(?2)) AND rejects > 0
ORDER BY changed_at_us DESC, id DESC LIMIT ?3";

/// `rejects`: that column, or what stands for it in a ledger of before it.
pub(super) fn tallies_since(rejects: &str) -> String {
    format!(
        "SELECT state, count(*), coalesce(sum(rows), 0), sum({rejects} > 0), sum({rejects}) FROM file
        WHERE folder = ?1 AND changed_at_us >= ?2 GROUP BY state"
    )
}

pub(super) const FAILURES: &str = "
SELECT attempt, at_us, code, reason, stderr FROM failure WHERE file_id = ? ORDER BY rowid";

pub(super) const EVENTS_OF: &str = "SELECT * FROM event WHERE file_id = ? ORDER BY id";

pub(super) const LAST_EVENT: &str = "SELECT coalesce(max(id), 0) FROM event";

/// What operators ordered is left out.
pub(super) const LAST_OF_KIND: &str = "
SELECT * FROM event WHERE kind = ?1 AND file_id IS NULL AND (?2 IS NULL OR folder = ?2)
  AND json ->> '$.by' IS NULL AND kind NOT IN ('file.claimed', 'file.committed') AND kind <> 'file.archived'
ORDER BY id DESC LIMIT 1";

/// Of these events only those of a folder, when there is a `?1`.
const OF_FOLDER: &str = "(?1 IS NULL OR folder = ?1)";

/// `kind`: a term.
pub(super) fn last_events(kind: &str) -> String {
    format!("SELECT * FROM event WHERE {OF_FOLDER} AND {kind} ORDER BY id DESC LIMIT ?3")
}

/// `kind`: a term.
pub(super) fn events_after(kind: &str) -> String {
    format!("SELECT * FROM event WHERE id > ?4 AND {OF_FOLDER} AND {kind} ORDER BY id LIMIT ?3")
}

/// The term for events of the kind `?2`; of no kind in particular it says that there is none.
pub(super) fn of_kind(kind: Option<Kind>) -> String {
    match kind {
        None => "?2 IS NULL".to_owned(),
        Some(Kind::FileClaimed | Kind::FileCommitted | Kind::FileArchived) => "kind = ?2".to_owned(),
        Some(_) => format!("kind = ?2 AND {IS_RARE_EVENT}"),
    }
}

pub(super) const COUNTER: &str = "SELECT value FROM counter WHERE name = ?";

pub(super) const RAISE_COUNTER: &str = "
INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)";

/// But for the last of all: it keeps SQLite from giving out numbers of events again.
pub(super) const EVENTS_ENTERED_AFTER: &str = "
SELECT id, at_us, file_id FROM event WHERE id > ? AND id < (SELECT max(id) FROM event) ORDER BY id LIMIT ?";

pub(super) const LAST_START: &str = "
SELECT coalesce(max(id), 0) FROM event WHERE kind = 'daemon.started'
  AND kind NOT IN ('file.claimed', 'file.committed') AND kind <> 'file.archived'";

pub(super) const PRUNE_EVENTS: &str = "
DELETE FROM event WHERE file_id = ? AND at_us < ? AND id < (SELECT max(id) FROM event)";

pub(super) const PRUNE_FAILURES: &str = "DELETE FROM failure WHERE file_id = ? AND at_us < ?";

/// What the daemon told of itself, if it has told the like since; what it told of an operator's word is not like
/// what it told of the world.
pub(super) const PRUNE_OUTDATED: &str = "
DELETE FROM event WHERE id = ? AND EXISTS (
  SELECT 1 FROM event AS later WHERE later.kind = event.kind AND later.file_id IS NULL AND later.id > event.id
    AND later.kind NOT IN ('file.claimed', 'file.committed') AND later.kind <> 'file.archived'
    AND later.folder IS event.folder AND later.json ->> 'path' IS event.json ->> 'path'
    AND (later.json ->> 'by' IS NULL) = (event.json ->> 'by' IS NULL))";

/// Whether this folder has ever been watched, or read, with its inbox at this path.
pub(super) fn has_watched(connection: &Connection, folder: &str, inbox: &Path) -> rusqlite::Result<bool> {
    connection.prepare(HAS_WATCHED)?.exists(params![folder, inbox.display().to_string()])
}

/// Whether a file of this folder was ever imported.
pub(super) fn has_imported(connection: &Connection, folder: &str) -> rusqlite::Result<bool> {
    connection.prepare(HAS_IMPORTED)?.exists([folder])
}

/// Whether a file of this folder counts as imported: neither forgotten nor replaced.
pub(super) fn has_in(connection: &Connection, folder: &str) -> rusqlite::Result<bool> {
    connection.prepare(HAS_IN)?.exists([folder])
}

/// Makes the tables in a fresh file, adds to an older one what it lacks, and refuses a file that is not ours or newer
/// than we are.
pub(super) fn check(connection: &mut Connection) -> rusqlite::Result<()> {
    let known = version(connection)?;
    if known == VERSIONS.len() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    VERSIONS[known..].iter().try_for_each(|step| transaction.execute_batch(step))?;
    transaction.execute_batch(&format!("PRAGMA user_version = {}", VERSIONS.len()))?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()
}

/// Which version of our tables it has; a fresh file has version 0. Refuses what [`check`] refuses.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let newest = VERSIONS.len();
    match (application, usize::try_from(version), tables) {
        (0, Ok(0), 0) => Ok(0),
        (APPLICATION_ID, Ok(known), _) if (1..=newest).contains(&known) => Ok(known),
        (APPLICATION_ID, ..) => Err(refusal(
            NEWER,
            format!("written by a newer importerd (ledger version {version}, this one reads {newest})"),
        )),
        _ => Err(refusal(ffi::SQLITE_NOTADB, "not a ledger of importerd".to_owned())),
    }
}

/// SQLite itself never says this.
const NEWER: i32 = ffi::SQLITE_FORMAT;

/// Whether a ledger is refused because it is newer than we are. fault 77
pub(super) fn is_newer(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == NEWER)
}

fn refusal(code: i32, text: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(text))
}

/// A ledger of the first version, with one file in it.
#[cfg(test)]
pub(super) fn first_version(path: &std::path::Path) -> Connection {
    let connection = Connection::open(path).expect("a fresh file");
    let row = "INSERT INTO file (id, folder, name, device, inode, born_ns, size, mtime_ns, state, attempts, deferrals,
        claimed_at_us, changed_at_us) VALUES (1, 'orders', 'old.csv', 1, 2, 3, 4, 5, 'archived', 0, 0, 6, 7)";
    let marks = format!("PRAGMA user_version = 1; PRAGMA application_id = {APPLICATION_ID}");
    [TABLES, row, &marks].iter().try_for_each(|sql| connection.execute_batch(sql)).expect("tables");
    connection
}
