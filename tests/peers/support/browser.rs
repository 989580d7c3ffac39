//! A real browser: headless Chromium, told what to do by its `DevTools` protocol over a pipe.
//!
//! Messages are JSON with a zero octet behind each. A session is attached to the one page that there is, so that what
//! the page does (dialogs, requests, exceptions, what the content security policy forbade) comes back as events.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Process, http, wait_for};

/// How long the browser may take over one thing on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What keeps it from speaking with anybody but the server under test.
const ALONE: &str = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage";

/// A browser with one page.
pub struct Browser {
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    events: Vec<Value>,
    next: u64,
    _process: Process,
}

impl Browser {
    /// Starts one, whose profile is in `folder`.
    ///
    /// # Panics
    /// Where there is none.
    pub fn start(folder: &Path) -> Self {
        // The protocol is on file descriptors 3 and 4, which the shell takes from its own input and output.
        let script = format!(
            "exec chromium {ALONE} --user-data-dir=\"$0\" --remote-debugging-pipe \
             3<&0 4>&1 </dev/null >/dev/null 2>\"$0.log\""
        );
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(folder.join("browser"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell runs");
        let commands = child.stdin.take().expect("its input is piped");
        let answers = BufReader::new(child.stdout.take().expect("its output is piped"));
        let (sender, messages) = mpsc::channel();
        // Ends with the browser.
        std::thread::spawn(move || {
            for message in answers.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("the browser speaks JSON");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let process = Process(child);
        let mut browser =
            Self { commands, messages, session: None, events: Vec::new(), next: 0, _process: process };
        browser.attach();
        browser
    }

    fn attach(&mut self) {
        let page = self.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let of = json!({ "targetId": page["targetId"], "flatten": true });
        let session = self.ask("Target.attachToTarget", &of)["sessionId"].as_str().map(ToOwned::to_owned);
        self.session = Some(session.expect("a session"));
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.ask(&format!("{domain}.enable"), &json!({}));
        }
    }

    /// From now on it shows the token of the tests with every request.
    pub fn show_token(&mut self) {
        let token = format!("Bearer {}", http::TOKEN);
        self.ask("Network.setExtraHTTPHeaders", &json!({ "headers": { "Authorization": token } }));
    }

    /// Opens an address, and waits until it is loaded.
    ///
    /// # Panics
    /// Where it cannot be reached.
    pub fn open(&mut self, url: &str) {
        let opened = self.ask("Page.navigate", &json!({ "url": url }));
        assert_eq!(opened["errorText"], Value::Null, "{url}");
        self.wait_until("document.readyState === 'complete'");
    }

    /// The value of an expression in the page.
    ///
    /// # Panics
    /// Where it has none.
    pub fn value(&mut self, expression: &str) -> Value {
        self.evaluate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The value of an expression; an error where the page went away over it.
    fn evaluate(&mut self, expression: &str) -> Result<Value, Value> {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.try_to_ask("Runtime.evaluate", &asked)?;
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is true in the page, or in the one that it leads to.
    ///
    /// # Panics
    /// Where that takes too long.
    pub fn wait_until(&mut self, expression: &str) {
        wait_for(expression, PATIENCE, || (self.evaluate(expression) == Ok(true.into())).then_some(()));
    }

    /// The parameters of all events of this name so far.
    pub fn events<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["method"] == method).map(|event| &event["params"])
    }

    /// Every address that has been asked for so far.
    pub fn requests(&self) -> Vec<String> {
        let urls = self.events("Network.requestWillBeSent").map(|sent| &sent["request"]["url"]);
        urls.map(|url| url.as_str().expect("an address").to_owned()).collect()
    }

    fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.try_to_ask(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_to_ask(&mut self, method: &str, parameters: &Value) -> Result<Value, Value> {
        self.next += 1;
        let id = self.next;
        let mut command = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let mut octets = command.to_string().into_bytes();
        octets.push(0);
        self.commands.write_all(&octets).expect("the browser listens");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left).expect("the browser answers in time");
            if message["id"] == id {
                let failed = !message["error"].is_null();
                return if failed { Err(message["error"].clone()) } else { Ok(message["result"].clone()) };
            }
            if message["method"] == "Page.javascriptDialogOpening" {
                // A page with a dialog would answer nothing more.
                self.dismiss();
            }
            self.events.push(message);
        }
    }

    fn dismiss(&mut self) {
        let command = json!({
            "id": 0, "method": "Page.handleJavaScriptDialog", "params": { "accept": false }, "sessionId": self.session,
        });
        let mut octets = command.to_string().into_bytes();
        octets.push(0);
        self.commands.write_all(&octets).expect("the browser listens");
    }
}
