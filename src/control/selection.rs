//! Selections: which files an order is for. The ledger says what there is; the operator may name a file by number,
//! name or path.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Refusal;
use super::operator::Operator;
use crate::exit;
use crate::file::FileId;
use crate::folder::survey;
use crate::ledger::{Row, State};
use crate::log::{escape, unescape};
use crate::stages::Folder;

/// So many rows are looked at in one go: memory doesn't grow with the ledger.
const BATCH_ROWS_MAX: u32 = 256;

/// Files, each by itself or all that are alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Each by its number, name or absolute path, escaped.
    pub files: Vec<String>,
    /// All in these states.
    pub states: Vec<State>,
    /// Only in this folder.
    pub folder: Option<String>,
    /// Only those that are there for this reason, by its stable word.
    pub code: Option<String>,
}

impl Selection {
    /// Whether a row of these states and folders is meant.
    pub(super) fn means(&self, row: &Row) -> bool {
        self.code.is_none() || row.reason_code == self.code
    }
}

/// A file of the ledger, and the folder that it belongs to.
#[derive(Debug)]
pub(super) struct Selected<'a> {
    pub folder: &'a Folder,
    pub row: Row,
}

impl<'a> Operator<'a> {
    /// The folders that a selection looks into.
    pub(super) fn folders_of(&self, selection: &Selection) -> Result<Vec<&'a Folder>, Refusal> {
        match &selection.folder {
            Some(name) => Ok(vec![self.folder(name)?]),
            None => Ok(self.folders.iter().collect()),
        }
    }

    /// All that are alike, a batch after the other, in the order of their numbers. What is done with one batch doesn't
    /// bring its files back in another.
    pub(super) fn each_batch(
        &self,
        selection: &Selection,
        mut visit: impl FnMut(&'a Folder, Vec<Row>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        for folder in self.folders_of(selection)? {
            for state in &selection.states {
                let mut last = FileId(0);
                loop {
                    let mut rows = self.ledger.in_state_after(&folder.name, *state, last, BATCH_ROWS_MAX)?;
                    let Some(highest) = rows.last() else { break };
                    last = highest.id;
                    rows.retain(|row| selection.means(row));
                    if !rows.is_empty() {
                        visit(folder, rows)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The file that was typed. A path means what lies there, or was put there. Where several had the name, that which lies under it in quarantine/; else the latest
    /// in one of the `wanted` states; else the latest. A name may be typed as it is printed.
    ///
    /// # Errors
    /// A name that several folders have in these states; digits that are one file's number and another's name; the world.
    pub(super) fn selected(
        &self,
        selection: &Selection,
        typed: &str,
        wanted: &[State],
    ) -> Result<Option<Selected<'a>>, Refusal> {
        let folders = self.folders_of(selection)?;
        let typed = unescape(typed).unwrap_or_else(|| typed.into());
        let row = match self.numbered(&folders, &typed)? {
            Some(row) if !typed.as_bytes().starts_with(b"#") => match self.by_text(&folders, &typed, wanted)? {
                Some(named) if named.id != row.id => return Err(Refusal::ambiguous(&typed, &row, &named)),
                _ => Some(row),
            },
            Some(row) => Some(row),
            None => self.by_text(&folders, &typed, wanted)?,
        };
        Ok(row.and_then(|row| {
            let folder = folders.into_iter().find(|folder| *folder.name == row.folder)?;
            Some(Selected { folder, row })
        }))
    }

    fn numbered(&self, folders: &[&Folder], typed: &OsStr) -> Result<Option<Row>, Refusal> {
        let id = typed.to_str().and_then(FileId::typed);
        let row = id.map(|id| self.ledger.by_id(id)).transpose()?.flatten();
        Ok(row.filter(|row| folders.iter().any(|folder| *folder.name == row.folder)))
    }

    /// By path or name, or by what was printed of it.
    fn by_text(&self, folders: &[&Folder], typed: &OsStr, wanted: &[State]) -> Result<Option<Row>, Refusal> {
        let found = |typed: &OsStr| {
            let is_path = typed.as_bytes().contains(&b'/');
            if is_path { self.by_path(folders, Path::new(typed)) } else { self.by_name(folders, typed, wanted) }
        };
        match (found(typed)?, typed.to_str().and_then(unescape)) {
            (None, Some(printed)) if printed != typed => found(&printed),
            (row, _) => Ok(row),
        }
    }

    fn by_path(&self, folders: &[&Folder], path: &Path) -> Result<Option<Row>, Refusal> {
        let Some(folder) = folders.iter().find(|folder| holds(folder, path)) else { return Ok(None) };
        let name = path.file_name().unwrap_or_default();
        if let Some(lying) = survey::at(path) {
            let same = |row: &Row| row.folder == *folder.name && row.identity.key() == lying.identity.key();
            let found = match self.ledger.by_identity(&folder.name, &lying.identity)? {
                Some(row) => Some(row),
                // Somebody has written to it since.
                None => self.ledger.by_name(name)?.into_iter().find(same),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        // An editor may have put another file in its place.
        if is_in(path, &folder.places.path.join("quarantine")) { self.in_quarantine(folder, name) } else { Ok(None) }
    }

    fn by_name(&self, folders: &[&Folder], name: &OsStr, wanted: &[State]) -> Result<Option<Row>, Refusal> {
        let mut found = Vec::new();
        for folder in folders.iter().filter(|_| wanted.contains(&State::Quarantined)) {
            // Where that can't be told, the ledger's word counts.
            let lies = |row: &Row| folder.lies_where_it_was_put(row).unwrap_or(true);
            found.extend(self.in_quarantine(folder, name)?.filter(lies));
        }
        let mut rows = self.ledger.by_name(name)?;
        rows.retain(|row| folders.iter().any(|folder| *folder.name == row.folder));
        let (fitting, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| wanted.contains(&row.state));
        found.extend(fitting);
        let several: BTreeSet<_> = found.iter().map(|row| row.folder.as_str()).collect();
        if several.len() > 1 {
            let several: Vec<_> = several.into_iter().map(|folder| format!("--folder {folder}")).collect();
            let text = format!("more than one folder has a file called {}", escape(name));
            return Err(Refusal::new(exit::USAGE, text, format!("say which: {}", several.join(" | "))));
        }
        Ok(found.into_iter().chain(others).next())
    }

    /// The refused file that the ledger put there under that name.
    fn in_quarantine(&self, folder: &Folder, name: &OsStr) -> Result<Option<Row>, Refusal> {
        let place = format!("quarantine/{}", escape(name));
        Ok(self.ledger.quarantined_at(&folder.name, &place)?)
    }
}

/// Whether the path is within the folder, through whatever links.
fn holds(folder: &Folder, path: &Path) -> bool {
    is_in(path, &folder.places.inbox_path) || is_in(path, &folder.places.path)
}

fn is_in(path: &Path, directory: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.starts_with(directory) || path.parent().map(real).unwrap_or_default().starts_with(real(directory))
}
