//! The log in the journal's native protocol: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL>.
//!
//! A record's fields become `IMPORTERD_FOLDER`, `IMPORTERD_FILE` and so on, for
//! `journalctl IMPORTERD_EVENT=file.quarantined`.

use std::fmt::{self, Write};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use slog::{Drain, FlushError, KV, Key, Level, OwnedKVList, Record, Serializer};

use super::escape::{is_hidden, push_visible};

/// Where journald listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// Records to the journal that listens at `path`; those it does not take go to `fallback`.
pub(super) fn drain<D>(path: &Path, fallback: D) -> Journal<D> {
    Journal { socket: UnixDatagram::unbound().ok(), path: path.to_owned(), fallback }
}

pub(super) struct Journal<D> {
    /// Not connected: the journal may be restarted.
    socket: Option<UnixDatagram>,
    path: PathBuf,
    fallback: D,
}

impl<D: Drain<Ok = (), Err = io::Error>> Drain for Journal<D> {
    type Ok = ();
    type Err = io::Error;

    fn log(&self, record: &Record, values: &OwnedKVList) -> io::Result<()> {
        let mut entry = Entry::default();
        entry.field("PRIORITY", priority(record.level()));
        entry.field("SYSLOG_IDENTIFIER", "importerd");
        entry.field("MESSAGE", &shown(record.msg()));
        record.kv().serialize(record, &mut entry)?;
        values.serialize(record, &mut entry)?;
        match &self.socket {
            Some(socket) if socket.send_to(&entry.0, &self.path).is_ok() => Ok(()),
            _ => self.fallback.log(record, values),
        }
    }

    fn flush(&self) -> Result<(), FlushError> {
        self.fallback.flush()
    }
}

/// syslog(3)'s numbers.
fn priority(level: Level) -> &'static str {
    match level {
        Level::Critical => "2",
        Level::Error => "3",
        Level::Warning => "4",
        Level::Info => "6",
        Level::Debug | Level::Trace => "7",
    }
}

/// A value as the journal gets it. It keeps the lines of a value apart from its records, so a
/// panic's backtrace stays readable; journalctl shows other control characters as `[blob data]`.
fn shown(value: &fmt::Arguments) -> String {
    let text = value.to_string();
    if !text.contains(is_hidden) {
        return text;
    }
    text.chars().fold(String::new(), |mut shown, character| {
        match character {
            '\n' | '\t' => shown.push(character),
            other => push_visible(&mut shown, other),
        }
        shown
    })
}

/// One datagram.
#[derive(Default)]
struct Entry(Vec<u8>);

impl Entry {
    fn field(&mut self, name: &str, value: &str) {
        self.0.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            self.0.push(b'\n');
            self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'\n');
    }
}

impl Serializer for Entry {
    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments) -> slog::Result {
        let mut name = String::from("IMPORTERD_");
        for byte in key.bytes() {
            name.write_char(if byte.is_ascii_alphanumeric() { byte.to_ascii_uppercase().into() } else { '_' })?;
        }
        self.field(&name, &shown(value));
        Ok(())
    }

    fn emit_none(&mut self, _: Key) -> slog::Result {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use slog::{error, info, o};

    use super::super::{json, logger};
    use super::*;

    #[test]
    fn a_record_arrives_as_native_fields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let log = logger(drain(&path, json::drain(io::sink())), Level::Info);
        error!(log.new(o!("folder" => "orders")), "no more"; "file_id" => 7, "stderr tail" => "one\ntwo\u{1b}");

        let mut datagram = [0; 4096];
        let length = journal.recv(&mut datagram).unwrap();
        let expected = [
            b"PRIORITY=3\nSYSLOG_IDENTIFIER=importerd\nMESSAGE=no more\n".as_slice(),
            b"IMPORTERD_STDERR_TAIL\n\x0b\0\0\0\0\0\0\0one\ntwo\\x1b\n",
            b"IMPORTERD_FILE_ID=7\nIMPORTERD_FOLDER=orders\n",
        ]
        .concat();
        assert_eq!(datagram[..length].escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    #[test]
    fn a_record_that_the_journal_does_not_take_goes_to_stderr() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let stderr = tempfile::NamedTempFile::new().unwrap();
        let log = logger(drain(&path, json::drain(stderr.reopen().unwrap())), Level::Info);
        info!(log, "nobody listens");
        let journal = UnixDatagram::bind(&path).unwrap();
        info!(log, "heard");
        info!(log, "too long"; "text" => "x".repeat(1 << 20));

        assert!(journal.recv(&mut [0; 4096]).is_ok());
        let stderr = std::fs::read_to_string(stderr.path()).unwrap();
        assert!(stderr.contains("nobody listens") && stderr.contains("too long"));
        assert!(!stderr.contains("heard"));
    }
}
