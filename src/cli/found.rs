//! A file as it was typed: its name, its path or its number. A name may have had many files.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::complaint::Complaint;
use super::shell::quoted;
use super::surroundings::{Surroundings, how_to_begin};
use crate::exit;
use crate::fault::Reason;
use crate::file::FileId;
use crate::folder::survey::{self, Lying};
use crate::ledger::{Row, State, TAKEN_AWAY};
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
    /// By number, path or name. Digits that are one file's number and another's name are refused.
    pub fn by(surroundings: &Surroundings, folders: &[&'a Folder], typed: &OsStr) -> Result<Self, Complaint> {
        let id = typed.to_str().and_then(FileId::typed);
        let numbered = id.zip(surroundings.history.as_ref()).map(|(id, history)| history.by_id(id)).transpose()?;
        let Some(row) = numbered.flatten() else { return Ok(Self::by_name(surroundings, folders, typed)?) };
        if typed.as_bytes().starts_with(b"#") {
            return Ok(Self::by_row(folders, row)?);
        }
        let named = Self::by_name(surroundings, folders, typed)?;
        if named.is_at_most(&row) {
            Ok(Self::by_row(folders, row)?)
        } else if folders.iter().any(|folder| folder.name == row.folder) {
            Err(ambiguous(typed, &row))
        } else {
            Ok(named)
        }
    }

    /// By path or name, also as it was printed.
    fn by_name(surroundings: &Surroundings, folders: &[&'a Folder], typed: &OsStr) -> Result<Self, Reason> {
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
            lying.retain(|file| is_of(&row, file));
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
        if found.is_empty() {
            folders.iter().try_for_each(|folder| survey::can_be_asked(folder, name))?;
        }
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

    /// Whether there is nothing but that file.
    fn is_at_most(&self, row: &Row) -> bool {
        self.rows.iter().all(|found| found.id == row.id) && self.lying.iter().all(|(_, file)| is_of(row, file))
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

/// That it is a number and a name, and how to say which.
fn ambiguous(typed: &OsStr, numbered: &Row) -> Complaint {
    let (typed, name) = (escape(typed), escape(&numbered.name));
    let text = format!("{typed} is the number of {name} ({}), and the name of another file", numbered.folder);
    Complaint::new(exit::USAGE, text, format!("type '#{typed}' for the one, the path of the other"))
}

/// Whether the path is within the folder.
fn holds(folder: &Folder, path: &Path) -> bool {
    is_within(path, &folder.inbox) || is_within(path, &folder.path)
}

/// Whether the path is within a directory, through whatever links.
pub fn is_within(path: &Path, directory: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.starts_with(directory) || path.parent().map(real).unwrap_or_default().starts_with(real(directory))
}

/// Where the ledger says that it was put.
pub fn place(folder: &Folder, row: &Row) -> Option<PathBuf> {
    let place: OsString = unescape(row.place.as_deref().filter(|place| *place != TAKEN_AWAY)?)?;
    Some(folder.path.join(place))
}

/// Whether it is the file of that row, whatever it is called. One that waits, or was refused, may have been written to meanwhile.
pub fn is_of(row: &Row, file: &Lying) -> bool {
    let (known, now) = (&row.identity, &file.identity);
    let is_same = (known.inode, known.born_ns, known.size) == (now.inode, now.born_ns, now.size);
    is_same || (matches!(row.state, State::Deferred | State::Quarantined) && known.key() == now.key())
}
