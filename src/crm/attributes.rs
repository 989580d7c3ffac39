//! What else an answer tells of a customer: each attribute by a name of the configuration's own, found by its place,
//! translated into the business's words, with a default where there is none.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::flow;

/// How many texts of one attribute are kept. What comes after them is left out.
pub const TEXTS_MAX: usize = 32;
/// The longest text of an attribute, in characters. A longer one counts as absent.
pub const TEXT_LENGTH_MAX: usize = 1024;

/// What to take out of an answer, by the names that the configuration gives it.
pub type Attributes = BTreeMap<Arc<str>, Attribute>;

/// Where one attribute is, and what is made of it.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// Its texts, numbers, and yes or no; whatever else is there counts as absent.
    pub path: JsonPath,
    /// What stands for it where there is none.
    pub default: Option<String>,
    /// Other words for the service's.
    pub translate: BTreeMap<String, String>,
    /// What stands for a text that `translate` does not know; absent: the text itself.
    pub otherwise: Option<String>,
}

impl Attribute {
    fn texts(&self, within: &Value) -> Vec<String> {
        let texts = self.path.query(within).into_iter().filter_map(text).take(TEXTS_MAX);
        let mut texts: Vec<String> = texts.map(|text| self.translated(text)).collect();
        if texts.is_empty() {
            texts.extend(self.default.clone());
        }
        texts
    }

    fn translated(&self, text: String) -> String {
        self.translate.get(&text).or(self.otherwise.as_ref()).cloned().unwrap_or(text)
    }
}

/// What `within` tells of each; an attribute without any text is left out.
pub(super) fn read(attributes: &Attributes, within: &Value) -> flow::Attributes {
    let read = attributes.iter().map(|(name, attribute)| (Arc::clone(name), attribute.texts(within)));
    read.filter(|(_, texts)| !texts.is_empty()).collect()
}

/// A text, a number, or a yes or no, as text; blanks around it do not count.
pub(super) fn text(node: &Value) -> Option<String> {
    let text = match node {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty() && text.chars().count() <= TEXT_LENGTH_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attribute(path: &str) -> Attribute {
        Attribute {
            path: JsonPath::parse(path).expect("a path"),
            default: None,
            translate: BTreeMap::new(),
            otherwise: None,
        }
    }

    fn read_one(attribute: Attribute, within: &Value) -> Vec<String> {
        let attributes = Attributes::from([("it".into(), attribute)]);
        read(&attributes, within).remove("it").unwrap_or_default()
    }

    #[test]
    fn scalars_become_texts_and_all_else_is_absent() {
        let long = "x".repeat(TEXT_LENGTH_MAX + 1);
        let just = "x".repeat(TEXT_LENGTH_MAX);
        let table = [
            (json!({"it": " gold "}), vec!["gold"]),
            (json!({"it": 7}), vec!["7"]),
            (json!({"it": -12.5}), vec!["-12.5"]),
            (json!({"it": true}), vec!["true"]),
            (json!({"it": just}), vec![just.as_str()]),
            (json!({"it": long}), vec![]),
            (json!({"it": ""}), vec![]),
            (json!({"it": null}), vec![]),
            (json!({"it": ["gold"]}), vec![]),
            (json!({"it": {"is": "gold"}}), vec![]),
            (json!({}), vec![]),
            (json!(null), vec![]),
        ];
        for (within, expected) in table {
            assert_eq!(read_one(attribute("$.it"), &within), expected, "{within}");
        }
    }

    #[test]
    fn many_texts_are_kept_up_to_a_limit() {
        let within = json!({"it": ["a", 1, null, {}, "b"]});
        assert_eq!(read_one(attribute("$.it[*]"), &within), ["a", "1", "b"]);
        let within = json!({"it": (0..=TEXTS_MAX).collect::<Vec<_>>()});
        assert_eq!(read_one(attribute("$.it[*]"), &within).len(), TEXTS_MAX);
    }

    #[test]
    fn words_are_translated_and_defaults_stand_in() {
        let words = |otherwise: Option<&str>| Attribute {
            default: Some("none".to_owned()),
            translate: BTreeMap::from([("A1".to_owned(), "gold".to_owned())]),
            otherwise: otherwise.map(str::to_owned),
            ..attribute("$.it")
        };
        let table = [
            (words(None), json!({"it": "A1"}), "gold"),
            (words(None), json!({"it": "B2"}), "B2"),
            (words(Some("standard")), json!({"it": "A1"}), "gold"),
            (words(Some("standard")), json!({"it": "B2"}), "standard"),
            (words(Some("standard")), json!({}), "none"),
            (words(None), json!({"it": null}), "none"),
        ];
        for (attribute, within, expected) in table {
            assert_eq!(read_one(attribute, &within), [expected], "{within}");
        }
    }
}
