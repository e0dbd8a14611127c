//! No question to the ledger reads more than it answers with, however long its history is: how SQLite means to find
//! the rows is in its plan.

use rusqlite::Connection;

use super::{FILE_NAME, Ledger, entry, schema};
use crate::events::Kind;

/// Files that are not at their end: few.
const OPEN: &str = "SEARCH file USING INDEX file_open (folder=? AND state=?";

/// The ways to rows that are known beforehand: by a number, or by an index whose entries of that kind are the answer.
///
/// Each question, and what its plan has to say; `file_folder (folder=?` alone would be all files of a folder.
fn questions() -> Vec<(String, &'static str)> {
    let by_id = "SEARCH file USING INTEGER PRIMARY KEY (rowid=?)";
    let mut questions = vec![
        (schema::ARCHIVED, by_id),
        (schema::FOUND_ARCHIVED, by_id),
        (schema::QUARANTINED_AS, by_id),
        (schema::COPIED, by_id),
        (schema::PUBLISHED, by_id),
        (schema::REPLACED, by_id),
        (schema::FORGOTTEN, by_id),
        (schema::STATE, by_id),
        (schema::BY_ID, by_id),
        (schema::RELEASE, by_id),
        (schema::RELEASED, by_id),
        (schema::MAKE_DUE, by_id),
        (schema::LAST_WORDS, "SEARCH failure USING INDEX failure_file (file_id=?)"),
        (schema::FAILURES, "SEARCH failure USING INDEX failure_file (file_id=?)"),
        (schema::PRUNE_FAILURES, "SEARCH failure USING INDEX failure_file (file_id=?)"),
        (schema::REPLAY_OF, "SEARCH file USING INDEX file_replaces (replaces=?)"),
        (schema::BY_IDENTITY, "SEARCH file USING INDEX file_identity (inode=? AND born_ns=?)"),
        (schema::DEFERRED_BY_KEY, "SEARCH file USING INDEX file_identity (inode=? AND born_ns=?)"),
        (schema::DONE_WITH_BYTES, "SEARCH file USING INDEX file_bytes (folder=? AND blake3=?)"),
        (schema::DONE_WITH_NAME, "SEARCH file USING INDEX file_name (name=?)"),
        (schema::BY_NAME, "SEARCH file USING INDEX file_name (name=?)"),
        (schema::RELEASING, "SEARCH file USING INDEX file_released (folder=?)"),
        (schema::IN_STATE, OPEN),
        (schema::IN_STATE_AFTER, OPEN),
        (schema::IDS_NOT_IN_BELOW, "SEARCH file USING COVERING INDEX file_open (folder=? AND state=? AND rowid<?)"),
        (schema::QUARANTINED_AT, "SEARCH file USING INDEX file_refused (folder=? AND place=?)"),
        (schema::LET_GO, "SEARCH file USING INDEX file_let_go (folder=?)"),
        (schema::UNPLACED, "SEARCH file USING INDEX file_unplaced (folder=? AND state=?)"),
        (schema::UNDER_WAY, "SEARCH file USING INDEX file_unplaced (folder=? AND state=?)"),
        (schema::UNDER_WAY, "SEARCH file USING INDEX file_released (folder=?)"),
        // The last of them, by SQLite's way with max().
        (schema::LAST_ID, "SEARCH file USING COVERING INDEX file_folder (folder=?)"),
        (schema::IDS_ENDED_FROM, "SEARCH file USING INDEX file_folder (folder=? AND rowid>?)"),
        // In the order of the index, up to its LIMIT.
        (schema::ENDED_AFTER, "SEARCH file USING INDEX file_folder (folder=? AND rowid>?)"),
        (schema::LATEST_ARCHIVED, "SEARCH file USING INDEX file_since (folder=?)"),
        (schema::LATEST_OPEN, OPEN),
        (schema::LATEST_RARE, "SEARCH file USING INDEX file_rare (folder=? AND state=?)"),
        (schema::LATEST_WITH_REJECTS, "SEARCH file USING INDEX file_rejects (folder=?)"),
        (schema::EVENTS_OF, "SEARCH event USING INDEX event_file (file_id=?)"),
        (schema::PRUNE_EVENTS, "SEARCH event USING INDEX event_file (file_id=? AND rowid<?)"),
        (schema::EVENTS_ENTERED_AFTER, "SEARCH event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (schema::LAST_EVENT, "SEARCH event"),
        (schema::LAST_START, "SEARCH event USING COVERING INDEX event_rare (kind=?)"),
        (schema::LAST_OF_KIND, "SEARCH event USING INDEX event_rare (kind=?)"),
        (schema::HAS_WATCHED, "SEARCH event USING INDEX event_rare (kind=?)"),
        // Up to the first that has rows.
        (schema::LATEST_IMPORTED, "SEARCH file USING INDEX file_since (folder=?)"),
        (schema::HAS_IMPORTED, "SEARCH file USING INDEX file_since (folder=?)"),
        (schema::HAS_IN, "SEARCH file USING INDEX file_since (folder=?)"),
        (schema::PRUNE_OUTDATED, "SEARCH later USING INDEX event_rare (kind=? AND rowid>?)"),
        (schema::COUNTER, "SEARCH counter USING PRIMARY KEY (name=?)"),
        (schema::PAUSED, "SEARCH pause USING PRIMARY KEY (folder=?)"),
        (schema::RESUME, "SEARCH pause USING PRIMARY KEY (folder=?)"),
    ]
    .into_iter()
    .map(|(sql, plan)| (sql.to_owned(), plan))
    .collect::<Vec<_>>();
    let rare = schema::of_kind(Some(Kind::FileDuplicate));
    questions.extend([
        (schema::tallies_since("rejects"), "SEARCH file USING INDEX file_since (folder=? AND changed_at_us>?)"),
        (schema::last_events(&rare), "SEARCH event USING INDEX event_rare (kind=?)"),
        (schema::events_after(&rare), "SEARCH event USING INDEX event_rare (kind=? AND rowid>?)"),
        (schema::events_after(&schema::of_kind(None)), "SEARCH event USING INTEGER PRIMARY KEY (rowid>?)"),
    ]);
    questions
}

/// Read from the end, up to their LIMIT: of these events there are always many among the last.
fn read_backwards() -> Vec<String> {
    [None, Some(Kind::FileCommitted)].map(|kind| schema::last_events(&schema::of_kind(kind))).into()
}

fn plan(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut query = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    query.raw_query().mapped(|row| row.get(3)).collect()
}

/// What a plan reads from end to end, or sorts.
fn reads_all(plan: &[String]) -> bool {
    plan.iter().any(|step| step.starts_with("SCAN") && !step.starts_with("SCAN json_each"))
}

fn ledger() -> (tempfile::TempDir, Connection) {
    let state = tempfile::tempdir().unwrap();
    drop(Ledger::open(state.path()).unwrap());
    let connection = Connection::open(state.path().join(FILE_NAME)).unwrap();
    (state, connection)
}

#[test]
fn every_question_finds_its_rows_without_reading_those_of_others() {
    let (_state, connection) = ledger();
    for (sql, expected) in questions() {
        let plan = plan(&connection, &sql).unwrap();
        assert!(!reads_all(&plan), "{sql}\n{plan:?}");
        assert!(plan.iter().any(|step| step.starts_with(expected)), "{sql}\n{plan:?}\nwhere it should be {expected}");
        let sorts = plan.iter().any(|step| step == "USE TEMP B-TREE FOR ORDER BY");
        assert!(!sorts || expected == OPEN, "{sql}\n{plan:?}");
    }
    for sql in read_backwards() {
        assert_eq!(plan(&connection, &sql).unwrap(), ["SCAN event"], "{sql}");
    }
}

fn makes_a_temporary_tree(connection: &Connection, sql: &str) -> bool {
    let mut query = connection.prepare(&format!("EXPLAIN {sql}")).unwrap();
    let steps: Vec<String> = query.raw_query().mapped(|row| row.get(1)).collect::<rusqlite::Result<_>>().unwrap();
    steps.iter().any(|step| step == "OpenEphemeral")
}

#[test]
fn what_is_entered_for_every_file_makes_no_temporary_tree() {
    let (_state, connection) = ledger();
    let entered = [schema::EVENT, entry::UPSERT, schema::ARCHIVED, schema::FOUND_ARCHIVED];
    for sql in entered {
        assert!(!makes_a_temporary_tree(&connection, sql), "{sql}");
    }
    connection.execute_batch("CREATE INDEX three ON event(kind) WHERE kind NOT IN ('a', 'b', 'c')").unwrap();
    assert!(makes_a_temporary_tree(&connection, schema::EVENT));
}

#[test]
fn a_question_without_its_index_is_noticed() {
    let (_state, connection) = ledger();
    let all = plan(&connection, "SELECT * FROM file WHERE place = 'archive/a.csv'").unwrap();
    assert!(reads_all(&all), "{all:?}");
    let indexes: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('file', 'event', 'failure')")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    for index in &indexes {
        let (_state, without) = ledger();
        without.execute_batch(&format!("DROP INDEX {index}")).unwrap();
        let is_missed = questions().iter().any(|(sql, expected)| {
            plan(&without, sql).map_or(true, |plan| !plan.iter().any(|step| step.starts_with(expected)))
        });
        assert!(is_missed, "no question needs the index {index}");
    }
}

