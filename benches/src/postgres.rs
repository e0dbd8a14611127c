//! A PostgreSQL server of the measurement's own, with what is the default: every commit is flushed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, getuid, kill_process};

use crate::Outcome;

/// It listens only at a socket in its own directory, so any number will do.
const PORT: u16 = 5432;

/// Who owns everything.
const ROLE: &str = "bench";

/// Running until it is dropped.
pub struct Server {
    directory: PathBuf,
    programs: PathBuf,
    child: Child,
}

impl Server {
    /// A new one below this directory.
    pub fn start(below: &Path) -> Outcome<Self> {
        let programs = programs().ok_or("PostgreSQL is not installed")?;
        let directory = below.join(format!("postgres-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        // The server refuses to run as root.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777))?;
        let data = directory.join("data");
        let mut initdb = as_server(&programs.join("initdb"));
        initdb.args(["--auth=trust", "--locale=C", "--encoding=UTF8", "--no-instructions", "--username", ROLE, "-D"]);
        succeeded(&initdb.arg(&data).output()?)?;
        let mut postgres = as_server(&programs.join("postgres"));
        postgres.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c", &format!("port={PORT}")]);
        postgres.arg("-c").arg(format!("unix_socket_directories={}", directory.display()));
        let mut child = postgres.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut log = BufReader::new(child.stderr.take().ok_or("no log")?);
        let mut line = String::new();
        while !line.contains("ready to accept connections") {
            line.clear();
            if log.read_line(&mut line)? == 0 {
                return Err("the server doesn't start".into());
            }
        }
        // Read to its end, so that the server never waits for room in the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(Self { directory, programs, child })
    }

    /// The database that is imported into.
    pub fn url(&self) -> String {
        format!("postgres://{ROLE}@/bench?host={}&port={PORT}", self.directory.display())
    }

    /// Begins the database anew.
    pub fn clear(&self) -> Outcome<()> {
        for sql in ["DROP DATABASE IF EXISTS bench", "CREATE DATABASE bench", "CHECKPOINT"] {
            succeeded(&self.psql_in("postgres").args(["-c", sql]).output()?)?;
        }
        Ok(())
    }

    /// A client of the database.
    pub fn psql(&self) -> Command {
        self.psql_in("bench")
    }

    fn psql_in(&self, database: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", ROLE, "-d", database, "-p", &PORT.to_string(), "-h"]);
        command.arg(&self.directory);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn succeeded(output: &Output) -> Outcome<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.lines().last().unwrap_or("it failed").into()) }
}

/// Where Debian has the programs of the newest version; elsewhere, as `PATH` says.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort();
    found.extend(versions);
    found.into_iter().rfind(|directory| ["initdb", "postgres", "psql"].iter().all(|it| directory.join(it).is_file()))
}

/// A command that isn't root's.
fn as_server(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if getuid().is_root() {
        command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
    }
    command.arg(program).current_dir("/").env("LC_ALL", "C");
    command
}
