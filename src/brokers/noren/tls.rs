//! TLS for REST and for the socket: one crypto provider for the process, and the roots that the system trusts.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::Connector;

/// Makes aws-lc-rs the process's crypto provider. The first call counts; more do nothing.
pub fn install() {
    // An error only says that there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// What a `wss` connection is made with.
///
/// # Errors
/// What the system says when it has no roots to trust.
pub(super) fn connector() -> Result<Connector, String> {
    install();
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _refused) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        let why: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(format!("the system has no TLS roots to trust: {}", why.join("; ")));
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(Connector::Rustls(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_over_tls_can_be_built() {
        install();
        install();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
        let roots = RootCertStore::empty();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        assert!(!config.crypto_provider().cipher_suites.is_empty());
        // The roots are the system's: a machine without any says so in words.
        match connector() {
            Ok(connector) => assert!(matches!(connector, Connector::Rustls(_))),
            Err(words) => assert!(words.contains("no TLS roots"), "{words}"),
        }
    }
}
