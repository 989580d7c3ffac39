//! A page of docs/backends, and the configuration that it shows.

use std::net::SocketAddr;

use portero::config::Configuration;
use portero::crm::Config;

pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/backends");

/// What every environment variable holds where all is well.
pub const CREDENTIAL: &str = "open sesame";

/// What a file says besides.
const REST: &str = r#"
[sip]
listen = "192.0.2.1:5060"

[targets.agents]
uri = "sip:agents@pbx.example.com"

[[lines]]
number = "100"
identifier.digits = 8
"#;

pub struct Page {
    name: String,
    shown: String,
}

impl Page {
    /// Reads the page's one block of TOML.
    pub fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(format!("{FOLDER}/{name}.md")).expect("the page");
        let mut blocks =
            text.split("```toml\n").skip(1).map(|rest| rest.split_once("\n```").expect("the block ends").0);
        let shown = blocks.next().expect("a block").to_owned();
        assert_eq!(blocks.next(), None, "{name} has one block");
        Self { name: name.to_owned(), shown }
    }

    fn file(&self) -> String {
        let checks = self.shown.contains("[actions.check_pin]");
        let verification = if checks { "verification.digits = 4\n" } else { "" };
        format!("{}\n{REST}{verification}", self.shown)
    }

    fn parse(text: &str, credential: &str) -> Configuration {
        let configuration = Configuration::parse("page.toml", text, &|_| Some(credential.to_owned()));
        configuration.unwrap_or_else(|faults| panic!("{faults}"))
    }

    /// Sees that what is shown has no fault, and nothing in it that is most likely not meant.
    pub fn check(&self) {
        let warnings = Self::parse(&self.file(), CREDENTIAL).warnings;
        // What a self-service line says is asked by none that only identifies.
        let unmeant =
            warnings.iter().filter(|fault| !fault.message().ends_with("the action `customer_record`"));
        assert_eq!(unmeant.count(), 0, "{}: {warnings}", self.name);
    }

    /// The page's actions, asked of whoever serves at `address`.
    pub fn config(&self, address: SocketAddr, credential: &str) -> Config {
        Self::parse(&self.moved(address), credential).back_end
    }

    /// The page's file, with whoever serves at `address` in place of the services.
    pub fn moved(&self, address: SocketAddr) -> String {
        self.file().lines().map(|line| moved(line, address) + "\n").collect()
    }
}

/// A line of the file, with another host where it names one that is asked.
fn moved(line: &str, address: SocketAddr) -> String {
    let asked = line.starts_with("base_url") || line.starts_with("token_url");
    match line.split_once("\"https://") {
        Some((name, url)) if asked => {
            let path = url.find(['/', '"']).expect("the host ends");
            format!("{name}\"http://{address}{}", &url[path..])
        }
        _ => line.to_owned(),
    }
}
