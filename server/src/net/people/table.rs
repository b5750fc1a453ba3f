//! The lines of TORC STATUS as a table, and as JSON.

use std::fmt::Write as _;

/// A line: what it is about, and its words.
pub(super) type Line = (String, Vec<(String, String)>);

/// Reads the lines. Words that are no pairs are left out: a later node may say more.
pub(super) fn parse(text: &str) -> Vec<Line> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let about = words.next().unwrap_or_default().to_owned();
        let pairs = words.filter_map(|word| word.split_once(':'));
        (about, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    };
    text.lines().map(line).collect()
}

/// The word `name` of a line; empty where it says none.
pub(super) fn word<'l>(line: &'l Line, name: &str) -> &'l str {
    let found = line.1.iter().find(|(other, _)| other == name);
    found.map_or("", |(_, value)| value.as_str())
}

/// The lines about `about`.
pub(super) fn about<'l>(lines: &'l [Line], about: &'l str) -> impl Iterator<Item = &'l Line> {
    lines.iter().filter(move |line| line.0 == about)
}

/// One JSON object: an object for what there is once, an array of objects for nodes.
pub(super) fn json(lines: &[Line]) -> String {
    let object = |line: &Line| {
        let pairs: Vec<String> = line
            .1
            .iter()
            .map(|(name, value)| format!("{}:{}", quoted(name), plain(value)))
            .collect();
        format!("{{{}}}", pairs.join(","))
    };
    let mut parts: Vec<String> = Vec::new();
    for line in lines.iter().filter(|line| line.0 != "node") {
        parts.push(format!("{}:{}", quoted(&line.0), object(line)));
    }
    let nodes: Vec<String> = about(lines, "node").map(object).collect();
    parts.push(format!("\"nodes\":[{}]", nodes.join(",")));
    format!("{{{}}}\n", parts.join(","))
}

/// Numbers and truths as such, anything else as a string.
fn plain(value: &str) -> String {
    match value {
        "yes" => "true".to_owned(),
        "no" => "false".to_owned(),
        number if is_number(number) => number.to_owned(),
        text => quoted(text),
    }
}

/// Whether JSON would take it for a number, and lose nothing. A node's name may be all digits.
fn is_number(text: &str) -> bool {
    let digits = !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0'))
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// The port by which any client reaches a node: one that only speaks TLS has but that one.
fn port(line: &Line) -> &str {
    match word(line, "port") {
        "0" => word(line, "tls_port"),
        port => port,
    }
}

/// For people.
pub(super) fn table(lines: &[Line]) -> String {
    let mut out = String::new();
    let ring = about(lines, "ring").next();
    let me = ring.map_or("", |line| word(line, "me"));
    let mut rows: Vec<[String; 8]> = vec![
        ["node", "address", "state", "serves", "keeps", "lag", "zone", "weight"].map(String::from),
    ];
    let mut nodes: Vec<&Line> = about(lines, "node").collect();
    nodes.sort_by_key(|line| (word(line, "host"), port(line).parse::<u16>().ok()));
    for line in &nodes {
        let id = word(line, "id");
        let mark = if id == me { "*" } else { "" };
        let state = match (word(line, "alive"), word(line, "ready"), word(line, "state")) {
            // Who left is not expected to be there.
            ("no", _, state) if state != "left" => format!("{state}, down"),
            (_, "no", "active") => "active, syncing".to_owned(),
            (.., state) => state.to_owned(),
        };
        rows.push([
            format!("{}{mark}", id.get(..8).unwrap_or(id)),
            format!("{}:{}", word(line, "host"), port(line)),
            state,
            share(word(line, "serves")),
            share(word(line, "keeps")),
            word(line, "lag").to_owned(),
            word(line, "zone").to_owned(),
            word(line, "weight").to_owned(),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..8).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    if let Some(slots) = about(lines, "slots").next() {
        let copies = ring.map_or("", |line| word(line, "copies"));
        let _ = writeln!(
            out,
            "\nof 16384 slots {} have all copies ({copies} where there are so many nodes), {} fewer, {} none",
            word(slots, "full"),
            word(slots, "short"),
            word(slots, "none"),
        );
    }
    let moving = ring.map_or("", |line| word(line, "moving"));
    if !moving.is_empty() {
        let _ = writeln!(
            out,
            "keys are moving: node {} joins or leaves",
            &moving[..moving.len().min(8)]
        );
    }
    out
}

fn share(slots: &str) -> String {
    let percent = slots.parse::<f64>().map_or(0.0, |count| count * 100.0 / 16_384.0);
    format!("{slots} ({percent:.1} %)")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "ring me:ab view:3 copies:3 moving:\n\
        slots full:16384 short:0 none:0\n\
        node id:ab host:::1 port:6379 zone:a\"b state:active alive:yes ready:no serves:5461 keeps:16384 lag:0 weight:1\n";

    #[test]
    fn programs_get_numbers_and_truths() {
        let json = json(&parse(TEXT));
        assert_eq!(
            json,
            "{\"ring\":{\"me\":\"ab\",\"view\":3,\"copies\":3,\"moving\":\"\"},\"slots\":{\"full\":16384,\"short\":0,\"none\":0},\"nodes\":[{\"id\":\"ab\",\
             \"host\":\"::1\",\"port\":6379,\"zone\":\"a\\\"b\",\"state\":\"active\",\"alive\":true,\"ready\":false,\"serves\":5461,\"keeps\":16384,\"lag\":0,\
             \"weight\":1}]}\n"
        );
    }

    #[test]
    fn people_get_a_table() {
        let table = table(&parse(TEXT));
        assert!(table.contains("ab*"), "{table}");
        assert!(table.contains("active, syncing  5461 (33.3 %)  16384 (100.0 %)"), "{table}");
    }
}
