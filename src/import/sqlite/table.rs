//! Tables in SQLite: how one is read, how one is made, and how types are declared.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql};

use super::super::bounds::Bounds;
use super::super::header::LINEAGE;
use super::super::table::{Column, Table, identifier};
use super::super::value::{Type, Value};

/// Text to SQLite, so that no digit is lost; its decimal extension reads it.
const DECIMAL: &str = "DECIMAL TEXT";

/// The table as the database has it now. `None`: it isn't there.
pub fn read(connection: &Connection, name: &str) -> rusqlite::Result<Option<Table>> {
    let known = "SELECT 1 FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE";
    if connection.prepare_cached(known)?.query_row([name], |_| Ok(())).optional()?.is_none() {
        return Ok(None);
    }
    let strict = "SELECT strict FROM pragma_table_list(?1)";
    let strict = connection.prepare_cached(strict)?.query_row([name], |row| row.get(0)).optional()?.unwrap_or(false);
    let columns = "SELECT name, type, \"notnull\", dflt_value IS NULL, pk, hidden FROM pragma_table_xinfo(?1)";
    let mut keys = 0;
    let mut statement = connection.prepare_cached(columns)?;
    let columns = statement.query_map([name], |row| {
        let (name, declared): (String, String) = (row.get(0)?, row.get(1)?);
        let (not_null, no_default, key): (bool, bool, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
        keys += i64::from(key > 0);
        let fills_itself = key > 0 && declared.eq_ignore_ascii_case("INTEGER");
        let column = Column {
            name,
            kind: if strict { strict_type_of(&declared) } else { type_of(&declared) },
            bounds: Bounds::Open,
            required: not_null && no_default,
            generated: row.get::<_, i64>(5)? > 0,
        };
        Ok((column, fills_itself))
    })?;
    let mut columns: Vec<(Column, bool)> = columns.collect::<rusqlite::Result<_>>()?;
    // A lone INTEGER PRIMARY KEY is the rowid, which SQLite fills.
    for (column, fills_itself) in &mut columns {
        column.required &= !(*fills_itself && keys == 1);
    }
    let rowid =
        columns.iter().find(|(_, fills_itself)| *fills_itself && keys == 1).map(|(column, _)| column.name.clone());
    let ours = |column: &Column| LINEAGE.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
    let (lineage, columns): (Vec<_>, Vec<_>) =
        columns.into_iter().map(|(column, _)| column).partition(|column| ours(column));
    let table = Table::new(name, columns, lineage.len() == LINEAGE.len());
    let unique = unique(connection, name, rowid.as_deref())?;
    let alone = strict || takes_rows_alone(connection, name)?;
    Ok(Some(table.unique(unique.iter().map(Vec::as_slice)).alone(alone).strict(strict)))
}

/// Whether a row of several in a statement may meet another fate than one by itself: a trigger sees the others, a reference
/// is looked at behind the last, and a clause of a constraint may keep those before it or end the transaction, and nobody
/// says which row it was. SQLite takes those before it back only where it expects a constraint to fail: not for a type of a
/// STRICT table.
fn takes_rows_alone(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pragma_foreign_key_list(?1))";
    let refers: bool = connection.prepare_cached(sql)?.query_row([table], |row| row.get(0))?;
    Ok(refers || may_leave_something(connection, table)?)
}

/// Whether something of a row may stay though its statement fails.
pub(super) fn may_leave_something(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND (type IN ('trigger', 'view')
            OR type = 'table' AND (sql LIKE '%CONFLICT%' OR sql LIKE 'CREATE VIRTUAL%')))";
    connection.prepare_cached(sql)?.query_row([table], |row| row.get(0))
}

/// The columns of every unique index that holds for all rows; `rowid`: the column that is the rowid, which has none.
fn unique(connection: &Connection, table: &str, rowid: Option<&str>) -> rusqlite::Result<Vec<Vec<String>>> {
    let indexes = "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND NOT partial";
    let mut indexes = connection.prepare_cached(indexes)?;
    let indexes: Vec<String> = indexes.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut columns = connection.prepare_cached("SELECT name FROM pragma_index_info(?1)")?;
    let mut sets: Vec<Vec<String>> = rowid.into_iter().map(|name| vec![name.to_owned()]).collect();
    for index in indexes {
        let names = columns.query_map([index], |row| row.get(0))?;
        // An expression has no name.
        sets.extend(names.collect::<rusqlite::Result<Option<Vec<String>>>>()?);
    }
    Ok(sets)
}

