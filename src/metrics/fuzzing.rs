//! What a peer writes to the metrics socket, for [`crate::fuzzing`].
//!
//! Errors: a claim that does not hold is a panic.

use super::serve::{PATIENCE, converse};
use crate::figures::{Report, Reporter, Reporting};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Builder;

struct Still;

impl Reporter for Still {
    fn report(&self) -> Reporting<'_> {
        Box::pin(std::future::ready(Report::default()))
    }
}

/// The peer writes this and nothing more. There is at most one answer, it is one of HTTP/1.1 with as many bytes as it says,
/// and the connection ends.
pub(crate) fn converse_with(bytes: &[u8]) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = runtime.block_on(conversation(bytes));
    if answer.is_empty() {
        return;
    }
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut fields);
    let head = response.parse(&answer).expect("it is an answer").unwrap();
    assert!([200, 400, 404, 405].contains(&response.code.expect("it says how it went")));
    let length = response.headers.iter().find(|field| field.name == "Content-Length").expect("it says how long it is");
    let length: usize = std::str::from_utf8(length.value).expect("digits").parse().expect("a number");
    let body = answer.len() - head;
    // Or it was asked for its head.
    assert!(body == length || (body == 0 && response.code == Some(200)), "{body} of {length}");
}

async fn conversation(bytes: &[u8]) -> Vec<u8> {
    let (daemon, mut peer) = UnixStream::pair().expect("two sockets");
    let (mut read, mut write) = peer.split();
    let mut answer = Vec::new();
    let talk = async {
        // The daemon may have closed the connection by then.
        let _ = write.write_all(bytes).await;
        let _ = write.shutdown().await;
    };
    let listen = async {
        let _ = read.read_to_end(&mut answer).await;
    };
    tokio::join!(converse(daemon, Arc::new(Still), PATIENCE), talk, listen);
    answer
}
