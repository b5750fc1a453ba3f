use super::*;
use torc_protocol::Args;
use torc_protocol::command::{find, subcommand_of};
use torc_protocol::request::{encode_request, is_one_request};

/// The rights that these rules give a new user.
fn rights(rules: &str) -> Rights {
    let mut rights = Rights::new(false);
    rights
        .apply(rules.split(' ').map(str::as_bytes), false)
        .unwrap_or_else(|error| panic!("{rules}: {}", error.escape_ascii()));
    rights
}

/// Why `rights` do not allow a command, if they do not.
fn denial(rights: &Rights, command: &str) -> Option<Denial> {
    let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
    let (mut bytes, mut spans) = (Vec::new(), Vec::new());
    encode_request(&mut bytes, &words);
    assert!(is_one_request(&bytes, &mut spans));
    let args = Args::new(&bytes, &spans);
    let spec = find(words[0]).and_then(|spec| subcommand_of(spec, &args)).unwrap();
    rights.check(spec, &args).err()
}

#[test]
fn rules_say_what_is_allowed() {
    let check = |rules: &str, allowed: &[&str], denied: &[(&str, Denial)]| {
        let rights = rights(rules);
        for command in allowed {
            assert_eq!(denial(&rights, command), None, "{rules}: {command}");
        }
        for &(command, why) in denied {
            assert_eq!(denial(&rights, command), Some(why), "{rules}: {command}");
        }
    };
    use Denial::{Channel, Command, Key};
    check("", &["AUTH x", "HELLO", "QUIT"], &[("PING", Command), ("GET k", Command)]);
    check("+@all", &["PING", "DBSIZE"], &[("GET k", Key(1)), ("PUBLISH c m", Channel(1))]);
    check("+@all -@dangerous ~*", &["GET k"], &[("FLUSHALL", Command), ("KEYS *", Command)]);
    check("+get +set ~a* ~b*", &["GET abc", "SET b 1"], &[("GET c", Key(1)), ("MGET a", Command)]);
    check("+mget ~a*", &["MGET a ab"], &[("MGET a b", Key(2))]);
    check("+config|get", &["CONFIG GET x"], &[("CONFIG SET x y", Command), ("CONFIG", Command)]);
    check("+config -config|set", &["CONFIG GET x"], &[("CONFIG SET x y", Command)]);
    check("+select|0 +debug|sleep", &["SELECT 0", "DEBUG SLEEP 0"], &[("SELECT 1", Command)]);
    check("+select|0 -select", &[], &[("SELECT 0", Command)]);
    check(
        "+@all %R~r %W~w ~b",
        &["GET r", "SET w 1", "SET b 1 GET", "COPY r w", "STRLEN w"],
        &[("GET w", Key(1)), ("SET r 1", Key(1)), ("SET w 1 GET", Key(1)), ("COPY w r", Key(1))],
    );
    check("+@all %R~k %W~k", &["SET k 1 GET"], &[]);
    check(
        "+@pubsub &news:* &x",
        &[
            "SUBSCRIBE news:1 x",
            "PSUBSCRIBE news:*",
            "PUBLISH news:a m",
            "UNSUBSCRIBE y",
            "SPUBLISH x m",
        ],
        &[
            ("SUBSCRIBE x y", Channel(2)),
            ("PSUBSCRIBE news:1*", Channel(1)),
            ("SSUBSCRIBE y", Channel(1)),
        ],
    );
    // One selector has to allow all of it; the greatest reason is told.
    check(
        "+get ~a (+set ~b) (+mset ~a ~b)",
        &["GET a", "SET b 1", "MSET a 1 b 2"],
        &[("GET b", Key(1)), ("SET a 1", Key(1)), ("MSET b 1 c 2", Key(3)), ("DEL a", Command)],
    );
    check("(+get ~a) clearselectors", &[], &[("GET a", Command)]);
    check("+eval ~k", &["EVAL x 0", "EVAL x 1 k"], &[("EVAL x 2 k l", Key(4))]);
    check("+@all ~* &* reset", &[], &[("GET a", Command)]);
}

#[test]
fn only_who_may_do_everything_is_not_checked() {
    assert!(Rights::unlimited().is_unlimited());
    assert!(rights("+@all ~* &*").is_unlimited());
    assert!(rights("(+@all ~* &*)").is_unlimited());
    for rules in ["+@all ~*", "+@all &*", "~* &* +@read", "+@all -get +get ~* &*", "+@all %RW~* &*"]
    {
        assert!(!rights(rules).is_unlimited(), "{rules}");
    }
}

