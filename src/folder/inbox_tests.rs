//! Tests of settling, on real directories with real events.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::SystemTime;

use importerd_actors::Inbox as _;
use rustix::fs::{AtFlags, FileType, Mode, statx};
use tokio::time::timeout;

use super::super::deferral::Deferral;
use super::super::finding::NOMINATED_MAX;
use super::super::lease;
use super::super::places::{identity, identity_flags};
use super::super::scratch::{Scratch, outlive_lease_breaks};
use super::*;
use crate::file::{FileId, Identity};

/// Long enough to prove that nothing waited for it.
const NEVER: Duration = Duration::from_hours(1);

/// A folder and its inbox, whose rules wait for ever unless told otherwise.
struct Bench {
    scratch: Scratch,
    deferrals: Arc<Deferrals>,
    notices: Rc<RefCell<Vec<Notice>>>,
    gate: Arc<Gate>,
    nudge: Nudge,
    inbox: Inbox,
    offer: u64,
}

fn rules() -> Rules {
    let filter = Filter::new(&[], &[], None).unwrap();
    Rules { filter, settle: NEVER, rescan: NEVER, ready_marker: None, in_order: false }
}

fn marked() -> Rules {
    let filter = Filter::new(&[], &[], Some(".done")).unwrap();
    Rules { filter, ready_marker: Some(".done".to_owned()), ..rules() }
}

impl Bench {
    fn new(scratch: Scratch, rules: Rules) -> Self {
        let (nudge, deferrals, gate) = (Nudge::default(), Arc::<Deferrals>::default(), Arc::<Gate>::default());
        let notices = Rc::<RefCell<Vec<Notice>>>::default();
        let told = Rc::clone(&notices);
        let tell = Box::new(move |notice| match notice {
            Notice::Reading => {}
            notice => RefCell::borrow_mut(&told).push(notice),
        });
        let (places, rules) = (Arc::clone(&scratch.places), Arc::new(rules));
        let inbox = Inbox::new(places, rules, Arc::clone(&deferrals), Arc::clone(&gate), nudge.clone(), tell);
        Self { scratch, deferrals, notices, gate, nudge, inbox, offer: 0 }
    }

    fn look_for(&mut self, files_max: usize) -> Look<Settled> {
        self.offer += 1;
        self.inbox.look(self.offer, files_max).unwrap()
    }

    /// Looks until nothing is left to be read, and returns what was found.
    fn look(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        loop {
            let look = self.look_for(usize::MAX);
            found.extend(look.settled.into_iter().map(|file| file.name.into_string().unwrap()));
            if !look.due.is_zero() {
                found.sort();
                return found;
            }
        }
    }

    /// Looks as the Scanner does, when it is nudged or when it is due, until something is found.
    async fn look_until_found(&mut self) -> Vec<String> {
        loop {
            let found = self.look();
            if !found.is_empty() {
                return found;
            }
            let due = self.inbox.due().min(Duration::from_mins(2));
            let _ = timeout(due, self.nudge.woken()).await;
        }
    }

    fn identity(&self, name: &str) -> Identity {
        let stat = statx(&self.scratch.places.now().unwrap().inbox, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags());
        identity(&stat.unwrap())
    }

    /// Asks for a file of the archive.
    fn ask(&self, id: i64, name: &str) {
        let (name, place) = (name.into(), format!("archive/{id}/{name}").into());
        self.deferrals.replays.ask(Replay { id: FileId(id), name, place, bytes: 1 });
    }

    fn defer(&self, name: &str, wait: Duration) {
        let until = Instant::now() + wait;
        let id = FileId(1);
        let deferral = Deferral {
            id,
            is_entered: true,
            name: name.into(),
            file: self.identity(name),
            replaces: None,
            attempts: 0,
            deferrals: 1,
            until,
            told_due: false,
        };
        self.deferrals.insert(deferral);
    }
}

