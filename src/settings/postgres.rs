//! The address of a PostgreSQL database: a URL as libpq knows it, and where its password is.
//!
//! The library reads the URL; what it doesn't know, or not as libpq means it, is taken out first: `sslmode` and
//! `sslrootcert`. No password is ever shown: not by `Debug`, not by `Display`, not in an error.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// The schemes, as libpq has them.
pub const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// How to write one.
pub const EXAMPLE: &str = "postgres://user@host/database";

/// How long a server may take to answer, where the URL doesn't say.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The server's usual one.
const PORT: u16 = 5432;

/// Where the service that is shipped has its credentials.
const CREDENTIALS_OF_SERVICE: &str = "/run/credentials/importerd.service";

/// How long a connection is silent before the kernel asks whether the other side is still there, how often it asks, and
/// how long that, or what was sent, may be unanswered: half a connection is noticed after a minute. Not sooner, for Linux counts
/// against it also where the other side answers, and only has no room for more: as one does that takes rows slowly, by a trigger,
/// or since its disk stalls.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const USER_TIMEOUT: Duration = Duration::from_mins(1);

/// Where a PostgreSQL database is, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// As the library wants it; its `Debug` hides the password.
    pub config: Config,
    /// What the server must prove.
    pub tls: Tls,
    /// Where the password is, when not in the URL.
    pub password: Option<Secret>,
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    Disable,
    /// Where the server has it, whoever that is.
    Prefer,
    /// Always, whoever the server is.
    Require,
    /// Only with a certificate that goes back to one in this file.
    VerifyCa(PathBuf),
    /// And that is for the host's name.
    VerifyFull(PathBuf),
}

/// A password that lies elsewhere. It is read anew for every connection, so that a changed one is taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// This file; a newline at its end doesn't count.
    File(PathBuf),
    /// systemd's credential of this name, in `$CREDENTIALS_DIRECTORY` or where the service has it.
    Credential(String),
}

/// Whether this is the address of a PostgreSQL database.
#[must_use]
pub fn is_address(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| SCHEMES.contains(&scheme))
}

impl Address {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(url: &str) -> Result<Self, String> {
        if has_hidden_parameters(url) {
            return Err(format!(
                "a ? before the @: write %3F in a password, and %40 for an @ behind; write it like {EXAMPLE}"
            ));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut kept, mut mode, mut root) = (Vec::new(), None, None);
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => root = Some(PathBuf::from(decoded(value)?)),
                _ => kept.push(parameter),
            }
        }
        let url = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        let mut config: Config = url.parse().map_err(|error| not_understood(&error))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(format!("no host is named; write it like {EXAMPLE}, or ?host=/run/postgresql for a socket"));
        }
        let tls = Tls::of(mode, root)?;
        config.ssl_mode(tls.of_library());
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("importerd");
        }
        config.keepalives(true).keepalives_idle(KEEPALIVE_IDLE).keepalives_interval(KEEPALIVE_INTERVAL);
        config.tcp_user_timeout(USER_TIMEOUT);
        Ok(Self { config, tls, password: None })
    }

    /// Whether the URL has the password in it.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }
}

/// Without a password, and without what is not needed to know which database it is.
impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let ports = self.config.get_ports();
        let mut socket = None;
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            match host {
                Host::Tcp(name) => {
                    write!(f, "{}{name}", if at > 0 { "," } else { "" })?;
                    if let Some(port) = ports.get(at).or(ports.first()).filter(|port| **port != PORT) {
                        write!(f, ":{port}")?;
                    }
                }
                Host::Unix(path) => socket = Some(path),
            }
        }
        write!(f, "/{}", self.config.get_dbname().or(self.config.get_user()).unwrap_or_default())?;
        let Some(path) = socket else { return Ok(()) };
        write!(f, "?host={}", path.display())?;
        ports.first().filter(|port| **port != PORT).map_or(Ok(()), |port| write!(f, "&port={port}"))
    }
}

impl Tls {
    /// libpq's words; `require` with a root certificate is `verify-ca`, as there.
    fn of(mode: Option<&str>, root: Option<PathBuf>) -> Result<Self, String> {
        let needs_root = |mode: &str| {
            format!("sslmode={mode} needs sslrootcert=FILE, for instance /etc/ssl/certs/ca-certificates.crt")
        };
        match (mode.unwrap_or("prefer"), root) {
            ("disable", _) => Ok(Self::Disable),
            ("prefer", _) => Ok(Self::Prefer),
            ("require", None) => Ok(Self::Require),
            ("require" | "verify-ca", Some(root)) => Ok(Self::VerifyCa(root)),
            ("verify-full", Some(root)) => Ok(Self::VerifyFull(root)),
            (mode @ ("verify-ca" | "verify-full"), None) => Err(needs_root(mode)),
            _ => Err("sslmode is one of disable, prefer, require, verify-ca, verify-full".to_owned()),
        }
    }

