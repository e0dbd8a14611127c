//! What refers to the rows of a table.

use rusqlite::Connection;

/// The tables that lose rows, or what these refer to, with the rows of this one. `is_of_all`: with all of them, so that
/// none is left of its own that could be lost.
pub fn losing_with(connection: &Connection, table: &str, is_of_all: bool) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT name FROM sqlite_schema, pragma_foreign_key_list(name) AS reference
        WHERE type = 'table' AND reference.\"table\" = ?1 COLLATE NOCASE AND NOT (?2 AND name = ?1 COLLATE NOCASE)
            AND on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT') ORDER BY name";
    connection.prepare(sql)?.query_map((table, is_of_all), |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_lose_rows_with_those_of_another_are_known() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE orders (id PRIMARY KEY, under REFERENCES orders (id) ON DELETE CASCADE);
            CREATE TABLE lines (id REFERENCES Orders (id) ON DELETE CASCADE, also REFERENCES orders ON DELETE CASCADE);
            CREATE TABLE bills (id REFERENCES orders (id) ON DELETE SET NULL);
            CREATE TABLE kept (id REFERENCES orders (id), other REFERENCES lines (id) ON DELETE CASCADE)";
        connection.execute_batch(sql).unwrap();
        assert_eq!(losing_with(&connection, "ORDERS", true).unwrap(), ["bills", "lines"]);
        assert_eq!(losing_with(&connection, "ORDERS", false).unwrap(), ["bills", "lines", "orders"]);
    }
}
