//! `portero config`: what is in effect, how a line's conversation goes, and what an editor should know of the file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::serve::{EXIT_CONFIGURATION, look};
use crate::config::{Configuration, Faults, Graph, Overrides, demo_text, schema, show};

/// `EX_USAGE` of sysexits.h: what was asked for is not there.
const EXIT_USAGE: u8 = 64;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print all that is in effect, defaults included and credentials hidden.
    Show {
        /// The configuration file; the demo's without one.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Draw the conversation of a line.
    Graph {
        /// The line's number, or its `id`.
        line: String,
        /// The configuration file; the demo's without one.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// As a picture in place of text.
        #[arg(long)]
        svg: bool,
    },
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
}

/// Ends with 78 (`EX_CONFIG` of sysexits.h) where the file has a fault, and with 64 where it has no such line.
pub fn run(arguments: &Arguments) -> ExitCode {
    match told(&arguments.what) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(Untold::Faults(faults)) => {
            eprint!("{}", faults.show(look()));
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(Untold::NoLine(lines)) => {
            eprintln!("portero: there is no such line; the lines are: {}", lines.join(", "));
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// Why there is nothing to print.
#[derive(Debug)]
enum Untold {
    Faults(Box<Faults>),
    NoLine(Vec<String>),
}

fn told(what: &What) -> Result<String, Untold> {
    match what {
        What::Show { file } => shown(file.as_deref()),
        What::Graph { line, config, svg } => {
            let configuration = read(config.as_deref())?;
            let found = configuration.lines.iter().find(|known| known.number.as_str() == line);
            let found = found.or_else(|| configuration.directory.find(line, None));
            let graph = found.map(|line| Graph::of(line)).ok_or_else(|| {
                Untold::NoLine(configuration.lines.iter().map(|line| line.number.to_string()).collect())
            })?;
            Ok(if *svg { graph.svg() } else { graph.text() })
        }
        What::Schema => Ok(schema()),
    }
}

fn shown(file: Option<&Path>) -> Result<String, Untold> {
    let (name, text) = match file {
        None => ("demo.toml".to_owned(), demo_text().to_owned()),
        Some(path) => {
            // Reading it as a configuration tells what is wrong with it as a file.
            read(Some(path))?;
            (path.display().to_string(), std::fs::read_to_string(path).unwrap_or_default())
        }
    };
    show(&name, &text, &|name| Some(name.to_owned())).map_err(|faults| Untold::Faults(Box::new(faults)))
}

/// The file, whose environment need not be the one that it will run in.
fn read(file: Option<&Path>) -> Result<Configuration, Untold> {
    match file {
        None => Ok(Configuration::demo(&Overrides::default())),
        Some(file) => Configuration::load_with(file, &|name| Some(name.to_owned()))
            .map_err(|faults| Untold::Faults(Box::new(faults))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_drawn_by_its_number_and_others_are_told_of() {
        let graph = |line: &str, svg| told(&What::Graph { line: line.into(), config: None, svg });
        assert!(graph("1000", false).expect("there is one").starts_with("1000 Personal customers\n"));
        assert!(graph("1000", true).expect("there is one").starts_with("<svg "));
        assert!(
            matches!(graph("9", false), Err(Untold::NoLine(lines)) if lines.contains(&"1003".to_owned()))
        );
    }

    #[test]
    fn the_schema_is_json() {
        let schema = told(&What::Schema).expect("a schema");
        assert!(serde_json::from_str::<serde_json::Value>(&schema).is_ok());
    }
}