/// The statement that makes it.
pub fn create_sql(table: &Table) -> String {
    let mut columns: Vec<String> = LINEAGE.iter().map(|name| format!("{} INTEGER", identifier(name))).collect();
    columns.extend(table.columns().iter().map(definition));
    for names in table.unique_columns() {
        columns.push(format!("UNIQUE ({})", names.map(identifier).collect::<Vec<_>>().join(", ")));
    }
    format!("CREATE TABLE {} ({})", identifier(table.name()), columns.join(", "))
}

/// The statements that make it wider.
pub fn add_column_sql(table: &Table, wider: &Table) -> impl Iterator<Item = String> {
    let name = identifier(table.name());
    let new = &wider.columns()[table.columns().len()..];
    new.iter().map(move |column| format!("ALTER TABLE {name} ADD COLUMN {}", definition(column)))
}

fn definition(column: &Column) -> String {
    format!("{} {}", identifier(&column.name), declared(column.kind))
}

/// Of a column declared with this type: SQLite's rules of affinity, and the names that it
/// doesn't know but people use.
pub fn type_of(declared: &str) -> Type {
    let declared = declared.to_ascii_uppercase();
    let names = |names: &[&str]| names.iter().any(|name| declared.contains(name));
    match () {
        () if declared == DECIMAL => Type::Decimal,
        () if names(&["INT"]) => Type::Integer,
        () if names(&["CHAR", "CLOB", "TEXT", "BLOB"]) || declared.is_empty() => Type::Text,
        () if names(&["REAL", "FLOA", "DOUB"]) => Type::Real,
        () if names(&["BOOL"]) => Type::Boolean,
        () if names(&["TIMESTAMP", "DATETIME"]) => Type::Moment,
        () if names(&["DATE"]) => Type::Date,
        () if names(&["NUMERIC", "DECIMAL", "NUMBER", "MONEY"]) => Type::Number,
        () => Type::Untyped,
    }
}

/// The same of a STRICT table, which converts nothing into bytes and nothing into another type of `ANY`.
fn strict_type_of(declared: &str) -> Type {
    match &*declared.to_ascii_uppercase() {
        "BLOB" => Type::Unfillable,
        "ANY" => Type::Text,
        _ => type_of(declared),
    }
}

/// How a table that we make declares it.
pub fn declared(kind: Type) -> &'static str {
    match kind {
        Type::Integer => "INTEGER",
        Type::Real | Type::Number => "REAL",
        Type::Decimal => DECIMAL,
        Type::Boolean => "BOOLEAN",
        Type::Date => "DATE",
        Type::Timestamp | Type::Instant | Type::Moment => "TIMESTAMP",
        Type::Text | Type::Untyped | Type::Unfillable => "TEXT",
    }
}

