//! The site's pages: every command in them that needs no GPU, no network and no hours is run as it
//! stands, and every link leads to something.
//!
//! A page's blocks of `sh` are scripts, run one after the other in a folder with the demo's model as `model`
//! and some of its samples as `data.json`. A block of `text` has lines that the script before it printed,
//! with `…` for what differs from machine to machine; where one is an error, the script must fail. Blocks
//! of `console` are shown and not run.

use crate::compare::demo_rows;
use crate::support::{Outcome, Project, built, data};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Samples of the demo that pages work on.
const SAMPLES: usize = 240;

/// Where the repository lies on the web.
const REPOSITORY: &str = "https://github.com/iterit/iterit/blob/main/";

#[test]
fn install() {
    check("install");
}

#[test]
fn tutorial() {
    check("tutorial");
}

#[test]
fn selection() {
    check("selection");
}

#[test]
fn comparison() {
    check("comparison");
}

#[test]
fn scorers() {
    check("scorers");
}

#[test]
fn evaluation() {
    check("evaluation");
}

#[test]
fn recipes() {
    check("recipes");
}

#[test]
fn troubleshooting() {
    check("troubleshooting");
}

/// Runs the commands of a page, and looks for what it says that they print.
#[track_caller]
fn check(page: &str) {
    let text = read(&docs().join(format!("{page}.md")));
    let blocks = blocks(&text);
    let project = Project::new();
    project.write("data.json", Value::from(spread()).to_string());
    std::os::unix::fs::symlink(data("demo/model"), project.path("model")).expect("a link");
    let scripts = blocks.iter().enumerate().filter(|(_, it)| it.language == "sh");
    let mut count = 0;
    for (place, script) in scripts {
        count += 1;
        let shown = blocks.get(place + 1).filter(|it| it.language == "text");
        let shown: Vec<&str> = shown.iter().flat_map(|it| it.text.lines()).collect();
        let outcome = Outcome::of(&mut bash(&project, &script.text));
        let fails = shown.iter().any(|it| it.starts_with("error: "));
        let code = Some(i32::from(fails));
        assert_eq!(outcome.code, code, "`{page}`: {}{outcome}", script.text);
        let printed = format!("{}\n{}", outcome.stdout, outcome.stderr);
        let missing: Vec<&&str> = shown.iter().filter(|it| !has_line(&printed, it)).collect();
        assert!(missing.is_empty(), "`{page}` shows {missing:#?}, printed was\n{printed}");
    }
    assert!(count > 0, "`{page}` has no command to run");
}

/// A shell that finds the program, about to run a script in the project's folder.
fn bash(project: &Project, script: &str) -> Command {
    let host = built().host.parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", script])
        .current_dir(project.path("."))
        .env("PATH", format!("{}:{path}", host.display()))
        .env("ITERIT_PLUGIN_PATH", &built().plugins)
        .env("OMP_NUM_THREADS", "1")
        .stdin(Stdio::null());
    bash
}

/// Whether a line of what was printed has the parts of this one, between its `…`, in this order.
fn has_line(printed: &str, shown: &str) -> bool {
    printed.lines().any(|line| {
        let mut parts = shown.split('…').map(str::trim).filter(|it| !it.is_empty());
        parts.try_fold(line, |rest, part| Some(rest.split_once(part)?.1)).is_some()
    })
}

#[test]
fn a_shown_line_is_found_among_what_was_printed() {
    for (shown, is_there) in
        [("two … four", true), ("four … two", false), ("one … four", false), ("three", true)]
    {
        assert_eq!(has_line("one\ntwo three four", shown), is_there, "{shown}");
    }
}

/// Samples of every kind that the demo has.
fn spread() -> Vec<Value> {
    let rows = demo_rows();
    let stride = rows.len() / SAMPLES;
    rows.into_iter().step_by(stride).take(SAMPLES).collect()
}

