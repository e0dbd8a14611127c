//! A file as it was typed: its name, its path or its number. A name may have had many files.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::complaint::Complaint;
use super::shell::quoted;
use super::surroundings::{Surroundings, how_to_begin};
use crate::exit;
use crate::fault::Reason;
use crate::file::{FileId, Identity};
use crate::folder::survey::{self, Lying};
use crate::ledger::Row;
use crate::log::{escape, unescape};
use crate::settings::Folder;

/// What there is of the file that was typed.
#[derive(Debug, Default)]
pub struct Found<'a> {
    /// Where a file of that name, or the very file, lies.
    pub lying: Vec<(&'a Folder, Lying)>,
    /// What the ledger says, the latest first.
    pub rows: Vec<Row>,
}

impl<'a> Found<'a> {
    /// By number, path or name.
    pub fn by(surroundings: &Surroundings, folders: &[&'a Folder], typed: &OsStr) -> Result<Self, Reason> {
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

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.lying.is_empty() && self.rows.is_empty()
    }
}

/// That there is nothing, and what to type next.
pub fn unknown(surroundings: &Surroundings, folders: &[&Folder], typed: &OsStr) -> Complaint {
    let next = match folders {
        [] => how_to_begin(),
        [only] => format!("drop it into {}, or see what there is: {} ls", quoted(&only.inbox), surroundings.importerd),
        _ => format!("to see what there is, type: {} ls", surroundings.importerd),
    };
    Complaint::new(exit::REFUSED, format!("nothing is known of {}", escape(typed)), next)
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
pub fn place(folder: &Folder, row: &Row) -> Option<PathBuf> {
    let place: OsString = unescape(row.place.as_deref()?)?;
    Some(folder.path.join(place))
}

/// A rename keeps all of this.
pub fn same(a: &Identity, b: &Identity) -> bool {
    (a.inode, a.born_ns, a.size) == (b.inode, b.born_ns, b.size)
}
