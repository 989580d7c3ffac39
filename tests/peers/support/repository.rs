//! A server of signers' certificates, by https on a loopback address: what it has, it serves at `/NAME`.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;

use super::certificate::Certificate;

/// A server at work; it ends with this.
pub struct Repository {
    address: SocketAddr,
    /// Of who vouches for it.
    pub ca: PathBuf,
    runtime: Option<Runtime>,
}

impl Repository {
    /// Serves these, each under its name; a name that it has not, it says nothing about, for ever.
    pub fn start(folder: &Path, files: HashMap<String, String>) -> Self {
        let Certificate { ca, chain, key } = Certificate::issue(folder, Ipv4Addr::LOCALHOST.into());
        let acceptor = acceptor(&chain, &key);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let files = Arc::new(files);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, acceptor.clone(), Arc::clone(&files)));
            }
        });
        Self { address, ca, runtime: Some(runtime) }
    }

    /// Where something of this name is.
    pub fn place(&self, name: &str) -> String {
        format!("https://{}/{name}", self.address)
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, files: Arc<HashMap<String, String>>) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut room = [0; 4096];
    let Ok(length) = stream.read(&mut room).await else { return };
    let request = String::from_utf8_lossy(&room[..length]).into_owned();
    let name = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let Some(file) = files.get(name) else {
        // Until the other side has had enough.
        drop(stream.read(&mut room).await);
        return;
    };
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{file}", file.len());
    // Either side may end it.
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
}

fn acceptor(chain: &Path, key: &Path) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().expect("TLS of today").with_no_client_auth();
    let chain = vec![CertificateDer::from_pem_file(chain).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).expect("they belong together")))
}
