//! The JSON Schema of the configuration, for editors (JSON Schema draft 2020-12).
//!
//! It is put together by what reads a file: while the reference is read, each setting that is asked for is kept with its
//! type and range, and what would be said to somebody who had it wrong; what the reference says of it in comments is its
//! description. So a setting cannot be read and be missing here, as long as the reference says it, which a test sees to.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::read;
use super::section::{ANY, Asked, Kind, Noted, Section, TableId};

/// The file that says everything there is to say.
pub(super) const REFERENCE: &str = include_str!("../../config/reference.toml");

/// Sections that are alike, though a file that says one of them does not say the other.
const ALIKE: [(&str, &str); 3] = [
    ("back_ends.*", "back_end"),
    ("lines.identifier", "lines.identifiers"),
    ("lines.verification", "lines.factors"),
];

/// What an announcement can be is written down once, and the sections within one are all alike.
const ANNOUNCEMENT: &str = "announcement";

/// All that is known of one setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Setting {
    kinds: Vec<Kind>,
    hint: Option<String>,
    doc: Option<String>,
}

/// The settings of each section, by its path: `lines.identifier`.
type Sections = BTreeMap<String, BTreeMap<String, Setting>>;

/// The schema, as text.
pub(super) fn schema() -> String {
    let sections = sections(REFERENCE);
    let mut root = object("", &sections);
    root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".into(), json!("Portero's configuration"));
    root.insert("$defs".into(), json!({ ANNOUNCEMENT: announcement(&sections) }));
    let mut text = serde_json::to_string_pretty(&root).expect("texts, numbers and maps can be written");
    text.push('\n');
    text
}

fn sections(text: &str) -> Sections {
    let (table, _) = DeTable::parse_recoverable(text);
    let noted = Noted::with_asked();
    read::sections(Section::file(&table, &noted), &|name| Some(name.to_owned()));
    let asked = noted.asked();
    let mut walk = Walk::new(text, &asked);
    walk.table(table.get_ref(), "");
    let mut sections = Sections::new();
    for Asked { table, key, kind, hint } in asked.iter().cloned() {
        let Some(path) = walk.paths.get(&table) else { continue };
        let setting = sections.entry(path.clone()).or_default().entry(key.clone()).or_default();
        if !setting.kinds.contains(&kind) {
            setting.kinds.push(kind);
        }
        setting.hint = setting.hint.take().or(hint);
        setting.doc = setting.doc.take().or_else(|| walk.docs.get(&(table, key)).cloned());
    }
    sections
}

/// Finds out under which path each table of the file is, and what is said of its settings in comments.
struct Walk<'a> {
    text: &'a str,
    /// The settings that are announcements.
    announcing: HashSet<(TableId, &'a str)>,
    /// The tables with names that the file's author chooses.
    free: HashSet<TableId>,
    paths: HashMap<TableId, String>,
    docs: HashMap<(TableId, String), String>,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, asked: &'a [Asked]) -> Self {
        let said =
            asked.iter().filter(|asked| matches!(asked.kind, Kind::Announcement | Kind::Announcements));
        let announcing = said.map(|asked| (asked.table, asked.key.as_str())).collect();
        let free = asked.iter().filter(|asked| asked.key == ANY).map(|asked| asked.table).collect();
        Self { text, announcing, free, paths: HashMap::new(), docs: HashMap::new() }
    }

    fn table(&mut self, table: &DeTable<'_>, path: &str) {
        let id = TableId::of(table);
        self.paths.insert(id, path.to_owned());
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if let Some(doc) = comment_above(self.text, key.span().start) {
                self.docs.insert((id, name.to_owned()), doc);
            }
            let says = path == ANNOUNCEMENT || self.announcing.contains(&(id, name));
            let key = if self.free.contains(&id) { ANY } else { name };
            let within = if says { ANNOUNCEMENT.to_owned() } else { within(path, key) };
            self.value(value, &within);
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &str) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, path),
            DeValue::Array(items) => items.iter().for_each(|item| self.value(item, path)),
            _ => {}
        }
    }
}

/// The path of what stands in the section `path` under `key`.
fn within(path: &str, key: &str) -> String {
    let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    ALIKE.iter().find(|(one, _)| *one == path).map_or(path, |(_, other)| (*other).to_owned())
}