/// faults 7, 19, 23
#[test]
fn a_file_that_nobody_has_open_for_writing_is_taken_at_once() {
    for scratch in [Scratch::new(), Scratch::in_memory()] {
        for (name, time) in [("now", SystemTime::now()), ("old", SystemTime::UNIX_EPOCH)] {
            File::create(scratch.path("inbox").join(name)).unwrap().set_modified(time).unwrap();
        }
        let mut bench = Bench::new(scratch, rules());
        assert_eq!(bench.look(), ["now", "old"]);
        assert_eq!(*bench.notices.borrow(), [Notice::Watching]);
    }
}

/// faults 1, 2
#[tokio::test]
async fn a_file_is_taken_when_its_last_writer_closes_it_and_not_before() {
    for scratch in [Scratch::new(), Scratch::in_memory()] {
        let mut bench = Bench::new(scratch, rules());
        assert_eq!(bench.look(), [] as [&str; 0]);
        let mut first = File::create(bench.scratch.path("inbox/a")).unwrap();
        let second = OpenOptions::new().append(true).open(bench.scratch.path("inbox/a")).unwrap();
        first.write_all(b"1").unwrap();
        drop(first);
        timeout(Duration::from_mins(1), bench.nudge.woken()).await.unwrap();
        assert_eq!(bench.look(), [] as [&str; 0]);
        drop(second);
        assert_eq!(bench.look_until_found().await, ["a"]);
    }
}

/// fault 11: no word from the kernel.
#[tokio::test]
async fn without_leases_a_file_must_stay_as_it_is_and_a_change_begins_the_wait_anew() {
    let settle = Duration::from_millis(200);
    let mut bench = Bench::new(Scratch::without_leases(), Rules { settle, ..rules() });
    bench.scratch.put("a", "1");
    assert_eq!(bench.look(), [] as [&str; 0]);
    let due = bench.inbox.due();
    assert!(due <= settle, "{due:?}");
    tokio::time::sleep(settle / 2).await;
    let changed = Instant::now();
    let mut file = OpenOptions::new().append(true).open(bench.scratch.path("inbox/a")).unwrap();
    file.write_all(b"2").unwrap();
    // As a copy does that keeps the old time; the change itself can't be hidden.
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    drop(file);
    assert_eq!(bench.look_until_found().await, ["a"]);
    assert!(changed.elapsed() >= settle);
    assert_eq!(bench.look_for(1).settling, 0);
}

/// A name of which statx(2) says nothing, and not since nothing lies there.
fn unseen() -> OsString {
    "n".repeat(256).into()
}

/// fault 70
#[test]
fn a_name_that_can_not_be_looked_at_is_told_once_and_others_are_taken() {
    let mut bench = Bench::new(Scratch::new(), rules());
    bench.scratch.put("a", "1");
    for _ in 0..2 {
        bench.inbox.finding.nominate(unseen());
    }
    assert_eq!(bench.look(), ["a"]);
    let notices = bench.notices.borrow();
    assert!(
        matches!(&notices[..], [Notice::Watching, Notice::Unseen { name, .. }, Notice::UnseenNow(1)] if *name == unseen()),
        "{notices:?}"
    );
}

/// fault 70
#[test]
fn a_name_that_could_not_be_looked_at_and_is_gone_is_told_to_be_none_any_more_when_the_inbox_was_read() {
    let mut bench = Bench::new(Scratch::new(), rules());
    bench.scratch.put("a", "1");
    bench.look();
    bench.inbox.finding.nominate(unseen());
    bench.look();
    bench.notices.borrow_mut().clear();
    bench.inbox.finding.begin_walk().unwrap();
    bench.look();
    assert_eq!(*bench.notices.borrow(), [Notice::UnseenNow(0)]);
}

/// fault 70: it may be the oldest.
#[test]
fn where_the_order_counts_a_name_that_can_not_be_looked_at_holds_the_folder_until_it_can_or_is_gone() {
    let mut bench = Bench::new(Scratch::new(), in_order());
    drop_at(&bench, &[("a", 1), ("b", 2), ("c", 3)]);
    bench.inbox.finding.nominate(unseen());
    for offer in 1..=5 {
        let halt = bench.inbox.look(offer, 1).unwrap_err();
        assert!(matches!(&halt, Halt::Hold(cause) if cause.contains("in order")), "{halt:?}");
    }
    let found = bench.inbox.finding.nominated.pop_front();
    assert_eq!(found, Some(unseen()));
    assert_eq!(bench.taken_in_turn(1), ["a", "b", "c"]);
}

