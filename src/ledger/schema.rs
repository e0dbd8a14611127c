//! The ledger's tables and statements.

use rusqlite::Connection;

/// Written into the file; a newer one is refused.
const VERSION: i64 = 1;
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
  json TEXT NOT NULL
);
CREATE INDEX event_file ON event(file_id) WHERE file_id IS NOT NULL;
CREATE INDEX event_kind ON event(kind) WHERE file_id IS NULL;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counter VALUES ('next_id', 1);
";

pub(super) const EVENT: &str = "INSERT INTO event (at_us, kind, folder, file_id, json) VALUES (?, ?, ?, ?, ?)";

pub(super) const ARCHIVED: &str = "
UPDATE file SET state = CASE state WHEN 'duplicate' THEN 'duplicate' ELSE 'archived' END, place = ?2 WHERE id = ?1";

/// What recovery found out is no news where somebody has entered more meanwhile.
pub(super) const FOUND_ARCHIVED: &str = "
UPDATE file SET state = CASE state WHEN 'duplicate' THEN 'duplicate' ELSE 'archived' END, place = ?2
WHERE id = ?1 AND place IS NULL";

pub(super) const QUARANTINED_AS: &str = "UPDATE file SET place = ?2 WHERE id = ?1";

pub(super) const PUBLISHED: &str = "UPDATE file SET results = ?2 WHERE id = ?1";

pub(super) const LAST_WORDS: &str = "
SELECT stderr FROM failure WHERE file_id = ? ORDER BY rowid DESC LIMIT 1";

pub(super) const STATE: &str = "SELECT state FROM file WHERE id = ?";

pub(super) const BY_IDENTITY: &str = "
SELECT * FROM file WHERE folder = ? AND inode = ? AND born_ns = ? AND size = ? AND mtime_ns = ?
ORDER BY id DESC LIMIT 1";

pub(super) const BY_ID: &str = "SELECT * FROM file WHERE id = ?";

pub(super) const DONE_WITH_BYTES: &str = "
SELECT * FROM file WHERE folder = ? AND blake3 = ? AND state IN ('committed', 'archived') ORDER BY id LIMIT 1";

pub(super) const DONE_WITH_NAME: &str = "
SELECT * FROM file WHERE folder = ? AND name = ? AND state IN ('committed', 'archived') ORDER BY id LIMIT 1";

/// Of the states that a file passes through. The last term is that of the index, or SQLite wouldn't use it.
pub(super) const IN_STATE: &str = "
SELECT * FROM file WHERE folder = ? AND state = ? AND state NOT IN ('archived', 'duplicate') ORDER BY id";

pub(super) const UNPLACED: &str = "
SELECT * FROM file WHERE folder = ? AND state = ? AND place IS NULL ORDER BY id";

pub(super) const LAST_ID: &str = "SELECT coalesce(max(id), 0) FROM file WHERE folder = ?";

/// Without those of which a target may know more.
pub(super) const IDS_ENDED_FROM: &str = "
SELECT id FROM file WHERE folder = ? AND id >= ? AND state <> 'deferred'";

/// Makes the tables in a fresh file, and refuses a file that is not ours or newer than we are.
pub(super) fn check(connection: &mut Connection) -> rusqlite::Result<()> {
    if is_ours(connection)? {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()
}

/// Whether it has our tables; a fresh file has none. Refuses what [`check`] refuses.
pub(super) fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(false),
        (APPLICATION_ID, VERSION, _) => Ok(true),
        (APPLICATION_ID, newer, _) => Err(refusal(format!(
            "written by a newer importerd (ledger version {newer}, this one reads {VERSION}): install that version again"
        ))),
        _ => Err(refusal("not a ledger of importerd".to_owned())),
    }
}

fn refusal(text: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB), Some(text))
}
