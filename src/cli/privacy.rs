//! `portero privacy`: what is kept of one person, handed out or erased, and what stands for them in the log.
//!
//! The export reads the data folder, while a server may be writing it. To erase is for whoever writes there: a server that
//! runs is asked by its API, and where none does, it is done here.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::api::Api;
use super::who;
use crate::call::Ladder;
use crate::records::audit::Deed;
use crate::records::person::{Erased, Held, Person};
use crate::records::pseudonyms::Pseudonyms;
use crate::records::{Kept, RecordsError, Store, Writer};
use crate::speech;

/// Hands out or erases what is kept of one person.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write all that is kept of a person into a folder: export.json, and the recordings of their calls.
    Export {
        #[command(flatten)]
        whose: Whose,

        /// The folder, which is made
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Tell how much is kept of a person, and with --yes erase it; the calls stay without telling whose they were.
    Erase {
        #[command(flatten)]
        whose: Whose,

        /// Erase it: there is no way back
        #[arg(long)]
        yes: bool,

        #[command(flatten)]
        api: Api,
    },
    /// Print what stands for a number or a customer in the server's log.
    Pseudonym {
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(Debug, clap::Args)]
struct Whose {
    /// The customer, by the back end's identifier; a number that begins with + is a calling number
    #[arg(value_name = "CUSTOMER", required_unless_present = "ani")]
    customer: Option<String>,

    /// Whoever calls from this number, written as in the records: +12025550101
    #[arg(long, value_name = "NUMBER", conflicts_with = "customer")]
    ani: Option<String>,

    /// The server's data folder
    #[arg(long, value_name = "FOLDER", default_value = "portero-data")]
    data: PathBuf,
}

impl Whose {
    fn person(&self) -> Person {
        match (&self.ani, &self.customer) {
            (Some(number), _) => Person::Ani(number.clone()),
            (None, Some(number)) if number.starts_with('+') => Person::Ani(number.clone()),
            (None, customer) => Person::Customer(customer.clone().unwrap_or_default()),
        }
    }
}

/// Runs the subcommand.
///
/// # Errors
/// A data folder that is missing or cannot be read, a server that cannot be reached or refuses, files that are there.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let done = match &arguments.what {
        What::Export { whose, to } => export(whose, to)?,
        What::Erase { whose, yes: false, .. } => would_erase(whose)?,
        What::Erase { whose, yes: true, api } => erase(whose, api)?,
        What::Pseudonym { whose } => pseudonyms(whose)?,
    };
    println!("{done}");
    Ok(ExitCode::SUCCESS)
}

/// Finds what is kept, and notes in the audit log what is about to be done with it.
fn held(whose: &Whose, deed: Deed) -> anyhow::Result<Held> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open_read_only(&whose.data).await?;
        let person = whose.person();
        let held = store.held(&person).await?;
        let subject = person.pseudonym(&Pseudonyms::load(&whose.data)?);
        who::note(&store, deed, subject, held.in_words()).await?;
        Ok(held)
    })
}

fn export(whose: &Whose, to: &Path) -> anyhow::Result<String> {
    let held = held(whose, Deed::Exported)?;
    let written = |path: &Path| path.display().to_string();
    fs::create_dir(to).with_context(|| written(to))?;
    let mut recordings = Vec::new();
    for (call, file) in &held.recordings {
        let name = format!("{call}.wav");
        let copy = to.join(&name);
        match fs::copy(file, &copy) {
            // Its time was over a moment ago.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            copied => copied.with_context(|| written(&copy))?,
        };
        recordings.push(name);
    }
    let messages: Vec<_> = held.traces.iter().map(Ladder::new).collect();
    let export = json!({ "records": held.records, "messages": messages, "recordings": recordings });
    let path = to.join("export.json");
    fs::write(&path, serde_json::to_vec_pretty(&export)?).with_context(|| written(&path))?;
    Ok(format!("{}: {}.", written(to), held.in_words()))
}

fn would_erase(whose: &Whose) -> anyhow::Result<String> {
    let held = held(whose, Deed::Read)?;
    Ok(format!("There are {}. Nothing has been erased: that takes --yes.", held.in_words()))
}

fn erase(whose: &Whose, api: &Api) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let erased = match runtime.block_on(Store::open(&whose.data)) {
        Ok(store) => runtime.block_on(erase_here(whose, &store))?,
        // Whoever writes there has records in hand, and calls that are up.
        Err(RecordsError::InUse { .. }) => erase_there(&whose.person(), api)?,
        Err(error) => return Err(error.into()),
    };
    Ok(format!("Erased {}.", erased.in_words()))
}

async fn erase_here(whose: &Whose, store: &Store) -> anyhow::Result<Erased> {
    let person = whose.person();
    let subject = person.pseudonym(&Pseudonyms::load(&whose.data)?);
    // Before and after: what is erased is in the log even if something is in the way in between.
    who::note(store, Deed::Erased, subject.clone(), "begun").await?;
    speech::clear(&whose.data.join("speech")).context("what the voice said stays")?;
    let writer = Writer::start(store, Kept::EVERYTHING, |_| ())?;
    let erased = writer.eraser().erase(person).await;
    writer.drain().await;
    let erased = erased?;
    who::note(store, Deed::Erased, subject, erased.in_words()).await?;
    Ok(erased)
}

