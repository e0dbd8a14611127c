//! Process: the work itself. Nothing changes but what only this file's attempt can see.

use std::fs::File;
use std::io::{self, Read, Seek};

use importerd_actors::{Halt, InHand};

use super::carrier::Carrier;
use super::file::{Body, Claimed, Outcome, Processed};
use super::folder::{Folder, Work};
use crate::fault::{Fault, Reason};
use crate::file::Digest;
use crate::folder::claim::{HARD_LINK, Sealed};
use crate::ledger::{Ledger, Row, Same};
use crate::pulse;
use crate::run::{self, Command, Job};
use crate::settings::Duplicates;

/// How much of a large file is read at a time to hash it; of most files, less than so much is all.
const CHUNK_BYTES: usize = 256 << 10;

impl Carrier {
    /// Works on one file; one that can't be done is set aside here, with its reason.
    pub(super) fn process_one(&mut self, folder: usize, mut file: Claimed) -> Result<Option<Processed>, Halt> {
        let mut stderr_tail = Vec::new();
        let outcome = match &file.body {
            Body::Unfit(reason) => Err(Fault::Permanent(unfit(reason.clone(), &file))),
            Body::Unreadable(error) => Err(unreadable(error)),
            Body::Sealed(sealed) => match &self.folders[folder].work {
                Work::Import(import) => import.process(&sealed.file, &file.name).map(Outcome::Checked),
                Work::Run(command) => self.run(folder, command, &file, sealed, &mut stderr_tail),
            },
        };
        pulse::beat();
        if let Err(Fault::Permanent(reason)) = &outcome
            && reason.code == run::REPLACED
        {
            file.is_what_lies_there()?;
        }
        match outcome {
            outcome if self.is_to_be_redone(folder, &file) => self.redo(folder, file, outcome).map(|()| None),
            Ok(outcome) => Ok(Some(Processed { claimed: file, outcome })),
            Err(fault) => self.set_aside(folder, file, fault, &stderr_tail).map(|()| None),
        }
    }

    /// Whether somebody has written to it since it was sealed. What its command has taken away can't be done again.
    pub(super) fn is_to_be_redone(&self, folder: usize, file: &Claimed) -> bool {
        let is_taken = || matches!(self.folders[folder].work, Work::Run(_)) && !file.is_there();
        !file.is_whole() && !is_taken()
    }

    fn run(
        &self,
        folder: usize,
        command: &Command,
        file: &Claimed,
        sealed: &Sealed,
        stderr_tail: &mut Vec<u8>,
    ) -> Result<Outcome, Fault> {
        let digest = hash(&sealed.file).map_err(|error| Fault::unreadable(&error))?;
        let folder = &self.folders[folder];
        if let Some(row) = folder.done_before(&self.ledger, file, digest)? {
            return Ok(Outcome::Duplicate { of: row.id, name: row.name, digest });
        }
        let staging = file.slot.staging(file)?;
        let path = file.path();
        let job = Job {
            id: file.id,
            folder: &folder.name,
            attempt: file.attempt(),
            name: &file.name,
            path: &path,
            staging: &staging,
        };
        let attempt = command.process(&job);
        *stderr_tail = attempt.stderr_tail;
        // What a command meets while its folder is taken away says nothing of its file.
        file.slot.check()?;
        attempt.outcome.map(|produced| Outcome::Produced { produced, digest })
    }
}

impl Folder {
    /// A file that was done before and makes this one a duplicate, by the folder's rule.
    pub(super) fn done_before(&self, ledger: &Ledger, file: &Claimed, digest: Digest) -> Result<Option<Row>, Fault> {
        let same = match self.duplicates {
            Duplicates::ByContent => Same::Bytes(digest),
            Duplicates::ByName => Same::Name(&file.name),
            Duplicates::Allow => return Ok(None),
        };
        Ok(ledger.done_before(&self.name, &same)?.filter(|row| row.id != file.id))
    }
}

/// The hash of a file's bytes.
pub(crate) fn hash(mut file: &File) -> io::Result<Digest> {
    file.rewind()?;
    let mut hasher = blake3::Hasher::new();
    // One byte more than there should be, so that the second read finds the end.
    let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(CHUNK_BYTES).saturating_add(1);
    let mut chunk = vec![0; bytes.min(CHUNK_BYTES)];
    loop {
        pulse::beat();
        match file.read(&mut chunk) {
            Ok(0) => return Ok(Digest(*hasher.finalize().as_bytes())),
            Ok(bytes) => hasher.update(&chunk[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
    }
}

/// fault 37: when it was tried before it had one name.
fn unfit(reason: Reason, file: &Claimed) -> Reason {
    if reason.code != HARD_LINK || file.deferrals == 0 {
        return reason;
    }
    let inode = file.identity.inode;
    reason.hint(format!(
        "it had one name when it was tried before: its command may have linked it, or a backup; remove the other names \
         (find FILESYSTEM -xdev -inum {inode})"
    ))
}

/// fault 38
fn unreadable(error: &io::Error) -> Fault {
    let reason = Reason::new("unreadable", format!("it can't be opened for reading: {error}")).hint(
        "let the uploader give the daemon's group the right to read, for instance by umask 0027 and a setgid inbox",
    );
    Fault::Deferred { reason, charged: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// fault 70
    #[test]
    fn a_file_that_the_disk_can_not_read_is_charged_and_holds_nobody_up() {
        // Nothing is mapped at its first byte: EIO.
        let file = File::open("/proc/self/mem").unwrap();
        let fault = Fault::unreadable(&hash(&file).unwrap_err());
        assert!(matches!(fault, Fault::Deferred { charged: true, .. }), "{fault:?}");
        assert!(fault.to_string().contains("Input/output error"), "{fault}");
    }
}
