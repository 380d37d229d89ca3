//! The server half: one request, one answer, one connection; a few at a time.

use super::head::{self, Asked, HEAD_MAX};
use super::page::{CONTENT_TYPE, page};
use crate::figures::Reporter;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Connections at the same time, on each socket. One more is closed at once.
pub const CONNECTIONS: usize = 8;

/// For a whole request to come, and for its answer to be taken.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts to accept, after one that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// A listening socket of either kind, on the runtime.
#[derive(Debug)]
pub enum Listener {
    /// tcp(7)
    Tcp(TcpListener),
    /// unix(7)
    Unix(UnixListener),
}

/// Answers whoever asks, until dropped.
pub async fn serve(listener: Listener, reporter: Arc<dyn Reporter>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = accept(&listener) => match accepted {
                Ok(stream) if connections.len() < CONNECTIONS => {
                    connections.spawn(converse(stream, Arc::clone(&reporter), PATIENCE));
                }
                Ok(_) => tracing::debug!("metrics connection closed at once: there are {CONNECTIONS} already"),
                Err(error) => {
                    tracing::warn!(%error, "no metrics connection can be accepted for the moment");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A stream of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn accept(listener: &Listener) -> io::Result<Box<dyn Stream>> {
    Ok(match listener {
        Listener::Tcp(listener) => Box::new(listener.accept().await?.0),
        Listener::Unix(listener) => Box::new(listener.accept().await?.0),
    })
}

/// Reads one request, and answers it.
pub(super) async fn converse(mut stream: impl Stream, reporter: Arc<dyn Reporter>, patience: Duration) {
    let outcome = timeout(patience, async {
        let Some(asked) = take_head(&mut stream).await? else { return Ok(()) };
        stream.write_all(answer(asked, &*reporter).await.as_bytes()).await?;
        stream.shutdown().await
    });
    match outcome.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "metrics connection closed"),
        Err(_) => tracing::debug!("metrics connection closed: it took too long"),
    }
}

/// `None`: the peer is gone before it has asked for anything.
async fn take_head(stream: &mut impl Stream) -> io::Result<Option<Asked>> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        // No more than one byte too many, by which it shows.
        let room = (HEAD_MAX + 1).saturating_sub(bytes.len()) as u64;
        if (&mut *stream).take(room).read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
        match head::read(&bytes) {
            Asked::More => {}
            asked => return Ok(Some(asked)),
        }
    }
}

async fn answer(asked: Asked, reporter: &dyn Reporter) -> String {
    match asked {
        Asked::Metrics => response("200 OK", CONTENT_TYPE, "", &page(&reporter.report().await), true),
        Asked::MetricsHead => response("200 OK", CONTENT_TYPE, "", &page(&reporter.report().await), false),
        Asked::Elsewhere => plain("404 Not Found", "", "the metrics are at /metrics\n"),
        Asked::Otherwise => plain("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "GET /metrics is all there is\n"),
        Asked::Nothing | Asked::More => plain("400 Bad Request", "", "that is no request of HTTP/1.1\n"),
    }
}

fn plain(status: &str, field: &str, text: &str) -> String {
    response(status, "text/plain; charset=utf-8", field, text, true)
}

fn response(status: &str, kind: &str, field: &str, body: &str, with_body: bool) -> String {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{field}\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    if with_body { head + body } else { head }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Report, Reporting};
    use tokio::net::UnixStream;

    struct Still;

    impl Reporter for Still {
        fn report(&self) -> Reporting<'_> {
            Box::pin(std::future::ready(Report::default()))
        }
    }

    /// What a peer gets that writes this, in these pieces.
    async fn asked(pieces: &[&[u8]]) -> String {
        let (daemon, mut peer) = UnixStream::pair().unwrap();
        let serving = tokio::spawn(converse(daemon, Arc::new(Still), PATIENCE));
        for piece in pieces {
            peer.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answer = String::new();
        peer.read_to_string(&mut answer).await.unwrap();
        serving.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn an_answer_says_what_it_is_how_long_it_is_and_that_it_is_the_last() {
        let answer = asked(&[b"GET /metr", b"ics HTTP/1.1\r\nHost: x\r\n", b"\r\n"]).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            head,
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\
                 Content-Length: {}\r\nCache-Control: no-store\r\nConnection: close",
                body.len()
            )
        );
        assert_eq!(body, page(&Report::default()));
        let head_only = asked(&[b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n"]).await;
        assert_eq!(head_only, format!("{head}\r\n\r\n"));
    }

    #[tokio::test]
    async fn what_is_asked_otherwise_is_refused() {
        assert!(asked(&[b"GET / HTTP/1.1\r\n\r\n"]).await.starts_with("HTTP/1.1 404 Not Found\r\n"));
        let refused = asked(&[b"DELETE /metrics HTTP/1.1\r\n\r\n"]).await;
        assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("\r\nAllow: GET, HEAD\r\n"), "{refused}");
        assert!(asked(&[b"\x01ann\rsecret"]).await.starts_with("HTTP/1.1 400 Bad Request\r\n"));
        assert!(asked(&[&vec![b'x'; HEAD_MAX]]).await.starts_with("HTTP/1.1 400 "));
    }

    #[tokio::test]
    async fn who_does_not_come_to_an_end_is_not_waited_for() {
        let (daemon, mut peer) = UnixStream::pair().unwrap();
        peer.write_all(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
        converse(daemon, Arc::new(Still), Duration::from_millis(10)).await;
        assert_eq!(peer.read(&mut [0; 1]).await.unwrap(), 0);
        // Nor who does not take the answer.
        let (daemon, mut peer) = tokio::io::duplex(64);
        peer.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.unwrap();
        converse(daemon, Arc::new(Still), Duration::from_millis(10)).await;
    }
}