    fn of_library(&self) -> SslMode {
        match self {
            Self::Disable => SslMode::Disable,
            Self::Prefer => SslMode::Prefer,
            Self::Require | Self::VerifyCa(_) | Self::VerifyFull(_) => SslMode::Require,
        }
    }
}

/// Why there is no password, and what to do.
#[derive(Debug)]
pub struct Unread {
    /// Where it can't be read, and why.
    pub why: String,
    /// What is to be typed, if that helps.
    pub hint: Option<String>,
}

impl Secret {
    /// Reads the password. A credential that systemd didn't give this process is read where the service has it: as long as it runs,
    /// its user and root may, so that what an operator types reaches the same database.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(&self) -> Result<String, Unread> {
        let given = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let is_given = given.is_some();
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Credential(name) => given.unwrap_or_else(|| CREDENTIALS_OF_SERVICE.into()).join(name),
        };
        let text = std::fs::read_to_string(&path).map_err(|error| match self {
            Self::Credential(name) if !is_given => Unread {
                why: format!("systemd gave the credential {name} to the service alone ({}: {error})", path.display()),
                hint: Some(format!(
                    "start the service, and type this as root or as its user; or type \
                     systemd-run --pipe --wait -p User=importerd -p LoadCredential={name}:FILE importerd …"
                )),
            },
            _ => Unread { why: format!("{}: {error}", path.display()), hint: None },
        })?;
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }
}

/// A `?` before the first `@`: for the library it is part of the password, for everybody else its end, so `sslmode` behind it
/// would not be heeded.
fn has_hidden_parameters(url: &str) -> bool {
    url.split_once('@').is_some_and(|(user, _)| user.contains('?'))
}

/// The URL with stars in place of its password. For what is not known to be a good one, too.
#[must_use]
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://").filter(|_| is_address(url)) else { return url.to_owned() };
    if has_hidden_parameters(rest) {
        // Where its password ends, nobody knows.
        return format!("{scheme}://***");
    }
    let (base, query) = rest.split_once('?').map_or((rest, None), |(base, query)| (base, Some(query)));
    let base = match base.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{user}:***@{host}"),
        None => base.to_owned(),
    };
    let hidden = |parameter: &str| match parameter.split_once('=') {
        Some((name @ "password", _)) => format!("{name}=***"),
        _ => parameter.to_owned(),
    };
    let query = query.map(|query| query.split('&').map(hidden).collect::<Vec<_>>().join("&"));
    query.map_or_else(|| format!("{scheme}://{base}"), |query| format!("{scheme}://{base}?{query}"))
}

/// A word of a command line, which may have such a URL in it.
#[must_use]
pub fn word_without_password(word: &str) -> String {
    let begin = SCHEMES.iter().filter_map(|scheme| word.find(&format!("{scheme}://"))).min();
    let (before, url) = word.split_at(begin.unwrap_or(word.len()));
    format!("{before}{}", without_password(url))
}

/// The URL as it is kept for others: what was not given to be written down is left out.
pub(super) fn to_be_recorded(url: &str) -> String {
    if !is_address(url) {
        return url.to_owned();
    }
    let hidden = without_password(url).replacen(":***@", "@", 1);
    let Some((base, query)) = hidden.split_once('?') else { return hidden };
    let kept: Vec<_> = query.split('&').filter(|parameter| *parameter != "password=***").collect();
    if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) }
}

/// The library names the parameter, never its value.
fn not_understood(error: &tokio_postgres::Error) -> String {
    let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("the URL is not understood ({why}); write it like {EXAMPLE}")
}

