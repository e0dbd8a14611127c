//! An OpenSSH server of the test's own, for uploads by scp and sftp.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Another program may take the port between choosing it and listening on it.
const PORTS_TRIED_MAX: usize = 5;

/// The server, listening on 127.0.0.1; it ends with this.
pub struct Sshd {
    directory: PathBuf,
    port: u16,
    server: Child,
}

impl Sshd {
    /// Starts one with keys and settings in a fresh directory. What it says is the reason why it can't run.
    pub fn start(directory: &Path) -> Result<Self, String> {
        fs::create_dir(directory).map_err(|error| error.to_string())?;
        make_key(&directory.join("host"))?;
        make_key(&directory.join("user"))?;
        fs::copy(directory.join("user.pub"), directory.join("authorized")).map_err(|error| error.to_string())?;
        if rustix::process::getuid().is_root() {
            // Where Debian's sshd confines itself; the package makes it at boot only.
            fs::create_dir_all("/run/sshd").map_err(|error| error.to_string())?;
        }
        let mut said = String::new();
        for _ in 0..PORTS_TRIED_MAX {
            match listen(directory) {
                Ok((server, port)) => return Ok(Self { directory: directory.to_owned(), port, server }),
                Err(reason) => said = reason,
            }
        }
        Err(said)
    }

    /// A command line of scp or sftp to this server; `port` is how that program calls its option.
    pub fn client(&self, program: &str, port: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-q", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]);
        command.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        command.arg("-i").arg(self.directory.join("user")).args([port, &self.port.to_string()]);
        command
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn make_key(path: &Path) -> Result<(), String> {
    let mut command = Command::new("ssh-keygen");
    let output = command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("ssh-keygen: {error}")),
    }
}

fn listen(directory: &Path) -> Result<(Child, u16), String> {
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).map_err(|error| error.to_string())?;
    let (port, at) = (port.port(), directory.display());
    let settings = directory.join("config");
    let text = format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized\nPidFile none\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n\
         Subsystem sftp internal-sftp\n"
    );
    fs::write(&settings, text).map_err(|error| error.to_string())?;
    fs::set_permissions(&settings, fs::Permissions::from_mode(0o600)).map_err(|error| error.to_string())?;
    // sshd starts itself again for each connection, and wants to be called by its whole path for that.
    let mut server = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f"])
        .arg(&settings)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("/usr/sbin/sshd: {error}"))?;
    let mut lines = BufReader::new(server.stderr.take().expect("its stderr")).lines();
    let mut said = String::new();
    for line in lines.by_ref().map_while(Result::ok) {
        if line.starts_with("Server listening on") {
            // Read on, so that it never waits for room in the pipe.
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            return Ok((server, port));
        }
        said = line;
    }
    let _ = server.wait();
    Err(said)
}
