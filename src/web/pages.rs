//! The pages: our own HTML, CSS and ES modules, part of the binary. They hold no data and no secret, so that anybody may
//! fetch them; what they show comes from the API, with the reader's own credentials.
//!
//! A debug build reads the files where they were built from, as long as they are there: a page is seen as soon as it is
//! saved.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::LazyLock;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, LOCATION,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::problem::Problem;

/// What a page may do: run our own files, ask this process, and nothing else. No inline script and no inline style.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The one document. Its script reads the page's name in the address.
const DOCUMENT: &str = "index.html";

/// The pages, by name. The same names stand in `main.js`; a test compares the two.
const PAGES: &[&str] = &[
    "index.html",
    "order_book.html",
    "order.html",
    "positions.html",
    "place_order.html",
    "option_chain.html",
    "needs_you.html",
    "risk.html",
    "alerts.html",
    "approvals.html",
    "connect.html",
    "order_diagnostics.html",
    "accounts.html",
    "audit.html",
    "settings.html",
    "api.html",
    "login.html",
];

macro_rules! embedded {
    ($($name:literal),* $(,)?) => { &[$(($name, include_bytes!(concat!("ui/", $name)))),*] };
}

/// Every file that is served.
const FILES: &[(&str, &[u8])] = embedded![
    "index.html",
    "app.css",
    "icon.svg",
    "theme.js",
    "main.js",
    "dom.js",
    "money.js",
    "time.js",
    "words.js",
    "api.js",
    "live.js",
    "parts.js",
    "charts.js",
    "csv.js",
    "acts.js",
    "outcomes.js",
    "orders.js",
    "kill.js",
    "shell.js",
    "page_login.js",
    "page_home.js",
    "page_order_book.js",
    "page_order.js",
    "page_positions.js",
    "page_place_order.js",
    "page_option_chain.js",
    "page_basket.js",
    "page_judge.js",
    "page_payoff.js",
    "page_needs_you.js",
    "page_risk.js",
    "page_alerts.js",
    "page_approvals.js",
    "page_connect.js",
    "page_order_diagnostics.js",
    "page_accounts.js",
    "page_audit.js",
    "page_settings.js",
    "page_api.js",
    "page_operation.js",
    "page_schema.js",
];

/// A file, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct File {
    kind: &'static str,
    plain: Bytes,
    gzip: Bytes,
    etag: String,
}

