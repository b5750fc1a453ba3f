//! Settings with a grammar of their own, read and rendered as Redis does.

use super::kind::parse_memory;

/// A limit on what a client of some class may have waiting in its output buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputLimit {
    /// The client is closed as soon as it has more bytes than this waiting; 0 is no limit.
    pub hard_bytes: u64,
    /// The client is closed once it has had more bytes than this waiting for `soft_seconds`; 0 is no limit.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_seconds: u64,
}

/// Classes of clients in the order in which the setting renders them.
pub(super) const OUTPUT_CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

/// Reads `class hard soft seconds` groups. Classes that `text` does not name stay as in `current`.
pub(super) fn output_limits(current: &str, text: &str) -> Result<String, String> {
    let mut limits = if current.is_empty() {
        [OutputLimit::default(); 3]
    } else {
        parse_output_limits(current, [OutputLimit::default(); 3])?
    };
    limits = parse_output_limits(text, limits)?;
    let parts: Vec<String> = OUTPUT_CLASSES
        .iter()
        .zip(limits)
        .map(|(class, l)| format!("{class} {} {} {}", l.hard_bytes, l.soft_bytes, l.soft_seconds))
        .collect();
    Ok(parts.join(" "))
}

/// The limits that `text` sets, upon `limits`.
pub(super) fn parse_output_limits(
    text: &str,
    mut limits: [OutputLimit; 3],
) -> Result<[OutputLimit; 3], String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
    }
    for group in words.chunks_exact(4) {
        let class = match group[0].to_ascii_lowercase().as_str() {
            "normal" => 0,
            "slave" | "replica" => 1,
            "pubsub" => 2,
            _ => {
                return Err("Invalid client class specified in buffer limit configuration.".into());
            }
        };
        let numbers = (parse_memory(group[1]), parse_memory(group[2]), group[3].parse());
        let (Some(hard_bytes), Some(soft_bytes), Ok(soft_seconds)) = numbers else {
            let words =
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
            return Err(words.to_owned());
        };
        limits[class] = OutputLimit { hard_bytes, soft_bytes, soft_seconds };
    }
    Ok(limits)
}

/// Event classes in the order in which Redis renders them; `A` stands for the first ten.
const EVENT_CLASSES: &str = "g$lshzxetdnKEm";
const EVENT_CLASSES_ALL: usize = 10;

/// Reads the letters of keyspace event classes.
pub(super) fn keyspace_events(_current: &str, text: &str) -> Result<String, String> {
    let mut on = [false; EVENT_CLASSES.len()];
    for letter in text.chars() {
        if letter == 'A' {
            on[..EVENT_CLASSES_ALL].fill(true);
        } else if let Some(index) = EVENT_CLASSES.find(letter) {
            on[index] = true;
        } else {
            return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned());
        }
    }
    let all = on[..EVENT_CLASSES_ALL].iter().all(|&class| class);
    let mut canonical = String::from(if all { "A" } else { "" });
    let from = if all { EVENT_CLASSES_ALL } else { 0 };
    canonical
        .extend(EVENT_CLASSES.chars().zip(on).skip(from).filter(|(_, on)| *on).map(|(c, _)| c));
    Ok(canonical)
}

/// The classes as CONFIG GET shows them: next to `A` Redis does not render `n`.
pub(super) fn shown_events(classes: &str) -> String {
    if classes.starts_with('A') { classes.replace('n', "") } else { classes.to_owned() }
}

/// Reads the percentiles that INFO latencystats shows.
pub(super) fn percentiles(_current: &str, text: &str) -> Result<String, String> {
    let mut canonical = Vec::new();
    for word in text.split_whitespace() {
        let value: f64 = word
            .parse()
            .map_err(|_| "Invalid latency-tracking-info-percentiles parameters".to_owned())?;
        if !(0.0..=100.0).contains(&value) {
            let words =
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
            return Err(words.to_owned());
        }
        canonical.push(value.to_string());
    }
    Ok(canonical.join(" "))
}

/// Snapshot points: there are none, so only their absence can be set.
pub(super) fn snapshots(_current: &str, text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Ok(String::new()) } else { Err("Invalid save parameters".into()) }
}

/// Versions of TLS, separated by spaces. Redis takes older ones too where its library does; rustls has none.
pub(super) fn tls_protocols(_current: &str, text: &str) -> Result<String, String> {
    let is_known = |word: &&str| TLS_VERSIONS.iter().any(|known| known.eq_ignore_ascii_case(word));
    if let Some(word) = text.split_whitespace().find(|word| !is_known(word)) {
        return Err(format!("'{word}' is no version of TLS that Torc speaks"));
    }
    let is_named =
        |known: &&str| text.split_whitespace().any(|word| known.eq_ignore_ascii_case(word));
    let named: Vec<&str> = TLS_VERSIONS.into_iter().filter(is_named).collect();
    Ok(named.join(" "))
}

/// The names by which OpenSSL and Redis know them.
const TLS_VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// A switch of something that Torc does not have.
pub(super) fn off(_current: &str, text: &str) -> Result<String, String> {
    match text.to_ascii_lowercase().as_str() {
        "no" => Ok("no".to_owned()),
        "yes" => Err("not supported by Torc, it must be 'no'".to_owned()),
        _ => Err("argument must be 'yes' or 'no'".to_owned()),
    }
}