/// fault 9
#[tokio::test]
async fn what_no_event_told_is_found_by_the_rescan() {
    let mut bench = Bench::new(Scratch::new(), Rules { rescan: Duration::from_millis(50), ..rules() });
    assert_eq!(bench.look(), [] as [&str; 0]);
    fs::write(bench.scratch.path("a"), "1").unwrap();
    // One event, and it is lost.
    fs::rename(bench.scratch.path("a"), bench.scratch.path("inbox/a")).unwrap();
    let mut lost = bench.inbox.finding.watch.hints().names;
    while lost.is_empty() {
        timeout(Duration::from_mins(1), bench.nudge.woken()).await.unwrap();
        lost = bench.inbox.finding.watch.hints().names;
    }
    assert_eq!(bench.look_until_found().await, ["a"]);
}

#[tokio::test]
async fn a_file_is_not_offered_twice_and_is_found_again_when_it_was_not_claimed() {
    let mut bench = Bench::new(Scratch::new(), rules());
    bench.scratch.put("claimed", "1");
    bench.scratch.put("left", "1");
    let look = bench.look_for(10);
    assert_eq!(look.settled.len(), 2);
    let offer = bench.offer;
    bench.scratch.put("left", "2");
    timeout(Duration::from_mins(1), bench.nudge.woken()).await.unwrap();
    assert_eq!(bench.look(), [] as [&str; 0]);
    fs::remove_file(bench.scratch.path("inbox/claimed")).unwrap();
    bench.inbox.answered(offer);
    assert_eq!(bench.look(), ["left"]);
    bench.inbox.answered(99);
    assert_eq!(bench.look(), [] as [&str; 0]);
}

/// faults 9, 21: more names than are remembered arrive between two looks.
#[tokio::test]
async fn a_flood_overflows_into_a_rescan_and_every_file_is_found_with_bounded_memory() {
    const FILES: usize = NOMINATED_MAX + 10_000;
    let mut bench = Bench::new(Scratch::in_memory(), rules());
    assert_eq!(bench.look(), [] as [&str; 0]);
    for number in 0..FILES {
        bench.scratch.put(number.to_string(), "");
    }
    let mut found = BTreeSet::new();
    while found.len() < FILES {
        let look = bench.look_for(256);
        assert!(bench.inbox.finding.nominated.len() <= NOMINATED_MAX && bench.inbox.under_way.len() <= 256);
        if look.settled.is_empty() {
            let _ = timeout(look.due.min(Duration::from_mins(1)), bench.nudge.woken()).await;
        }
        for file in look.settled {
            fs::remove_file(bench.scratch.path("inbox").join(&file.name)).unwrap();
            assert!(found.insert(file.name), "found twice");
        }
        bench.inbox.answered(bench.offer);
    }
    assert!(bench.notices.borrow().contains(&Notice::Overflow));
}

#[tokio::test]
async fn a_deferred_file_is_taken_at_its_time_and_nobody_looks_all_the_while() {
    let mut bench = Bench::new(Scratch::new(), rules());
    bench.scratch.put("a", "1");
    let wait = Duration::from_millis(200);
    let began = Instant::now();
    bench.defer("a", wait);
    let mut looks = 0;
    let look = loop {
        let look = bench.look_for(10);
        looks += 1;
        if !look.settled.is_empty() {
            break look;
        }
        tokio::time::sleep(look.due).await;
    };
    assert!(began.elapsed() >= wait && looks < 10, "{looks} looks");
    bench.inbox.answered(bench.offer);
    assert_eq!(bench.look(), ["a"], "not claimed: found again");
    assert_eq!(look.settled[0].name, "a");
}