/// A constant that was added to the statements, and not here, is no statement of which this file knows.
#[test]
fn every_statement_that_reads_is_among_the_questions() {
    let known: Vec<String> = questions().into_iter().map(|(sql, _)| sql).chain(read_backwards()).collect();
    let source = include_str!("schema.rs");
    let statements = source.split("const ").skip(1).filter_map(|text| {
        let (name, rest) = text.split_once(": &str =")?;
        let sql = rest.trim_start().strip_prefix('"')?.split_once('"')?.0;
        let reads = ["SELECT", "UPDATE", "DELETE"].iter().any(|verb| sql.trim_start().starts_with(verb));
        reads.then(|| (name.to_owned(), sql.to_owned()))
    });
    let mut count = 0;
    for (name, sql) in statements {
        assert!(known.contains(&sql), "schema::{name} has no place among the questions");
        count += 1;
    }
    assert!(count > 30, "{count} statements were found");
    let others = [include_str!("mod.rs"), include_str!("history/mod.rs"), include_str!("history/events.rs")];
    let allowed = ["SELECT * FROM file WHERE folder = ? ORDER BY id"];
    for source in others {
        for at in source.match_indices("FROM file").chain(source.match_indices("FROM event")).map(|(at, _)| at) {
            let line = source[..at].rfind('\n').map_or(0, |start| start + 1);
            let line = source[line..].lines().next().unwrap_or_default();
            assert!(allowed.iter().any(|sql| line.contains(sql)), "a statement that is not in schema.rs: {line}");
        }
    }
}
