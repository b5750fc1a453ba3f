//! TLS between clients and a node: from the settings and the files that they name to what rustls needs for a connection.
//!
//! **Invariant.** What is in force has been checked whole: a file that cannot be read, a key of another certificate or an authority that is none changes nothing. A connection keeps what
//! was in force when it began.
//!
//! Keys, ciphers and their order are rustls's and ring's business; nothing here knows a socket. Source: Redis's page on TLS, whose names the settings have, and RFC 8446.

mod papers;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use crate::config::{Settings, TlsAuthClients};
use arc_swap::ArcSwapOption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion, version};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use papers::Papers;

/// Bytes of a file with certificates at most: ten times what all authorities of a browser take.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The settings that name the node's certificates and its key.
const PAIR: [&str; 2] = ["tls-cert-file", "tls-key-file"];

/// Files in `tls-ca-cert-dir` at most.
const CA_FILES_MAX: usize = 4_096;

/// Why the settings and their files make no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file is needed and not named.
    #[error("{setting} is empty: clients are to speak TLS, so it has to name {what}")]
    Missing {
        /// The setting.
        setting: &'static str,
        /// What would be in the file.
        what: &'static str,
    },
    /// A file or directory cannot be read.
    #[error("{setting}: cannot read {}: {source}", path.display())]
    Read {
        /// The setting that names it.
        setting: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{setting}: {} {wrong}", path.display())]
    Content {
        /// The setting that names it.
        setting: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        wrong: String,
    },
    /// Clients are to show certificates of nobody.
    #[error(
        "tls-auth-clients is not 'no', and neither tls-ca-cert-file nor tls-ca-cert-dir names the authority whose certificates clients show: name it, or set \
         tls-auth-clients to no"
    )]
    NoAuthority,
    /// The certificate and the key do not make a pair that rustls can use.
    #[error("{} and {}: {wrong}", settings[0], settings[1])]
    Pair {
        /// The settings that name them.
        settings: [&'static str; 2],
        /// What is wrong with them.
        wrong: String,
    },
    /// Something that should not fail has failed.
    #[error("TLS: {0}")]
    Library(#[from] rustls::Error),
}

/// What new connections speak TLS by; nothing while no port does.
#[derive(Debug, Default)]
pub struct Tls {
    config: ArcSwapOption<ServerConfig>,
}

impl Tls {
    /// Reads the files that `settings` name, and has new connections go by them. An error changes nothing.
    pub fn load(&self, settings: &Settings) -> Result<(), TlsError> {
        self.config.store(Some(Arc::new(config(settings)?)));
        Ok(())
    }

    /// The node's side of a connection that begins; `None` if there is no TLS.
    pub fn accept(&self) -> Option<ServerConnection> {
        ServerConnection::new(self.config.load_full()?).ok()
    }
}

fn config(settings: &Settings) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let (chain, key) = pair(&settings.tls_cert_file(), &settings.tls_key_file())?;
    let verifier = verifier(settings, &provider)?;
    let versions = versions(&settings.tls_protocols());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::Pair { settings: PAIR, wrong: advice(&error) })?;
    config.ignore_client_order = settings.tls_prefer_server_ciphers();
    // Tickets rather than sessions that are kept: clients that come and go by the thousand take no memory here.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if settings.tls_session_caching() {
        // Of its own for each reading of the files: who was let in by an authority that is trusted no more has to show a certificate again.
        config.ticketer = ring::Ticketer::new()?;
    } else {
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

/// The versions that `tls-protocols` names, or both.
fn versions(named: &str) -> Vec<&'static SupportedProtocolVersion> {
    let is_spoken = |name: &str| named.is_empty() || named.split(' ').any(|word| word == name);
    let known = [("TLSv1.3", &version::TLS13), ("TLSv1.2", &version::TLS12)];
    known.into_iter().filter(|(name, _)| is_spoken(name)).map(|(_, version)| version).collect()
}

