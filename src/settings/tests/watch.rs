//! `importerd watch`: settings without a file.

use std::path::Path;

use super::path;
use crate::settings::{Base, Error, Loaded, Sources, Target, Work, load};

fn watch(dir: &str, into: Option<&str>, command: &[&str], set: &[&str]) -> Result<Loaded, Error> {
    let command = (!command.is_empty()).then(|| command.iter().map(ToString::to_string).collect());
    let base = Base::Watch { dir: dir.into(), name: None, into: into.map(str::to_owned), command };
    load(&Sources { base, environment: Vec::new(), set: set.iter().map(ToString::to_string).collect() })
}

#[test]
fn a_directory_alone_is_a_folder_that_imports_into_a_database_beside_it() {
    let loaded = watch("/data/My Drops (new)/", None, &[], &[]).unwrap();
    let folder = &loaded.settings.folders["my-drops-new"];
    assert_eq!((&*folder.path, &*folder.inbox), (path("/data/My Drops (new)"), path("/data/My Drops (new)/inbox")));
    let Work::Import(import) = &folder.work else { panic!("it imports") };
    assert_eq!(import.into, Some(Target::Sqlite("/data/My Drops (new)/importerd.db".into())));
    assert_eq!(import.table, "my-drops-new");
    assert_eq!(loaded.values.iter().filter(|shown| shown.origin == "importerd watch").count(), 2);
}

#[test]
fn a_target_or_a_command_replaces_that_database() {
    let loaded = watch("/data/x", Some("sqlite:orders.db"), &[], &[]).unwrap();
    let Work::Import(import) = &loaded.settings.folders["x"].work else { panic!("it imports") };
    assert_eq!(import.into, Some(Target::Sqlite("orders.db".into())));
    let loaded = watch("/data/x", None, &["ocr", "{path}"], &[]).unwrap();
    let Work::Run(run) = &loaded.settings.folders["x"].work else { panic!("it runs") };
    assert_eq!(run.command, ["ocr", "{path}"]);
    assert_eq!(run.timeout.as_secs(), 600);
}

#[test]
fn a_target_and_a_command_together_are_refused() {
    let error = watch("/data/x", Some("sqlite:x.db"), &["ocr"], &[]).unwrap_err();
    let expected = "importerd watch: folder.x.run: folder.x.import is set too (importerd watch); \
        a folder does one of them";
    assert_eq!(error.problems[0].to_string(), expected);
}

#[test]
fn a_password_on_the_command_line_is_refused() {
    let error = watch("/data/x", Some("postgres://me:s3cret@db/x"), &[], &[]).unwrap_err();
    let expected = "importerd watch: folder.x.import.into: a password on a command line can be seen by everybody on \
        this machine; write --set folder.x.import.password.file=FILE";
    assert_eq!(error.problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

#[test]
fn set_still_applies() {
    let loaded = watch("/data/x", None, &[], &["folder.x.settle=1s", "processors=1"]).unwrap();
    assert_eq!(loaded.settings.folders["x"].settle.as_secs(), 1);
    assert_eq!(loaded.settings.processors, 1);
}

#[test]
fn a_relative_directory_is_below_the_working_directory_and_the_root_is_called_inbox() {
    let loaded = watch("drops", None, &[], &[]).unwrap();
    let drops = std::env::current_dir().unwrap().join("drops");
    assert_eq!(loaded.settings.folders["drops"].path, drops);
    let loaded = watch("/", None, &[], &[]).unwrap();
    assert_eq!(loaded.settings.folders["inbox"].path, Path::new("/"));
    assert_eq!(loaded.settings.folders["inbox"].inbox, Path::new("/inbox"));
}
