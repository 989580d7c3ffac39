//! What came of scenarios as JUnit writes it, which every CI reads. No value of a customer's is in it.

use std::fmt::Write as _;

/// The scenarios of one file.
#[derive(Debug)]
pub struct Suite {
    /// The file.
    pub file: String,
    /// The name of each scenario, and why it failed if it did.
    pub cases: Vec<(String, Option<String>)>,
}

/// The document.
pub fn document(suites: &[Suite]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for Suite { file, cases } in suites {
        let failures = cases.iter().filter(|(_, failure)| failure.is_some()).count();
        let file = escaped(file);
        // Writing to a text cannot fail.
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\">",
            cases.len()
        );
        for (name, failure) in cases {
            let name = escaped(name);
            let _ = match failure {
                None => writeln!(xml, "    <testcase classname=\"{file}\" name=\"{name}\"/>"),
                Some(failure) => {
                    let message = escaped(failure.lines().next().unwrap_or_default());
                    let text = escaped(failure);
                    writeln!(
                        xml,
                        "    <testcase classname=\"{file}\" name=\"{name}\">\n      <failure \
                         message=\"{message}\">{text}</failure>\n    </testcase>"
                    )
                }
            };
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// A text as it can stand in an attribute and in an element (XML 1.0 §2.2, §2.4).
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(letter),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            letter if letter.is_control() => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_scenario_is_called_the_document_is_well_formed() {
        let failure = "t.toml:3: expected \"a\" & <b>\u{1b}[0m\n  but heard nothing".to_owned();
        let cases = vec![("Zoë's \"line\" <1>".to_owned(), Some(failure)), ("plain".to_owned(), None)];
        let xml = document(&[Suite { file: "a&b.toml".to_owned(), cases }]);
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"a&amp;b.toml\" \
                        tests=\"2\" failures=\"1\" errors=\"0\">\n    <testcase classname=\"a&amp;b.toml\" name=\"Zoë's \
                        &quot;line&quot; &lt;1&gt;\">\n      <failure message=\"t.toml:3: expected &quot;a&quot; &amp; \
                        &lt;b&gt;\u{fffd}[0m\">t.toml:3: expected &quot;a&quot; &amp; &lt;b&gt;\u{fffd}[0m\n  but heard \
                        nothing</failure>\n    </testcase>\n    <testcase classname=\"a&amp;b.toml\" name=\"plain\"/>\n  \
                        </testsuite>\n</testsuites>\n";
        assert_eq!(xml, expected);
    }
}