#[test]
fn what_is_shown_can_be_set_again() {
    for (rules, shown) in [
        ("", "off sanitize-payload resetchannels -@all"),
        ("on nopass allkeys allchannels allcommands", "on nopass sanitize-payload ~* &* +@all"),
        ("+@READ +GET -get +@read", "off sanitize-payload resetchannels -@all -get +@read"),
        ("+@read -Config|Get +config", "off sanitize-payload resetchannels -@all +@read +config"),
        (
            "%r~a %W~a %wr~b %W~c %R &x &y",
            "off sanitize-payload ~a ~b %W~c %R~ resetchannels &x &y -@all",
        ),
        (
            "skip-sanitize-payload >a (~\"x &y +get) (allkeys +@all -del)",
            "off skip-sanitize-payload #ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb \
             resetchannels -@all (~\"x resetchannels &y -@all +get) (~* resetchannels +@all -del)",
        ),
        (
            "+debug|SLEEP +select|0",
            "off sanitize-payload resetchannels -@all +debug|sleep +select|0",
        ),
        (
            "Consistency W=Quorum,r=any ~a +get",
            "off sanitize-payload consistency w=quorum,r=any ~a resetchannels -@all +get",
        ),
        (
            "consistency w=quorum consistency r=session",
            "off sanitize-payload consistency w=default,r=session resetchannels -@all",
        ),
        ("consistency w=2 consistency w=default", "off sanitize-payload resetchannels -@all"),
        ("consistency w=2 reset", "off sanitize-payload resetchannels -@all"),
    ] {
        let first = rights(rules);
        let text = String::from_utf8(first.describe()).unwrap();
        assert_eq!(text, shown, "{rules}");
        assert_eq!(rights(&text), first, "{rules}");
    }
}

#[test]
fn wrong_rules_change_nothing() {
    let check = |rules: &str, expected: &str| {
        let mut changed = rights("on >pw ~a +get");
        let before = changed.clone();
        let error = changed.apply(rules.split(' ').map(str::as_bytes), false).unwrap_err();
        let error = String::from_utf8(error).unwrap();
        assert!(error.ends_with(expected), "{rules}: {error}");
        assert_eq!(changed, before, "{rules}");
    };
    check("off foo", "modifier 'foo': Syntax error");
    check("+set +nope", "'+nope': Unknown command or category name in ACL");
    check("+@nope", "'+@nope': Unknown command or category name in ACL");
    check("+config|nope", "Unknown command or category name in ACL");
    check("-select|0", "Unknown command or category name in ACL");
    check("+config|get|x", "Allowing first-arg of a subcommand is not supported");
    check("+select|", "Syntax error");
    check("allkeys ~b", "Try 'resetkeys' to start with an empty list of patterns");
    check("allchannels &b", "Try 'resetchannels' to start with an empty list of channels");
    check("<nope", "The password you are trying to remove from the user does not exist");
    check("#12", "must be exactly 64 characters and contain only lowercase hexadecimal characters");
    check("!XY", "must be exactly 64 characters and contain only lowercase hexadecimal characters");
    check("%~x", "Syntax error");
    check("%RR~x", "Syntax error");
    check("%", "Syntax error");
    check("%X~a", "Syntax error");
    check("~a\tb", "Syntax error");
    check("(on)", "'(on)': Syntax error");
    check("((+get))", "Syntax error");
    for levels in ["", "w=0", "w=quorum,", "w=quorum r=any", "r=all", "x=1", "quorum"] {
        check(&format!("consistency {levels}"), "Syntax error");
    }
    check("~b consistency", "'consistency ': Syntax error");
    check("(consistency w=2)", "Syntax error");
    check("(~a +get", "Unmatched parenthesis in acl selector starting at '(~a'.");
}

#[test]
fn rules_are_bounded() {
    let mut rights = Rights::new(false);
    let mut added = 0;
    while rights.apply_one(format!("~{added:0>1000}").as_bytes(), false).is_ok() {
        added += 1;
        assert!(added < 2_000, "no bound");
    }
    assert!(added > 900, "{added}");
}

#[test]
fn passwords_let_their_user_in() {
    let acl = Acl::default();
    let set = |name: &str, rules: &str| {
        acl.set(name.as_bytes(), rules.split(' ').map(str::as_bytes)).unwrap();
    };
    let is_in = |name: &str, password: &str| {
        acl.authenticate(name.as_bytes(), password.as_bytes()).is_some()
    };
    assert!(is_in("default", "anything") && !acl.requires_login());
    assert!(!is_in("alice", "a"));
    set("alice", ">a >b");
    assert!(!is_in("alice", "a"), "off");
    set("alice", "on");
    assert!(is_in("alice", "a") && is_in("alice", "b") && !is_in("alice", ""));
    set("alice", "<a");
    assert!(!is_in("alice", "a") && is_in("alice", "b"));
    set("alice", "nopass");
    assert!(is_in("alice", "x"));
    set("alice", "resetpass");
    assert!(!is_in("alice", "b") && !is_in("alice", ""));
    set("default", ">pw");
    assert!(acl.requires_login());
    acl.set_default_password(b"");
    assert!(!acl.requires_login());
    set("default", "off");
    assert!(acl.requires_login(), "who is off is nobody");
}

