//! Half a connection: the other side is gone, and nothing comes back, not even a refusal. In a network of the test's own.

use super::harness::postgres::Server;
use super::harness::{Daemon, Drop, has};
use std::process::Command;

/// A network in which packets can be made to vanish; it is removed with this.
struct Network {
    name: String,
}

impl Network {
    /// `None`, and says so: only root can make one, with Debian's iproute2 and iptables.
    fn new() -> Option<Self> {
        if !rustix::process::getuid().is_root() {
            #[expect(clippy::print_stderr, reason = "a skipped test says so")]
            {
                eprintln!("skipped: only root can make a network");
            }
            return None;
        }
        if !has("ip") || !has("iptables") {
            return None;
        }
        let network = Self { name: format!("importerd-test-{}", std::process::id()) };
        run(&["ip", "netns", "add", &network.name]);
        network.run(&["ip", "link", "set", "lo", "up"]);
        Some(network)
    }

    fn through(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    fn run(&self, words: &[&str]) {
        run(&[&self.through()[..], words].concat());
    }

    /// From now on nothing gets to this port, nor back.
    fn swallow(&self, port: u16, how: &str) {
        for side in ["--dport", "--sport"] {
            self.run(&["iptables", how, "INPUT", "-p", "tcp", side, &port.to_string(), "-j", "DROP"]);
        }
    }
}

impl std::ops::Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn run(words: &[&str]) {
    let output = Command::new(words[0]).args(&words[1..]).output().expect("run ip");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// By itself TCP takes two hours until it asks whether the other side is there: that no test waits for so long, and that
/// another client still waits when both sides of ours have given up, shows that it was noticed.
///
/// fault 91
#[test]
fn half_a_connection_is_given_up_in_seconds_by_both_sides() {
    let Some(network) = Network::new() else { return };
    let Some(server) = Server::start_through(&network.through()) else { return };
    let keys = format!("import = {{ into = \"{}\", table = \"orders\" }}", server.url_by_tcp("sslmode=disable"));
    let drop = Drop::with_daemon("backoff = { min = \"20ms\", max = \"100ms\" }", &keys);
    drop.put("0.csv", "id\n0\n");
    let mut daemon: Daemon = drop.launch_through(&network.through());
    daemon.wait_for_file("file.archived", "0.csv");
    // An answer that takes long: meanwhile the line dies.
    server.sql(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$",
    );
    server.sql("CREATE TRIGGER wait BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION wait()");
    let mut patient = server.patient_client(&network.through(), "SELECT pg_sleep(600)");
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    super::harness::eventually("another client waits", || server.number(asleep) == 1);
    let sleeping = format!("{asleep} AND application_name = 'importerd'");
    drop.put("1.csv", "id\n1\n");
    super::harness::eventually("its rows are on the way", || server.number(&sleeping) == 1);
    network.swallow(server.port(), "-A");
    let paused = daemon.wait_for("folder.paused")["reason"].to_string();
    assert!(paused.contains("connection closed"), "{paused}");
    // The server lets go of the dead client's transaction, and its locks.
    super::harness::eventually("the server notices", || server.number(&sleeping) == 0);
    assert!(patient.try_wait().expect("ask for psql").is_none(), "who doesn't ask doesn't notice");
    let _ = (patient.kill(), patient.wait());
    server.sql("DROP TRIGGER wait ON orders");
    network.swallow(server.port(), "-D");
    daemon.wait_for_file("file.archived", "1.csv");
    assert!(daemon.stop().success());
    assert_eq!(server.sql("SELECT id FROM orders ORDER BY id"), "0\n1");
}