#[test]
fn while_nothing_can_be_done_no_look_is_due() {
    let filter = Filter::new(&["*.csv".to_owned()], &["not*".to_owned()], None).unwrap();
    let mut bench = Bench::new(Scratch::new(), Rules { filter, ..rules() });
    for name in ["a.txt", "not.csv", ".hidden.csv", "a.csv.part", "deferred.csv", "offered.csv"] {
        bench.scratch.put(name, "");
    }
    fs::create_dir(bench.scratch.path("inbox/directory.csv")).unwrap();
    bench.defer("deferred.csv", NEVER);
    let _writer = File::create(bench.scratch.path("inbox/open.csv")).unwrap();
    assert_eq!(bench.look(), ["offered.csv"]);
    let look = bench.look_for(10);
    assert_eq!((look.settled.len(), look.settling), (0, 0));
    assert!(look.due > NEVER / 2, "{:?}", look.due);
}

/// `once` ends when nothing settles any more: names that are never taken must not hide those behind them.
#[test]
fn what_was_not_read_yet_counts_as_settling() {
    let mut bench = Bench::new(Scratch::in_memory(), rules());
    for number in 0..JUDGED_MAX * 2 {
        bench.scratch.put(format!(".{number}"), "");
    }
    let look = bench.look_for(10);
    assert_eq!((look.settled.len(), look.settling, look.due), (0, 1, Duration::ZERO));
    assert_eq!(bench.look(), [] as [&str; 0]);
    assert_eq!(bench.look_for(10).settling, 0);
}

#[test]
fn neither_what_is_read_nor_what_events_tell_waits_for_the_other() {
    let mut bench = Bench::new(Scratch::new(), rules());
    for number in 0..20 {
        bench.scratch.put(number.to_string(), "");
        bench.inbox.finding.nominate(format!("told {number}").into());
    }
    bench.inbox.refresh().unwrap();
    let next: Vec<_> = (0..10).map(|_| bench.inbox.next_name().unwrap().unwrap()).collect();
    let told = next.iter().filter(|name| name.to_str().unwrap().starts_with("told")).count();
    assert_eq!(told, 5, "{next:?}");
}

/// fault 20
#[tokio::test]
async fn a_file_waits_for_its_marker_and_is_taken_as_soon_as_that_is_there() {
    for scratch in [Scratch::new(), Scratch::without_leases()] {
        let mut bench = Bench::new(scratch, marked());
        bench.scratch.put("a", "1");
        bench.scratch.put("b.done", "");
        assert_eq!(bench.look(), [] as [&str; 0]);
        bench.scratch.put("a.done", "");
        assert_eq!(bench.look_until_found().await, ["a"]);
    }
}

/// fault 20: what said of a file that it is complete says nothing of the upload that goes over it.
#[tokio::test]
async fn a_deferred_file_that_was_written_to_waits_for_a_marker_again() {
    for scratch in [Scratch::new(), Scratch::without_leases()] {
        let mut bench = Bench::new(scratch, marked());
        bench.scratch.put("a", "whole");
        bench.defer("a", Duration::ZERO);
        bench.scratch.put("a", "half");
        assert_eq!(bench.look(), [] as [&str; 0]);
        bench.scratch.put("a.done", "");
        assert_eq!(bench.look_until_found().await, ["a"]);
    }
}

#[test]
fn a_deferred_file_needs_no_marker_again() {
    let mut bench = Bench::new(Scratch::new(), marked());
    bench.scratch.put("a", "1");
    bench.defer("a", Duration::ZERO);
    assert_eq!(bench.look(), ["a"]);
}

#[test]
fn a_deferred_file_that_came_back_under_a_name_that_match_does_not_take_is_found() {
    let filter = Filter::new(&["a.csv".to_owned()], &[], None).unwrap();
    let mut bench = Bench::new(Scratch::new(), Rules { filter, ..rules() });
    bench.scratch.put("a~2.csv", "1");
    bench.scratch.put("b.csv", "1");
    bench.defer("a~2.csv", Duration::ZERO);
    assert_eq!(bench.look(), ["a~2.csv"]);
}

