//! `importerd config show`: every value as it is set now, and where it comes from; stderr tells where the running daemon has others.
//!
//! `--json` prints an array of objects with `key`, `value` and `origin`.

use std::io::{self, Write};

use super::args::{Config, ConfigCommand, Global};
use super::complaint::{Complaint, told};
use super::page::print;
use super::surroundings::{SETTINGS_CHANGED, are_changed, directories, sources, typed};
use crate::exit;
use crate::settings::{self, Shown, show};

/// `importerd config`
pub fn answer(global: &Global, config: &Config) -> u8 {
    let ConfigCommand::Show { origin } = config.command;
    told(answer_show(global, origin).map_err(|complaint| complaint.with_options(&typed(global))))
}

/// With bad settings, what was understood of them goes to stdout all the same.
fn answer_show(global: &Global, origin: bool) -> Result<u8, Complaint> {
    let directories = directories(global)?;
    match settings::load(&sources(global, &directories)) {
        Ok(loaded) => {
            print_values(global, &loaded.values, origin)?;
            if are_changed(&directories, &loaded) {
                let _ = writeln!(io::stderr(), "{SETTINGS_CHANGED}");
            }
            Ok(exit::OK)
        }
        Err(error) => {
            print_values(global, &error.values, origin)?;
            let problems: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
            let next = "correct that, then type: importerd check";
            Err(Complaint::new(exit::CONFIG, problems.join("\n"), next))
        }
    }
}

fn print_values(global: &Global, values: &[Shown], origin: bool) -> Result<(), Complaint> {
    let text = if global.json { show::json(values) + "\n" } else { show::text(values, origin) };
    print(&text).map(|_| ())
}
