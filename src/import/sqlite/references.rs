//! What refers to the rows of a table, and what these refer to.

use rusqlite::Connection;

use super::super::header::LINEAGE;
use super::super::table::identifier;
use super::super::target::Yielding;
use crate::file::FileId;

/// Whether more may be about rows of this table than its own rules: others refer to them, be it rows of the same table, or a
/// trigger takes away or makes what others refer to.
pub fn lead_to(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    // Where there is no such word there is no such key: a thousand tables are not asked for theirs.
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE)
        OR EXISTS (SELECT 1 FROM sqlite_schema CROSS JOIN pragma_foreign_key_list(name) AS reference
            WHERE type = 'table' AND sql LIKE '%REFERENCES%' AND reference.\"table\" = ?1 COLLATE NOCASE)";
    connection.prepare_cached(sql)?.query_row([table], |row| row.get(0))
}

/// A foreign key of a table, as conditions on its row `child` and the row `parent` that it refers to.
struct Reference {
    parent: String,
    on_delete: String,
    /// It refers to something.
    refers: String,
    /// To this row, by the rules of the columns there.
    meets: String,
}

fn references(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Reference>> {
    // One that doesn't say to which columns, means the primary key.
    let sql = "SELECT parent, on_delete, group_concat(format('child.\"%w\" IS NOT NULL', here), ' AND '),
            group_concat(format('parent.\"%w\" = +child.\"%w\"', there, here), ' AND ')
        FROM (SELECT id, \"table\" AS parent, on_delete, \"from\" AS here,
                coalesce(\"to\", (SELECT name FROM pragma_table_info(\"table\") WHERE pk = seq + 1)) AS there
            FROM pragma_foreign_key_list(?1)) GROUP BY id";
    let mut query = connection.prepare(sql)?;
    let read = query.query_map([table], |row| {
        Ok(Reference { parent: row.get(0)?, on_delete: row.get(1)?, refers: row.get(2)?, meets: row.get(3)? })
    })?;
    read.collect()
}

/// Shows the line of every row of this file that lacks what it refers to.
pub fn each_lacking(
    connection: &Connection,
    table: &str,
    file: FileId,
    visit: &mut dyn FnMut(u64),
) -> rusqlite::Result<()> {
    let lacks = |Reference { parent, refers, meets, .. }: &Reference| {
        let parent = identifier(parent);
        format!("{refers} AND NOT EXISTS (SELECT 1 FROM {parent} AS parent WHERE {meets})")
    };
    let lacks: Vec<String> = references(connection, table)?.iter().map(lacks).collect();
    if lacks.is_empty() {
        return Ok(());
    }
    let ([file_id, line], table, lacks) = (LINEAGE.map(identifier), identifier(table), lacks.join(" OR "));
    let sql = format!("SELECT {line} FROM {table} AS child WHERE {file_id} = ?1 AND ({lacks}) ORDER BY 1");
    let mut query = connection.prepare(&sql)?;
    let lines = query.query_map([file.0], |row| row.get::<_, i64>(0))?;
    lines.map(|line| line.map(i64::cast_unsigned)).try_for_each(|line| line.map(&mut *visit))
}

/// The tables that lose rows, or what these refer to, with those rows of this one.
pub fn losing_with(connection: &Connection, table: &str, rows: Yielding) -> rusqlite::Result<Vec<String>> {
    let sql = format!(
        "SELECT DISTINCT name FROM sqlite_schema, pragma_foreign_key_list(name) AS reference
        WHERE type = 'table' AND reference.\"table\" = ?1 COLLATE NOCASE AND name <> ?1 COLLATE NOCASE
            AND on_delete IN ('{}') ORDER BY name",
        TAKING.join("', '")
    );
    let others = connection.prepare(&sql)?.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<Vec<_>>>();
    let mut losing = others?;
    if let Yielding::Of(file) = rows
        && takes_others(connection, table, file)?
    {
        losing.push(table.to_owned());
    }
    Ok(losing)
}

/// What takes a row away that refers to one that goes, or changes it.
const TAKING: [&str; 3] = ["CASCADE", "SET NULL", "SET DEFAULT"];

/// Whether rows of the same table that aren't this file's go, or are changed, with its rows.
fn takes_others(connection: &Connection, table: &str, file: FileId) -> rusqlite::Result<bool> {
    let (file_id, own) = (identifier(LINEAGE[0]), identifier(table));
    for Reference { parent, on_delete, meets, .. } in references(connection, table)? {
        if !parent.eq_ignore_ascii_case(table) || !TAKING.contains(&&*on_delete) {
            continue;
        }
        // Each row looks for its parent by the parent's key, in this order; the other way round there may be no index.
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM {own} AS child CROSS JOIN {own} AS parent ON {meets}
                WHERE child.{file_id} IS NOT ?1 AND parent.{file_id} = ?1)"
        );
        if connection.query_row(&sql, [file.0], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use rusqlite::config::DbConfig;

    use super::*;

    #[test]
    fn a_table_leads_on_where_others_refer_to_it_or_a_trigger_does_more() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE customers (id PRIMARY KEY); CREATE TABLE orders (customer REFERENCES Customers);
            CREATE TABLE tree (id PRIMARY KEY, under REFERENCES tree); CREATE TABLE watched (id);
            CREATE TRIGGER watch AFTER DELETE ON watched BEGIN DELETE FROM tree; END;
            CREATE TABLE noted (id); CREATE TRIGGER note AFTER INSERT ON noted BEGIN INSERT INTO customers VALUES (1); END";
        connection.execute_batch(sql).unwrap();
        let tables = [("CUSTOMERS", true), ("tree", true), ("Watched", true), ("noted", true), ("orders", false)];
        for (table, leads_on) in tables {
            assert_eq!(lead_to(&connection, table).unwrap(), leads_on, "{table}");
        }
    }

    /// The control of what is named is SQLite itself, which says the same of the rows by their numbers.
    #[test]
    fn rows_that_lack_what_they_refer_to_are_told_by_their_lines() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "PRAGMA foreign_keys = off;
            CREATE TABLE \"a \"\"b\" (\"x y\" TEXT COLLATE NOCASE, n INTEGER, PRIMARY KEY (n, \"x y\"));
            CREATE TABLE codes (code TEXT UNIQUE);
            CREATE TABLE orders (_file_id, _line, n, x, code INTEGER REFERENCES codes (code),
                FOREIGN KEY (n, x) REFERENCES \"A \"\"b\");
            INSERT INTO \"a \"\"b\" VALUES ('One', 1); INSERT INTO codes VALUES ('7'), ('08');
            INSERT INTO orders VALUES (1, 1, 1, 'ONE', 7), (1, 2, '1', 'one', NULL), (1, 3, NULL, 'two', NULL),
                (1, 4, 2, 'one', 7), (1, 5, 1, 'two', 9), (1, 6, NULL, NULL, 8), (2, 7, 2, 'two', 9)";
        connection.execute_batch(sql).unwrap();
        let mut lines = Vec::new();
        each_lacking(&connection, "orders", FileId(1), &mut |line| lines.push(line)).unwrap();
        let sql = "SELECT DISTINCT rowid FROM pragma_foreign_key_check('orders') WHERE rowid < 7 ORDER BY 1";
        let rows = connection.prepare(sql).unwrap();
        let rows: Vec<u64> = { rows }
            .query_map((), |row| row.get::<_, i64>(0))
            .unwrap()
            .map(|row| row.unwrap().cast_unsigned())
            .collect();
        assert_eq!((&lines, &lines[..]), (&rows, &[4, 5, 6][..]));
    }

    /// With an index by which the file's few rows are found, and statistics that say so: the other way round it would go through
    /// the whole table for each of them.
    #[test]
    fn each_row_looks_for_what_it_refers_to_by_its_key() {
        let mut connection = Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE tree (_file_id, id INTEGER PRIMARY KEY, under INTEGER REFERENCES tree ON DELETE CASCADE);
            WITH RECURSIVE id AS (VALUES (1) UNION ALL SELECT column1 + 1 FROM id LIMIT 50000)
                INSERT INTO tree SELECT column1 / 2 % 20000 + 1, column1, NULL FROM id;
            UPDATE tree SET _file_id = 1, under = id - 1 WHERE id > 40000; CREATE INDEX files ON tree (_file_id); ANALYZE";
        connection.execute_batch(sql).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
        let mut steps = 0;
        let limit = move || {
            steps += 1;
            steps > 5_000
        };
        // In thousands of steps of its machine; nested the other way, it takes hundreds of millions.
        connection.progress_handler(1_000, Some(limit)).unwrap();
        assert!(takes_others(&connection, "tree", FileId(2)).is_ok_and(|takes| !takes));
        assert!(takes_others(&connection, "tree", FileId(1)).is_ok_and(|takes| !takes));
    }

    #[test]
    fn tables_that_lose_rows_with_those_of_another_are_known() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE orders (id PRIMARY KEY, under REFERENCES orders (id) ON DELETE CASCADE);
            CREATE TABLE lines (id REFERENCES Orders (id) ON DELETE CASCADE, also REFERENCES orders ON DELETE CASCADE);
            CREATE TABLE bills (id REFERENCES orders (id) ON DELETE SET NULL);
            CREATE TABLE kept (id REFERENCES orders (id), other REFERENCES lines (id) ON DELETE CASCADE)";
        connection.execute_batch(sql).unwrap();
        assert_eq!(losing_with(&connection, "ORDERS", Yielding::All).unwrap(), ["bills", "lines"]);
        assert_eq!(losing_with(&connection, "LINES", Yielding::All).unwrap(), ["kept"]);
    }
}