#[test]
fn a_deleted_user_is_another_than_who_has_its_name_later() {
    let acl = Acl::default();
    acl.set(b"alice", [&b"on"[..]].into_iter()).unwrap();
    let (first, before) = (acl.find(b"alice").unwrap(), acl.generation());
    assert_eq!(acl.delete([&b"alice"[..], b"bob", b"default"].into_iter()).len(), 1);
    assert!(first.is_gone() && acl.generation() > before);
    acl.set(b"alice", [&b"on"[..]].into_iter()).unwrap();
    assert!(!acl.find(b"alice").unwrap().is_gone());
    assert!(acl.find(b"default").is_some());
}

#[test]
fn a_subscription_stays_as_long_as_its_channel_is_allowed() {
    let check = |before: &str, after: &str, channel: &str, is_pattern: bool, expected: bool| {
        let (before, after) = (rights(before), rights(after));
        let kept =
            after.keeps_channels(&before) || after.has_channel(channel.as_bytes(), is_pattern);
        assert_eq!(kept, expected, "{channel}");
    };
    check("&a", "&*", "b", false, true);
    check("&a", "&a &b", "z", false, true);
    check("&a (&b)", "&b (&a)", "a", false, true);
    check("&*", "&a*", "abc", false, true);
    check("&*", "&a*", "b", false, false);
    check("&a &b", "&b", "a", false, false);
    check("&a* &b", "&a*", "a*", true, true);
    check("&*", "&a*", "ab*", true, false);
    check("&a", "(&a)", "a", false, true);
}

fn file(text: &str) -> String {
    let path = std::env::temp_dir().join(format!("torc-{}-{:p}.acl", std::process::id(), text));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_file_is_loaded_whole_or_not_at_all() {
    let acl = Acl::default();
    for name in [b"stays", b"alter", b"leave"] {
        acl.set(name, [&b"on"[..], b"+get", b"~a"].into_iter()).unwrap();
    }
    let before = |name: &[u8]| acl.find(name).unwrap();
    let (stays, changes, goes) = (before(b"stays"), before(b"alter"), before(b"leave"));
    let check = |text: &str, expected: &str| {
        let path = file(text);
        let LoadError(wrong) = acl.load(&path).unwrap_err();
        assert!(wrong.replace(&path, "F").starts_with(expected), "{wrong}");
        assert!(wrong.ends_with("no change to the previously active ACL rules was performed"));
        assert_eq!(acl.all().len(), 4);
        std::fs::remove_file(path).unwrap();
    };
    check("user a on\n\nuser b +nope", "F:3: Error in applying operation '+nope': Unknown");
    check("user a on\n# x", "F:2 should start with user keyword followed by the username. ");
    check("user a on\nuser a off", "WARNING: Duplicate user 'a' found on line 2. ");
    check("user a >p foo bar", "F:1: Syntax error. WARNING");
    check("user a (~x", "F:1: Unmatched parenthesis in selector definition.");
    check("user a\tb on", "'F:1: username 'a\tb' contains invalid characters. ");
    assert!(matches!(acl.load("/nonexistent/x"), Err(LoadError(text)) if text
        == "Error loading ACLs, opening file '/nonexistent/x': No such file or directory"));

    let path = file(
        "user stays on sanitize-payload ~a resetchannels -@all +get\r\nuser alter on +get ~b (~c\t+set)\n",
    );
    let gone = acl.load(&path).unwrap();
    assert_eq!(gone.len(), 2);
    assert!(changes.is_gone() && goes.is_gone() && !stays.is_gone());
    assert!(Arc::ptr_eq(&stays, &acl.find(b"stays").unwrap()));
    acl.save(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        "user alter on sanitize-payload ~b resetchannels -@all +get (~c resetchannels -@all +set)\n\
         user default on nopass sanitize-payload ~* &* +@all\n\
         user stays on sanitize-payload ~a resetchannels -@all +get\n"
    );
    assert!(acl.load(&path).unwrap().is_empty(), "nothing has changed");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn settings_define_users() {
    let acl = Acl::default();
    let words = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(acl.definitions(b""), Ok(Vec::new()));
    acl.define(&words(&["alice on >a ~a* +get", "default on >pw +@all"])).unwrap();
    assert!(acl.requires_login() && acl.authenticate(b"alice", b"a").is_some());
    let told = acl.definitions(b"").unwrap();
    let other = Acl::default();
    other.define(&told).unwrap();
    assert_eq!(other.definitions(b"").unwrap(), told);
    for wrong in [&["alice", "alice"][..], &[""], &["alice +nope"]] {
        assert!(acl.define(&words(wrong)).is_err(), "{wrong:?}");
    }
}
