//! The notation in which the table describes a command's arguments, and its reader.
//!
//! ```text
//! name              an argument of type string; `key` and `pattern` are of the type of their name
//! name:type         an argument of another type: key, pattern, integer, double, unix-time
//! name:key@2        … that key spec 2 describes; without @ the first key belongs to spec 0, the second to spec 1, …
//! TOKEN             a word that is written as it is; before an argument, the word that introduces it
//! name=TOKEN        the same where its name is not the token in lowercase, or the token is one of the symbols * $ = ~
//! name:<a | b>      one of these
//! name:(a b)        all of these
//! [a]               optional
//! a...              once or more; `a...!` repeats the word that introduces it, too
//! ```
//!
//! Reading is for COMMAND DOCS and documentation: it allocates, and the table's tests read every row.

use super::spec::CommandSpec;

/// An argument, or several that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Argument {
    /// Its name; a token's own is in the token's case.
    pub name: &'static str,
    /// Its type as COMMAND DOCS names it: `string`, `key`, `pure-token`, `oneof`, `block`, …
    pub kind: &'static str,
    /// The word that introduces it, or that it is.
    pub token: Option<&'static str>,
    /// The key spec that describes it.
    pub key_spec: Option<usize>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be repeated.
    pub multiple: bool,
    /// Whether the word is repeated with it.
    pub multiple_token: bool,
    /// The alternatives of a `oneof`, the parts of a `block`.
    pub parts: Vec<Argument>,
}

/// The arguments of `spec`; `None` if its notation is wrong, which the table's tests exclude.
pub fn arguments(spec: &CommandSpec) -> Option<Vec<Argument>> {
    let mut reader = Reader { rest: spec.args, key_count: 0, spec_count: spec.keys.len() };
    let arguments = reader.sequence()?;
    reader.rest.is_empty().then_some(arguments)
}

/// The command as documentation writes it: `SET key value [NX | XX] [GET] …`.
pub fn synopsis(spec: &CommandSpec) -> String {
    let mut text = spec.full_name.replace('|', " ").to_ascii_uppercase();
    for argument in arguments(spec).unwrap_or_default() {
        text.push(' ');
        argument.write(&mut text);
    }
    text
}

impl Argument {
    fn write(&self, text: &mut String) {
        if self.optional {
            text.push('[');
        }
        self.write_once(text, true);
        if self.multiple {
            text.push_str(" [");
            self.write_once(text, self.multiple_token);
            text.push_str(" ...]");
        }
        if self.optional {
            text.push(']');
        }
    }

    fn write_once(&self, text: &mut String, with_token: bool) {
        if let Some(token) = self.token.filter(|_| with_token) {
            text.push_str(token);
            if self.kind == "pure-token" {
                return;
            }
            text.push(' ');
        }
        // Brackets already hold alternatives together.
        let bare = self.optional && self.token.is_none() && !self.multiple;
        match self.kind {
            "oneof" if bare => self.write_parts(text, " | "),
            "oneof" => {
                text.push('<');
                self.write_parts(text, " | ");
                text.push('>');
            }
            "block" => self.write_parts(text, " "),
            _ => text.push_str(self.name),
        }
    }

    fn write_parts(&self, text: &mut String, separator: &str) {
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                text.push_str(separator);
            }
            part.write(text);
        }
    }
}

struct Reader {
    rest: &'static str,
    key_count: usize,
    spec_count: usize,
}

impl Reader {
    /// Arguments up to a closing bracket, a bar or the end.
    fn sequence(&mut self) -> Option<Vec<Argument>> {
        let mut arguments = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() || self.rest.starts_with([')', '>', ']', '|']) {
                return Some(arguments);
            }
            arguments.push(self.argument()?);
        }
    }

    fn argument(&mut self) -> Option<Argument> {
        if self.take("[") {
            let mut argument = self.repeated()?;
            argument.optional = true;
            return self.take("]").then_some(argument);
        }
        self.repeated()
    }

    fn repeated(&mut self) -> Option<Argument> {
        let word = self.word();
        let token = is_token(word);
        let mut argument =
            if token && self.rest.trim_start().starts_with(|c: char| c.is_ascii_lowercase()) {
                self.rest = self.rest.trim_start();
                let name = self.word();
                Argument { token: Some(word), ..self.body(name)? }
            } else if token {
                pure_token(word, word)
            } else {
                self.body(word)?
            };
        if self.take("...") {
            argument.multiple = true;
            argument.multiple_token = self.take("!");
        }
        Some(argument)
    }

    /// What follows an argument's name.
    fn body(&mut self, name: &'static str) -> Option<Argument> {
        if name.is_empty() {
            return None;
        }
        if self.take("=") {
            let token = match self.word() {
                "" => self.symbol()?,
                word => word,
            };
            return Some(pure_token(name, token));
        }
        let mut argument = Argument { name, kind: "string", ..Argument::default() };
        if self.take(":<") {
            argument.kind = "oneof";
            loop {
                self.rest = self.rest.trim_start();
                argument.parts.push(self.argument()?);
                self.rest = self.rest.trim_start();
                if !self.take("|") {
                    break;
                }
            }
            return self.take(">").then_some(argument);
        }
        if self.take(":(") {
            argument.kind = "block";
            argument.parts = self.sequence()?;
            return self.take(")").then_some(argument);
        }
        if self.take(":") {
            argument.kind = self.word();
        } else if matches!(name, "key" | "pattern") {
            argument.kind = name;
        }
        if argument.kind == "key" {
            argument.key_spec = Some(self.key_count.min(self.spec_count.checked_sub(1)?));
            self.key_count += 1;
        }
        if self.take("@") {
            argument.key_spec = Some(self.word().parse().ok()?);
        }
        Some(argument)
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A token that is no word: `*`.
    fn symbol(&mut self) -> Option<&'static str> {
        let is_symbol = self.rest.starts_with(['*', '$', '=', '~']);
        let (symbol, rest) = self.rest.split_at_checked(1).filter(|_| is_symbol)?;
        self.rest = rest;
        Some(symbol)
    }

    /// Letters, digits, quotes and what joins them.
    fn word(&mut self) -> &'static str {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '"');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }
}

fn is_token(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase() || c == '"')
}

fn pure_token(name: &'static str, token: &'static str) -> Argument {
    Argument { name, kind: "pure-token", token: Some(token), ..Argument::default() }
}
