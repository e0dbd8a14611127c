//! docs/events.md says what the program says: the tables there are made from the program's own lists.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write;

use importerd::events::{Event, FIELDS, Kind, Loudness, Subject};
use importerd::fault::Reason;
use importerd::file::FileId;

const INTRO: &str = "# Events

What `importerd` does to files, folders and its own parts has a stable name, in the log as the field `event` and in
`importerd events`. Scripts may rely on the names below; new ones may be added.

    importerd events -f                                   as lines
    importerd events -f --json                            one JSON object a line
    journalctl -u importerd IMPORTERD_EVENT=file.quarantined
    journalctl -u importerd IMPORTERD_FILE_ID=48213       what the log has of one file: with -v, each step
    importerd explain '#48213'                            its whole story

A refused file as a line, and as JSON:

    09:14:37  orders    orders-17.csv             quarantined  line 418: 3 fields where the header has 4  #48213
";

#[test]
fn the_page_lists_every_event_and_field_of_the_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written == page, "docs/events.md is out of date: UPDATE_DOCS=1 cargo test --test events_page");
}

fn page() -> String {
    let mut page = INTRO.to_owned();
    writeln!(page, "    {}", example().to_json()).unwrap();
    page.push_str("\n## Names\n\n| event | level | meaning |\n|---|---|---|\n");
    for kind in Kind::ALL {
        writeln!(page, "| `{}` | {} | {} |", kind.name(), level(kind.loudness()), kind.help()).unwrap();
    }
    page.push_str(
        "\n## Fields\n\nEvery event has `ts` (RFC 3339, UTC) and `event`; one about a folder has `folder`; one about a file has\n\
         `folder file file_id attempt stage`, the stage being settle, claim, process, commit or archive. A file name is printed\n\
         escaped: `\\n`, `\\x1b`, `\\xff` (a byte that is no UTF-8), `\\u{202e}`, and `\\\\` for a backslash. The rest, where it applies:\n\n\
         | field | meaning |\n|---|---|\n",
    );
    for (name, help) in FIELDS {
        writeln!(page, "| `{name}` | {help} |").unwrap();
    }
    page
}

fn example() -> Event {
    let name = "orders-17.csv".into();
    let file = Subject { id: FileId(48213), name, attempt: 1, stage: "process" };
    let reason = Reason::new("ragged_row", "3 fields where the header has 4").at_line(418);
    let mut event = Event::new(Kind::FileQuarantined).folder("orders").file(file).because(&reason);
    event.at = "2026-11-22T09:14:37.123456Z".parse().unwrap();
    event
}

fn level(loudness: Loudness) -> &'static str {
    match loudness {
        Loudness::Debug => "debug",
        Loudness::Info => "info",
        Loudness::Warning => "warning",
        Loudness::Error => "error",
    }
}
