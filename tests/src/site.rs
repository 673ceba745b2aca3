//! The site's pages: every command in them that needs no GPU, no network and no hours is run as it
//! stands, and every link leads to something.
//!
//! A page's blocks of `sh` are one script, run in a folder with the demo's model as `model` and some of its
//! samples as `data.json`. Blocks of `console` are shown and not run.

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

/// Runs the commands of a page.
#[track_caller]
fn check(page: &str) {
    let script = blocks(&read(&docs().join(format!("{page}.md"))), "sh");
    assert!(script.contains("iterit-host "), "`{page}` has no command to run");
    let project = Project::new();
    project.write("data.json", Value::from(spread()).to_string());
    std::os::unix::fs::symlink(data("demo/model"), project.path("model")).expect("a link");
    let host = built().host.parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut bash = Command::new("bash");
    bash.args(["-euxo", "pipefail", "-c", &script])
        .current_dir(project.path("."))
        .env("PATH", format!("{}:{path}", host.display()))
        .env("ITERIT_PLUGIN_PATH", &built().plugins)
        .env("OMP_NUM_THREADS", "1")
        .stdin(Stdio::null());
    Outcome::of(&mut bash).succeeded();
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
        let has_commands = !blocks(&read(&page), "sh").is_empty();
        assert_eq!(own.contains(&format!("check(\"{name}\");")), has_commands, "{name}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 7, "{pages:?}");
    let mut faults = Vec::new();
    let mut count = 0;
    for page in &pages {
        for link in links(&read(page)) {
            count += 1;
            let fault = fault_of(&link, page);
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
    assert_eq!(
        blocks("x\n```sh\na\nb\n```\n```console\nc\n```\n```sh\nd\n```\n", "sh"),
        "a\nb\nd\n"
    );
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

/// What stands in blocks of this language, one behind the other.
fn blocks(text: &str, language: &str) -> String {
    let (mut inside, mut found) = (None, String::new());
    for line in text.lines() {
        match (line.strip_prefix("```"), inside) {
            (Some(_), Some(_)) => inside = None,
            (Some(named), None) => inside = Some(named),
            (None, Some(named)) if named == language => {
                found.push_str(line);
                found.push('\n');
            }
            _ => {}
        }
    }
    found
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
