//! The settings file: TOML, read at start and rewritten by CONFIG REWRITE.
//!
//! Keys are the settings' names at the top level. `maxmemory = "2gb"`, `port = 6379`, `protected-mode = false` and
//! `bind = ["127.0.0.1", "::1"]` all mean what they say; a list is its items with spaces between. Users are no setting but a list of their own:
//! `user = ["alice on >secret ~cache:* +@read"]`.

use super::kind::{Kind, Value};
use super::settings::{SetError, Settings, find, names};
use super::start::explain;
use super::table::{Row, SETTINGS};
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use toml_edit::{Array, Document, DocumentMut, Item, Value as TomlValue};

/// Bytes of a settings file at most: every setting with pages of comments fits.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads the file at `path` into `settings`. On error, says every line that is wrong.
pub(super) fn load(settings: &mut Settings, path: &Path) -> Result<(), Vec<String>> {
    let shown = path.display();
    let fail = |error: io::Error| vec![format!("{shown}: cannot be read: {error}")];
    if fs::metadata(path).map_err(fail)?.len() > FILE_BYTES_MAX {
        return Err(vec![format!("{shown}: larger than {FILE_BYTES_MAX} bytes")]);
    }
    let text = fs::read_to_string(path).map_err(fail)?;
    let document = Document::parse(text.as_str()).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(&text, span.start));
        vec![format!("{shown}:{line}: not TOML: {}", error.message().replace('\n', ", "))]
    })?;
    let mut wrong = Vec::new();
    for (name, item) in document.iter() {
        let (key, item) = document.get_key_value(name).unwrap_or((&NO_KEY, item));
        let span = key.span().or_else(|| item.span());
        let line = span.map_or(1, |span| line_of(&text, span.start));
        let outcome = match text_of(item) {
            _ if name == USER => {
                users_of(item).map(|users| settings.set_users(users)).ok_or_else(|| {
                    format!("{USER}: must be a list of strings, each a user's name and rules")
                })
            }
            Some(value) => settings.set_at_start(name, &value).map_err(|error| {
                explain(&error, &format!("{name} = {}", shown_value(item, &value)))
            }),
            None if find(name).is_some() => {
                Err(format!("{name}: must be a string, a number, true, false or a list of these"))
            }
            None => Err(explain(&SetError::Unknown(name.to_owned()), name)),
        };
        if let Err(reason) = outcome {
            wrong.push(format!("{shown}:{line}: {reason}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// The key of the list of users.
pub(super) const USER: &str = "user";

/// The users that a file defines; one alone need not be a list.
fn users_of(item: &Item) -> Option<Vec<String>> {
    if let Some(user) = item.as_str() {
        return Some(vec![user.to_owned()]);
    }
    item.as_array()?.iter().map(|user| Some(user.as_str()?.to_owned())).collect()
}

/// Stands in for the key of an item that was iterated and therefore has one.
static NO_KEY: std::sync::LazyLock<toml_edit::Key> =
    std::sync::LazyLock::new(|| toml_edit::Key::new(""));

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count() + 1
}

fn shown_value(item: &Item, text: &str) -> String {
    if item.is_str() || item.is_array() { format!("\"{text}\"") } else { text.to_owned() }
}

/// A TOML value as CONFIG SET would be given it; `None` for tables and times.
fn text_of(item: &Item) -> Option<String> {
    fn words(value: &TomlValue) -> Option<String> {
        match value {
            TomlValue::String(text) => Some(text.value().clone()),
            TomlValue::Integer(number) => Some(number.value().to_string()),
            TomlValue::Float(number) => Some(number.value().to_string()),
            TomlValue::Boolean(truth) => Some(if *truth.value() { "yes" } else { "no" }.to_owned()),
            TomlValue::Array(items) => {
                let items: Option<Vec<String>> = items.iter().map(words).collect();
                Some(items?.join(" "))
            }
            TomlValue::Datetime(_) | TomlValue::InlineTable(_) => None,
        }
    }
    words(item.as_value()?)
}

/// A setting's value in TOML.
fn toml_of(kind: &Kind, text: &str) -> TomlValue {
    match kind {
        Kind::Boolean => (text == "yes").into(),
        Kind::Integer { .. } | Kind::Memory { .. } => {
            text.parse::<i64>().map_or_else(|_| text.into(), TomlValue::from)
        }
        _ => text.into(),
    }
}

/// Writes the settings in force into the file the node was started with: values that differ are replaced where they stand, settings
/// that differ from their default are added at the end, comments and order stay. `users` are written in the place of those that it defines. The file is replaced as a whole or
/// not at all.
///
/// # Errors
/// In Redis's words, without the code.
pub(crate) fn rewrite(settings: &Settings, users: &[String]) -> Result<(), String> {
    let path = settings.file().ok_or("The server is running without a config file")?;
    let fail = |error: io::Error| format!("Rewriting config file: {error}");
    // A link keeps pointing to the file, whose contents change.
    let path = fs::canonicalize(path).map_err(fail)?;
    let text = fs::read_to_string(&path).map_err(fail)?;
    let rewritten = rewritten(settings, users, &text)?;
    if rewritten != text {
        replace(&path, &rewritten).map_err(fail)?;
    }
    Ok(())
}

fn rewritten(settings: &Settings, users: &[String], text: &str) -> Result<String, String> {
    let mut document: DocumentMut =
        text.parse().map_err(|_| "Rewriting config file: not TOML".to_owned())?;
    for (index, row) in SETTINGS.iter().enumerate() {
        let current = settings.render(index);
        let mut present = false;
        for name in names(row) {
            let Some(item) = document.get_mut(name) else { continue };
            present = true;
            if text_of(item).is_some_and(|text| means(row, &text, &current)) {
                continue;
            }
            let mut value = toml_of(&row.kind, &current);
            if let Some(old) = item.as_value() {
                *value.decor_mut() = old.decor().clone();
            }
            *item = Item::Value(value);
        }
        if !present && current != row.default {
            document.insert(row.name, Item::Value(toml_of(&row.kind, &current)));
        }
    }
    let written = document.get(USER).and_then(users_of).unwrap_or_default();
    if users.is_empty() {
        document.remove(USER);
    } else if written != users {
        let mut list: Array = users.iter().map(String::as_str).collect();
        list.iter_mut().for_each(|user| user.decor_mut().set_prefix("\n    "));
        list.set_trailing("\n");
        document.insert(USER, Item::Value(list.into()));
    }
    Ok(document.to_string())
}

/// Whether `text` in the file stands for the value rendered as `current`.
fn means(row: &Row, text: &str, current: &str) -> bool {
    match row.kind.parse(row.default, text) {
        Ok(Value::Bits(bits)) => row.kind.render(bits) == current,
        Ok(Value::Text(text)) => text == current,
        Err(_) => false,
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
        // The file may hold a password, so it is never more readable than the one it replaces.
        file.set_permissions(fs::metadata(path)?.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<Settings, Vec<String>> {
        let name = format!("torc-{}-{:p}.toml", std::process::id(), text);
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        let mut settings = Settings::default();
        let loaded = load(&mut settings, &path);
        let shown = format!("{}:", path.display());
        settings.set_file(path);
        loaded
            .map(|()| settings)
            .map_err(|all| all.into_iter().map(|e| e.replace(&shown, "")).collect())
    }

    #[test]
    fn a_file_sets_what_it_says() {
        let settings = load_text(
            "port = 7000\nmaxmemory = \"2gb\"\nprotected-mode = false\nbind = [\"127.0.0.1\", \"-::1\"]\n",
        )
        .unwrap();
        assert_eq!((settings.port(), settings.maxmemory()), (7000, 2 << 30));
        assert!(!settings.protected_mode());
        assert_eq!(&*settings.bind(), "127.0.0.1 -::1");
    }

    #[test]
    fn wrong_lines_say_what_would_be_right() {
        let check = |text: &str, expected: &str| {
            let wrong = load_text(text).unwrap_err();
            assert!(wrong[0].contains(expected), "{wrong:?}");
        };
        check("\nmaxmemry = 1", "2: unknown setting 'maxmemry'; did you mean 'maxmemory'?");
        check("port = 99999", "1: port = 99999: argument must be between 0 and 65535 inclusive");
        check("hz = 10\n\n# x\nloglevel = \"loud\"", "4: loglevel = \"loud\": argument(s) must be");
        check("port = ", "1: not TOML");
        check("[port]\nx = 1", "1: port: must be a string");
        check("hz = 10\nuser = [1]", "2: user: must be a list of strings");
        check("[network]\nport = 1", "1: unknown setting 'network'");
    }

    #[test]
    fn a_rewrite_keeps_comments_and_order() {
        let text = "# mine\nmaxmemory = \"1kb\" # small\ntimeout = 0\n";
        let settings = load_text(text).unwrap();
        rewrite(&settings, &[]).unwrap();
        let path = settings.file().unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), text, "nothing changed");
        let pairs = [("maxmemory", "2kb"), ("requirepass", "a \"b\""), ("latency-tracking", "no")];
        settings.set(&pairs).unwrap();
        rewrite(&settings, &[]).unwrap();
        let expected = "# mine\nmaxmemory = 2048 # small\ntimeout = 0\nrequirepass = 'a \"b\"'\nlatency-tracking = false\n";
        assert_eq!(fs::read_to_string(path).unwrap(), expected);
        let mut again = Settings::default();
        load(&mut again, path).unwrap();
        assert_eq!(&*again.requirepass(), "a \"b\"");
        let users = ["alice on ~\"x* +get".to_owned(), "bob off".to_owned()];
        for _ in 0..2 {
            rewrite(&settings, &users).unwrap();
            load(&mut again, path).unwrap();
            assert_eq!(again.users(), users);
        }
        rewrite(&settings, &[]).unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), expected, "as if there had been none");
        fs::remove_file(path).unwrap();
    }
}
