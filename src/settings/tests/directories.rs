//! Where state and runtime files go.

use std::ffi::OsString;
use std::path::Path;

use crate::settings::directories::{Directories, Surroundings};

fn found_by(
    state_flag: Option<&str>,
    runtime_flag: Option<&str>,
    system: bool,
    variables: &[(&str, &str)],
) -> Result<(String, String), String> {
    let environment =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
    let (state_flag, runtime_flag) = (state_flag.map(Path::new), runtime_flag.map(Path::new));
    let directories = Directories::find(&Surroundings { state_flag, runtime_flag, system, environment });
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    directories.map(|found| (text(&found.state), text(&found.runtime))).map_err(|error| error.to_string())
}

fn found(flag: Option<&str>, system: bool, variables: &[(&str, &str)]) -> Result<(String, String), String> {
    found_by(flag, flag, system, variables)
}

fn both(state: &str, runtime: &str) -> (String, String) {
    (state.to_owned(), runtime.to_owned())
}

const HOME: (&str, &str) = ("HOME", "/home/me");

#[test]
fn each_choice_wins_over_the_next() {
    let ours = [("IMPORTERD_STATE_DIRECTORY", "/ours/state"), ("IMPORTERD_RUNTIME_DIRECTORY", "/ours/run")];
    let systemd = [("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("RUNTIME_DIRECTORY", "/run/a:/run/b")];
    let xdg = [("XDG_STATE_HOME", "/xdg/state"), ("XDG_RUNTIME_DIR", "/run/user/1")];
    let all = [&ours[..], &systemd, &xdg, &[HOME]].concat();
    assert_eq!(found(Some("/flag"), false, &all), Ok(both("/flag", "/flag")));
    assert_eq!(found(None, false, &all), Ok(both("/ours/state", "/ours/run")));
    assert_eq!(found(None, false, &all[2..]), Ok(both("/var/lib/a", "/run/a")));
    assert_eq!(found(None, true, &all[4..]), Ok(both("/var/lib/importerd", "/run/importerd")));
    assert_eq!(found(None, false, &all[4..]), Ok(both("/xdg/state/importerd", "/run/user/1/importerd")));
}

#[test]
fn a_user_without_xdg_variables_has_both_below_home() {
    let expected = Ok(both("/home/me/.local/state/importerd", "/home/me/.local/state/importerd/run"));
    assert_eq!(found(None, false, &[HOME]), expected);
    assert_eq!(found(None, false, &[HOME, ("XDG_STATE_HOME", "rel"), ("XDG_RUNTIME_DIR", "")]), expected);
    assert_eq!(found(None, false, &[HOME, ("IMPORTERD_STATE_DIRECTORY", "")]), expected, "empty is unset");
}

/// A daemon and a command that have the same state directory meet, whoever they are and whatever else is set.
#[test]
fn where_nobody_names_the_runtime_directory_it_follows_from_that_of_the_state() {
    let xdg = [HOME, ("XDG_RUNTIME_DIR", "/run/user/1")];
    let runtime = |state, system| found_by(Some(state), None, system, &xdg).unwrap().1;
    for system in [true, false] {
        assert_eq!(runtime("/var/lib/importerd", system), "/run/importerd");
        assert_eq!(runtime("/srv/drop/.importerd", system), "/srv/drop/.importerd/run");
    }
    assert_eq!(runtime("/home/me/.local/state/importerd", false), "/run/user/1/importerd");
}

#[test]
fn a_relative_variable_and_a_missing_home_are_refused() {
    let problem = "$STATE_DIRECTORY is lib/a; it must be an absolute path";
    assert_eq!(found(None, true, &[("STATE_DIRECTORY", "lib/a")]), Err(problem.to_owned()));
    let problem = "no state directory: $HOME is not set; set $IMPORTERD_STATE_DIRECTORY";
    assert_eq!(found(None, false, &[]), Err(problem.to_owned()));
}

#[test]
fn a_relative_flag_is_below_the_working_directory() {
    let here = std::env::current_dir().unwrap().join("state").to_str().unwrap().to_owned();
    assert_eq!(found(Some("state"), true, &[]), Ok(both(&here, &here)));
}
