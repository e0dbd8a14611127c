//! Our own tables in PostgreSQL.

use super::session::Session;
use crate::fault::Fault;

const FILES: &str = "
    CREATE TABLE IF NOT EXISTS _importerd_files (
        id bigint PRIMARY KEY,
        folder text NOT NULL,
        name text NOT NULL,
        size bigint NOT NULL,
        blake3 text NOT NULL,
        rows bigint NOT NULL,
        rejects bigint NOT NULL,
        table_name text NOT NULL,
        committed_at timestamptz NOT NULL,
        device bigint NOT NULL,
        inode bigint NOT NULL,
        born_ns bigint NOT NULL,
        mtime_ns bigint NOT NULL,
        replaces bigint,
        forgotten_at timestamptz,
        header text,
        mode text
    );
    CREATE INDEX IF NOT EXISTS _importerd_files_identity ON _importerd_files (folder, inode, born_ns);
    CREATE INDEX IF NOT EXISTS _importerd_files_content ON _importerd_files (folder, blake3);
    CREATE INDEX IF NOT EXISTS _importerd_files_name ON _importerd_files (folder, name);";

const REJECTS: &str = "
    CREATE TABLE IF NOT EXISTS _importerd_rejects (
        id bigint GENERATED ALWAYS AS IDENTITY,
        file_id bigint NOT NULL,
        line bigint,
        column_name text,
        code text NOT NULL,
        reason text NOT NULL,
        record text NOT NULL
    );
    CREATE INDEX IF NOT EXISTS _importerd_rejects_file ON _importerd_rejects (file_id);";

/// Makes those of our tables that aren't there. A role that may not needs only that somebody else did; and the rejects
/// only once there are some. `emptied`: what it is where the markers must be there and aren't.
pub fn prepare(session: &Session, lock: i64, emptied: Option<Fault>) -> Result<(), Fault> {
    let sql = "SELECT to_regclass('_importerd_files') IS NULL, to_regclass('_importerd_rejects') IS NULL";
    let missing = session.query_one(sql, &[])?;
    if missing.get(0) {
        emptied.map_or(Ok(()), Err)?;
        make(session, lock, FILES)?;
    }
    if !missing.get::<_, bool>(1) {
        return Ok(());
    }
    match make(session, lock, REJECTS) {
        Err(Fault::World(reason)) if reason.code == "no_permission" => Ok(()),
        made => made,
    }
}

/// Two that make it at once would meet in the catalog.
fn make(session: &Session, lock: i64, create: &str) -> Result<(), Fault> {
    let made = session.run(&format!("BEGIN; SELECT pg_advisory_xact_lock({lock}); {create} COMMIT"));
    made.inspect_err(|_| drop(session.undo("ROLLBACK")))
}
