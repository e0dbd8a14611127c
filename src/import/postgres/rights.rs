//! What the role of a session may not do and a folder needs.

use tokio_postgres::Row;

use super::session::Session;
use super::table::qualified;
use crate::fault::{Fault, Reason};
use crate::settings::{Import, Mode, NewColumns, Tolerance};

const MARKERS: &str = "_importerd_files";
const REJECTS: &str = "_importerd_rejects";

/// What stands in the way of a folder's files.
#[derive(Debug)]
pub struct Hindrance {
    /// What it is, with the statement that mends it.
    pub reason: Reason,
    /// Not of every file, or not now.
    pub of_some: bool,
}

/// What is missing for the files of a folder with these settings.
pub fn missing(session: &Session, import: &Import) -> Result<Vec<Hindrance>, Fault> {
    let key: Vec<String> = import.mode.key().iter().map(|name| name.to_lowercase()).collect();
    let rejects = (import.rejects != Tolerance::NONE).then_some(REJECTS);
    let mut missing = to_make(session, &import.table, None)?;
    if missing.is_empty() {
        // Only files with such rows need their table.
        let of_rejects = to_make(session, &import.table, rejects)?;
        missing.extend(of_rejects.into_iter().map(|missing| Hindrance { of_some: true, ..missing }));
    }
    let of_table = of_table(session, import, &key)?;
    let ours = [(MARKERS, &["SELECT", "INSERT", "UPDATE"][..])];
    let tables =
        [(&*import.table, of_table)].into_iter().chain(ours).chain(rejects.map(|table| (table, &["INSERT"][..])));
    for (table, needed) in tables {
        let name = qualified(table);
        // Of single columns they may be those that the files have; but to lock the table takes one of the whole.
        let sql = "SELECT needed, quote_ident(current_user) FROM unnest($2::text[]) AS needed
            WHERE NOT has_table_privilege(to_regclass($1), needed)
                AND CASE needed WHEN 'DELETE' THEN true ELSE NOT has_any_column_privilege(to_regclass($1), needed)
                    OR NOT has_table_privilege(to_regclass($1), 'INSERT, UPDATE, DELETE, TRUNCATE') END";
        let rows = session.query(sql, &[&name, &needed])?;
        let rights: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
        if let Some(first) = rows.first() {
            let lacks = lacks(first.get(1), &rights.join(", "), &format!("the table {name}"), &name);
            missing.push(Hindrance { of_some: rejects == Some(table), ..lacks });
        }
    }
    // Rows wait beside the table.
    if !key.is_empty() {
        let sql = "SELECT quote_ident(current_database()), quote_ident(current_user)
            WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')";
        for row in session.query(sql, &[])? {
            let database: &str = row.get(0);
            let on = format!("the database {database}");
            missing.push(lacks(row.get(1), "TEMPORARY", &on, &format!("DATABASE {database}")));
        }
    }
    missing.extend(sequences(session, &import.table, &key)?);
    missing.extend(by_nature(session, import)?);
    Ok(missing)
}

/// What no grant mends: whose the table is, who sees its rows, and whether they outlive the server.
fn by_nature(session: &Session, import: &Import) -> Result<Vec<Hindrance>, Fault> {
    let table = qualified(&import.table);
    let sql = "SELECT quote_ident(current_user), row_security_active(oid), pg_has_role(relowner, 'USAGE'),
            (SELECT leaf.oid::regclass::text FROM pg_class AS leaf
                WHERE leaf.relpersistence = 'u' AND leaf.relkind = 'r'
                    AND (leaf.oid = target.oid OR leaf.oid IN (SELECT relid FROM pg_partition_tree(target.oid)))
                LIMIT 1)
        FROM pg_class AS target WHERE oid = to_regclass($1)";
    let Some(row) = session.query(sql, &[&table])?.pop() else { return Ok(Vec::new()) };
    let role: &str = row.get(0);
    let mut found = Vec::new();
    // Rows of an upsert are copied into a table of its own first.
    if row.get(1) && import.mode.key().is_empty() {
        let text =
            format!("the row-level security of the table {table} holds for the role {role}: no COPY goes into it");
        let hint = format!(
            "type ALTER ROLE {role} BYPASSRLS, or ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, in the database"
        );
        found.push(Hindrance { reason: Reason::new("no_permission", text).hint(hint), of_some: false });
    }
    if !row.get::<_, bool>(2) && import.new_columns == NewColumns::Add {
        let text = format!("the table {table} is not the role {role}'s: it can't add the new columns of a file");
        let hint = format!("type ALTER TABLE {table} OWNER TO {role} in the database, or leave out new_columns");
        found.push(Hindrance { reason: Reason::new("no_permission", text).hint(hint), of_some: true });
    }
    if let Some(unlogged) = row.get::<_, Option<&str>>(3) {
        let text =
            format!("the table {unlogged} is UNLOGGED: a crash of the server empties it, and its files stay imported");
        let hint = format!("type ALTER TABLE {unlogged} SET LOGGED in the database");
        found.push(Hindrance { reason: Reason::new("unlogged", text).hint(hint), of_some: true });
    }
    Ok(found)
}

