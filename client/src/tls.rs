//! TLS by rustls. Its types stay inside: keys and certificates come as PEM.

use crate::error::{Error, Result};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, rustls};

/// Whom to trust, and who we are. The default trusts the roots of Mozilla and shows no certificate.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use torc_client::{Config, TlsConfig};
/// let tls = TlsConfig::default().root_pem(&std::fs::read("ca.pem")?);
/// let config = Config::from_url("redis://cache.internal:6380")?.tls(tls);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct TlsConfig {
    roots: Vec<u8>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    server_name: Option<String>,
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key stays out of logs.
        f.debug_struct("TlsConfig").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl TlsConfig {
    /// Trust these certificates, and no others.
    pub fn root_pem(mut self, pem: &[u8]) -> Self {
        self.roots.extend_from_slice(pem);
        self.roots.push(b'\n');
        self
    }

    /// Show this certificate, with the chain behind it, and its key.
    pub fn identity_pem(mut self, certificate: &[u8], key: &[u8]) -> Self {
        self.identity = Some((certificate.to_vec(), key.to_vec()));
        self
    }

    /// Expect this name in every server's certificate, in place of the host that was connected to; for clusters that name their nodes by numbers.
    pub fn server_name(mut self, name: &str) -> Self {
        self.server_name = Some(name.to_owned());
        self
    }

    pub(crate) fn connector(&self) -> Result<Connector> {
        let wrong =
            |what: &str, error: &dyn fmt::Display| Error::config(format!("{what}: {error}"));
        let mut roots = RootCertStore::empty();
        if self.roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for certificate in CertificateDer::pem_slice_iter(&self.roots) {
            let certificate = certificate.map_err(|error| wrong("a root certificate", &error))?;
            roots.add(certificate).map_err(|error| wrong("a root certificate", &error))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("TLS", &error))?
            .with_root_certificates(roots);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_slice_iter(certificate)
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| wrong("the certificate", &error))?;
                let key =
                    PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong("the key", &error))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| wrong("the key", &error))?
            }
        };
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Connector { connector, server_name: self.server_name.clone() })
    }
}

/// Turns sockets into encrypted ones.
#[derive(Clone)]
pub(crate) struct Connector {
    connector: TlsConnector,
    server_name: Option<String>,
}

impl Connector {
    pub(crate) async fn connect(
        &self,
        host: &str,
        socket: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = self.server_name.clone().unwrap_or_else(|| host.to_owned());
        let name = ServerName::try_from(name)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.connector.connect(name, socket).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert!(TlsConfig::default().connector().is_ok());
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(TlsConfig::default().root_pem(broken).connector().is_err());
        assert!(TlsConfig::default().identity_pem(broken, b"no key").connector().is_err());
    }
}