/// The comment on the lines right above this place, where it is the first thing on its line.
fn comment_above(text: &str, at: usize) -> Option<String> {
    let before = text.get(..at)?;
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    if !before[line_start..].chars().all(|letter| letter == '[' || letter.is_whitespace()) {
        return None;
    }
    let comments: Vec<&str> =
        before[..line_start].lines().rev().map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
    let words: Vec<&str> = comments.into_iter().rev().filter(|line| !line.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn object(path: &str, sections: &Sections) -> Map<String, Value> {
    let none = BTreeMap::new();
    // Where the reference does not say it here, it says it elsewhere: a question is a question wherever it is asked.
    let alike = || {
        let (_, last) = path.rsplit_once('.')?;
        sections
            .iter()
            .find(|(other, _)| other.rsplit_once('.').is_some_and(|(_, own)| own == last))
            .map(|(_, one)| one)
    };
    let settings = sections.get(path).or_else(alike).unwrap_or(&none);
    let mut properties = Map::new();
    let mut others = json!(false);
    for (key, setting) in settings {
        let schema = setting_schema(&within(path, key), setting, sections);
        if key == ANY {
            others = schema;
        } else {
            properties.insert(key.clone(), schema);
        }
    }
    let mut object = Map::new();
    object.insert("type".into(), json!("object"));
    object.insert("properties".into(), properties.into());
    object.insert("additionalProperties".into(), others);
    object
}

fn setting_schema(path: &str, setting: &Setting, sections: &Sections) -> Value {
    let says = setting.kinds.contains(&Kind::Announcement);
    // An announcement may be a section, too, which its own definition tells of.
    let kinds = setting.kinds.iter().filter(|kind| !(says && matches!(kind, Kind::Section | Kind::Text)));
    let mut schemas: Vec<Value> =
        kinds.map(|kind| kind_schema(kind, setting.hint.as_deref(), path, sections)).collect();
    let mut schema = match schemas.len() {
        1 => schemas.remove(0),
        _ => json!({ "anyOf": schemas }),
    };
    if let (Some(object), Some(doc)) = (schema.as_object_mut(), &setting.doc) {
        object.insert("description".into(), json!(doc));
    }
    schema
}

fn kind_schema(kind: &Kind, hint: Option<&str>, path: &str, sections: &Sections) -> Value {
    match kind {
        Kind::Text => text_schema(hint),
        Kind::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Word => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Words => json!({ "type": "array", "items": { "type": ["string", "number", "boolean"] } }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Numbers(least, most) => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": least, "maximum": most } })
        }
        Kind::Section => object(path, sections).into(),
        Kind::Sections => json!({ "type": "array", "items": object(path, sections) }),
        Kind::Announcement => json!({ "$ref": format!("#/$defs/{ANNOUNCEMENT}") }),
        Kind::Announcements => {
            json!({ "type": "array", "items": { "$ref": format!("#/$defs/{ANNOUNCEMENT}") }, "minItems": 1 })
        }
    }
}

/// A text: one of these words, where what is said of a wrong one lists the right ones.
fn text_schema(hint: Option<&str>) -> Value {
    let listed = hint.and_then(|hint| hint.split_once(" here are: ")).map(|(_, list)| list);
    match (listed, hint) {
        (Some(list), _) => {
            let words: Vec<&str> = list.split(", ").map(|word| word.trim_matches('`')).collect();
            json!({ "type": "string", "enum": words })
        }
        (None, Some(hint)) => json!({ "type": "string", "description": hint }),
        (None, None) => json!({ "type": "string" }),
    }
}

/// What is said at one point: a piece, several, or a section.
fn announcement(sections: &Sections) -> Value {
    let section = object(ANNOUNCEMENT, sections);
    let mut section = Value::from(section);
    // Within a section, what is said is written as without one.
    let piece = json!({ "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/announcement/anyOf/2" }] });
    if let Some(say) = section.pointer_mut("/properties/say") {
        *say = json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": piece }] });
    }
    json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": piece }, section] })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{Configuration, DEMO};
    use super::*;

    #[test]
    fn the_reference_has_no_fault() {
        let read = Configuration::parse("reference.toml", REFERENCE, &|name| Some(name.to_owned()));
        let read = read.unwrap_or_else(|faults| panic!("{faults}"));
        assert!(read.warnings.is_empty(), "{}", read.warnings);
    }

    #[test]
    fn the_reference_says_every_setting_that_is_read_and_what_it_is_for() {
        // A question is explained once, wherever it is asked: it counts that a section of the same part says it.
        let part = |path: &str| match path.split('.').next().unwrap_or_default() {
            "back_ends" => "back_end".to_owned(),
            part => part.to_owned(),
        };
        let (table, _) = DeTable::parse_recoverable(REFERENCE);
        let mut said = BTreeSet::new();
        for (key, value) in table.get_ref() {
            said.insert((String::new(), key.get_ref().to_string()));
            collect(value, &part(key.get_ref()), &mut said);
        }
        let sections = sections(REFERENCE);
        let settings = sections.iter().filter(|(path, _)| *path != ANNOUNCEMENT);
        let settings =
            settings.flat_map(|(path, settings)| settings.keys().map(move |key| (part(path), key.clone())));
        let unsaid: Vec<_> = settings.filter(|place| place.1 != ANY && !said.contains(place)).collect();
        assert!(unsaid.is_empty(), "config/reference.toml does not say: {unsaid:#?}");
    }

    fn collect(value: &Spanned<DeValue<'_>>, part: &str, said: &mut BTreeSet<(String, String)>) {
        match value.get_ref() {
            DeValue::Table(table) => {
                for (key, value) in table {
                    said.insert((part.to_owned(), key.get_ref().to_string()));
                    collect(value, part, said);
                }
            }
            DeValue::Array(items) => items.iter().for_each(|item| collect(item, part, said)),
            _ => {}
        }
    }

    #[test]
    fn the_schema_that_editors_are_given_is_that_of_this_program() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/portero.schema.json");
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == schema(), "write it anew: portero config schema > docs/portero.schema.json");
    }

    #[test]
    fn the_schema_takes_what_is_right_and_refuses_what_is_not() {
        let schema: Value = serde_json::from_str(&schema()).expect("JSON");
        for (name, text) in [("demo", DEMO), ("reference", REFERENCE)] {
            let file: Value = toml::from_str(text).expect("TOML");
            assert_eq!(wrong(&schema, &schema, &file, name), Vec::<String>::new());
        }
        let table = [
            ("[web]\nlisten = 5", "listen"),
            ("[web]\nlissen = \"127.0.0.1:8080\"", "lissen"),
            ("[limits]\ncalls = 0", "calls"),
            ("[[lines]]\ntones = \"ever\"", "tones"),
            ("[[lines]]\ngreeting = { sai = \"hello\" }", "greeting"),
            ("[[lines]]\nidentifier = { digits = true }", "digits"),
        ];
        for (text, place) in table {
            let file: Value = toml::from_str(text).expect("TOML");
            let told = wrong(&schema, &schema, &file, "");
            assert!(told.len() == 1 && told[0].contains(place), "{text}: {told:?}");
        }
    }

    /// Where `value` is none that `schema` takes: as much of JSON Schema as ours is made of.
    fn wrong(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        if schema == &json!(false) {
            return vec![format!("{at} is no setting")];
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let inner =
                root.pointer(reference.trim_start_matches('#')).expect("what is referred to is there");
            return wrong(root, inner, value, at);
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let fits = choices.iter().any(|choice| wrong(root, choice, value, at).is_empty());
            return if fits { Vec::new() } else { vec![format!("{at} is none of what it can be")] };
        }
        let fits = match schema["type"].as_str() {
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.as_i64().is_some_and(|number| {
                schema["minimum"].as_i64().is_none_or(|least| least <= number)
                    && schema["maximum"].as_i64().is_none_or(|most| number <= most)
            }),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            _ => true,
        };
        let listed = schema["enum"].as_array().is_none_or(|words| words.contains(value));
        if !fits || !listed {
            return vec![format!("{at} is wrong")];
        }
        let items = value.as_array().into_iter().flatten();
        let items = items.flat_map(|item| wrong(root, &schema["items"], item, at));
        let entries = value.as_object().into_iter().flatten().flat_map(|(key, inner)| {
            let of = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
            wrong(root, of, inner, &format!("{at}.{key}"))
        });
        items.chain(entries).collect()
    }

    #[test]
    fn comments_belong_to_what_stands_right_below_them() {
        let text = "# One.\n# Two.\n[a]\n# Three.\nb = 1\n\n# Four.\n\nc = { d = 1 }\n";
        let at = |what: &str| comment_above(text, text.find(what).expect("it is there"));
        assert_eq!(at("a]").as_deref(), Some("One. Two."));
        assert_eq!(at("b =").as_deref(), Some("Three."));
        assert_eq!((at("c ="), at("d =")), (None, None));
    }
}
