//! One dropped file: what it is called, which one it is, and which state it is in.

use std::fmt;

/// The number that the ledger gave a file. Never reused; rows and results carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub i64);

impl FileId {
    /// A number as it is typed: `48213`, or `#48213`. `007` and `+7` are names.
    #[must_use]
    pub fn typed(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').unwrap_or(text);
        let id: i64 = digits.parse().ok()?;
        (id.to_string() == digits).then_some(Self(id))
    }

    /// As a shell takes it, and nobody takes it for a name: `'#48213'`.
    #[must_use]
    pub fn quoted(self) -> String {
        format!("'{self}'")
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Which file this is, whatever it is called and wherever in its folder it lies.
///
/// A rename keeps it; a new upload of the same name has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The filesystem. Only a hint after a reboot: device numbers may change.
    pub device: u64,
    /// The inode.
    pub inode: u64,
    /// Birth time in nanoseconds since 1970, 0 where the filesystem keeps none.
    pub born_ns: i64,
    /// Size in bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub mtime_ns: i64,
}

impl Identity {
    /// Whether this is the same file with as many bytes, whichever device number and times it has now.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.key(), self.size) == (other.key(), other.size)
    }

    /// Whether nobody has written to it since it was this one, as far as its size and time say.
    #[must_use]
    pub fn is_unchanged_since(&self, then: &Self) -> bool {
        self.is_same_file(then) && self.mtime_ns == then.mtime_ns
    }

    /// What stays when a file is renamed or written to: inode and birth. Where no birth is kept, its last
    /// modification stands in, since inodes are used again.
    #[must_use]
    pub fn key(&self) -> (u64, i64) {
        (self.inode, if self.born_ns == 0 { self.mtime_ns } else { self.born_ns })
    }
}

/// The BLAKE3 hash of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_typed_as_it_is_printed() {
        assert_eq!((FileId::typed("48213"), FileId::typed("#48213")), (Some(FileId(48_213)), Some(FileId(48_213))));
        for name in ["", "#", "000001", "+5", "#007", "1.csv", "##1", " 1", "99999999999999999999"] {
            assert_eq!(FileId::typed(name), None, "{name:?}");
        }
    }

    const FILE: Identity = Identity { device: 1, inode: 7, born_ns: 8, size: 9, mtime_ns: 10 };

    #[test]
    fn an_inode_that_is_used_again_is_another_file_whether_births_are_kept_or_not() {
        assert!(FILE.is_same_file(&Identity { device: 2, mtime_ns: 11, ..FILE }), "touched, after a reboot");
        assert!(!FILE.is_same_file(&Identity { born_ns: 9, ..FILE }));
        assert!(FILE.is_unchanged_since(&Identity { device: 2, ..FILE }), "after a reboot");
        assert!(!FILE.is_unchanged_since(&Identity { mtime_ns: 11, ..FILE }), "touched");
        assert!(!FILE.is_unchanged_since(&Identity { size: 8, ..FILE }));
        let unborn = Identity { born_ns: 0, ..FILE };
        assert!(unborn.is_same_file(&unborn));
        assert!(!unborn.is_same_file(&Identity { mtime_ns: 11, ..unborn }), "it would be taken for one that was done");
    }
}
