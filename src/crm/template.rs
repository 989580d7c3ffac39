//! Text with gaps, each filled in so that its value cannot be taken for anything but a value.
//!
//! The language is minijinja's; what is ours is that the escaping follows from the place that the text is
//! meant for and cannot be switched off, not even by the `safe` filter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::sync::{Arc, LazyLock};

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, UndefinedBehavior, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use super::filters;
use crate::flow::Attributes;

/// Where a text is put, which decides how values are escaped in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Path and query of a URL: everything but RFC 3986 §2.3's unreserved characters is percent-encoded.
    Path,
    /// A header's value: control characters are refused, as a line break would begin another header.
    Header,
    /// Inside the quotes of a JSON string: RFC 8259 §7.
    Json,
    /// Text or a quoted attribute of an XML document: XML 1.0 §2.2, §2.4.
    Xml,
    /// A value of an HTML form (`application/x-www-form-urlencoded`): as [`Place::Path`], but it may be empty.
    Form,
}

/// RFC 3986 §2.3: letters, digits and these four stand for themselves.
pub(super) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What writes one value in its place.
type Escape = fn(&mut Output, &str) -> Result<(), Error>;

static PATH: LazyLock<Environment<'static>> = LazyLock::new(|| environment(write_path));
static HEADER: LazyLock<Environment<'static>> = LazyLock::new(|| environment(write_header));
static JSON: LazyLock<Environment<'static>> = LazyLock::new(|| environment(write_json));
static XML: LazyLock<Environment<'static>> = LazyLock::new(|| environment(write_xml));
static FORM: LazyLock<Environment<'static>> = LazyLock::new(|| environment(write_form));

impl Place {
    /// A value as it stands in this place; `None` where it cannot.
    pub fn escape(self, value: &str) -> Option<Zeroizing<String>> {
        Template::new("{{ it }}", self).ok()?.fill(&Values::new(&[("it", value)], None))
    }

    fn environment(self) -> &'static Environment<'static> {
        match self {
            Self::Path => &PATH,
            Self::Header => &HEADER,
            Self::Json => &JSON,
            Self::Xml => &XML,
            Self::Form => &FORM,
        }
    }
}

/// Rules in which `escape` writes every value, whatever a template says of its own escaping.
fn environment(escape: Escape) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(move |output, _, value| {
        if value.is_undefined() || value.is_none() {
            return Err(Error::from(ErrorKind::UndefinedError));
        }
        if matches!(value.kind(), ValueKind::Map | ValueKind::Seq | ValueKind::Iterable) {
            return Err(Error::new(ErrorKind::BadEscape, "a whole record, of which one value is meant"));
        }
        escape(output, &Zeroizing::new(value.to_string()))
    });
    filters::add_to(&mut environment);
    environment
}

fn write_path(output: &mut Output, text: &str) -> Result<(), Error> {
    // URLs resolve dot segments even where they are percent-encoded: a customer named ".." would lead to
    // another resource.
    if text.bytes().all(|byte| byte == b'.') {
        return Err(Error::new(ErrorKind::BadEscape, "nothing or only dots in a path"));
    }
    Ok(write!(output, "{}", utf8_percent_encode(text, RESERVED))?)
}

fn write_header(output: &mut Output, text: &str) -> Result<(), Error> {
    if text.chars().any(char::is_control) {
        return Err(Error::new(ErrorKind::BadEscape, "a control character in a header"));
    }
    Ok(output.write_str(text)?)
}

fn write_json(output: &mut Output, text: &str) -> Result<(), Error> {
    let quoted = serde_json::to_string(text)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, "not a JSON string").with_source(error))?;
    Ok(output.write_str(&quoted[1..quoted.len() - 1])?)
}

fn write_xml(output: &mut Output, text: &str) -> Result<(), Error> {
    for letter in text.chars() {
        match letter {
            '&' => output.write_str("&amp;")?,
            '<' => output.write_str("&lt;")?,
            '>' => output.write_str("&gt;")?,
            '"' => output.write_str("&quot;")?,
            '\'' => output.write_str("&apos;")?,
            // As they are, a parser would make other blanks of them.
            '\t' | '\n' | '\r' => write!(output, "&#{};", u32::from(letter))?,
            // XML has no way to write these.
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                return Err(Error::new(ErrorKind::BadEscape, "a control character in XML"));
            }
            _ => output.write_char(letter)?,
        }
    }
    Ok(())
}

fn write_form(output: &mut Output, text: &str) -> Result<(), Error> {
    Ok(write!(output, "{}", utf8_percent_encode(text, RESERVED))?)
}

/// What the gaps of a template are filled with.
#[derive(Clone)]
pub struct Values(Value);

