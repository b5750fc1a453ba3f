//! One command as COMMAND and COMMAND INFO describe it.

use torc_protocol::Reply;
use torc_protocol::command::{Begin, CommandSpec, Find, KeySpec, top_level};

/// Every command.
pub(super) fn write_all(reply: &mut Reply<'_>) {
    reply.array(top_level().count());
    top_level().for_each(|spec| write(spec, reply));
}

/// One command with its subcommands.
pub(super) fn write(spec: &CommandSpec, reply: &mut Reply<'_>) {
    reply.array(10);
    reply.bulk(spec.full_name.as_bytes());
    reply.integer(spec.arity.into());
    reply.set(spec.flags.count());
    spec.flags.names().for_each(|name| reply.simple(name));
    reply.integer(spec.key_range.first.into());
    reply.integer(spec.key_range.last.into());
    reply.integer(spec.key_range.step.into());
    reply.set(spec.acl.count());
    spec.acl.names().for_each(|name| reply.simple(&format!("@{name}")));
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(spec.keys.len());
    spec.keys.iter().for_each(|key| write_key_spec(key, reply));
    let subcommands = spec.subcommands();
    // Redis answers an array of subcommands, yet an empty set where there are none.
    if subcommands.is_empty() {
        reply.set(0);
    } else {
        reply.array(subcommands.len());
    }
    subcommands.iter().for_each(|subcommand| write(subcommand, reply));
}

fn write_key_spec(spec: &KeySpec, reply: &mut Reply<'_>) {
    reply.map(3 + usize::from(spec.notes.is_some()));
    if let Some(notes) = spec.notes {
        reply.bulk(b"notes");
        reply.bulk(notes.as_bytes());
    }
    reply.bulk(b"flags");
    reply.set(spec.flags.count());
    spec.flags.names().for_each(|name| reply.simple(name));
    reply.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(index) => write_search("index", &[("index", index.into())], reply),
        Begin::Keyword { word, from } => {
            write_head("keyword", 2, reply);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            reply.bulk(b"startfrom");
            reply.integer(from.into());
        }
        Begin::Unknown => write_search("unknown", &[], reply),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step, limit } => {
            let fields =
                [("lastkey", last.into()), ("keystep", step.into()), ("limit", limit.into())];
            write_search("range", &fields, reply);
        }
        Find::Count { count_at, first, step } => {
            let fields = [
                ("keynumidx", count_at.into()),
                ("firstkey", first.into()),
                ("keystep", step.into()),
            ];
            write_search("keynum", &fields, reply);
        }
        Find::Unknown => write_search("unknown", &[], reply),
    }
}

fn write_search(kind: &str, fields: &[(&str, i64)], reply: &mut Reply<'_>) {
    write_head(kind, fields.len(), reply);
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.integer(*value);
    }
}

fn write_head(kind: &str, field_count: usize, reply: &mut Reply<'_>) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(field_count);
}

#[cfg(test)]
mod tests {
    use super::*;
    use torc_protocol::Protocol;
    use torc_protocol::command::find;

    fn check(name: &str, protocol: Protocol, expected: &str) {
        let mut out = Vec::new();
        write(find(name.as_bytes()).unwrap(), &mut Reply::new(&mut out, protocol));
        assert_eq!(String::from_utf8(out).unwrap().replace("\r\n", " "), expected);
    }

    #[test]
    fn a_command_is_described_in_both_protocols() {
        check(
            "get",
            Protocol::Resp2,
            "*10 $3 get :2 *2 +readonly +fast :1 :1 :1 *3 +@read +@string +@fast *0 *1 *6 $5 flags *2 +RO \
             +access $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 $9 find_keys *4 $4 type $5 range \
             $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0 *0 ",
        );
        check(
            "get",
            Protocol::Resp3,
            "*10 $3 get :2 ~2 +readonly +fast :1 :1 :1 ~3 +@read +@string +@fast ~0 ~1 %3 $5 flags ~2 +RO \
             +access $12 begin_search %2 $4 type $5 index $4 spec %1 $5 index :1 $9 find_keys %2 $4 type $5 range \
             $4 spec %3 $7 lastkey :0 $7 keystep :1 $5 limit :0 ~0 ",
        );
    }
}
