//! What the command line says of itself: completions for shells, pages for man(1); and what becomes of it where stdout
//! takes nothing.

use crate::support::Project;
use std::fs::File;
use std::process::{Child, Stdio};

#[test]
fn shells_learn_every_command_and_flag() {
    let project = Project::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = project.run(["completions", shell]).succeeded().stdout;
        for word in ["compare", "plugins", "max-new-tokens", "resume"] {
            assert!(script.contains(word), "{shell} does not learn `{word}`");
        }
    }
    project.run(["completions", "tcsh"]).failed(2, &["invalid value 'tcsh'"]);
}

#[test]
fn there_is_a_page_of_the_program_and_of_each_command() {
    let project = Project::new();
    let page = project.run(["man"]).succeeded().stdout;
    assert!(page.contains(".TH iterit-host 1") && page.contains("completions"), "{page}");
    let page = project.run(["man", "eval"]).succeeded().stdout;
    assert!(page.contains("iterit\\-host eval") && page.contains("\\-\\-choices"), "{page}");
    project
        .run(["man", "evil"])
        .failed(1, &["there is no command `evil`, expected one of compare"]);
}

#[test]
fn a_stdout_that_takes_nothing_is_one_line_and_a_reader_who_is_gone_is_none() {
    let project = Project::new();
    for words in [&["man"][..], &["completions", "bash"], &["doctor"], &["plugins", "list"]] {
        let told = |stdout: Stdio| {
            let child = project.host().args(words).stdout(stdout).stderr(Stdio::piped()).spawn();
            let ended = child.and_then(Child::wait_with_output).expect("a program that ends");
            (ended.status.code(), String::from_utf8(ended.stderr).expect("text"))
        };
        let full = File::options().write(true).open("/dev/full").expect("a full device");
        let (code, stderr) = told(full.into());
        assert_eq!(code, Some(1), "{words:?}: {stderr}");
        assert!(
            stderr.ends_with(
                "cannot write `standard output`: No space left on device (os error 28)\n"
            ),
            "{words:?}: {stderr}"
        );
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let (code, stderr) = told(writer.into());
        assert_eq!((code, stderr.as_str()), (Some(141), ""), "{words:?}");
    }
}
