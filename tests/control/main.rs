//! An operator's orders, black box: with the daemon and without it, under load, with kills between the steps.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../harness/mod.rs"]
mod harness;

mod drain;
mod named;
mod pause;
mod retry;
mod retry_kills;
mod selection;
mod socket;
mod stranger;

use std::process::Command;

use harness::Drop;
use serde_json::Value;

/// What an order came to.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn by(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The objects that were printed, one a line.
    fn objects(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Gives an order over this folder.
fn order(drop: &Drop, arguments: &[&str]) -> Said {
    Said::by(drop.command(arguments))
}

/// One that must succeed.
fn done(drop: &Drop, arguments: &[&str]) -> String {
    let said = order(drop, arguments);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{arguments:?}: {said:?}");
    said.out
}

/// A text of the ledger.
fn told(drop: &Drop, sql: &str) -> String {
    drop.ledger().query_row(sql, [], |row| row.get::<_, Option<String>>(0)).unwrap().unwrap_or_default()
}
