//! Files that a change of the settings leaves behind: of a folder that is no longer in them, or waiting in an inbox that is no
//! longer their folder's. Nothing of them is lost, and nobody looks at them.

use std::collections::HashSet;

use crate::fault::Reason;
use crate::folder::name::Filter;
use crate::folder::survey;
use crate::ledger::history::History;
use crate::ledger::{Row, State};
use crate::log::escape;
use crate::settings::{Folder, Settings};

/// Of each folder that has such files, what is wrong, and what to do.
///
/// # Errors
/// The ledger or an inbox can't be read.
pub fn left_behind(settings: &Settings, history: &History) -> Result<Vec<Reason>, Reason> {
    let mut reasons = Vec::new();
    for name in history.folders()? {
        reasons.extend(match settings.folders.get(&name) {
            None => by_a_folder_gone(&name, history)?,
            Some(folder) => by_an_inbox_changed(folder, history)?,
        });
    }
    Ok(reasons)
}

fn by_a_folder_gone(name: &str, history: &History) -> Result<Option<Reason>, Reason> {
    let mut rows = history.in_state(name, State::Deferred)?;
    rows.extend(history.in_state(name, State::Committed)?);
    Ok(counted(&rows).map(|files| {
        let text = format!("folder {name} is no longer in the settings, and {files} not at an end there");
        Reason::new("folder_gone", text).hint(format!("name it again until it is done: [folder.{name}]"))
    }))
}

fn by_an_inbox_changed(folder: &Folder, history: &History) -> Result<Option<Reason>, Reason> {
    if history.has_watched(&folder.name, &folder.inbox)? {
        return Ok(None);
    }
    let mut rows = history.in_state(&folder.name, State::Deferred)?;
    rows.retain(|row| row.place.is_none());
    if !rows.is_empty() {
        let filter = Filter::new(&folder.matching, &folder.ignore, folder.ready_marker.as_deref())?;
        let lying = survey::in_inbox(folder, &filter)?;
        let here: HashSet<_> = lying.iter().map(|file| file.identity.key()).collect();
        rows.retain(|row| !here.contains(&row.identity.key()));
    }
    let inbox = folder.inbox.display();
    Ok(counted(&rows).map(|files| {
        let text = format!("folder {}: {files} waiting for another try, in another inbox than {inbox}", folder.name);
        let hint = "move that into this one, or name the old inbox again until it is done";
        Reason::new("inbox_changed", text).hint(hint)
    }))
}

/// `a.csv is`, or `a.csv and 2 more are`. `None`: there are none.
fn counted(rows: &[Row]) -> Option<String> {
    let first = escape(&rows.first()?.name);
    Some(match rows.len() - 1 {
        0 => format!("{first} is"),
        more => format!("{first} and {more} more are"),
    })
}
