//! What is wrong with a file, where, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode,
};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    severity: Severity,
    message: String,
    help: Option<String>,
    span: Option<Range<usize>>,
}

impl Fault {
    /// A fault at these bytes of the file.
    pub(super) fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), help: None, span: Some(span) }
    }

    /// A fault of the file as a whole.
    pub(super) fn of_file(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), help: None, span: None }
    }

    /// Adds what to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Makes it a warning: what the file says can be done, but is most likely not meant.
    pub(super) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether the file can be used all the same.
    pub fn is_warning(&self) -> bool {
        self.severity == Severity::Warning
    }

    /// What is wrong, in one sentence, without what to do about it.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn span(&self) -> Option<&Range<usize>> {
        self.span.as_ref()
    }
}

/// Everything that is wrong with one file, in its order.
#[derive(Clone)]
pub struct Faults {
    file: Arc<NamedSource<String>>,
    list: Vec<Fault>,
}

/// How faults are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// For a terminal.
    Coloured,
    /// For a file, a pipe or a test.
    Plain,
}

/// Columns that a shown fault may take.
const WIDTH: usize = 100;

impl Faults {
    pub(super) fn new(file_name: &str, text: &str, mut list: Vec<Fault>) -> Self {
        list.sort_by_key(|fault| fault.span.as_ref().map(|span| (span.start, span.end)));
        Self { file: Arc::new(NamedSource::new(file_name, without_credentials(text))), list }
    }

    pub(super) fn none() -> Self {
        Self::new("", "", Vec::new())
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, each with file, line, column and the place pointed at.
    pub fn show(&self, look: Look) -> String {
        let theme = match look {
            Look::Coloured => GraphicalTheme::unicode(),
            Look::Plain => GraphicalTheme::unicode_nocolor(),
        };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_context_lines(1);
        let mut text = String::new();
        for fault in &self.list {
            let shown = Shown { fault, file: &self.file };
            // Writing to a text cannot fail; a fault that cannot be drawn is told without its drawing.
            if handler.render_report(&mut text, &shown).is_err() {
                text.push_str(&fault.message);
            }
            text.push('\n');
        }
        text
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.show(Look::Plain))
    }
}

// By hand, as the derived one would hold the whole file, which may hold a credential.
impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Faults").field("file", &self.file.name()).field("list", &self.list).finish()
    }
}

impl std::error::Error for Faults {}

/// Parts of the names of settings whose texts are credentials, a letter or two left out by mistake among them.
const CREDENTIALS: [&str; 9] =
    ["tok", "passw", "header", "authoriz", "api-key", "api_key", "secret", "basic", "database"];
/// How the name of a trunk's account begins. Names that end so, such as an action's, are others.
const ACCOUNT: &str = "account";

/// A file as it may be shown, in a log too: where a line sets a credential, stars stand in place of its letters, one for
/// each byte, so that every place in the file stays where it is.
fn without_credentials(text: &str) -> String {
    let mut in_section = false;
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('[') {
            in_section = is_credential(line);
        }
        match line.split_once('=') {
            Some((name, value)) if in_section || is_credential(name) => {
                shown.push_str(name);
                shown.push('=');
                push_starred(value, &mut shown);
            }
            _ => shown.push_str(line),
        }
    }
    shown
}

/// Whether what is set by this name is a credential.
pub(super) fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or_default().trim_start_matches(['[', ' ']);
    last.starts_with(ACCOUNT) || CREDENTIALS.iter().any(|part| name.contains(part))
}

/// What only names a variable of the environment is no credential.
fn push_starred(value: &str, shown: &mut String) {
    if value.trim_start().trim_start_matches('"').starts_with("env:") {
        return shown.push_str(value);
    }
    for letter in value.chars() {
        if letter.is_whitespace() || "\"'{}[]=,".contains(letter) {
            shown.push(letter);
        } else {
            shown.extend(std::iter::repeat_n('*', letter.len_utf8()));
        }
    }
}

/// A fault beside the file that it is in, as miette wants it.
#[derive(Debug)]
struct Shown<'a> {
    fault: &'a Fault,
    file: &'a NamedSource<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fault.span.is_none() {
            write!(formatter, "{}: ", self.file.name())?;
        }
        formatter.write_str(&self.fault.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(self.fault.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.fault.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.fault.span.as_ref().map(|_| self.file as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.fault.span.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown_and_nothing_moves() {
        let table = [
            ("token = \"s3cret\"\r\n", "token = \"******\"\r\n"),
            ("tokne = \"s\\\"é\" # mine\n", "tokne = \"**\"**\" * ****\n"),
            ("token = \"env:CRM_TOKEN\"\n", "token = \"env:CRM_TOKEN\"\n"),
            ("headers = { X-Key = \"k3y\", A = \"b\" }", "headers = { ***** = \"***\", * = \"*\" }"),
            (
                "[back_end.headers]\nX = \"k3y\"\n[web]\nlisten = \"x\"\n",
                "[back_end.headers]\nX = \"***\"\n[web]\nlisten = \"x\"\n",
            ),
            ("[hep]\npassword = 's3cret'\nid = 1\n", "[hep]\npassword = '******'\nid = 1\n"),
            ("account = { password = \"s3cret\" }\n", "account = { ******** = \"******\" }\n"),
        ];
        for (text, expected) in table {
            assert_eq!(without_credentials(text), expected);
            assert_eq!(expected.len(), text.len(), "every place stays where it is");
        }
    }

    #[test]
    fn a_fault_beside_a_credential_shows_none_of_it() {
        let text = "[hep]\npassword = \"s3cret\"\nto = \"homer\"\n";
        let at = text.find("homer").expect("it is there");
        let faults = Faults::new("portero.toml", text, vec![Fault::at(at..at + 5, "no address")]);
        let shown = faults.to_string();
        assert!(shown.contains("homer") && shown.contains("******") && !shown.contains("s3cret"), "{shown}");
    }
}
