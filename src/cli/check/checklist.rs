//! The checklist: sections of lines that are well, want a look, or fail.

use serde::Serialize;

use super::super::page::{Look, Page};
use crate::exit;
use crate::log::visible;

/// What `check --json` prints: one object.
#[derive(Debug, Default, Serialize)]
pub struct Checklist {
    /// `settings`, `state`, and one for each folder.
    pub sections: Vec<Section>,
}

/// One part of the checklist.
#[derive(Debug, Serialize)]
pub struct Section {
    title: String,
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
struct Item {
    /// `ok`, `warn` or `fail`.
    level: Level,
    text: String,
    /// What to do about it, or to type.
    fix: Option<String>,
    /// The exit code that a failure leads to; 0 otherwise.
    exit: u8,
    /// All the files that it is about, where it is about files: the text names a few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<About>,
}

/// A file, and what is said of it.
#[derive(Debug, Serialize)]
pub struct About {
    pub id: i64,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl Section {
    /// An empty section.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), items: Vec::new() }
    }

    /// All is well with this.
    pub fn ok(&mut self, text: impl Into<String>) {
        self.add(Level::Ok, text.into(), None, exit::OK);
    }

    /// It works, but perhaps not as it was meant.
    pub fn warn(&mut self, text: impl Into<String>, fix: Option<String>) {
        self.add(Level::Warn, text.into(), fix, exit::OK);
    }

    /// It doesn't work; `code` is what the daemon, or this command, exits with.
    pub fn fail(&mut self, code: u8, text: impl Into<String>, fix: Option<String>) {
        self.add(Level::Fail, text.into(), fix, code);
    }

    /// What was entered last is about these.
    pub fn about(&mut self, files: Vec<About>) {
        if let Some(item) = self.items.last_mut() {
            item.files = files;
        }
    }

    fn add(&mut self, level: Level, text: String, fix: Option<String>, exit: u8) {
        self.items.push(Item { level, text, fix, exit, files: Vec::new() });
    }
}

impl Checklist {
    /// 78 for wrong settings, else 77 where rights are missing, else 69; 0 where nothing fails.
    pub fn code(&self) -> u8 {
        self.items().map(|item| item.exit).max().unwrap_or(exit::OK)
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.sections.iter().flat_map(|section| &section.items)
    }

    fn count(&self, level: Level) -> usize {
        self.items().filter(|item| item.level == level).count()
    }

    /// The checklist for eyes; `again` is what to type when what failed is corrected.
    pub fn page(&self, again: &str) -> Page {
        let mut page = Page::new();
        page.line(format!("importerd {}", env!("CARGO_PKG_VERSION")));
        for section in &self.sections {
            page.line(format!("  {}", page.paint(Look::Strong, visible(&section.title))));
            for item in &section.items {
                let level = match item.level {
                    Level::Ok => page.paint(Look::Good, "ok  "),
                    Level::Warn => page.paint(Look::Warning, "warn"),
                    Level::Fail => page.paint(Look::Bad, "FAIL"),
                };
                page.line(format!("    {level}  {}", visible(&item.text)));
                if let Some(fix) = &item.fix {
                    page.line(format!("          fix: {}", visible(fix)));
                }
            }
        }
        page.line(self.summary(again));
        page
    }

    fn summary(&self, again: &str) -> String {
        let counted = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        match (self.count(Level::Fail), self.count(Level::Warn)) {
            (0, 0) => "all is well".to_owned(),
            (0, warnings) => format!("no failure, {}", counted(warnings, "warning")),
            (failures, warnings) => format!(
                "{}, {}; correct what failed, then type: {again}",
                counted(failures, "failure"),
                counted(warnings, "warning")
            ),
        }
    }
}
