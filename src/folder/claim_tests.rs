//! Tests of claiming: what may lie in an inbox that others write to.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, mknodat};

use super::super::scratch::{Scratch, as_root, outlive_lease_breaks};
use super::*;

const NAME: &str = "a.csv";

fn claim_it(scratch: &Scratch) -> Claim {
    claim(&scratch.places, &scratch.slot(), OsStr::new(NAME)).unwrap()
}

fn sealed(claim: Claim) -> Sealed {
    let Claim::Sealed(sealed) = claim else { panic!("{claim:?}") };
    sealed
}

#[test]
fn a_file_is_moved_to_the_slot_and_sealed() {
    for scratch in [Scratch::new(), Scratch::in_memory(), Scratch::without_leases()] {
        scratch.put(NAME, "1");
        let mut sealed = sealed(claim_it(&scratch));
        let mut content = String::new();
        sealed.file.read_to_string(&mut content).unwrap();
        assert_eq!((content.as_str(), sealed.identity.size), ("1", 1));
        assert!(sealed.is_whole());
        assert_eq!((scratch.names("inbox").len(), scratch.names("active/0")), (0, vec![NAME.to_owned()]));
    }
}

/// fault 75
#[test]
fn a_claim_that_a_power_cut_left_with_both_names_is_finished_and_sealed() {
    let scratch = Scratch::new();
    let slot = scratch.slot();
    scratch.put(NAME, "1");
    scratch.put("other.csv", "2");
    fs::hard_link(scratch.path("inbox/a.csv"), scratch.path("active/0/a.csv")).unwrap();
    fs::hard_link(scratch.path("inbox/other.csv"), scratch.path("active/0/linked.csv")).unwrap();
    for name in [NAME, "linked.csv"] {
        finish(&scratch.places, slot.as_fd(), OsStr::new(name)).unwrap();
    }
    sealed(seal(&scratch.places, slot.as_fd(), OsStr::new(NAME)).unwrap());
    assert_eq!(scratch.names("inbox"), ["other.csv"], "what an uploader has linked is left alone");
}

/// fault 18
#[test]
fn a_file_that_is_gone_is_not_taken() {
    assert!(matches!(claim_it(&Scratch::new()), Claim::NotTaken));
}

#[test]
fn a_file_whose_name_lies_in_the_slot_already_stays_in_the_inbox() {
    let scratch = Scratch::new();
    scratch.put(NAME, "1");
    drop(claim_it(&scratch));
    scratch.put(NAME, "2");
    let refused = claim(&scratch.places, &scratch.slot(), OsStr::new(NAME));
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!((scratch.read("active/0/a.csv"), scratch.read("inbox/a.csv")), ("1".to_owned(), "2".to_owned()));
}

/// fault 41
#[test]
fn a_file_that_a_writer_came_back_to_is_given_back() {
    let scratch = Scratch::new();
    scratch.put(NAME, "1");
    let mut writer = OpenOptions::new().append(true).open(scratch.path("inbox/a.csv")).unwrap();
    let Claim::GivenBack(name) = claim_it(&scratch) else { panic!("claimed") };
    assert_eq!(name, NAME);
    writer.write_all(b"2").unwrap();
    drop(writer);
    assert_eq!(sealed(claim_it(&scratch)).identity.size, 2);
}

