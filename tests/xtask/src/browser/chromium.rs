//! A headless Chromium, spoken to over a pipe in the DevTools protocol: JSON messages, each ended by
//! a zero byte. A call waits for its answer; events that come meanwhile are kept.

use crate::error::{Error, Result};
use crate::process::could_not_start;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// A browser with one open page.
pub(super) struct Chromium {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    calls: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts one and opens an empty page.
    pub(super) fn start(program: &Path) -> Result<Self> {
        let profile = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
        // Chromium reads calls from file 3 and writes to file 4.
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"])
            .args(["--no-first-run", "--disable-background-networking", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(could_not_start(&command))?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let mut browser = Self {
            child,
            to: to.expect("stdin is piped"),
            from: BufReader::new(from.expect("stdout is piped")),
            session: None,
            calls: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach)?;
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(browser)
    }

    /// Calls a method and waits for its answer.
    pub(super) fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut text = message.to_string().into_bytes();
        text.push(0);
        let broken = |error: std::io::Error| Error::Told(format!("Chromium: {method}: {error}"));
        self.to.write_all(&text).and_then(|()| self.to.flush()).map_err(broken)?;
        loop {
            let answer = self.read()?;
            if answer["id"] == self.calls {
                return match answer.get("error") {
                    None => Ok(answer["result"].clone()),
                    Some(error) => Err(Error::Told(format!("Chromium: {method}: {error}"))),
                };
            }
            self.events.push(answer);
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut text = Vec::new();
        let read = self.from.read_until(0, &mut text);
        let read = read.map_err(|error| Error::Told(format!("Chromium: {error}")))?;
        if read == 0 {
            return Err(Error::Told("Chromium ended before its time".into()));
        }
        text.pop();
        serde_json::from_slice(&text)
            .map_err(|error| Error::Told(format!("Chromium's answer is no JSON: {error}")))
    }

    /// Opens a file and waits until it is loaded.
    pub(super) fn open(&mut self, page: &Path) -> Result<()> {
        let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        self.events.retain(|event| !loaded(event));
        self.call("Page.navigate", json!({ "url": format!("file://{}", page.display()) }))?;
        while !self.events.iter().any(loaded) {
            let event = self.read()?;
            self.events.push(event);
        }
        Ok(())
    }

    /// The value of an expression in the page; a promise is waited for.
    pub(super) fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let params =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", params)?;
        match answer.get("exceptionDetails") {
            None => Ok(answer["result"]["value"].clone()),
            Some(details) => Err(Error::Told(format!("`{expression}` in the page: {details}"))),
        }
    }

    /// Presses a key, such as `Tab`, as a person would.
    pub(super) fn press(&mut self, key: &str) -> Result<()> {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            _ => (0, ""),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event)?;
        }
        Ok(())
    }

    /// Types a text where the focus is.
    pub(super) fn type_text(&mut self, text: &str) -> Result<()> {
        self.call("Input.insertText", json!({ "text": text })).map(drop)
    }

    /// A picture of the whole page, as PNG.
    pub(super) fn picture(&mut self) -> Result<Vec<u8>> {
        let size = self.call("Page.getLayoutMetrics", json!({}))?["cssContentSize"].clone();
        let clip = json!({
            "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1,
        });
        let params = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let answer = self.call("Page.captureScreenshot", params)?;
        let data = answer["data"].as_str().and_then(|data| BASE64_STANDARD.decode(data).ok());
        data.ok_or_else(|| Error::Told("Chromium sent no picture".into()))
    }

    /// What happened since this was asked last.
    pub(super) fn take_events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.events)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It may have ended already, and nobody waits for how.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
