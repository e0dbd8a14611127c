//! An event in words: the message in the log, and a line of `importerd events`.

use std::fmt::{self, Display};

use jiff::{Timestamp, Zoned};
use serde_json::Value;

use super::{Event, Kind};
use crate::log::{escape, visible};

impl Event {
    /// `orders.csv committed: 1204 rows`
    #[must_use]
    pub fn sentence(&self) -> impl Display + '_ {
        Sentence(self)
    }

    /// A line of `importerd events`, in local time, with the date where it isn't today's:
    /// time, folder, file or actor, what happened, the details, the file's number.
    #[must_use]
    pub fn line(&self) -> String {
        self.line_seen(&Zoned::now())
    }

    /// [`Event::line`] as it is seen at a time and in its zone.
    pub(super) fn line_seen(&self, now: &Zoned) -> String {
        let at = self.at.to_zoned(now.time_zone().clone());
        let time = at.strftime(if at.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" });
        let folder = self.folder.as_deref().unwrap_or("-");
        let subject = if self.area() == "folder" { "-".to_owned() } else { self.subject() };
        let story = self.story();
        let line = format!("{time}  {folder:<8}  {subject:<24}  {verb:<11}  {story}", verb = self.verb());
        match &self.file {
            Some(file) => format!("{}  {}", visible(line.trim_end()), file.id),
            None => visible(line.trim_end()).into_owned(),
        }
    }

    /// What it is about: the first half of the kind's name.
    fn area(&self) -> &'static str {
        self.kind.name().split_once('.').map_or("", |(area, _)| area)
    }

    /// What happened: the second half of the kind's name, readable.
    fn verb(&self) -> String {
        self.kind.name().split_once('.').map_or("", |(_, verb)| verb).replace('_', " ")
    }

    fn subject(&self) -> String {
        match (self.area(), &self.file) {
            ("file", Some(file)) => escape(&file.name),
            ("folder", _) => self.folder.as_ref().map_or("folder".to_owned(), |folder| format!("folder {folder}")),
            ("processor", _) => self.number("processor").map_or("processor".to_owned(), |n| format!("processor {n}")),
            ("config", _) => "settings".to_owned(),
            (area, _) => area.to_owned(),
        }
    }

    /// How it came, as far as the details tell; empty where the verb says it all.
    fn story(&self) -> String {
        let reason = self.text("reason").map(str::to_owned);
        match self.kind {
            Kind::DaemonStarted => joined([
                self.count("folders", "folder"),
                self.count("recovered", "file")
                    .filter(|_| self.number("recovered") > Some(0))
                    .map(|n| n + " recovered"),
            ]),
            Kind::DaemonDraining if self.number("in_hand").is_none() => "what is in hand is finished first".to_owned(),
            Kind::DaemonDraining => self.in_hand(),
            Kind::DaemonAbandoned if self.number("in_hand") == Some(0) => {
                joined([Some(self.in_hand()), Some("the next start finds what may be left".to_owned())])
            }
            Kind::DaemonAbandoned => joined([Some(self.in_hand()), Some("the next start recovers them".to_owned())]),
            Kind::DaemonDrained if self.number("in_hand") == Some(0) => {
                "all is done that could be; a folder is held, and the next start goes on with it".to_owned()
            }
            Kind::DaemonDrained => match self.count("in_hand", "file") {
                Some(held) => format!("all is done but {held} of held folders; the next start goes on with them"),
                None => "all that was in hand is done; the daemon exits".to_owned(),
            },
            Kind::FolderOverflow => self.kind.help().to_owned(),
            Kind::FolderWatching | Kind::LedgerRebuilt => self.text("path").unwrap_or_default().to_owned(),
            Kind::FolderPolling | Kind::FolderUnseen => joined([self.text("path").map(str::to_owned), reason]),
            Kind::FolderPaused => joined([reason, self.next_try()]),
            Kind::FileCommitted => joined([
                self.count("rows", "row"),
                self.count("rejects", "reject").filter(|_| self.has_rejects()),
                self.count("results", "result"),
                self.replaced(),
                self.of_mode(),
                self.text("committed_at").map(|at| format!("at {at}, as the load marker says")),
            ]),
            Kind::FileArchived => self.text("moved_to").or(reason.as_deref()).unwrap_or_default().to_owned(),
            Kind::FileDeferred => joined([reason, self.attempt(), self.next_try()]),
            Kind::FileDuplicate => self.original(),
            Kind::LedgerPruned => {
                joined([self.count("events", "event"), self.text("before").map(|at| format!("of before {at}"))])
            }
            Kind::FileReplayed => self.replaced().unwrap_or_default(),
            Kind::ProcessorCrashed => joined([reason, self.file_in_hand()]),
            Kind::ProcessorRestarted | Kind::ProcessorGaveUp => joined([reason, self.restarts()]),
            Kind::ConfigRefused => joined([reason, Some("the old ones stay in force".to_owned())]),
            Kind::ProcessorStarted
            | Kind::FolderResumed
            | Kind::FileClaimed
            | Kind::FileQuarantined
            | Kind::FileForgotten
            | Kind::FileReturned
            | Kind::FileRetried
            | Kind::ConfigReloaded => reason.unwrap_or_default(),
        }
    }

    /// What the folder's mode made of it.
    fn of_mode(&self) -> Option<String> {
        let rows = |field, what: &str| Some(format!("{} {what}", self.number(field).filter(|rows| *rows > 0)?));
        let columns = |field, what: &str| Some(format!("{what} {}", self.text(field)?));
        let parts = [
            rows("rows_updated", "updated"),
            rows("rows_skipped", "skipped"),
            self.number("rows_before")
                .filter(|_| self.number("replaces").is_none())
                .map(|rows| format!("in place of {rows}")),
            columns("columns_added", "new columns"),
            columns("columns_ignored", "without"),
            self.number("superseded_by").map(|id| format!("superseded by #{id}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    fn in_hand(&self) -> String {
        let files = self.count("in_hand", "file").unwrap_or_else(|| "no file".to_owned()) + " in hand";
        let oldest = self.text("oldest").zip(self.number("oldest_secs"));
        joined([Some(files), oldest.map(|(name, secs)| format!("oldest {} ({name})", span(secs)))]).replace("; ", ", ")
    }

    fn next_try(&self) -> Option<String> {
        let due: Timestamp = self.text("retry_at")?.parse().ok()?;
        Some(format!("next try in {}", span(due.duration_since(self.at).as_secs().max(0).unsigned_abs())))
    }

    fn attempt(&self) -> Option<String> {
        let (file, limit) = (self.file.as_ref()?, self.number("attempts_max")?);
        Some(format!("attempt {} of {limit}", file.attempt))
    }

    fn original(&self) -> String {
        match (self.text("original"), self.number("original_id")) {
            (Some(name), Some(id)) => format!("of {name} (#{id})"),
            (Some(name), None) => format!("of {name}"),
            _ => String::new(),
        }
    }

    /// What gives way to it.
    fn replaced(&self) -> Option<String> {
        let earlier = self.number("replaces")?;
        let rows = self.count("rows_before", "row").map_or("those".to_owned(), |rows| format!("the {rows}"));
        let changed = self.value("bytes_changed").and_then(Value::as_bool) == Some(true);
        let changed = if changed { "; its bytes have changed since" } else { "" };
        Some(format!("in place of {rows} of #{earlier}{changed}"))
    }

    fn file_in_hand(&self) -> Option<String> {
        self.file.as_ref().map(|file| format!("{} was in hand", escape(&file.name)))
    }

    fn restarts(&self) -> Option<String> {
        Some(format!("crash {} of {} allowed", self.number("restarts")?, self.number("restarts_max")?))
    }

    fn count(&self, key: &str, noun: &str) -> Option<String> {
        self.number(key).map(|number| format!("{number} {noun}{}", if number == 1 { "" } else { "s" }))
    }
}

struct Sentence<'a>(&'a Event);

impl Display for Sentence<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (event, story) = (self.0, self.0.story());
        let verb = match event.kind {
            Kind::FileDuplicate => "is a duplicate".to_owned(),
            Kind::FileReturned => "returned to the inbox".to_owned(),
            _ => event.verb(),
        };
        let between = match event.kind {
            _ if story.is_empty() => "",
            Kind::FileDuplicate | Kind::FolderWatching => " ",
            _ => ": ",
        };
        write!(out, "{} {verb}{between}{}", event.subject(), visible(&story))
    }
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    let known: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    known.join("; ")
}

fn span(secs: u64) -> String {
    match secs {
        0..120 => format!("{secs} s"),
        120..7200 => format!("{} min", secs / 60),
        _ => format!("{} h", secs / 3600),
    }
}