/// A parameter's `%2F`.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        bytes.push(match byte {
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or_default(),
                _ => return Err("a % in sslrootcert is not followed by two hexadecimal digits".to_owned()),
            },
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| "sslrootcert is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_database_is_and_is_shown_without_its_password() {
        for (url, shown) in [
            ("postgres://ann:s3cret@db.example.com/sales", "postgres://ann@db.example.com/sales"),
            ("postgresql://ann:s3cret@db:5433/sales?sslmode=require", "postgres://ann@db:5433/sales"),
            ("postgres://ann:p%40ss@[::1]/sales", "postgres://ann@::1/sales"),
            ("postgres:///sales?host=/run/postgresql&user=ann", "postgres://ann@/sales?host=/run/postgresql"),
            ("postgres:///sales?host=/tmp&port=5433&user=ann", "postgres://ann@/sales?host=/tmp&port=5433"),
            ("postgres://ann@one:1,two:2/sales?target_session_attrs=read-write", "postgres://ann@one:1,two:2/sales"),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.to_string(), shown);
            for text in [format!("{address:?}"), without_password(url)] {
                assert!(!text.contains("s3cret") && !text.contains("p%40ss") && !text.contains("p@ss"), "{text}");
            }
        }
        let shown = without_password("postgres://ann@db/sales?password=s3cret&sslmode=disable");
        assert_eq!(shown, "postgres://ann@db/sales?password=***&sslmode=disable");
        assert_eq!(without_password("sqlite:a@b:c.db"), "sqlite:a@b:c.db");
        let word = word_without_password("--set=folder.x.import.into=postgresql://ann:s3cret@db/sales");
        assert_eq!(word, "--set=folder.x.import.into=postgresql://ann:***@db/sales");
        assert_eq!(word_without_password("folder.x.settle=2s"), "folder.x.settle=2s");
    }

    #[test]
    fn a_url_is_recorded_without_a_password() {
        for (url, recorded) in [
            ("postgres://ann:s3cret@db/sales?sslmode=require", "postgres://ann@db/sales?sslmode=require"),
            ("postgres://db/sales?user=ann&password=s3cret", "postgres://db/sales?user=ann"),
            ("postgres://db/sales?password=s3cret", "postgres://db/sales"),
            ("postgres://ann@db/sales", "postgres://ann@db/sales"),
            ("sqlite:a:***@b.db", "sqlite:a:***@b.db"),
        ] {
            assert_eq!(to_be_recorded(url), recorded);
        }
    }

    #[test]
    fn a_password_with_a_question_mark_is_refused_and_not_shown() {
        for url in [
            "postgres://ann:s3?cret@db.example.com/sales",
            "postgres://ann:s3?cret@db.example.com/sales?sslmode=verify-full",
            "postgres://ann:s3?a&b@db/sales",
            "postgres://ann:s3?password=cret@db/sales",
            "postgres://db:5433/sales?password=s3@cret",
        ] {
            let wrong = Address::parse(url).unwrap_err();
            assert!(wrong.contains("%3F") && !wrong.contains("s3"), "{url}: {wrong}");
            assert_eq!(without_password(url), "postgres://***", "{url}");
        }
        let encoded = "postgres://ann:s3%3Fcret@db/sales?sslmode=disable&options=-c%20a=b";
        assert_eq!(Address::parse(encoded).unwrap().config.get_password(), Some(&b"s3?cret"[..]));
        assert_eq!(without_password(encoded), "postgres://ann:***@db/sales?sslmode=disable&options=-c%20a=b");
    }

    #[test]
    fn what_is_not_understood_is_said_without_repeating_it() {
        for (url, why) in [
            ("postgres://ann:s3cret@db/sales?sslmode=maybe", "sslmode is one of"),
            ("postgres://ann:s3cret@db/sales?sslmode=verify-full", "sslmode=verify-full needs sslrootcert=FILE"),
            ("postgres://ann:s3cret@db/sales?nonsense=s3cret", "`nonsense`"),
            ("postgres://ann:s3cret@db:port/sales", "not understood"),
            ("postgres:///sales", "no host is named"),
        ] {
            let wrong = Address::parse(url).unwrap_err();
            assert!(wrong.contains(why) && !wrong.contains("s3cret"), "{url}: {wrong}");
        }
    }

    #[test]
    fn the_modes_of_tls_mean_what_they_mean_to_libpq() {
        let root = || PathBuf::from("/etc/root.crt");
        for (query, tls) in [
            ("", Tls::Prefer),
            ("?sslmode=disable", Tls::Disable),
            ("?sslmode=require", Tls::Require),
            ("?sslmode=require&sslrootcert=%2Fetc/root.crt", Tls::VerifyCa(root())),
            ("?sslmode=verify-ca&sslrootcert=/etc/root.crt", Tls::VerifyCa(root())),
            ("?sslrootcert=/etc/root.crt&sslmode=verify-full", Tls::VerifyFull(root())),
        ] {
            assert_eq!(Address::parse(&format!("postgres://db/sales{query}")).unwrap().tls, tls, "{query}");
        }
    }
}
