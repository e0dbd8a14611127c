//! A PostgreSQL server of the test's own: a private cluster, reached by a Unix socket, and by TCP with TLS.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, getuid, kill_process};

use super::has;

/// Another program may take the port between choosing it and listening on it.
const PORTS_TRIED_MAX: usize = 5;

/// The role that owns everything, and the database of the tests.
pub const ROLE: &str = "tester";
pub const DATABASE: &str = "postgres";

/// What the cluster is made with: nothing of it outlives the test.
const INITDB: [&str; 8] = [
    "--no-sync",
    "--auth=trust",
    "--username=tester",
    "--locale=C",
    "--encoding=UTF8",
    "--wal-segsize=1",
    "--no-instructions",
    "-D",
];

/// A server that is running, until it is dropped.
pub struct Server {
    directory: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    child: Option<Child>,
    /// Through which it is started: `ip netns exec NAME`.
    through: Vec<String>,
}

impl Server {
    /// Starts one. `None`, and says so: PostgreSQL isn't installed.
    pub fn start() -> Option<Self> {
        Self::start_through(&[])
    }

    /// Starts one through another program, which must become it.
    pub fn start_through(through: &[&str]) -> Option<Self> {
        let programs = programs()?;
        if !has("openssl") || !has("setpriv") {
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let through = through.iter().map(ToString::to_string).collect();
        let mut server = Self { directory, programs, port: 0, child: None, through };
        server.copy_cluster();
        assert!((0..PORTS_TRIED_MAX).any(|_| server.launch()), "no server on any port");
        Some(server)
    }

    /// The database, by its socket.
    pub fn url(&self) -> String {
        format!("postgres://{ROLE}@/{DATABASE}?host={}&port={}", self.directory.path().display(), self.port)
    }

    /// The same by TCP, with these parameters.
    pub fn url_by_tcp(&self, parameters: &str) -> String {
        url_by_port(self.port, parameters)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of the authority that signed the server's.
    pub fn root_certificate(&self) -> PathBuf {
        self.directory.path().join("root.crt")
    }

    /// Where it keeps its data.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// What psql answers: fields separated by `|`, a row a line.
    pub fn sql(&self, sql: &str) -> String {
        self.sql_in(DATABASE, sql)
    }

    /// A number that it answers; 0 where the statement fails, as before a table is made.
    pub fn number(&self, sql: &str) -> u64 {
        self.psql(DATABASE, sql).ok().and_then(|said| said.trim().parse().ok()).unwrap_or_default()
    }

    fn sql_in(&self, database: &str, sql: &str) -> String {
        self.psql(database, sql).unwrap_or_else(|said| panic!("{sql}: {said}"))
    }

    fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-P",
            "null=NULL",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            ROLE,
            "-d",
            database,
            "-c",
            sql,
        ]);
        psql.arg("-h").arg(self.directory.path()).args(["-p", &self.port.to_string()]);
        let output = psql.stdin(Stdio::null()).output().expect("run psql");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// A client that never gives up by itself, with a question that takes this long.
    pub fn patient_client(&self, through: &[&str], sql: &str) -> Child {
        let address = format!("host=127.0.0.1 port={} user={ROLE} dbname={DATABASE} keepalives=0", self.port);
        let mut command = Command::new(through[0]);
        command.args(&through[1..]).arg(self.programs.join("psql")).args(["-X", "-q", "-d", &address, "-c", sql]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("run psql")
    }

    /// Stops it as its administrator would in a hurry: sessions are ended, nothing is lost.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    /// Ends it as a power cut would.
    pub fn crash(&mut self) {
        self.end(Signal::QUIT);
    }

    /// Starts it again, where it was.
    pub fn start_again(&mut self) {
        assert!(self.launch_on(self.port), "the server doesn't start again");
    }

    /// As if it had had so many transactions, while it is stopped.
    pub fn set_next_transaction(&self, number: u64) {
        // Its log of them has so many a file, two bits each.
        let log = self.data().join(format!("pg_xact/{:04X}", number >> 20));
        fs::write(&log, vec![0; 1 << 18]).expect("write its log");
        chown(&log);
        let words = ["-x".to_owned(), number.to_string(), "-D".to_owned(), self.data().display().to_string()];
        let output = as_server(&self.programs.join("pg_resetwal"), &words, &[]).output().expect("run pg_resetwal");
        assert!(output.status.success(), "pg_resetwal: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut child) = self.child.take() {
            let _ = kill_process(Pid::from_child(&child), signal);
            child.wait().expect("wait for the server");
        }
    }

    /// Cluster and certificates are made once for all tests of this build, and copied.
    fn copy_cluster(&self) {
        let version = fs::metadata(self.programs.join("postgres")).expect("postgres").len();
        let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("postgres-{version}"));
        if !template.exists() {
            let making = tempfile::tempdir().expect("a temporary directory");
            self.make_cluster(making.path());
            make_certificates(making.path());
            // Another test may make one at the same time: the first that is whole is taken.
            let beside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
            copy(making.path(), &beside.path().join("whole"));
            let _ = fs::rename(beside.path().join("whole"), &template);
        }
        copy(&template.join("."), self.directory.path());
        // The server refuses to run as root.
        fs::set_permissions(self.directory.path(), fs::Permissions::from_mode(0o777)).expect("chmod");
        for name in ["data", "server.key", "server.crt"] {
            chown(&self.directory.path().join(name));
        }
    }

