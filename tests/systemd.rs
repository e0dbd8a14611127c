//! The unit in etc/ with the built program, under a real systemd: `tests/systemd/scenario` has the steps.

use std::io::{self, Write};
use std::process::Command;

/// `boot`'s exit code for a host that can't boot a container.
const SKIPPED: i32 = 77;

#[test]
fn the_service_lives_through_start_stop_kill_hang_and_abandonment() {
    // faults 80, 81, 87
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/systemd");
    let output = Command::new(format!("{tests}/boot"))
        .args([env!("CARGO_BIN_EXE_importerd"), &format!("{tests}/scenario")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(SKIPPED) {
        assert!(std::env::var_os("CI").is_none(), "in CI nothing is skipped; {said}");
        // Past the test runner's capture: who runs the tests is to see it.
        io::stderr().write_all(said.as_bytes()).unwrap();
        return;
    }
    assert!(
        output.status.success(),
        "{}",
        said.lines().find(|line| line.starts_with("FAIL")).unwrap_or("no step failed")
    );
}
