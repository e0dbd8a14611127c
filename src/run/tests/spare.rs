//! One working directory for the commands of a batch, one after another, as long as none can tell it from a new one.

use std::os::unix::fs::MetadataExt;
use std::thread::sleep;

use super::*;
use crate::run::Named;

/// Runs a shell script on a newly claimed file of this number.
fn run(place: &Place, id: i64, body: &str) -> (Produced, PathBuf) {
    let claimed = place.claimed(format!("{id}.txt"));
    let (name, inode) = (claimed.file_name().unwrap(), fs::metadata(&claimed).unwrap().ino());
    let named = Named { id: FileId(id), inode, deferrals: 0, file: Some(name) };
    let staging = place.path("staging").join(named.name());
    let spare = &place.spare;
    let job = Job { id: FileId(id), folder: "scans", attempt: 1, name, path: &claimed, staging: &staging, spare };
    let command = ["/bin/sh", "-c", body, "sh", "{path}"].map(str::to_owned).into();
    let attempt = Command::new(&settings::Run { command, timeout: LONG }, Arc::clone(&place.running)).process(&job);
    (attempt.outcome.unwrap(), staging)
}

/// Runs one that tells in which directory it works.
fn place_of(place: &Place, id: i64) -> String {
    place.commit(&run(place, id, "stat -c %i .").0);
    place.result(format!("{id}.txt.out"))
}

/// Other tests may run in this process, and leave processes.
fn alone(place: &Place) {
    let deadline = Instant::now() + LONG;
    while !place.running.is_left_alone() && Instant::now() < deadline {
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_directory_left_as_it_was_made_is_the_next_commands_under_its_own_name() {
    let place = Place::new();
    alone(&place);
    let first = place_of(&place, 1);
    let (produced, staging) = run(&place, 2, "stat -c %i .; ls -a | wc -l; pwd");
    place.commit(&produced);
    assert_eq!(place.result("2.txt.out"), format!("{first}2\n{}\n", staging.display()));
    assert_eq!(place.result("1.txt.out"), first, "each has what it printed");
    place.spare.discard().unwrap();
    assert!(fs::read_dir(place.path("staging")).unwrap().next().is_none(), "nothing is left behind a batch");
}

#[test]
fn a_command_that_prints_nothing_leaves_the_next_one_its_file_too() {
    let place = Place::new();
    alone(&place);
    assert!(!run(&place, 1, "exit 0").0.stdout);
    let left = fs::read_dir(place.path("staging")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().ino());
    let left: BTreeSet<u64> = left.collect();
    assert_eq!(left.len(), 2, "a directory and a file");
    run(&place, 2, "stat -c %i ../*.out > ../seen");
    let seen = fs::read_to_string(place.path("staging/seen")).unwrap().trim().parse().unwrap();
    assert!(left.contains(&seen));
}

#[test]
fn a_directory_that_is_not_as_it_was_made_is_nobody_elses() {
    let bodies = [
        "touch left",
        "chmod 755 .",
        "here=$PWD; cd ..; mv \"$here\" away; mkdir -m 700 \"$here\"",
        "chmod 600 /proc/$$/fd/1",
        "ln ../*.out ../linked",
        "setfattr -n user.importerd -v 1 . || touch left",
    ];
    for body in bodies {
        let place = Place::new();
        alone(&place);
        let (produced, staging) = run(&place, 1, body);
        assert!(!produced.is_passed_on, "{body}");
        assert!(staging.is_dir(), "{body}");
    }
}

/// It may write there, and to what was printed, whenever it likes.
#[test]
fn while_a_process_lives_that_a_command_has_left_nobody_gets_a_directory_of_another() {
    let place = Place::new();
    alone(&place);
    let body = "mkfifo ../up; setsid sh -c 'echo $$ > ../pid; echo > ../up; exec sleep 1000' >/dev/null 2>&1 & read up < ../up";
    assert!(!run(&place, 1, body).0.is_passed_on);
    assert!(!run(&place, 2, "exit 0").0.is_passed_on, "nobody knows whose it is");
    let pid = fs::read_to_string(place.path("staging/pid")).unwrap();
    let process = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    assert!(is_gone(&pid));
    run(&place, 3, "exit 0");
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it is no zombie");
    assert!(run(&place, 4, "exit 0").0.is_passed_on);
}
