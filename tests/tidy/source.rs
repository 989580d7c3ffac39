//! A source file as the house rules read it: its tokens, which of them are test code, and its comments.
//!
//! A lexer, not a parser: it knows comments, strings and braces well enough that words inside a string are
//! no code and a brace inside a comment closes nothing. It expands no macro.

/// A piece of code.
pub struct Token {
    pub text: String,
    /// Counted from 1.
    pub line: usize,
    /// Whether it belongs to an item under `#[cfg(test)]`, or to a file that holds nothing but tests.
    pub in_test: bool,
}

/// A comment of any kind, its markers included.
pub struct Comment {
    pub text: String,
    pub line: usize,
}

pub struct Source {
    /// From the project's root, with `/` between its parts.
    pub path: String,
    pub text: String,
    pub tokens: Vec<Token>,
    pub comments: Vec<Comment>,
}

impl Source {
    pub fn read(path: &str, text: &str) -> Self {
        let mut lexer = Lexer { rest: text, line: 1, tokens: Vec::new(), comments: Vec::new() };
        lexer.run();
        let mut source =
            Self { path: path.into(), text: text.into(), tokens: lexer.tokens, comments: lexer.comments };
        source.mark_tests();
        source
    }

    /// Whether the whole file is test code.
    pub fn is_test_file(&self) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Whether `words` stand next to each other from token `at` on.
    pub fn reads(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(step, word)| self.word(at + step) == *word)
    }

    /// The token at `at`, or nothing past the end.
    pub fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    /// The names that the path group or name at `at` begins with: `a` of `a::b`, `a` and `c` of `{a::b, c}`.
    pub fn heads(&self, at: usize) -> Vec<&str> {
        if self.word(at) != "{" {
            return vec![self.word(at)];
        }
        let mut heads = Vec::new();
        let mut at = at + 1;
        let end = self.closing(at - 1);
        while at < end {
            if ["{", ","].contains(&self.word(at - 1)) {
                heads.push(self.word(at));
            }
            at = if self.word(at) == "{" { self.closing(at) } else { at } + 1;
        }
        heads
    }

    /// Where the brace that opens at `open` closes; the end of the file if it never does.
    pub fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for at in open..self.tokens.len() {
            match self.word(at) {
                "{" => depth += 1,
                "}" if depth == 1 => return at,
                "}" => depth -= 1,
                _ => {}
            }
        }
        self.tokens.len()
    }

    fn mark_tests(&mut self) {
        if self.is_test_file() {
            self.tokens.iter_mut().for_each(|token| token.in_test = true);
            return;
        }
        for at in 0..self.tokens.len() {
            if self.reads(at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
                let end = self.item_end(at);
                self.tokens[at..end].iter_mut().for_each(|token| token.in_test = true);
            }
        }
    }

    /// Just past the item that begins at `at`: behind its `;`, or behind its braces.
    fn item_end(&self, at: usize) -> usize {
        let stop = (at..self.tokens.len()).find(|&at| ["{", ";"].contains(&self.word(at)));
        let last = stop.map_or(self.tokens.len(), |stop| match self.word(stop) {
            "{" => self.closing(stop),
            _ => stop,
        });
        (last + 1).min(self.tokens.len())
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
    comments: Vec<Comment>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(first) = self.rest.chars().next() {
            let rest = self.rest;
            match first {
                _ if rest.starts_with("//") => self.comment(rest.find('\n').unwrap_or(rest.len())),
                _ if rest.starts_with("/*") => self.comment(block_comment(rest)),
                '"' => self.skip(quoted(rest)),
                '\'' => self.skip(character_or_tick(rest)),
                _ if first.is_whitespace() => self.skip(first.len_utf8()),
                _ if first.is_alphanumeric() || first == '_' => self.word(),
                _ if rest.starts_with("::") => self.token(2),
                _ => self.token(first.len_utf8()),
            }
        }
    }

    /// An identifier, a keyword, a number, or a string with a prefix.
    fn word(&mut self) {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, behind) = self.rest.split_at(end);
        let hashes = behind.len() - behind.trim_start_matches('#').len();
        match word {
            "r" | "br" | "cr" if behind[hashes..].starts_with('"') => {
                self.skip(end + hashes + raw(&behind[hashes..], hashes));
            }
            "b" | "c" if behind.starts_with('"') => self.skip(end + quoted(behind)),
            "b" if behind.starts_with('\'') => self.skip(end + character_or_tick(behind)),
            _ => self.token(end),
        }
    }

    fn token(&mut self, length: usize) {
        self.tokens.push(Token { text: self.rest[..length].into(), line: self.line, in_test: false });
        self.skip(length);
    }

    fn comment(&mut self, length: usize) {
        self.comments.push(Comment { text: self.rest[..length].into(), line: self.line });
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        let (passed, rest) = self.rest.split_at(length);
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }
}

/// Length of the block comment at the start of `text`; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// Length of the quoted string at the start of `text`.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of the raw string at the start of `text`, whose quotes have `hashes` hashes.
fn raw(text: &str, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    text[1..].find(&end).map_or(text.len(), |at| 1 + at + end.len())
}

/// Length of the character literal at the start of `text`, or of the tick of a lifetime.
fn character_or_tick(text: &str) -> usize {
    let mut inside = text.char_indices().skip(1);
    match (inside.next(), inside.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let behind = at + escaped.len_utf8();
            text[behind..].find('\'').map_or(text.len(), |end| behind + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}