fn erase_there(person: &Person, api: &Api) -> anyhow::Result<Erased> {
    let (kind, name) = match person {
        Person::Customer(id) => ("customers", id),
        Person::Ani(number) => ("numbers", number),
    };
    api.delete(&format!("/api/v1/{kind}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC)))
}

fn pseudonyms(whose: &Whose) -> anyhow::Result<String> {
    let person = whose.person();
    let (sort, value) = person.known_by();
    let all = Pseudonyms::load(&whose.data)?.all(sort, value);
    let lines: Vec<_> = all
        .into_iter()
        .rev()
        .map(|(since, shown)| format!("{shown}  since {}", since.strftime("%Y-%m-%d %H:%M:%S UTC")))
        .collect();
    anyhow::ensure!(
        !lines.is_empty(),
        "{} has no keys yet: a server makes them when it starts",
        whose.data.display()
    );
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::cli;
    use crate::records::audit::AuditFilter;
    use crate::records::pseudonyms::Sort;
    use crate::records::sample;

    fn folder() -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let store = Store::open(folder.path()).await.expect("opened");
            sample::keep(&store, [sample::record(1), sample::bare(2)]).await;
        });
        let recordings = folder.path().join("recordings/2026-11-23");
        fs::create_dir_all(&recordings).expect("a folder");
        fs::write(recordings.join("0123456789abcdef.wav"), "RIFF").expect("room");
        fs::create_dir(folder.path().join("speech")).expect("a folder");
        fs::write(folder.path().join("speech/5f3a.speech"), "Dear Siân").expect("room");
        folder
    }

    fn whose(what: &Arguments) -> &Whose {
        let (What::Export { whose, .. } | What::Erase { whose, .. } | What::Pseudonym { whose }) = &what.what;
        whose
    }

    fn arguments(line: &str, folder: &TempDir) -> Arguments {
        let line = format!("{line} --data {}", folder.path().display());
        cli::arguments::<Arguments>(&line).expect("arguments")
    }

    #[test]
    fn an_export_has_records_and_recordings() {
        let folder = folder();
        let to = folder.path().join("out");
        for line in
            ["export 10000001 --to x", "export +12025550101 --to x", "export --ani +12025550101 --to x"]
        {
            let arguments = arguments(line, &folder);
            let told = export(whose(&arguments), &to).expect("exported");
            assert!(told.ends_with("calls: 1, with messages: 0, with recordings: 1."), "{told}");
            let json: serde_json::Value =
                serde_json::from_slice(&fs::read(to.join("export.json")).expect("a file")).expect("JSON");
            assert_eq!(json["records"], json!([sample::record(1)]));
            assert_eq!(json["recordings"], json!(["0000000000000001.wav"]));
            assert_eq!(fs::read(to.join("0000000000000001.wav")).expect("a file"), b"RIFF");
            assert!(export(whose(&arguments), &to).is_err(), "what is there is not written over");
            fs::remove_dir_all(&to).expect("removed");
        }
    }

    #[test]
    fn nothing_is_erased_without_yes_and_everything_with_it() {
        let folder = folder();
        let arguments = arguments("erase 10000001 --yes", &folder);
        let told = would_erase(whose(&arguments)).expect("told");
        assert!(
            told.starts_with("There are calls: 1, with messages: 0, with recordings: 1. Nothing"),
            "{told}"
        );
        let What::Erase { whose, api, .. } = &arguments.what else { panic!("it erases") };
        let told = erase(whose, api).expect("erased");
        assert_eq!(told, "Erased calls: 1, with messages: 0, with recordings: 1.");
        assert!(!folder.path().join("speech/5f3a.speech").exists());
        assert!(!folder.path().join("recordings/2026-11-23/0123456789abcdef.wav").exists());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let rows = runtime.block_on(async {
            let store = Store::open_read_only(folder.path()).await.expect("opened");
            store.audited(&AuditFilter::default(), 9).await.expect("read")
        });
        let deeds: Vec<_> = rows.iter().map(|row| (row.deed, row.detail.as_str())).collect();
        let all = "calls: 1, with messages: 0, with recordings: 1";
        assert_eq!(deeds, [(Deed::Erased, all), (Deed::Erased, "begun"), (Deed::Read, all)]);
        assert!(rows.iter().all(|row| !row.subject.contains("10000001")), "{rows:?}");
    }

    #[test]
    fn a_folder_in_use_is_left_to_the_server() {
        let folder = folder();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _server = runtime.block_on(Store::open(folder.path())).expect("opened");
        let arguments = arguments("erase 10000001 --yes --api http://127.0.0.1:1", &folder);
        let What::Erase { whose, api, .. } = &arguments.what else { panic!("it erases") };
        let told = erase(whose, api).expect_err("nobody is there");
        assert!(told.to_string().contains("no server answers"), "{told}");
    }

    #[test]
    fn what_to_look_for_is_printed_for_each_key() {
        let folder = folder();
        let arguments = arguments("pseudonym +12025550101", &folder);
        let told = pseudonyms(whose(&arguments)).expect_err("no keys yet");
        assert!(told.to_string().contains("has no keys yet"), "{told}");
        let keys = crate::config::Configuration::demo(&crate::config::Overrides::default()).privacy.rotation;
        let shown = Pseudonyms::open(folder.path(), keys).expect("a key").of(Sort::Ani, "+12025550101");
        let told = pseudonyms(whose(&arguments)).expect("a key");
        assert!(told.starts_with(&format!("{shown}  since 20")), "{told}");
    }
}
