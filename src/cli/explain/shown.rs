//! A story in lines.

use super::super::page::{Look, Page};
use super::super::when::{self, Stamp};
use super::story::{Failure, Story};
use crate::events::Event;
use crate::log::visible;

/// How much of a command's standard error is shown; `--json` has all of it.
const STDERR_LINES_MAX: usize = 40;

impl Story {
    /// Adds the story to the page.
    pub fn show(&self, page: &mut Page) {
        page.line(self.title(page));
        if let Some(Stamp(before)) = self.events_pruned_before {
            let text = "the ledger keeps no events of before then, for files that are done (setting: history)";
            said(page, &when::clock(before), text);
        }
        for event in &self.events {
            self.event(page, event.get());
        }
        if let (true, Some(reason)) = (self.events.is_empty(), &self.reason) {
            said(page, "why", reason);
        }
        self.failures.iter().for_each(|failure| last_words(page, failure));
        for obstacle in &self.obstacles {
            said(page, "not yet", obstacle);
        }
        if self.obstacles.is_empty() && self.state == "waiting" {
            said(page, "waits", &format!("since {}; nothing is in its way", when::clock(self.since.0)));
        }
        self.place(page);
        if let Some(target) = &self.target {
            said(page, "target", &target.sentence());
        }
        if !self.results.is_empty() {
            said(page, "results", &self.results.join(", "));
        }
        said(page, "do", &self.next);
    }

    fn title(&self, page: &Page) -> String {
        let look = match self.state {
            "quarantined" => Look::Bad,
            "deferred" | "unknown" => Look::Warning,
            "archived" | "committed" if self.rejects > Some(0) => Look::Warning,
            "archived" | "committed" => Look::Good,
            _ => Look::Plain,
        };
        let name = page.paint(Look::Strong, &self.name);
        let id = self.id.map_or(String::new(), |id| format!("  #{id}"));
        let state = page.paint(look, self.state);
        let hash = self.blake3.as_ref().map_or(String::new(), |hash| format!("  blake3 {}", &hash[..16]));
        format!("{name}{id}  {state}  folder {}  {} bytes{hash}", self.folder, self.bytes)
    }

    fn event(&self, page: &mut Page, json: &str) {
        let Ok(event) = Event::from_json(json) else { return said(page, "event", json) };
        let sentence = event.sentence().to_string();
        let story = sentence.strip_prefix(&format!("{} ", self.name)).unwrap_or(&sentence);
        said(page, &when::clock(event.at), story);
    }

    fn place(&self, page: &mut Page) {
        let Some(path) = &self.path else { return said(page, "now at", "it is not where it was put") };
        let reason = self.reason_file.as_ref().map_or(String::new(), |file| format!(" (why: {file} beside it)"));
        said(page, "now at", &format!("{path}{reason}"));
    }
}

fn said(page: &mut Page, word: &str, text: &str) {
    let word = page.paint(Look::Faint, format!("{word:<8}"));
    page.line(format!("  {word}  {}", visible(text)));
}

fn last_words(page: &mut Page, failure: &Failure) {
    let Some(stderr) = &failure.stderr else { return };
    let Stamp(at) = failure.at;
    said(page, "stderr", &format!("of attempt {}, {}:", failure.attempt, when::clock(at)));
    let lines: Vec<_> = stderr.lines().collect();
    for line in &lines[lines.len().saturating_sub(STDERR_LINES_MAX)..] {
        said(page, "", &format!("| {line}"));
    }
}