#[test]
fn every_page_is_run_and_in_the_table_of_contents() {
    let own = read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/site.rs")));
    let contents = read(&docs().join("../mkdocs.yml"));
    for page in pages() {
        let name = page.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(
            contents.contains(&format!(": {name}.md\n")),
            "`{name}` is in no table of contents"
        );
        let has_commands = blocks(&read(&page)).iter().any(|it| it.language == "sh");
        assert_eq!(own.contains(&format!("check(\"{name}\");")), has_commands, "{name}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut pages = pages();
    assert!(pages.len() > 7, "{pages:?}");
    let site = pages.len();
    gather_readmes(&docs().join("../../.."), &mut pages);
    assert!(pages.len() > site + 25, "{pages:?}");
    let mut faults = Vec::new();
    let mut count = 0;
    for (place, page) in pages.iter().enumerate() {
        for link in links(&read(page)) {
            count += 1;
            // READMEs cite whom they will.
            let is_cited = place >= site && link.contains("://");
            let fault = if is_cited { None } else { fault_of(&link, page) };
            faults.extend(fault.map(|what| format!("{}: `{link}` {what}", page.display())));
        }
    }
    assert!(faults.is_empty() && count > 30, "{count} links\n{}", faults.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = docs().join("index.md");
    for (link, is_right) in [
        ("install.md", true),
        ("install.md#cuda", true),
        ("install.md#hip", false),
        ("instal.md", false),
        ("https://github.com/iterit/iterit/blob/main/README.md#status", true),
        ("https://github.com/iterit/iterit/blob/main/README.md#state", false),
        ("https://github.com/iterit/iterit/blob/main/READYOU.md", false),
        ("https://arxiv.org/abs/2412.17365", true),
        ("http://127.0.0.1/x", false),
    ] {
        assert_eq!(fault_of(link, &page).is_none(), is_right, "{link}");
    }
    assert_eq!(links("[a](b.md) ![c](d.svg)\n```sh\n[e](f)\n```\n`[g](h)`"), ["b.md", "d.svg"]);
    assert_eq!(slug("What an 8B Llama needs"), "what-an-8b-llama-needs");
    let blocks = blocks("x\n```sh\na\nb\n```\n```console\nc\n```\n```sh\nd\n```\n");
    let blocks: Vec<(&str, &str)> = blocks.iter().map(|it| (it.language, &*it.text)).collect();
    assert_eq!(blocks, [("sh", "a\nb\n"), ("console", "c\n"), ("sh", "d\n")]);
}

/// What is wrong with a link on this page. Whether another site is there is not looked at.
fn fault_of(link: &str, page: &Path) -> Option<String> {
    let (place, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match place.strip_prefix(REPOSITORY) {
        Some(file) => Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file),
        None if place.starts_with("https://arxiv.org/abs/") => return None,
        None if place.contains("://") => return Some("is no site that pages link to".into()),
        None if place.is_empty() => page.to_owned(),
        None => page.parent().expect("a folder").join(place),
    };
    if !target.exists() {
        return Some("is not there".into());
    }
    let has_anchor = || headings(&read(&target)).contains(anchor);
    (!anchor.is_empty() && !has_anchor()).then(|| "has no such heading".into())
}

/// What `[…](…)` points at, outside of code.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        for (place, part) in line.split('`').enumerate() {
            if place % 2 == 0 {
                let targets = part.split("](").skip(1).filter_map(|it| it.split_once(')'));
                links.extend(targets.map(|(target, _)| target.to_owned()));
            }
        }
    }
    links
}

/// The anchors of a page.
fn headings(text: &str) -> BTreeSet<String> {
    prose(text)
        .into_iter()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|heading| slug(heading.trim_start_matches('#')))
        .collect()
}

/// A heading's anchor, as GitHub and the site make it.
fn slug(heading: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(|&c| kept(c)).collect::<String>().replace(' ', "-")
}

/// The lines that are not in blocks of code.
fn prose(text: &str) -> Vec<&str> {
    let mut inside = false;
    let is_prose = |line: &&str| {
        let is_fence = line.starts_with("```");
        inside ^= is_fence;
        !inside && !is_fence
    };
    text.lines().filter(is_prose).collect()
}

/// A fenced block of a page.
struct Block<'a> {
    language: &'a str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let text = lines.by_ref().take_while(|it| *it != "```").map(|it| format!("{it}\n"));
        blocks.push(Block { language, text: text.collect() });
    }
    blocks
}

/// Every other Markdown file of the repository, but those that are frozen with what they describe.
fn gather_readmes(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let is_ours = (!name.starts_with('.') || name == ".github") && name != "golden";
        if path.is_dir() && is_ours && name != "site" && !path.join("CACHEDIR.TAG").exists() {
            gather_readmes(&path, files);
        } else if name.ends_with(".md") {
            files.push(path);
        }
    }
}

fn pages() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(docs()).expect("the site's pages");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    pages.sort();
    pages
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.github/site/docs")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|it| panic!("`{}`: {it}", path.display()))
}
