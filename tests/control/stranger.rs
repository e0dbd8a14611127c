//! Who isn't the daemon's user: an order of his, or a start, leaves nothing that the daemon can't read.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use crate::harness::{Daemon, Drop};
use crate::{Said, order};

const NOBODY: u32 = 65_534;

/// A folder, a ledger with an archived and a refused file, and all of it another user's. `None`: only root can make one.
fn of_nobody() -> Option<(Drop, PathBuf)> {
    if !geteuid().is_root() {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: only root can be another user");
        }
        return None;
    }
    let drop = Drop::new();
    drop.put("good.csv", "id\n1\n");
    drop.put("bad.csv", "id\n1,2\n");
    assert_eq!(drop.once().code(), Some(1));
    let program = drop.root().join("importerd");
    // By another process: a program that is open for writing in a child of another thread can't be started.
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_importerd")).arg(&program).status().unwrap().success());
    fs::set_permissions(drop.root(), fs::Permissions::from_mode(0o755)).unwrap();
    for path in everything(drop.root()).into_iter().chain([drop.root().to_owned()]) {
        lchown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    Some((drop, program))
}

/// All that lies below, hidden or not.
fn everything(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}

/// What of it belongs to root.
fn of_root(drop: &Drop) -> Vec<PathBuf> {
    let is_roots = |path: &PathBuf| fs::symlink_metadata(path).unwrap().uid() == 0;
    everything(drop.root()).into_iter().filter(is_roots).collect()
}

/// The same, typed by the daemon's user.
fn as_nobody(drop: &Drop, program: &Path, arguments: &[&str]) -> Command {
    let typed = drop.command(arguments);
    let mut command = Command::new(program);
    command.args(typed.get_args()).uid(NOBODY).gid(NOBODY).current_dir("/").env_remove("NOTIFY_SOCKET");
    command
}

#[test]
fn root_is_told_to_order_as_the_daemons_user_where_none_runs_and_leaves_nothing_behind() {
    let Some((drop, program)) = of_nobody() else { return };
    for arguments in [
        &["replay", "good.csv"][..],
        &["replay", "--folder", "drop", "--yes"],
        &["forget", "good.csv"],
        &["retry", "bad.csv"],
        &["pause", "drop"],
        &["once"],
        &["run"],
    ] {
        let said = order(&drop, arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(77), ""), "{arguments:?}: {said:?}");
        let ledger = drop.state().join("ledger.db");
        let text = format!("importerd: {} belongs to user {NOBODY}, and this is user 0\n", ledger.display());
        assert!(said.err.starts_with(&text), "{said:?}");
        let typed = format!("type it as that user: sudo -u '#{NOBODY}' importerd --log json -v --config");
        assert!(said.err.contains(&typed) && said.err.trim_end().ends_with(&arguments.join(" ")), "{said:?}");
        assert_eq!(of_root(&drop), Vec::<PathBuf>::new(), "{arguments:?}");
    }
    // A folder that is new to the settings is not made, either.
    let settings = fs::read_to_string(drop.settings()).unwrap();
    let new = drop.root().join("new");
    let added = format!("[folder.new]\npath = {new:?}\nimport = {{ into = \"sqlite:rows.db\" }}\n");
    fs::write(drop.settings(), settings + &added).unwrap();
    assert_eq!(order(&drop, &["pause", "new"]).code, Some(77));
    assert!(!new.exists());
    let said = Said::by(as_nobody(&drop, &program, &["retry", "bad.csv"]));
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// As in a container that runs all as root, on a volume of the host's user.
#[test]
fn a_lost_ledger_is_made_anew_by_whom_the_files_in_hand_belong_to_whoever_owns_the_state_directory() {
    let Some((drop, _)) = of_nobody() else { return };
    for path in everything(drop.root()) {
        lchown(&path, Some(0), Some(0)).unwrap();
    }
    lchown(drop.state(), Some(NOBODY), Some(NOBODY)).unwrap();
    fs::remove_file(drop.state().join("ledger.db")).unwrap();
    let said = order(&drop, &["ledger", "rebuild", "--yes"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(of_root(&drop).iter().filter(|path| path.ends_with("ledger.db")).count(), 1);
}

#[test]
fn a_state_directory_that_root_made_is_used_by_who_may_write_in_it() {
    let Some((drop, program)) = of_nobody() else { return };
    // As before the first start.
    fs::remove_dir_all(drop.path()).unwrap();
    fs::create_dir(drop.path()).unwrap();
    lchown(drop.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    fs::remove_dir_all(drop.state()).unwrap();
    fs::create_dir(drop.state()).unwrap();
    let pause = || Said::by(as_nobody(&drop, &program, &["pause", "drop"]));
    fs::set_permissions(drop.state(), fs::Permissions::from_mode(0o755)).unwrap();
    let said = pause();
    let text = format!("importerd: {} belongs to user 0, and this is user {NOBODY}\n", drop.state().display());
    assert!(said.code == Some(77) && said.err.starts_with(&text), "{said:?}");
    fs::set_permissions(drop.state(), fs::Permissions::from_mode(0o777)).unwrap();
    let said = pause();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(of_root(&drop), [drop.state()]);
}

#[test]
fn what_a_daemon_may_not_read_of_its_folder_is_a_failure_of_check() {
    let Some((drop, program)) = of_nobody() else { return };
    let said = Said::by(as_nobody(&drop, &program, &["check"]));
    assert_eq!(said.code, Some(0), "the control: {said:?}");
    let remembered = drop.path().join("active/.ledger");
    fs::set_permissions(&remembered, fs::Permissions::from_mode(0o640)).unwrap();
    lchown(&remembered, Some(0), Some(0)).unwrap();
    let mut daemon = Daemon::of(as_nobody(&drop, &program, &["run"]));
    assert_eq!(daemon.end().code(), Some(77), "it doesn't start");
    let said = Said::by(as_nobody(&drop, &program, &["check"]));
    assert_eq!(said.code, Some(77), "{said:?}");
    assert!(said.out.contains("active/.ledger can't be read: Permission denied"), "{said:?}");
    assert!(said.out.contains(&format!("fix: sudo chown {NOBODY} {}", remembered.display())), "{said:?}");
}
