//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::log::Target;

/// Imports or processes every file dropped into a folder, exactly once.
#[derive(Debug, Parser)]
#[command(name = "importerd", version, propagate_version = true, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes, before or after its name.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Read this settings file and FILE.d/*.toml beside it, and none of the system's
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set one key, for instance folder.orders.settle=5s; may be given again
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where the ledger lies [default: what systemd says, or /var/lib/importerd where it is yours or you are root, or below your home]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// How the log is written [default: what fits the place]
    #[arg(long, global = true, value_enum, value_name = "term|json|journal")]
    pub log: Option<Target>,
    /// Log more: every stage of every file
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// Print JSON; `ls`, `explain`, `rejects` and `events` print one object a line
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch one folder, without a settings file
    Watch(Watch),
    /// Run the daemon in the foreground
    Run,
    /// Do what is there now, then exit
    Once,
    /// Check settings and surroundings
    Check,
    /// Say what would become of a file, column by column; changes nothing
    Try(Try),
    /// Show what goes on now
    Status,
    /// List files by state
    Ls(Ls),
    /// Tell one file's whole story, or why it is not taken yet
    Explain(Explain),
    /// Print the rows of a file that don't fit, ready to be mended and dropped again; on stderr, why
    Rejects(Rejects),
    /// Print the supervision events
    Events(Events),
    /// Take nothing new from a folder's inbox; what is in hand finishes
    Pause(Folders),
    /// Let a paused folder go on
    Resume(Folders),
    /// Try files again: deferred ones now, refused ones from the beginning
    Retry(Retry),
    /// Load archived files again, each in place of its rows, in one transaction
    Replay(Replay),
    /// Let files count as new: the same bytes are done again when they are dropped; what is there stays
    Forget(Forget),
    /// Let the daemon finish what it has in hand and end, and wait for that
    Drain,
    /// Check the ledger, or make it anew
    Ledger(Ledger),
    /// Show the settings as they are set now; on stderr, whether the running daemon has others
    Config(Config),
    /// Print a manual page: importerd man | man -l -
    Man {
        /// Which page
        #[arg(value_enum, default_value_t = Page::Importerd)]
        page: Page,
    },
    /// Print the completions for a shell
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// A manual page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// importerd(1)
    Importerd,
    /// importerd.toml(5)
    #[value(name = "importerd.toml")]
    Settings,
}

