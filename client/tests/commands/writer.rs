//! From rows of the table to methods.
//!
//! Arguments that must be there, up to the first that may be left out, are the method's parameters. From there on each is a method of the call, to be used in the order
//! of the table: `client.zadd("k").gt().score_member(1.0, "a")`. A number of keys is counted, not asked for.

use crate::reply_types::reply_type;
use std::fmt::Write as _;
use torc_protocol::command::arguments::{Argument, arguments, synopsis};
use torc_protocol::command::{COMMANDS, CommandSpec, Flags, Group};

/// Commands that change what a connection is, that need more than a request and a reply, or whose arguments no method can say.
const LEFT_OUT: &[&str] = &[
    "asking",
    "auth",
    "client|consistency",
    "client|reply",
    "client|token",
    "client|tracking",
    "client|trackinginfo",
    "client|no-touch",
    "discard",
    "exec",
    "hello",
    "migrate",
    "monitor",
    "multi",
    "psubscribe",
    "psync",
    "punsubscribe",
    "quit",
    "readonly",
    "readwrite",
    "replconf",
    "reset",
    "select",
    "ssubscribe",
    "subscribe",
    "sunsubscribe",
    "sync",
    "unsubscribe",
    "unwatch",
    "watch",
];

fn is_typed(spec: &CommandSpec) -> bool {
    spec.subcommands().is_empty()
        && spec.refused.is_none()
        && !spec.internal
        && !LEFT_OUT.contains(&spec.full_name)
        && !(spec.flags.contains(Flags::ADMIN) && spec.group != Group::Server)
        && spec.parent != Some("debug")
        && spec.full_name != "debug"
        && !spec.full_name.ends_with("|help")
}

pub fn file_name(group: Group) -> String {
    group.name().replace('-', "_")
}

fn rows(group: Group) -> Vec<&'static CommandSpec> {
    COMMANDS.iter().filter(|spec| spec.group == group && is_typed(spec)).collect()
}

/// The module that names the groups.
pub fn module(groups: &[Group]) -> String {
    let mut text = String::from(
        "//! Written from the command table by `tests/commands.rs`: one file a group. Not to be edited by hand.\n\n",
    );
    for group in groups.iter().filter(|group| !rows(**group).is_empty()) {
        let _ = writeln!(text, "mod {};", file_name(*group));
    }
    text.push('\n');
    for group in groups.iter().filter(|group| !rows(**group).is_empty()) {
        let _ = writeln!(text, "pub use {}::*;", file_name(*group));
    }
    text
}

/// The methods of a group; `None` if it has none.
pub fn group(group: Group) -> Option<String> {
    let rows = rows(group);
    let (mut methods, mut markers) = (String::new(), String::new());
    for spec in &rows {
        let command = Written::of(spec);
        methods.push_str(&command.method);
        markers.push_str(&command.marker);
    }
    let uses = |word: &str, path: &str| {
        if methods.contains(word) || markers.contains(word) {
            format!("use {path};\n")
        } else {
            String::new()
        }
    };
    let mut text = format!(
        "//! Commands of the group {}. Written from the command table; not to be edited by hand.\n\n",
        group.name()
    );
    for (word, path) in [
        ("Bytes", "crate::bytes::Bytes"),
        ("Call<", "crate::call::Call"),
        ("", "crate::client::Client"),
        ("Value", "crate::reply::Value"),
        ("impl Arg", "crate::request::Arg"),
        ("HashMap<", "std::collections::HashMap"),
    ] {
        text.push_str(&uses(word, path));
    }
    let _ = write!(text, "\nimpl Client {{\n{methods}}}\n{markers}");
    (!rows.is_empty()).then_some(text)
}

/// The code of one command.
struct Written {
    method: String,
    marker: String,
}

/// Parameters, and the expression that writes them.
struct Parameters {
    list: Vec<String>,
    expression: String,
}

