//! Which tests name which faults: read from the source.

use std::fs;
use std::path::{Path, PathBuf};

/// A test, or a whole file of tests, that covers a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    pub fault: usize,
    /// Relative to the project.
    pub file: String,
    /// `None`: all tests of the file.
    pub test: Option<String>,
}

/// All of them.
pub fn of_the_project(root: &Path) -> Vec<Tag> {
    let mut paths = ["actors", "src", "tests"].iter().flat_map(|place| sources(&root.join(place))).collect::<Vec<_>>();
    paths.sort();
    let of_file = |path: PathBuf| {
        let source = fs::read_to_string(&path).expect("read a source file");
        let file = path.strip_prefix(root).expect("below it").to_str().expect("a name in UTF-8").to_owned();
        of_source(&file, &source)
    };
    paths.into_iter().flat_map(of_file).collect()
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("read a directory").flatten() {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with(file!()) {
            found.push(path);
        }
    }
    found
}

/// Those of one file, laid out by rustfmt: a function ends where a line closes it at the depth of its `fn`.
fn of_source(file: &str, source: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let (mut above, mut is_test) = (Vec::new(), false);
    let mut inside: Option<(String, usize)> = None;
    for line in source.lines() {
        let (depth, text) = (line.len() - line.trim_start().len(), line.trim_start());
        let faults = text.find("//").map(|at| named(&text[at..])).unwrap_or_default();
        let tag = |fault, test: Option<&str>| Tag { fault, file: file.to_owned(), test: test.map(str::to_owned) };
        if text.starts_with("//!") {
            tags.extend(faults.into_iter().map(|fault| tag(fault, None)));
        } else if let Some((test, of_test)) = &inside {
            tags.extend(faults.into_iter().map(|fault| tag(fault, Some(test))));
            if text == "}" && depth == *of_test {
                inside = None;
            }
        } else if text.starts_with("//") {
            above.extend(faults);
        } else if text.starts_with("#[") {
            is_test |= text.contains("test]") || text.contains("::test(");
        } else {
            let name = text.split("fn ").nth(1).and_then(|rest| rest.split(['(', '<']).next());
            if let (true, Some(name)) = (is_test, name) {
                tags.extend(above.drain(..).map(|fault| tag(fault, Some(name))));
                inside = (!text.ends_with('}')).then(|| (name.to_owned(), depth));
            }
            above.clear();
            is_test = false;
        }
    }
    tags
}

/// The numbers behind `fault` or `faults`: `faults 7, 19 and 23`, `faults 32-37`.
fn named(comment: &str) -> Vec<usize> {
    let mut numbers = Vec::new();
    for behind in comment.split("fault").skip(1) {
        let mut words = behind.trim_start_matches('s').split_ascii_whitespace().peekable();
        while let Some(word) = words.next() {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let number = |word: &str| word.trim_end_matches([',', '.', ':', ';', ')']).parse::<usize>().ok();
            let (Some(first), Some(last)) = (number(first), number(last)) else { break };
            numbers.extend(first..=last);
            if !word.ends_with(',') && words.next_if(|word| *word == "and").is_none() {
                break;
            }
        }
    }
    numbers
}

#[test]
fn a_comment_counts_for_the_test_that_it_stands_above_or_in() {
    let source = "//! Everything. faults 81, 82 and 86\n\n/// fault 7: of no test.\nfn helper() {}\n\n/// faults 1, 2\n#[test]\nfn a() \
                  {\n    // fault 3\n    if true {\n    }\n}\n\n#[test]\nfn b() {\n}\n// faults 32-34\n#[tokio::test]\nasync fn c() {\n}\n";
    let tags: Vec<_> = of_source("f.rs", source).into_iter().map(|tag| (tag.fault, tag.test)).collect();
    let of =
        |test: &str, faults: &[usize]| faults.iter().map(|fault| (*fault, Some(test.to_owned()))).collect::<Vec<_>>();
    let file = [81, 82, 86].map(|fault| (fault, None)).to_vec();
    assert_eq!(tags, [file, of("a", &[1, 2, 3]), of("c", &[32, 33, 34])].concat());
}
