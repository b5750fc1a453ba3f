//! What the settings and their files come to, by handshakes that need no socket.

use super::testing::{Authority, Folder, Pair};
use super::*;
use rustls::{ClientConfig, ClientConnection};
use std::io::Write as _;

/// A node's files, and its settings.
struct Files {
    folder: Folder,
    authority: Authority,
    settings: Settings,
}

impl Files {
    fn new() -> Self {
        let (folder, authority) = (Folder::empty(), Authority::unknown());
        let node = authority.node();
        let files = Files { folder, authority, settings: Settings::default() };
        let cert = files.folder.write("node.pem", &node.certificate);
        let key = files.folder.write("node.key", &node.key);
        let ca = files.folder.write("ca.pem", &files.authority.certificate);
        files.set(&[("tls-cert-file", &cert), ("tls-key-file", &key), ("tls-ca-cert-file", &ca)]);
        files
    }

    fn set(&self, pairs: &[(&str, &str)]) {
        self.settings.set(pairs).unwrap();
    }

    fn refused(&self, pairs: &[(&str, &str)], expected: &str) {
        let tls = Tls::default();
        tls.load(&self.settings).unwrap();
        let before = tls.config.load_full().unwrap();
        let names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
        let values: Vec<String> = names.iter().map(|name| self.value(name)).collect();
        self.set(pairs);
        let error = tls.load(&self.settings).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
        assert!(Arc::ptr_eq(&before, &tls.config.load_full().unwrap()), "the old one stays");
        let back: Vec<_> = names.iter().copied().zip(values.iter().map(String::as_str)).collect();
        self.set(&back);
    }

    fn value(&self, name: &str) -> String {
        let index = crate::config::SETTINGS.iter().position(|row| row.name == name).unwrap();
        self.settings.render(index)
    }

    /// The first word of a client that shows `pair`, as the node hears it.
    fn heard(&self, pair: Option<&Pair>) -> Result<Heard, rustls::Error> {
        let tls = Tls::default();
        tls.load(&self.settings).unwrap();
        hear(&tls, &Arc::new(self.authority.client_config(pair)))
    }
}

/// How two sides came to terms.
struct Heard {
    version: rustls::ProtocolVersion,
    kind: rustls::HandshakeKind,
}

fn hear(tls: &Tls, config: &Arc<ClientConfig>) -> Result<Heard, rustls::Error> {
    let name = "localhost".try_into().unwrap();
    let mut client = ClientConnection::new(Arc::clone(config), name)?;
    let mut node = tls.accept().unwrap();
    client.writer().write_all(b"PING").unwrap();
    // Each side has its say twice; the last time the node hands out its tickets.
    for _ in 0..3 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut unread = &bytes[..];
        while !unread.is_empty() {
            node.read_tls(&mut unread).unwrap();
            node.process_new_packets()?;
        }
        bytes.clear();
        while node.wants_write() {
            node.write_tls(&mut bytes).unwrap();
        }
        let mut unread = &bytes[..];
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
            client.process_new_packets()?;
        }
    }
    let mut said = [0; 4];
    node.reader().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"PING");
    Ok(Heard { version: node.protocol_version().unwrap(), kind: node.handshake_kind().unwrap() })
}

