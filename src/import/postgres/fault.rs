//! What the errors of a server mean, by SQLSTATE.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

use super::super::marker::OURS;
use super::super::table::identifier;
use crate::fault::{Fault, Reason};

/// The most of a server's detail that is repeated, in characters: it may hold a whole row.
const DETAIL_CHARS_MAX: usize = 300;

/// The fault of which the code says nothing.
const UNKNOWN: &str = "target";

/// The sources of types that speak of a bad value with the code of the server's own faults: `hstore` and `PostGIS`.
const CODELESS: [&str; 3] = ["hstore", "lwgeom", "geography"];

/// A value, a nesting or a row that is larger than what the server works with.
const TOO_LARGE: [&str; 3] = ["54000", "54001", "54011"];

/// The sources that number transactions, and speak of the last number with the code of a value that is too large.
const TRANSACTION_COUNTERS: [&str; 2] = ["varsup.c", "multixact.c"];

/// How long a lock that another program holds is waited for.
pub const LOCK_WAIT_SECS: u64 = 5;

/// What the server was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum During {
    /// Rows of a file go in.
    Rows,
    /// A table is made, or made wider, for a file.
    Definition,
    /// Rows give way to those of a file.
    Removal,
    /// What is checked only at the end.
    Commit,
    /// What is needed for files, whatever is in them: connecting, load markers, our own tables, the place where rows wait.
    Upkeep,
}

/// The one place that says what an error means for the file in hand. `place`: the database, in words.
pub fn fault(place: &str, during: During, error: &Error) -> Fault {
    match error.as_db_error() {
        Some(said) => said_by_server(place, during, said),
        None => unreachable(place, error),
    }
}

/// Whether the connection is of no use after this: nobody is at its other end any more.
pub fn is_lost(error: &Error) -> bool {
    error.as_db_error().is_none_or(|said| said.parsed_severity() != Some(Severity::Error))
}

fn unreachable(place: &str, error: &Error) -> Fault {
    let text = match error.source() {
        Some(cause) => format!("{place}: {error}: {cause}"),
        None => format!("{place}: {error}"),
    };
    let hint = if text.contains("TLS") {
        "see sslmode and sslrootcert in the address, and the server's ssl settings"
    } else if text.contains("password") {
        "give its password in the address, or by import.password"
    } else {
        "start the server, or see whether it can be reached from here; the folder resumes by itself"
    };
    Fault::world("target_unreachable", text).with_hint(hint)
}

fn said_by_server(place: &str, during: During, said: &DbError) -> Fault {
    match blame(during, said) {
        Some(_) if during == During::Removal && *said.code() == SqlState::FOREIGN_KEY_VIOLATION => {
            Fault::Permanent(referred(said))
        }
        Some(code) => Fault::Permanent(of_file(code, said)),
        None => of_world(place, said),
    }
}

/// Whose fault it is, in one table: what the file is told, or `None` where the world is to blame.
fn blame(during: During, said: &DbError) -> Option<&'static str> {
    match (during, class(said.code())) {
        // Its name goes into its load marker as it is.
        (During::Upkeep, _) if *said.code() == SqlState::UNTRANSLATABLE_CHARACTER => Some("value"),
        // Whatever its code: every file would meet it.
        (During::Upkeep, _) => None,
        // With the code of a bad value.
        _ if is_used_up(said) => None,
        (During::Definition, _) => is_forbidden(said).then_some("constraint"),
        (_, "20" | "21" | "23" | "44" | "P0") => Some("constraint"),
        (_, "22") => Some("value"),
        _ if TOO_LARGE.contains(&said.code().code()) => Some("value"),
        _ => (meaning(said).0 == UNKNOWN && is_of_row(said)).then_some("constraint"),
    }
}

/// Whether the server has no number left: of a sequence, or for a transaction.
fn is_used_up(said: &DbError) -> bool {
    let counts_transactions = said.file().is_some_and(|file| TRANSACTION_COUNTERS.contains(&file));
    *said.code() == SqlState::SEQUENCE_GENERATOR_LIMIT_EXCEEDED || counts_transactions
}