/// Editors do so: the file that was deferred is the copy then, and the corrected one is new.
#[test]
fn a_deferred_file_that_was_renamed_to_a_name_that_is_never_taken_is_left_alone() {
    for hidden in [".a.csv", "a.csv~", "a.csv.bak"] {
        let filter = Filter::new(&["*.csv".to_owned()], &[], None).unwrap();
        let mut bench = Bench::new(Scratch::new(), Rules { filter, ..rules() });
        bench.scratch.put("a.csv", "1");
        bench.defer("a.csv", Duration::ZERO);
        let inbox = bench.scratch.path("inbox");
        fs::rename(inbox.join("a.csv"), inbox.join(hidden)).unwrap();
        bench.scratch.put("a.csv", "2");
        assert_eq!(bench.look(), ["a.csv"]);
        fs::rename(inbox.join(hidden), inbox.join("b.csv")).unwrap();
        bench.inbox.finding.next_walk = Instant::now();
        assert_eq!(bench.look(), ["b.csv"], "the control: it is due");
    }
}

/// faults 6, 37
#[tokio::test]
async fn a_file_of_two_names_waits_until_one_is_removed_or_the_wait_is_over() {
    let settle = Duration::from_secs(1);
    let mut bench = Bench::new(Scratch::new(), Rules { settle, rescan: settle / 20, ..rules() });
    let outside = |bench: &Bench, name| bench.scratch.path(format!("{name}.outside"));
    for name in ["linked", "moved"] {
        fs::write(outside(&bench, name), "1").unwrap();
        fs::hard_link(outside(&bench, name), bench.scratch.path("inbox").join(name)).unwrap();
    }
    assert_eq!(bench.look(), [] as [&str; 0]);
    fs::remove_file(outside(&bench, "moved")).unwrap();
    assert_eq!(bench.look_until_found().await, ["moved"]);
    assert_eq!(bench.look_until_found().await, ["linked"]);
}

