//! The command line of the commands for people: `torc status`, `torc leave`, `torc local-cluster`.

use super::Order;
use crate::security::tls::Papers;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// Where a password stands that nobody else on the machine is to see, as for redis-cli.
const PASSWORD_VARIABLE: &str = "REDISCLI_AUTH";

const ADDRESS: &str = "address";
const USER: &str = "user";
const PASSWORD: &str = "password";
const TLS: &str = "tls";
const CACERT: &str = "cacert";
const CERT: &str = "cert";
const KEY: &str = "key";
const JSON: &str = "json";
const NODES: &str = "nodes";
const PORT: &str = "port";
const REST: &str = "rest";

/// A node that is asked something, and as whom.
#[derive(Debug, Default)]
pub struct Call {
    /// One of its ports for clients.
    pub address: String,
    /// Whose password it is; empty for the default user's.
    pub user: String,
    /// Empty for none.
    pub password: String,
    /// `None` on ports that do not speak TLS.
    pub papers: Option<Papers>,
}

impl Call {
    fn read(given: &ArgMatches) -> Call {
        let password = given.get_one::<String>(PASSWORD).cloned();
        let papers = given.get_flag(TLS).then(|| Papers {
            authority: text(given, CACERT),
            pair: given.get_one::<String>(CERT).map(|cert| (cert.clone(), text(given, KEY))),
        });
        Call {
            address: text(given, ADDRESS),
            user: text(given, USER),
            password: password
                .or_else(|| std::env::var(PASSWORD_VARIABLE).ok())
                .unwrap_or_default(),
            papers,
        }
    }

    fn arguments() -> [Arg; 7] {
        let text = |name: &'static str, kind: &'static str, help: String| {
            Arg::new(name).long(name).value_name(kind).help(help)
        };
        let password =
            format!("Its password, if it has one; or in the environment as {PASSWORD_VARIABLE}");
        [
            Arg::new(ADDRESS).value_name("HOST:PORT").help("A node's port for clients"),
            text(USER, "NAME", "The user to log in as, if not the default one".to_owned()),
            text(PASSWORD, "PASSWORD", password),
            Arg::new(TLS)
                .long(TLS)
                .action(ArgAction::SetTrue)
                .requires(CACERT)
                .help("Speak TLS; the port has to be one of the node's for that"),
            text(
                CACERT,
                "FILE",
                "Certificates of authorities, one of which made the node's".to_owned(),
            )
            .requires(TLS),
            text(CERT, "FILE", "A certificate to show, where the node wants one".to_owned())
                .requires_all([TLS, KEY]),
            text(KEY, "FILE", "Its private key".to_owned()).requires(CERT),
        ]
    }
}

fn text(given: &ArgMatches, name: &str) -> String {
    given.get_one::<String>(name).cloned().unwrap_or_default()
}

/// What the command of this name is to do, if it is one of those here.
pub(super) fn order(name: &str, given: &ArgMatches) -> Option<Order> {
    match name {
        "status" => Some(Order::Status { node: Call::read(given), json: given.get_flag(JSON) }),
        "leave" => Some(Order::Leave { node: Call::read(given) }),
        "local-cluster" => Some(Order::LocalCluster {
            nodes: given.get_one(NODES).copied().unwrap_or(3),
            port: given.get_one(PORT).copied().unwrap_or(6379),
            rest: given.get_many(REST).into_iter().flatten().cloned().collect(),
        }),
        _ => None,
    }
}

/// What they take.
pub(super) fn commands() -> [Command; 3] {
    let json =
        Arg::new(JSON).long(JSON).action(ArgAction::SetTrue).help("One JSON object, for programs");
    let nodes = Arg::new(NODES)
        .long(NODES)
        .value_name("COUNT")
        .default_value("3")
        .value_parser(clap::value_parser!(u16).range(1..=64))
        .help("How many nodes");
    let port = Arg::new(PORT)
        .long(PORT)
        .value_name("PORT")
        .default_value("6379")
        .value_parser(clap::value_parser!(u16).range(1024..=60_000))
        .help("The first node's port for clients; those for cluster clients lie 1000 above, those for nodes 2000");
    let rest = Arg::new(REST)
        .value_name("OPTIONS")
        .num_args(0..)
        .last(true)
        .help("Options of `torc server` for each node, after `--`");
    [
        Command::new("status")
            .about("Shows how a ring stands: its nodes, and whether all keys have all copies")
            .args(Call::arguments())
            .mut_arg(ADDRESS, |address| address.default_value("127.0.0.1:6379"))
            .arg(json),
        Command::new("leave")
            .about("Has a node hand its keys over to the others and stop")
            .args(Call::arguments())
            .mut_arg(ADDRESS, |address| address.required(true)),
        Command::new("local-cluster")
            .about("Runs a ring of several nodes on this machine, until it is interrupted")
            .args([nodes, port, rest]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(words: &[&str]) -> Result<Call, String> {
        let [status, ..] = commands();
        let words = ["status"].iter().chain(words);
        let given = status.try_get_matches_from(words).map_err(|error| error.to_string())?;
        Ok(Call::read(&given))
    }

    #[test]
    fn who_is_asked_and_as_whom_is_read() {
        let node = call(&["10.0.0.1:7", "--user", "alice", "--password", "secret"]).unwrap();
        assert_eq!(
            (&*node.address, &*node.user, &*node.password),
            ("10.0.0.1:7", "alice", "secret")
        );
        assert!(node.papers.is_none());
        let papers = |words: &[&str]| {
            let Papers { authority, pair } = call(words).unwrap().papers.unwrap();
            (authority, pair.unwrap_or_default())
        };
        let none = (String::new(), String::new());
        assert_eq!(papers(&["--tls", "--cacert", "a"]), ("a".to_owned(), none));
        let whole = ["--tls", "--cacert", "a", "--cert", "b", "--key", "c"];
        assert_eq!(papers(&whole), ("a".to_owned(), ("b".to_owned(), "c".to_owned())));
    }

    #[test]
    fn half_of_what_tls_needs_is_refused_with_what_is_missing() {
        for (words, missing) in [
            (&["--tls"][..], "--cacert"),
            (&["--cacert", "a"], "--tls"),
            (&["--tls", "--cacert", "a", "--cert", "b"], "--key"),
            (&["--tls", "--cacert", "a", "--key", "b"], "--cert"),
        ] {
            let error = call(words).unwrap_err();
            assert!(error.contains("required") && error.contains(missing), "{words:?}: {error}");
        }
    }
}
