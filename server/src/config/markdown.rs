//! The settings as Markdown, for the README.

use super::table::{Row, SETTINGS};
use std::fmt::Write as _;

/// Two sections: settings that do something, one by one, and those that are there for Redis's clients, as a list.
pub fn markdown() -> String {
    let mut text = String::from(
        "| Setting | Default | Legal | While running | Meaning | Change it when |\n|---|---|---|---|---|---|\n",
    );
    for row in SETTINGS.iter().filter(|row| !row.when.is_empty()) {
        let live = if row.mutable { "yes" } else { "no" };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {live} | {} | {} |",
            row.name,
            default(row),
            cell(&row.kind.range()),
            cell(row.means.trim()),
            cell(row.when)
        );
    }
    text.push_str("\nAccepted for compatibility, so that clients and tools of Redis find them; setting one changes nothing but what `CONFIG GET` shows:\n\n");
    for row in SETTINGS.iter().filter(|row| row.when.is_empty()) {
        let _ = writeln!(text, "- `{}` ({}): {}", row.name, default(row), row.means.trim());
    }
    text
}

fn default(row: &Row) -> String {
    if row.default.is_empty() { "empty".to_owned() } else { format!("`{}`", row.default) }
}

/// Text that ends no table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_in_the_docs() {
        let text = markdown();
        for row in SETTINGS {
            assert!(text.contains(&format!("`{}`", row.name)), "{}", row.name);
            assert!(row.means.trim().ends_with('.'), "{} wants whole sentences", row.name);
        }
    }
}
