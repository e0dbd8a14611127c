//! The name of a staging directory: whose it is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::file::FileId;

/// How long a name may be on any filesystem: eCryptfs takes no longer one.
const NAME_BYTES_MAX: usize = 143;

/// What the name of a staging directory says: `ID-INODE-DEFERRALS-NAME`, or without the last where it would be too long.
#[derive(Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The number of the claimed file.
    pub id: FileId,
    /// Its inode.
    pub inode: u64,
    /// How often it was deferred before.
    pub deferrals: u32,
    /// Its name.
    pub file: Option<&'a OsStr>,
}

impl<'a> Named<'a> {
    /// Reads the name of a directory. `None`: it is no staging directory's.
    #[must_use]
    pub fn of(root: &'a Path) -> Option<Self> {
        let mut parts = root.file_name()?.as_bytes().splitn(4, |&byte| byte == b'-');
        let mut number = || str::from_utf8(parts.next()?).ok();
        let (id, inode, deferrals) = (number()?.parse().ok()?, number()?.parse().ok()?, number()?.parse().ok()?);
        Some(Self { id: FileId(id), inode, deferrals, file: parts.next().map(OsStr::from_bytes) })
    }

    /// The name to give to one.
    #[must_use]
    pub fn name(&self) -> OsString {
        let mut name = OsString::from(format!("{}-{}-{}", self.id.0, self.inode, self.deferrals));
        if let Some(file) = self.file.filter(|file| name.len() + 1 + file.len() <= NAME_BYTES_MAX) {
            name.push("-");
            name.push(file);
        }
        name
    }
}
