//! A log that nobody reads holds neither the work nor the end of the daemon, and what is lost of it is told.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod harness;

use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Drop, eventually, has};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

/// A pipe that takes nothing more, and its reader.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    fill(&mut writer);
    (reader, writer)
}

fn fill(pipe: &mut PipeWriter) {
    let nothing = Timespec::default();
    while poll(&mut [PollFd::new(&*pipe, PollFlags::OUT)], Some(&nothing)).unwrap() == 1 {
        pipe.write_all(&[b'\n'; rustix::pipe::PIPE_BUF]).unwrap();
    }
}

fn into(pipe: &PipeWriter) -> Stdio {
    pipe.try_clone().unwrap().into()
}

/// Puts files with these numbers, and waits until all up to the last are done.
fn work(drop: &Drop, files: Range<usize>) {
    for number in files.clone() {
        drop.put(format!("{number}.csv"), format!("id\n{number}\n"));
    }
    eventually("every file is in the archive", || drop.names("archive").len() == files.end);
}

/// How long it takes to end; killed, where it is long.
fn ends_within(child: &mut Child, patience: Duration) -> Option<i32> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// faults 68 and 81
#[test]
fn a_pipe_that_nobody_reads_holds_neither_the_work_nor_the_drain() {
    let drop = Drop::new();
    let (reader, writer) = full_pipe();
    // Negative control: who writes without asking waits for ever.
    let mut other = Command::new("sh").args(["-c", "echo and waits"]).stdout(into(&writer)).spawn().unwrap();
    let mut daemon = drop.command(&["run"]).stdout(into(&writer)).stderr(into(&writer)).spawn().unwrap();
    work(&drop, 0..100);
    kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
    assert_eq!(ends_within(&mut daemon, Duration::from_secs(20)), Some(0));
    assert_eq!(other.try_wait().unwrap(), None, "it waits");
    std::mem::drop(reader);
    other.wait().unwrap();
}

/// faults 68 and 81
#[test]
fn an_abandonment_and_what_watch_says_on_standard_output_wait_for_no_reader_either() {
    let drop = Drop::new();
    let (_reader, writer) = full_pipe();
    let mut watch = Command::new(env!("CARGO_BIN_EXE_importerd"));
    watch.args(["watch", "--set", "drain_grace=1s"]).arg(drop.path());
    let started = drop.root().join("started");
    watch.args(["--", "sh", "-c", &format!("touch '{}'; exec sleep 1000", started.display())]);
    let mut watch = watch.stdout(into(&writer)).stderr(into(&writer)).spawn().unwrap();
    drop.put("a.csv", "id\n1\n");
    eventually("it is in hand", || started.exists());
    kill_process(Pid::from_child(&watch), Signal::TERM).unwrap();
    assert_eq!(ends_within(&mut watch, Duration::from_secs(20)), Some(75));
}

/// fault 68
#[test]
fn what_is_lost_of_the_log_is_told_when_somebody_reads_it_again() {
    let drop = Drop::new();
    let (mut reader, writer) = full_pipe();
    let mut daemon = drop.command(&["run"]).stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    work(&drop, 0..100);
    // Longer than a record waits for room. Nothing tells that it has given up: that is what the test is about.
    std::thread::sleep(Duration::from_secs(3));
    work(&drop, 100..200);
    // All that is in it: there is room again.
    let length = reader.read(&mut vec![0; 1 << 20]).unwrap();
    assert!(length >= 4096, "it was full");
    let reading = std::thread::spawn(move || io::read_to_string(reader).unwrap());
    kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    let log = reading.join().unwrap();
    let records: Vec<_> = log.lines().map(|line| harness::record(line.as_bytes())).collect();
    assert!(records.iter().all(|record| record["stray"].is_null()), "no line is torn: {records:#?}");
    let loss = records.iter().find(|record| !record["lost"].is_null()).expect("what is lost is told");
    let text = loss["msg"].as_str().unwrap();
    assert!(loss["lost"].as_u64().unwrap() > 100 && text.ends_with("of the log were lost: nobody read it"), "{loss}");
    assert_eq!(records.last().unwrap()["event"], "daemon.drained");
}

/// Whether one of its threads waits for room (poll, or ppoll by the numbers of x86 and of ARM).
fn waits_for_room(daemon: &Child) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap().flatten();
    let mut calls = tasks.filter_map(|task| fs::read_to_string(task.path().join("syscall")).ok());
    calls.any(|call| ["7 ", "271 ", "73 "].iter().any(|poll| call.starts_with(poll)))
}