/// Whether a table can't become what the file needs for what it is: a partition, a typed table, one of too many columns,
/// or in a database without a character of a column's name. A right that is missing is none of these, nor somebody else who
/// made it first, nor what comes out of a function: of an event trigger, which meets every file.
fn is_forbidden(said: &DbError) -> bool {
    let state = said.code();
    let others = [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT];
    let is_of_kind = ["42", "54"].contains(&class(state)) && !others.contains(state);
    said.where_().is_none() && (is_of_kind || *state == SqlState::UNTRANSLATABLE_CHARACTER)
}

fn of_world(place: &str, said: &DbError) -> Fault {
    let (code, hint) = meaning(said);
    let text = if *said.code() == SqlState::LOCK_NOT_AVAILABLE {
        format!("{place}: locked by another program for more than {LOCK_WAIT_SECS} s")
    } else {
        format!("{place}: {}", said.message())
    };
    Fault::world(code, text).with_hint(hint)
}

/// What is wrong with the world, in a word, and what to do about it.
fn meaning(said: &DbError) -> (&'static str, &'static str) {
    match said.code().code() {
        "55P03" => ("target_locked", "end that program's transaction"),
        "40001" | "40P01" => ("target_busy", "another program works on the same rows; it is tried again"),
        "25006" => ("read_only", "it is a standby, or default_transaction_read_only is set: name the primary"),
        "42501" => ("no_permission", "grant the role what docs/import-postgres.md lists"),
        "28000" | "28P01" => ("no_permission", "see user and password, and the server's pg_hba.conf"),
        "2200H" => (UNKNOWN, "set another maximum for the sequence, ALTER SEQUENCE, and make its column a bigint"),
        "3D000" => ("target_missing", "create the database, or correct the address"),
        "3F000" => ("target_missing", "create the schema, or correct the table's name"),
        "53100" => ("disk_full", "free some space on the server"),
        "53300" => ("target_busy", "the server has no connection left: raise max_connections, or end some"),
        code if code.starts_with("53") => ("target_busy", "see the server's log"),
        "54000" if is_used_up(said) => {
            (UNKNOWN, "end what has been open for long, prepared transactions too, and VACUUM")
        }
        "57P01" | "57P02" | "57P03" => ("target_unreachable", "it resumes by itself once the server is up"),
        code if code.starts_with("57") => ("target_busy", "somebody, or a timeout, cancelled it; it is tried again"),
        code if code.starts_with("08") => ("target_unreachable", "it resumes by itself once the server is up"),
        code if code.starts_with("58") => ("io", "see the server's log for its disk's errors"),
        "XX001" | "XX002" => ("target_corrupt", "restore it from a backup"),
        "42P01" if said.message().contains(OURS) => {
            ("target_missing", "put the table back, or restart importerd: it makes a new one, or says what to do")
        }
        _ => (UNKNOWN, "see the message; the table may have changed, or a trigger be broken"),
    }
}

/// Whether an error that has no other meaning is about one row: a trigger raised it, with a code of its own, or it came up
/// while a row was copied. What would come up with the next row as well is none: classes of a broken statement, of
/// what isn't supported or ready, of a foreign server, and of the server's own faults.
fn is_of_row(said: &DbError) -> bool {
    let is_raised = said.routine() == Some("exec_stmt_raise");
    let is_copied = said.where_().is_some_and(|context| context.lines().any(|line| line.starts_with("COPY ")));
    let is_of_all = ["0A", "25", "42", "55", "72", "F0", "HV", "XX"].contains(&class(said.code()));
    is_raised || (is_copied && !is_of_all) || is_of_value(said)
}

