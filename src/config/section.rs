//! Reads the tables of a TOML file value by value, and notes what is wrong with each where it stands.
//!
//! A value that is faulty reads as if it were absent, so one fault is told once and all others still are.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use super::nearest::nearest;

/// Where faults are noted; and, where that is wanted, what was asked for.
#[derive(Debug, Default)]
pub(super) struct Noted {
    faults: RefCell<Vec<Fault>>,
    asked: Option<RefCell<Vec<Asked>>>,
}

/// One setting that was asked for, as the schema tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Which table it was asked of.
    pub(super) table: TableId,
    /// Its key; `*` stands for names that the file's author chooses.
    pub(super) key: String,
    pub(super) kind: Kind,
    /// What would have been said to somebody who had it wrong.
    pub(super) hint: Option<String>,
}

/// Tells one table of a file from another: by where it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TableId(usize);

impl TableId {
    pub(super) fn of(table: &DeTable<'_>) -> Self {
        Self(std::ptr::from_ref(table).addr())
    }
}

/// What a setting can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A whole number between these.
    Number(u32, u32),
    Flag,
    Texts,
    /// Whole numbers between these.
    Numbers(u32, u32),
    Section,
    Sections,
    /// A text, a number, or yes or no.
    Word,
    Words,
    /// What is said at one point, in any of its forms.
    Announcement,
    /// What is said at each attempt.
    Announcements,
}

impl Noted {
    /// For one that also keeps what is asked for.
    pub(super) fn with_asked() -> Self {
        Self { faults: RefCell::default(), asked: Some(RefCell::default()) }
    }

    pub(super) fn note(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    pub(super) fn into_list(self) -> Vec<Fault> {
        self.faults.into_inner()
    }

    /// What was asked for, in order.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.as_ref().map(|asked| asked.borrow().clone()).unwrap_or_default()
    }
}

/// What is wrong with a value, and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    message: String,
    help: String,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }

    pub(super) fn at(self, span: Range<usize>) -> Fault {
        Fault::at(span, self.message).help(self.help)
    }
}

/// Stands for names that the file's author chooses.
pub(super) const ANY: &str = "*";
/// A text that is right for nothing that cannot be just any text.
const NONSENSE: &str = "\u{1}";

/// A text, and where it stands.
pub(super) type Text<'t> = Spanned<&'t str>;

/// What may be said in one word, or at length.
pub(super) enum Said<'t> {
    /// The word.
    Text(Text<'t>),
    /// The settings that say it at length.
    Section(Section<'t>),
}

/// One table of the file, or the lack of it.
pub(super) struct Section<'t> {
    title: String,
    span: Range<usize>,
    table: Option<&'t DeTable<'t>>,
    /// There is something in its place, of which it has been told that it is no section.
    is_lost: bool,
    known: Vec<&'static str>,
    noted: &'t Noted,
}

impl<'t> Section<'t> {
    /// The whole file.
    pub(super) fn file(table: &'t Spanned<DeTable<'t>>, noted: &'t Noted) -> Self {
        Self {
            title: "the file".into(),
            span: 0..0,
            table: Some(table.get_ref()),
            is_lost: false,
            known: Vec::new(),
            noted,
        }
    }

