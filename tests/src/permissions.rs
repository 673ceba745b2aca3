//! Who may read what the program writes is the umask's to say, as for any program's files.

use crate::support::{Outcome, Project, data};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Under a umask, files and folders have 666 and 777 less it.
fn check(umask: u32) {
    let project = Project::new();
    let run = |arguments: &[&str]| {
        let host = project.host();
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!("umask {umask:03o}; exec \"$0\" \"$@\""))
            .arg(host.get_program());
        for (name, value) in host.get_envs() {
            shell.env(name, value.expect("a value"));
        }
        shell.current_dir(host.get_current_dir().expect("a folder"));
        Outcome::of(shell.args(arguments)).succeeded();
    };
    let (model, samples) = (data("demo/model"), data("demo/instructions.json"));
    let model = model.to_str().expect("a path of UTF-8");
    let samples = samples.to_str().expect("a path of UTF-8");
    let common = ["--data", samples, "--model", model, "--plugins", "random", "--ratio", "8"];
    let options = ["--out", "run", "--device", "cpu", "--set", "train.epochs=1"];
    run(&[&common[..], &options[..], &["--set", "output.save_every=1"]].concat());
    run(&["plugins", "new", "mine", "--kind", "complexity"]);

    let mut seen = 0;
    walk(&project.path(""), &mut |path, metadata| {
        let mode = if metadata.is_dir() { 0o777 } else { 0o666 } & !umask;
        let found = metadata.permissions().mode() & 0o777;
        assert_eq!(found, mode, "`{}` is {found:03o}, expected {mode:03o}", path.display());
        seen += 1;
    });
    assert!(seen > 20, "{seen} files and folders");
}

/// Everything below a folder.
fn walk(folder: &Path, see: &mut dyn FnMut(&Path, std::fs::Metadata)) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        see(&path, path.metadata().expect("metadata"));
        if path.is_dir() {
            walk(&path, see);
        }
    }
}

#[test]
fn files_follow_the_umask() {
    check(0o077);
    check(0o002);
}
