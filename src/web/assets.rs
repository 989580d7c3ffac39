//! What the pages load beside themselves, out of the binary.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::api::not_found;

#[derive(RustEmbed)]
#[folder = "src/web/assets"]
struct Assets;

/// `GET /assets/…`: browsers ask again each time and are told where nothing has changed (RFC 9110 §13.1.2).
pub(super) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let Some(file) = Assets::get(&path) else {
        return not_found().await.into_response();
    };
    let tag = entity_tag(&file.metadata.sha256_hash());
    let caching = [(header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag.clone())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, content_type(&path))], file.data).into_response()
}

/// 64 bits of the hash are plenty to tell one release's file from another's.
fn entity_tag(hash: &[u8; 32]) -> String {
    let number = u64::from_be_bytes(std::array::from_fn(|index| hash[index]));
    format!("\"{number:016x}\"")
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
