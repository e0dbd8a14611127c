//! Where settings come from: the three trees, `--config FILE` or `importerd watch`, and what lies above them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::Problem;
use super::keys::{Found, find, folder_name_from};
use super::layer::Layer;
use super::overrides;
use super::postgres::Address;
use super::toml_file::{self, printable};
use super::value::Value;

const MAIN_FILE: &str = "importerd.toml";
const DROP_INS: &str = "importerd.toml.d";

/// All that the settings are made from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The layers at the bottom.
    pub base: Base,
    /// The variables of the environment; those with other names than `IMPORTERD__…` don't matter.
    pub environment: Vec<(OsString, OsString)>,
    /// The `KEY=VALUE` of every `--set`, in order.
    pub set: Vec<String>,
}

/// What lies below the environment and `--set`.
#[derive(Debug, Clone)]
pub enum Base {
    /// The first main file of these directories, and the drop-ins of all of them, an earlier
    /// directory before a later one.
    Trees(Vec<PathBuf>),
    /// `--config FILE`: this file and `FILE.d/*.toml`.
    File(PathBuf),
    /// `importerd watch`: no files, one folder.
    Watch {
        /// The directory of the folder; a relative one is below the working directory.
        dir: PathBuf,
        /// What the folder is called; by default after its directory.
        name: Option<String>,
        /// The target; by default `DIR/importerd.db`.
        into: Option<String>,
        /// The command, when files are not to be imported.
        command: Option<Vec<String>>,
    },
}

impl Base {
    /// The file of `--config`, or else the three trees of the system.
    #[must_use]
    pub fn of_system(config: Option<PathBuf>) -> Self {
        let trees = || ["/etc/importerd", "/run/importerd", "/usr/lib/importerd"].map(PathBuf::from).to_vec();
        config.map_or_else(|| Self::Trees(trees()), Self::File)
    }
}

impl Sources {
    /// `base` with the environment of this process and `set` above it.
    #[must_use]
    pub fn of_process(base: Base, set: Vec<String>) -> Self {
        Self { base, environment: std::env::vars_os().collect(), set }
    }

    /// What lies between the built-in layer and the environment, the lowest first.
    pub(super) fn files(&self) -> Vec<Layer> {
        match &self.base {
            Base::Trees(trees) => of_trees(trees),
            Base::File(file) => of_file(file),
            Base::Watch { dir, name, into, command } => {
                vec![of_watch(dir, name.as_deref(), into.as_deref(), command.as_deref())]
            }
        }
    }

    /// The environment, and `--set` above it.
    pub(super) fn above_files(&self) -> [Layer; 2] {
        [overrides::environment(&self.environment), overrides::set(&self.set)]
    }
}

fn of_trees(trees: &[PathBuf]) -> Vec<Layer> {
    let main_file = trees.iter().map(|tree| tree.join(MAIN_FILE)).find(|file| is_there(file));
    let mut layers: Vec<_> = main_file.iter().map(|file| toml_file::read(file)).collect();
    let drop_ins: Vec<_> = trees.iter().map(|tree| tree.join(DROP_INS)).collect();
    layers.extend(of_drop_ins(&drop_ins));
    layers
}

fn of_file(file: &Path) -> Vec<Layer> {
    let mut drop_ins = file.as_os_str().to_owned();
    drop_ins.push(".d");
    let mut layers = vec![toml_file::read(file)];
    layers.extend(of_drop_ins(&[drop_ins.into()]));
    layers
}

/// A dangling link is there: an operator put it, and reading it will say what is wrong.
fn is_there(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// The `*.toml` of these directories by file name; of two with the same name the earlier
/// directory's counts, even if it is empty.
fn of_drop_ins(directories: &[PathBuf]) -> Vec<Layer> {
    let mut layers = Vec::new();
    let mut by_name: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in directories {
        match toml_names(directory) {
            Ok(names) => {
                for name in names {
                    let file = directory.join(&name);
                    by_name.entry(name).or_insert(file);
                }
            }
            Err(error) => {
                let problem = Problem::of_layer(printable(directory), format!("can't be read: {error}"));
                layers.push(Layer { problems: vec![problem], ..Layer::default() });
            }
        }
    }
    layers.extend(by_name.values().map(|file| toml_file::read(file)));
    layers
}

fn toml_names(directory: &Path) -> io::Result<Vec<OsString>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names: Vec<OsString> = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    let is_toml = |name: &OsString| {
        Path::new(name).extension() == Some(OsStr::new("toml")) && !name.as_encoded_bytes().starts_with(b".")
    };
    Ok(names.into_iter().filter(is_toml).collect())
}

fn of_watch(dir: &Path, name: Option<&str>, into: Option<&str>, command: Option<&[String]>) -> Layer {
    const ORIGIN: &str = "importerd watch";
    let mut layer = Layer::default();
    let Some(path) = std::path::absolute(dir).ok().and_then(|path| path.to_str().map(str::to_owned)) else {
        layer.problems.push(Problem::of_layer(ORIGIN, format!("{} is not a path in UTF-8", printable(dir))));
        return layer;
    };
    let last = Path::new(&path).file_name().unwrap_or_default().to_string_lossy();
    let name = folder_name_from(name.unwrap_or(&last));
    if into.is_some_and(|into| Address::parse(into).is_ok_and(|address| address.has_password())) {
        let how = format!("write --set folder.{name}.import.password.file=FILE");
        let text = format!("a password on a command line can be seen by everybody on this machine; {how}");
        layer.problems.push(Problem::of_key(ORIGIN, format!("folder.{name}.import.into"), text));
        return layer;
    }
    let mut put = |key: &str, value: Value| {
        let Found::Key(row) = find(&["folder", &name].into_iter().chain(key.split('.')).collect::<Vec<_>>()) else {
            unreachable!("every key put here has its row");
        };
        layer.take(&row.of_folder(&name), ORIGIN, ORIGIN, row.kind.check(value));
    };
    if let Some(command) = command {
        put("run.command", Value::List(command.to_vec()));
    }
    if into.is_some() || command.is_none() {
        let into = into.map_or_else(|| format!("sqlite:{}/importerd.db", path.trim_end_matches('/')), str::to_owned);
        put("import.into", Value::Text(into));
    }
    put("path", Value::Text(path));
    layer
}
