//! From the command line to settings that the node can start with, or to every reason why not.
//!
//! Precedence: the defaults, then the file, then the command line.

use super::file::{self, USER};
use super::markdown::markdown;
use super::people::{self, Call};
use super::settings::{SetError, Settings, find, names};
use super::table::SETTINGS;
use crate::security::ProtectedMode;
use crate::security::acl::Acl;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

const CONFIG: &str = "config";

/// What the command line asks for.
#[derive(Debug)]
pub enum Order {
    /// Run a node.
    Serve(Box<Settings>),
    /// Show how a ring stands.
    Status {
        /// One of its nodes.
        node: Call,
        /// For programs.
        json: bool,
    },
    /// Have a node leave its ring.
    Leave {
        /// Which.
        node: Call,
    },
    /// Run several nodes on this machine, as child processes.
    LocalCluster {
        /// How many.
        nodes: u16,
        /// The first one's port for clients.
        port: u16,
        /// Options for each of them.
        rest: Vec<String>,
    },
}

/// Reads the command line, the program's name first. `Err` is the exit code where there is nothing to do: help was shown, or a
/// setting is wrong and standard error says which.
pub fn from_command_line(args: impl IntoIterator<Item = OsString>) -> Result<Order, ExitCode> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    // `torc --port 7000` means the server, like `torc` alone.
    let is_flag = |arg: &OsString| arg.to_str().is_some_and(|arg| arg.starts_with("--"));
    let is_own = |arg: &OsString| arg == "--help" || arg == "--version";
    if args.get(1).is_none_or(|arg| is_flag(arg) && !is_own(arg)) {
        args.insert(1.min(args.len()), "server".into());
    }
    let matches = command().try_get_matches_from(args).map_err(|error| {
        // Printing fails only where nobody can read it.
        let _ = error.print();
        if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    })?;
    match matches.subcommand() {
        Some(("settings", _)) => {
            // Nobody to read it (`torc settings | head`) is no error.
            let _ = std::io::stdout().write_all(markdown().as_bytes());
            Err(ExitCode::SUCCESS)
        }
        Some((name, given)) => match people::order(name, given) {
            Some(order) => Ok(order),
            None => settle(given).map(|it| Order::Serve(Box::new(it))).map_err(|wrong| {
                wrong.iter().for_each(|line| eprintln!("torc: {line}"));
                ExitCode::FAILURE
            }),
        },
        None => Err(ExitCode::FAILURE),
    }
}

fn command() -> Command {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Settings file (TOML); its keys are the names of the options below");
    let settings = SETTINGS.iter().map(|row| {
        let default = if row.default.is_empty() { "empty" } else { row.default };
        Arg::new(row.name)
            .long(row.name)
            .aliases(row.aliases.iter().copied())
            .value_name(row.name.to_uppercase())
            .allow_hyphen_values(true)
            .action(ArgAction::Append)
            // What is accepted for Redis's clients alone would drown the rest.
            .hide(row.when.is_empty())
            .help(format!("{} [{}] [default: {default}]", row.means.trim(), row.kind.range()))
    });
    let user = Arg::new(USER)
        .long(USER)
        .value_name("RULES")
        .action(ArgAction::Append)
        .help("A user's name and rules, as behind ACL SETUSER, in one argument; given again for each user");
    let server = Command::new("server")
        .about("Runs a node (the default without a subcommand)")
        .arg(config)
        .arg(user)
        .args(settings);
    Command::new("torc")
        .version(env!("CARGO_PKG_VERSION"))
        .about("An in-memory cache that speaks the Redis protocol")
        .subcommand(server)
        .subcommands(people::commands())
        .subcommand(Command::new("settings").about("Prints every setting as Markdown"))
}

