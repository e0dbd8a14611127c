//! Whether the work was done: every row there once and as it was in its file, every file archived. Who is quick but wrong has failed.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::Connection;

use crate::Outcome;
use crate::ground::{Ground, files_below};
use crate::workload::{ROWS_OF_SMALL, Row, Shape, ids_of, name_of, small};

/// Where a row stands: in which file, and on which line.
pub type Place = fn(u64) -> (u64, u64);

/// A row of small files.
pub fn of_small(id: u64) -> (u64, u64) {
    (id / ROWS_OF_SMALL, id % ROWS_OF_SMALL + 2)
}

/// A row of a large file with a header.
pub fn of_csv(id: u64) -> (u64, u64) {
    (0, id + 2)
}

/// A row of a large file without one.
pub fn of_ndjson(id: u64) -> (u64, u64) {
    (0, id + 1)
}

/// The rows of so many small files are in the table, and the files in the archive.
pub fn imported(ground: &Ground, files: usize) -> Outcome<()> {
    rows(&ground.database(), "rows", files as u64 * ROWS_OF_SMALL, Shape::Small, Some(of_small))?;
    archived(ground, files)
}

/// The table has the rows from 0 up to this number, each once, with its types; and, where a place is given, says where it stood.
pub fn rows(database: &Path, table: &str, count: u64, shape: Shape, place: Option<Place>) -> Outcome<()> {
    let connection = Connection::open(database)?;
    let lineage = if place.is_some() { "_file_id, _line" } else { "0, 0" };
    let mut statement =
        connection.prepare(&format!("SELECT id, name, qty, price, ts, note, {lineage} FROM \"{table}\""))?;
    let mut found = statement.query(())?;
    let mut seen = vec![false; usize::try_from(count)?];
    let (mut files_by_id, mut ids_by_file) = (HashMap::new(), HashMap::new());
    while let Some(row) = found.next()? {
        let number = |column| row.get(column).map(i64::cast_unsigned);
        let id = number(0)?;
        let is_new = seen.get_mut(usize::try_from(id)?).is_some_and(|seen| !std::mem::replace(seen, true));
        if !is_new {
            return Err(format!("row {id} is there twice, or of no file").into());
        }
        let text = |column| row.get::<_, String>(column);
        let (qty, price) = (number(2)?, row.get(3)?);
        let got = Row { id, name: text(1)?, qty, cents: cents(price), ts: text(4)?, note: text(5)? };
        let expected = Row::of(id, shape);
        if got != expected {
            return Err(format!("row {id} is {got:?} where the file has {expected:?}").into());
        }
        if let Some(place) = place {
            let (file, line) = place(id);
            let (file_id, found_line) = (number(6)?, number(7)?);
            let is_its = *files_by_id.entry(file_id).or_insert(file) == file
                && *ids_by_file.entry(file).or_insert(file_id) == file_id;
            if !is_its || found_line != line {
                return Err(format!(
                    "row {id} is said to be of line {found_line} of file {file_id}, and is of line {line}"
                )
                .into());
            }
        }
    }
    match seen.iter().filter(|seen| !**seen).count() {
        0 => Ok(()),
        missing => Err(format!("{missing} of {count} rows are missing").into()),
    }
}

/// Every file has its result, and is in the archive.
pub fn summed(ground: &Ground, files: usize) -> Outcome<()> {
    for file in 0..files {
        let sum: u64 = ids_of(file).map(|id| Row::of(id, Shape::Small).qty).sum();
        let expected = format!("{{\"file\":\"{}\",\"rows\":{ROWS_OF_SMALL},\"sum\":{sum}}}\n", name_of(file));
        let path = ground.results().join(format!("{}.json", name_of(file)));
        let found = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if found != expected {
            return Err(format!("{} says {found:?} instead of {expected:?}", path.display()).into());
        }
    }
    archived(ground, files)
}

/// The archive has so many files, whole, and the inbox none.
pub fn archived(ground: &Ground, files: usize) -> Outcome<()> {
    let (left, archived) = (files_below(&ground.inbox()), files_below(&ground.archive()));
    if !left.is_empty() || archived.len() != files {
        return Err(format!("{} files are left, and {} of {files} archived", left.len(), archived.len()).into());
    }
    for path in archived {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let file = crate::workload::number_of(name).ok_or_else(|| format!("{} is none of ours", path.display()))?;
        if std::fs::read(&path)? != small(file) {
            return Err(format!("{} was changed", path.display()).into());
        }
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a price of less than ten thousand")]
fn cents(price: f64) -> u64 {
    (price * 100.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::import;

    const FILES: usize = 3;

    /// Three files, imported and archived.
    fn done(directory: &tempfile::TempDir) -> Ground {
        let ground = Ground::with_backlog(directory.path(), "check", FILES).expect("a run's directory");
        import::backlog(ground.root()).expect("imported");
        ground
    }

    fn verdict_after(sabotage: &str) -> String {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let ground = done(&directory);
        Connection::open(ground.database()).and_then(|rows| rows.execute_batch(sabotage)).expect("sabotaged");
        imported(&ground, FILES).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_right_passes() {
        assert_eq!(verdict_after(""), "");
    }

    #[test]
    fn a_row_that_is_lost_doubled_changed_or_said_to_be_elsewhere_is_seen() {
        for (sabotage, says) in [
            ("DELETE FROM rows WHERE id = 7", "1 of 60 rows are missing"),
            ("INSERT INTO rows SELECT * FROM rows WHERE id = 7", "row 7 is there twice"),
            ("UPDATE rows SET note = note || '.' WHERE id = 7", "where the file has"),
            ("UPDATE rows SET price = price + 0.01 WHERE id = 7", "where the file has"),
            ("UPDATE rows SET qty = 'many' WHERE id = 7", "Invalid column type"),
            ("UPDATE rows SET _line = _line + 1 WHERE id = 7", "row 7 is said to be of line 10"),
            (
                "UPDATE rows SET _file_id = (SELECT _file_id FROM rows WHERE id = 50) WHERE id = 7",
                "row 7 is said to be",
            ),
        ] {
            let verdict = verdict_after(sabotage);
            assert!(verdict.contains(says), "{sabotage}: {verdict:?}");
        }
    }

    #[test]
    fn a_file_that_is_left_lost_or_changed_is_seen() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let ground = done(&directory);
        let archived = |file| ground.archive().join(name_of(file));
        std::fs::write(archived(0), "id\n").expect("changed");
        assert!(imported(&ground, FILES).is_err_and(|error| error.to_string().contains("was changed")));
        std::fs::rename(archived(0), ground.inbox().join(name_of(0))).expect("moved back");
        assert!(imported(&ground, FILES).is_err_and(|error| error.to_string().contains("1 files are left")));
        std::fs::remove_file(ground.inbox().join(name_of(0))).expect("removed");
        assert!(imported(&ground, FILES).is_err_and(|error| error.to_string().contains("2 of 3 archived")));
    }
}
