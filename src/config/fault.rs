//! What is wrong with a file, and where.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Fault {
    message: String,
}

/// Everything that is wrong, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Faults(Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.0 {
            writeln!(formatter, "{}", fault.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
