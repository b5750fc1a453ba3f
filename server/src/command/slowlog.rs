//! SLOWLOG: the commands that took long.

use super::value::help_lines;
use super::{Ctx, Flow, Outcome};
use torc_protocol::number::parse_i64;
use torc_protocol::{Args, Reply, WireError};

const COUNT_DEFAULT: usize = 10;

/// `SLOWLOG GET [count]`
pub fn get(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.len() > 3 {
        // The subcommand as the client wrote it.
        let start = "ERR unknown subcommand or wrong number of arguments for '";
        return Err(WireError::quoting(start, &args[1], "'. Try SLOWLOG HELP."));
    }
    let count = match args.get(2).map(parse_i64) {
        None => COUNT_DEFAULT,
        Some(Some(-1)) => usize::MAX,
        Some(Some(count)) if count >= 0 => usize::try_from(count).unwrap_or(usize::MAX),
        Some(_) => {
            return Err(WireError::fixed("ERR count should be greater than or equal to -1"));
        }
    };
    let entries = ctx.instance.slowlog.newest(count);
    reply.array(entries.len());
    for entry in entries {
        reply.array(6);
        reply.integer(entry.id as i64);
        reply.integer(entry.unix_secs as i64);
        reply.integer(entry.usec as i64);
        reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| reply.bulk(arg));
        reply.bulk(entry.client_addr.as_bytes());
        reply.bulk(entry.client_name.as_bytes());
    }
    Ok(Flow::Next)
}

/// `SLOWLOG LEN`
pub fn len(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.integer(ctx.instance.slowlog.len() as i64);
    Ok(Flow::Next)
}

/// `SLOWLOG RESET`
pub fn reset(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    ctx.instance.slowlog.reset();
    reply.ok();
    Ok(Flow::Next)
}

/// `SLOWLOG HELP`
pub fn help(_ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    help_lines(
        reply,
        &[
            "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "GET [<count>]",
            "    The newest entries (10 unless said otherwise, -1 for all), each as:",
            "    id, Unix time, microseconds, arguments, client address, client name.",
            "LEN",
            "    Number of entries.",
            "RESET",
            "    Forget all entries.",
            "HELP",
            "    These lines.",
        ],
    )
}
