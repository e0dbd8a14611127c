//! Records that don't fit, on their way beside the marker: kept until no COPY is in their way.

use super::session::Session;
use crate::fault::{Fault, Reason};
use crate::file::FileId;

/// So many bytes wait at most; more interrupt the COPY.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// Those of one file, column by column.
#[derive(Debug, Default)]
pub struct Rejects {
    lines: Vec<Option<i64>>,
    columns: Vec<Option<String>>,
    codes: Vec<&'static str>,
    reasons: Vec<String>,
    records: Vec<String>,
    bytes: usize,
}

impl Rejects {
    /// One more.
    pub fn add(&mut self, reason: &Reason, record: &str) {
        self.lines.push(reason.line.map(u64::cast_signed));
        self.columns.push(reason.column.clone());
        self.codes.push(reason.code);
        self.reasons.push(reason.text.clone());
        self.records.push(record.to_owned());
        self.bytes += size_of::<Reason>() + reason.text.len() + record.len();
    }

    /// Whether they should not wait any longer.
    pub fn are_many(&self) -> bool {
        self.bytes > WAITING_BYTES_MAX
    }

    /// Writes all that wait. No COPY may be under way.
    pub fn write(&mut self, session: &Session, of: FileId) -> Result<(), Fault> {
        if self.codes.is_empty() {
            return Ok(());
        }
        let Self { lines, columns, codes, reasons, records, .. } = std::mem::take(self);
        let storable = |text| session.storable(text);
        let [reasons, records] = [reasons, records].map(|texts| texts.into_iter().map(storable).collect::<Vec<_>>());
        let columns: Vec<_> = columns.into_iter().map(|column| column.map(storable)).collect();
        let sql = "INSERT INTO _importerd_rejects (file_id, line, column_name, code, reason, record)
            SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])";
        session.execute(sql, &[&of.0, &lines, &columns, &codes, &reasons, &records]).map(drop)
    }
}
