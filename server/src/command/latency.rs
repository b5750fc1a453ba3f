//! LATENCY: what paused the node, and how long commands take.

use super::value::help_lines;
use super::{Ctx, Flow, Outcome};
use crate::admin::latency::History;
use std::fmt::Write as _;
use torc_protocol::command::COMMANDS;
use torc_protocol::{Args, Reply, WireError};

/// `LATENCY LATEST`
pub fn latest(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let events = ctx.instance.latency.all();
    reply.array(events.len());
    for (event, history) in events {
        let (unix_secs, ms) = history.samples.back().copied().unwrap_or_default();
        reply.array(4);
        reply.bulk(event.as_bytes());
        reply.integer(unix_secs as i64);
        reply.integer(ms as i64);
        reply.integer(history.max_ms as i64);
    }
    Ok(Flow::Next)
}

/// `LATENCY HISTORY event`
pub fn history(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let samples = named(ctx, &args[2]).map(|history| history.samples).unwrap_or_default();
    reply.array(samples.len());
    for (unix_secs, ms) in samples {
        reply.array(2);
        reply.integer(unix_secs as i64);
        reply.integer(ms as i64);
    }
    Ok(Flow::Next)
}

fn named(ctx: &Ctx<'_>, event: &[u8]) -> Option<History> {
    ctx.instance.latency.history(std::str::from_utf8(event).ok()?)
}

/// `LATENCY RESET [event ...]`
pub fn reset(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let latency = &ctx.instance.latency;
    let count: usize = if args.len() == 2 {
        latency.reset(None)
    } else {
        let events = args.from(2);
        let events = events.iter().filter_map(|event| std::str::from_utf8(event).ok());
        events.map(|event| latency.reset(Some(event))).sum()
    };
    reply.integer(count as i64);
    Ok(Flow::Next)
}

/// `LATENCY GRAPH event`
pub fn graph(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let event = &args[2];
    let Some(history) = named(ctx, event) else {
        return Err(WireError::quoting("ERR No samples available for event '", event, "'"));
    };
    let name = String::from_utf8_lossy(event);
    reply.verbatim(*b"txt", draw(&name, &history, ctx.now / 1000).as_bytes());
    Ok(Flow::Next)
}

const GRAPH_COLUMNS: usize = 80;
const GRAPH_ROWS: usize = 4;
/// The three heights that one row of the graph can show.
const GRAPH_MARKS: [char; 3] = ['_', 'o', '#'];

/// Columns of bars, the oldest on the left, each with its age written downwards below it.
fn draw(event: &str, history: &History, now_secs: u64) -> String {
    let all = || history.samples.iter().map(|&(_, ms)| ms);
    let (high, low) = (all().max().unwrap_or(0), all().min().unwrap_or(0));
    let mut text = format!(
        "{event} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        history.max_ms,
        "-".repeat(GRAPH_COLUMNS)
    );
    let samples: Vec<(u64, u64)> = history.samples.iter().copied().collect();
    for columns in samples.chunks(GRAPH_COLUMNS) {
        draw_columns(&mut text, columns, low, high, now_secs);
    }
    text
}

fn draw_columns(text: &mut String, columns: &[(u64, u64)], low: u64, high: u64, now_secs: u64) {
    let steps = GRAPH_ROWS * GRAPH_MARKS.len();
    let height = |ms: u64| {
        let part = (ms - low) as f64 / (high - low).max(1) as f64;
        ((part * steps as f64) as usize).min(steps - 1)
    };
    for row in 0..GRAPH_ROWS {
        let below = (GRAPH_ROWS - 1 - row) * GRAPH_MARKS.len();
        for &(_, ms) in columns {
            text.push(match height(ms).checked_sub(below) {
                None => ' ',
                Some(over) => GRAPH_MARKS.get(over).copied().unwrap_or('|'),
            });
        }
        text.push('\n');
    }
    let ages: Vec<Vec<char>> = columns
        .iter()
        .map(|&(unix_secs, _)| age(now_secs.saturating_sub(unix_secs)).chars().collect())
        .collect();
    text.extend(std::iter::repeat_n(' ', columns.len()));
    text.push('\n');
    for line in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        text.extend(ages.iter().map(|age| age.get(line).copied().unwrap_or(' ')));
        text.push('\n');
    }
}