#[test]
fn what_cannot_be_used_is_refused_with_what_to_do() {
    let files = Files::new();
    let folder = &files.folder;
    let other = Authority::unknown().node();
    let check = |name: &str, value: &str, expected: &str| files.refused(&[(name, value)], expected);
    check(
        "tls-cert-file",
        "",
        "tls-cert-file is empty: clients are to speak TLS, so it has to name",
    );
    check("tls-key-file", "", "tls-key-file is empty");
    check("tls-cert-file", "/nowhere/x.pem", "tls-cert-file: cannot read /nowhere/x.pem: No such");
    check("tls-cert-file", &folder.path().display().to_string(), "is no file");
    check("tls-key-file", "/dev/zero", "is no file");
    let text = folder.write("text", "no PEM at all");
    check("tls-cert-file", &text, "holds no certificate in PEM form");
    check("tls-key-file", &text, "holds no private key in PEM form");
    let cut = &other.certificate[..other.certificate.len() / 2];
    check("tls-cert-file", &folder.write("cut", cut), "is broken");
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    check("tls-key-file", &folder.write("locked", locked), "is encrypted, and Torc takes only");
    check("tls-key-file", &folder.write("other.key", &other.key), "is not the one that belongs to");
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check("tls-cert-file", &folder.write("junk", junk), "cannot be used");
    check("tls-ca-cert-file", &folder.write("junk", junk), "tls-ca-cert-file: ");
    check("tls-ca-cert-file", "", "tls-auth-clients is not 'no', and neither");
    let long = folder.write("long", &"x".repeat(FILE_BYTES_MAX as usize + 1));
    check("tls-cert-file", &long, "is longer than 4194304 bytes");
    files.set(&[("tls-ca-cert-file", ""), ("tls-auth-clients", "no")]);
    files.heard(None).unwrap();
}

#[test]
fn clients_show_certificates_as_they_must() {
    let files = Files::new();
    let (known, stranger) = (files.authority.client(), Authority::unknown().client());
    for (auth, without, with_stranger) in
        [("yes", false, false), ("optional", true, false), ("no", true, true)]
    {
        files.set(&[("tls-auth-clients", auth)]);
        assert!(files.heard(Some(&known)).is_ok(), "{auth}");
        assert_eq!(files.heard(None).is_ok(), without, "{auth}");
        assert_eq!(files.heard(Some(&stranger)).is_ok(), with_stranger, "{auth}");
    }
}

#[test]
fn authorities_may_lie_in_a_directory() {
    let files = Files::new();
    let (folder, other) = (Folder::empty(), Authority::unknown());
    folder.write("a.pem", &other.certificate);
    folder.write("README", "what is no certificate is passed over");
    files.set(&[("tls-ca-cert-dir", &folder.path().display().to_string())]);
    assert!(files.heard(Some(&other.client())).is_ok());
    assert!(files.heard(Some(&files.authority.client())).is_ok(), "beside the file");
    files.set(&[("tls-ca-cert-file", "")]);
    assert!(files.heard(Some(&files.authority.client())).is_err());
}

#[test]
fn versions_are_those_that_are_named() {
    let files = Files::new();
    files.set(&[("tls-auth-clients", "no")]);
    let version = || files.heard(None).unwrap().version;
    assert_eq!(version(), rustls::ProtocolVersion::TLSv1_3);
    files.set(&[("tls-protocols", "TLSv1.2")]);
    assert_eq!(version(), rustls::ProtocolVersion::TLSv1_2);
    files.set(&[("tls-protocols", "TLSv1.3")]);
    assert_eq!(version(), rustls::ProtocolVersion::TLSv1_3);
}

/// A session goes on where it was, unless that is turned off or the files were read anew since.
#[test]
fn sessions_go_on_until_the_files_change() {
    use rustls::HandshakeKind::{Full, Resumed};
    let files = Files::new();
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        files.set(&[("tls-session-caching", "yes"), ("tls-protocols", protocols)]);
        let client = Arc::new(files.authority.client_config(Some(&files.authority.client())));
        let tls = Tls::default();
        tls.load(&files.settings).unwrap();
        let kind = || hear(&tls, &client).unwrap().kind;
        assert_eq!([kind(), kind()], [Full, Resumed], "{protocols}");
        tls.load(&files.settings).unwrap();
        assert_eq!([kind(), kind()], [Full, Resumed], "{protocols}");
        files.set(&[("tls-session-caching", "no")]);
        tls.load(&files.settings).unwrap();
        assert_eq!([kind(), kind()], [Full, Full], "{protocols}");
    }
}
