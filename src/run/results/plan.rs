//! Under which names results will be published.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::BorrowedFd;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Produced;
use super::names::{Wish, as_text};
use crate::fault::Fault;
use crate::folder::moves;
use crate::run::staging;

/// One result on its way. Serialised, any name survives: `%` and unprintable bytes are escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its path as seen from the staging directory.
    #[serde(with = "as_text")]
    pub staged: OsString,
    /// Its name in results/.
    #[serde(with = "as_text")]
    pub published: OsString,
}

/// Finds a name for each result that nothing in results/ has: `report.pdf`, else `report~2.pdf`, ….
/// What was printed becomes `NAME.out`. The names `promised` to results not published yet are taken too.
///
/// # Errors
/// results/ can't be read.
pub fn plan(
    results: BorrowedFd<'_>,
    produced: &Produced,
    promised: &BTreeSet<OsString>,
) -> Result<Vec<Planned>, Fault> {
    let entries = produced.entries.iter().map(|entry| (entry.clone(), Wish::named(entry)));
    let printed =
        produced.stdout.then(|| (beside(&staging::printed(&produced.staging)), Wish::printed(&produced.name)));
    let mut chosen = HashSet::new();
    let mut plan = Vec::new();
    for (staged, wish) in entries.chain(printed) {
        let published =
            wish.free(|name| Ok(chosen.contains(name) || promised.contains(name) || is_taken(results, name)?))?;
        chosen.insert(published.clone());
        plan.push(Planned { staged, published });
    }
    Ok(plan)
}

/// The path, as seen from a directory beside it.
fn beside(path: &Path) -> OsString {
    Path::new("..").join(path.file_name().unwrap_or_default()).into()
}

/// Whether results/ has something of that name.
pub(super) fn is_taken(results: BorrowedFd<'_>, name: &OsStr) -> Result<bool, Fault> {
    moves::is_taken(results, name)
        .map_err(|error| Fault::io(format_args!("look for {name:?} in results/"), &error.into()))
}