fn settle(matches: &ArgMatches) -> Result<Settings, Vec<String>> {
    let mut settings = Settings::default();
    let mut wrong = Vec::new();
    if let Some(path) = matches.get_one::<PathBuf>(CONFIG) {
        wrong.extend(file::load(&mut settings, path).err().unwrap_or_default());
        // Absolute, so that CONFIG REWRITE finds it whatever the working directory is then.
        settings.set_file(std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    }
    if let Some(users) = matches.get_many::<String>(USER) {
        settings.set_users(users.cloned().collect());
    }
    for row in SETTINGS {
        let Some(values) = matches.get_many::<String>(row.name) else { continue };
        // Given twice, a list goes on; of anything else the last one counts, as on any command line.
        let values: Vec<&str> = values.map(String::as_str).collect();
        let text = match row.kind {
            super::Kind::Special { .. } => values.join(" "),
            _ => values.last().copied().unwrap_or_default().to_owned(),
        };
        if let Err(error) = settings.set_at_start(row.name, &text) {
            wrong.push(explain(&error, &format!("--{} {text}", row.name)));
        }
    }
    if wrong.is_empty() {
        wrong.extend(contradictions(&settings));
    }
    if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
}

/// What is wrong with `shown` (a setting and its value as they were written), and what would be right.
pub(super) fn explain(error: &SetError, shown: &str) -> String {
    match error {
        SetError::Unknown(name) => match nearest(name) {
            Some(near) => format!("unknown setting '{name}'; did you mean '{near}'?"),
            None => format!("unknown setting '{name}'; `torc server --help` lists them"),
        },
        SetError::Refused { name, reason } => {
            let Some(row) = find(name).map(|index| &SETTINGS[index]) else {
                return format!("{shown}: {reason}");
            };
            let default = if row.default.is_empty() { "empty" } else { row.default };
            let range = row.kind.range();
            format!("{shown}: {reason}; right would be {range} (default: {default})")
        }
    }
}

/// Settings that are legal one by one but not together.
fn contradictions(settings: &Settings) -> Vec<String> {
    let mut wrong = Vec::new();
    if settings.port() == 0 && settings.unixsocket().is_empty() && !settings.has_tls_port() {
        wrong.push(
            "port and tls-port are 0 and unixsocket is empty: there is nothing to listen on"
                .to_owned(),
        );
    }
    let shared = settings.port() == settings.tls_port() && settings.port() != 0;
    if shared && !settings.is_in_ring() {
        wrong.push(format!("port and tls-port are both {}: each needs its own", settings.port()));
    }
    let acl = Acl::default();
    wrong.extend(acl.start(settings).err());
    let bind = settings.bind();
    let open = ProtectedMode::of(settings, &acl).useless_addresses(&bind);
    if (settings.port() != 0 || settings.has_tls_port()) && !open.is_empty() {
        wrong.push(format!(
            "bind = \"{bind}\" lets other machines connect by {}, and no password is set. Either set requirepass, or bind to 127.0.0.1 \
             and ::1 alone, or, where the network itself keeps strangers out, set protected-mode to no",
            open.join(" and ")
        ));
    }
    if settings.is_in_ring() {
        wrong.extend(ring_contradictions(settings));
    }
    wrong
}

/// The same for the settings of a ring.
fn ring_contradictions(settings: &Settings) -> Vec<String> {
    let mut wrong = Vec::new();
    let ports = [
        ("port", settings.port()),
        ("tls-port", settings.tls_port()),
        ("cluster-port", settings.cluster_port()),
        ("tls-cluster-port", settings.tls_cluster_port()),
        ("peer-port", settings.peer_port()),
    ];
    let used = ports.map(|(_, port)| port).into_iter().filter(|&port| port != 0);
    if used.clone().collect::<BTreeSet<_>>().len() < used.count() {
        let named = ports.map(|(name, port)| format!("{name} is {port}"));
        wrong.push(format!("{}: each needs its own", named.join(", ")));
    }
    let bind = settings.bind();
    let is_open = bind.split(' ').any(crate::security::is_beyond_loopback);
    if is_open && settings.protected_mode() && settings.cluster_secret().is_empty() {
        wrong.push(format!(
            "bind = \"{bind}\" lets other machines connect to peer-port, and no cluster-secret is set: whoever can connect could join. Either set \
             cluster-secret, the same on all nodes, or bind to loopback alone, or, where the network itself keeps strangers out, set \
             protected-mode to no"
        ));
    }
    wrong
}

/// The setting whose name is nearest to `name`, if any is near.
fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let near = |known: &&'static str| distance(&name, known);
    let best = SETTINGS.iter().flat_map(names).min_by_key(near)?;
    (near(&best) <= 1 + name.len() / 4).then_some(best)
}

