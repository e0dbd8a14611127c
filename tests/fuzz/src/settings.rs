//! Settings: a file, the environment and `--set`. What is taken is what `config show` prints, read again; what is refused is
//! refused at a place that is there.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;

use importerd::settings::{Base, Loaded, Sources, load, show};
use tempfile::TempDir;

use crate::input::is_planted;

/// Between the file and the lines above it.
const BEHIND: &str = "%%\n";

thread_local! {
    static DIRECTORY: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

pub fn look(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (file, above) = text.split_once(BEHIND).unwrap_or((&text, ""));
    let (environment, set): (Vec<&str>, Vec<&str>) = above.lines().partition(|line| line.starts_with("IMPORTERD__"));
    let environment = environment.iter().filter_map(|line| line.split_once('='));
    let environment = environment.map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    // Not UTF-8: the file's own matter.
    let bytes = if above.is_empty() { input } else { file.as_bytes() };
    match loaded(bytes, environment, set.iter().map(|line| (*line).to_owned()).collect()) {
        Ok(mut first) => {
            let shown = show::text(&first.values, true);
            let again = loaded(shown.as_bytes(), Vec::new(), Vec::new());
            let again = again.unwrap_or_else(|error| panic!("what is shown is not taken: {error}\n{shown}"));
            if is_planted() && first.settings.attempts == 7 {
                first.settings.attempts = 8;
            }
            assert_eq!(again.settings, first.settings, "{shown}");
            assert_eq!(show::text(&again.values, false), show::text(&first.values, false));
        }
        Err(error) => {
            assert!(!error.problems.is_empty());
            let lines = bytes.split(|&byte| byte == b'\n').count();
            for problem in &error.problems {
                let text = problem.to_string();
                assert!(!text.contains(char::is_control), "{text:?}");
                // Not in the text: a key that was typed may look like a place.
                let place = problem.place.split_once(".toml:");
                let line = place.and_then(|(_, place)| place.split(':').next()?.parse().ok());
                assert!(line.is_none_or(|line| (1..=lines).contains(&line)), "{text}, in {lines} lines");
            }
        }
    }
}

fn loaded(
    file: &[u8],
    environment: Vec<(OsString, OsString)>,
    set: Vec<String>,
) -> Result<Loaded, importerd::settings::Error> {
    DIRECTORY.with_borrow_mut(|directory| {
        let directory = directory.get_or_insert_with(|| TempDir::new_in("/dev/shm").expect("a directory in memory"));
        let path = directory.path().join("a.toml");
        fs::write(&path, file).expect("write the settings");
        load(&Sources { base: Base::File(path), environment, set })
    })
}
