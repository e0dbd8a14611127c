//! The end of a drain that failed.

use std::thread;

use super::*;

#[test]
fn abandoned_commands_end_at_once_and_none_starts_again() {
    let place = Place::new();
    let started = place.path("started");
    fifo(&started);
    thread::scope(|scope| {
        let body = format!("echo $$ > {}; sleep 1000 & wait", started.display());
        let attempt = scope.spawn(|| place.script(&{ body }));
        let pid = fs::read_to_string(&started).unwrap();
        // The command may write before the thread that started it has entered its number.
        while place.running.list()[0].pid.is_none() {
            thread::yield_now();
        }
        let list = place.running.list();
        assert_eq!(list.len(), 1);
        assert_eq!((list[0].file, list[0].folder.as_str()), (FileId(7), "scans"));
        assert_eq!(list[0].pid, Some(pid.trim().parse().unwrap()));

        took_less_than(LONG / 2, || assert!(place.running.abandon(LONG).is_empty()));
        assert!(is_gone(&pid));
        assert_abandoned(&attempt.join().unwrap());
    });
    assert!(place.path("active/1/a.txt").exists());
    assert_abandoned(&place.script("echo never > \"$1.ran\""));
    assert!(!place.path("active/1/a.txt.ran").exists());
}

#[test]
fn an_abandoned_command_that_ignores_sigterm_is_killed_after_the_grace() {
    let place = Place::new();
    let started = place.path("started");
    fifo(&started);
    thread::scope(|scope| {
        let body = format!("trap '' TERM; echo $$ > {}; while :; do sleep 1000; done", started.display());
        let attempt = scope.spawn(|| place.script(&{ body }));
        let pid = fs::read_to_string(&started).unwrap();
        let grace = Duration::from_millis(300);
        let before = Instant::now();
        assert!(place.running.abandon(grace).is_empty());
        assert!(before.elapsed() >= grace);
        assert!(is_gone(&pid));
        assert_abandoned(&attempt.join().unwrap());
    });
}

fn assert_abandoned(attempt: &Attempt) {
    let Err(Fault::Deferred { reason, charged: false }) = &attempt.outcome else { panic!("{attempt:?}") };
    assert_eq!(reason.code, "abandoned");
}
