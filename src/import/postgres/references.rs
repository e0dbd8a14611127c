//! What refers to the rows of a table.

use super::super::header::LINEAGE;
use super::super::table::identifier;
use super::super::target::Yielding;
use super::session::Session;
use super::table::qualified;
use crate::fault::Fault;
use crate::file::FileId;

/// How sure the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sure {
    /// As things stand now.
    Now,
    /// Until the end of the transaction, in which the rows go.
    ToTheEnd,
}

/// The tables that lose rows, or what these refer to, with those rows of this one. Partitions count as their table.
pub fn losing_with(session: &Session, name: &str, rows: Yielding, sure: Sure) -> Result<Vec<String>, Fault> {
    // By the collation of what is referred to, as the server compares them: the other column may have one of its own.
    let sql = "WITH RECURSIVE tree AS (SELECT to_regclass($1)::oid AS relation
            UNION SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = relation)
        SELECT DISTINCT coalesce(pg_partition_root(conrelid), conrelid)::regclass::text,
            CASE WHEN conrelid IN (SELECT relation FROM tree) THEN (
                SELECT string_agg(format('parent.%I %s = child.%I', there.attname,
                    'COLLATE ' || collnamespace::regnamespace || '.' || quote_ident(collname), here.attname), ' AND ')
                FROM unnest(confkey, conkey) AS key (there, here)
                JOIN pg_attribute AS there ON there.attrelid = confrelid AND there.attnum = key.there
                JOIN pg_attribute AS here ON here.attrelid = conrelid AND here.attnum = key.here
                LEFT JOIN pg_collation AS rules ON rules.oid = there.attcollation) END
        FROM pg_constraint
        WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd') AND confrelid IN (SELECT relation FROM tree)
        ORDER BY 1";
    let mut losing = Vec::new();
    for row in session.query(sql, &[&qualified(name)])? {
        let loses = match (row.get::<_, Option<String>>(1), rows) {
            (None, _) => true,
            (Some(_), Yielding::All) => false,
            (Some(meets), Yielding::Of(file)) => {
                if sure == Sure::ToTheEnd {
                    hold(session, name, file)?;
                }
                let (file_id, own) = (identifier(LINEAGE[0]), qualified(name));
                let sql = format!(
                    "SELECT EXISTS (SELECT FROM {own} AS child JOIN {own} AS parent ON {meets}
                        WHERE child.{file_id} IS DISTINCT FROM $1::bigint AND parent.{file_id} = $1::bigint)"
                );
                session.query_one(&sql, &[&file.0])?.get(0)
            }
        };
        if loses {
            losing.push(row.get(0));
        }
    }
    losing.dedup();
    Ok(losing)
}

/// From here on nobody comes to refer to the rows of this file, and whoever was about to is waited for: as the deletion
/// would, with what it has committed then deleted as well. Who may not update any column can't hold them.
fn hold(session: &Session, name: &str, file: FileId) -> Result<(), Fault> {
    let (file_id, own) = (identifier(LINEAGE[0]), qualified(name));
    let may_hold = session.query_one("SELECT has_any_column_privilege(to_regclass($1), 'UPDATE')", &[&own])?;
    if !may_hold.get::<_, bool>(0) {
        return Ok(());
    }
    let sql = format!("SELECT count(*) FROM (SELECT FROM {own} WHERE {file_id} = $1::bigint FOR UPDATE) AS held");
    session.query_one(&sql, &[&file.0]).map(drop)
}
