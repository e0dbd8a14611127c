//! `importerd explain FILE`: one file's whole story, or why it is not taken yet.
//!
//! FILE is a name, a path or a number. A name may have had many files; each has its own story, the latest first.

mod obstacle;
mod shown;
mod story;
mod target;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use story::Story;

use super::args::{Explain, Global};
use super::complaint::{Complaint, told};
use super::page::{Page, print_json};
use super::shell::quoted;
use super::surroundings::{Surroundings, how_to_begin, typed};
use crate::exit;
use crate::fault::Reason;
use crate::file::{FileId, Identity};
use crate::folder::survey::{self, Lying};
use crate::ledger::Row;
use crate::log::{escape, unescape};
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
    let mut stories = found.stories(&surroundings)?;
    if stories.is_empty() {
        return Err(unknown(&surroundings, &folders, &explain.file));
    }
    let more = stories.len().saturating_sub(STORIES_MAX);
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
        if more > 0 {
            let importerd = &surroundings.importerd;
            page.line(format!("and {more} earlier ones; for one of them, type its number: {importerd} explain ID"));
        }
        page.print()?;
    }
    Ok(exit::OK)
}

fn unknown(surroundings: &Surroundings, folders: &[&Folder], typed: &OsStr) -> Complaint {
    let next = match folders {
        [] => how_to_begin(),
        [only] => format!("drop it into {}, or see what there is: {} ls", quoted(&only.inbox), surroundings.importerd),
        _ => format!("to see what there is, type: {} ls", surroundings.importerd),
    };
    Complaint::new(exit::REFUSED, format!("nothing is known of {}", escape(typed)), next)
}

/// What there is of the file that was typed.
#[derive(Debug, Default)]
struct Found<'a> {
    /// Where a file of that name, or the very file, lies.
    lying: Vec<(&'a Folder, Lying)>,
    /// What the ledger says, the latest first.
    rows: Vec<Row>,
}

impl<'a> Found<'a> {
    fn by(surroundings: &Surroundings, folders: &[&'a Folder], typed: &OsStr) -> Result<Self, Reason> {
        if let Some(id) = number(typed)
            && let Some(history) = &surroundings.history
            && let Some(row) = history.by_id(id)?
        {
            return Self::by_row(folders, row);
        }
        let found = Self::by_text(surroundings, folders, typed)?;
        match typed.to_str().and_then(unescape) {
            // As it was printed, and copied from there.
            Some(name) if found.is_empty() && name != typed => Self::by_text(surroundings, folders, &name),
            _ => Ok(found),
        }
    }

    fn by_row(folders: &[&'a Folder], row: Row) -> Result<Self, Reason> {
        let mut found = Self::default();
        if let Some(folder) = folders.iter().find(|folder| folder.name == row.folder) {
            let mut lying = survey::everywhere(folder, &row.name)?;
            lying.extend(place(folder, &row).and_then(|path| survey::at(&path)));
            lying.retain(|file| same(&file.identity, &row.identity));
            lying.dedup_by(|a, b| a.path == b.path);
            found.lying.extend(lying.into_iter().map(|file| (*folder, file)));
        }
        found.rows.push(row);
        Ok(found)
    }

    /// By path or by name.
    fn by_text(surroundings: &Surroundings, folders: &[&'a Folder], typed: &OsStr) -> Result<Self, Reason> {
        let path = typed.as_bytes().contains(&b'/').then(|| Path::new(typed));
        let path = path.and_then(|path| std::path::absolute(path).ok());
        let home = path.as_ref().and_then(|path| folders.iter().find(|folder| holds(folder, path)));
        let folders = home.map_or(folders, std::slice::from_ref);
        let name = Path::new(typed).file_name().unwrap_or(typed);
        let mut found = Self::default();
        for folder in folders {
            let mut lying = survey::everywhere(folder, name)?;
            if let (Some(path), Some(_)) = (&path, home)
                && !lying.iter().any(|file| file.path == *path)
            {
                lying.extend(survey::at(path));
            }
            found.lying.extend(lying.into_iter().map(|file| (*folder, file)));
        }
        found.look_up(surroundings, folders, name)?;
        Ok(found)
    }

    /// What the ledger says of the name, and of the very files: in archive and quarantine they may be called otherwise.
    fn look_up(&mut self, surroundings: &Surroundings, folders: &[&Folder], name: &OsStr) -> Result<(), Reason> {
        let Some(history) = &surroundings.history else { return Ok(()) };
        self.rows = history.by_name(name)?;
        self.rows.retain(|row| folders.iter().any(|folder| folder.name == row.folder));
        for (folder, file) in &self.lying {
            self.rows.extend(history.by_identity(&folder.name, &file.identity)?);
        }
        self.rows.sort_by_key(|row| std::cmp::Reverse(row.id));
        self.rows.dedup_by_key(|row| row.id);
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.lying.is_empty() && self.rows.is_empty()
    }

    /// First what lies there and has no story yet, then the stories.
    fn stories(&self, surroundings: &Surroundings) -> Result<Vec<Story>, Reason> {
        let mut stories = Vec::new();
        for (folder, file) in &self.lying {
            if !self.rows.iter().any(|row| row.folder == folder.name && story::lies_by(row, folder, file)) {
                stories.push(Story::of_file(surroundings, folder, file)?);
            }
        }
        let Some(history) = &surroundings.history else { return Ok(stories) };
        let folders = &surroundings.settings.folders;
        for row in self.rows.iter().take(STORIES_MAX + 1) {
            let of_folder = |(folder, _): &&(&Folder, Lying)| folder.name == row.folder;
            let mut lying = self.lying.iter().filter(of_folder).map(|(_, file)| file);
            let file = lying.find(|file| same(&file.identity, &row.identity));
            stories.push(Story::of_row(surroundings, history, folders.get(&row.folder), row, file)?);
        }
        Ok(stories)
    }
}

/// `#48213` or `48213`.
fn number(typed: &OsStr) -> Option<FileId> {
    let text = typed.to_str()?;
    text.strip_prefix('#').unwrap_or(text).parse().ok().map(FileId)
}

/// Whether the path is within the folder, through whatever links.
fn holds(folder: &Folder, path: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let parent = path.parent().map(real).unwrap_or_default();
    [&folder.inbox, &folder.path]
        .into_iter()
        .any(|directory| path.starts_with(directory) || parent.starts_with(real(directory)))
}

/// Where the ledger says that it was put.
fn place(folder: &Folder, row: &Row) -> Option<PathBuf> {
    let place: OsString = unescape(row.place.as_deref()?)?;
    Some(folder.path.join(place))
}

/// A rename keeps all of this.
fn same(a: &Identity, b: &Identity) -> bool {
    (a.inode, a.born_ns, a.size) == (b.inode, b.born_ns, b.size)
}
