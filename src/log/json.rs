//! The log as JSON lines: `ts level msg`, then the record's own fields.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use jiff::Timestamp;
use slog::{Drain, FlushError, OwnedKVList, PushFnValue, Record, o};
use slog_json::Json;

use super::escape::is_hidden;
use super::outlet::Outlet;

/// One object a line to `outlet`, each with one write, or several that are told [together](super::together).
pub(super) fn drain<F>(outlet: Arc<Outlet<F>>) -> JsonLines<F> {
    JsonLines(outlet)
}

pub(super) struct JsonLines<F>(Arc<Outlet<F>>);

impl<F: AsFd> Drain for JsonLines<F> {
    type Ok = ();
    type Err = io::Error;

    fn log(&self, record: &Record, values: &OwnedKVList) -> io::Result<()> {
        let mut line = Line(Vec::with_capacity(256));
        // A Json for each record, since one that is shared needs a lock around code that may panic.
        Json::new(&mut line)
            .add_key_value(o!("ts" => format!("{:.6}", Timestamp::now())))
            .add_key_value(o!("level" => record.level().as_str()))
            .add_key_value(o!("msg" => PushFnValue(|record: &Record, value| value.emit(record.msg()))))
            .build()
            .log(record, values)?;
        if super::more_is_told() { self.0.gather(&line.0) } else { self.0.write(&line.0) }
    }

    fn flush(&self) -> Result<(), FlushError> {
        self.0.flush().map_err(FlushError::Io)
    }
}

/// A JSON text in the making. JSON's own escapes leave DEL, C1 controls and direction marks as they
/// are; a terminal under `tail -f` acts on them, so they become `\u009b`.
struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        match str::from_utf8(json) {
            Ok(text) if text.contains(|character| character != '\n' && is_hidden(character)) => {
                text.chars().try_for_each(|character| self.push(character))?;
            }
            _ => self.0.extend_from_slice(json),
        }
        Ok(json.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Line {
    fn push(&mut self, character: char) -> io::Result<()> {
        if character != '\n' && is_hidden(character) {
            character.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(self.0, r"\u{unit:04x}"))
        } else {
            self.0.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use serde_json::Value;
    use slog::{Level, info, warn};

    use super::*;

    fn lines(say: impl FnOnce(slog::Logger)) -> Vec<String> {
        let (mut reader, writer) = io::pipe().unwrap();
        say(super::super::logger(writer, Level::Info, drain));
        io::read_to_string(&mut reader).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_record_is_one_object_with_its_fields() {
        let lines = lines(|log| {
            info!(log.new(o!("folder" => "orders")), "{} rows", 7; "rows" => 7, "share" => 0.5);
            warn!(log, "bye");
        });
        assert!(lines[0].starts_with(r#"{"ts":""#), "{}", lines[0]);
        let first: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(
            (&first["level"], &first["msg"], &first["folder"], &first["rows"], &first["share"]),
            (&"INFO".into(), &"7 rows".into(), &"orders".into(), &7.into(), &0.5.into())
        );
        let stamp = first["ts"].as_str().unwrap();
        assert!(stamp.len() == "2026-11-22T09:14:37.123456Z".len() && stamp.parse::<Timestamp>().is_ok(), "{stamp}");
        assert_eq!(serde_json::from_str::<Value>(&lines[1]).unwrap()["level"], "WARNING");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn no_value_can_forge_a_line_and_none_is_changed() {
        let odd = "a\n{\"level\":\"INFO\"}\u{1b}[2J\u{7f}\u{9b}31m\u{202e}\u{e0041}é\\";
        let lines = lines(|log| info!(log, "{odd}"; "reason" => odd));
        assert_eq!(lines.len(), 1);
        assert!(!lines[0].contains(is_hidden), "{}", lines[0]);
        let record: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!((record["msg"].as_str(), record["reason"].as_str()), (Some(odd), Some(odd)));
    }

    #[test]
    fn what_is_told_together_is_written_at_once_and_whole() {
        let (socket, writes) = UnixDatagram::pair().unwrap();
        writes.set_nonblocking(true).unwrap();
        let written = || {
            let mut lines = [0; 4096];
            writes.recv(&mut lines).map(|length| memchr::memchr_iter(b'\n', &lines[..length]).count()).ok()
        };
        let log = super::super::logger(socket, Level::Info, drain);
        super::super::together(&log, || {
            info!(log, "one");
            info!(log, "two");
            assert_eq!(written(), None, "nothing is written yet");
        });
        assert_eq!(written(), Some(2));
        info!(log, "three");
        assert_eq!(written(), Some(1));
        let told = std::panic::AssertUnwindSafe(|| {
            super::super::together(&log, || {
                info!(log, "four");
                panic!("in between");
            });
        });
        assert!(std::panic::catch_unwind(told).is_err());
        assert_eq!(written(), Some(1), "what was told before a panic is written");
    }

    #[test]
    fn a_field_that_panics_spoils_no_other_record() {
        struct Bad;
        impl std::fmt::Display for Bad {
            fn fmt(&self, _: &mut std::fmt::Formatter) -> std::fmt::Result {
                panic!("no text for this")
            }
        }
        let lines = lines(|log| {
            let hurt = log.clone();
            assert!(std::thread::spawn(move || info!(hurt, "one"; "bad" => %Bad)).join().is_err());
            info!(log, "two");
        });
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains(r#""msg":"two""#), "{}", lines[0]);
    }
}