    /// Where it begins: its header, or that of the section which lacks it.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(super) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    pub(super) fn note(&self, fault: Fault) {
        self.noted.note(fault);
    }

    /// Keeps, where that is wanted, that `key` was asked for as one of this kind.
    pub(super) fn ask(&self, key: &str, kind: Kind) {
        self.ask_with(key, kind, || None);
    }

    fn ask_with(&self, key: &str, kind: Kind, hint: impl FnOnce() -> Option<String>) {
        if let (Some(asked), Some(table)) = (&self.noted.asked, self.table) {
            let asked_now = Asked { table: TableId::of(table), key: key.to_owned(), kind, hint: hint() };
            asked.borrow_mut().push(asked_now);
        }
    }

    /// The value of `key`, whatever it is.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.entry(key).map(|(_, value)| value)
    }

    /// Whether the section `name` in this one says one of these, for whoever does not read it.
    pub(super) fn has_in(&self, name: &str, keys: &[&str]) -> bool {
        let inner = self.entry(name).and_then(|(_, value)| value.get_ref().as_table());
        inner.is_some_and(|inner| inner.keys().any(|key| keys.contains(&key.get_ref().as_ref())))
    }

    fn entry(&self, key: &str) -> Option<(Range<usize>, &'t Spanned<DeValue<'t>>)> {
        let (key, value) = self.table?.iter().find(|(name, _)| name.get_ref().as_ref() == key)?;
        Some((key.span(), value))
    }

    /// Notes that `key` is absent though there is no going without. `example` shows what could be there.
    pub(super) fn miss(&self, key: &str, example: &str) {
        if self.is_lost {
            return;
        }
        let lacks = if self.is_present() { "does not say" } else { "is missing, and with it" };
        let message = format!("{} {lacks} `{key}`", self.title);
        // A section that is missing from the file itself is missing nowhere in particular.
        let fault =
            if self.span.is_empty() { Fault::of_file(message) } else { Fault::at(self.span(), message) };
        self.note(fault.help(format!("add a line such as `{key} = {example}`")));
    }

    /// The text of `key`.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Text<'t>> {
        self.ask(key, Kind::Text);
        let value = self.value(key)?;
        self.text_of(key, value)
    }

    fn text_of(&self, key: &str, value: &'t Spanned<DeValue<'t>>) -> Option<Text<'t>> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.note(wrong_type(key, "a text in quotes", value));
        }
        Some(Spanned::new(value.span(), text?))
    }

    /// The text of `key`, read by `parse`.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        self.ask_with(key, Kind::Text, || parse(NONSENSE).err().map(|complaint| complaint.help));
        let text = self.text(key)?;
        self.accept(text.span(), parse(text.get_ref()))
    }

    /// Takes what was read at `span`, or notes the complaint.
    pub(super) fn accept<T>(&self, span: Range<usize>, read: Result<T, Complaint>) -> Option<T> {
        read.map_err(|complaint| self.note(complaint.at(span))).ok()
    }

    /// As [`Section::read`], where there is no going without.
    pub(super) fn need<T>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl Fn(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        if self.entry(key).is_none() {
            self.miss(key, example);
        }
        self.read(key, parse)
    }

    /// The whole number of `key`, which lies in `range`.
    pub(super) fn number(&mut self, key: &'static str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        self.ask(key, Kind::Number(*range.start(), *range.end()));
        let value = self.value(key)?;
        self.number_of(key, value, &range)
    }

    fn number_of(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        range: &std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let Some(integer) = value.get_ref().as_integer() else {
            self.note(wrong_type(key, "a whole number, without quotes", value));
            return None;
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let fault = Fault::at(value.span(), format!("`{key}` is out of range"));
            self.note(fault.help(format!("anything from {least} to {most} will do")));
        }
        number
    }

    /// The yes or no of `key`.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.ask(key, Kind::Flag);
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.note(wrong_type(key, "true or false, without quotes", value));
        }
        flag
    }

    fn items(&mut self, key: &'static str, what: &str) -> Option<&'t [Spanned<DeValue<'t>>]> {
        let value = self.value(key)?;
        let items = value.get_ref().as_array();
        if items.is_none() {
            self.note(wrong_type(key, what, value));
        }
        items.map(|items| &**items)
    }

    /// The texts of the list `key`.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<Text<'t>>> {
        self.ask(key, Kind::Texts);
        let items = self.items(key, "a list of texts, as in [\"…\", \"…\"]")?;
        Some(items.iter().filter_map(|item| self.text_of(key, item)).collect())
    }

    /// The text of `key`, or the texts of its list.
    pub(super) fn text_or_texts(&mut self, key: &'static str) -> Option<Vec<Text<'t>>> {
        self.ask(key, Kind::Text);
        self.ask(key, Kind::Texts);
        match self.value(key)?.get_ref() {
            DeValue::Array(_) => self.texts(key),
            _ => self.text(key).map(|text| vec![text]),
        }
    }

    /// The whole numbers of the list `key`, which lie in `range`.
    pub(super) fn numbers(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<Vec<u32>> {
        self.ask(key, Kind::Numbers(*range.start(), *range.end()));
        let items = self.items(key, "a list of numbers, as in [1, 2]")?;
        Some(items.iter().filter_map(|item| self.number_of(key, item, &range)).collect())
    }

    /// The section `key`. Where there is none it is empty, so that its defaults can be read all the same.
    pub(super) fn section(&mut self, key: &'static str, title: impl Into<String>) -> Self {
        self.ask(key, Kind::Section);
        let value = self.value(key);
        let table = value.and_then(|value| self.table_of(key, value));
        let span = value.map_or(self.span(), Spanned::span);
        let is_lost = value.is_some() && table.is_none();
        Self { title: title.into(), span, table, is_lost, known: Vec::new(), noted: self.noted }
    }

    fn table_of(&self, key: &str, value: &'t Spanned<DeValue<'t>>) -> Option<&'t DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.note(wrong_type(key, "a section of its own", value));
        }
        table
    }

    /// What `key` says, as a text or as a section.
    pub(super) fn said(&mut self, key: &'static str, title: impl Into<String>) -> Option<Said<'t>> {
        self.ask(key, Kind::Text);
        self.ask(key, Kind::Section);
        let value = self.value(key)?;
        self.said_by(key, value, title.into())
    }

    fn said_by(&self, key: &str, value: &'t Spanned<DeValue<'t>>, title: String) -> Option<Said<'t>> {
        match value.get_ref() {
            DeValue::String(text) => Some(Said::Text(Spanned::new(value.span(), text.as_ref()))),
            DeValue::Table(table) => {
                let (span, table) = (value.span(), Some(table));
                let known = Vec::new();
                Some(Said::Section(Self { title, span, table, is_lost: false, known, noted: self.noted }))
            }
            _ => {
                self.note(wrong_type(key, "a text in quotes, or a section of its own", value));
                None
            }
        }
    }

    /// What is said under names that the file's author chose, as texts or as sections.
    pub(super) fn named_sayings(&self, title: &str) -> Vec<(Text<'t>, Said<'t>)> {
        self.ask(ANY, Kind::Text);
        self.ask(ANY, Kind::Section);
        let saying = |(name, value): (Text<'t>, &'t Spanned<DeValue<'t>>)| {
            let title = format!("{title} `{}`", name.get_ref());
            let said = self.said_by(name.get_ref(), value, title)?;
            Some((name, said))
        };
        self.entries().into_iter().filter_map(saying).collect()
    }

    /// The text, number, or yes or no of `key`, as text.
    pub(super) fn word(&mut self, key: &'static str) -> Option<String> {
        self.ask(key, Kind::Word);
        let value = self.value(key)?;
        self.word_of(key, value)
    }

    /// The words of `key`, or of its list.
    pub(super) fn words(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.ask(key, Kind::Word);
        self.ask(key, Kind::Words);
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Array(items) => Some(items.iter().filter_map(|item| self.word_of(key, item)).collect()),
            _ => self.word_of(key, value).map(|word| vec![word]),
        }
    }

    fn word_of(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(integer) => Some(integer.as_str().to_owned()),
            DeValue::Float(float) => Some(float.as_str().to_owned()),
            DeValue::Boolean(flag) => Some(flag.to_string()),
            _ => {
                self.note(wrong_type(key, "a text in quotes, a number, or true or false", value));
                None
            }
        }
    }

    /// The sections of the list `key`: those under each `[[key]]`.
    pub(super) fn sections(&mut self, key: &'static str, title: &str) -> Vec<Self> {
        self.ask(key, Kind::Sections);
        let items = self.items(key, "a list of sections, each under its own [[…]]").unwrap_or_default();
        let section = |item: &'t Spanned<DeValue<'t>>| {
            let table = Some(self.table_of(key, item)?);
            Some(Self {
                title: title.into(),
                span: item.span(),
                table,
                is_lost: false,
                known: Vec::new(),
                noted: self.noted,
            })
        };
        items.iter().filter_map(section).collect()
    }

    /// What stands under names that the file's author chose, with where each name stands.
    pub(super) fn entries(&self) -> Vec<(Text<'t>, &'t Spanned<DeValue<'t>>)> {
        let entries = self.table.into_iter().flatten();
        entries.map(|(name, value)| (Spanned::new(name.span(), name.get_ref().as_ref()), value)).collect()
    }

    /// The sections under names that the file's author chose.
    pub(super) fn named_sections(&self, title: &str) -> Vec<(Text<'t>, Self)> {
        self.ask(ANY, Kind::Section);
        let section = |(name, value): (Text<'t>, &'t Spanned<DeValue<'t>>)| {
            let table = Some(self.table_of(name.get_ref(), value)?);
            let title = format!("[{title}.{}]", name.get_ref());
            let span = value.span();
            Some((name, Self { title, span, table, is_lost: false, known: Vec::new(), noted: self.noted }))
        };
        self.entries().into_iter().filter_map(section).collect()
    }

    /// The texts under names that the file's author chose.
    pub(super) fn named_texts(&self) -> Vec<(Text<'t>, Text<'t>)> {
        self.ask(ANY, Kind::Text);
        let text = |(name, value): (Text<'t>, &'t Spanned<DeValue<'t>>)| {
            let text = self.text_of(name.get_ref(), value)?;
            Some((name, text))
        };
        self.entries().into_iter().filter_map(text).collect()
    }

    /// `value`, which is `key`'s, as a section, if it is one.
    pub(super) fn of(&self, key: &str, title: &str, value: &'t Spanned<DeValue<'t>>) -> Option<Self> {
        self.ask(key, Kind::Section);
        let table = Some(value.get_ref().as_table()?);
        let (span, known) = (value.span(), Vec::new());
        Some(Self { title: title.into(), span, table, is_lost: false, known, noted: self.noted })
    }

    /// Forgets the rest of the section, where something in it is wrong that decides what the rest means.
    pub(super) fn excuse(&mut self) {
        (self.table, self.is_lost) = (None, true);
    }

    /// Notes that `value` is of another type than is `wanted`.
    pub(super) fn wrong(&self, key: &str, wanted: &str, value: &Spanned<DeValue<'_>>) {
        self.note(wrong_type(key, wanted, value));
    }

    /// The text of `key`, if it is one, without asking for it.
    pub(super) fn glance(&self, key: &str) -> Option<&'t str> {
        self.entry(key)?.1.get_ref().as_str()
    }

    /// The first text of `key`'s list, if it is one, without asking for it.
    pub(super) fn glance_first(&self, key: &str) -> Option<&'t str> {
        self.entry(key)?.1.get_ref().as_array()?.first()?.get_ref().as_str()
    }

    /// Notes every key that nothing asked for.
    pub(super) fn finish(self) {
        for (key, _) in self.table.into_iter().flatten() {
            if !self.known.contains(&key.get_ref().as_ref()) {
                let fault =
                    Fault::at(key.span(), format!("{} has no setting `{}`", self.title, key.get_ref()));
                self.note(fault.help(nearest(key.get_ref(), &self.known, "settings")));
            }
        }
    }
}

fn wrong_type(key: &str, wanted: &str, value: &Spanned<DeValue<'_>>) -> Fault {
    let found = match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    };
    Fault::at(value.span(), format!("`{key}` cannot be {found}")).help(format!("`{key}` should be {wanted}"))
}
