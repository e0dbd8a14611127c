//! Tables in PostgreSQL: how one is read from the catalogs, and how one is made.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::Row;

use super::super::bounds::Bounds;
use super::super::header::LINEAGE;
use super::super::shown;
use super::super::table::{Column, Table, identifier};
use super::super::value::Type;
use super::column::{Declared, NAME_BYTES_MAX, Wire};
use super::session::Session;
use crate::fault::{Fault, Reason};

/// A table, and how each of its columns is written, in the table's order.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    /// What a file is matched with.
    pub table: Arc<Table>,
    /// How its columns are written.
    pub wires: Vec<Wire>,
    /// The bytes of the integers that say where a row came from, where it has these columns.
    pub lineage: Option<[usize; 2]>,
    /// The columns whose domain is to be asked whether it bears a NULL: COPY asks it of no column that it isn't handed.
    pub unasked: Vec<String>,
}

/// The domains' `typtype`.
const DOMAIN: &str = "d";

/// The kinds of relations that COPY fills.
const FILLED: [&str; 3] = ["r", "p", "f"];

/// `"sales"."orders"`; a name without a point is looked for in the search path. Whatever else is in it, is quoted.
pub fn qualified(name: &str) -> String {
    match name.split_once('.') {
        Some((schema, table)) => format!("{}.{}", identifier(schema), identifier(table)),
        None => identifier(name),
    }
}

/// `orders`: what the table is called in its schema.
pub fn bare(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_schema, table)| table)
}

/// The table as the session sees it now. `None`: it isn't there.
pub fn read(session: &Session, place: &str, name: &str) -> Result<Option<Read>, Fault> {
    let sql = "SELECT c.relkind::text, a.attname::text, a.attnotnull,
            a.atthasdef OR t.typdefault IS NOT NULL OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a',
            t.typname::text, t.typtype::text, a.atttypmod, format_type(a.atttypid, a.atttypmod),
            ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid)
        FROM pg_class c
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_type t ON t.oid = a.atttypid
        WHERE c.oid = to_regclass($1) ORDER BY a.attnum";
    let rows = session.query(sql, &[&qualified(name)])?;
    let Some(first) = rows.first() else { return Ok(None) };
    if !FILLED.contains(&first.get(0)) {
        let text = format!("{place}: {} is no table but a view or the like", qualified(name));
        return Err(Fault::world("target", text).with_hint("name a table: rows are copied into it"));
    }
    let mut lineage = [None; 2];
    let (mut columns, mut wires, mut unasked) = (Vec::<Column>::new(), Vec::new(), Vec::new());
    let has_domain = rows.iter().any(|row| row.get::<_, Option<&str>>(6) == Some(DOMAIN));
    let mut domains = if has_domain { domains_of(session, name)? } else { HashMap::new() };
    for row in &rows {
        let Some(column) = row.get::<_, Option<String>>(1) else { continue };
        let domain = domains.remove(&column);
        let declared = match &domain {
            Some(domain) => domain.declared.clone(),
            None => Declared { name: row.get(5), kind: row.get(6), modifier: row.get(7), labels: row.get(9) },
        };
        let wire = declared.wire();
        if let Some(at) = LINEAGE.iter().position(|ours| *ours == column) {
            lineage[at] = Some(wire);
            continue;
        }
        if let Some(other) = columns.iter().find(|other| other.name.eq_ignore_ascii_case(&column)) {
            let both = format!("{} and {}", identifier(&other.name), identifier(&column));
            let text = format!("{place}: the columns {both} of {} differ only in case", qualified(name));
            return Err(Fault::world("target", text).with_hint("headers are matched in any case: rename one of them"));
        }
        let (is_filled, generated): (bool, bool) = (row.get(3), row.get(4));
        let is = |what: fn(&Domain) -> bool| !is_filled && domain.as_ref().is_some_and(what);
        if is(|domain| domain.has_checks) {
            unasked.push(column.clone());
        }
        let required = (!is_filled && row.get(2)) || is(|domain| domain.is_required);
        let bounds = declared.bounds(session.holds_all(), row.get(8));
        wires.push(wire);
        columns.push(Column { name: column, kind: wire.kind(), bounds, required, generated });
    }
    let lineage = check_lineage(place, name, lineage)?;
    let unique = unique(session, name)?;
    let table = Table::new(name, columns, lineage.is_some()).written(qualified(name));
    let table = table.unique(unique.iter().map(Vec::as_slice));
    Ok(Some(Read { table: Arc::new(table), wires, lineage, unasked }))
}