impl Values {
    /// `names` stand for themselves; `record.NAME` for the first text of an attribute.
    pub fn new(names: &[(&str, &str)], record: Option<&Attributes>) -> Self {
        // On the heap, which is wiped: a short text would lie inside its value, and on every stack that carries it.
        let value = |text: &str| Value::from(Arc::<str>::from(text));
        let mut values: BTreeMap<String, Value> =
            names.iter().map(|&(name, text)| (name.to_owned(), value(text))).collect();
        if let Some(record) = record {
            let first = |(name, texts): (&Arc<str>, &Vec<String>)| {
                Some((name.to_string(), Value::from(texts.first()?.as_str())))
            };
            let record: BTreeMap<String, Value> = record.iter().filter_map(first).collect();
            values.insert(RECORD.to_owned(), Value::from(record));
        }
        Self(Value::from(values))
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Values(…)")
    }
}

/// What the attributes of a customer are parts of.
const RECORD: &str = "record";

/// A text with gaps, known to be well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: Arc<str>,
    place: Place,
    variables: BTreeSet<String>,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateFault(String);

impl From<Error> for TemplateFault {
    fn from(error: Error) -> Self {
        Self(error.detail().map_or_else(|| error.kind().to_string(), str::to_owned))
    }
}

impl Template {
    /// Reads `source` as a template for `place`. It has been filled in once on the way, so that a filter that
    /// does not exist is found here.
    pub fn new(source: &str, place: Place) -> Result<Self, TemplateFault> {
        filters::prepare(source);
        let parsed = place.environment().template_from_str(source)?;
        let variables: BTreeSet<String> = parsed.undeclared_variables(true).into_iter().collect();
        let template = Self { source: source.into(), place, variables };
        template.render_all("1")?;
        Ok(template)
    }

    /// The names that it asks for, such as `ani` and `record.segment`.
    pub fn variables(&self) -> &BTreeSet<String> {
        &self.variables
    }

    /// Fills it in; `None` where a name is missing, or where a value cannot be put into this place. Why is not
    /// told, as an explanation might quote a value.
    pub fn fill(&self, values: &Values) -> Option<Zeroizing<String>> {
        self.render(&values.0).ok()
    }

    /// Fills every gap with the same value, to see what comes out.
    pub fn fill_all(&self, value: &str) -> Option<Zeroizing<String>> {
        self.render_all(value).ok()
    }

    /// As [`Template::fill`], with values that are no attributes.
    #[cfg(test)]
    pub(super) fn fill_with(&self, names: &[(&str, &str)]) -> Option<Zeroizing<String>> {
        self.fill(&Values::new(names, None))
    }

    fn render_all(&self, value: &str) -> Result<Zeroizing<String>, Error> {
        let mut names = Vec::new();
        let mut record = Attributes::new();
        for name in &self.variables {
            match name.split_once('.') {
                Some((RECORD, attribute)) => drop(record.insert(attribute.into(), vec![value.to_owned()])),
                _ => names.push((name.as_str(), value)),
            }
        }
        let record = (!record.is_empty()).then_some(&record);
        self.render(&Values::new(&names, record).0)
    }

