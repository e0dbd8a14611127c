//! A history of many files, made of one: as the daemon would have entered them over a year, one after the other.

use std::path::Path;

use rusqlite::{Connection, params};

use super::harness::Drop;

const DAYS: u64 = 365;

/// Every file claimed, committed and archived within some milliseconds, evenly over the last year; `?1` is the first number, `?2` how
/// many there are.
const FILES: &str = "
CREATE TEMP TABLE made AS SELECT * FROM file WHERE state = 'archived' ORDER BY id LIMIT 1;
INSERT INTO file (id, folder, name, device, inode, born_ns, size, mtime_ns, blake3, state, attempts, deferrals, rows,
  claimed_at_us, changed_at_us, place, rejects)
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :files),
  timed AS (SELECT n, :begun_us + n * :step_us AS at FROM number)
SELECT :first + n, folder, printf('part-%08d.csv', n), device, 100000000 + n, at * 1000, size, at * 1000, randomblob(32), state, 0, 0, 1,
  at, at + 2000, 'archive/' || date(at / 1000000, 'unixepoch') || printf('/part-%08d.csv', n), 0 FROM timed, made";

const EVENTS: &str = "
INSERT INTO event (at_us, kind, folder, file_id, json)
WITH step(kind, stage, later, detail) AS (VALUES
  ('file.claimed', 'claim', 0, '\"bytes\":' || (SELECT size FROM file WHERE id = :first)),
  ('file.committed', 'commit', 2000, '\"rows\":1'),
  ('file.archived', 'archive', 4000, NULL))
SELECT claimed_at_us + later, kind, folder, id, '{\"file\":\"' || name || '\",\"attempt\":1,\"stage\":\"' || stage || '\",'
  || coalesce(detail, '\"moved_to\":\"' || place || '\"') || '}'
FROM file CROSS JOIN step WHERE id >= :first ORDER BY id, later";

const MARKERS: &str = "
CREATE TEMP TABLE made AS SELECT * FROM _importerd_files ORDER BY id LIMIT 1;
INSERT INTO _importerd_files (id, folder, name, size, blake3, rows, rejects, table_name, committed_at, device, inode, born_ns, mtime_ns)
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :files)
SELECT :first + n, folder, printf('part-%08d.csv', n), size, lower(hex(randomblob(32))), 1, 0, table_name, committed_at, device,
  100000000 + n, (:begun_us + n * :step_us) * 1000, (:begun_us + n * :step_us) * 1000 FROM number, made";

const ROWS: &str = "
INSERT INTO \"drop\" (_file_id, _line, id, name)
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :files)
SELECT :first + n, 2, n, 'a part' FROM number";

/// Gives the ledger and the target of a folder that has done one file (with the columns `id` and `name`) a year in
/// which so many came. No daemon may run. Returns how much that takes on the disk.
pub fn prolong(drop: &Drop, files: u64) -> String {
    let first: i64 = drop
        .ledger()
        .query_row("SELECT value FROM counter WHERE name = 'next_id'", [], |row| row.get(0))
        .expect("a history can be made");
    let days = i64::try_from(DAYS).expect("a history can be made");
    let files = i64::try_from(files).expect("a history can be made");
    let year_us = days * 24 * 60 * 60 * 1_000_000;
    let begun_us = jiff::Timestamp::now().as_microsecond() - year_us;
    let fill = |path: &Path, statements: &[&str]| {
        let database = Connection::open(path).expect("a history can be made");
        quickly(&database, || {
            for sql in statements.iter().flat_map(|sql| sql.split_inclusive(";\n")) {
                let mut statement = database.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
                for (name, value) in
                    [(":first", first), (":files", files), (":begun_us", begun_us), (":step_us", year_us / files)]
                {
                    if let Some(index) = statement.parameter_index(name).expect("a history can be made") {
                        statement.raw_bind_parameter(index, value).expect("a history can be made");
                    }
                }
                statement.raw_execute().unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
        });
    };
    let (ledger, rows) = (drop.state().join("ledger.db"), drop.state().join("rows.db"));
    let size = |path: &Path| std::fs::metadata(path).expect("a history can be made").len();
    let (ledger_before, rows_before) = (size(&ledger), size(&rows));
    fill(&ledger, &[FILES]);
    let with_files = size(&ledger);
    fill(&ledger, &[EVENTS]);
    drop.ledger()
        .execute("UPDATE counter SET value = value + ? WHERE name = 'next_id'", params![files])
        .expect("a history can be made");
    fill(&rows, &[MARKERS, ROWS]);
    let day = |day: u64| {
        jiff::Zoned::now()
            .date()
            .saturating_sub(jiff::Span::new().days(i64::try_from(day).expect("a history can be made")))
    };
    for day in (0..DAYS).map(day) {
        std::fs::create_dir_all(drop.path().join("archive").join(day.to_string())).expect("a history can be made");
    }
    let each = |grown: u64| grown / files.cast_unsigned();
    let (row, events) = (each(with_files - ledger_before), each(size(&ledger) - with_files));
    format!("ledger {row}, and {events} of events; target {}", each(size(&rows) - rows_before))
}

/// Indexes are made when the rows are there, and nothing waits for the disk.
fn quickly(database: &Connection, fill: impl FnOnce()) {
    for pragma in
        ["journal_mode = delete", "journal_mode = off", "synchronous = off", "cache_size = -400000", "threads = 2"]
    {
        database
            .query_row(&format!("PRAGMA {pragma}"), [], |_| Ok(()))
            .or_else(no_rows)
            .expect("a history can be made");
    }
    let indexes: Vec<(String, String)> = database
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
        .expect("a history can be made")
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("a history can be made")
        .collect::<rusqlite::Result<_>>()
        .expect("a history can be made");
    for (name, _) in &indexes {
        database.execute_batch(&format!("DROP INDEX {name}")).expect("a history can be made");
    }
    fill();
    for (_, sql) in &indexes {
        database.execute_batch(sql).expect("a history can be made");
    }
    database.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).expect("a history can be made");
}

fn no_rows(error: rusqlite::Error) -> rusqlite::Result<()> {
    if error == rusqlite::Error::QueryReturnedNoRows { Ok(()) } else { Err(error) }
}
