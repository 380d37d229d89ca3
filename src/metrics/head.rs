//! What a peer asks for: the head of an HTTP/1.1 request (RFC 9112).

use httparse::{EMPTY_HEADER, Request, Status};

/// The longest head, in bytes.
pub(super) const HEAD_MAX: usize = 8 * 1024;
/// The most header fields.
const FIELDS_MAX: usize = 64;

/// The only place there is.
const PATH: &str = "/metrics";

/// What came of reading a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is not all here yet.
    More,
    /// The metrics.
    Metrics,
    /// Their head only.
    MetricsHead,
    /// There is nothing of that name.
    Elsewhere,
    /// Something is to be done with them; they are only told.
    Otherwise,
    /// It is none, or too long.
    Nothing,
}

/// Reads what has come so far.
pub(super) fn read(bytes: &[u8]) -> Asked {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut request = Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(Status::Partial) if bytes.len() < HEAD_MAX => Asked::More,
        Ok(Status::Complete(length)) if length <= HEAD_MAX => {
            let path = request.path.unwrap_or_default();
            // Some put parameters behind it, which say nothing to us.
            let is_there = path.split('?').next() == Some(PATH);
            match request.method {
                _ if !is_there => Asked::Elsewhere,
                Some("GET") => Asked::Metrics,
                Some("HEAD") => Asked::MetricsHead,
                _ => Asked::Otherwise,
            }
        }
        Ok(_) | Err(_) => Asked::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As Prometheus asks.
    const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Prometheus/2.42.0\r\n\
         Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n\
         Accept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n";

    #[test]
    fn what_is_asked_for() {
        assert_eq!(read(SCRAPE.as_bytes()), Asked::Metrics);
        for (head, asked) in [
            ("GET /metrics HTTP/1.0\r\n\r\n", Asked::Metrics),
            ("GET /metrics?name=x HTTP/1.1\r\nHost: x\r\n\r\n", Asked::Metrics),
            ("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", Asked::MetricsHead),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Asked::Elsewhere),
            ("GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", Asked::Elsewhere),
            ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", Asked::Otherwise),
            ("GET /metrics", Asked::More),
            ("", Asked::More),
            ("GET /metrics HTTP/9\r\n\r\n", Asked::Nothing),
            ("\x01ann\rsecret of ann", Asked::Nothing),
            ("GET /metrics HTTP/1.1\r\n no: name\r\n\r\n", Asked::Nothing),
        ] {
            assert_eq!(read(head.as_bytes()), asked, "{head:?}");
        }
    }

    #[test]
    fn a_head_has_its_bounds() {
        let long = |value: usize| format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(value));
        let rest = long(0).len();
        assert_eq!(read(long(HEAD_MAX - rest).as_bytes()), Asked::Metrics);
        assert_eq!(read(long(HEAD_MAX - rest + 1).as_bytes()), Asked::Nothing);
        assert_eq!(read(&long(HEAD_MAX).as_bytes()[..HEAD_MAX]), Asked::Nothing);
        let many = |fields: usize| format!("GET /metrics HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(fields));
        assert_eq!(read(many(FIELDS_MAX).as_bytes()), Asked::Metrics);
        assert_eq!(read(many(FIELDS_MAX + 1).as_bytes()), Asked::Nothing);
    }

    proptest! {
        /// A head that comes in pieces is what it is when it comes at once, and asks for nothing before it is whole.
        #[test]
        fn a_head_is_what_it_is_however_it_comes(cut in 0..SCRAPE.len()) {
            prop_assert_eq!(read(&SCRAPE.as_bytes()[..cut]), Asked::More);
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            read(&bytes);
        }
    }
}
