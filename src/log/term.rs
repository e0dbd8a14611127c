//! The log for people: slog-term's lines, with values that can't act on the terminal.
//!
//! An event is a sentence that says it all, and the number of its file; its fields are for machines.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use jiff::Zoned;
use slog::{KV, Key, Level, OwnedKVList, Record, Serializer};
use slog_term::{Decorator, FullFormat, RecordDecorator};

use super::EVENT_TAG;
use super::escape::visible;
use super::outlet::Outlet;

/// One line a record to `outlet`, each with one write.
pub(super) fn drain<F: AsFd>(outlet: Arc<Outlet<F>>, colour: bool) -> FullFormat<Screen<F>> {
    FullFormat::new(Screen { outlet, colour })
        .use_custom_timestamp(|out: &mut dyn Write| write!(out, "{}", Zoned::now().strftime("%b %d %H:%M:%S%.3f")))
        .build()
}

pub(super) struct Screen<F> {
    outlet: Arc<Outlet<F>>,
    colour: bool,
}

impl<F: AsFd> Decorator for Screen<F> {
    fn with_record<W>(&self, record: &Record, _: &OwnedKVList, format: W) -> io::Result<()>
    where
        W: FnOnce(&mut dyn RecordDecorator) -> io::Result<()>,
    {
        let mut line = Line {
            text: Vec::with_capacity(256),
            level: record.level(),
            colour: self.colour,
            given: false,
            fields_from: None,
        };
        format(&mut line)?;
        if record.tag() == EVENT_TAG {
            line.shorten(record)?;
        }
        self.outlet.write(&line.text)
    }
}

/// A line in the making.
struct Line {
    text: Vec<u8>,
    level: Level,
    colour: bool,
    /// Whether what comes now was given to the log (message, key, value) and is escaped, or is the
    /// line's own (time, commas, the newline at its end).
    given: bool,
    /// Where the fields begin, behind the message.
    fields_from: Option<usize>,
}

impl Line {
    /// The number of the file in place of all fields.
    fn shorten(&mut self, record: &Record) -> io::Result<()> {
        let Some(fields_from) = self.fields_from else { return Ok(()) };
        self.text.truncate(fields_from);
        let mut number = FileNumber(None);
        record.kv().serialize(record, &mut number).map_err(io::Error::other)?;
        self.start(false, "0;2")?;
        if let Some(number) = number.0 {
            write!(self.text, " #{number}")?;
        }
        self.start(false, "0")?;
        writeln!(self.text)
    }

    fn start(&mut self, given: bool, style: &str) -> io::Result<()> {
        self.given = given;
        if self.colour { write!(self.text, "\x1b[{style}m") } else { Ok(()) }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.given {
            self.text.extend_from_slice(visible(&String::from_utf8_lossy(bytes)).as_bytes());
        } else {
            self.text.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The styles are SGR codes: `console_codes(4)`.
impl RecordDecorator for Line {
    fn reset(&mut self) -> io::Result<()> {
        self.start(false, "0")
    }

    fn start_msg(&mut self) -> io::Result<()> {
        self.start(true, "0;1")
    }

    fn start_comma(&mut self) -> io::Result<()> {
        self.fields_from.get_or_insert(self.text.len());
        self.start(false, "0")
    }

    fn start_key(&mut self) -> io::Result<()> {
        self.start(true, "0;2")
    }

    fn start_value(&mut self) -> io::Result<()> {
        self.start(true, "0")
    }

    fn start_level(&mut self) -> io::Result<()> {
        self.start(
            false,
            match self.level {
                Level::Critical | Level::Error => "0;31",
                Level::Warning => "0;33",
                Level::Info => "0;32",
                Level::Debug | Level::Trace => "0;36",
            },
        )
    }
}

/// Finds the number of the file among the fields of a record.
struct FileNumber(Option<i64>);

impl Serializer for FileNumber {
    fn emit_arguments(&mut self, _: Key, _: &std::fmt::Arguments<'_>) -> slog::Result {
        Ok(())
    }

    fn emit_i64(&mut self, key: Key, number: i64) -> slog::Result {
        if key == "file_id" {
            self.0 = Some(number);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use slog::{Logger, info};

    use super::*;

    fn text(colour: bool, say: impl FnOnce(Logger)) -> String {
        let (mut reader, writer) = io::pipe().unwrap();
        say(super::super::logger(writer, Level::Info, |outlet| drain(outlet, colour)));
        io::read_to_string(&mut reader).unwrap()
    }

    #[test]
    fn a_record_is_a_line_with_time_level_message_and_fields() {
        let text = text(false, |log| info!(log, "orders.csv committed"; "rows" => 7));
        assert!(text.ends_with(" INFO orders.csv committed, rows: 7\n"), "{text}");
    }

    #[test]
    fn an_event_is_a_sentence_with_the_number_of_its_file() {
        let text =
            text(false, |log| info!(log, #EVENT_TAG, "a.csv committed: 7 rows"; "rows" => 7, "file_id" => 48_i64));
        assert!(text.ends_with(" INFO a.csv committed: 7 rows #48\n"), "{text}");
    }

    #[test]
    fn no_value_reaches_the_terminal_raw() {
        // fault 24
        let odd = "a\nb\u{1b}[2J\u{9b}31m\u{202e}";
        for colour in [false, true] {
            let text = text(colour, |log| {
                info!(log, "{odd}"; "reason" => odd, "name" => %odd, "shape" => ?'\u{1b}', "end" => '\n');
            });
            let own = text.replace("\u{1b}[0m", "").replace("\u{1b}[0;1m", "").replace("\u{1b}[0;2m", "");
            let own = own.replace("\u{1b}[0;32m", "");
            assert_eq!(own.matches(super::super::escape::is_hidden).collect::<Vec<_>>(), ["\n"], "{own:?}");
            assert_eq!(own.matches(r"a\nb\x1b[2J\u{9b}31m\u{202e}").count(), 3, "{own:?}");
        }
    }

    #[test]
    fn colour_is_there_only_when_asked_for() {
        assert!(!text(false, |log| info!(log, "plain")).contains('\u{1b}'));
        assert!(text(true, |log| info!(log, "bold")).contains("\u{1b}[0;1mbold"));
    }
}
