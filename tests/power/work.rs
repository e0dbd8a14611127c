//! The work: what is uploaded, and what must become of it.

use std::path::Path;

use crate::crash::load::{Fate, REJECT};
use crate::crash::site::{ROWS, WORK};

/// A file to be uploaded.
#[derive(Debug, Clone)]
pub struct Upload {
    pub folder: &'static str,
    pub name: String,
    pub content: Vec<u8>,
    pub fate: Fate,
}

/// Files of every kind, in any order; some are larger than a page, some have the name or the bytes of another.
pub fn uploads(random: &mut fastrand::Rng) -> Vec<Upload> {
    let mut uploads: Vec<_> = (0..36).map(|number| upload(number, random)).collect();
    for again in 0..5 {
        let first = uploads[random.usize(0..36)].clone();
        let ending = Path::new(&first.name).extension().expect("an ending").to_string_lossy().into_owned();
        uploads.push(Upload { name: format!("f{}.{ending}", 36 + again), ..first });
    }
    random.shuffle(&mut uploads);
    uploads
}

fn upload(number: usize, random: &mut fastrand::Rng) -> Upload {
    let first = i64::try_from(number * 1_000).expect("a small number");
    let is_daily = random.u8(0..4) == 0;
    let name = |ending| if is_daily { format!("daily-{}.{ending}", number % 2) } else { format!("f{number}.{ending}") };
    let of_rows =
        |ending, content: String, fate| Upload { folder: ROWS, name: name(ending), content: content.into(), fate };
    let rows = match number % 3 {
        0 => first..first + 300,
        _ => first..first + 2,
    };
    let lines = |line: fn(i64) -> String| rows.clone().map(line).collect::<String>();
    match number % 12 {
        0..=3 => {
            let reject = if number % 12 == 1 { format!("{first},a,{REJECT}\n") } else { String::new() };
            let content = format!("id,name\n{reject}{}", lines(|id| format!("{id},row {id}\n")));
            of_rows("csv", content, Fate::Rows(rows))
        }
        4 => of_rows("ndjson", lines(|id| format!("{{\"id\":{id},\"name\":\"row {id}\"}}\n")), Fate::Rows(rows)),
        5 => {
            let content = format!("id,name\n{first},a\n{first}\n");
            of_rows("csv", content, Fate::Refused("line 3: 1 field".to_owned()))
        }
        of_work => {
            let kind = ["plain", "both", "bad", "later", "moved", "printed"][of_work - 6];
            let long = "x".repeat(if ["both", "printed"].contains(&kind) { 3_000 } else { 0 });
            let payload = format!("payload-{number}{long}");
            let content = format!("{kind} {payload}\n");
            let result = format!("{payload}\n");
            let fate = match kind {
                "bad" => Fate::Refused(format!("{payload} is bad")),
                "both" => Fate::Results(vec![result.clone(), result]),
                "moved" => Fate::Results(vec![content.clone()]),
                _ => Fate::Results(vec![result]),
            };
            Upload { folder: WORK, name: name("txt"), content: content.into(), fate }
        }
    }
}