fn age(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs}s"),
        60..3600 => format!("{}m", secs / 60),
        3600..86_400 => format!("{}h", secs / 3600),
        _ => format!("{}d", secs / 86_400),
    }
}

/// `LATENCY HISTOGRAM [command ...]`
pub fn histogram(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let wanted: Vec<&[u8]> = args.from(2).iter().take(COMMANDS.len()).collect();
    let is_wanted = |name: &str, parent: Option<&str>| {
        let named = |wanted: &&[u8]| {
            let is = |known: &str| wanted.eq_ignore_ascii_case(known.as_bytes());
            is(name) || parent.is_some_and(is)
        };
        wanted.is_empty() || wanted.iter().any(named)
    };
    let found: Vec<_> = COMMANDS
        .iter()
        .filter(|spec| is_wanted(spec.full_name, spec.parent))
        .filter_map(|spec| Some((spec.full_name, ctx.instance.stats.distribution(spec.id)?)))
        .collect();
    reply.map(found.len());
    for (name, distribution) in found {
        let powers = distribution.powers();
        reply.bulk(name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.integer(distribution.total() as i64);
        reply.bulk(b"histogram_usec");
        reply.map(powers.len());
        for (usec, count) in powers {
            reply.integer(usec as i64);
            reply.integer(count as i64);
        }
    }
    Ok(Flow::Next)
}

/// `LATENCY DOCTOR`
pub fn doctor(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let latency = &ctx.instance.latency;
    let events = latency.all();
    let mut text = String::new();
    if latency.threshold_ms() == 0 {
        text.push_str(
            "Latency events are not kept: latency-monitor-threshold is 0. Set it to the milliseconds that matter to you, \
             as in CONFIG SET latency-monitor-threshold 100.\n",
        );
    } else if events.is_empty() {
        text.push_str("Nothing has taken longer than latency-monitor-threshold.\n");
    }
    for (event, history) in &events {
        let count = history.samples.len();
        let sum: u64 = history.samples.iter().map(|&(_, ms)| ms).sum();
        let _ = writeln!(
            text,
            "{event}: {count} spikes, mean {} ms, worst {} ms. {}",
            sum / (count as u64).max(1),
            history.max_ms,
            advice(event)
        );
    }
    reply.verbatim(*b"txt", text.as_bytes());
    Ok(Flow::Next)
}

fn advice(event: &str) -> &'static str {
    match event {
        "command" | "fast-command" => {
            "SLOWLOG GET shows which commands these were; KEYS, big SORTs and big values are the usual ones."
        }
        "expire-cycle" => "Many keys expire at once; spread their deadlines.",
        "eviction-cycle" | "eviction-del" => {
            "Memory is at maxmemory and writes wait for evictions; raise it or write less."
        }
        _ => "See LATENCY GRAPH for when.",
    }
}

/// `LATENCY HELP`
pub fn help(_ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    help_lines(
        reply,
        &[
            "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "DOCTOR",
            "    What the kept events say, and what to do about them.",
            "GRAPH <event>",
            "    A drawing of the event's history.",
            "HISTORY <event>",
            "    Unix time and milliseconds of each kept second.",
            "LATEST",
            "    For each event: its name, last time, last and worst milliseconds.",
            "RESET [<event> ...]",
            "    Forget the named events, or all.",
            "HISTOGRAM [<command> ...]",
            "    Cumulative execution times of the named commands, or of all.",
            "HELP",
            "    These lines.",
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_is_drawn_as_redis_draws_it() {
        let history = History { samples: [(98, 50), (99, 20)].into(), max_ms: 50 };
        let dashes = "-".repeat(80);
        let expected = format!(
            "command - high 50 ms, low 20 ms (all time high 50 ms)\n{dashes}\n# \n| \n| \n|_\n  \n21\nss\n"
        );
        assert_eq!(draw("command", &history, 100), expected);
    }
}