impl File {
    /// By its name, which tells its kind.
    pub(super) fn new(name: &str, body: &[u8]) -> Self {
        let mut digest = String::from("\"");
        for byte in Sha256::digest(body).iter().take(12) {
            digest.push_str(&format!("{byte:02x}"));
        }
        digest.push('"');
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory cannot fail; if it did, the file would go out as it is.
        let gzip = encoder.write_all(body).and_then(|()| encoder.finish()).unwrap_or_default();
        Self { kind: kind(name), plain: Bytes::copy_from_slice(body), gzip: gzip.into(), etag: digest }
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

/// The name of the file behind a name in an address; a page's is the document's.
fn behind(name: &str) -> Option<&'static str> {
    if PAGES.contains(&name) {
        return Some(DOCUMENT);
    }
    FILES.iter().map(|(own, _)| *own).find(|own| *own == name)
}

fn file(name: &str) -> Option<File> {
    static READY: LazyLock<BTreeMap<&str, File>> =
        LazyLock::new(|| FILES.iter().map(|(name, body)| (*name, File::new(name, body))).collect());
    let name = behind(name)?;
    if cfg!(debug_assertions)
        && let Ok(body) = std::fs::read(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/ui")).join(name))
    {
        return Some(File::new(name, &body));
    }
    READY.get(name).cloned()
}

/// `GET /`, `/dashboard`: to the first page.
pub(super) async fn home() -> HttpResponse {
    let mut response = HttpResponse::Found();
    guarded(&mut response).insert_header((LOCATION, "/dashboard/web/index.html")).finish()
}

/// `GET /dashboard/web/{name}`: a page, or a file of it.
pub(super) async fn get(request: HttpRequest) -> HttpResponse {
    let name = request.match_info().get("name").unwrap_or_default();
    let Some(file) = file(name) else {
        return Problem::not_found("no_such_page", "there is no such page", "begin at /dashboard/web/index.html").error_response();
    };
    send(&request, file)
}

/// A file, unless its reader has it already; packed where that is taken.
pub(super) fn send(request: &HttpRequest, file: File) -> HttpResponse {
    let headers = request.headers();
    let is_known = says(headers, &IF_NONE_MATCH, |tag| tag == file.etag || tag == "*" || tag.strip_prefix("W/") == Some(&file.etag));
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    guarded(&mut response)
        .insert_header((ETAG, file.etag))
        // Asked for again each time, and answered 304: after an upgrade nobody sees half of an old page.
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((VARY, "Accept-Encoding"));
    if is_known {
        return response.finish();
    }
    response.insert_header((CONTENT_TYPE, file.kind));
    if says(headers, &ACCEPT_ENCODING, |coding| coding == "gzip") && !file.gzip.is_empty() {
        return response.insert_header((CONTENT_ENCODING, "gzip")).body(file.gzip);
    }
    response.body(file.plain)
}

/// Whether one of the words of a comma list fits; what stands after a semicolon is left out, and `q=0` says no.
fn says(headers: &HeaderMap, name: &actix_web::http::header::HeaderName, fits: impl Fn(&str) -> bool) -> bool {
    headers.get_all(name).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|word| {
        let (word, weight) = word.split_once(';').unwrap_or((word, ""));
        fits(word.trim()) && weight.trim() != "q=0"
    })
}

/// The headers that keep a page to itself.
fn guarded(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
        .insert_header(("Cross-Origin-Resource-Policy", "same-origin"))
        .insert_header(("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Read as _;
    use std::path::Path;

    use actix_web::body::to_bytes;
    use actix_web::test::TestRequest;
    use flate2::read::GzDecoder;

    use super::*;

    fn text(name: &str) -> &'static str {
        let (_, body) = FILES.iter().find(|(own, _)| *own == name).unwrap();
        std::str::from_utf8(body).unwrap()
    }

    fn is_script(name: &str) -> bool {
        name.ends_with(".js")
    }

    #[test]
    fn every_file_of_the_directory_is_embedded_and_nothing_else() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/ui");
        let there: BTreeSet<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".d.ts"))
            .collect();
        let embedded: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(there, embedded);
    }

    #[test]
    fn the_script_knows_the_same_pages() {
        let named: BTreeSet<&str> = text("main.js").split('\'').filter(|word| word.ends_with(".html")).collect();
        assert_eq!(named, PAGES.iter().copied().collect());
    }

    /// What the policy forbids would not work, and only on a page that somebody happens to open.
    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        let document = text(DOCUMENT);
        assert!(!document.contains("style=") && !document.contains("<style") && !document.contains("javascript:"));
        for tag in document.split("<script").skip(1) {
            assert!(tag.split('>').next().unwrap().contains("src="), "{tag}");
        }
        for (name, _) in FILES.iter().filter(|(name, _)| is_script(name) || name.ends_with(".css")) {
            let text = text(name);
            for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "@import", "url(http"] {
                assert!(!text.contains(word), "{name}: {word}");
            }
            let away =
                text.match_indices("http").filter(|(at, _)| text[*at..].starts_with("https://") || text[*at..].starts_with("http://"));
            for (at, _) in away {
                assert!(
                    text[at..].starts_with("http://www.w3.org/2000/svg"),
                    "{name}: {}",
                    &text[at..].chars().take(40).collect::<String>()
                );
            }
        }
    }

    #[test]
    fn every_import_is_there_and_fetched_ahead() {
        for (name, _) in FILES.iter().filter(|(name, _)| is_script(name)) {
            for import in text(name).split("'./").skip(1) {
                let import = import.split('\'').next().unwrap();
                assert!(behind(import).is_some(), "{name} imports {import}");
            }
        }
        let is_shared = |name: &&str| is_script(name) && !name.starts_with("page_") && *name != "theme.js";
        for (name, _) in FILES.iter().filter(|(name, _)| is_shared(name)) {
            assert!(text(DOCUMENT).contains(&format!("\"{name}\"")), "{name} is not fetched ahead");
        }
    }

    /// The most that a first page brings: the document, the style, everything shared, and the largest page.
    #[test]
    fn the_first_load_is_small() {
        let size = |name: &str, body: &[u8]| File::new(name, body).gzip.len();
        let shared: usize = FILES.iter().filter(|(name, _)| !name.starts_with("page_")).map(|(name, body)| size(name, body)).sum();
        let largest = FILES.iter().filter(|(name, _)| name.starts_with("page_")).map(|(name, body)| size(name, body)).max();
        assert!(shared + largest.unwrap_or(0) < 100_000, "{shared} and {largest:?} bytes");
    }

    fn said(headers: &HeaderMap, name: actix_web::http::header::HeaderName) -> &str {
        headers.get(name).unwrap().to_str().unwrap()
    }

    async fn fetched(name: &str, header: Option<(&str, &str)>) -> (u16, HeaderMap, Bytes) {
        let mut request = TestRequest::default().param("name", name.to_owned());
        if let Some(header) = header {
            request = request.insert_header(header);
        }
        let response = get(request.to_http_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, to_bytes(response.into_body()).await.unwrap())
    }

    #[actix_web::test]
    async fn a_page_is_guarded_and_asked_for_again() {
        for page in PAGES {
            let (status, headers, body) = fetched(page, None).await;
            assert_eq!((status, said(&headers, CONTENT_TYPE)), (200, "text/html; charset=utf-8"), "{page}");
            assert_eq!(&body[..], text(DOCUMENT).as_bytes());
            assert!(said(&headers, CONTENT_SECURITY_POLICY).starts_with("default-src 'none'; script-src 'self';"));
            assert_eq!((said(&headers, X_CONTENT_TYPE_OPTIONS), said(&headers, X_FRAME_OPTIONS)), ("nosniff", "DENY"));
        }
        let (_, headers, _) = fetched("app.css", None).await;
        let tag = said(&headers, ETAG);
        let (status, again, body) = fetched("app.css", Some(("if-none-match", tag))).await;
        assert_eq!((status, said(&again, ETAG), body.len()), (304, tag, 0));
        let (status, _, _) = fetched("app.css", Some(("if-none-match", "\"other\""))).await;
        assert_eq!(status, 200);
        for name in ["", "nothing.js", "../pages.rs", "INDEX.HTML"] {
            assert_eq!(fetched(name, None).await.0, 404, "{name}");
        }
    }

    #[actix_web::test]
    async fn what_is_compressed_reads_back_and_only_who_asks_gets_it() {
        let (_, headers, body) = fetched("app.css", Some(("accept-encoding", "br, gzip;q=0.8"))).await;
        assert_eq!((said(&headers, CONTENT_ENCODING), said(&headers, VARY)), ("gzip", "Accept-Encoding"));
        let mut plain = String::new();
        GzDecoder::new(&body[..]).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, text("app.css"));
        for coding in ["gzip;q=0", "identity"] {
            let (_, headers, _) = fetched("app.css", Some(("accept-encoding", coding))).await;
            assert!(headers.get(CONTENT_ENCODING).is_none(), "{coding}");
        }
    }
}