/// The bytes of the columns that say where a row came from. `None`: one of them is missing.
fn check_lineage(place: &str, table: &str, wires: [Option<Wire>; 2]) -> Result<Option<[usize; 2]>, Fault> {
    let [Some(file), Some(line)] = wires else { return Ok(None) };
    let bytes = |wire, column| match wire {
        Wire::Integer(bytes) => Ok(bytes),
        _ => Err(Fault::World(no_integer(table, column, format!("{place}: it is no integer")))),
    };
    Ok(Some([bytes(file, LINEAGE[0])?, bytes(line, LINEAGE[1])?]))
}

/// Why a column that says where a row came from can't: what is to be typed is the same.
pub fn no_integer(table: &str, column: &str, why: String) -> Reason {
    let (name, table) = (identifier(column), qualified(table));
    let sql = format!("ALTER TABLE {table} ALTER {name} TYPE bigint USING {name}::bigint");
    Reason::new("target", why).in_column(column).hint(format!("type {sql} in the database"))
}

/// What a domain is in the end, and what it and the domains that it is made of want.
struct Domain {
    declared: Declared,
    is_required: bool,
    has_checks: bool,
}

/// The domains of the columns that have one.
fn domains_of(session: &Session, name: &str) -> Result<HashMap<String, Domain>, Fault> {
    let sql = "WITH RECURSIVE chain AS (
            SELECT attname, pg_type.* FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND typtype = 'd'
            UNION ALL SELECT attname, base.* FROM chain JOIN pg_type AS base ON base.oid = chain.typbasetype)
        SELECT attname::text, max(typname::text) FILTER (WHERE typtype <> 'd'),
            max(typtype::text) FILTER (WHERE typtype <> 'd'), max(typtypmod),
            array_remove(array_agg(enumlabel::text), NULL), bool_or(typnotnull),
            bool_or(EXISTS (SELECT 1 FROM pg_constraint WHERE contypid = chain.oid AND contype = 'c'))
        FROM chain LEFT JOIN pg_enum ON enumtypid = chain.oid GROUP BY attname";
    let read = |row: &Row| {
        let declared = Declared { name: row.get(1), kind: row.get(2), modifier: row.get(3), labels: row.get(4) };
        (row.get(0), Domain { declared, is_required: row.get(5), has_checks: row.get(6) })
    };
    Ok(session.query(sql, &[&qualified(name)])?.iter().map(read).collect())
}

/// The columns of every unique index that holds for all rows, at once.
fn unique(session: &Session, name: &str) -> Result<Vec<Vec<String>>, Fault> {
    let sql = "SELECT array_agg(attname::text) FROM pg_index
        CROSS JOIN LATERAL unnest(indkey::int2[]) WITH ORDINALITY AS of_index (number, place)
        JOIN pg_attribute ON attrelid = indrelid AND attnum = number
        WHERE indrelid = to_regclass($1) AND place <= indnkeyatts
            AND indisunique AND indimmediate AND indisvalid AND indpred IS NULL AND indexprs IS NULL
        GROUP BY indexrelid";
    Ok(session.query(sql, &[&qualified(name)])?.iter().map(|row| row.get(0)).collect())
}

/// The columns that every table has without being asked, in this case of letters.
const RESERVED: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// The most columns that a table has, also the one where rows wait to be merged.
const COLUMNS_MAX: i16 = 1600;

/// So many columns, if a table can have them.
pub fn possible_count(columns: usize) -> Result<i16, Fault> {
    i16::try_from(columns).ok().filter(|count| *count <= COLUMNS_MAX).ok_or_else(|| {
        Fault::permanent("too_many_columns", format!("{columns} columns where PostgreSQL has at most {COLUMNS_MAX}"))
    })
}