/// fault 17
#[test]
fn a_sealed_file_that_somebody_writes_to_is_no_longer_whole() {
    outlive_lease_breaks();
    let scratch = Scratch::new();
    scratch.put(NAME, "1");
    let claimed = sealed(claim_it(&scratch));
    let path = scratch.path("active/0/a.csv");
    OpenOptions::new().append(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap_err();
    assert!(!claimed.is_whole());

    let scratch = Scratch::without_leases();
    scratch.put(NAME, "1");
    let claimed = sealed(claim_it(&scratch));
    OpenOptions::new().append(true).open(scratch.path("active/0/a.csv")).unwrap().write_all(b"2").unwrap();
    assert!(!claimed.is_whole());
}

/// fault 80: killed between the rename and the lease.
#[test]
fn a_file_left_in_the_slot_unsealed_is_sealed_later() {
    let scratch = Scratch::new();
    scratch.put(NAME, "1");
    let slot = scratch.slot();
    fs::rename(scratch.path("inbox/a.csv"), scratch.path("active/0/a.csv")).unwrap();
    let seal_it = || seal(&scratch.places, slot.as_fd(), OsStr::new(NAME)).unwrap();
    let writer = OpenOptions::new().append(true).open(scratch.path("active/0/a.csv")).unwrap();
    assert!(matches!(seal_it(), Claim::GivenBack(_)));
    drop(writer);
    assert_eq!(scratch.names("active/0"), [NAME]);
    assert!(sealed(seal_it()).is_whole());
}

/// faults 32-37
#[test]
fn what_is_no_regular_file_of_one_name_is_unfit_and_neither_read_nor_waited_for() {
    type Make = fn(&Path);
    let makers: [(&str, Make); 6] = [
        ("not_a_file", |path| symlink("/etc/passwd", path).unwrap()),
        ("not_a_file", |path| symlink(NAME, path).unwrap()),
        ("not_a_file", |path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap()),
        ("not_a_file", |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap())),
        ("not_a_file", |path| fs::create_dir(path).unwrap()),
        ("hard_link", |path| {
            fs::write(path, "1").unwrap();
            fs::hard_link(path, path.with_extension("other")).unwrap();
        }),
    ];
    for (code, make) in makers {
        let scratch = Scratch::new();
        make(&scratch.path("inbox/a.csv"));
        let Claim::Unfit { reason, identity } = claim_it(&scratch) else { panic!("{code}") };
        assert_eq!(reason.code, code);
        assert_ne!(identity.inode, 0);
        assert_eq!(scratch.names("active/0"), [NAME]);
    }
}

/// fault 39
#[test]
fn an_immutable_file_is_not_movable_and_no_fault_of_the_folder() {
    let scratch = Scratch::new();
    scratch.put(NAME, "1");
    let path = scratch.path("inbox/a.csv");
    if !as_root("chattr", &[OsStr::new("+i"), path.as_ref()]) {
        return;
    }
    let claimed = claim_it(&scratch);
    assert!(as_root("chattr", &[OsStr::new("-i"), path.as_ref()]));
    let Claim::NotMovable { identity, reason } = claimed else { panic!("{claimed:?}") };
    assert_eq!((identity.size, reason.code), (1, "not_movable"));
    assert_eq!((scratch.names("inbox"), scratch.names("active/0").len()), (vec![NAME.to_owned()], 0));
}

/// fault 42
#[test]
fn whatever_a_name_is_swapped_for_only_a_regular_file_of_the_inbox_is_read() {
    let scratch = Scratch::in_memory();
    let (slot, stop) = (scratch.slot(), AtomicBool::new(false));
    fs::write(scratch.path("secret"), "secret").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (made, name) = (scratch.path("inbox/.made"), scratch.path("inbox/a.csv"));
            for round in 0..1_000_000 {
                match round % 3 {
                    0 => fs::write(&made, "1").unwrap(),
                    1 => symlink(scratch.path("secret"), &made).unwrap(),
                    _ => mknodat(CWD, &made, FileType::Fifo, Mode::RUSR, 0).unwrap(),
                }
                fs::rename(&made, &name).unwrap();
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let (mut read, mut refused) = (0, 0);
        while read < 200 || refused < 200 {
            match claim(&scratch.places, &slot, OsStr::new(NAME)).unwrap() {
                Claim::Sealed(mut sealed) => {
                    let mut content = String::new();
                    sealed.file.read_to_string(&mut content).unwrap();
                    assert_eq!(content, "1");
                    read += 1;
                }
                Claim::Unfit { reason, .. } => {
                    assert_eq!(reason.code, "not_a_file");
                    refused += 1;
                }
                Claim::NotTaken => continue,
                other => panic!("{other:?}"),
            }
            fs::remove_file(scratch.path("active/0/a.csv")).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}
