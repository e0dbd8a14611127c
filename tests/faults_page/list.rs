//! The faults, in the order of their numbers.

use std::ops::RangeInclusive;

/// Something that goes wrong.
pub struct Fault {
    pub what: &'static str,
    pub expected: &'static str,
    /// Why there is no test of it, or what its tests leave open.
    pub remark: &'static str,
}

/// The numbers that belong together.
pub const GROUPS: [(&str, RangeInclusive<usize>); 8] = [
    ("Arrival", 1..=23),
    ("Names", 24..=31),
    ("Kinds and rights", 32..=43),
    ("Content", 44..=67),
    ("Disk", 68..=79),
    ("Process and system", 80..=88),
    ("Commands", 89..=89),
    ("Databases", 90..=92),
];

const fn fault(what: &'static str, expected: &'static str) -> Fault {
    Fault { what, expected, remark: "" }
}

const fn remarked(what: &'static str, expected: &'static str, remark: &'static str) -> Fault {
    Fault { what, expected, remark }
}

pub const FAULTS: [Fault; 92] = [
    // Arrival
    fault("a file is still being written", "taken when its writer has closed it, never half"),
    fault("its writer pauses for long and goes on", "waited for, however long"),
    remarked(
        "its writer dies; the file stays short",
        "taken as it is, since it is closed: a CSV or NDJSON cut in its last record is refused; or with a ready marker: waits",
        "a file cut at the end of a line looks complete: see README, \"Know its limits\"",
    ),
    fault("it is uploaded under another name, and renamed", "only the last name counts"),
    fault("it is renamed into the inbox: nobody closes it there", "taken"),
    fault("it is linked into the inbox", "refused while it has two names, then taken"),
    fault("it came while the daemon was down", "found at the start"),
    fault("it comes between the first look and the watch", "taken once"),
    fault("the kernel's queue of events overflows", "the inbox is read from end to end: each is taken once"),
    fault("no watch can be had", "told; the inbox is read every 2 s instead"),
    fault(
        "the inbox lies on a filesystem without events",
        "told; read every 2 s, and files must stay unchanged for `settle`",
    ),
    fault("the inbox is removed and made again, or remounted", "held meanwhile, watched again"),
    fault(
        "the inbox's filesystem is not mounted at the start",
        "held, or refused; nothing is lost below the mount point",
    ),
    fault("one name is dropped twice, quickly", "two files, two results, none over the other"),
    fault("the same bytes under another name", "by `duplicates`; the ledger says which was first"),
    fault("the same file once more after it was done", "by `duplicates`, never silent"),
    fault("a file is changed after it was claimed", "given back and done anew; the old bytes are never committed"),
    fault("a file goes away before it is claimed", "no word but at debug"),
    fault("a file of zero bytes", "done, with no rows"),
    fault("its ready marker is missing", "waits, and `explain` says for what"),
    fault("a million small files", "flat memory, a steady rate"),
    remarked(
        "one file of 200 GB",
        "streamed in flat memory; others are not held up",
        "not at that size: what is kept of a file is bounded (`a_large_file_is_read_twice_instead_of_kept` and its like in src/import/tests)",
    ),
    fault("its modification time is of 1970 or 2099", "taken like any other"),
    // Names
    fault("newline, escape, tab in a name", "done; printed escaped"),
    fault("bytes that are no UTF-8", "done, and kept"),
    fault("a name of 255 bytes", "done, with room made for our endings"),
    fault("a name that begins with `-`", "no option to anybody"),
    fault("spaces, quotes, `$()`, `;`", "no shell sees it"),
    fault("hidden names, `~`, `.tmp`, `.part`", "left alone, as documented"),
    fault("names that differ only in case or in Unicode's form", "two files"),
    remarked(
        "a template that gives an empty or absolute path",
        "",
        "there are no templates of paths: names are kept, numbered when taken",
    ),
    // Kinds and rights
    fault("a symbolic link", "refused; its target is never read"),
    fault("a link to nowhere, or in a circle", "refused"),
    fault("a FIFO", "refused; nothing hangs on it"),
    fault("a socket, a device", "refused"),
    fault("a directory", "left alone, and named by `status`"),
    fault("a file with two names", "refused until it has one"),
    fault("a file that can't be read", "tried again, then refused with a hint"),
    fault("a file that can't be moved (immutable, sticky)", "told once; tried again at growing intervals"),
    fault("a sparse file of a terabyte", "a limit by bytes read; the first record that is too long ends it"),
    fault("somebody holds a lease or has it open", "waits"),
    fault("names are swapped while they are looked at", "nothing outside the inbox is ever touched"),
    fault("set-user-ID bits, capabilities, access lists", "not carried to results"),
    // Content
    fault("an unclosed quote in a CSV file", "refused, with the line where it opens"),
    fault("rows with too few or too many fields", "refused, with the line"),
    fault("the last line has no end", "taken when it is whole, refused when it isn't"),
    fault("a byte order mark", "not part of the first name"),
    fault("UTF-16, Latin-1", "refused as such"),
    fault("a NUL byte", "refused, with the line"),
    fault("bytes that are no UTF-8 in row 1,000,000", "refused; not a row of it is in"),
    fault("headers that are doubled, empty, too many", "refused, by name"),
    fault("a header that differs from the table", "matched by name, or refused, saying what is missing"),
    fault("the wrong delimiter", "found, or refused; never imported as one column"),
    fault("a header and nothing else", "done, with 0 rows"),
    fault("a giant line or field", "refused at a limit, in flat memory"),
    fault("CRLF, CR, LF, mixed", "all are ends of lines"),
    fault("values that don't fit their type", "refused, with line and column"),
    fault("cells that a spreadsheet would take for formulas", "stored unchanged"),
    fault("a line `\\.`", "a row like any other"),
    fault("a header such as `a\") ; drop table`", "quoted: a name like any other"),
    fault("JSON nested 100,000 deep", "refused at a limit"),
    fault("JSON with doubled keys, big integers, 1e400", "refused or exact, never silently changed"),
    fault("NDJSON with a bad line, two values on a line, a bare value", "refused, with the line"),
    remarked(
        "gzip: bombs, truncated, trailing garbage",
        "refused at a limit",
        "compressed files are refused as such, not read",
    ),
    fault("the wrong extension (a spreadsheet called .csv)", "refused by its first bytes"),
    fault("a unique key or a foreign key is violated", "nothing of the file is in; its neighbours are"),
    fault("a file that crashes the Processor", "only that Processor ends; after `attempts` the file is refused"),
    // Disk
    fault(
        "no room: bytes, inodes; in each place",
        "nothing half; the folder is held, and goes on by itself; where one file alone needs so much, it is put off and others go on",
    ),
    fault("the quota is used up", "like a full disk"),
    fault("reading the source fails (EIO)", "tried again; the source is kept"),
    fault(
        "a flush fails",
        "what was written is thrown away and done anew; of the ledger: the daemon ends, and the next start reads what is on disk",
    ),
    fault("the filesystem becomes read-only", "held; no busy loop"),
    fault("a disk that hangs", "the watchdog hears of it; a drain keeps its deadline"),
    remarked(
        "a disk of one operation a second",
        "slow, and nothing else",
        "no kernel here delays a disk; one that hangs altogether is 73, and nothing waits for a time to pass",
    ),
    fault("a power cut at any write", "nothing lost, nothing doubled, nothing half"),
    fault("the ledger is corrupt, truncated or deleted", "refused with what to type; never started empty"),
    fault("a ledger of a newer version", "refused"),
    fault("`results/` or `archive/` is deleted, or on another filesystem", "made again; or refused at the start"),
    fault("a result's name is taken", "numbered; never over another"),
    // Process and system
    fault("kill -9 at every system call, also in recovery", "nothing lost, nothing doubled, nothing half"),
    fault("SIGTERM in every state", "drains within its grace, exit 0; or abandons, exit 75"),
    fault("SIGTERM twice, SIGINT, a storm of SIGHUP", "stable"),
    fault("the kernel is out of memory and kills the daemon, or a command", "like kill -9; or a failed attempt"),
    fault("no descriptors, no processes left", "held, and goes on by itself"),
    fault("the clock jumps", "timers are monotonic; numbers are not made of time"),
    fault("a second daemon", "refused, with the pid of the first"),
    fault("stopped for an hour (SIGSTOP, suspend)", "goes on; the watchdog explains"),
    fault("a reboot in a drain, an upgrade while commands run, a downgrade", "recovered; a newer ledger is refused"),
    // Commands
    fault(
        "a command that fails, is killed, isn't found, never ends, ignores SIGTERM, forks, prints without end, reads nothing, writes then fails",
        "ended by process group, bounded, and the file tried again or refused, with the command's last words",
    ),
    // Databases
    fault("PostgreSQL is down, restarted, read-only, out of connections", "held, and goes on by itself"),
    fault("the reply to a COMMIT is lost", "looked up by its load marker, never repeated"),
    fault(
        "a table is dropped or altered, the database is locked, its disk is full",
        "held with the cause, or refused with what differs",
    ),
];
