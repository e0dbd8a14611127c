//! The load: a thread that drops files of every kind into both folders, and keeps a list of what it dropped.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::site::{ROWS, Site, WORK};

/// The word in a row that doesn't fit, and that its file goes in without.
pub const REJECT: &str = "reject";

/// What must become of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It brings these rows, by their `id`, once; and as many rejects as it has the word [`REJECT`].
    Rows(Range<i64>),
    /// It brings result files of these contents, once.
    Results(Vec<String>),
    /// It is refused, with a reason that says this.
    Refused(String),
}

/// A content that was dropped.
#[derive(Debug, Clone)]
pub struct Dropped {
    pub folder: &'static str,
    pub fate: Fate,
    /// Under how many names.
    pub copies: usize,
}

/// All that was dropped, by content.
pub type List = HashMap<Vec<u8>, Dropped>;

/// A file that is dropped once, by plan instead of by chance.
#[derive(Debug, Clone)]
pub struct Upload {
    pub folder: &'static str,
    /// Starts with `f`: so the books know it from what commands make.
    pub name: &'static str,
    pub content: String,
    pub fate: Fate,
}

/// Drops them all, and says what must become of them.
pub fn drop_all(site: &Site, uploads: &[Upload]) -> List {
    let mut list = List::new();
    for Upload { folder, name, content, fate } in uploads {
        fs::write(site.directory(folder, "inbox").join(name), content).expect("upload");
        let fresh = Dropped { folder, fate: fate.clone(), copies: 0 };
        list.entry(content.clone().into_bytes()).or_insert(fresh).copies += 1;
    }
    list
}

/// The thread and its list.
pub struct Load {
    list: Arc<Mutex<List>>,
    orders: Option<Sender<usize>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Waits for orders.
    pub fn on(site: &Site, seed: u64) -> Self {
        let list = Arc::<Mutex<List>>::default();
        let (orders, to_drop) = channel();
        let dropper = Dropper {
            inboxes: [ROWS, WORK].map(|folder| site.directory(folder, "inbox")),
            random: fastrand::Rng::with_seed(seed),
            list: Arc::clone(&list),
            last: 0,
        };
        let thread = thread::spawn(move || dropper.serve(&to_drop));
        Self { list, orders: Some(orders), thread: Some(thread) }
    }

    /// Has so many more files dropped, as fast as they come.
    pub fn order(&self, files: usize) {
        self.orders.as_ref().expect("it serves").send(files).expect("the thread lives");
    }

    /// What was dropped so far; nothing is dropped while it is held.
    pub fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().expect("the thread has not panicked")
    }

    /// Drops what was ordered, and no more.
    pub fn finish(&mut self) {
        drop(self.orders.take());
        self.thread.take().expect("finished once").join().expect("the thread has not panicked");
    }
}

struct Dropper {
    inboxes: [PathBuf; 2],
    random: fastrand::Rng,
    list: Arc<Mutex<List>>,
    last: i64,
}

impl Dropper {
    fn serve(mut self, orders: &Receiver<usize>) {
        for files in orders {
            for _ in 0..files {
                self.drop_one();
                // Not a wait for anything: uploads have gaps.
                thread::sleep(Duration::from_micros(self.random.u64(0..1_500)));
            }
        }
    }

    fn drop_one(&mut self) {
        let list = Arc::clone(&self.list);
        let mut list = list.lock().expect("the test has not panicked");
        let again = (self.random.u8(0..8) == 0).then(|| self.one_of(&list)).flatten();
        let (content, folder, fate, ending) = again.unwrap_or_else(|| self.fresh());
        let inbox = &self.inboxes[usize::from(folder == WORK)];
        self.last += 1;
        let own_name = format!("f{}{ending}", self.last);
        let own = inbox.join(&own_name);
        match self.random.u8(0..4) {
            // The same few names again and again, never over a file that still lies there.
            0 => {
                let part = inbox.join(format!("{own_name}.part"));
                fs::write(&part, &content).expect("upload");
                let wanted = inbox.join(format!("daily-{}{ending}", self.random.u8(0..2)));
                if renameat_with(CWD, &part, CWD, &wanted, RenameFlags::NOREPLACE).is_err() {
                    fs::rename(&part, &own).expect("rename an upload");
                }
            }
            1 => upload_with_a_pause(&own, &content),
            _ => fs::write(&own, &content).expect("upload"),
        }
        list.entry(content).or_insert(Dropped { folder, fate, copies: 0 }).copies += 1;
    }

    /// The bytes of an earlier file.
    fn one_of(&mut self, list: &List) -> Option<(Vec<u8>, &'static str, Fate, &'static str)> {
        let nth = self.random.usize(0..list.len().max(1));
        let (content, dropped) = list.iter().nth(nth)?;
        let ending = if content.first() == Some(&b'{') { ".ndjson" } else { ".csv" };
        Some((content.clone(), dropped.folder, dropped.fate.clone(), ending))
    }

    fn fresh(&mut self) -> (Vec<u8>, &'static str, Fate, &'static str) {
        self.last += 1;
        let (first, rows) = (self.last * 10, self.random.i64(1..4));
        let ids = first..first + rows;
        let text = |lines: Vec<String>| lines.concat().into_bytes();
        match self.random.u8(0..10) {
            0 | 1 => {
                let lines = ids.clone().map(|id| format!("{{\"id\":{id},\"name\":\"row {id}\"}}\n")).collect();
                (text(lines), ROWS, Fate::Rows(ids), ".ndjson")
            }
            2 => (
                format!("id,name\n{first},a\n{first}\n").into_bytes(),
                ROWS,
                Fate::Refused("line 3: 1 field".to_owned()),
                ".csv",
            ),
            3 => {
                let row = |id: i64| format!("{id},row {id}\n");
                let (two, reject) = (first..first + 2, format!("{first},a,{REJECT}\n"));
                let lines = vec!["id,name\n".to_owned(), row(first), reject, row(first + 1)];
                (text(lines), ROWS, Fate::Rows(two), ".csv")
            }
            4..=6 => {
                let rows = ids.clone().map(|id| format!("{id},row {id}\n"));
                (text(["id,name\n".to_owned()].into_iter().chain(rows).collect()), ROWS, Fate::Rows(ids), ".csv")
            }
            _ => self.fresh_work(),
        }
    }

    fn fresh_work(&mut self) -> (Vec<u8>, &'static str, Fate, &'static str) {
        let kind = ["plain", "plain", "printed", "both", "slow", "later", "moved", "bad"][self.random.usize(0..8)];
        let payload = format!("payload-{}", self.last);
        let content = format!("{kind} {payload}\n");
        let result = format!("{payload}\n");
        let fate = match kind {
            "bad" => Fate::Refused(format!("{payload} is bad")),
            "both" => Fate::Results(vec![result.clone(), result]),
            "moved" => Fate::Results(vec![content.clone()]),
            _ => Fate::Results(vec![result]),
        };
        (content.into_bytes(), WORK, fate, ".txt")
    }
}

fn upload_with_a_pause(path: &Path, content: &[u8]) {
    let mut file = File::create_new(path).expect("upload");
    let (begin, end) = content.split_at(content.len() / 2);
    file.write_all(begin).expect("upload");
    thread::sleep(Duration::from_micros(300));
    file.write_all(end).expect("upload");
}
