//! docs/faults.md says which test covers each of the 92 things that go wrong in drop folders: its table is made from
//! the list below and from the tests themselves, which name the faults they cover.
//!
//! A comment `fault 44` above a test or inside it counts for that test, one at the head of a file (`//!`) for the file.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "faults_page/list.rs"]
mod list;
#[path = "faults_page/tags.rs"]
mod tags;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use list::{FAULTS, GROUPS};
use tags::Tag;

const INTRO: &str = "# What goes wrong, and which test shows that it doesn't matter

Each number is something that operators of drop folders have met. The tests name the numbers that they cover, and
this page is made from them: `UPDATE_DOCS=1 cargo test --test faults_page`. `tests/prove` prints how many faults are
injected into whole runs of the daemon: kills and errors at every system call, power cuts at every write.

A test is named as `cargo nextest run NAME` takes it. Where the head of a file names the fault, all its tests are meant.
";

#[test]
fn the_page_names_the_tests_of_every_fault_or_says_why_there_is_none() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("docs/faults.md");
    let page = page(&tags::of_the_project(root));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written == page, "docs/faults.md is out of date: UPDATE_DOCS=1 cargo test --test faults_page");
}

#[test]
fn every_fault_has_a_test_or_a_reason() {
    let tags = tags::of_the_project(Path::new(env!("CARGO_MANIFEST_DIR")));
    let covered: BTreeSet<usize> = tags.iter().map(|tag| tag.fault).collect();
    let numbers = 1..=FAULTS.len();
    let bare: Vec<_> = numbers.filter(|n| !covered.contains(n) && FAULTS[n - 1].remark.is_empty()).collect();
    assert!(bare.is_empty(), "neither test nor reason: {bare:?}");
    let unknown: Vec<_> = covered.iter().filter(|number| **number > FAULTS.len()).collect();
    assert!(unknown.is_empty(), "there are {} faults, and tests name {unknown:?}", FAULTS.len());
}

fn page(tags: &[Tag]) -> String {
    let mut page = INTRO.to_owned();
    for (group, numbers) in GROUPS {
        write!(page, "\n## {group}\n\n| | what goes wrong | what is expected | shown by |\n|---|---|---|---|\n")
            .unwrap();
        for number in numbers.clone() {
            let fault = &FAULTS[number - 1];
            let mut shown: Vec<String> = by_file(tags, number).collect();
            shown.extend((!fault.remark.is_empty()).then(|| fault.remark.to_owned()));
            writeln!(page, "| {number} | {} | {} | {} |", fault.what, fault.expected, shown.join("<br>")).unwrap();
        }
    }
    page
}

/// `tests/kinds.rs`: its tests of the fault.
fn by_file(tags: &[Tag], number: usize) -> impl Iterator<Item = String> {
    let mut files = BTreeMap::<&str, BTreeSet<&str>>::new();
    for tag in tags.iter().filter(|tag| tag.fault == number) {
        files.entry(&tag.file).or_default().extend(tag.test.as_deref());
    }
    files.into_iter().map(|(file, tests)| {
        let tests: Vec<_> = tests.into_iter().map(|test| format!("`{test}`")).collect();
        if tests.is_empty() { file.to_owned() } else { format!("{file}: {}", tests.join(", ")) }
    })
}