/// Levenshtein's distance between two short texts.
fn distance(a: &str, b: &str) -> usize {
    // Names longer than any setting's by this much are near none, and must not cost time.
    if a.len().abs_diff(b.len()) > 16 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte_a) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, byte_b) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(byte_a != byte_b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(flags: &[&str]) -> Result<Settings, Vec<String>> {
        let args = ["torc", "server"].iter().chain(flags);
        let matches = command().try_get_matches_from(args).map_err(|e| vec![e.to_string()])?;
        settle(matches.subcommand_matches("server").unwrap())
    }

    #[test]
    fn flags_set_what_they_say() {
        let settings = start(&[
            "--port",
            "7000",
            "--maxmemory",
            "2gb",
            "--slowlog-log-slower-than",
            "-1",
            "--bind",
            "127.0.0.1",
            "--bind",
            "-::1",
            "--save",
            "",
            "--hash-max-ziplist-entries",
            "9",
        ])
        .unwrap();
        assert_eq!((settings.port(), settings.maxmemory()), (7000, 2 << 30));
        assert_eq!(settings.slowlog_log_slower_than(), -1);
        assert_eq!(&*settings.bind(), "127.0.0.1 -::1");
        assert_eq!(settings.hash_max_listpack_entries(), 9);
    }

    #[test]
    fn wrong_flags_are_refused() {
        let check = |flags: &[&str], expected: &str| {
            let wrong = start(flags).expect_err("refused").join("\n");
            assert!(wrong.contains(expected), "{wrong}");
        };
        check(
            &["--port", "99999"],
            "--port 99999: argument must be between 0 and 65535 inclusive; right would be an integer from 0 to 65535 (default: 6379)",
        );
        check(&["--maxmemory", "lots"], "argument must be a memory value");
        check(&["--prt", "1"], "--port");
        check(&["--port", "0"], "nothing to listen on");
        check(&["--tls-port", "6379"], "port and tls-port are both 6379: each needs its own");
        check(&["--tls-protocols", "TLSv1.1"], "'TLSv1.1' is no version of TLS that Torc speaks");
        let ring = ["--cluster-enabled", "yes", "--tls-cluster-port", "7379"];
        check(
            &ring,
            "cluster-port is 7379, tls-cluster-port is 7379, peer-port is 8379: each needs",
        );
        check(&["--port", "0", "--tls-port", "1", "--bind", "*"], "no password is set");
    }

    #[test]
    fn listening_to_others_needs_a_password_or_a_word() {
        assert!(start(&["--bind", "0.0.0.0"]).is_err());
        assert!(start(&["--bind", "* -::*"]).is_err());
        assert!(start(&["--bind", "127.0.0.1 192.168.1.5"]).is_err());
        assert!(start(&["--bind", "0.0.0.0", "--requirepass", "x"]).is_ok());
        assert!(start(&["--bind", "0.0.0.0", "--protected-mode", "no"]).is_ok());
        assert!(start(&["--bind", "127.0.0.2 -::1"]).is_ok());
    }

    #[test]
    fn near_names_are_found() {
        assert_eq!(nearest("maxmemry"), Some("maxmemory"));
        assert_eq!(nearest("max_clients"), Some("maxclients"));
        assert_eq!(nearest("tcp-keep-alive"), Some("tcp-keepalive"));
        assert_eq!(nearest("zzzzzz"), None);
        assert_eq!(nearest(&"x".repeat(100_000)), None);
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
