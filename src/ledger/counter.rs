//! Numbers that only grow, by name.

use rusqlite::{Connection, OptionalExtension, params};

use super::schema;

/// `None`: there is none of that name.
pub(super) fn get(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached(schema::COUNTER)?.query_row([name], |row| row.get(0)).optional()
}

/// Raises it to this, if it is lower: a clock that was put back brings nothing back.
pub(super) fn raise(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(schema::RAISE_COUNTER)?.execute(params![name, value]).map(drop)
}
