//! One connection to the server, with the settings that our promises rest on, and its prepared statements.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::slice;
use std::time::Duration;

use futures_util::future::{join, join5};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, CopyInSink, Error, Row, SimpleQueryMessage, Statement};

use super::driver::{Driver, Unconnected, patience, wait_for};
use super::fault::{During, LOCK_WAIT_SECS, fault, is_lost};
use super::tls::connector;
use crate::fault::Fault;
use crate::log::unescape;
use crate::settings::postgres::Address;

/// A parameter of a statement.
pub type Parameter<'p> = &'p (dyn ToSql + Sync);

/// Statements kept prepared per connection: about twenty of ours, and one for every layout in use.
const STATEMENTS_MAX: usize = 64;

/// What every session has, as far as the server knows it.
const SETTINGS: [(&str, &str); 4] = [
    // What is committed is durable, unless the operator chose more than that.
    ("synchronous_commit", "on"),
    // For a client that is there and stopped. A large file may be read anew between two statements.
    ("idle_in_transaction_session_timeout", "3600000"),
    ("statement_timeout", "0"),
    // Since PostgreSQL 17; a setting that the server doesn't know is passed over.
    ("transaction_timeout", "0"),
];

/// What it has where the server's system can do it: a dead client's transaction is let go of in seconds, with its locks, by
/// the kernel's timers, and by looking whether the client is there while a statement runs.
static WHERE_POSSIBLE: [(&str, &str); 5] = [
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
    ("client_connection_check_interval", "2000"),
];

const SILENT: &str = "see whether the server, or what is between, hangs; the folder resumes by itself";

/// A connection.
pub struct Session {
    client: Client,
    place: String,
    statements: RefCell<HashMap<String, Statement>>,
    /// Where our own tables are.
    schema: String,
    /// The database holds every character.
    holds_all: bool,
    /// A statement failed: PostgreSQL wants the transaction, or its savepoint, rolled back first.
    has_failed: Cell<bool>,
    /// There was a fault of the world.
    has_met_the_world: Cell<bool>,
    /// Nobody is at the other end any more.
    is_lost: Cell<bool>,
    /// How long an answer is waited for.
    patience: Cell<Duration>,
    /// One didn't come in that time.
    is_silent: Cell<bool>,
}

impl Session {
    /// Connects, and prepares the session. `to_write`: load markers are to be written in it.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: the server can't be reached, or doesn't let us in.
    pub fn open(driver: &Driver, address: &Address, to_write: bool) -> Result<Self, Fault> {
        let place = super::place(address);
        let unusable = |code, why: String| Fault::world(code, format!("{place}: {why}"));
        let mut config = address.config.clone();
        if let Some(secret) = &address.password {
            config.password(secret.read().map_err(|unread| {
                let fault = unusable("no_password", unread.why);
                unread.hint.into_iter().fold(fault, Fault::with_hint)
            })?);
        }
        let long = patience(&config);
        let tls = connector(&address.tls).map_err(|why| unusable("tls", why))?;
        let client = driver.connect(config, long, tls).map_err(|error| match error {
            Unconnected::Refused(error) => fault(&place, During::Upkeep, &error),
            Unconnected::Silent => silent(&place, long),
            Unconnected::Ended => Fault::fatal("panic", "the thread that talks to PostgreSQL ended"),
        })?;
        let statements = RefCell::default();
        let [has_failed, has_met_the_world, is_lost, is_silent] = [false; 4].map(Cell::new);
        let (schema, holds_all) = (String::new(), true);
        let patience = Cell::new(long);
        let mut session = Self {
            client,
            place,
            statements,
            schema,
            holds_all,
            has_failed,
            has_met_the_world,
            is_lost,
            patience,
            is_silent,
        };
        session.set_up(to_write)?;
        session.patience.set(Duration::MAX);
        Ok(session)
    }