fn verifier(
    settings: &Settings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let auth = settings.tls_auth_clients();
    if auth == TlsAuthClients::No {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let roots = Arc::new(authorities(settings)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let builder = match auth {
        TlsAuthClients::Optional => builder.allow_unauthenticated(),
        _ => builder,
    };
    // Only an empty list of authorities is refused.
    builder.build().map_err(|_| TlsError::NoAuthority)
}

/// Those whose certificates clients may show.
fn authorities(settings: &Settings) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (file, directory) = (settings.tls_ca_cert_file(), settings.tls_ca_cert_dir());
    if !file.is_empty() {
        add_authorities(&mut roots, "tls-ca-cert-file", Path::new(&*file))?;
    }
    if !directory.is_empty() {
        const SETTING: &str = "tls-ca-cert-dir";
        let path = Path::new(&*directory);
        let failed = |source| TlsError::Read { setting: SETTING, path: path.to_owned(), source };
        for entry in std::fs::read_dir(path).map_err(failed)?.take(CA_FILES_MAX) {
            let found = certificates(SETTING, &entry.map_err(failed)?.path());
            roots.add_parsable_certificates(found.unwrap_or_default());
        }
    }
    if roots.is_empty() { Err(TlsError::NoAuthority) } else { Ok(roots) }
}

/// Adds the authorities that a file names.
fn add_authorities(
    roots: &mut RootCertStore,
    setting: &'static str,
    path: &Path,
) -> Result<(), TlsError> {
    certificates(setting, path)?.into_iter().try_for_each(|certificate| {
        roots.add(certificate).map_err(|error| content(setting, path, advice(&error)))
    })
}

/// The node's certificates and its key.
fn pair(
    certificate: &str,
    secret: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let [setting_of_certificate, setting_of_key] = PAIR;
    let missing = |setting, what| Err(TlsError::Missing { setting, what });
    if certificate.is_empty() {
        let what = "a file with the node's certificate in PEM form";
        return missing(setting_of_certificate, what);
    }
    let chain = certificates(setting_of_certificate, Path::new(certificate))?;
    if secret.is_empty() {
        let what = "a file with the certificate's private key in PEM form";
        return missing(setting_of_key, what);
    }
    Ok((chain, key(setting_of_key, Path::new(secret))?))
}

/// All certificates of a file; at least one.
fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(setting, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => {
            let wrong = "holds no certificate in PEM form (a line '-----BEGIN CERTIFICATE-----')";
            Err(content(setting, path, wrong.to_owned()))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(content(setting, path, format!("is broken: {error}"))),
    }
}

fn key(setting: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(setting, path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        let is_encrypted = memchr::memmem::find(&bytes, b"ENCRYPTED").is_some();
        let wrong = if is_encrypted {
            "is encrypted, and Torc takes only a key that is not: `openssl pkey -in FILE -out NEW` writes one"
        } else {
            "holds no private key in PEM form (a line '-----BEGIN PRIVATE KEY-----')"
        };
        content(setting, path, wrong.to_owned())
    })
}

fn content(setting: &'static str, path: &Path, wrong: String) -> TlsError {
    TlsError::Content { setting, path: path.to_owned(), wrong }
}

/// The bytes of a file, unless it is none or has too many.
fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { setting, path: path.to_owned(), source };
    // A pipe would hold the thread that opens it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(content(setting, path, "is no file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(content(setting, path, format!("is longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// What rustls says of a certificate or a key, and what to do about the causes that people meet.
fn advice(error: &rustls::Error) -> String {
    let said = error.to_string();
    if matches!(error, rustls::Error::InconsistentKeys(_)) {
        return "the key is not the one that belongs to the first certificate in the file"
            .to_owned();
    }
    if said.contains("UnsupportedCertVersion") {
        return "a certificate is of X.509 version 1: make one of version 3, with `-addext` or an `-extfile` that names its subjectAltName".to_owned();
    }
    format!("cannot be used: {said}")
}