    fn render(&self, values: &Value) -> Result<Zeroizing<String>, Error> {
        // Parsing again takes some microseconds beside a network's milliseconds, and spares a template that
        // would borrow from itself.
        let template = self.place.environment().template_from_str(&self.source)?;
        Ok(Zeroizing::new(template.render(values)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(source: &str, place: Place, value: &str) -> Option<String> {
        let template = Template::new(source, place).expect("a template");
        template.fill_with(&[("v", value)]).map(|text| text.to_string())
    }

    #[test]
    fn values_are_escaped_for_their_place() {
        let table = [
            ("/c?phone={{ v }}", Place::Path, "+1 202", Some("/c?phone=%2B1%20202")),
            ("/c/{{ v }}", Place::Path, "a/b?c#d&e=f%", Some("/c/a%2Fb%3Fc%23d%26e%3Df%25")),
            ("/c/{{ v }}", Place::Path, "Zoë", Some("/c/Zo%C3%AB")),
            ("/c/{{ v }}", Place::Path, "-._~", Some("/c/-._~")),
            ("/c/{{ v | safe }}", Place::Path, "a b", Some("/c/a%20b")),
            ("/c/{% autoescape false %}{{ v }}{% endautoescape %}", Place::Path, "a b", Some("/c/a%20b")),
            ("/c/{{ v | digits }}", Place::Path, "+12 34", Some("/c/1234")),
            ("/c/{{ v }}/check", Place::Path, "..", None),
            ("/c/{{ v }}/check", Place::Path, ".", None),
            ("/c/{{ v }}/check", Place::Path, "", None),
            (r#"{"v":"{{ v }}"}"#, Place::Json, "a\"b\\c\nd", Some(r#"{"v":"a\"b\\c\nd"}"#)),
            (r#"{"v":"{{ v | safe }}"}"#, Place::Json, "\",\"x\":\"", Some(r#"{"v":"\",\"x\":\""}"#)),
            (r#"{"v":"{{ v }}"}"#, Place::Json, "\u{0}Zoë", Some("{\"v\":\"\\u0000Zoë\"}")),
            (
                r#"<c v="{{ v }}">{{ v }}</c>"#,
                Place::Xml,
                "<&\">'",
                Some(r#"<c v="&lt;&amp;&quot;&gt;&apos;">&lt;&amp;&quot;&gt;&apos;</c>"#),
            ),
            ("<c>{{ v | safe }}</c>", Place::Xml, "a\r\nb", Some("<c>a&#13;&#10;b</c>")),
            ("<c>{{ v }}</c>", Place::Xml, "a\u{0}b", None),
            ("<c>{{ v }}</c>", Place::Xml, "a\u{ffff}b", None),
            ("pin={{ v }}&x=1", Place::Form, "a&pin=b +%", Some("pin=a%26pin%3Db%20%2B%25&x=1")),
            ("pin={{ v }}&x=1", Place::Form, "", Some("pin=&x=1")),
            ("v={{ v }}", Place::Header, "O'Connor; Zoë", Some("v=O'Connor; Zoë")),
            ("v={{ v }}", Place::Header, "a\r\nX-Admin: yes", None),
            ("v={{ v }}", Place::Header, "a\nb", None),
            ("v={{ v }}", Place::Header, "a\u{0}b", None),
        ];
        for (source, place, value, expected) in table {
            assert_eq!(filled(source, place, value).as_deref(), expected, "{source} with {value:?}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        let fault = Template::new("/c/{{ v", Place::Path).expect_err("it never ends");
        assert!(fault.to_string().contains("unexpected end"), "{fault:?}");
        let fault = Template::new("/c/{{ v | shout }}", Place::Path).expect_err("no such filter");
        assert!(fault.to_string().contains("shout"), "{fault:?}");
    }

    #[test]
    fn a_template_knows_what_it_needs() {
        let template = Template::new("{{ a }}{% if b %}{{ c | digits }}{% endif %}", Place::Header);
        let names = template.expect("a template").variables().iter().cloned().collect::<Vec<_>>();
        assert_eq!(names, ["a", "b", "c"]);
        let template = Template::new("{{ a }}", Place::Header).expect("a template");
        assert!(template.fill_with(&[("b", "1")]).is_none());
    }

    #[test]
    fn attributes_are_filled_in_by_their_names() {
        let template =
            Template::new("{{ record.segment }}/{{ ani }}/{{ record.city | default('-') }}", Place::Header)
                .expect("a template");
        let names: Vec<_> = template.variables().iter().map(String::as_str).collect();
        assert_eq!(names, ["ani", "record.city", "record.segment"]);
        let attributes = Attributes::from([("segment".into(), vec!["gold".to_owned(), "silver".to_owned()])]);
        let fill = |record| template.fill(&Values::new(&[("ani", "112")], record));
        assert_eq!(fill(Some(&attributes)).as_deref().map(String::as_str), Some("gold/112/-"));
        let nothing = Attributes::new();
        assert_eq!(fill(Some(&nothing)), None, "there is no segment");
        assert_eq!(fill(None), None, "there is no record");
        assert!(
            Template::new("{{ record }}", Place::Header)
                .is_ok_and(|whole| { whole.fill(&Values::new(&[], Some(&attributes))).is_none() })
        );
    }

    proptest! {
        #[test]
        fn a_path_keeps_its_shape_and_its_value(value in "\\PC{1,40}") {
            prop_assume!(!value.bytes().all(|byte| byte == b'.'));
            let path = filled("/c/{{ v }}/check?x={{ v }}", Place::Path, &value).expect("a value");
            let url = reqwest::Url::parse(&format!("http://h{path}")).expect("a URL");
            let segments: Vec<_> = url.path_segments().expect("a path").map(str::to_owned).collect();
            prop_assert_eq!(segments.len(), 3);
            let decoded = percent_encoding::percent_decode_str(&segments[1]).decode_utf8().expect("UTF-8");
            prop_assert_eq!(decoded.as_ref(), value.as_str());
            let queried: Vec<_> = url.query_pairs().map(|(_, v)| v.into_owned()).collect();
            prop_assert_eq!(queried, vec![value]);
        }

        #[test]
        fn a_body_keeps_its_shape_and_its_value(value in ".{0,40}") {
            let body = filled(r#"{"v":"{{ v }}","w":1}"#, Place::Json, &value).expect("a value");
            let json: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            prop_assert_eq!(json, serde_json::json!({ "v": value, "w": 1 }));
        }

        #[test]
        fn no_text_makes_the_reading_of_templates_panic(text in ".{0,60}") {
            for place in [Place::Path, Place::Header, Place::Json, Place::Xml, Place::Form] {
                if let Ok(template) = Template::new(&text, place) {
                    prop_assert!(template.fill_all("1").is_some());
                }
            }
        }
    }
}
