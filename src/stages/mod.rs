//! The stages of a file, as the supervision tree drives them: the port [`importerd_actors::Stages`], implemented.
//!
//! | stage | here | done by |
//! |---|---|---|
//! | recover | `recover` | ledger, load markers, [`folder::claim::seal`](crate::folder::claim::seal) |
//! | claim | `carrier` | [`folder::claim`](crate::folder::claim) |
//! | process | `process` | [`import`](crate::import) or [`run`](crate::run) |
//! | commit | `commit` | the same, and the [`ledger`](crate::ledger) |
//! | archive | `archive` | [`folder::archive`](crate::folder::archive) |
//!
//! What goes wrong with one file sets that file aside (`aside`); what goes wrong with the world halts the
//! batch with everything still claimed, and `recover` finds it.
//!
//! # What a crash leaves
//!
//! The program may die after each of these steps, also while it recovers from an earlier death. Where the file
//! lies and what target and ledger say then decides what recovery does; each step of recovery is one of these
//! steps again.
//!
//! | died after | left | recovery |
//! |---|---|---|
//! | claim | the file in its slot | carries it again |
//! | claim, before the move of its ready marker | the file in its slot, the marker in the inbox, older than the claim | moves the marker to the archive, carries it again |
//! | process (import) | the same: rows were in memory only | carries it again |
//! | process (run) | and `.staging/ID-INODE.BORN-DEFERRALS-NAME/`, perhaps the running command, perhaps the file moved by it | ends the command, puts the file back, clears staging, carries it again; a file that is nowhere is refused, and what was made of it left |
//! | commit in the target (import) | rows and load marker | learns from the marker, archives |
//! | `committed` in the ledger (run) | results sealed in staging, their names in the ledger | publishes what is not published, archives |
//! | publish | some or all results in `results/` | publishes the rest: what is gone from staging is published |
//! | archive (import) | the file in `archive/`, and the ledger silent | learns from the marker, enters the place, found by the file's identity |
//! | archive (run) | the file in `archive/`, the ledger says `committed` | enters the place, found by the file's identity |
//! | `deferred` in the ledger | the file in its slot, the time not come | puts it back into the inbox until then |
//! | claim of a deferred file | the file in its slot, its time has come | carries it again; no attempt is charged |
//! | `deferred` in the ledger, from `quarantine/` (an operator's retry) | the file in `quarantine/` | moves it into the inbox, removes the reason file |
//! | move into the inbox | the reason file without its file; the ledger says that it is on its way | removes the reason file, enters that it has come |
//! | `quarantined` in the ledger | the file in its slot, perhaps half a reason file | writes the reason anew, moves it |
//! | `deferred` in the ledger, from `archive/` (an operator's replay) | the file in `archive/`, its old rows and number untouched | offers it from there |
//! | claim of a replayed file | the file in its slot, its new number `deferred`, the old one `archived` | carries it again, as the new number |
//! | commit of a replay in the target | new rows and a marker that names the number it replaces; the old rows and marker are gone | learns of both numbers from the marker, archives |
//! | `forgotten_at` in a load marker (an operator's forget) | the ledger says `archived` | learns it from the marker |
//!
//! A replay that is refused or a duplicate of another file leaves the old rows, marker and number as they were.
//!
//! So rows and results are there once or not at all. A command may be started again when the end of its first
//! run was not entered, also after a fault of the world; never while the first one is alive: it holds the
//! folder's lock until it has become a process that can be found, and is ended then. Only a panic with one file
//! in hand charges an attempt.
//!
//! # Two Processors
//!
//! A file is claimed by a rename that one of them wins, into a slot that is its own. The target's transaction
//! decides on duplicates of imports, `planned` on those of commands and on names in `results/`, `quarantining`
//! on names in `quarantine/`. A slot may recover while others work (after a panic, or when a held folder is
//! tried again): of files that are not in its slot it enters only what nobody has entered.
//!
//! # A power cut
//!
//! It may undo what was not flushed: the ledger's last entries on imports (the load markers know), the move to
//! the archive (the ledger's entry is found with the file in its slot, and it is archived), the claim of a
//! committed file (it is taken from the inbox to the archive without being carried again). The claim of a refused
//! file is flushed before the ledger is entered, and an entry that nothing else could tell, a duplicate's, as well.
//! That a file is to be replayed is flushed before it moves; undone, all its moves leave it where it lay in the archive,
//! where it is looked for too.
//!
//! btrfs keeps of what was not flushed what it has to log with something else. A file may have its old and its new name
//! then: the move is finished. A file that its command had moved may be there without the note of it: it is known by
//! the name of the staging directory.

mod account;
mod archive;
mod aside;
mod belonging;
mod carrier;
mod commit;
mod copied;
mod file;
mod folder;
mod forget;
mod journal;
pub mod kinship;
mod process;
mod ready;
mod reconcile;
mod recover;
mod release;
mod replay;
mod staging;
mod unentered;

pub use carrier::Carrier;
pub use file::{Claimed, Committed, Processed};
pub use folder::{Folder, Work, has_imports, refuse_ledger, target};
pub use journal::Journal;
pub(crate) use process::hash;
pub(crate) use reconcile::{MARKERS_BACK, has_gone_in};
pub use release::{Back, Released};