    fn make_cluster(&self, directory: &Path) {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).expect("chmod");
        let mut words: Vec<String> = INITDB.map(str::to_owned).into();
        words.push(directory.join("data").display().to_string());
        let output = as_server(&self.programs.join("initdb"), &words, &[]).output().expect("run initdb");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn launch(&mut self) -> bool {
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a port");
        self.launch_on(free.port())
    }

    fn launch_on(&mut self, port: u16) -> bool {
        let at = |name: &str| self.directory.path().join(name).display().to_string();
        let settings = [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", self.directory.path().display()),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", at("server.crt")),
            format!("ssl_key_file={}", at("server.key")),
            // A crash of the server's machine is no part of these tests.
            "fsync=off".to_owned(),
            "max_connections=20".to_owned(),
            "shared_buffers=16MB".to_owned(),
            "logging_collector=off".to_owned(),
        ];
        let mut words = vec!["-D".to_owned(), at("data")];
        words.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
        let mut command = as_server(&self.programs.join("postgres"), &words, &self.through);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("start postgres");
        let mut log = BufReader::new(child.stderr.take().expect("its log"));
        let mut line = String::new();
        while log.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            if line.contains("ready to accept connections") {
                self.port = port;
                self.child = Some(child);
                // Read to its end, so that the server never waits for room in the pipe.
                std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
                return true;
            }
            line.clear();
        }
        let _ = child.wait();
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(Signal::QUIT);
    }
}

/// The database by TCP, through this port of this machine.
pub fn url_by_port(port: u16, parameters: &str) -> String {
    format!("postgres://{ROLE}@localhost:{port}/{DATABASE}?hostaddr=127.0.0.1&{parameters}")
}

/// The port of one that says that all is well, and then nothing, until the test ends.
pub fn lets_in_and_never_answers() -> u16 {
    const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("its number").port();
    std::thread::spawn(move || {
        let mut let_in = Vec::new();
        for mut client in listener.incoming().flatten() {
            let mut length = [0; 4];
            client.read_exact(&mut length).expect("how long its first message is");
            let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
            client.read_exact(&mut rest).expect("who it is");
            client.write_all(WELCOME).expect("let it in");
            let_in.push(client);
        }
    });
    port
}

/// Where Debian has the programs of the newest version; elsewhere, as `PATH` says.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.splice(0..0, std::env::split_paths(&path).collect::<Vec<_>>());
    let found = found
        .into_iter()
        .rfind(|directory| ["initdb", "postgres", "psql"].iter().all(|it| directory.join(it).is_file()));
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "PostgreSQL is missing: tests/all installs it");
        eprintln!("skipped: PostgreSQL is not installed (tests/all installs it)");
    }
    found
}

/// A command that ends with this thread, and isn't root's.
fn as_server(program: &Path, words: &[String], through: &[String]) -> Command {
    let mut all: Vec<String> = through.to_vec();
    all.extend(["setpriv", "--pdeathsig", "INT"].map(str::to_owned));
    if getuid().is_root() {
        all.extend(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"].map(str::to_owned));
    }
    all.push(program.display().to_string());
    let mut command = Command::new(&all[0]);
    command.args(&all[1..]).args(words).current_dir("/").env("LC_ALL", "C");
    command
}

fn chown(path: &Path) {
    if getuid().is_root() {
        let status = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(path).status().expect("run chown");
        assert!(status.success(), "chown {}", path.display());
    }
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("run cp");
    assert!(status.success(), "copy {}", from.display());
}

/// An authority's, and the server's, for `localhost`, which it signed.
fn make_certificates(directory: &Path) {
    let at = |name: &str| directory.join(name).display().to_string();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "9999"];
    let of_root = ["req", "-x509", "-subj", "/CN=test authority", "-out", &at("root.crt"), "-keyout", &at("root.key")];
    openssl(&[&of_root[..], &key].concat());
    let names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"];
    let signed = ["-CA", &at("root.crt"), "-CAkey", &at("root.key")];
    let of_server = ["req", "-x509", "-subj", "/CN=localhost", "-out", &at("server.crt"), "-keyout", &at("server.key")];
    openssl(&[&of_server[..], &names, &signed, &key].concat());
    fs::set_permissions(at("server.key"), fs::Permissions::from_mode(0o600)).expect("chmod");
}

fn openssl(words: &[&str]) {
    let output = Command::new("openssl").args(words).output().expect("run openssl");
    assert!(output.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}