/// Whether a value is written in a way that its type doesn't read: `ltree`, `tsquery`, `jsonpath`, `name` say so with the
/// codes of a statement's syntax. A statement that is broken has a place in its text, and what a trigger's language says
/// comes from that language's sources.
fn is_of_value(said: &DbError) -> bool {
    let is_from = |sources: &[&str]| said.file().is_some_and(|file| sources.iter().any(|from| file.starts_with(from)));
    let is_of_syntax = said.code().code().starts_with("426") && !is_from(&["pl"]);
    let is_without_code = *said.code() == SqlState::INTERNAL_ERROR && is_from(&CODELESS);
    said.position().is_none() && (is_of_syntax || is_without_code)
}

/// What kind of error it is.
fn class(state: &SqlState) -> &str {
    state.code().get(..2).unwrap_or_default()
}

/// What is wrong with a row, in the server's words.
fn of_file(code: &'static str, said: &DbError) -> Reason {
    let detail = said.detail().map(|detail| {
        let cut: String = detail.chars().take(DETAIL_CHARS_MAX).collect();
        format!(": {cut}{}", if cut.len() < detail.len() { "…" } else { "" })
    });
    let reason = Reason::new(code, format!("{}{}", said.message(), detail.unwrap_or_default()));
    match said.column() {
        Some(column) => reason.in_column(column.to_owned()),
        None => reason,
    }
}

/// Why a row that gives way can't go: another table refers to it, and that is asked before the file's rows are in.
fn referred(said: &DbError) -> Reason {
    let reason = of_file("constraint", said);
    let (Some(schema), Some(table), Some(constraint)) = (said.schema(), said.table(), said.constraint()) else {
        return reason;
    };
    let (table, constraint) = (format!("{}.{}", identifier(schema), identifier(table)), identifier(constraint));
    let sql = format!("ALTER TABLE {table} ALTER CONSTRAINT {constraint} DEFERRABLE");
    reason
        .hint(format!("where the file has those rows as well, type {sql} in the database; RESTRICT can't be deferred"))
}

/// Where in a COPY an error is.
#[derive(Debug, PartialEq, Eq)]
pub struct Copied {
    /// The row, counted from 1.
    pub row: u64,
    /// The column.
    pub column: Option<String>,
}

/// Which row of a COPY into this relation the error is about.
pub fn copied(error: &Error, relation: &str) -> Option<Copied> {
    error.as_db_error()?.where_().and_then(|context| place(context, relation))
}

/// `COPY orders, line 3, column amount: "x"`, in whatever language the server speaks. Names are told as they are, and may
/// hold anything; the number is behind the relation's, and before the column's.
fn place(context: &str, relation: &str) -> Option<Copied> {
    let copy = format!("COPY {relation}, ");
    let mut found = context.match_indices(&copy).map(|(at, _)| at);
    let at = found.find(|at| *at == 0 || context[..*at].ends_with('\n'))?;
    let line = context[at + copy.len()..].lines().next()?;
    let (_word, rest) = line.split_once(' ')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let row = rest[..digits].parse().ok()?;
    let column = rest[digits..].strip_prefix(", ").and_then(|column| column.split_once(' '));
    let name = column.map(|(_word, name)| name.split_once(": \"").map_or(name, |(name, _value)| name));
    Some(Copied { row, column: name.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_of_a_copy_is_found_in_every_language() {
        let of = |row, column: Option<&str>| Some(Copied { row, column: column.map(str::to_owned) });
        for (relation, context, found) in [
            ("orders", "COPY orders, line 3", of(3, None)),
            ("orders", "COPY orders, line 3, column amount", of(3, Some("amount"))),
            ("orders", "COPY orders, Zeile 12, Spalte Order Id: \"x, line 9\"", of(12, Some("Order Id"))),
            ("orders", "COPY orders, line 5, column size, cm 2", of(5, Some("size, cm 2"))),
            ("orders", "COPY orders, line 5, column x\nCOPY orders, line 2", of(5, Some("x"))),
            ("a, b 7", "PL/pgSQL function check_row() line 3 at RAISE\nCOPY a, b 7, line 4", of(4, None)),
            ("orders", "SQL statement \"INSERT\"", None),
            ("orders", "COPY others, line 3", None),
            ("orders", "COPY orders", None),
        ] {
            assert_eq!(place(context, relation), found, "{context}");
        }
    }
}
