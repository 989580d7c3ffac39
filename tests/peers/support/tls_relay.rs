//! TLS for a peer that has none: what comes in by TCP goes on by TLS, and back.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;

/// A relay at work; it ends with this.
pub struct TlsRelay(Option<Runtime>);

impl TlsRelay {
    /// Listens at `from`, and trusts `to` by a certificate that was issued by the authority in the file `ca`.
    pub fn start(from: SocketAddr, to: SocketAddr, ca: &Path) -> Self {
        let connector = connector(ca);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(from)).expect("an address of the test's own");
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(relay(near, to, connector.clone()));
            }
        });
        Self(Some(runtime))
    }
}

impl Drop for TlsRelay {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

async fn relay(mut near: TcpStream, to: SocketAddr, connector: TlsConnector) {
    // From the peer's own address, for that is where the server sees the connection come from (RFC 5923).
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(to.ip(), 0)).expect("a free port");
    let far = socket.connect(to).await.expect("the server takes connections");
    let name = ServerName::IpAddress(to.ip().into());
    let mut far = connector.connect(name, far).await.expect("the server's certificate is good");
    // Either side may end it, in whatever way.
    let _ = copy_bidirectional(&mut near, &mut far).await;
}

fn connector(ca: &Path) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(ca).expect("the authority's certificate");
    roots.add(authority).expect("an authority");
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().expect("TLS of today");
    TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