/// Of the table itself. An upsert that has nothing to overwrite leaves rows alone.
fn of_table(session: &Session, import: &Import, key: &[String]) -> Result<&'static [&'static str], Fault> {
    let sql = "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0
        AND NOT attisdropped AND attgenerated = '' AND attidentity <> 'a' AND lower(attname) <> ALL ($2::text[]))";
    Ok(match import.mode {
        Mode::Append => &["INSERT"],
        Mode::Replace => &["SELECT", "INSERT", "DELETE"],
        Mode::Upsert(_) if session.query_one(sql, &[&qualified(&import.table), &key])?.get(0) => {
            &["SELECT", "INSERT", "UPDATE"]
        }
        Mode::Insert(_) | Mode::Upsert(_) => &["SELECT", "INSERT"],
    })
}

/// To make those of the tables that aren't there.
fn to_make(session: &Session, table: &str, rejects: Option<&str>) -> Result<Vec<Hindrance>, Fault> {
    let tables: Vec<String> = [table, MARKERS].into_iter().chain(rejects).map(qualified).collect();
    let schema = table.split_once('.').map(|(schema, _table)| schema);
    let sql = "SELECT DISTINCT quote_ident(schema), quote_ident(current_user),
            to_regnamespace(quote_ident(schema)) IS NOT NULL
        FROM unnest($1::text[]) WITH ORDINALITY AS made (name, number),
            coalesce(CASE number WHEN 1 THEN $2 END, current_schema()::text) AS schema
        WHERE schema IS NOT NULL AND to_regclass(name) IS NULL
            AND has_schema_privilege(to_regnamespace(quote_ident(schema)), 'CREATE') IS NOT TRUE";
    let rows = session.query(sql, &[&tables, &schema])?;
    let lacking = |row: &Row| {
        let (schema, role): (&str, &str) = (row.get(0), row.get(1));
        if row.get(2) {
            return lacks(role, "CREATE", &format!("the schema {schema}"), &format!("SCHEMA {schema}"));
        }
        let hint =
            format!("type CREATE SCHEMA {schema} AUTHORIZATION {role} in the database, or correct the table's name");
        let text = format!("there is no schema {schema}");
        Hindrance { reason: Reason::new("target_missing", text).hint(hint), of_some: false }
    };
    Ok(rows.iter().map(lacking).collect())
}

/// Of sequences that number the rows of a file without that column.
fn sequences(session: &Session, table: &str, key: &[String]) -> Result<Vec<Hindrance>, Fault> {
    let sql = "SELECT sequence.oid::regclass::text, quote_ident(current_user), quote_ident(attname)
        FROM pg_attrdef
            JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
            JOIN pg_depend ON classid = 'pg_attrdef'::regclass AND objid = pg_attrdef.oid
                AND refclassid = 'pg_class'::regclass
            JOIN pg_class AS sequence ON sequence.oid = refobjid
        WHERE adrelid = to_regclass($1) AND lower(attname) <> ALL ($2::text[])
            AND CASE relkind WHEN 'S' THEN NOT has_sequence_privilege(sequence.oid, 'USAGE, UPDATE') END";
    let rows = session.query(sql, &[&qualified(table), &key])?;
    Ok(rows
        .iter()
        .map(|row| {
            let (sequence, column): (&str, &str) = (row.get(0), row.get(2));
            let on = format!("the sequence {sequence}, which numbers the rows of files without the column {column}");
            Hindrance { of_some: true, ..lacks(row.get(1), "USAGE", &on, &format!("SEQUENCE {sequence}")) }
        })
        .collect())
}

fn lacks(role: &str, rights: &str, on: &str, in_sql: &str) -> Hindrance {
    let text = format!("the role {role} lacks {rights} on {on}");
    let hint = format!("type GRANT {rights} ON {in_sql} TO {role} in the database");
    Hindrance { reason: Reason::new("no_permission", text).hint(hint), of_some: false }
}