/// Checks that PostgreSQL can have such a table: not too many columns, and no name that would be cut, or is taken.
///
/// # Errors
///
/// [`Fault::Permanent`]: not with these columns. [`Fault::World`]: the table's name is too long.
pub fn check_possible(table: &Table) -> Result<(), Fault> {
    possible_count(table.columns().len() + if table.lineage() { LINEAGE.len() } else { 0 })?;
    let too_long = |name: &str| {
        let text = format!("a name of more than {NAME_BYTES_MAX} bytes, which PostgreSQL would cut");
        Reason::new("name_too_long", text).in_column(shown::name(name))
    };
    if let Some(part) = table.name().splitn(2, '.').find(|part| part.len() > NAME_BYTES_MAX) {
        return Err(Fault::World(too_long(part).hint("give the folder's table a shorter name")));
    }
    if let Some(column) = table.columns().iter().find(|column| RESERVED.contains(&column.name.as_str())) {
        let reason =
            Reason::new("reserved_column", "a name that PostgreSQL has for a column of its own in every table");
        return Err(Fault::Permanent(reason.in_column(shown::name(&column.name)).hint("rename it in the file")));
    }
    match table.columns().iter().find(|column| column.name.len() > NAME_BYTES_MAX) {
        Some(column) => {
            let hint = "shorten it in the file, or make the table yourself";
            Err(Fault::Permanent(too_long(&column.name).hint(hint)))
        }
        None => Ok(()),
    }
}

/// The statement that makes it.
pub fn create_sql(table: &Table) -> String {
    let ours = LINEAGE.iter().map(|name| format!("{} bigint", identifier(name)));
    let unique = table.unique_columns().map(|names| {
        let names: Vec<String> = names.map(identifier).collect();
        format!("UNIQUE ({})", names.join(", "))
    });
    let columns: Vec<String> = ours.chain(table.columns().iter().map(definition)).chain(unique).collect();
    format!("CREATE TABLE {} ({})", qualified(table.name()), columns.join(", "))
}

/// The statements that make it wider.
pub fn add_column_sql(table: &Table, wider: &Table) -> impl Iterator<Item = String> {
    let name = qualified(table.name());
    let new = &wider.columns()[table.columns().len()..];
    new.iter().map(move |column| format!("ALTER TABLE {name} ADD COLUMN {}", definition(column)))
}

fn definition(column: &Column) -> String {
    format!("{} {}", identifier(&column.name), declared(column.kind))
}

/// How a table that we make declares a type.
pub fn declared(kind: Type) -> &'static str {
    match kind {
        Type::Integer => "bigint",
        Type::Real => "double precision",
        Type::Number | Type::Decimal => "numeric",
        Type::Boolean => "boolean",
        Type::Date => "date",
        Type::Timestamp | Type::Moment => "timestamp",
        Type::Instant => "timestamptz",
        Type::Text | Type::Untyped | Type::Unfillable => "text",
    }
}

/// What a column of a table that we make for this type holds: as it is read back.
pub fn as_made(kind: Type) -> (Type, Bounds) {
    let name = match declared(kind) {
        "bigint" => "int8",
        "double precision" => "float8",
        "boolean" => "bool",
        other => other,
    };
    let made = Declared { name: name.to_owned(), kind: String::new(), modifier: -1, labels: Vec::new() };
    (made.wire().kind(), made.bounds(true, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_declare_holds_what_it_was_made_for() {
        for kind in [
            Type::Integer,
            Type::Real,
            Type::Number,
            Type::Decimal,
            Type::Boolean,
            Type::Date,
            Type::Timestamp,
            Type::Instant,
            Type::Text,
        ] {
            let (made, _) = as_made(kind);
            assert!(made == kind || (kind, made) == (Type::Number, Type::Decimal), "{kind:?} {made:?}");
        }
        // Nothing has said which of the two, and no offset is made up or lost.
        assert_eq!(as_made(Type::Moment).0, Type::Timestamp);
    }
}
