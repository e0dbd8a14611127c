//! What the role of a session may not do and a folder needs.

use super::session::Session;
use super::table::qualified;
use crate::fault::{Fault, Reason};
use crate::settings::Mode;

const MARKERS: &str = "_importerd_files";

/// What is missing for files of this mode into the table of this name, each with the statement that grants it. A table that
/// isn't there is its maker's.
pub fn missing(session: &Session, table: &str, mode: &Mode) -> Result<Vec<Reason>, Fault> {
    let mut missing = Vec::new();
    let of_table: &[&str] = match mode {
        Mode::Append => &["INSERT"],
        Mode::Replace => &["SELECT", "INSERT", "DELETE"],
        Mode::Insert(_) => &["SELECT", "INSERT"],
        Mode::Upsert(_) => &["SELECT", "INSERT", "UPDATE"],
    };
    for (table, needed) in [(table, of_table), (MARKERS, &["SELECT", "INSERT", "UPDATE"])] {
        let name = qualified(table);
        // Of single columns they may be those that the files have; but to lock the table takes one of the whole.
        let sql = "SELECT needed, quote_ident(current_user) FROM unnest($2::text[]) AS needed
            WHERE NOT has_table_privilege(to_regclass($1), needed)
                AND CASE needed WHEN 'DELETE' THEN true ELSE NOT has_any_column_privilege(to_regclass($1), needed)
                    OR NOT has_table_privilege(to_regclass($1), 'INSERT, UPDATE, DELETE, TRUNCATE') END";
        let rows = session.query(sql, &[&name, &needed])?;
        let rights: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
        if let Some(first) = rows.first() {
            missing.push(lacks(first.get(1), &rights.join(", "), &format!("the table {name}"), &name));
        }
    }
    // Rows wait beside the table.
    if !mode.key().is_empty() {
        let sql = "SELECT quote_ident(current_database()), quote_ident(current_user)
            WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')";
        for row in session.query(sql, &[])? {
            let database: &str = row.get(0);
            let on = format!("the database {database}");
            missing.push(lacks(row.get(1), "TEMPORARY", &on, &format!("DATABASE {database}")));
        }
    }
    Ok(missing)
}

fn lacks(role: &str, rights: &str, on: &str, in_sql: &str) -> Reason {
    let text = format!("the role {role} lacks {rights} on {on}");
    Reason::new("no_permission", text).hint(format!("type GRANT {rights} ON {in_sql} TO {role} in the database"))
}
