//! `importerd explain FILE`: one file's whole story, or why it is not taken yet.
//!
//! FILE is a name, a path or a number. A name may have had many files; each has its own story, the latest first.

pub mod obstacle;
mod shown;
mod story;
mod target;

use story::Story;

use super::args::{Explain, Global};
use super::complaint::{Complaint, told};
use super::found::{Found, is_of, unknown};
use super::page::{Page, print_json};
use super::surroundings::{Surroundings, typed};
use crate::exit;
use crate::fault::Reason;
use crate::folder::survey::Lying;
use crate::settings::Folder;

/// So many stories of files of one name are told at once.
const STORIES_MAX: usize = 20;

/// `importerd explain`
pub fn answer(global: &Global, explain: &Explain) -> u8 {
    told(show(global, explain).map_err(|complaint| complaint.with_options(&typed(global))))
}

fn show(global: &Global, explain: &Explain) -> Result<u8, Complaint> {
    let surroundings = Surroundings::look(global)?;
    let folders = surroundings.folders(explain.folder.as_deref())?;
    let found = Found::by(&surroundings, &folders, &explain.file)?;
    let mut stories = stories(&found, &surroundings)?;
    if stories.is_empty() {
        return Err(unknown(&surroundings, &folders, &explain.file));
    }
    let more = stories.len() > STORIES_MAX;
    stories.truncate(STORIES_MAX);
    if global.json {
        for story in &stories {
            if !print_json(story)? {
                break;
            }
        }
    } else {
        let mut page = Page::new();
        for story in &stories {
            story.show(&mut page);
        }
        if more {
            let importerd = &surroundings.importerd;
            page.line(format!("and earlier ones; for one of them, type its number: {importerd} explain ID"));
        }
        page.print()?;
    }
    Ok(exit::OK)
}

/// First what lies there and has no story yet, then the stories.
fn stories(found: &Found<'_>, surroundings: &Surroundings) -> Result<Vec<Story>, Reason> {
    let mut stories = Vec::new();
    for (folder, file) in &found.lying {
        if !found.rows.iter().any(|row| row.folder == folder.name && story::lies_by(row, folder, file)) {
            stories.push(Story::of_file(surroundings, folder, file)?);
        }
    }
    let Some(history) = &surroundings.history else { return Ok(stories) };
    let folders = &surroundings.settings.folders;
    for row in found.rows.iter().take(STORIES_MAX + 1) {
        let of_folder = |(folder, _): &&(&Folder, Lying)| folder.name == row.folder;
        let mut lying = found.lying.iter().filter(of_folder).map(|(_, file)| file);
        let file = lying.find(|file| is_of(row, file));
        stories.push(Story::of_row(surroundings, history, folders.get(&row.folder), row, file)?);
    }
    Ok(stories)
}
