//! What an input is made of: choices in its first bytes, and a file's content behind them.

use std::fs::File;
use std::io::Write;
use std::sync::LazyLock;

use importerd::fault::{Fault, Reason};
use importerd::import::fuzz::{Cuts, Records, cut, records};
use importerd::settings::{Import, Unpack};
use rustix::fs::{MemfdFlags, memfd_create};

/// What may come out of a compressed file here.
pub const UNPACKED_BYTES_MAX: u64 = 1 << 20;

/// Takes choices from the front.
pub struct Choices<'i>(pub &'i [u8]);

impl Choices<'_> {
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::from(self.byte()) % list.len()]
    }

    /// How the file is cut; and the content, moved by white space so that the window's end falls into it.
    pub fn cut(mut self, blank: u8) -> (Cuts, Vec<u8>) {
        let read_bytes = self.of(&[usize::MAX, 1, 2, 3, 7, 64]);
        let window_bytes = self.of(&[usize::MAX, 300, 400]);
        let before_end = usize::from(self.byte() % 128);
        let moved = if window_bytes == usize::MAX { 0 } else { window_bytes - before_end };
        (Cuts { read_bytes, window_bytes }, [&vec![blank; moved][..], self.0].concat())
    }
}

/// A file in memory.
pub fn file(content: &[u8]) -> File {
    let mut file = File::from(memfd_create("input", MemfdFlags::CLOEXEC).expect("memory"));
    file.write_all(content).expect("memory");
    file
}

/// Packed files have a target of their own: gzip, and zstd with a frame or one to be skipped.
pub fn is_packed(content: &[u8]) -> bool {
    matches!(content, [0x1F, 0x8B, ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..])
}

/// The defaults, with tight limits.
pub fn import() -> Import {
    let unpack = Unpack { bytes_max: UNPACKED_BYTES_MAX, ..Unpack::default() };
    Import { unpack, ..Import::into_table("t") }
}

/// What is read of the content; however it is cut, it must be the same.
pub fn read(content: &[u8], cuts: Cuts, name: &str, settings: &Import) -> Result<Records, Reason> {
    let file = file(content);
    let read = |cuts| {
        cut(cuts);
        let result = records(&file, name, settings);
        cut(Cuts::NONE);
        result.map_err(reason)
    };
    let (in_pieces, whole) = (read(cuts), read(Cuts::NONE));
    if !is_by_sample(&in_pieces) && !is_by_sample(&whole) {
        assert_eq!(as_told(&in_pieces), as_told(&whole), "in pieces ({cuts:?}), and at once");
    }
    whole
}

/// Whether it depends on the file's first records, of which a tiny window shows fewer.
fn is_by_sample(result: &Result<Records, Reason>) -> bool {
    result.as_ref().is_err_and(|reason| ["other_delimiter", "ambiguous_delimiter", "not_text"].contains(&reason.code))
}

/// Hints and the places in packed data follow from how much was read; what is wrong, and where, does not.
fn as_told(result: &Result<Records, Reason>) -> Result<&Records, (&str, Option<u64>, Option<&str>)> {
    result.as_ref().map_err(|reason| (reason.code, reason.line, reason.column.as_deref()))
}

/// Why the file is refused. Nothing but the file can be at fault here.
pub fn reason(fault: Fault) -> Reason {
    match fault {
        Fault::Permanent(reason) => reason,
        other => panic!("the file is not at fault: {other}"),
    }
}

/// Whether what was read is to be spoilt.
pub fn is_planted() -> bool {
    static PLANTED: LazyLock<bool> = LazyLock::new(|| std::env::var_os("IMPORTERD_FUZZ_PLANT").is_some());
    *PLANTED
}
