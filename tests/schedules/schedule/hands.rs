//! The hands of uploaders and operators.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use super::{Dropped, FILES_MAX, NAMES, Schedule};
use crate::books;
use crate::life::inode;
use crate::plan::Kind;

impl Schedule {
    /// Some names and some contents come again.
    pub(super) fn drop_file(&mut self) {
        let name = NAMES[self.random.usize(..NAMES.len())];
        let path = self.folder("inbox").join(name);
        if self.files.len() >= FILES_MAX || path.exists() {
            return;
        }
        let again = self.files.iter().find(|file| file.kind == Kind::Good).map(|file| file.key);
        let again = again.filter(|_| self.random.u8(..3) == 0);
        let kind = match self.random.u8(..6) {
            _ if again.is_some() => Kind::Good,
            0 => Kind::Bad,
            1 if self.plan.is_run => Kind::Flaky,
            _ => Kind::Good,
        };
        let key = again.unwrap_or(self.next_key());
        fs::write(&path, self.plan.content(kind, key)).expect("drop a file");
        // Durable, and so is what made room for its name.
        self.life().unflushed.retain(|(_, claimed, _)| claimed != name);
        self.tell(format!("{name} is dropped: {kind:?} {key}"));
        self.files.push(Dropped { inode: inode(&path), key, kind, drops: 1, is_in_doubt: false });
    }

    fn next_key(&self) -> i64 {
        self.files.iter().map(|file| file.key).max().unwrap_or_default() + 1
    }

    /// An uploader opens a file again, wherever it is by now; a lease may keep him waiting, and he gives up.
    pub(super) fn open_again(&mut self) {
        let mut within_reach = books::files_below(&self.folder("inbox"));
        within_reach.extend(books::files_below(&self.folder("active")));
        if self.writer.take().is_some() || within_reach.is_empty() {
            return;
        }
        self.faults += 1;
        let path = &within_reach[self.random.usize(..within_reach.len())];
        let opened = OpenOptions::new().append(true).custom_flags(libc::O_NONBLOCK).open(path);
        self.tell(format!("{} is opened for writing: {}", path.display(), opened.is_ok()));
        self.writer = opened.ok();
    }

    /// An operator wants a file done again.
    pub(super) fn put_back_from_archive(&mut self) {
        let archived = books::files_below(&self.folder("archive"));
        let Some(path) = archived.first() else { return };
        let name: OsString = path.file_name().expect("a name").to_owned();
        let (inbox, archived) = (self.folder("inbox").join(&name), inode(path));
        let numbers = self.numbers.iter().filter(|(_, of)| **of == archived).map(|(number, _)| *number).collect();
        let is_entered = self.life().has_archived(numbers);
        let Some(file) = self.files.iter_mut().find(|file| file.inode == archived) else { return };
        if inbox.exists() || file.drops > 1 {
            return;
        }
        fs::rename(path, &inbox).expect("put it back");
        file.drops += 1;
        file.is_in_doubt |= !is_entered;
        self.life().unflushed.retain(|(_, claimed, _)| *claimed != name);
        self.tell(format!("an operator puts {} back into the inbox", name.display()));
    }

    /// An operator corrects a refused file and drops it again.
    pub(super) fn correct(&mut self) {
        let refused = books::files_below(&self.folder("quarantine"));
        let Some(path) = refused.first() else { return };
        let name: OsString = path.file_name().expect("a name").to_owned();
        let inbox = self.folder("inbox").join(&name);
        let (key, refused) = (self.next_key(), inode(path));
        let text = self.plan.content(Kind::Good, key);
        let Some(file) = self.files.iter_mut().find(|file| file.inode == refused) else { return };
        if inbox.exists() {
            return;
        }
        (file.key, file.kind, file.drops) = (key, Kind::Good, 1);
        fs::write(path, text).expect("correct it");
        fs::rename(path, &inbox).expect("put it back");
        let mut reason = path.clone().into_os_string();
        reason.push(".reason.txt");
        let _ = fs::remove_file(reason);
        self.life().unflushed.retain(|(_, claimed, _)| *claimed != name);
        self.tell(format!("an operator corrects {}, and drops it again: {key}", name.display()));
    }
}
