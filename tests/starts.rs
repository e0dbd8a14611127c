//! A start: what the service manager hears of it, and a server that keeps nobody from becoming ready.

mod harness;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use harness::manager::Manager;
use harness::{Daemon, Drop};
use rustix::process::Signal;

fn start(drop: &Drop, manager: &Manager) -> Daemon {
    let mut command = drop.command(&["run"]);
    command.env("NOTIFY_SOCKET", &manager.path);
    Daemon::of(command)
}

#[test]
fn the_status_of_a_ready_daemon_names_the_folders_that_are_paused() {
    let drop = Drop::new();
    let manager = Manager::listen(drop.root());
    let ready = || {
        let daemon = start(&drop, &manager);
        let heard = manager.up_to("READY=1");
        assert_eq!(daemon.stop().code(), Some(0));
        manager.rest();
        heard.last().cloned().expect("readiness")
    };
    assert_eq!(ready(), "READY=1\nSTATUS=watching 1 folder · 0 done");
    let paused = drop.command(&["pause", "drop"]).status().expect("pause it");
    assert!(paused.success());
    let said = ready();
    assert!(said.contains("drop PAUSED by an operator (uid "), "{said}");
}

/// A server that is reached and never answers costs a start its patience twice, not for every Processor and folder; the
/// service manager is asked to wait, and the log says for what. Its control: the folder beside it is worked on.
///
/// fault 90
#[test]
fn a_server_that_never_answers_keeps_a_start_waiting_twice_and_not_for_each_processor_and_folder() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = silent.local_addr().expect("its number").port();
    // Two seconds each to be reached, for TLS, and to log in.
    let patience = Duration::from_secs(6);
    let into =
        |table| format!("postgres://ann@127.0.0.1:{port}/sales?sslmode=disable&connect_timeout=2\", table = \"{table}");
    let local = Drop::with_daemon("processors = 4", "");
    let settings = std::fs::read_to_string(local.settings()).expect("read settings");
    let more: String = ["a", "b"]
        .map(|name| {
            let path = local.root().join(name);
            format!("[folder.{name}]\npath = \"{}\"\nimport = {{ into = \"{}\" }}\n", path.display(), into(name))
        })
        .concat();
    std::fs::write(local.settings(), settings + &more).expect("write settings");
    local.put("local.csv", "id\n1\n");
    let manager = Manager::listen(local.root());
    let began = Instant::now();
    let mut daemon = start(&local, &manager);
    let heard = manager.up_to("READY=1");
    let took = began.elapsed();
    // Once to look whose target it is, once to open the folders.
    assert!(took < patience * 3, "{took:?}");
    let asked = heard.iter().filter(|said| *said == "EXTEND_TIMEOUT_USEC=15000000").count();
    assert!(asked >= 4, "{heard:?}");
    daemon.wait_until("that it waits", |record| {
        record["msg"].as_str().is_some_and(|said| said.starts_with("starting for "))
    });
    daemon.wait_for_file("file.archived", "local.csv");
    daemon.wait_until("that one is held", |record| record["event"] == "folder.paused" && record["folder"] == "b");
    // A held folder keeps no stop from being a good end, and makes up no files.
    daemon.signal(Signal::TERM);
    daemon.wait_until("how it ended", |record| record["event"] == "daemon.drained" && record["in_hand"] == 0);
    assert_eq!(daemon.end().code(), Some(0));
    assert!(manager.rest().iter().all(|said| !said.contains("starting")));
}