/// faults 32, 34
#[tokio::test]
async fn a_link_and_a_pipe_are_offered_after_the_wait_so_that_the_claim_can_refuse_them() {
    let settle = Duration::from_millis(50);
    let mut bench = Bench::new(Scratch::new(), Rules { settle, ..rules() });
    std::os::unix::fs::symlink("/etc/passwd", bench.scratch.path("inbox/link")).unwrap();
    let pipe = bench.scratch.path("inbox/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let mut found = bench.look_until_found().await;
    while found.len() < 2 {
        found.extend(bench.look_until_found().await);
    }
    found.sort();
    assert_eq!(found, ["link", "pipe"]);
}

/// fault 12
#[tokio::test]
async fn an_inbox_that_is_removed_holds_the_folder_until_it_is_made_again() {
    let mut bench = Bench::new(Scratch::new(), Rules { rescan: Duration::from_millis(10), ..rules() });
    assert_eq!(bench.look(), [] as [&str; 0]);
    fs::remove_dir(bench.scratch.path("inbox")).unwrap();
    let held = loop {
        match bench.inbox.look(1, 10) {
            Ok(look) => tokio::time::sleep(look.due).await,
            Err(halt) => break halt,
        }
    };
    assert!(matches!(&held, Halt::Hold(cause) if cause.contains("inbox: No such file")), "{held:?}");
    fs::create_dir(bench.scratch.path("inbox")).unwrap();
    bench.scratch.put("a", "1");
    assert_eq!(bench.look_until_found().await, ["a"]);
    bench.inbox.finding.next_walk = Instant::now() + NEVER;
    bench.scratch.put("b", "1");
    assert_eq!(bench.look_until_found().await, ["b"], "the new directory is watched");
}

/// fault 41: Samba holds such a lease for a client that may have more to write.
#[test]
fn a_file_that_another_program_has_a_lease_for_writing_on_is_taken_when_it_is_given_up() {
    outlive_lease_breaks();
    let mut bench = Bench::new(Scratch::new(), Rules { rescan: Duration::ZERO, ..rules() });
    bench.scratch.put("a", "1");
    let file = File::open(bench.scratch.path("inbox/a")).unwrap();
    lease::take_for_writing(file.as_fd()).unwrap();
    assert_eq!(bench.look_for(10).settled, []);
    drop(file);
    assert_eq!(bench.look_for(10).settled.len(), 1);
}

/// As where each takes long: the actor has to answer between.
#[test]
fn a_look_ends_when_it_has_taken_its_time_and_the_next_one_goes_on() {
    for rules in [rules(), in_order()] {
        let mut bench = Bench::new(Scratch::new(), rules);
        bench.inbox.look_max = Duration::ZERO;
        for name in ["a", "b", "c"] {
            bench.scratch.put(name, "1");
        }
        let (mut looks, mut found) = (0, BTreeSet::new());
        while found.len() < 3 {
            let look = bench.look_for(10);
            assert!(look.settled.len() <= 1, "{look:?}");
            assert!(look.due.is_zero() || !look.settled.is_empty(), "there is more: {look:?}");
            found.extend(look.settled.into_iter().map(|file| file.name));
            looks += 1;
        }
        assert!((3..=8).contains(&looks), "{looks}");
    }
}

#[test]
fn an_offer_ends_with_the_file_that_fills_it() {
    let mut bench = Bench::new(Scratch::in_memory(), rules());
    for name in ["a", "b", "c"] {
        bench.scratch.put(name, "");
        let file = OpenOptions::new().write(true).open(bench.scratch.path("inbox").join(name)).unwrap();
        file.set_len(OFFER_BYTES_MAX / 2).unwrap();
    }
    assert_eq!(bench.look_for(10).settled.len(), 2);
    assert_eq!(bench.look_for(10).settled.len(), 1);
}

#[test]
fn of_an_inbox_that_an_operator_has_closed_nothing_is_taken_until_it_is_open_again() {
    let mut bench = Bench::new(Scratch::new(), rules());
    bench.scratch.put("a.csv", "1");
    bench.gate.close();
    assert_eq!(bench.look(), [""; 0]);
    bench.scratch.put("b.csv", "1");
    assert_eq!(bench.look(), [""; 0], "an event is no reason either");
    bench.gate.open();
    assert_eq!(bench.look(), ["a.csv", "b.csv"]);
}

#[test]
fn archived_files_and_new_ones_do_not_keep_each_other_waiting() {
    let mut bench = Bench::new(Scratch::new(), rules());
    for number in 0..6 {
        bench.scratch.put(format!("new-{number}.csv"), "1");
        bench.ask(number, &format!("{number}.csv"));
    }
    bench.look_for(0);
    let first: Vec<_> = bench.look_for(4).settled;
    assert_eq!(first.iter().filter(|file| file.is_archived()).count(), 2, "{first:?}");
    let rest = bench.look();
    assert_eq!((rest.len(), rest.iter().filter(|name| name.starts_with("archive/")).count()), (8, 4), "{rest:?}");
}

#[test]
fn of_archived_files_of_one_name_one_is_offered_at_a_time_and_again_until_it_is_claimed() {
    let mut bench = Bench::new(Scratch::new(), rules());
    bench.ask(1, "a.csv");
    bench.ask(2, "a.csv");
    bench.scratch.put("a.csv", "new");
    let mut offered = Vec::new();
    for claimed in [false, true, true, true] {
        let found = bench.look();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(bench.inbox.due() > Duration::ZERO, "nothing can be offered now: the Scanner must not spin");
        if claimed {
            let place = OsStr::new(&found[0]);
            bench.deferrals.replays.at(place).into_iter().for_each(|it| bench.deferrals.replays.done(place, it.id));
            let _ = fs::remove_file(bench.scratch.path("inbox").join(found[0].as_str()));
            offered.extend(found);
        }
        let last = bench.offer;
        (1..=last).for_each(|offer| bench.inbox.answered(offer));
    }
    offered.sort();
    assert_eq!(offered, ["a.csv", "archive/1/a.csv", "archive/2/a.csv"]);
    assert_eq!(bench.look(), [""; 0]);
}

/// Rules of a folder whose files overwrite each other.
fn in_order() -> Rules {
    Rules { in_order: true, ..rules() }
}

/// Names with the minute of their last change, put into the inbox in this order.
fn drop_at(bench: &Bench, files: &[(&str, u64)]) {
    for (name, minute) in files {
        let path = bench.scratch.path("inbox").join(name);
        let file = File::create(bench.scratch.path("active").join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_mins(*minute)).unwrap();
        drop(file);
        fs::rename(bench.scratch.path("active").join(name), path).unwrap();
    }
}

impl Bench {
    /// Takes this many a look, each offer answered when its files are gone, until nothing is left.
    fn taken_in_turn(&mut self, files_max: usize) -> Vec<String> {
        let mut taken = Vec::new();
        loop {
            let look = self.look_for(files_max);
            for file in &look.settled {
                fs::remove_file(self.scratch.path("inbox").join(&file.name)).unwrap();
                taken.push(file.name.to_str().unwrap().to_owned());
            }
            if !look.settled.is_empty() {
                self.inbox.answered(self.offer);
            } else if !look.due.is_zero() {
                return taken;
            }
        }
    }
}

#[test]
fn where_the_order_counts_the_oldest_of_those_that_wait_together_is_taken_first() {
    // More than are looked at in one look, and in no order of their names.
    let names: Vec<(String, u64)> =
        (0..1_500_u64).map(|number| (format!("{}.csv", number * 7_919 % 1_500), number)).collect();
    let files: Vec<(&str, u64)> = names.iter().map(|(name, minute)| (name.as_str(), *minute)).collect();
    let expected: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let mut shuffled = files.clone();
    fastrand::Rng::with_seed(5).shuffle(&mut shuffled);
    for files_max in [1_000, 7] {
        let mut bench = Bench::new(Scratch::new(), in_order());
        drop_at(&bench, &shuffled);
        assert_eq!(bench.taken_in_turn(files_max), expected);
    }
    // The control: else the directory decides.
    let mut bench = Bench::new(Scratch::new(), rules());
    drop_at(&bench, &shuffled);
    assert_ne!(bench.taken_in_turn(1_000), expected);
}

#[test]
fn where_the_order_counts_an_older_file_that_came_later_is_taken_before_younger_ones_that_wait() {
    let mut bench = Bench::new(Scratch::new(), in_order());
    drop_at(&bench, &[("c", 30), ("b", 20), ("d", 40)]);
    assert_eq!(bench.look_for(1).settled, [Settled { name: "b".into() }]);
    drop_at(&bench, &[("a", 10)]);
    // As the rescan would; the event may be on its way still.
    bench.inbox.finding.next_walk = Instant::now();
    let mut found = Vec::new();
    while found.len() < 3 {
        found.extend(bench.look_for(1).settled.into_iter().map(|file| file.name));
    }
    assert_eq!(found, ["a", "c", "d"]);
}

#[test]
fn where_the_order_counts_a_file_that_may_be_incomplete_keeps_younger_ones_waiting() {
    let settle = Duration::from_millis(50);
    let mut bench = Bench::new(Scratch::without_leases(), Rules { settle, ..in_order() });
    drop_at(&bench, &[("b", 20), ("c", 30)]);
    let began = Instant::now();
    assert_eq!(bench.look_for(10).settled, []);
    std::thread::sleep(settle);
    // Both have stayed as they are for long enough; this one hasn't.
    drop_at(&bench, &[("a", 10)]);
    bench.inbox.finding.next_walk = Instant::now();
    assert_eq!(bench.look_for(10).settled, []);
    let waited = loop {
        let look = bench.look_for(10);
        if !look.settled.is_empty() {
            break look.settled.into_iter().map(|file| file.name).collect::<Vec<_>>();
        }
        assert_ne!(look.settling, 0);
        std::thread::sleep(look.due.min(settle));
    };
    assert_eq!(waited, ["a", "b", "c"]);
    assert!(began.elapsed() >= settle * 2);
}
