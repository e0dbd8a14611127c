//! A disk that doesn't say what lies in the inbox under a name: it is told, and the others go on. fault 70

mod harness;
mod tracer;

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use harness::{Drop, record};
use nix::errno::Errno;
use serde_json::Value;
use tracer::calls::FALLIBLE;
use tracer::{Change, Hit, Plan, Tracer};

/// What a command ended with and printed where the disk says nothing of `bad.csv`.
struct Ended {
    code: Option<i32>,
    printed: String,
    log: Vec<Value>,
}

fn asks_for_bad(hit: &Hit) -> bool {
    hit.call == "statx" && hit.target.ends_with("inbox/bad.csv")
}

fn asks_for_its_marker(hit: &Hit) -> bool {
    hit.call == "statx" && hit.target.ends_with("inbox/bad.csv.done")
}

fn run(drop: &Drop, arguments: &[&str], fails: fn(&Hit) -> bool, error: Errno) -> Ended {
    let to = |name: &str| -> PathBuf { drop.root().join(name) };
    let mut command = drop.command(arguments);
    command
        .stderr(File::create(to("log")).expect("make a log"))
        .stdout(File::create(to("printed")).expect("make a file"));
    let plan = Plan::ChangeAll(Change::Fail(error));
    let tracer = Tracer::start(command, FALLIBLE, plan).expect("start importerd").only(fails);
    let report = tracer.run().expect("trace importerd");
    assert!(report.changed > 0, "{report:?}");
    let log = fs::read(to("log")).expect("read the log");
    let log = log.split(|byte| *byte == b'\n').map(record).collect();
    Ended { code: report.code, printed: fs::read_to_string(to("printed")).expect("read what was printed"), log }
}

impl Ended {
    fn events(&self, name: &str) -> Vec<&Value> {
        self.log.iter().filter(|record| record["event"] == name).collect()
    }
}

/// The older one, of which the disk says nothing, and a younger one.
fn put(drop: &Drop) {
    for (name, minute, content) in [("bad.csv", 1, "id,v\n1,old\n"), ("good.csv", 2, "id,v\n1,new\n")] {
        drop.put(name, content);
        let time = SystemTime::UNIX_EPOCH + Duration::from_mins(minute);
        let file = File::options().append(true).open(drop.inbox().join(name)).expect("open it");
        file.set_modified(time).expect("set its time");
    }
}

#[test]
fn a_file_that_the_disk_says_nothing_of_is_told_and_once_has_not_done_all() {
    let drop = Drop::new();
    put(&drop);
    let ended = run(&drop, &["once"], asks_for_bad, Errno::EBADMSG);
    assert_eq!((ended.code, ended.printed.as_str()), (Some(75), "1 done, 1 that can't be looked at\n"));
    assert_eq!((drop.names("inbox"), drop.names("archive")), (vec!["bad.csv".into()], vec!["good.csv".into()]));
    let told = ended.events("folder.unseen");
    assert_eq!(told.len(), 1, "{:?}", ended.log);
    assert!(told[0]["path"].as_str().unwrap().ends_with("inbox/bad.csv"), "{told:?}");
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(drop.names("archive").len(), 2);
}

#[test]
fn what_lacks_a_marker_that_the_disk_says_nothing_of_is_told() {
    let drop = Drop::with("ready = { marker = \".done\" }");
    put(&drop);
    drop.put("good.csv.done", "");
    let ended = run(&drop, &["once"], asks_for_its_marker, Errno::EIO);
    assert_eq!((ended.code, ended.events("folder.unseen").len()), (Some(75), 1), "{:?}", ended.log);
    assert_eq!(drop.names("archive"), ["good.csv", "good.csv.done"]);
}

#[test]
fn where_the_order_counts_others_do_not_pass_it() {
    let drop = Drop::with("import = { into = \"sqlite:rows.db\", mode = { upsert = [\"id\"] } }");
    put(&drop);
    let ended = run(&drop, &["once"], asks_for_bad, Errno::EBADMSG);
    assert_eq!((ended.code, drop.names("inbox").len()), (Some(75), 2), "{:?}", ended.log);
    let reason = ended.events("folder.paused")[0]["reason"].as_str().unwrap();
    assert!(reason.contains("inbox/bad.csv: Bad message") && reason.contains("in order"), "{reason}");
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(drop.rows().query_row("SELECT v FROM \"drop\"", [], |row| row.get::<_, String>(0)).unwrap(), "new");
}

#[test]
fn where_no_memory_is_left_nothing_is_taken_for_unseen_and_a_right_to_one_file_is_no_others() {
    let drop = Drop::new();
    put(&drop);
    // The right to ask for one file alone, as a policy of the machine may refuse it, is no other's.
    for (error, expected) in [(Errno::ENOMEM, (1, 0)), (Errno::EACCES, (0, 1))] {
        let ended = run(&drop, &["once"], asks_for_bad, error);
        let counts = (ended.events("folder.paused").len(), ended.events("folder.unseen").len());
        assert_eq!((ended.code, counts), (Some(75), expected), "{:?}", ended.log);
    }
}

#[test]
fn one_that_is_gone_is_passed_over() {
    let drop = Drop::new();
    put(&drop);
    let ended = run(&drop, &["once"], asks_for_bad, Errno::ENOENT);
    assert_eq!((ended.code, ended.events("folder.unseen").len()), (Some(0), 0), "{:?}", ended.log);
}

#[test]
fn who_asks_for_it_hears_of_the_disk() {
    let drop = Drop::new();
    put(&drop);
    let explained = run(&drop, &["explain", "bad.csv"], asks_for_bad, Errno::EBADMSG);
    let told = explained.log.iter().any(|line| line["msg"].as_str().is_some_and(|text| text.contains("Bad message")));
    assert!(explained.code == Some(69) && told, "{:?}", explained.log);
    let status = run(&drop, &["status"], asks_for_bad, Errno::EBADMSG);
    assert!(
        status.printed.contains("1 file in the inbox can't be looked at, whatever lies there: bad.csv"),
        "{}",
        status.printed
    );
}

#[test]
fn it_is_listed_before_all_others_with_the_reason() {
    let drop = Drop::new();
    put(&drop);
    let list = |arguments: &[&str]| run(&drop, &[&["ls"], arguments].concat(), asks_for_bad, Errno::EBADMSG).printed;
    let lines = list(&["--waiting", "--json"]);
    let files: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let states: Vec<_> = files.iter().map(|file| (&file["name"], &file["state"])).collect();
    assert_eq!(states, [(&"bad.csv".into(), &"unseen".into()), (&"good.csv".into(), &"waiting".into())], "{lines}");
    let bad = &files[0];
    assert_eq!((&bad["since"], &bad["bytes"]), (&Value::Null, &Value::Null), "{bad}");
    assert!(bad["reason"].as_str().is_some_and(|reason| reason.contains("Bad message")), "{bad}");
    assert!(bad["path"].as_str().is_some_and(|path| path.ends_with("inbox/bad.csv")), "{bad}");
    let shown = list(&["--limit", "1"]);
    assert!(shown.contains("bad.csv") && shown.contains("Bad message") && !shown.contains("good.csv"), "{shown}");
}
