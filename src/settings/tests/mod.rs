//! The settings, tested from outside: files in a temporary directory, variables and `--set` in, settings or errors out.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Base, Error, Loaded, Sources, load};

mod columns;
mod directories;
mod example;
mod layers;
mod modes;
mod show;
mod strict;
mod watch;
mod whole;

/// The trees `etc`, `run` and `usr` in a temporary directory, and what is set above them.
struct Machine {
    root: tempfile::TempDir,
    config: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    set: Vec<String>,
}

impl Machine {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), config: None, environment: Vec::new(), set: Vec::new() }
    }

    /// A machine with this text in etc/importerd.toml.
    fn with(text: &str) -> Self {
        let machine = Self::new();
        machine.write("etc/importerd.toml", text);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn link(&self, name: &str, target: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, self.path(name)).unwrap();
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn set(mut self, assignment: &str) -> Self {
        self.set.push(assignment.to_owned());
        self
    }

    fn config(mut self, name: &str) -> Self {
        self.config = Some(self.path(name));
        self
    }

    fn load(&self) -> Result<Loaded, Error> {
        let base = match &self.config {
            Some(file) => Base::File(file.clone()),
            None => Base::Trees(["etc", "run", "usr"].map(|tree| self.path(tree)).to_vec()),
        };
        load(&Sources { base, environment: self.environment.clone(), set: self.set.clone() })
    }

    fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The origin of `key`, without the temporary directory.
    fn origin(&self, key: &str) -> String {
        let loaded = self.loaded();
        let shown = loaded.values.iter().find(|shown| shown.key == key).unwrap_or_else(|| panic!("no {key}"));
        self.without_root(&shown.origin)
    }

    /// Every problem, one a line, without the temporary directory.
    fn problems(&self) -> String {
        let error = self.load().expect_err("these settings are wrong");
        let lines: Vec<String> = error.problems.iter().map(|problem| self.without_root(&problem.to_string())).collect();
        lines.join("\n")
    }

    fn without_root(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.root.path().display()), "")
    }
}

/// The problems of this text as etc/importerd.toml, without the name of the file.
fn problems_of(text: &str) -> String {
    Machine::with(text).problems().replace("etc/importerd.toml:", "")
}

const ORDERS: &str = "[folder.orders]\npath = '/srv/orders'\n";

fn orders(loaded: &Loaded) -> &super::Folder {
    &loaded.settings.folders["orders"]
}

fn path(text: &str) -> &Path {
    Path::new(text)
}
