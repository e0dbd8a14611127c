//! What was asked for, and where everything is.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::ground::{Ground, Runs};
use crate::stages;

const USAGE: &str = "usage: benches/compare [--rounds N] [--files N] [--rows N] [--seconds N] [--dir DIR] [small|live|latency|run|large]…";

/// A measurement.
pub struct Setup {
    pub rounds: usize,
    /// Small files in a backlog.
    pub files: usize,
    /// Rows of a large file.
    pub rows: u64,
    /// How long files come for the latency.
    pub seconds: usize,
    pub stages: Vec<String>,
    /// For the runs, on the filesystem that is measured.
    pub directory: PathBuf,
    /// For tables, plots, and what the peers are built into.
    pub out: PathBuf,
    importerd: PathBuf,
    own: PathBuf,
}

impl Setup {
    /// As typed; what isn't has a default.
    pub fn from_words(words: &[String]) -> Outcome<Self> {
        let own = std::env::current_exe()?;
        let release = own.parent().ok_or("no directory")?;
        let out = release.parent().ok_or("no directory")?.join("benches");
        let mut setup = Self {
            rounds: 5,
            files: 20_000,
            rows: 530_000,
            seconds: 10,
            stages: Vec::new(),
            directory: out.clone(),
            importerd: release.join("importerd"),
            out,
            own: own.clone(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} has no value\n{USAGE}"));
            match word.as_str() {
                "--rounds" => setup.rounds = value()?.parse()?,
                "--files" => setup.files = value()?.parse()?,
                "--rows" => setup.rows = value()?.parse()?,
                "--seconds" => setup.seconds = value()?.parse()?,
                "--dir" => setup.directory = PathBuf::from(value()?),
                stage if stages::NAMES.contains(&stage) => setup.stages.push(word.clone()),
                _ => return Err(format!("{word}?\n{USAGE}").into()),
            }
        }
        if setup.stages.is_empty() {
            setup.stages = stages::NAMES.map(str::to_owned).into();
        }
        std::fs::create_dir_all(&setup.out)?;
        std::fs::create_dir_all(&setup.directory)?;
        setup.directory = Runs::below(&setup.directory.canonicalize()?);
        Ok(setup)
    }

    /// One of the floors.
    pub fn floor(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.own);
        command.arg("floor").args(words);
        command
    }

    /// One of the floors over a run's directory.
    pub fn floor_over(&self, name: &str, ground: &Ground) -> Command {
        let mut command = self.floor(&[name]);
        command.arg(ground.root());
        command
    }

    /// importerd over a run's directory, with what the folder does as a line of TOML.
    pub fn importerd(&self, ground: &Ground, word: &str, does: &str) -> Outcome<Command> {
        let settings = ground.root().join("importerd.toml");
        std::fs::write(&settings, format!("[folder.rows]\npath = \"{}\"\n{does}\n", ground.root().display()))?;
        let mut command = Command::new(&self.importerd);
        command.arg("--config").arg(settings).arg("--state-dir").arg(ground.root().join("state")).arg(word);
        Ok(command)
    }

    /// importerd over a run's directory, which is imported into SQLite.
    pub fn importerd_into_sqlite(&self, ground: &Ground, word: &str) -> Outcome<Command> {
        self.importerd(ground, word, "import = { into = \"sqlite:rows.db\", table = \"rows\" }")
    }

    /// Where the scripts of this directory are.
    pub fn sources() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }
}
