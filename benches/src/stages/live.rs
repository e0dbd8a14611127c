//! Small files that arrive as fast as they can be renamed into the inbox.
//!
//! The import by hand is no bound here: it commits what waits, which is little.

use super::feed::{Pace, feed};
use super::{Checked, Make, per_second};
use crate::check;
use crate::contest::{self, Contender, Figure, Standing};
use crate::ground::Ground;
use crate::peers::Peers;
use crate::setup::Setup;

pub fn hold(setup: &Setup) -> Standing {
    let peers = Peers::make(setup);
    let (files, few) = (setup.files, (setup.files / 4).max(100));
    let contenders = [
        fed(
            setup,
            "importerd run",
            files,
            Box::new(|ground| setup.importerd_into_sqlite(ground, "run")),
            check::imported,
        ),
        fed(
            setup,
            "by hand, durable",
            files,
            Box::new(|ground| Ok(setup.floor_over("import-live", ground))),
            check::imported,
        ),
        fed(setup, "bare calls", files, Box::new(|ground| Ok(setup.floor_over("bare-live", ground))), check::summed),
        fed(setup, "Go", files, Box::new(|ground| Ok(peers.go(false)(ground))), check::summed).unless(peers.no_go()),
        fed(setup, "Go, durable", few, Box::new(|ground| Ok(peers.go(true)(ground))), check::summed)
            .unless(peers.no_go()),
        fed(setup, "Python watchdog", few, Box::new(|ground| Ok(peers.python()(ground))), check::summed)
            .unless(peers.no_python()),
    ];
    let title = format!("Small files arriving at full speed: {files} of 4 KiB");
    let figure = Figure { title, unit: "files/s" };
    contest::hold(setup.rounds, vec![figure], &[1, 2, 4], &contenders)
}

fn fed<'a>(setup: &'a Setup, name: &'static str, files: usize, make: Make<'a>, checked: Checked) -> Contender<'a> {
    Contender::new(name, move || {
        let ground = Ground::new(&setup.directory, name)?;
        let fed = feed(&mut make(&ground)?, &ground, files, Pace::Full)?;
        checked(&ground, files)?;
        Ok(vec![per_second(fed.waits.len() as u64, fed.took)])
    })
}