impl Written {
    fn of(spec: &CommandSpec) -> Written {
        let name = method_name(spec.full_name);
        let marker = camel(&name);
        let reply = reply_type(spec.full_name);
        let all = arguments(spec).expect("the table's tests read every row");
        let is_left = |argument: &Argument| argument.optional || is_choice(argument);
        let mut fixed = all.iter().position(is_left).unwrap_or(all.len());
        // A script's keys may be none, which their number says.
        if fixed > 0 && fixed < all.len() && all[fixed - 1].name == "numkeys" {
            fixed += 1;
        }
        let mut parameters = Parameters::from(format!("Call::of(self, {:?})", spec.full_name));
        let mut at = 0;
        while at < fixed {
            at += parameters.add(&all[at..fixed]);
        }
        let about = spec.about;
        let (synopsis, time) = (synopsis(spec), spec.time);
        let list = parameters.list.iter().map(|one| format!(", {one}")).collect::<String>();
        let expression = &parameters.expression;
        let deprecated = match spec.deprecated {
            Some((since, instead)) => format!(
                "///\n/// Redis deprecated it in {since}: use {}.\n",
                instead.replace('!', "")
            ),
            None => String::new(),
        };
        let method = format!(
            "/// {about}\n///\n/// `{synopsis}`, {time}.\n{deprecated}pub fn {name}(&self{list}) -> Call<'_, {reply}, {marker}> {{\n{expression}\n}}\n\n",
            time = time.trim_end_matches('.'),
        );
        let mut options = Options::default();
        all[fixed..].iter().for_each(|argument| options.add(argument));
        let mut text = format!(
            "\n/// The command {}: what its calls can be given besides.\n#[derive(Debug, Clone, Copy)]\npub struct {marker};\n",
            spec.full_name.replace('|', " ").to_uppercase()
        );
        if !options.methods.is_empty() {
            let _ = write!(text, "\nimpl<T> Call<'_, T, {marker}> {{\n{}}}\n", options.methods);
        }
        Written { method, marker: text }
    }
}

impl Parameters {
    fn from(expression: String) -> Self {
        Parameters { list: Vec::new(), expression }
    }

    fn chain(&mut self, text: &str) {
        self.expression.push_str(text);
    }

    /// Adds the argument at the front of `rest`; how many of `rest` that took.
    fn add(&mut self, rest: &[Argument]) -> usize {
        let argument = &rest[0];
        let name = snake(argument.name);
        if argument.name == "numkeys" && rest.len() > 1 {
            let name = plural(&snake(rest[1].name));
            self.list.push(format!("{name}: impl IntoIterator<Item = impl Arg>"));
            self.chain(&format!(".counted({name})"));
            return 2;
        }
        if argument.kind != "pure-token"
            && argument.multiple
            && let Some(token) = argument.token
        {
            self.chain(&format!(".arg({token:?})"));
        }
        match argument.kind {
            "pure-token" => self.chain(&format!(".arg({:?})", argument.token.unwrap_or_default())),
            "block" if argument.multiple => {
                let of = |write: fn(&Argument) -> String, between: &str| {
                    argument.parts.iter().map(write).collect::<Vec<_>>().join(between)
                };
                let types = of(|part| generic(part).to_owned(), ", ");
                let names = of(|part| snake(part.name), ", ");
                let push = of(writes, "");
                self.list.push(format!("{name}: impl IntoIterator<Item = ({types})>"));
                let before = std::mem::take(&mut self.expression);
                self.expression =
                    format!("{name}.into_iter().fold({before}, |call, ({names})| call{push})");
            }
            "block" => argument.parts.iter().for_each(|part| {
                self.add(std::slice::from_ref(part));
            }),
            _ if argument.multiple => {
                let plural = plural(&name);
                self.list.push(format!("{plural}: impl IntoIterator<Item = impl Arg>"));
                let method = if argument.key_spec.is_some() { "keys" } else { "args" };
                self.chain(&format!(".{method}({plural})"));
            }
            _ => {
                self.list.push(format!("{name}: {}", generic(argument)));
                self.chain(&writes(argument));
            }
        }
        1
    }
}

/// The methods for what follows the first argument that may be left out.
#[derive(Default)]
struct Options {
    methods: String,
    names: Vec<String>,
}

