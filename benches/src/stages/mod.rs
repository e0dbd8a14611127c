//! What is measured, a stage a file.

mod feed;
mod large;
mod latency;
mod live;
mod run;
mod small;

use std::process::Command;

use crate::Outcome;
use crate::contest::Standing;
use crate::ground::Ground;
use crate::setup::Setup;

/// In this order, unless some are named.
pub const NAMES: [&str; 5] = ["small", "live", "latency", "run", "large"];

/// Holds one.
pub fn hold(setup: &Setup, stage: &str) -> Outcome<Vec<Standing>> {
    match stage {
        "small" => Ok(vec![small::hold(setup)]),
        "live" => Ok(vec![live::hold(setup)]),
        "latency" => Ok(latency::hold(setup)),
        "run" => Ok(run::hold(setup)),
        "large" => large::hold(setup),
        other => Err(format!("there is no stage {other}").into()),
    }
}

/// A contender's command over a run's directory.
type Make<'a> = Box<dyn Fn(&Ground) -> Outcome<Command> + 'a>;

/// Whether a contender has done everything with so many files, and right.
type Checked = fn(&Ground, usize) -> Outcome<()>;

#[expect(clippy::cast_precision_loss, reason = "fewer than a float can count")]
fn per_second(count: u64, took: std::time::Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
