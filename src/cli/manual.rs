//! `importerd man`, `importerd completions`: pages and completions, made from the tables that the program itself
//! obeys, so that they can't say anything else.

use std::io;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::args::{Arguments, Page};
use super::complaint::Complaint;
use super::page::print;
use crate::events::Kind;
use crate::exit;
use crate::settings::keys::KEYS;

/// What every exit code means, as in [`crate::exit`].
const EXIT_CODES: &[(u8, &str)] = &[
    (
        exit::OK,
        "All went well; after a drain of run and watch, nothing was left in hand but files of held folders: they stay in active/, and the next start goes on with them.",
    ),
    (
        exit::REFUSED,
        "once: some file was refused. explain, rejects: nothing is known of the file. rejects: its rows can't be told. retry, replay, forget: some file can't be done \
         so. ledger check: something is wrong. ledger rebuild: nothing is wrong, or nobody wants it.",
    ),
    (
        exit::USAGE,
        "The command line can't be understood, or says too little: --folder, or --yes where nobody can be asked.",
    ),
    (exit::DATAERR, "try: the file would be refused, or a file of its name is never taken."),
    (exit::NOINPUT, "try: there is no such file, or it can't be read."),
    (
        exit::UNAVAILABLE,
        "The target or the daemon can't be reached, or a table can't hold what import.columns declares (try), or the folder is in use by another daemon. drain: none runs.",
    ),
    (exit::SOFTWARE, "A bug, or more crashes than the restart budget allows."),
    (
        exit::TEMPFAIL,
        "Work was left behind; the next start recovers it. once: a folder is held or paused, a file deferred or not to be looked at, or it was told to stop with files left. retry: a file can't go \
         back now. Any order: the daemon ended before it was carried out to its end, or had too many at a time. ledger check: the ledger was written each time it was read.",
    ),
    (exit::NOPERM, "Permission is missing."),
    (
        exit::CONFIG,
        "The settings are wrong, or the ledger is missing, damaged, newer or not that of the folders, or a folder was given another name.",
    ),
];

/// What is worth knowing before it is met.
const NOTES: &[(&str, &str)] = &[
    (
        "Naming a file",
        "By its number, its path, or its name as ls prints it. A name that several folders have in a state that fits needs --folder; where digits are one file's number \
         and another's name, nothing is done: say '#17' or the path.",
    ),
    (
        "Orders where no daemon runs",
        "The command takes the daemon's locks and does the same, for the daemon's user alone: what another one makes, root too, the daemon could not read. No file is \
         overwritten, charged or lost, wherever an order is cut short. forget also takes back a replay that waits, by its number.",
    ),
    (
        "A folder that is held",
        "The cause is a fault of the world, and it goes on by itself, also when it was held at the start. Its files stay in active/ at a stop, which is no reason for \
         another exit code but with once.",
    ),
    (
        "A SQLite file that is gone",
        "One that something was imported into is never made anew, also not at a start: mount its disk, or put it back. To begin with an empty one on purpose, also where \
         import.into names another, put an empty file in its place.",
    ),
    (
        "A folder under another name",
        "It is refused (78), or what is in would go in again: name it as before. To begin anew with it on purpose, so that files done before count as new, remove \
         active/.ledger when no file is left below active/.",
    ),
    (
        "SIGHUP",
        "Only logs that it does not reload yet. watch and once on a terminal take it for the terminal's end, and drain.",
    ),
];

/// `importerd man [PAGE]`
pub fn man(page: Page) -> Result<u8, Complaint> {
    let mut text = Vec::new();
    let written = match page {
        Page::Importerd => program(&mut text),
        Page::Settings => settings().to_writer(&mut text),
    };
    written.map_err(|error| unwritten(&error))?;
    print(&String::from_utf8_lossy(&text))?;
    Ok(exit::OK)
}

/// `importerd completions SHELL`
pub fn completions(shell: clap_complete::Shell) -> Result<u8, Complaint> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "importerd", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(exit::OK)
}

fn unwritten(error: &io::Error) -> Complaint {
    Complaint::new(exit::UNAVAILABLE, format!("standard output: {error}"), "write it to another place")
}

/// importerd(1): the program, its commands, events and exit codes.
fn program(out: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Arguments::command().disable_help_flag(true);
    command.build();
    let man = Man::new(command.clone()).title("IMPORTERD");
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    description().to_writer(out)?;
    man.render_options_section(out)?;
    commands(&command).to_writer(out)?;
    let mut events = Roff::new();
    events.control("SH", ["EVENTS"]);
    for kind in Kind::ALL {
        entry(&mut events, kind.name(), kind.help());
    }
    events.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        entry(&mut events, &code.to_string(), meaning);
    }
    events.control("SH", ["SEE ALSO"]);
    events.text([bold("importerd.toml"), roman("(5), "), bold("systemd.exec"), roman("(5)")]);
    events.to_writer(out)
}

