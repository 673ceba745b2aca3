//! What the command line says of itself: completions for shells, pages for man(1).

use crate::support::Project;

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
