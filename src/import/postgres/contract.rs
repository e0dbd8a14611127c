//! What a table says beyond its columns' types, for somebody who only looks.

use super::super::contract::{Contract, Declared};
use super::session::Session;
use super::table::qualified;
use crate::fault::Fault;

/// Of the table of this name. `None`: it isn't there.
pub fn read(session: &Session, name: &str) -> Result<Option<Contract>, Fault> {
    let name = qualified(name);
    let sql = "SELECT attname::text, format_type(atttypid, atttypmod), attgenerated <> '' OR attidentity = 'a'
        FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let columns = session.query(sql, &[&name])?;
    if columns.is_empty() {
        return Ok(None);
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_attribute
            JOIN pg_type ON pg_type.oid = atttypid
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
                AND (attnotnull OR attgenerated <> '' OR typtype = 'd'))
        OR EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass($1))
        OR EXISTS (SELECT 1 FROM pg_index WHERE indrelid = to_regclass($1)
            AND (indisunique OR indexprs IS NOT NULL OR indpred IS NOT NULL))
        OR EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass($1)),
        current_setting('server_encoding') <> 'UTF8' OR EXISTS (WITH RECURSIVE chain AS (
                SELECT pg_type.* FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
                WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
                UNION ALL SELECT base.* FROM chain JOIN pg_type AS base ON base.oid = chain.typbasetype)
            SELECT 1 FROM chain WHERE typname IN ('json', 'jsonb', 'xml'))";
    let rules = session.query_one(sql, &[&name])?;
    let column = |row: &tokio_postgres::Row| {
        let name: String = row.get(0);
        (name.to_ascii_lowercase(), Declared { kind: row.get(1), generated: row.get(2) })
    };
    let columns = columns.iter().map(column).collect();
    Ok(Some(Contract { columns, has_constraints: rules.get(0), reads_itself: rules.get(1) }))
}
