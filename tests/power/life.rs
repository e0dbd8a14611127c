//! A life: the uploads, each durable as a careful partner makes it, and the daemon that works on them.

use std::fs::{self, File};
use std::io::Write;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::{Pid, Signal, kill_process};

use super::log::Entry;
use super::rack::Rack;
use super::work::Upload;
use crate::crash::site::Site;
use crate::tracer::calls::FLUSHES;
use crate::tracer::{Change, Hit, Plan, Tracer};

/// So many uploads may be done that the daemon has not claimed yet.
const AHEAD_MAX: usize = 5;

/// The program, whose log the disks hear.
pub enum Daemon {
    Honest(Running),
    /// Traced by a thread of its own.
    Lying(JoinHandle<Option<i32>>),
}

/// A child that doesn't outlive a test that fails.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // After its end there is none to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    /// Starts a command line.
    pub fn start(rack: &Rack, mut command: Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start importerd");
        rack.disks.hear(child.stderr.take().expect("its stderr"));
        Self::Honest(Running(child))
    }

    /// The same, but those of its flushes that this accepts do nothing, and say that they did.
    pub fn start_lying(rack: &Rack, mut command: Command, lies: fn(&Hit) -> bool) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let (give, take) = channel();
        let tracing = thread::spawn(move || {
            let tracer = Tracer::start(command, FLUSHES, Plan::ChangeAll(Change::Skip)).expect("start importerd");
            let mut tracer = tracer.only(lies);
            give.send(tracer.child().stderr.take().expect("its stderr")).expect("it is taken");
            let report = tracer.run().expect("trace importerd");
            assert!(report.changed > 0, "no flush was asked for");
            report.code
        });
        rack.disks.hear(take.recv().expect("it is given"));
        Self::Lying(tracing)
    }

    /// Its exit code, when all was heard that it had to say.
    pub fn end(self, rack: &Rack) -> Option<i32> {
        while rack.disks.listen() {}
        match self {
            Self::Honest(mut running) => running.0.wait().expect("wait").code(),
            Self::Lying(tracing) => tracing.join().unwrap_or_else(|panic| resume_unwind(panic)),
        }
    }
}

/// The daemon's life over all uploads, of which a third lie there when it starts; it ends with a drain. Returns from
/// which position of the log on it lived.
pub fn live(rack: &Rack, site: &Site, uploads: &[Upload], start: impl FnOnce() -> Daemon) -> usize {
    let mut numbered = uploads.iter().enumerate();
    for (number, upload) in numbered.by_ref().take(uploads.len() / 3) {
        put(rack, site, number, upload);
    }
    let from = rack.disks.position();
    let daemon = start();
    for (number, upload) in numbered {
        put(rack, site, number, upload);
        wait_until(rack, "file.claimed", &["file.claimed"], number.saturating_sub(AHEAD_MAX));
    }
    wait_until(rack, "the end of all files", &["file.archived", "file.quarantined"], uploads.len());
    let said = rack.disks.said();
    let started = said.iter().find(|record| record["event"] == "daemon.started").expect("it said so");
    let pid = started["pid"].as_i64().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).expect("its pid");
    kill_process(pid, Signal::TERM).expect("stop it");
    let code = daemon.end(rack);
    assert_eq!(code, Some(0), "{:#?}", rack.disks.said());
    from
}

fn wait_until(rack: &Rack, what: &str, events: &[&str], count: usize) {
    let is_one = |record: &serde_json::Value| events.iter().any(|event| record["event"] == *event);
    while rack.disks.said().iter().filter(|record| is_one(record)).count() < count {
        assert!(rack.disks.listen(), "it ended before {what}: {:#?}", rack.disks.said());
    }
}

/// Uploads under a temporary name, and renames when the bytes are on disk. Never over another file. On return
/// the upload is durable.
fn put(rack: &Rack, site: &Site, number: usize, upload: &Upload) {
    let inbox = site.directory(upload.folder, "inbox");
    let part = inbox.join(format!("f{number}.part"));
    let mut file = File::create_new(&part).expect("upload");
    file.write_all(&upload.content).expect("upload");
    file.sync_all().expect("flush an upload");
    drop(file);
    if renameat_with(CWD, &part, CWD, inbox.join(&upload.name), RenameFlags::NOREPLACE).is_err() {
        let ending = Path::new(&upload.name).extension().expect("an ending");
        fs::rename(&part, inbox.join(format!("fresh-{number}")).with_extension(ending)).expect("rename an upload");
    }
    File::open(&inbox).and_then(|inbox| inbox.sync_all()).expect("flush the inbox");
    rack.disks.enter(Entry::Uploaded(number));
}
