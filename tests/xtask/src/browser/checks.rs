//! What a reader would stumble over: a page wider than the screen, errors, a look at the network,
//! what cannot be reached by keyboard, a search that finds nothing.

use super::chromium::Chromium;
use crate::error::{Error, Result};
use serde_json::{Value, json};
use std::path::Path;

/// Width and height of the screens, in CSS pixels.
const SCREENS: [(&str, u32, u32); 2] = [("desktop", 1280, 900), ("phone", 390, 844)];
const SCHEMES: [&str; 2] = ["light", "dark"];

/// Opens a page on every screen and leaves a picture of each; what is wrong.
pub(super) fn page(browser: &mut Chromium, page: &Path, pictures: &Path) -> Result<Vec<String>> {
    std::fs::create_dir_all(pictures).map_err(Error::io("create", pictures))?;
    let mut faults = Vec::new();
    for (screen, width, height) in SCREENS {
        for scheme in SCHEMES {
            let name = format!("{screen}-{scheme}");
            let metrics = json!({
                "width": width, "height": height, "deviceScaleFactor": 1,
                "mobile": screen == "phone",
            });
            browser.call("Emulation.setDeviceMetricsOverride", metrics)?;
            let media =
                json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            browser.call("Emulation.setEmulatedMedia", media)?;
            browser.open(page)?;
            let mut found = on_screen(browser, width)?;
            let path = pictures.join(format!("{name}.png"));
            std::fs::write(&path, browser.picture()?).map_err(Error::io("write", &path))?;
            found.extend(by_keyboard(browser)?);
            let path = pictures.join(format!("{name}-sample.png"));
            std::fs::write(&path, browser.picture()?).map_err(Error::io("write", &path))?;
            found.extend(on_screen(browser, width)?);
            found.extend(browser.take_events().iter().filter_map(event));
            faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
        }
    }
    Ok(faults)
}

/// The page fits, and its elements do too, but for those that scroll by themselves.
fn on_screen(browser: &mut Chromium, width: u32) -> Result<Option<String>> {
    let wide = browser.evaluate("document.documentElement.scrollWidth")?;
    let found = wide.as_f64().filter(|&wide| wide > f64::from(width));
    Ok(found.map(|wide| format!("the page is {wide} pixels wide on a screen of {width}")))
}

/// From the top by Tab alone: the skip link comes first, the search can be reached and searches,
/// and Enter opens a sample.
fn by_keyboard(browser: &mut Chromium) -> Result<Vec<String>> {
    const FURTHEST: usize = 300;
    let mut faults = Vec::new();
    browser.press("Tab")?;
    if browser.evaluate("document.activeElement.className")? != "skip" {
        faults.push("the first stop of Tab is not the skip link".into());
    }
    if !tab_to(browser, "document.activeElement.id === 'samples-search'", FURTHEST)? {
        faults.push("the search cannot be reached by Tab".into());
        return Ok(faults);
    }
    const STATUS: &str = "document.getElementById('samples-status').textContent";
    let all = browser.evaluate(STATUS)?;
    browser.type_text("#1")?;
    let later = "new Promise((done) => setTimeout(done, 300))";
    browser.evaluate(later)?;
    let found = browser.evaluate(STATUS)?;
    if found == all || !found.as_str().is_some_and(|status| status.starts_with("1 of ")) {
        faults.push(format!("a search for #1 says {found}"));
    }
    let in_list = "document.activeElement.closest('#samples-list') !== null";
    if !tab_to(browser, in_list, 20)? {
        faults.push("a sample cannot be reached by Tab".into());
        return Ok(faults);
    }
    browser.press("Enter")?;
    browser.evaluate(later)?;
    let shown =
        browser.evaluate("document.querySelector('#samples-list details[open] .said') !== null")?;
    if shown != true {
        faults.push("Enter does not open a sample".into());
    }
    Ok(faults)
}

/// Presses Tab until a condition holds; each stop must be visible.
fn tab_to(browser: &mut Chromium, condition: &str, furthest: usize) -> Result<bool> {
    for _ in 0..furthest {
        if browser.evaluate(condition)? == true {
            return Ok(true);
        }
        browser.press("Tab")?;
    }
    Ok(false)
}

/// An event that should not be: an error, or a request to anywhere but the page's own file.
fn event(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(format!("an exception: {}", params["exceptionDetails"])),
        "Runtime.consoleAPICalled" if params["type"] == "error" => {
            Some(format!("an error on the console: {}", params["args"]))
        }
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            Some(format!("an error in the log: {}", params["entry"]["text"]))
        }
        "Network.requestWillBeSent" => {
            let url = params["request"]["url"].as_str().unwrap_or_default();
            (!url.starts_with("file://")).then(|| format!("a request for {url}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_should_not_be_are_told() {
        let request = |url: &str| json!({ "method": "Network.requestWillBeSent", "params": { "request": { "url": url } } });
        assert_eq!(event(&request("file:///page.html")), None);
        assert!(event(&request("https://fonts.example/a")).is_some());
        let console = |kind: &str| json!({ "method": "Runtime.consoleAPICalled", "params": { "type": kind, "args": [] } });
        assert_eq!(event(&console("log")), None);
        assert!(event(&console("error")).is_some());
        let thrown = json!({ "method": "Runtime.exceptionThrown", "params": {} });
        assert!(event(&thrown).is_some());
    }
}