/// Addresses to listen on, separated by spaces. `-` before one means that it may be unavailable; `*` and `::*` mean all.
pub(super) fn addresses(_current: &str, text: &str) -> Result<String, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    for word in &words {
        let address = word.strip_prefix('-').unwrap_or(word);
        let known = matches!(address, "*" | "::*" | "localhost");
        if !known && address.parse::<std::net::IpAddr>().is_err() {
            return Err(format!("'{word}' is not an IP address"));
        }
    }
    if words.len() > BIND_ADDRESSES_MAX {
        return Err("Too many bind addresses specified.".to_owned());
    }
    Ok(words.join(" "))
}

/// `host:port` of nodes, separated by spaces. An IPv6 address stands in brackets.
pub(super) fn seeds(_current: &str, text: &str) -> Result<String, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    for word in &words {
        let parts = word.rsplit_once(':');
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port != 0);
        let is_good = parts.is_some_and(|(host, port)| {
            let is_v6 = word.parse::<std::net::SocketAddr>().is_ok();
            is_port(port) && (is_v6 || (is_host(host) && !host.is_empty()))
        });
        if !is_good {
            return Err(format!("'{word}' is no host:port"));
        }
    }
    if words.len() > SEEDS_MAX {
        return Err(format!("more than {SEEDS_MAX} nodes to join"));
    }
    Ok(words.join(" "))
}

/// Seeds that make sense: each is asked in turn.
const SEEDS_MAX: usize = 64;

/// A host name or an address, or nothing.
pub(super) fn host(_current: &str, text: &str) -> Result<String, String> {
    if is_host(text) || text.parse::<std::net::IpAddr>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err("argument must be a host name or an IP address".to_owned())
    }
}

fn is_host(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    text.len() <= crate::cluster::record::HOST_BYTES_MAX && text.bytes().all(is_part)
}

/// A node's name, or nothing.
pub(super) fn node_id(_current: &str, text: &str) -> Result<String, String> {
    match crate::cluster::NodeId::parse(text.as_bytes()) {
        Some(id) => Ok(id.text()),
        None if text.is_empty() => Ok(String::new()),
        None => Err("argument must be a node's id, as CLUSTER MYID tells it".to_owned()),
    }
}

/// A cluster's name.
pub(super) fn cluster_name(_current: &str, text: &str) -> Result<String, String> {
    at_most(text, torc_protocol::peer::hello::CLUSTER_NAME_BYTES_MAX)
}

/// A zone's name.
pub(super) fn zone(_current: &str, text: &str) -> Result<String, String> {
    at_most(text, crate::cluster::record::NAME_BYTES_MAX)
}

fn at_most(text: &str, bytes_max: usize) -> Result<String, String> {
    if text.len() <= bytes_max {
        Ok(text.to_owned())
    } else {
        Err(format!("argument must have at most {bytes_max} bytes"))
    }
}

/// Listening sockets of one port, as many as Redis takes.
const BIND_ADDRESSES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";

    #[test]
    fn output_limits_change_only_the_named_classes() {
        let after = output_limits(DEFAULT, "normal 1mb 2k 3 replica 0 0 0");
        assert_eq!(after.unwrap(), "normal 1048576 2000 3 slave 0 0 0 pubsub 33554432 8388608 60");
        assert!(output_limits(DEFAULT, "normal 1").unwrap_err().starts_with("Wrong number"));
        assert!(output_limits(DEFAULT, "master 1 2 3").unwrap_err().starts_with("Invalid client"));
        assert!(output_limits(DEFAULT, "normal -1 2 3").unwrap_err().starts_with("Error in hard"));
    }

    #[test]
    fn event_classes_render_in_redis_order() {
        let check = |text, out: &str| {
            assert_eq!(shown_events(&keyspace_events("", text).unwrap()), out);
        };
        check("KEA", "AKE");
        check("", "");
        check("nmEg$lshzxetd", "AEm");
        check("mnKx", "xnKm");
        assert!(keyspace_events("", "Q").is_err());
        // Shown or not, it is on.
        assert_eq!(keyspace_events("", "KAn").unwrap(), "AnK");
    }

    #[test]
    fn versions_of_tls_are_known_by_name() {
        assert_eq!(tls_protocols("", "").unwrap(), "");
        assert_eq!(tls_protocols("", "tlsv1.3  TLSv1.2").unwrap(), "TLSv1.2 TLSv1.3");
        assert_eq!(tls_protocols("TLSv1.2", "TLSv1.3").unwrap(), "TLSv1.3");
        assert!(tls_protocols("", "TLSv1.2 TLSv1.1").unwrap_err().contains("TLSv1.1"));
    }

    #[test]
    fn addresses_are_checked() {
        assert_eq!(addresses("", "127.0.0.1  -::1").unwrap(), "127.0.0.1 -::1");
        assert_eq!(addresses("", "* -::*").unwrap(), "* -::*");
        assert!(addresses("", "300.0.0.1").is_err());
    }
}
