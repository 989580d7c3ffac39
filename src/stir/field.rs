//! The Identity header field (RFC 8224 §4): a passport, or only its signature, and where its certificate is.

/// More is not read. Passports have some seven hundred octets.
const BYTES_MAX: usize = 8192;

/// One value of the header field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field<'f> {
    pub form: Form<'f>,
    /// Where the certificate is.
    pub info: &'f str,
    pub algorithm: Option<&'f str>,
    /// The kind of passport: `shaken`.
    pub kind: Option<&'f str>,
}

/// What of the passport is there, in base64url.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form<'f> {
    /// All of it.
    Full { header: &'f str, payload: &'f str, signature: &'f str },
    /// Its signature; header and payload follow from the request (§4.1).
    Compact { signature: &'f str },
}

impl<'f> Field<'f> {
    pub fn parse(text: &'f str) -> Option<Self> {
        let (digest, mut rest) = text.split_once(';').filter(|_| text.len() <= BYTES_MAX)?;
        let form = Form::parse(digest.trim())?;
        let (mut info, mut algorithm, mut kind) = (None, None, None);
        while !rest.trim().is_empty() {
            let (name, value, after) = parameter(rest)?;
            rest = after;
            let place = match name.to_ascii_lowercase().as_str() {
                "info" => &mut info,
                "alg" => &mut algorithm,
                "ppt" => &mut kind,
                _ => continue,
            };
            // What is said twice could be read in two ways.
            if place.replace(value).is_some() {
                return None;
            }
        }
        Some(Self { form, info: info.filter(|info| !info.is_empty())?, algorithm, kind })
    }
}

impl<'f> Form<'f> {
    fn parse(digest: &'f str) -> Option<Self> {
        let mut parts = digest.split('.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        match (header.is_empty(), payload.is_empty(), signature.is_empty(), parts.next()) {
            (false, false, false, None) => Some(Self::Full { header, payload, signature }),
            (true, true, false, None) => Some(Self::Compact { signature }),
            _ => None,
        }
    }
}

/// The parameter that `text` begins with, and what follows it. Values stand as they are, in quotes or in angle brackets.
fn parameter(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.find(['=', ';']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(value) = rest.strip_prefix('=') else {
        return Some((name.trim(), "", rest.strip_prefix(';').unwrap_or_default()));
    };
    let value = value.trim_start();
    let (value, rest) = match value.strip_prefix('<') {
        Some(value) => value.split_once('>')?,
        None => value.split_at(value.find(';').unwrap_or(value.len())),
    };
    let rest = rest.trim_start();
    let after = if rest.is_empty() { rest } else { rest.strip_prefix(';')? };
    Some((name.trim(), value.trim().trim_matches('"'), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_field() {
        let full = || Form::Full { header: "a", payload: "b", signature: "c" };
        let compact = Form::Compact { signature: "c" };
        let info = "https://cert.example/a;b?c";
        let field = |form, algorithm, kind| Some(Field { form, info, algorithm, kind });
        let table = [
            ("a.b.c;info=<https://cert.example/a;b?c>", field(full(), None, None)),
            ("..c;info=<https://cert.example/a;b?c>", field(compact, None, None)),
            (
                " a.b.c ; Info = <https://cert.example/a;b?c> ;alg=ES256;ppt=\"shaken\"",
                field(full(), Some("ES256"), Some("shaken")),
            ),
            ("a.b.c;ppt=shaken;x;y=z;info=<https://cert.example/a;b?c>", field(full(), None, Some("shaken"))),
            ("a.b.c;info=<https://cert.example/a;b?c>;alg=ES256;alg=none", None),
            ("a.b.c;info=<https://cert.example/a;b?c>x", None),
            ("a.b.c;info=<https://cert.example/a", None),
            ("a.b.c;info=<>", None),
            ("a.b.c;alg=ES256", None),
            ("a.b.c", None),
            ("a..c;info=<https://cert.example/a;b?c>", None),
            ("a.b.;info=<https://cert.example/a;b?c>", None),
            ("a.b.c.d;info=<https://cert.example/a;b?c>", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(Field::parse(text), expected, "{text}");
        }
        assert_eq!(Field::parse(&format!("a.b.c;info=<{}>", "x".repeat(BYTES_MAX))), None);
    }
}
