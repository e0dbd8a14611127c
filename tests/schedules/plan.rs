//! What the schedules of a test have in common, and the files that they drop.

use std::path::Path;
use std::time::Duration;

use importerd::settings::{Duplicates, Run, Settings, Work};

use crate::life::Spoilt;
use crate::parts;

/// Prints the key and leaves it in a file, but for those that are to fail.
const SCRIPT: &str = r#"read -r kind key < "$1"
case $kind in bad) exit 65 ;; flaky) [ "$IMPORTERD_ATTEMPT" != 1 ] || exit 1 ;; esac
echo "$key" > made.txt
echo "$key""#;

/// What the schedules have in common.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub is_run: bool,
    pub duplicates: Duplicates,
    pub spoilt: Option<Spoilt>,
}

impl Plan {
    pub fn import(duplicates: Duplicates) -> Self {
        Self { is_run: false, duplicates, spoilt: None }
    }

    pub fn run(duplicates: Duplicates) -> Self {
        Self { is_run: true, duplicates, spoilt: None }
    }

    pub fn spoilt(self, spoilt: Spoilt) -> Self {
        Self { spoilt: Some(spoilt), ..self }
    }

    /// What such a file holds.
    pub fn content(self, kind: Kind, key: i64) -> String {
        match (self.is_run, kind) {
            (true, Kind::Good) => format!("good {key}\n"),
            (true, Kind::Bad) => format!("bad {key}\n"),
            (true, Kind::Flaky) => format!("flaky {key}\n"),
            (false, Kind::Bad) => format!("id\n{key},1\n"),
            (false, _) => format!("id\n{key}\n"),
        }
    }

    pub fn settings(self, root: &Path) -> Settings {
        let mut settings = parts::settings(root);
        let folder = settings.folders.get_mut("drop").expect("the one folder");
        folder.duplicates = self.duplicates;
        if self.is_run {
            let command = ["sh", "-c", SCRIPT, "sh", "{path}"].map(str::to_owned).to_vec();
            folder.work = Work::Run(Run { command, timeout: Duration::from_mins(1) });
        }
        settings
    }
}

/// How a file fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Good,
    Bad,
    /// Its first attempt fails.
    Flaky,
}
