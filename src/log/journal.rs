//! The log in the journal's native protocol: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL>.
//!
//! A record's fields become `IMPORTERD_FOLDER`, `IMPORTERD_FILE` and so on, for
//! `journalctl IMPORTERD_EVENT=file.quarantined`.

use std::fmt::{self, Write};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::net::{SendFlags, SocketAddrUnix, sendto};
use slog::{Drain, FlushError, KV, Key, Level, OwnedKVList, Record, Serializer};

use super::EVENT_TAG;
use super::escape::{is_hidden, push_visible};
use super::outlet::PATIENCE;

/// Where journald listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// Records to the journal that listens at `path`; those it does not take go to `fallback`.
pub(super) fn drain<D>(path: &Path, fallback: D) -> Journal<D> {
    Journal { socket: Socket::to(path).ok(), fallback }
}

pub(super) struct Journal<D> {
    socket: Option<Socket>,
    fallback: D,
}

struct Socket {
    /// Not connected: the journal may be restarted.
    end: UnixDatagram,
    journal: SocketAddrUnix,
    /// The journal didn't come to read in time: until it has, it isn't waited for.
    is_stuck: AtomicBool,
}

impl Socket {
    fn to(path: &Path) -> io::Result<Self> {
        let end = UnixDatagram::unbound()?;
        end.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { end, journal: SocketAddrUnix::new(path)?, is_stuck: AtomicBool::new(false) })
    }

    fn send(&self, entry: &Entry) -> Result<usize, Errno> {
        let is_stuck = self.is_stuck.load(Ordering::Relaxed);
        let flags = if is_stuck { SendFlags::DONTWAIT } else { SendFlags::empty() };
        let try_to = |flags| sendto(&self.end, &entry.0, flags | SendFlags::NOSIGNAL, &self.journal);
        let sent = match try_to(flags) {
            // A signal says nothing of the journal; it is asked once more, and not waited for anew.
            Err(Errno::INTR) => try_to(SendFlags::DONTWAIT),
            other => other,
        };
        self.is_stuck.store(sent == Err(Errno::AGAIN), Ordering::Relaxed);
        sent
    }
}

impl<D: Drain<Ok = (), Err = io::Error>> Drain for Journal<D> {
    type Ok = ();
    type Err = io::Error;

    fn log(&self, record: &Record, values: &OwnedKVList) -> io::Result<()> {
        let mut entry = Entry::default();
        entry.field("PRIORITY", priority(record.level()));
        entry.field("SYSLOG_IDENTIFIER", "importerd");
        entry.field("MESSAGE", &message(record)?);
        record.kv().serialize(record, &mut entry)?;
        values.serialize(record, &mut entry)?;
        match &self.socket {
            Some(socket) if socket.send(&entry).is_ok() => Ok(()),
            _ => self.fallback.log(record, values),
        }
    }

    fn flush(&self) -> Result<(), FlushError> {
        self.fallback.flush()
    }
}

/// The message, and what to do: `systemctl status` and `journalctl` show no field. An event's sentence has it.
fn message(record: &Record) -> Result<String, slog::Error> {
    let mut message = shown(record.msg());
    let mut hint = Hint(None);
    record.kv().serialize(record, &mut hint)?;
    if let Some(hint) = hint.0.filter(|_| record.tag() != EVENT_TAG) {
        message.push_str("; ");
        message.push_str(&hint);
    }
    Ok(message)
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

/// Finds what to do among the fields of a record.
struct Hint(Option<String>);

impl Serializer for Hint {
    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments) -> slog::Result {
        if key == "hint" {
            self.0 = Some(shown(value));
        }
        Ok(())
    }

    fn emit_none(&mut self, _: Key) -> slog::Result {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use slog::{error, info, o};

    use super::super::{EVENT_TAG, json, logger};
    use super::*;

    #[test]
    fn a_record_arrives_as_native_fields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let log = logger(io::stderr(), Level::Info, |outlet| drain(&path, json::drain(outlet)));
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

    /// What `systemctl status` and `journalctl` show is the message alone; an event's has what to do in its sentence.
    #[test]
    fn what_to_do_is_in_the_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let log = logger(io::stderr(), Level::Info, |outlet| drain(&path, json::drain(outlet)));
        error!(log, "missing"; "code" => "c", "hint" => "restore it");
        error!(log, #EVENT_TAG, "refused: odd; correct it"; "hint" => "correct it");
        for message in ["missing; restore it", "refused: odd; correct it"] {
            let mut datagram = [0; 4096];
            let length = journal.recv(&mut datagram).unwrap();
            let text = String::from_utf8_lossy(&datagram[..length]);
            assert!(text.contains(&format!("\nMESSAGE={message}\n")) && text.contains("\nIMPORTERD_HINT="), "{text}");
        }
    }

    #[test]
    fn a_record_that_the_journal_does_not_take_goes_to_stderr() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let stderr = tempfile::NamedTempFile::new().unwrap();
        let log = logger(stderr.reopen().unwrap(), Level::Info, |outlet| drain(&path, json::drain(outlet)));
        info!(log, "nobody listens");
        let journal = UnixDatagram::bind(&path).unwrap();
        info!(log, "heard");
        info!(log, "too long"; "text" => "x".repeat(1 << 20));

        assert!(journal.recv(&mut [0; 4096]).is_ok());
        let stderr = std::fs::read_to_string(stderr.path()).unwrap();
        assert!(stderr.contains("nobody listens") && stderr.contains("too long"));
        assert!(!stderr.contains("heard"));
    }

    /// fault 68
    #[test]
    fn a_journal_that_nobody_reads_is_waited_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let stderr = tempfile::NamedTempFile::new().unwrap();
        let log = logger(stderr.reopen().unwrap(), Level::Info, |outlet| drain(&path, json::drain(outlet)));
        let began = Instant::now();
        for number in 0..5_000 {
            info!(log, "said"; "number" => number);
        }
        let took = began.elapsed();
        assert!(took >= PATIENCE && took < 4 * PATIENCE, "{took:?}");
        let on_stderr = std::fs::read_to_string(stderr.path()).unwrap().lines().count();

        let mut entry = [0; 4096];
        journal.set_nonblocking(true).unwrap();
        let in_journal = std::iter::from_fn(|| journal.recv(&mut entry).ok()).count();
        assert_eq!(on_stderr + in_journal, 5_000, "nothing is lost where stderr is read");
        info!(log, "read again");
        assert!(journal.recv(&mut entry).is_ok());
    }
}
