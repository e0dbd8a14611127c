//! The answer for eyes; the verdict is its last line.

use std::fmt::Display;

use super::super::page::{Look, Page};
use super::super::surroundings::SETTINGS_CHANGED;
use super::super::table::{Side, Table};
use super::import::Import;
use super::run::Run;
use super::{Answer, Refusal, Verdict};
use crate::fault::Reason;
use crate::import::ReadAs;
use crate::log::visible;

impl Answer {
    /// All of it.
    pub fn page(&self) -> Page {
        let mut page = Page::new();
        page.line(format!("{} in folder {}", page.paint(Look::Strong, visible(&self.file)), self.folder));
        match (&self.never_taken, &self.ready_marker) {
            (Some(rule), _) => fact(&mut page, "taken", format_args!("never: {rule}")),
            (None, Some(marker)) => fact(&mut page, "taken", format_args!("yes, once {}{marker} is there", self.file)),
            (None, None) => fact(&mut page, "taken", "yes"),
        }
        if let Some(import) = &self.import {
            import.show(&mut page);
        }
        if let Some(run) = &self.run {
            run.show(&mut page);
        }
        if let Some(refusal) = &self.refused
            && let Some(hint) = &refusal.hint
        {
            page.line("");
            fact(&mut page, "hint", hint);
        }
        page.line("");
        if self.settings_changed {
            page.line(page.paint(Look::Warning, SETTINGS_CHANGED));
        }
        let (look, text) = self.verdict();
        page.line(page.paint(look, visible(&text)));
        page
    }

    fn verdict(&self) -> (Look, String) {
        match self.verdict {
            Verdict::Imported => (Look::Good, self.imported()),
            Verdict::Run => (Look::Good, "the command would be run".to_owned()),
            Verdict::Superseded => {
                let later = self.superseded_by.unwrap_or_default();
                let text = "a later file, has replaced all rows; dropped anew, it would be the latest";
                (Look::Warning, format!("would be archived without a row: #{later}, {text}"))
            }
            Verdict::Duplicate => {
                let of = self.duplicate_of.as_ref();
                let of = of.map(|of| format!("#{} {} (the same {})", of.id, of.name, of.same)).unwrap_or_default();
                (Look::Warning, format!("would be archived as a duplicate of {of}; nothing else would happen"))
            }
            Verdict::Refused => {
                let refusal = self.refused.as_ref();
                let why = refusal.map(|Refusal { line, column, text, .. }| {
                    Reason { line: *line, column: column.clone(), ..Reason::new("", text.as_str()) }.to_string()
                });
                (Look::Bad, format!("would be refused, nothing imported: {}", why.unwrap_or_default()))
            }
            Verdict::NotTaken => {
                let rule = self.never_taken.as_deref().unwrap_or_default();
                (Look::Bad, format!("would stay in the inbox: {rule}"))
            }
            Verdict::Held => {
                let fault = self.run.as_ref().and_then(|run| run.fault.as_deref()).unwrap_or_default();
                (Look::Bad, format!("the folder would be held: {fault}"))
            }
        }
    }

    fn imported(&self) -> String {
        let Some(import) = &self.import else { return String::new() };
        let rows = counted(import.rows_added, "row", "rows");
        let without = match import.rejects {
            0 => String::new(),
            rejects => format!(", {} left out", counted(rejects, "row", "rows")),
        };
        let table = if import.create_table.is_some() { "a new table" } else { "the table" };
        match import.rows_added {
            0 => "would be imported: it has no rows, and no table is touched".to_owned(),
            _ => format!("would be imported: {rows} into {table} {}{}{without}", import.table, import.in_place_of()),
        }
    }
}

