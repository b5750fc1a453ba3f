//! What holds of every row, and the errors and key positions that Redis 7.0 answers.

use super::arguments::{arguments, synopsis};
use super::*;
use crate::Args;
use crate::request::Span;

/// Runs `test` on the arguments that `words` are.
fn with_args<T>(words: &[&[u8]], test: impl FnOnce(Args<'_>) -> T) -> T {
    let mut start = 0;
    let spans: Vec<Span> = words
        .iter()
        .map(|word| {
            let span = Span { start, len: word.len() as u32 };
            start += span.len;
            span
        })
        .collect();
    test(Args::new(&words.concat(), &spans))
}

fn words(text: &str) -> Vec<&[u8]> {
    text.split(' ').map(|word| if word == "''" { "" } else { word }.as_bytes()).collect()
}

fn resolved(words: &[&[u8]]) -> String {
    with_args(words, |args| match resolve(&args) {
        Ok(spec) => spec.full_name.to_owned(),
        Err(error) => String::from_utf8_lossy(&error.line()).into_owned(),
    })
}

#[test]
fn every_row_is_found_by_its_name_in_any_case() {
    for spec in &COMMANDS {
        assert_eq!(COMMANDS[spec.id].full_name, spec.full_name);
        let upper = spec.full_name.to_ascii_uppercase();
        for name in [spec.full_name, &upper] {
            let found = find_full(name.as_bytes()).unwrap();
            assert_eq!(found.full_name, spec.full_name);
        }
        assert!(spec.parent.is_some() || find(spec.full_name.as_bytes()).is_some());
    }
}

#[test]
fn names_that_differ_in_one_bit_are_not_found() {
    for spec in top_level() {
        for at in 0..spec.name.len() {
            for bit in 0..8 {
                let mut name = spec.name.as_bytes().to_vec();
                name[at] ^= 1 << bit;
                let known = COMMANDS
                    .iter()
                    .any(|s| s.parent.is_none() && s.name.as_bytes().eq_ignore_ascii_case(&name));
                assert_eq!(find(&name).is_some(), known, "{name:?}");
            }
        }
    }
    for name in [&b""[..], b"g", b"ge", b"getget", b"get\0", b"client|id", &[b'a'; 300]] {
        assert!(find(name).is_none(), "{name:?}");
    }
}

#[test]
fn every_row_is_well_formed() {
    for spec in &COMMANDS {
        let name = spec.full_name;
        assert!(arguments(spec).is_some(), "{name}: {}", spec.args);
        assert!(spec.about.ends_with('.') && spec.about.len() > 10, "{name}");
        assert!(!spec.time.is_empty() && spec.since.split('.').count() == 3, "{name}");
        assert!(
            !(spec.flags.contains(Flags::WRITE) && spec.flags.contains(Flags::READONLY)),
            "{name}"
        );
        assert_eq!(spec.acl.contains(Categories::FAST), spec.flags.contains(Flags::FAST), "{name}");
        let container = !spec.subcommands().is_empty();
        assert!(!container || name == "command" || !spec.accepts(1), "{name}");
        assert!(spec.subcommands().iter().all(|sub| sub.parent == Some(spec.name)), "{name}");
    }
}

#[test]
fn the_number_of_arguments_is_checked() {
    assert_eq!(resolved(&words("GeT k")), "get");
    assert_eq!(resolved(&words("get")), "ERR wrong number of arguments for 'get' command");
    assert_eq!(resolved(&words("get a b")), "ERR wrong number of arguments for 'get' command");
    assert_eq!(resolved(&words("mget a b c")), "mget");
    assert_eq!(resolved(&words("CLIENT ID")), "client|id");
    assert_eq!(
        resolved(&words("CLIENT id x")),
        "ERR wrong number of arguments for 'client|id' command"
    );
    assert_eq!(resolved(&words("client")), "ERR wrong number of arguments for 'client' command");
    assert_eq!(resolved(&words("command")), "command");
}

#[test]
fn unknown_names_are_quoted_as_redis_quotes_them() {
    let quoted = |name: &str, args: &str| {
        format!("ERR unknown command '{name}', with args beginning with: {args}")
    };
    assert_eq!(resolved(&words("foo")), quoted("foo", ""));
    assert_eq!(resolved(&words("foo a b")), quoted("foo", "'a' 'b' "));
    assert_eq!(resolved(&[b"a\r\nb", b"c\nd", b"e\0f"]), quoted("a  b", "'c d' 'e' "));
    let (long, cut) = ("a".repeat(200), "a".repeat(128));
    assert_eq!(
        resolved(&[long.as_bytes(), long.as_bytes(), b"b"]),
        quoted(&cut, &format!("'{cut}' "))
    );
    let short = "a".repeat(124);
    assert_eq!(
        resolved(&[b"foo", short.as_bytes(), b"bcd", b"e"]),
        quoted("foo", &format!("'{short}' 'b' "))
    );
    assert_eq!(
        resolved(&words("client Foo bar")),
        "ERR unknown subcommand 'Foo'. Try CLIENT HELP."
    );
}

#[test]
fn whose_only_key_stands_where_its_spec_says() {
    let only = |name: &str| find_full(name.as_bytes()).unwrap().only_key;
    for name in ["get", "set", "bitfield", "hset", "incr", "expire", "object|encoding"] {
        assert!(only(name), "{name}");
    }
    for name in ["mget", "del", "watch", "sort", "sort_ro", "georadius", "eval", "migrate", "ping"]
    {
        assert!(!only(name), "{name}");
    }
}

/// The keys of a request, each with its flags: `a:RO,access b:OW,update`.
fn keys(request: &str) -> String {
    let words = words(request);
    with_args(&words, |args| {
        let spec = resolve(&args).unwrap();
        let Ok(keys) = told_key_positions(spec, &args) else { return "invalid".to_owned() };
        assert_eq!(keys.count(), keys.iter().count());
        if spec.keys_by != Some(KeysBy::Migrate) {
            assert_eq!(spec.first_key(&args), keys.iter().next().map(|key| key.index));
        }
        if spec.only_key {
            let indices = key_positions(spec, &args).unwrap();
            assert_eq!(
                indices.iter().map(|key| key.index).collect::<Vec<_>>(),
                [spec.first_key as usize]
            );
        }
        let text = |key: KeyPosition| {
            let flags: Vec<_> = key.flags.names().collect();
            format!("{}:{}", String::from_utf8_lossy(&args[key.index]), flags.join(","))
        };
        keys.iter().map(text).collect::<Vec<_>>().join(" ")
    })
}

#[test]
fn keys_are_found_as_command_getkeysandflags_of_redis_finds_them() {
    for (request, expected) in [
        ("ping", ""),
        ("get a", "a:RO,access"),
        ("set a b", "a:OW,update"),
        ("set a b ex 1 get", "a:RW,access,update"),
        ("mset a 1 b 2", "a:OW,update b:OW,update"),
        ("mset a 1 b", "a:OW,update b:OW,update"),
        ("bitop and d a b", "d:OW,update a:RO,access b:RO,access"),
        ("bitfield a get u8 0", "a:RO,access"),
        ("bitfield a get u8 0 set u8 0 1", "a:RW,access,update"),
        ("sort a", "a:RO,access"),
        ("sort a by store store b limit 0 1", "a:RO,access b:OW,update"),
        ("sort_ro a by x", "a:RO,access"),
        ("georadius a 1 2 3 km", "a:RO,access"),
        ("georadius a 1 2 3 km store b", "a:RO,access b:OW,update"),
        ("georadius a 1 2 3 km storedist c store b", "a:RO,access b:OW,update c:OW,update"),
        ("georadiusbymember a m 3 km asc storedist b", "a:RO,access b:OW,update"),
        ("geosearchstore b a frommember m byradius 3 km", "b:OW,update a:RO,access"),
        ("object freq a", "a:RO"),
        ("migrate h 1 a 0 9", "a:RW,access,delete"),
        ("migrate h 1 '' 0 9 copy keys a b", "a:RW,access,delete b:RW,access,delete"),
        ("migrate h 1 a 0 9 keys b", "invalid"),
    ] {
        assert_eq!(keys(request), expected, "{request}");
    }
}

/// The key specs name the first destination of each kind.
#[test]
fn the_last_destination_of_a_search_is_where_it_stores() {
    for request in [
        "georadius a 1 2 3 km store x storedist b",
        "georadius a 1 2 3 km store x store b",
        "georadiusbymember a m 3 km storedist store store b",
    ] {
        with_args(&words(request), |args| {
            let keys = key_positions(resolve(&args).unwrap(), &args).unwrap();
            let keys: Vec<&[u8]> = keys.iter().map(|key| &args[key.index]).collect();
            assert_eq!(keys, [&b"a"[..], b"b"], "{request}");
        });
    }
}

/// It used to be taken for a command that contradicts its key specs, and was run by whichever node it came to, be it one that keeps a copy.
#[test]
fn a_merge_without_sources_has_its_destination() {
    assert_eq!(keys("pfmerge a"), "invalid");
    with_args(&words("pfmerge a"), |args| {
        let spec = resolve(&args).unwrap();
        let keys = key_positions(spec, &args).unwrap();
        assert_eq!(keys.iter().map(|key| key.index).collect::<Vec<_>>(), [1]);
    });
}

/// A command of another group, as EVAL and LMPOP will need it: the number of keys stands before them.
#[test]
fn counted_keys_are_bounded_by_the_arguments() {
    static KEYS: [KeySpec; 1] = [KeySpec::at(2).counted(0, 1).with(KeyFlags::RO)];
    let spec = CommandSpec { keys: &KEYS, ..CommandSpec::BLANK };
    let count = |request: &str| {
        with_args(&words(request), |args| {
            told_key_positions(&spec, &args).ok().map(|keys| keys.count())
        })
    };
    assert_eq!(count("eval x 2 a b c"), Some(2));
    assert_eq!(count("eval x 02x a b c"), Some(2), "as C reads it");
    for request in ["eval x 4 a b c", "eval x 0 a", "eval x -1 a", "eval x", "eval x ''"] {
        assert_eq!(count(request), None, "{request}");
    }
    assert_eq!(count("eval x 18446744073709551615 a"), None);
}

#[test]
fn arguments_are_rendered_as_documentation_writes_them() {
    let check = |name: &str, expected: &str| {
        assert_eq!(synopsis(find_full(name.as_bytes()).unwrap()), expected);
    };
    check("get", "GET key");
    check("mset", "MSET key value [key value ...]");
    check("client|id", "CLIENT ID");
    check("expire", "EXPIRE key seconds [NX | XX | GT | LT]");
    check("bitop", "BITOP <AND | OR | XOR | NOT> destkey key [key ...]");
    check(
        "set",
        "SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
         PXAT unix-time-milliseconds | KEEPTTL]",
    );
}

#[test]
fn the_documentation_names_every_command() {
    let text = markdown();
    for spec in &COMMANDS {
        let name = spec.full_name.replace('|', " ").to_ascii_uppercase();
        assert!(spec.parent.is_some() && spec.refused.is_some() || text.contains(&name), "{name}");
    }
}
