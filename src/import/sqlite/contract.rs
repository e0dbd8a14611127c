//! What a table says beyond its columns' types, for somebody who only looks.

use rusqlite::Connection;

use super::super::contract::{Contract, Declared};

/// Of the table of this name, which is there.
pub fn read(connection: &Connection, table: &str) -> rusqlite::Result<Contract> {
    let mut query = connection.prepare("SELECT name, type, hidden > 0 FROM pragma_table_xinfo(?)")?;
    let columns = query.query_map([table], |row| {
        let name: String = row.get(0)?;
        Ok((name.to_ascii_lowercase(), Declared { kind: row.get(1)?, generated: row.get(2)? }))
    })?;
    let sql = "SELECT EXISTS (SELECT 1 FROM pragma_table_xinfo(?1) WHERE \"notnull\" OR pk > 0 OR hidden > 0)
        OR EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE \"unique\" OR partial)
        OR EXISTS (SELECT 1 FROM pragma_index_list(?1) AS list, pragma_index_info(list.name) WHERE cid = -2) -- an expression
        OR EXISTS (SELECT 1 FROM pragma_foreign_key_list(?1))
        OR EXISTS (SELECT 1 FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE
            AND (type IN ('trigger', 'view') OR (type = 'table' AND sql LIKE '%CHECK%')))";
    Ok(Contract {
        columns: columns.collect::<rusqlite::Result<_>>()?,
        has_constraints: connection.query_row(sql, [table], |row| row.get(0))?,
        reads_itself: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_refuse_a_row_of_the_right_types_is_known() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE plain (a INTEGER, b VARCHAR(20)); CREATE INDEX i ON plain (a, b); CREATE TABLE other (a UNIQUE);";
        connection.execute_batch(sql).unwrap();
        let contract = read(&connection, "PLAIN").unwrap();
        assert!(!contract.has_constraints);
        assert_eq!(contract.columns["b"], Declared { kind: "VARCHAR(20)".to_owned(), generated: false });
        for (name, table) in [
            ("keyed", "a INTEGER PRIMARY KEY"),
            ("never_null", "a NOT NULL"),
            ("lone", "a UNIQUE"),
            ("refers", "a REFERENCES other (a)"),
            ("checked", "a CHECK (a > 0)"),
            ("computed", "a, b AS (a ->> '$.b')"),
        ] {
            connection.execute_batch(&format!("CREATE TABLE {name} ({table})")).unwrap();
            assert!(read(&connection, name).unwrap().has_constraints, "{name}");
        }
        assert!(read(&connection, "computed").unwrap().columns["b"].generated);
        for index in ["(abs(a))", "(a) WHERE abs(a) > 1"] {
            connection.execute_batch(&format!("DROP INDEX i; CREATE INDEX i ON plain {index}")).unwrap();
            assert!(read(&connection, "plain").unwrap().has_constraints, "{index}");
        }
        connection.execute_batch("DROP INDEX i").unwrap();
        connection.execute_batch("CREATE TRIGGER t BEFORE INSERT ON plain BEGIN SELECT 1; END").unwrap();
        assert!(read(&connection, "plain").unwrap().has_constraints);
    }
}