/// What comes, until it is enough.
fn hear(reader: &mut PipeReader, is_enough: impl Fn(&str) -> bool) -> String {
    let mut heard = String::new();
    while !is_enough(&heard) {
        let mut some = vec![0; 1 << 20];
        let length = reader.read(&mut some).unwrap();
        assert!(length > 0, "it says no more: {heard}");
        heard.push_str(str::from_utf8(&some[..length]).unwrap());
    }
    heard
}

/// fault 68
#[test]
fn a_signal_while_a_record_waits_for_room_has_it_lost_no_sooner() {
    const PATIENCE: Duration = Duration::from_secs(1);
    let drop = Drop::new();
    let (mut reader, mut writer) = pipe().unwrap();
    let mut daemon = drop.command(&["run"]).stdout(Stdio::null()).stderr(into(&writer)).spawn().unwrap();
    let pid = Pid::from_child(&daemon);
    hear(&mut reader, |heard| heard.contains("folder.watching") && heard.contains("daemon.started"));
    // A busy machine may keep us longer than a record waits: that says nothing.
    let heard = (0..20).find_map(|_| {
        eventually("its last warnings are read", || {
            writer.write_all(b"\n").unwrap();
            reader.read(&mut vec![0; 1 << 20]).unwrap() == 1
        });
        fill(&mut writer);
        let begun = Instant::now();
        kill_process(pid, Signal::HUP).unwrap();
        eventually("its warning waits for room", || waits_for_room(&daemon) || begun.elapsed() > PATIENCE);
        kill_process(pid, Signal::HUP).unwrap();
        eventually("the signal was taken", || {
            let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
            status.lines().any(|line| line == "ShdPnd:\t0000000000000000")
        });
        let heard = hear(&mut reader, |heard| heard.ends_with("}\n"));
        (begun.elapsed() < PATIENCE / 2).then_some(heard)
    });
    kill_process(pid, Signal::TERM).unwrap();
    std::mem::drop((reader, writer));
    daemon.wait().unwrap();
    let heard = heard.expect("a machine that is quick enough once");
    assert!(heard.contains("SIGHUP") && !heard.contains("lost"), "{}", heard.trim_start());
}

/// fault 68
#[test]
fn who_comes_late_to_read_learns_at_the_end_what_is_lost_and_what_was_done() {
    let drop = Drop::new();
    for number in 0..100 {
        drop.put(format!("{number}.csv"), format!("id\n{number}\n"));
    }
    let (reader, writer) = full_pipe();
    let mut once = drop.command(&["once"]).stdout(into(&writer)).stderr(writer).spawn().unwrap();
    eventually("every file is in the archive", || drop.names("archive").len() == 100);
    let said = io::read_to_string(reader).unwrap();
    assert_eq!(once.wait().unwrap().code(), Some(0));
    let (log, last) = said.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(last, "100 done", "{said}");
    let is_of_loss = |line: &str| harness::record(line.as_bytes())["lost"].as_u64().is_some_and(|lost| lost > 0);
    assert!(log.lines().any(is_of_loss), "{said}");
}

/// faults 68 and 81
#[test]
fn a_terminal_that_nobody_looks_at_holds_neither_the_work_nor_the_drain() {
    if !has("script") {
        return;
    }
    let drop = Drop::new();
    let (mut reader, writer) = full_pipe();
    let command = drop.command_logging("term", &["run"]);
    let words = command.get_args().map(|word| word.to_str().unwrap());
    let line = words.fold(env!("CARGO_BIN_EXE_importerd").to_owned(), |line, word| format!("{line} '{word}'"));
    let (pid, code) = (drop.root().join("pid"), drop.root().join("code"));
    // What is on the terminal goes to `script`, which waits for room in the pipe.
    let line = format!("{line} & echo $! > '{}'; wait $!; echo $? > '{}'", pid.display(), code.display());
    let mut terminal =
        Command::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).stdout(writer).spawn().unwrap();
    work(&drop, 0..500);
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    eventually("it has ended", || fs::read_to_string(&code).is_ok_and(|code| code == "0\n"));
    let reading = std::thread::spawn(move || {
        let mut shown = Vec::new();
        reader.read_to_end(&mut shown).unwrap();
        String::from_utf8_lossy(&shown).matches(" archived ").count()
    });
    terminal.wait().unwrap();
    assert!(reading.join().unwrap() < 500, "nobody looked at it");
}
