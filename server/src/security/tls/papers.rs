//! TLS of who asks a node: `torc status` and its like.

use super::{TlsError, add_authorities, advice, certificates, key};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// By what a node is believed, and what is shown to it: names of files in PEM form.
#[derive(Debug, Clone)]
pub struct Papers {
    /// Certificates of authorities, one of which made the node's.
    pub authority: String,
    /// A certificate and its private key, where the node wants one.
    pub pair: Option<(String, String)>,
}

impl Papers {
    /// Reads the files.
    pub fn config(&self) -> Result<ClientConfig, TlsError> {
        let mut roots = RootCertStore::empty();
        add_authorities(&mut roots, "--cacert", Path::new(&self.authority))?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let Some((certificate, secret)) = &self.pair else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates("--cert", Path::new(certificate))?;
        let key = key("--key", Path::new(secret))?;
        let wrong = |error| TlsError::Pair { settings: ["--cert", "--key"], wrong: advice(&error) };
        builder.with_client_auth_cert(chain, key).map_err(wrong)
    }
}
