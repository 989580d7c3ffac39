//! The program as a process of its own, and the prompts that it comes with.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Starts `portero serve`, and gives it back once it says that it is ready. What it logs goes to `log`.
pub fn serve(file: &Path, log: &Path) -> Result<Child> {
    let mut process = Command::new(env!("CARGO_BIN_EXE_portero"))
        .args(["serve", "--config"])
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(fs::File::create(log)?)
        .spawn()?;
    let mut said = String::new();
    BufReader::new(process.stdout.take().context("its output is piped")?).read_line(&mut said)?;
    if !said.starts_with("ready") {
        process.kill()?;
        process.wait()?;
        bail!("the server did not start: {}", fs::read_to_string(log)?);
    }
    Ok(process)
}

/// Copies the prompts of every language to `folder`, which is made.
pub fn copy_prompts(folder: &Path) -> Result<()> {
    for language in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/prompts"))? {
        let language = language?;
        if !language.file_type()?.is_dir() {
            continue;
        }
        let copies = folder.join(language.file_name());
        fs::create_dir_all(&copies)?;
        for prompt in fs::read_dir(language.path())? {
            let prompt = prompt?;
            fs::copy(prompt.path(), copies.join(prompt.file_name()))?;
        }
    }
    Ok(())
}