/// What it promises, and where files lie.
fn description() -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(
        "Every file dropped into a folder's inbox is settled before it is touched, worked on exactly once, and its rows or \
         results appear once or not at all: under kill -9, power loss, a full disk, a crashed worker, a stop in the middle. \
         A file is imported into a database, or handed to your own command. When told to stop (SIGTERM, SIGINT), importerd \
         finishes what it has in hand and exits; a second signal, half a second later at the earliest, ends it at once; \
         the order drain counts as none.",
    )]);
    for (what, how) in NOTES {
        entry(&mut page, what, how);
    }
    page.control("SH", ["FILES"]);
    for (place, holds) in [
        (
            "PATH/inbox",
            "Files waiting. Never taken: hidden names, *.part, *.partial, *.filepart, *.tmp, *.crdownload, *~.",
        ),
        ("PATH/active", "Files in hand."),
        ("PATH/archive", "Files done, by day."),
        ("PATH/quarantine", "Files refused, each with NAME.reason.txt."),
        ("PATH/results", "What commands produced."),
        ("/var/lib/importerd/ledger.db", "The record of every file and attempt."),
        (
            "/run/importerd/control.sock",
            "Where a running daemon takes orders (pause, resume, retry, replay, forget, drain); its user and its group may give them. It \
             lies in $IMPORTERD_RUNTIME_DIRECTORY or systemd's $RUNTIME_DIRECTORY; else in /run/importerd where the state \
             directory is /var/lib/importerd, in $XDG_RUNTIME_DIR/importerd where it is the user's own, and in run/ below \
             any other. A link to it lies in the state directory, so whoever may read that needs to name nothing else.",
        ),
        ("/etc/importerd/importerd.toml", "The settings: importerd.toml(5)."),
    ] {
        entry(&mut page, place, holds);
    }
    page
}

/// Every command with its own options.
fn commands(program: &clap::Command) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["COMMANDS"]);
    let each = program.get_subcommands().flat_map(|command| {
        let below: Vec<_> = command.get_subcommands().collect();
        if below.is_empty() { vec![command] } else { below }
    });
    for command in each {
        let mut usage = command.clone();
        let usage = usage.render_usage().to_string().replace("Usage: ", "");
        entry(&mut page, &usage, &command.get_about().map(ToString::to_string).unwrap_or_default());
        for option in command.get_arguments().filter(|option| !option.is_global_set() && option.get_id() != "version") {
            page.control("RS", []);
            entry(&mut page, &typed(option), &meant(option));
            page.control("RE", []);
        }
    }
    page
}

/// `-f, --follow`
fn typed(option: &clap::Arg) -> String {
    option.get_short().map(|short| format!("-{short}, ")).unwrap_or_default() + &option.to_string()
}

/// What it does, its default, and the words it may be.
fn meant(option: &clap::Arg) -> String {
    let help = option.get_help().map(ToString::to_string).unwrap_or_default();
    let takes_value = option.get_action().takes_values();
    let preset: Vec<_> = option.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let preset = (takes_value && !preset.is_empty()).then(|| format!(" [default: {}]", preset.join(" ")));
    let words: Vec<_> = option.get_possible_values().iter().map(|word| word.get_name().to_owned()).collect();
    let words = (takes_value && !words.is_empty()).then(|| format!(" [one of: {}]", words.join(", ")));
    [Some(help), words, preset].into_iter().flatten().collect()
}

/// importerd.toml(5): every key.
fn settings() -> Roff {
    let mut page = Roff::new();
    page.control("TH", ["IMPORTERD.TOML", "5"]);
    page.control("SH", ["NAME"]);
    page.text([roman("importerd.toml - settings of importerd")]);
    page.control("SH", ["SYNOPSIS"]);
    page.text([italic(
        "/etc/importerd/importerd.toml, /run/importerd/importerd.toml, /usr/lib/importerd/importerd.toml",
    )]);
    page.control("br", []);
    page.text([italic("/etc/importerd/importerd.toml.d/*.toml, and the same below /run and /usr/lib")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(
        "The first of the three files that is found holds; drop-ins are added in the order of their names, one in /etc \
         hides one of the same name in /run and /usr/lib, and an empty one hides without putting anything in its place. \
         Then comes the environment (IMPORTERD__FOLDER__ORDERS__SETTLE=5s), then --set. Each layer may change any key. \
         A key that is unknown, or a value that doesn't fit, is an error. Durations are written with a unit (60s, 10m). \
         A daemon reads its settings when it starts; status, check, config show and try say so when the files were changed since.",
    )]);
    page.control("SH", ["KEYS"]);
    for key in KEYS {
        let path = key.path.replace('*', "NAME");
        entry(&mut page, &path, &format!("{} {}; default: {}.", key.help, key.kind, key.preset));
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("importerd"), roman("(1)")]);
    page
}

fn entry(page: &mut Roff, term: &str, text: &str) {
    page.control("TP", []);
    page.text([bold(term)]);
    page.text([roman(text)]);
}