#[derive(Debug, Args)]
pub struct Watch {
    /// The folder; it is made when missing, with inbox/ and archive/ below it
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The database for the rows [default: sqlite:DIR/importerd.db]
    #[arg(long, value_name = "TARGET", conflicts_with = "command")]
    pub into: Option<String>,
    /// Run this on each file instead of importing it; {path} {name} {stem} are filled in
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a switch for each state")]
pub struct Ls {
    /// Only this folder
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
    /// Only files waiting in the inbox, and those there that can't be looked at
    #[arg(long)]
    pub waiting: bool,
    /// Only files in hand
    #[arg(long)]
    pub active: bool,
    /// Only files that wait for another try
    #[arg(long)]
    pub deferred: bool,
    /// Only refused files
    #[arg(long)]
    pub quarantined: bool,
    /// Only files that were done before
    #[arg(long)]
    pub duplicate: bool,
    /// Only done files
    #[arg(long)]
    pub archived: bool,
    /// Only done files that went in without some of their rows
    #[arg(long)]
    pub rejects: bool,
    /// Only files that were loaded again under another number
    #[arg(long)]
    pub replaced: bool,
    /// Only forgotten files
    #[arg(long)]
    pub forgotten: bool,
    /// At most so many, the latest first
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub struct Try {
    /// The file, wherever it lies
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The folder that it would be dropped into [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// Its name, its path, or its number (48213)
    #[arg(value_name = "FILE")]
    pub file: OsString,
    /// Only in this folder
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
}

#[derive(Debug, Args)]
pub struct Rejects {
    /// Its name, its path, or its number (48213)
    #[arg(value_name = "FILE")]
    pub file: OsString,
    /// Only in this folder
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
}

#[derive(Debug, Args)]
pub struct Events {
    /// Go on as more happens
    #[arg(long, short)]
    pub follow: bool,
    /// Begin with the last so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    pub lines: u32,
    /// Only of this folder
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
    /// Only this event, for instance file.quarantined
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
}

#[derive(Debug, Args)]
pub struct Folders {
    /// The folder; more may follow
    #[arg(value_name = "FOLDER", required_unless_present = "all", conflicts_with = "all")]
    pub folders: Vec<String>,
    /// Every folder of the settings
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").args(["files", "failed", "deferred"]).required(true).multiple(true)))]
pub struct Retry {
    /// A file's number (48213, or '#48213'), name or path; more may follow
    #[arg(value_name = "FILE")]
    pub files: Vec<OsString>,
    /// All refused files
    #[arg(long, conflicts_with = "files")]
    pub failed: bool,
    /// All files that wait for another try
    #[arg(long, conflicts_with = "files")]
    pub deferred: bool,
    /// Only in this folder
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
    /// Only those that are there for this reason, for instance `ragged_row`
    #[arg(long, value_name = "CODE", conflicts_with = "files")]
    pub code: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").args(["files", "folder"]).required(true).multiple(true)))]
pub struct Replay {
    /// A file's number (48213, or '#48213'), name or path; more may follow
    #[arg(value_name = "FILE")]
    pub files: Vec<OsString>,
    /// Only in this folder; without FILE: all of its imported files
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
    /// Only those imported since then: 2026-11-22, 2026-11-22T18:30 (local time), 2026-11-22T17:30:00Z, or 36h for so long ago
    #[arg(long, value_name = "TIME", value_parser = since, conflicts_with = "files")]
    pub since: Option<Timestamp>,
    /// Don't ask; without a terminal, nothing is done without it
    #[arg(long)]
    pub yes: bool,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").args(["files", "folder"]).required(true).multiple(true)))]
pub struct Forget {
    /// A file's number (48213, or '#48213'), name or path; more may follow
    #[arg(value_name = "FILE")]
    pub files: Vec<OsString>,
    /// Only in this folder; without FILE: all of its files that are done, refused or duplicates
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
    /// Only refused files
    #[arg(long, conflicts_with = "files")]
    pub quarantined: bool,
    /// Only those that are there for this reason, for instance `ragged_row`
    #[arg(long, value_name = "CODE", conflicts_with = "files")]
    pub code: Option<String>,
    /// Only those that came to their end since then: 2026-11-22, 2026-11-22T18:30 (local time), 2026-11-22T17:30:00Z, or 36h for so long ago
    #[arg(long, value_name = "TIME", value_parser = since, conflicts_with = "files")]
    pub since: Option<Timestamp>,
    /// Don't ask; without a terminal, nothing is done without it
    #[arg(long)]
    pub yes: bool,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// A time, a time or a day of the local zone, or how long ago.
fn since(typed: &str) -> Result<Timestamp, String> {
    since_in(typed, TimeZone::system())
}

fn since_in(typed: &str, zone: TimeZone) -> Result<Timestamp, String> {
    if let Ok(at) = typed.parse() {
        return Ok(at);
    }
    // A day begins with its first moment. The name of a zone would be read, and not heeded.
    if let Ok(at) = typed.parse::<DateTime>()
        && !typed.contains('[')
    {
        return Ok(at.to_zoned(zone).map_err(|error| error.to_string())?.timestamp());
    }
    let ago = humantime::parse_duration(typed);
    let ago =
        ago.map_err(|_| "expected for instance 2026-11-22, 2026-11-22T18:30, 2026-11-22T17:30:00Z or 36h".to_owned())?;
    Timestamp::now().checked_sub(ago).map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
pub struct Ledger {
    #[command(subcommand)]
    pub command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Say whether it is sound, and agrees with folders and targets; changes nothing
    Check,
    /// Make it anew from what can be read of it, the targets and the folders; the old one is put aside
    Rebuild {
        /// Don't ask; without a terminal, nothing is done without it
        #[arg(long)]
        yes: bool,
        /// Also when nothing is wrong with it, or the folders have theirs in another state directory
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every value
    Show {
        /// And where each came from
        #[arg(long)]
        origin: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_zone_is_local_and_a_day_begins_at_midnight() {
        let since = |typed: &str| {
            // An hour ahead in summer: from 2026-03-29 02:00 to 2026-10-25 03:00.
            let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
            since_in(typed, berlin).map(|at| at.to_string())
        };
        for (typed, at) in [
            ("2026-11-22", "2026-11-21T23:00:00Z"),
            ("2026-11-22T18:00", "2026-11-22T17:00:00Z"),
            ("2026-11-22 18:00:30", "2026-11-22T17:00:30Z"),
            ("2026-07-22T18:00:00", "2026-07-22T16:00:00Z"),
            ("2026-11-22T18:00:00Z", "2026-11-22T18:00:00Z"),
            ("2026-11-22T18:00+05", "2026-11-22T13:00:00Z"),
            // The hour that was left out, and the one that came twice.
            ("2026-03-29T02:30", "2026-03-29T01:30:00Z"),
            ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(since(typed).as_deref(), Ok(at), "{typed}");
        }
        for typed in ["2026-11-22T18:00[America/New_York]", "2026-11-22T25:00", "2026-11-31", "18:00", "soon", ""] {
            assert!(since(typed).unwrap_err().contains("2026-11-22T18:30"), "{typed}");
        }
    }
}