impl Options {
    fn add(&mut self, argument: &Argument) {
        let token = argument.token.map(|token| format!(".arg({:?})", token.trim_matches('"')));
        let mut parameters = Parameters::from(format!("self{}", token.unwrap_or_default()));
        let bare = |part: &Argument| Argument { token: None, ..part.clone() };
        match argument.kind {
            "oneof" if argument.token.is_none() => {
                argument.parts.iter().for_each(|part| self.add(part));
            }
            "block" => {
                let (optional, required): (Vec<_>, Vec<_>) =
                    argument.parts.iter().partition(|part| part.optional);
                // A strategy of its own: its words first, each by a method.
                if required.first().is_some_and(|part| part.kind == "oneof") {
                    argument.parts.iter().for_each(|part| self.add(part));
                    return;
                }
                let first = required.first().map_or("", |part| part.token.unwrap_or(part.name));
                let name = match argument.token {
                    Some(token) => token,
                    None if argument.multiple => argument.name,
                    None => first,
                };
                for part in required {
                    parameters.add(std::slice::from_ref(part));
                }
                self.write(name, argument, &parameters);
                optional.into_iter().for_each(|part| self.add(part));
            }
            "pure-token" => {
                let token = argument.token.unwrap_or_default().trim_matches('"');
                let is_word = token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
                self.write(if is_word { token } else { argument.name }, argument, &parameters);
            }
            _ => {
                let multiple = argument.multiple && !argument.multiple_token;
                parameters.add(&[Argument { multiple, ..bare(argument) }]);
                self.write(argument.token.unwrap_or(argument.name), argument, &parameters);
            }
        }
    }

    fn write(&mut self, name: &str, argument: &Argument, parameters: &Parameters) {
        let name = match snake(name).as_str() {
            taken @ ("timeout" | "arg" | "args" | "key" | "keys" | "within" | "consistency"
            | "idempotent") => format!("with_{taken}"),
            name => name.to_owned(),
        };
        // Call has these itself.
        if matches!(name.as_str(), "with_arg" | "with_args") || self.names.contains(&name) {
            return;
        }
        let list = parameters.list.iter().map(|one| format!(", {one}")).collect::<String>();
        let (shown, expression) = (describe(argument), &parameters.expression);
        let _ = write!(
            self.methods,
            "/// `{shown}`\npub fn {name}(self{list}) -> Self {{\n{expression}\n}}\n\n"
        );
        self.names.push(name);
    }
}

/// Whether it is one of several groups of words, which one parameter cannot stand for: each is a method.
fn is_choice(argument: &Argument) -> bool {
    argument.kind == "oneof"
        && !argument.multiple
        && argument.parts.iter().any(|part| part.kind == "block")
}

/// What writes a parameter.
fn writes(argument: &Argument) -> String {
    let method = if argument.key_spec.is_some() { "key" } else { "arg" };
    let token = argument.token.map(|token| format!(".arg({token:?})")).unwrap_or_default();
    format!("{token}.{method}({})", snake(argument.name))
}

fn generic(argument: &Argument) -> &'static str {
    match (argument.name, argument.kind) {
        // Borders may be exclusive or infinite, and cursors of Redis take all 64 bits.
        ("min" | "max" | "cursor", _) => "impl Arg",
        (_, "integer" | "unix-time") => "i64",
        (_, "double") => "f64",
        _ => "impl Arg",
    }
}

fn describe(argument: &Argument) -> String {
    let mut text = argument.token.unwrap_or_default().to_owned();
    if argument.kind != "pure-token" {
        if argument.parts.is_empty() {
            let _ = write!(text, " {}", argument.name);
        }
        argument.parts.iter().filter(|part| !part.optional).for_each(|part| {
            let _ = write!(text, " {}", describe(part));
        });
    }
    text.trim().to_owned()
}

fn method_name(full: &str) -> String {
    match full {
        "move" => "move_key".to_owned(),
        "type" => "type_of".to_owned(),
        other => other.replace(['|', '-'], "_"),
    }
}

fn plural(name: &str) -> String {
    format!("{name}s")
}

fn snake(name: &str) -> String {
    let name = name.trim_matches('"').to_ascii_lowercase().replace('-', "_");
    match name.as_str() {
        "where" => "whence".to_owned(),
        "type" => "kind".to_owned(),
        "match" => "matching".to_owned(),
        "async" => "asynchronously".to_owned(),
        "sync" => "synchronously".to_owned(),
        _ => name,
    }
}

fn camel(name: &str) -> String {
    let upper = |word: &str| {
        let mut chars = word.chars();
        chars
            .next()
            .map_or(String::new(), |first| first.to_ascii_uppercase().to_string() + chars.as_str())
    };
    name.split('_').map(upper).collect()
}