/// What a column of a table that we make for this type holds: as it is read back.
pub fn as_made(kind: Type) -> Type {
    type_of(declared(kind))
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Integer(integer) => ValueRef::Integer(integer),
            Self::Real(real) => ValueRef::Real(real),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_table_is_read_back_as_it_was_meant() {
        // fault 60
        let hostile = "a\") ; drop table x; --";
        let columns = [("id", Type::Integer), (hostile, Type::Text), ("at", Type::Timestamp), ("ok", Type::Boolean)];
        let columns = columns.map(|(name, kind)| (name.to_owned(), kind));
        let key = [hostile.to_owned(), "ID".to_owned()];
        let as_made = |kind| (as_made(kind), Bounds::Open);
        let table = Table::made_for("my \"orders\"", columns.into_iter(), &as_made).unique(std::iter::once(&key[..]));
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&create_sql(&table)).unwrap();
        assert_eq!(read(&connection, "my \"orders\"").unwrap(), Some(table));
        assert_eq!(read(&connection, "absent").unwrap(), None);
    }

    #[test]
    fn rows_go_in_together_unless_one_of_them_may_matter_to_another() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE plain (id INTEGER PRIMARY KEY, a TEXT NOT NULL UNIQUE CHECK (a <> ''));
            CREATE TABLE refers (a REFERENCES plain (id)); CREATE TABLE clause (a UNIQUE ON CONFLICT FAIL);
            CREATE TABLE strict (a TEXT) STRICT; CREATE VIEW view AS SELECT 1 AS a; CREATE VIRTUAL TABLE virtual USING fts5 (a); CREATE TABLE triggers (a);
            CREATE TRIGGER t BEFORE INSERT ON triggers BEGIN SELECT 1; END";
        connection.execute_batch(sql).unwrap();
        let together = |name: &str| read(&connection, name).unwrap().unwrap().takes_rows_together();
        assert!(together("plain") && together("PLAIN"));
        for name in ["refers", "clause", "strict", "view", "virtual", "triggers", "Triggers"] {
            assert!(!together(name), "{name}");
        }
    }

    #[test]
    fn only_an_index_that_holds_for_every_row_makes_columns_unique() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b UNIQUE, c, d); CREATE UNIQUE INDEX i ON t (d, A);
            CREATE UNIQUE INDEX j ON t (a) WHERE b; CREATE UNIQUE INDEX k ON t (lower(c)); CREATE INDEX l ON t (c);
            CREATE TABLE u (id TEXT, n, PRIMARY KEY (n, id)) WITHOUT ROWID";
        connection.execute_batch(sql).unwrap();
        let is_unique = |name: &str, columns: &[&str]| {
            let table = read(&connection, name).unwrap().unwrap();
            let numbers: Vec<usize> = columns.iter().map(|column| table.number(column).unwrap()).collect();
            table.is_unique(&numbers)
        };
        for (table, columns) in [("t", &["id"][..]), ("t", &["b"]), ("t", &["a", "d"]), ("u", &["id", "n"])] {
            assert!(is_unique(table, columns), "{columns:?}");
        }
        for (table, columns) in [("t", &["a"][..]), ("t", &["c"]), ("t", &["d"]), ("t", &["id", "b"]), ("u", &["id"])] {
            assert!(!is_unique(table, columns), "{columns:?}");
        }
    }

    #[test]
    fn a_users_table_says_what_a_file_must_have() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a TEXT NOT NULL, b NOT NULL DEFAULT 1, c AS (a))";
        connection.execute_batch(sql).unwrap();
        let table = read(&connection, "T").unwrap().unwrap();
        let facts: Vec<_> = table.columns().iter().map(|column| (column.required, column.generated)).collect();
        assert_eq!(facts, [(false, false), (true, false), (false, false), (false, true)]);
        assert!(!table.lineage());
        assert_eq!(table.number("A"), Some(1));
    }

    #[test]
    fn a_declared_type_is_known_by_its_name() {
        for (declared, kind) in [
            ("INTEGER", Type::Integer),
            ("bigint", Type::Integer),
            ("VARCHAR(20)", Type::Text),
            ("", Type::Text),
            ("double precision", Type::Real),
            ("boolean", Type::Boolean),
            ("DATE", Type::Date),
            ("DATETIME", Type::Moment),
            ("TIMESTAMP WITH TIME ZONE", Type::Moment),
            ("DECIMAL(10,2)", Type::Number),
            ("decimal text", Type::Decimal),
            ("UUID", Type::Untyped),
        ] {
            assert_eq!(type_of(declared), kind, "{declared}");
        }
    }

    #[test]
    fn what_we_declare_holds_what_it_was_made_for() {
        for kind in [Type::Integer, Type::Real, Type::Boolean, Type::Date, Type::Text, Type::Decimal, Type::Moment] {
            assert_eq!(as_made(kind), kind);
        }
        for kind in [Type::Number, Type::Timestamp, Type::Instant] {
            assert!(as_made(kind).holds(kind) && as_made(as_made(kind)) == as_made(kind), "{kind:?}");
        }
    }
}