    fn set_up(&mut self, to_write: bool) -> Result<(), Fault> {
        let lock_timeout = format!("{LOCK_WAIT_SECS}s");
        let mut promised = vec![("lock_timeout", lock_timeout.as_str())];
        promised.extend(SETTINGS);
        if !to_write {
            promised.push(("default_transaction_read_only", "on"));
        }
        self.set(&promised, to_write)?;
        let sql = "SELECT current_schema()::text, current_setting('server_encoding') IN ('UTF8', 'SQL_ASCII')";
        let there = self.query_one(sql, &[])?;
        self.holds_all = there.get(1);
        self.schema = there.get::<_, Option<String>>(0).ok_or_else(|| {
            let text = format!("{}: no schema of the role's search_path is there", self.place);
            Fault::world("target_missing", text).with_hint("create it, or set search_path for the role")
        })?;
        Ok(())
    }

    /// What is promised, and what is possible, in one round trip.
    fn set(&self, promised: &[(&str, &str)], to_write: bool) -> Result<(), Fault> {
        let sql = "SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS ours (name, value)
            JOIN pg_settings USING (name) WHERE name <> 'synchronous_commit' OR setting = 'off'";
        let statement = &self.statement(sql, During::Upkeep)?;
        let set = async |settings: &[(&str, &str)]| {
            let (names, values): (Vec<_>, Vec<_>) = settings.iter().copied().unzip();
            self.client.query(statement, &[&names, &values]).await
        };
        let [idle, interval, count, (timeout, limit), check] = WHERE_POSSIBLE;
        // Who only looks may be read slowly, and has no locks.
        let possible = [idle, interval, count, (timeout, if to_write { limit } else { "0" }), check];
        let [idle, interval, count, user, check] = possible.each_ref().map(|setting| set(slice::from_ref(setting)));
        let asked = async {
            let (promised, possible) = join(set(promised), join5(idle, interval, count, user, check)).await;
            let is_refused = |error: &Error| error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE);
            let missed = <[_; 5]>::from(possible).into_iter().filter_map(Result::err).find(|error| !is_refused(error));
            promised?;
            missed.map_or(Ok(()), Err)
        };
        self.answer(During::Upkeep, asked)
    }

    /// Where our own tables are.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Whether the database holds every character.
    pub fn holds_all(&self) -> bool {
        self.holds_all
    }

    /// A text of a file as our own tables hold it: in a database of Latin 1 and the like, what that may lack is escaped.
    pub fn storable(&self, text: String) -> String {
        if self.holds_all {
            return text;
        }
        let escaped = |character: char| match character {
            '\\' => r"\\".to_owned(),
            other if other.is_ascii() => other.to_string(),
            other => other.escape_unicode().to_string(),
        };
        text.chars().map(escaped).collect()
    }

    /// The text that was stored so.
    pub fn stored(&self, text: String) -> String {
        let unescaped = if self.holds_all { None } else { unescape(&text) };
        unescaped.and_then(|text| text.into_string().ok()).unwrap_or(text)
    }

    /// Whether nobody is at the other end any more.
    pub fn is_lost(&self) -> bool {
        self.is_lost.get() || self.client.is_closed()
    }

    /// Whether a statement failed since the last rollback.
    pub fn has_failed(&self) -> bool {
        self.has_failed.get()
    }

    /// Whether there ever was a fault of the world.
    pub fn has_met_the_world(&self) -> bool {
        self.has_met_the_world.get()
    }

    /// A fault that the session didn't make itself: one that begins anew may find that all is well.
    pub fn heed(&self, fault: &Fault) {
        self.has_met_the_world.set(self.has_met_the_world.get() || matches!(fault, Fault::World(_)));
    }

    /// What an error means for the file in hand.
    pub fn fault(&self, during: During, error: &Error) -> Fault {
        let fault = fault(&self.place, during, error);
        self.has_failed.set(true);
        self.heed(&fault);
        self.is_lost.set(self.is_lost.get() || is_lost(error));
        fault
    }

    /// Whether the server has kept still for longer than was waited for.
    pub fn is_silent(&self) -> bool {
        self.is_silent.get()
    }

    /// Whatever is asked in this work is answered soon, or the session is lost: nobody at the other end may be what hangs,
    /// and nothing that takes long is asked. A COMMIT of a load is none of it.
    pub fn soon<T>(&self, long: Duration, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        self.patience.set(long);
        let outcome = work();
        self.patience.set(Duration::MAX);
        outcome
    }

    /// What the server answers.
    fn answer<T>(&self, during: During, asked: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
        let long = self.patience.get();
        let answer = if self.is_silent() { None } else { wait_for(asked, long) };
        let Some(answer) = answer else {
            for now in [&self.has_failed, &self.has_met_the_world, &self.is_lost, &self.is_silent] {
                now.set(true);
            }
            return Err(silent(&self.place, long));
        };
        answer.map_err(|error| self.fault(during, &error))
    }

    /// Runs statements that answer nothing, in one round trip.
    pub fn run(&self, sql: &str) -> Result<(), Fault> {
        self.run_during(During::Upkeep, sql)
    }

    /// As [`Self::run`], for what a file wants of the schema.
    pub fn define(&self, sql: &str) -> Result<(), Fault> {
        self.run_during(During::Definition, sql)
    }

    fn run_during(&self, during: During, sql: &str) -> Result<(), Fault> {
        self.answer(during, self.client.batch_execute(sql))
    }

    /// As [`Self::run`], for what undoes a failure.
    pub fn undo(&self, sql: &str) -> Result<(), Fault> {
        self.run(sql)?;
        self.has_failed.set(false);
        Ok(())
    }

    /// Commits. Where it [is lost](Self::is_lost) afterwards, nobody knows whether it did.
    pub fn commit(&self) -> Result<(), Fault> {
        self.run_during(During::Commit, "COMMIT")
    }

    /// All rows of an answer.
    pub fn query(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Fault> {
        let statement = self.statement(sql, During::Upkeep)?;
        self.answer(During::Upkeep, self.client.query(&statement, parameters))
    }

    /// The only row of an answer.
    pub fn query_one(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Row, Fault> {
        self.query_one_during(During::Upkeep, sql, parameters)
    }

    /// The same, for what is asked of a file's rows.
    pub fn query_one_during(&self, during: During, sql: &str, parameters: &[Parameter<'_>]) -> Result<Row, Fault> {
        let statement = self.statement(sql, during)?;
        self.answer(during, self.client.query_one(&statement, parameters))
    }

    /// Runs a statement, and says how many rows it changed.
    pub fn execute(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<u64, Fault> {
        self.execute_during(During::Upkeep, sql, parameters)
    }

    /// The same, for what is done to the rows of a table.
    pub fn execute_during(&self, during: During, sql: &str, parameters: &[Parameter<'_>]) -> Result<u64, Fault> {
        let statement = self.statement(sql, during)?;
        self.answer(during, self.client.execute(&statement, parameters))
    }

    /// The same, of a statement that isn't kept prepared: one that a rule of its table makes nothing of stays nothing, also when
    /// the rule is gone.
    pub fn execute_anew(&self, during: During, sql: &str) -> Result<u64, Fault> {
        let said = self.answer(during, self.client.simple_query(sql))?;
        let changed = said.iter().map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => *rows,
            _ => 0,
        });
        Ok(changed.sum())
    }

    /// Begins a COPY into the server.
    pub fn copy(&self, sql: &str) -> Result<CopyInSink<bytes::Bytes>, Fault> {
        let statement = self.statement(sql, During::Upkeep)?;
        self.answer(During::Upkeep, self.client.copy_in(&statement))
    }

    /// Shows every row of an answer, whatever its length, until no more are wanted.
    pub fn each(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        visit: &mut dyn FnMut(&Row) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        use futures_util::TryStreamExt;
        let statement = self.statement(sql, During::Upkeep)?;
        let asked = self.client.query_raw(&statement, parameters.iter().copied());
        let mut rows = std::pin::pin!(self.answer(During::Upkeep, asked)?);
        while let Some(row) = self.answer(During::Upkeep, rows.as_mut().try_next())? {
            if !visit(&row)? {
                break;
            }
        }
        Ok(())
    }

    fn statement(&self, sql: &str, during: During) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.answer(during, self.client.prepare(sql))?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS_MAX {
            // The server lets go of them when the last copy is gone.
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn silent(place: &str, long: Duration) -> Fault {
    Fault::world("target_unreachable", format!("{place}: nothing was answered for {long:?}")).with_hint(SILENT)
}
