//! Guesses what somebody who misspelt a name had meant.

/// What to do about `name`, which is none of `known`: the one that is likely meant, or else what there is.
/// `kind` is what they are called together, such as `settings`.
pub(super) fn nearest(name: &str, known: &[&str], kind: &str) -> String {
    let likely = known.iter().map(|known| (distance(name, known), *known)).min();
    match likely {
        Some((distance, likely)) if distance <= 1 + likely.len() / 4 => format!("did you mean `{likely}`?"),
        Some(_) => format!("the {kind} here are: {}", listed(known)),
        None => format!("there are no {kind} here"),
    }
}

/// The names in backquotes, in the order of the alphabet.
pub(super) fn listed(names: &[&str]) -> String {
    let mut names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.sort();
    names.dedup();
    names.join(", ")
}

/// How many letters have to be added, dropped or replaced to get from one to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

/// The value of a word, or a guess at what was meant.
pub(super) fn one_of<T: Copy>(known: &[(&str, T)], text: &str, kind: &str) -> Result<T, String> {
    let found = known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| nearest(text, &known.iter().map(|(word, _)| *word).collect::<Vec<_>>(), kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_between_names() {
        let table =
            [("", "", 0), ("a", "", 1), ("", "abc", 3), ("listen", "lisen", 1), ("kitten", "sitting", 3)];
        for (from, to, expected) in table {
            assert_eq!(distance(from, to), expected, "{from} {to}");
            assert_eq!(distance(to, from), expected, "{to} {from}");
        }
    }

    #[test]
    fn the_likely_one_or_all() {
        let known = ["listen", "contact"];
        assert_eq!(nearest("lisen", &known, "settings"), "did you mean `listen`?");
        assert_eq!(nearest("colour", &known, "settings"), "the settings here are: `contact`, `listen`");
        assert_eq!(nearest("colour", &[], "targets"), "there are no targets here");
    }
}