impl Import {
    fn in_place_of(&self) -> &'static str {
        let is_replaced = self.table_is_there && self.mode == "replace";
        if is_replaced { ", in place of all that are there" } else { "" }
    }

    fn show(&self, page: &mut Page) {
        if let Some(read_as) = &self.read_as {
            show_read_as(read_as, page);
        }
        let there = match (self.table_is_there, self.database_is_there) {
            (true, _) => "is there",
            (false, true) => "is not there yet",
            (false, false) => "is not there yet, nor the database",
        };
        fact(page, "table", format_args!("{} in {}: {there}", self.table, self.database));
        match (self.rows, self.rejects) {
            (Some(rows), 0) => fact(page, "rows", rows),
            (Some(rows), rejects) => fact(page, "rows", format_args!("{rows} fit, {rejects} don't")),
            (None, _) => {}
        }
        self.show_columns(page);
        self.show_rejected(page);
        if let Some(sql) = &self.create_table {
            page.line("");
            fact(page, "would run", sql);
        }
        for note in &self.notes {
            page.line("");
            fact(page, "note", note);
        }
    }

    fn show_columns(&self, page: &mut Page) {
        if self.columns.is_empty() {
            return;
        }
        let head = [("column", Side::Left), ("type", Side::Left), ("NULLs", Side::Right), ("examples", Side::Left)];
        let mut table = Table::new(&[&head[..], &[("why", Side::Left)]].concat());
        for column in &self.columns {
            table.row([
                (Look::Plain, visible(&column.name).into_owned()),
                (Look::Plain, visible(column.kind.as_deref().unwrap_or("-")).into_owned()),
                (Look::Plain, column.nulls.to_string()),
                (Look::Plain, column.examples.join(" ")),
                (Look::Plain, visible(&column.why).into_owned()),
            ]);
        }
        page.line("");
        for line in table.lines(page) {
            page.line(format!("  {line}"));
        }
    }

    fn show_rejected(&self, page: &mut Page) {
        if self.rejected.is_empty() {
            return;
        }
        page.line("");
        page.line(format!("  {}", page.paint(Look::Faint, "don't fit")));
        for rejected in &self.rejected {
            page.line(format!("  {}", visible(&rejected.to_string())));
        }
        let more = self.rejects - self.rejected.len() as u64;
        if more > 0 {
            page.line(format!("  and {more} more"));
        }
    }
}

impl Run {
    fn show(&self, page: &mut Page) {
        fact(page, "command", &self.command_line);
        match (&self.program, &self.fault) {
            (_, Some(fault)) => fact(page, "program", fault),
            (Some(program), None) => fact(page, "program", format_args!("{program}, executable")),
            (None, None) => {}
        }
    }
}

fn show_read_as(read_as: &ReadAs, page: &mut Page) {
    let packed = read_as.compression.map(|with| format!(", {with}")).unwrap_or_default();
    let by = |by: &str| match by {
        "setting" => "as set".to_owned(),
        "default" => "nothing says otherwise".to_owned(),
        by => format!("by its {by}"),
    };
    fact(page, "format", format_args!("{} ({}){packed}", read_as.format, by(read_as.format_by)));
    fact(page, "encoding", format_args!("{} ({})", read_as.encoding, by(read_as.encoding_by)));
    let Some(dialect) = &read_as.dialect else { return };
    let delimiter = match &dialect.delimiter {
        Some(delimiter) => format!("delimiter {} ({})", character(delimiter), by(dialect.delimiter_by)),
        None => "one column".to_owned(),
    };
    let quote = dialect.quote.as_ref().map_or("no quote".to_owned(), |quote| format!("quote {}", character(quote)));
    let others = [("escape", &dialect.escape), ("comment", &dialect.comment)];
    let others = others.iter().filter_map(|(what, byte)| Some(format!(", {what} {}", character(byte.as_ref()?))));
    let header = if dialect.header { "header in the first row" } else { "no header" };
    fact(page, "dialect", format_args!("{delimiter}, {quote}{}, {header}", others.collect::<String>()));
}

fn character(text: &str) -> String {
    match text {
        "\t" => "tab".to_owned(),
        "\"" => "'\"'".to_owned(),
        other => format!("{other:?}"),
    }
}

fn fact(page: &mut Page, name: &str, value: impl Display) {
    let name = page.paint(Look::Faint, format!("{name:<9}"));
    page.line(format!("  {name}  {}", visible(&value.to_string())));
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
